//! gRPC-Web, where it differs from gRPC: trailers in the body, and the body as base64 text.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>.

use base64::engine::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{BufMut, BytesMut};

use super::field::check_field;
use super::grpc::{PREFIX_BYTES, encode_prefix, flag};
use crate::status::Status;

/// Appends the trailers as the last message of a body. INTERNAL, with nothing appended, if a field is malformed.
pub(crate) fn encode_trailers(
    out: &mut BytesMut,
    fields: impl IntoIterator<Item = (impl AsRef<str>, impl AsRef<[u8]>)>,
) -> Result<(), Status> {
    let start = out.len();
    out.put_bytes(0, PREFIX_BYTES);
    for (name, value) in fields {
        let (name, value) = (name.as_ref(), value.as_ref());
        if let Err(status) = check_field(name, value) {
            out.truncate(start);
            return Err(status);
        }
        out.put_slice(name.as_bytes());
        out.put_slice(b": ");
        out.put_slice(value);
        out.put_slice(b"\r\n");
    }
    let length = out.len() - start - PREFIX_BYTES;
    out[start..start + PREFIX_BYTES].copy_from_slice(&encode_prefix(flag::TRAILERS, length));
    Ok(())
}

/// Names and values of fields.
#[cfg(any(test, fuzzing))]
pub(crate) type Pairs<'a> = Vec<(&'a [u8], &'a [u8])>;

/// Decodes the block of a message with the flag TRAILERS: the fields, their names in any case. INTERNAL if a line is no
/// field.
#[cfg(any(test, fuzzing))]
pub(crate) fn decode_trailers(block: &[u8]) -> Result<Pairs<'_>, Status> {
    let lines = block.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let field = |line: &'_ [u8]| {
        let colon = line.iter().position(|byte| *byte == b':');
        colon.ok_or_else(|| Status::internal("a line of the trailers of gRPC-Web has no colon"))
    };
    lines
        .filter(|line| !line.is_empty())
        .map(|line| field(line).map(|colon| (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii())))
        .collect()
}

/// Appends a part of a body as text. Each part ends in padding, so that the receiver can read it without the next one.
pub(crate) fn encode_text(out: &mut BytesMut, part: &[u8]) {
    let start = out.len();
    out.put_bytes(0, part.len().div_ceil(3) * 4);
    STANDARD.encode_slice(part, &mut out[start..]).expect("a group of four takes three bytes");
}

/// Decodes a body of base64 text that arrives in pieces. Padding may end any part of it.
#[derive(Debug, Default)]
pub(crate) struct TextDecoder {
    /// The beginning of a group of four characters that lies in several pieces.
    group: [u8; 4],
    group_filled: usize,
}

impl TextDecoder {
    /// Decodes a piece and appends the bytes. INVALID_ARGUMENT if the piece is not base64.
    pub(crate) fn decode(&mut self, mut piece: &[u8], out: &mut BytesMut) -> Result<(), Status> {
        if self.group_filled > 0 {
            piece = self.fill_group(piece);
            if self.group_filled < self.group.len() {
                return Ok(());
            }
            self.group_filled = 0;
            decode_groups(&self.group, out)?;
        }
        let (groups, rest) = piece.split_at(piece.len() / 4 * 4);
        self.fill_group(rest);
        decode_groups(groups, out)
    }

    /// Checks that the body ends behind a group. INVALID_ARGUMENT if it does not.
    pub(crate) fn end(&self) -> Result<(), Status> {
        if self.group_filled == 0 { Ok(()) } else { Err(Status::invalid_argument("the base64 of the body is cut off")) }
    }

    /// Takes what the group lacks from the front of `piece`. Returns the rest.
    fn fill_group<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        let (taken, rest) = piece.split_at(piece.len().min(self.group.len() - self.group_filled));
        self.group[self.group_filled..][..taken.len()].copy_from_slice(taken);
        self.group_filled += taken.len();
        rest
    }
}

