//! Makes Rust of the services.

fn main() -> Result<(), mprpc_build::Error> {
    // As the peers have it.
    let shared_bytes = vec![".bench.Echo.payload".to_owned()];
    mprpc_build::Config { shared_bytes, ..Default::default() }.compile(&["proto/echo.proto"])
}
