//! Messages to bytes and back. The message library, buffa, is named here and in `codegen` alone.

#[cfg(feature = "json")]
pub(crate) mod json;
pub(crate) mod protobuf;

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf's binary form.
    Protobuf,
    /// Protobuf's JSON form. Without the feature `json` a service answers UNIMPLEMENTED to it.
    Json,
}
