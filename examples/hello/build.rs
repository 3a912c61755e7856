//! Compiles `hello.proto`.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["hello.proto"])
}
