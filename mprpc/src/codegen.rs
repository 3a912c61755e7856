//! The one door for generated code. Not for use by hand; it changes with `mprpc-build`.

pub use buffa;
pub use bytes::Bytes;
#[cfg(feature = "json")]
pub use serde;

pub use crate::client::{Call, Channel, Stub};
pub use crate::codec::Codec;
pub use crate::context::Context;
pub use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
pub use crate::service::{Body, BoxFuture, Service, Streaming};
pub use crate::status::Status;
