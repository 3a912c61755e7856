//! Compiles the `.proto` file to Rust.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["../proto/faults.proto"])
}
