//! The messages in the body of a request: one message, or messages with a prefix, as bytes or as text.

use std::mem;

use bytes::{Bytes, BytesMut};

use crate::protocol::http::content_type::Dialect;
use crate::protocol::http::grpc::{MessageDecoder, flag};
use crate::protocol::http::grpc_web::TextDecoder;
use crate::protocol::{Compressed, Message};
use crate::server::calls::too_long;
use crate::server::web::fields::Encoding;
use crate::status::Status;

/// Cuts the messages out of a body that arrives in pieces.
pub(super) struct RequestBody {
    encoding: Encoding,
    framing: Framing,
}

enum Framing {
    /// The body does not count.
    Ignored,
    /// The body is the message.
    Whole(WholeBody),
    Prefixed(MessageDecoder),
    /// Messages with a prefix, in base64.
    Text(TextBody),
}

/// What became of the bytes of a piece, beside the messages that it completed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::server) struct Taken {
    /// Bytes that belong to no message yet.
    pub(in crate::server) early: u64,
    /// Bytes that belong to no message at all.
    pub(in crate::server) overhead: u64,
}

impl RequestBody {
    /// A body that does not count.
    pub(super) fn ignored() -> RequestBody {
        RequestBody { encoding: Encoding::Identity, framing: Framing::Ignored }
    }

    /// The body of a request in this dialect. A message has at most `message_bytes_max` bytes on the wire.
    pub(super) fn new(dialect: Dialect, encoding: Encoding, message_bytes_max: usize) -> RequestBody {
        let flags = if encoding == Encoding::Identity { 0 } else { flag::COMPRESSED };
        let decoder = || MessageDecoder::new(flags, message_bytes_max);
        let framing = match dialect {
            Dialect::ConnectUnary | Dialect::Json => Framing::Whole(WholeBody::new(message_bytes_max)),
            Dialect::ConnectStream | Dialect::GrpcWeb | Dialect::Grpc => Framing::Prefixed(decoder()),
            Dialect::GrpcWebText => Framing::Text(TextBody::new(decoder())),
        };
        RequestBody { encoding, framing }
    }

    /// Takes a piece, and passes the messages on that it completes. A message that is the whole body follows at the end.
    pub(super) fn take(
        &mut self,
        mut piece: Bytes,
        pass_on: &mut impl FnMut(Message) -> Result<(), Status>,
    ) -> Result<Taken, Status> {
        let (length, mut overhead) = (piece.len() as u64, 0);
        let decoder = match &mut self.framing {
            Framing::Ignored => return Ok(Taken { early: 0, overhead: length }),
            Framing::Whole(body) => {
                body.take(piece)?;
                return Ok(Taken { early: length, overhead: 0 });
            }
            Framing::Prefixed(decoder) => decoder,
            Framing::Text(text) => {
                piece = text.decode(&piece)?;
                overhead = text.overhead();
                &mut text.messages
            }
        };
        let mut early = 0;
        while !piece.is_empty() {
            early = piece.len() as u64;
            let Some(message) = decoder.decode(&mut piece)? else { break };
            early = 0;
            let compressed = if message.is_compressed() { compressed(self.encoding) } else { Compressed::No };
            pass_on(Message { bytes: message.bytes, compressed })?;
        }
        Ok(Taken { early, overhead })
    }

    /// Takes the end of the body. Returns the message that is the whole body.
    pub(super) fn end(&mut self) -> Result<Option<Message>, Status> {
        match &mut self.framing {
            Framing::Ignored => Ok(None),
            Framing::Whole(body) => {
                let bytes = body.end();
                // No bytes are no compressed message.
                let compressed = if bytes.is_empty() { Compressed::No } else { compressed(self.encoding) };
                Ok(Some(Message { bytes, compressed }))
            }
            Framing::Prefixed(decoder) => decoder.end().map(|()| None),
            Framing::Text(text) => text.bytes.end().and_then(|()| text.messages.end()).map(|()| None),
        }
    }

    /// Bytes that are held until their message is complete.
    pub(super) fn held_bytes(&self) -> usize {
        match &self.framing {
            Framing::Ignored => 0,
            Framing::Whole(body) => body.held_bytes(),
            Framing::Prefixed(decoder) => decoder.held_bytes(),
            Framing::Text(text) => text.messages.held_bytes(),
        }
    }

    /// Whether a message has begun and is incomplete.
    pub(super) fn is_inside_a_message(&self) -> bool {
        match &self.framing {
            Framing::Ignored => false,
            Framing::Whole(_) => true,
            Framing::Prefixed(decoder) => decoder.is_inside_a_message(),
            Framing::Text(text) => text.messages.is_inside_a_message(),
        }
    }

    /// Copies what is held out of the shared read buffer, because the rest of the message may take a while.
    pub(super) fn compact(&mut self) {
        if let Framing::Whole(body) = &mut self.framing {
            body.compact();
        }
    }
}

fn compressed(encoding: Encoding) -> Compressed {
    match encoding {
        Encoding::Compressed(algorithm) => Compressed::By(algorithm),
        _ => Compressed::No,
    }
}

/// A body that is one message. A body that arrives in one piece is not copied.
struct WholeBody {
    bytes_max: usize,
    /// The first piece, as long as it is the only one.
    first: Bytes,
    rest: BytesMut,
}

