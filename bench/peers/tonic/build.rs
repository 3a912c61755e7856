//! Compiles the service to Rust, without protoc.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=../../proto/echo.proto");
    let files = protox::compile(["../../proto/echo.proto"], ["../../proto"])?;
    tonic_prost_build::configure().bytes(".").compile_fds(files)?;
    Ok(())
}
