//! Compiles `echo.proto`.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["echo.proto"])
}
