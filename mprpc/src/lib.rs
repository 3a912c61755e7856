//! mprpc: an RPC framework for Rust services.

pub mod client;
mod codec;
#[doc(hidden)]
pub mod codegen;
mod context;
mod deadline;
pub mod discovery;
mod endpoint;
mod error;
mod limits;
mod metadata;
mod method;
pub mod net;
mod service;
mod status;

pub use client::{Call, Channel};
pub use codec::{Codec, Message, MessageView, well_known};
pub use context::{Context, Peer};
pub use deadline::Deadline;
pub use endpoint::{Address, Endpoint, Protocol};
pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use metadata::Metadata;
pub use method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
pub use service::{Body, BoxFuture, Service, Streaming};
pub use status::{Code, Phase, Ran, Status};
