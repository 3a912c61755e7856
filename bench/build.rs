//! Compiles the `.proto` files to Rust.

fn main() -> Result<(), mprpc_build::Error> {
    // The peers use shared bytes too.
    let shared_bytes = vec![".bench.Echo.payload".to_owned()];
    mprpc_build::Config { shared_bytes, ..Default::default() }.compile(&["proto/echo.proto"])
}
