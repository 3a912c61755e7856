//! Compiles the service to Rust.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo::rerun-if-changed=echo.thrift");
    Ok(volo_build::Builder::thrift().add_service("echo.thrift").write()?)
}
