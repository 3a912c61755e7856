//! Encodes messages to bytes and decodes them. Only this module and `codegen` name the message library, buffa.

mod comments;
mod compression;
pub(crate) mod descriptors;
mod details;
pub(crate) mod either;
#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod json_tree;
pub(crate) mod message_types;
pub(crate) mod protobuf;

pub(crate) use buffa::MessageName;
pub use compression::Compression;

/// The trait of generated messages: `encode_to_vec`, `decode_from_slice`.
pub use buffa::Message;
/// The trait of message views: `to_owned_message`.
pub use buffa::MessageView;
/// The well-known types: `Timestamp`, `Duration`, `Any`, `Empty`.
pub use buffa_types::google::protobuf as well_known;

/// The standard messages for the details of a [`Status`](crate::Status): google.rpc's `ErrorInfo`, `RetryInfo`,
/// `BadRequest` and so on.
///
/// Source: <https://github.com/googleapis/googleapis/blob/master/google/rpc/error_details.proto>.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "buffa-codegen makes it, from proto/google/rpc/error_details.proto"
)]
pub mod error_details {
    include!("../../proto/google.rpc.rs");
}

/// The messages of `grpc.health.v1`, for programs that ask a server for its health by a
/// [`RawClient`](crate::RawClient). Each [`Server`](crate::Server) answers them.
///
/// Source: <https://github.com/grpc/grpc-proto/blob/master/grpc/health/v1/health.proto>.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "buffa-codegen makes it, from proto/grpc/health/v1/health.proto"
)]
pub mod health {
    include!("../../proto/grpc.health.v1.rs");
}

/// The messages of `grpc.reflection.v1`, for tools that ask a server for its schema by a
/// [`RawClient`](crate::RawClient). The messages of `v1alpha` have the same bytes.
///
/// Source: <https://github.com/grpc/grpc-proto/blob/master/grpc/reflection/v1/reflection.proto>.
#[allow(
    missing_docs,
    unreachable_pub,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "buffa-codegen makes it, from proto/grpc/reflection/v1/reflection.proto"
)]
pub mod reflection {
    include!("../../proto/grpc.reflection.v1.rs");
}

/// The messages of etcd's API that the registry in etcd uses.
///
/// Source: <https://github.com/etcd-io/etcd/blob/main/api/etcdserverpb/rpc.proto>.
#[cfg(feature = "etcd")]
#[allow(
    missing_docs,
    unreachable_pub,
    non_snake_case,
    dead_code,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "buffa-codegen makes it, from proto/etcd/rpc.proto"
)]
pub(crate) mod etcd_messages {
    include!("../../proto/etcdserverpb.rs");
}

/// An encoded `google.protobuf.FileDescriptorSet`: the files of the built-in services, and the files that
/// [`ServiceDescriptor::files`](crate::ServiceDescriptor::files) leave out. A test of mprpc-build makes it.
pub(crate) const BUILT_IN_FILES: &[u8] = include_bytes!("../../proto/built_in.binpb");

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf's binary form.
    Protobuf,
    /// Protobuf's JSON form. Without the feature `json`, a service answers such requests with UNIMPLEMENTED.
    Json,
}
