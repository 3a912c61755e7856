//! Compiles `hello.proto`.

fn main() {
    mprpc_build::compile(&["hello.proto"]).unwrap();
}
