//! mprpc: an RPC framework for Rust services.

mod balancer;
pub mod client;
mod codec;
#[doc(hidden)]
pub mod codegen;
mod config;
mod context;
mod deadline;
pub mod discovery;
mod endpoint;
mod error;
mod limits;
pub mod logging;
mod metadata;
mod method;
pub mod net;
mod protocol;
pub mod server;
mod service;
mod status;

pub use bytes::{Bytes, BytesMut};
pub use client::{Call, Channel, ChannelOptions};
pub use codec::{Codec, Message, MessageView, well_known};
pub use config::{CONF_FILE_BYTES_MAX, Config, Source, Values, init, init_with};
pub use context::{Context, Peer};
pub use deadline::Deadline;
pub use endpoint::{Address, Endpoint, Protocol};
pub use error::{Error, ErrorKind};
pub use limits::Limits;
pub use metadata::Metadata;
pub use method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
pub use server::{Running, Server, ServerStats};
pub use service::{Body, BoxFuture, Service, Streaming};
pub use status::{Code, Phase, Ran, Status};
