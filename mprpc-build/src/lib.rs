//! Compiles `.proto` files to messages, service traits, servers and clients for mprpc. It runs in a build script and needs
//! no `protoc`. No part of it is linked into a service.
//!
//! ```no_run
//! // build.rs
//! mprpc_build::compile(&["proto/user.proto"]).unwrap();
//! ```
//!
//! The code goes to `OUT_DIR`. The crate includes it with `mprpc::include_proto!`: with the package name for a package that
//! stands alone, or without a name, inside a module of its own, for packages that refer to each other. The code of a package
//! contains all of its files. Each file is written twice, with and without JSON; the feature `json` of mprpc chooses.
//!
//! # Generated code of a service
//!
//! `service UserServiceRpc { rpc Login(LoginRequest) returns (LoginResponse); }` of package `fixbug` becomes
//!
//! - `USER_SERVICE_RPC`, a `ServiceDescriptor`;
//! - `trait UserServiceRpc`, which a provider implements:
//!   `async fn login(&self, cx: &Context, request: LoginRequestView<'_>) -> Result<LoginResponse, Status>`;
//! - `UserServiceRpcServer`, which wraps an implementation as a `mprpc::Service`;
//! - `UserServiceRpcClient`, which calls the service over a channel: `client.login(LoginRequest { .. }).await?`;
//! - `trait UserServiceRpcCalls`, which the client implements and a fake can implement.
//!
//! A stream appears as `Streaming<LoginRequest>` in place of a message. Names that are reserved in Rust become `r#type` and
//! `self_`. If two methods have the same name in snake case, the later one gets a number: `get_user_2`. A method that
//! collides with the client's `new` also gets a number.
//!
//! Messages and enums that are named by a keyword get an underscore: `message type` becomes `struct Type_`. Their names on
//! the wire, in JSON and in descriptors stay. A oneof named `self` becomes `self_oneof`.
//!
//! # Supported syntax
//!
//! proto2 and proto3. The built-in parser, protox 0.10, does not know editions; `Config::protoc` names a `protoc` that
//! parses files with an edition.
//!
//! # Options
//!
//! Three files need no copy, because mprpc-build contains them, and reads no other files of these names:
//!
//! - `import "mprpc/options.proto";` for `option (mprpc.placement) = BLOCKING;`, which says where a server runs the handler,
//!   and becomes the `placement` of the `MethodDescriptor`. For other compilers, copy the file from `proto/` of this crate.
//! - `import "google/api/annotations.proto";`, and the file `http.proto` that it imports, for
//!   `option (google.api.http) = { get: "/v1/users/{id}" };`. The rule becomes `http` of the `MethodDescriptor`. The paths
//!   and the fields of a rule are checked here.

mod comments;
mod config;
mod descriptors;
mod error;
mod http;
mod keywords;
mod messages;
mod options;
mod output;
mod paths;
mod protoc;
mod service;
mod source;
mod template;

use std::path::Path;

pub use config::Config;
pub use error::Error;
pub use http::{HttpRule, http_rules};

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
