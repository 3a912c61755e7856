//! HTTP/2 (RFC 9113) without I/O, for both sides: frames, settings, streams, flow control and header compression. It knows
//! nothing about RPC.

mod closed_streams;
mod connection;
mod field_writer;
mod flood;
pub(crate) mod frame;
pub(crate) mod hpack;
mod settings;
mod stream;
mod streams;
#[cfg(test)]
pub(crate) mod tests;

use bytes::{Bytes, BytesMut};

pub(crate) use self::connection::{Connection, Event};
pub(crate) use self::field_writer::FieldWriter;
pub(crate) use self::frame::ErrorCode;
pub(crate) use self::settings::OwnSettings;

/// Where a connection puts the bytes that it sends.
pub(crate) trait Output {
    /// The buffer to append small things to.
    fn tail(&mut self) -> &mut BytesMut;
    /// Appends a payload, if it is large without a copy.
    fn push(&mut self, payload: Bytes);
}

/// How the peer broke the protocol, so that the connection has to end: the code of the GOAWAY frame, and its text.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) code: ErrorCode,
    pub(crate) text: String,
}

fn violation<T>(code: ErrorCode, text: impl Into<String>) -> Result<T, Violation> {
    Err(Violation { code, text: text.into() })
}
