//! Where a response goes: the interface between the dialects and the versions of HTTP.

use std::borrow::Cow;

use bytes::Bytes;

/// A field of a response: its name and its value.
pub(in crate::server) type Field<'a> = (Cow<'a, str>, Cow<'a, [u8]>);

/// Where a response goes: a stream of HTTP/2, or a connection of HTTP/1.1.
pub(in crate::server) trait ResponseWriter {
    /// Sends the head. `length` is the length of the body, if it is known.
    fn head(&mut self, status: u16, fields: &[Field<'_>], length: Option<u64>);

    /// Sends a part of the body, `prefix` and `payload`, which may be the last.
    fn data(&mut self, prefix: &[u8], payload: Bytes, is_end: bool);

    /// Sends the end of a response without a body.
    fn end(&mut self);
}
