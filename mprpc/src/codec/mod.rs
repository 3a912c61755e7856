//! Encodes messages to bytes and decodes them. Only this module and `codegen` name the message library, buffa.

mod compression;
mod details;
#[cfg(feature = "json")]
pub(crate) mod json;
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

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf's binary form.
    Protobuf,
    /// Protobuf's JSON form. Without the feature `json`, a service answers such requests with UNIMPLEMENTED.
    Json,
}
