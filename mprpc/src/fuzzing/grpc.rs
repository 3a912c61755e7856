//! The parts of gRPC, gRPC-Web and Connect that arrive inside frames.

use bytes::{Bytes, BytesMut};

use super::Mode;
use crate::metadata::Metadata;
use crate::protocol::http::connect::{self, GetCall};
use crate::protocol::http::content_type::ContentType;
use crate::protocol::http::grpc::{self, MessageDecoder};
use crate::protocol::http::grpc_web::{self, TextDecoder};
use crate::protocol::http::{binary, metadata};

const MESSAGE_BYTES_MAX: usize = 1 << 20;
/// The longest message of a status that is sent, as `protocol::http::grpc` cuts it.
const STATUS_MESSAGE_BYTES_MAX: usize = 4096;

/// Decodes a body, and the values of fields. However the body is cut, the messages are the same; what is encoded decodes to
/// the same.
pub fn grpc(data: &[u8]) {
    let Some((mode, data)) = Mode::take(data) else { return };
    assert_eq!(messages([data].into_iter()), messages(mode.pieces(data)));
    assert_eq!(from_base64([data].into_iter()), from_base64(mode.pieces(data)));
    let mut text = BytesMut::new();
    grpc_web::encode_text(&mut text, data);
    assert_eq!(from_base64(mode.pieces(&text)).as_deref(), Some(data));
    assert_eq!(binary::decode(binary::encode(data).as_bytes()).as_deref(), Some(data));
    drop(binary::decode(data));
    drop(binary::decode_from_url(data));
    if let Ok(timeout) = grpc::decode_timeout(data) {
        assert!(grpc::decode_timeout(grpc::encode_timeout(timeout).as_bytes()).is_ok_and(|again| again <= timeout));
    }
    let _ = connect::decode_timeout(data);
    let _ = ContentType::decode(data);
    let message = grpc::decode_status_message(data);
    let encoded = grpc::encode_status_message(&message);
    let again = grpc::decode_status_message(encoded.as_bytes());
    // A long message is cut at a character, which takes at most twelve bytes.
    assert!(message.starts_with(&*again) && encoded.len() <= STATUS_MESSAGE_BYTES_MAX);
    assert!(again == message || encoded.len() > STATUS_MESSAGE_BYTES_MAX - 12);
    if let Ok(query) = std::str::from_utf8(data)
        && let Ok(call) = GetCall::decode(query)
    {
        let again = GetCall::decode(&call.encode());
        assert!(again.is_ok_and(|again| again.message == call.message && again.encoding == call.encoding));
    }
    append_fields(data);
}

/// The messages of a body, and whether all of it could be decoded.
fn messages<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<(u8, Bytes)>, bool) {
    let mut decoder = MessageDecoder::new(grpc::flag::COMPRESSED | grpc::flag::TRAILERS, MESSAGE_BYTES_MAX);
    let mut messages = Vec::new();
    for piece in pieces {
        let mut piece = Bytes::copy_from_slice(piece);
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(message)) => messages.push((message.flags, message.bytes)),
                Ok(None) => break,
                Err(_) => return (messages, false),
            }
        }
    }
    assert!(decoder.held_bytes() <= MESSAGE_BYTES_MAX);
    (messages, decoder.end().is_ok())
}

/// A body of gRPC-Web as text. `None` if it is not base64.
fn from_base64<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let (mut decoder, mut out) = (TextDecoder::default(), BytesMut::new());
    for piece in pieces {
        decoder.decode(piece, &mut out).ok()?;
    }
    decoder.end().ok()?;
    Some(out.to_vec())
}

/// Reads the data as trailers. The fields that are accepted as metadata are sent as fields that are accepted.
fn append_fields(data: &[u8]) {
    let Ok(pairs) = grpc_web::decode_trailers(data) else { return };
    let mut received = Metadata::new();
    for (name, value) in pairs {
        let _ = metadata::append_field(&mut received, name, value);
    }
    let mut again = Metadata::new();
    for (name, value) in metadata::fields(&received) {
        metadata::append_field(&mut again, name.as_bytes(), &value).expect("it was accepted before");
    }
    assert_eq!(again, received);
}