impl WholeBody {
    fn new(bytes_max: usize) -> WholeBody {
        WholeBody { bytes_max, first: Bytes::new(), rest: BytesMut::new() }
    }

    fn take(&mut self, piece: Bytes) -> Result<(), Status> {
        let length = self.held_bytes() + piece.len();
        if length > self.bytes_max {
            let max = self.bytes_max;
            let text = format!("a message of at least {length} bytes is beyond message_bytes_max {max}");
            return Err(Status::resource_exhausted(text));
        }
        if self.held_bytes() == 0 {
            self.first = piece;
            return Ok(());
        }
        self.compact();
        self.rest.extend_from_slice(&piece);
        Ok(())
    }

    fn end(&mut self) -> Bytes {
        if self.rest.is_empty() { mem::take(&mut self.first) } else { mem::take(&mut self.rest).freeze() }
    }

    fn held_bytes(&self) -> usize {
        self.first.len() + self.rest.len()
    }

    fn compact(&mut self) {
        let first = mem::take(&mut self.first);
        self.rest.extend_from_slice(&first);
    }
}

/// Messages with a prefix, in base64.
struct TextBody {
    bytes: TextDecoder,
    messages: MessageDecoder,
    /// By how much the characters so far are more than the bytes that they stand for, and how much of that was returned.
    surplus: i64,
    returned: i64,
}

impl TextBody {
    fn new(messages: MessageDecoder) -> TextBody {
        TextBody { bytes: TextDecoder::default(), messages, surplus: 0, returned: 0 }
    }

    fn decode(&mut self, piece: &[u8]) -> Result<Bytes, Status> {
        let mut out = BytesMut::new();
        self.bytes.decode(piece, &mut out)?;
        self.surplus += piece.len() as i64 - out.len() as i64;
        Ok(out.freeze())
    }

    fn overhead(&mut self) -> u64 {
        let more = (self.surplus - self.returned).max(0);
        self.returned += more;
        more as u64
    }
}

/// Checks the length that a request states for a body that is one message.
pub(super) fn check_length(length: u64, message_bytes_max: usize) -> Result<(), Status> {
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length <= message_bytes_max {
        return Ok(());
    }
    Err(too_long("a message", length, "message_bytes_max", message_bytes_max))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a body that arrives in these pieces.
    fn messages(body: &mut RequestBody, pieces: &[&[u8]]) -> Result<Vec<Bytes>, Status> {
        let mut messages = Vec::new();
        for piece in pieces {
            let mut pass_on = |message: Message| {
                messages.push(message.bytes);
                Ok(())
            };
            body.take(Bytes::copy_from_slice(piece), &mut pass_on)?;
            body.compact();
        }
        messages.extend(body.end()?.map(|message| message.bytes));
        Ok(messages)
    }

    #[test]
    fn messages_are_the_same_however_the_body_is_split() {
        let framed = b"\0\0\0\0\x03one\0\0\0\0\0\0\0\0\0\x05three";
        let mut text = BytesMut::new();
        crate::protocol::http::grpc_web::encode_text(&mut text, framed);
        for (dialect, bytes, expected) in [
            (Dialect::ConnectStream, &framed[..], &[&b"one"[..], b"", b"three"][..]),
            (Dialect::GrpcWebText, &text, &[b"one", b"", b"three"]),
            (Dialect::Json, b"{\"a\":1}", &[b"{\"a\":1}"]),
            (Dialect::Json, b"", &[b""]),
        ] {
            for cut in 0..=bytes.len() {
                let mut body = RequestBody::new(dialect, Encoding::Identity, 100);
                let (a, b) = bytes.split_at(cut);
                assert_eq!(messages(&mut body, &[a, b]).unwrap(), expected, "{dialect:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn every_byte_of_a_body_in_text_is_accounted_for_once() {
        let mut framed = vec![0, 0, 0, 0, 200];
        framed.resize(205, 7);
        let mut text = BytesMut::new();
        crate::protocol::http::grpc_web::encode_text(&mut text, &framed);
        for size in 1..text.len() {
            let mut body = RequestBody::new(Dialect::GrpcWebText, Encoding::Identity, 1000);
            let (mut overhead, mut of_messages) = (0, 0);
            for piece in text.chunks(size) {
                let taken = body.take(Bytes::copy_from_slice(piece), &mut |message| {
                    of_messages += message.bytes.len() as u64 + 5;
                    Ok(())
                });
                overhead += taken.unwrap().overhead;
            }
            assert_eq!((overhead + of_messages, of_messages), (text.len() as u64, 205), "pieces of {size}");
        }
    }

    #[test]
    fn body_beyond_its_limit_fails_while_it_arrives() {
        let mut body = RequestBody::new(Dialect::Json, Encoding::Identity, 5);
        let status = messages(&mut body, &[b"123", b"456", b"7"]).unwrap_err();
        assert_eq!(status.message(), "a message of at least 6 bytes is beyond message_bytes_max 5");
        assert!(check_length(5, 5).is_ok());
        let status = check_length(u64::MAX, 5).unwrap_err();
        assert!(status.message().contains("message_bytes_max 5"), "{status}");
    }
}
