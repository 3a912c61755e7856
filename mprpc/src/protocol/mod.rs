//! Detects the protocol of a connection from its first bytes. The modules below encode and decode the frames.

pub(crate) mod classic;
pub(crate) mod flow;
pub(crate) mod http;
pub(crate) mod http1;
pub(crate) mod http2;
pub(crate) mod native;
pub(crate) mod proxy;
mod wire;

pub(crate) use native::{
    Compressed, Keepalive, Look, Message, Pace, STORY_KEY, decode_error, encode_error, metadata_bytes,
};

use crate::limits::Limits;

/// The protocol that the first bytes of a connection indicate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sniffed {
    /// The bytes still fit several protocols.
    NeedMore,
    /// The native protocol. Only the magic of its preface has been checked.
    Native,
    /// HTTP/1.1. Only the method has been checked.
    Http1,
    /// HTTP/2 with prior knowledge. Only the beginning of its preface has been checked.
    Http2,
    /// The classic frame.
    Classic,
    /// A TLS ClientHello on a connection without TLS.
    TlsHello,
    /// No known protocol. The number is the first four bytes, read as the size of a classic header.
    Unknown(u32),
    /// A known protocol that is not served here, by name.
    Foreign(&'static str),
}

/// The plaintext answer to a TLS ClientHello: a TLS 1.2 record with the fatal alert `unexpected_message` (RFC 8446, 5.1 and
/// 6). A server that speaks TLS never sends this alert in answer to a ClientHello, so the client can tell the difference.
pub(crate) const TLS_REFUSAL: [u8; 7] = [0x15, 3, 3, 0, 2, 2, 10];

/// The first bytes of a TLS ClientHello: a handshake record of any version in use.
const TLS_HELLO: [&[u8]; 3] = [b"\x16\x03\x01", b"\x16\x03\x02", b"\x16\x03\x03"];

/// The first bytes of the preface of HTTP/2.
const HTTP2: &[u8] = b"PRI * HTTP/2";

/// The first bytes of HTTP/1.1: the methods of requests.
const HTTP1: [&[u8]; 9] =
    [b"GET ", b"POST ", b"PUT ", b"HEAD ", b"DELETE ", b"OPTIONS ", b"PATCH ", b"CONNECT ", b"TRACE "];

/// The first bytes of known protocols that are not served. The names go into the log.
const FOREIGN: [(&[u8], &str); 3] =
    [(b"SSH-", "an SSH greeting"), (proxy::V1, UNTRUSTED_PROXY), (proxy::V2, UNTRUSTED_PROXY)];

/// A server reads PROXY headers before it detects the protocol, and only those of trusted proxies.
const UNTRUSTED_PROXY: &str = "a PROXY header from a peer that is not in trusted_proxies, or a second one";

/// Detects the protocol from the first bytes.
pub(crate) fn sniff(bytes: &[u8], limits: &Limits) -> Sniffed {
    let magic = &native::PREFACE[..native::MAGIC_BYTES];
    if bytes.starts_with(magic) {
        return Sniffed::Native;
    }
    if magic.starts_with(bytes) {
        return Sniffed::NeedMore;
    }
    if TLS_HELLO.iter().any(|start| bytes.starts_with(start)) {
        return Sniffed::TlsHello;
    }
    if bytes.starts_with(HTTP2) {
        return Sniffed::Http2;
    }
    if HTTP1.iter().any(|method| bytes.starts_with(method)) {
        return Sniffed::Http1;
    }
    if let Some((_, name)) = FOREIGN.iter().find(|(start, _)| bytes.starts_with(start)) {
        return Sniffed::Foreign(name);
    }
    let Some(size) = bytes.first_chunk::<4>() else {
        return Sniffed::NeedMore;
    };
    let header_bytes = u32::from_le_bytes(*size);
    if (1..=limits.classic_header_bytes_max).contains(&(header_bytes as usize)) {
        return Sniffed::Classic;
    }
    let mut beginnings = FOREIGN.iter().map(|(start, _)| *start).chain(TLS_HELLO).chain([HTTP2]).chain(HTTP1);
    if beginnings.any(|start| start.starts_with(bytes)) {
        return Sniffed::NeedMore;
    }
    Sniffed::Unknown(header_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniffed(bytes: &[u8]) -> Sniffed {
        sniff(bytes, &Limits::default())
    }

    #[test]
    fn sniff_tells_protocols_apart_at_every_length() {
        for length in 1..native::MAGIC_BYTES {
            assert_eq!(sniffed(&native::PREFACE[..length]), Sniffed::NeedMore);
        }
        assert_eq!(sniffed(native::PREFACE.as_slice()), Sniffed::Native);
        for length in 1..HTTP2.len() {
            assert_eq!(sniffed(&http2::frame::PREFACE[..length]), Sniffed::NeedMore);
        }
        assert_eq!(sniffed(http2::frame::PREFACE), Sniffed::Http2);
        for method in HTTP1 {
            for length in 1..method.len() {
                assert_eq!(sniffed(&method[..length]), Sniffed::NeedMore);
            }
            assert_eq!(sniffed(method), Sniffed::Http1);
        }
        assert_eq!(sniffed(&[0x19]), Sniffed::NeedMore);
        assert_eq!(sniffed(&[0x19, 0, 0]), Sniffed::NeedMore);
        assert_eq!(sniffed(&[0x19, 0, 0, 0]), Sniffed::Classic);
        assert_eq!(sniffed(&[0x00, 0x10, 0, 0]), Sniffed::Classic);
    }

    #[test]
    fn sniff_names_protocols_that_are_not_served() {
        assert_eq!(sniffed(b"SSH-2.0-OpenSSH"), Sniffed::Foreign("an SSH greeting"));
        assert_eq!(sniffed(b"SSH"), Sniffed::NeedMore);
        for header in [proxy::V1, proxy::V2] {
            assert_eq!(sniffed(header), Sniffed::Foreign(UNTRUSTED_PROXY));
            for length in 1..header.len() {
                assert_eq!(sniffed(&header[..length]), Sniffed::NeedMore, "{length} bytes of {header:?}");
            }
        }
        assert_eq!(sniffed(&[0x16, 3, 1, 2, 0]), Sniffed::TlsHello);
        assert_eq!(sniffed(&[0x16, 3]), Sniffed::NeedMore);
        for garbage in [[0u8; 4], [0xff; 4], [0x01, 0x10, 0, 0], *b"abcd"] {
            assert_eq!(sniffed(&garbage), Sniffed::Unknown(u32::from_le_bytes(garbage)));
        }
    }
}
