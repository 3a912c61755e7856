//! Compiles `.proto` files to messages, service traits, servers and clients for mprpc. Runs in a build script; no part
//! of it is linked into a service, and no `protoc` is needed.
//!
//! ```no_run
//! // build.rs
//! mprpc_build::compile(&["proto/user.proto"]).unwrap();
//! ```
//!
//! The code goes to `OUT_DIR`, and the crate takes it in with `mprpc::include_proto!`: with the name of the package if
//! it stands alone, without a name (inside a module of its own) if packages refer to each other.

mod comments;
mod config;
mod error;
mod messages;
mod output;
mod paths;
mod service;
mod source;

use std::path::Path;

pub use config::Config;
pub use error::Error;

/// Compiles `.proto` files with the defaults of [`Config`]. Call it once, with all files of the crate.
///
/// ```no_run
/// fn main() -> Result<(), mprpc_build::Error> {
///     mprpc_build::compile(&["proto/user.proto", "proto/friend.proto"])
/// }
/// ```
pub fn compile(files: &[impl AsRef<Path>]) -> Result<(), Error> {
    Config::default().compile(files)
}
