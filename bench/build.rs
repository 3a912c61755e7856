//! Makes Rust of the services.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["proto/echo.proto"])
}