/// Decodes groups of four characters. A group with padding ends a part; another part may follow.
fn decode_groups(mut groups: &[u8], out: &mut BytesMut) -> Result<(), Status> {
    while !groups.is_empty() {
        let padding = groups.iter().position(|byte| *byte == b'=');
        let (part, rest) = groups.split_at(padding.map_or(groups.len(), |at| at / 4 * 4 + 4));
        let start = out.len();
        out.put_bytes(0, part.len() / 4 * 3);
        let decoded = STANDARD.decode_slice(part, &mut out[start..]);
        let length = decoded.map_err(|_| Status::invalid_argument("the body is not base64"))?;
        out.truncate(start + length);
        groups = rest;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    #[test]
    fn trailers_are_a_message_of_lines() {
        let mut out = BytesMut::from(&b"before"[..]);
        let fields: [(&str, &[u8]); 2] = [("grpc-status", b"0"), ("cost", b"a: b")];
        encode_trailers(&mut out, fields).unwrap();
        assert_eq!(out, b"before\x80\0\0\0\x1cgrpc-status: 0\r\ncost: a: b\r\n"[..].to_vec());
        let block = &out[b"before".len() + PREFIX_BYTES..];
        let expected = fields.map(|(name, value)| (name.as_bytes(), value));
        assert_eq!(decode_trailers(block).unwrap(), expected);
    }

    #[test]
    fn trailers_of_other_libraries_decode() {
        let expected: [(&[u8], &[u8]); 2] = [(b"Grpc-Status", b"5"), (b"grpc-message", b"")];
        assert_eq!(decode_trailers(b"Grpc-Status:5\r\ngrpc-message:\r\n").unwrap(), expected);
        assert_eq!(decode_trailers(b"Grpc-Status: 5\ngrpc-message: \n\r\n").unwrap(), expected);
        assert_eq!(decode_trailers(b"grpc-status").unwrap_err().code(), Code::Internal);
        assert_eq!(decode_trailers(b"").unwrap(), []);
    }

    #[test]
    fn malformed_trailer_appends_nothing() {
        let mut out = BytesMut::from(&b"before"[..]);
        let status = encode_trailers(&mut out, [("a", &b"x"[..]), ("b", b"x\r\nc: d")]).unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(out, "before");
    }

    /// Three parts, each with its own padding.
    const PARTS: [&[u8]; 3] = [b"\0\0\0\0\x01a", b"longer than a group", b"\xfb\xff"];

    #[test]
    fn text_is_the_same_at_every_split() {
        let mut text = BytesMut::new();
        for part in PARTS {
            encode_text(&mut text, part);
        }
        assert_eq!(text, "AAAAAAFhbG9uZ2VyIHRoYW4gYSBncm91cA==+/8=");
        let decoded = |pieces: &[&[u8]]| {
            let (mut decoder, mut out) = (TextDecoder::default(), BytesMut::new());
            for piece in pieces {
                decoder.decode(piece, &mut out).unwrap();
            }
            decoder.end().unwrap();
            out
        };
        for split in 0..=text.len() {
            let (head, tail) = text.split_at(split);
            assert_eq!(decoded(&[head, tail]), PARTS.concat(), "split at {split}");
        }
        assert_eq!(decoded(&text.chunks(1).collect::<Vec<_>>()), PARTS.concat());
    }

    #[test]
    fn text_that_is_not_base64_is_an_error() {
        for text in ["AA=A", "====", "A===", "AAA*", "AA\r\n", "AB==", "AAAA=AAA"] {
            let mut decoder = TextDecoder::default();
            let status = decoder.decode(text.as_bytes(), &mut BytesMut::new()).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{text}");
        }
        let mut decoder = TextDecoder::default();
        decoder.decode(b"AAAAAA", &mut BytesMut::new()).unwrap();
        assert_eq!(decoder.end().unwrap_err().message(), "the base64 of the body is cut off");
    }
}
