//! Compiles the `.proto` files to Rust.

fn main() -> Result<(), mprpc_build::Error> {
    let shared_bytes = vec![".bench.Echo.payload".to_owned(), ".bench.Work.payload".to_owned()];
    let config = mprpc_build::Config { shared_bytes, ..Default::default() };
    config.compile(&["../proto/echo_only.proto", "../proto/load.proto"])
}
