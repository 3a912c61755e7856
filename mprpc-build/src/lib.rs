//! Compiles `.proto` files to messages, service traits, servers and clients for mprpc. Runs in a build script; no part
//! of it is linked into a service, and no `protoc` is needed.
//!
//! ```no_run
//! // build.rs
//! mprpc_build::compile(&["proto/user.proto"]).unwrap();
//! ```
//!
//! The code goes to `OUT_DIR`, and the crate takes it in with `mprpc::include_proto!`: with the name of the package if
//! it stands alone, without a name (inside a module of its own) if packages refer to each other. All files of a package
//! come together there. Two forms of each file are written, with and without JSON; the feature `json` of mprpc chooses.
//!
//! # What a service becomes
//!
//! `service UserServiceRpc { rpc Login(LoginRequest) returns (LoginResponse); }` of package `fixbug` becomes
//!
//! - `USER_SERVICE_RPC`, a `ServiceDescriptor`;
//! - `trait UserServiceRpc`, which a provider implements:
//!   `async fn login(&self, cx: &Context, request: LoginRequestView<'_>) -> Result<LoginResponse, Status>`;
//! - `UserServiceRpcServer`, which makes a `mprpc::Service` of an implementation;
//! - `UserServiceRpcClient`, which calls it over a channel: `client.login(LoginRequest { .. }).await?`;
//! - `trait UserServiceRpcCalls`, which the client implements and a fake can.
//!
//! A stream stands as `Streaming<LoginRequest>` in the place of a message. Names that Rust has taken are written
//! `r#type` and `self_`; of two methods that meet in snake case, and beside `new` of the client, the later gets a
//! number: `get_user_2`.
//!
//! # What it reads
//!
//! proto2 and proto3. Editions are refused: the parser, protox 0.10, does not know them.
//!
//! # Options of mprpc
//!
//! `import "mprpc/options.proto";` needs no file: mprpc-build brings it along, and reads no other of that name. It has one
//! option, for methods: `option (mprpc.placement) = BLOCKING;` says where a server runs the handler, and becomes the
//! `placement` of the `MethodDescriptor`. Other compilers take a copy of `proto/mprpc/options.proto` of this crate.

mod comments;
mod config;
mod error;
mod messages;
mod options;
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
