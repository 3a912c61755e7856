//! HTTP/2 (RFC 9113). It converts between bytes and frames, without sockets or a clock.

#[allow(dead_code, unused_imports, reason = "the HTTP/2 engine that uses it comes next")]
pub(crate) mod hpack;
