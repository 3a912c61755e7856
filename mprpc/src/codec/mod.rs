//! Messages to bytes and back.

/// How messages are encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Protobuf's binary form.
    Protobuf,
}
