//! The dialects of the web as a client speaks them, for tests: requests of calls, and what their responses say.

use std::sync::Arc;

use bytes::BytesMut;

use super::http::{Answer, Ask};
use super::http2_client::{Version, ask};
pub(super) use super::protocols::Outcome;
use super::protocols::grpc::failure_of;
use super::*;
use crate::codec::Compression;
use crate::protocol::http::content_type::{ContentType, Dialect};
use crate::protocol::http::{connect, grpc, grpc_web, metadata};

/// A dialect as a client speaks it.
const fn of(dialect: Dialect, codec: Codec) -> ContentType {
    ContentType { dialect, codec }
}

pub(super) const JSON: ContentType = of(Dialect::Json, Codec::Json);
pub(super) const CONNECT_PROTO: ContentType = of(Dialect::ConnectUnary, Codec::Protobuf);
pub(super) const CONNECT_STREAM: ContentType = of(Dialect::ConnectStream, Codec::Protobuf);
pub(super) const CONNECT_STREAM_JSON: ContentType = of(Dialect::ConnectStream, Codec::Json);
pub(super) const GRPC_WEB: ContentType = of(Dialect::GrpcWeb, Codec::Protobuf);
pub(super) const GRPC_WEB_TEXT: ContentType = of(Dialect::GrpcWebText, Codec::Protobuf);

pub(super) const UNARY: [ContentType; 4] = [JSON, CONNECT_PROTO, GRPC_WEB, GRPC_WEB_TEXT];
pub(super) const STREAMS: [ContentType; 4] = [CONNECT_STREAM, CONNECT_STREAM_JSON, GRPC_WEB, GRPC_WEB_TEXT];

/// The field of a request or a response that names the compression.
pub(super) fn encoding_field(content: ContentType) -> &'static str {
    match content.dialect {
        Dialect::Json | Dialect::ConnectUnary => "content-encoding",
        Dialect::ConnectStream => "connect-content-encoding",
        _ => "grpc-encoding",
    }
}

pub(super) fn accept_field(content: ContentType) -> &'static str {
    match content.dialect {
        Dialect::Json | Dialect::ConnectUnary => "accept-encoding",
        Dialect::ConnectStream => "connect-accept-encoding",
        _ => "grpc-accept-encoding",
    }
}

pub(super) fn is_framed(content: ContentType) -> bool {
    !matches!(content.dialect, Dialect::Json | Dialect::ConnectUnary)
}

pub(super) fn framed(content: ContentType, flags: u8, messages: &[&[u8]]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    for message in messages {
        grpc::encode_message(&mut bytes, flags, message);
    }
    if content.dialect != Dialect::GrpcWebText {
        return bytes.to_vec();
    }
    let mut text = BytesMut::new();
    grpc_web::encode_text(&mut text, &bytes);
    text.to_vec()
}

/// The request of a call.
pub(super) fn call(content: ContentType, path: &str, messages: &[&[u8]]) -> Ask {
    let body = if is_framed(content) { framed(content, 0, messages) } else { messages.concat() };
    Ask::post(format!("/{path}"), content.name(), body)
}

/// Reads a response as a client of the dialect does.
pub(super) fn read(content: ContentType, answer: &Answer) -> Outcome {
    let mut outcome = head(content, answer);
    let algorithm = answer.field(encoding_field(content)).map(algorithm);
    if !is_framed(content) {
        if answer.status != 200 {
            assert_eq!(answer.field("content-type"), Some("application/json"));
            outcome.error = Some(connect::decode_error(&answer.body).unwrap());
            assert!(answer.status == 404 || connect::http_status(outcome.code()) == answer.status);
            return outcome;
        }
        let message = algorithm.map(|algorithm| algorithm.decompress(&answer.body, 1 << 20).unwrap().to_vec());
        outcome.messages.push(message.unwrap_or(answer.body.clone()));
        return outcome;
    }
    assert_eq!((answer.status, answer.field("content-type")), (200, Some(content.name())));
    let mut body = BytesMut::from(&answer.body[..]);
    if content.dialect == Dialect::GrpcWebText {
        let mut bytes = BytesMut::new();
        let mut decoder = grpc_web::TextDecoder::default();
        decoder.decode(&body, &mut bytes).unwrap();
        decoder.end().unwrap();
        body = bytes;
    }
    let mut decoder = grpc::MessageDecoder::new(0xff, 1 << 20);
    let mut piece = body.freeze();
    let mut has_ended = false;
    while let Some(message) = decoder.decode(&mut piece).unwrap() {
        assert!(!has_ended, "a message behind the end");
        if message.flags & grpc::flag::END_STREAM != 0 {
            has_ended = true;
            (outcome.error, outcome.trailer) = connect::decode_end(&message.bytes).unwrap();
        } else if message.flags & grpc::flag::TRAILERS != 0 {
            has_ended = true;
            trailers(&message.bytes, &mut outcome);
        } else if message.is_compressed() {
            outcome.messages.push(algorithm.unwrap().decompress(&message.bytes, 1 << 20).unwrap().to_vec());
        } else {
            outcome.messages.push(message.bytes.to_vec());
        }
        if piece.is_empty() {
            break;
        }
    }
    decoder.end().unwrap();
    assert!(has_ended, "no end: {:?}", answer.text());
    outcome
}

/// What the head of a response tells.
pub(super) fn head(content: ContentType, answer: &Answer) -> Outcome {
    let mut outcome = Outcome { http_status: Some(answer.status), ..Outcome::default() };
    let (head, trailer) = (&mut outcome.head, &mut outcome.trailer);
    for (name, value) in &answer.fields {
        match is_framed(content) {
            true => metadata::append_field(head, name.as_bytes(), value.as_bytes()).unwrap(),
            false => connect::append_reply_field(head, trailer, name.as_bytes(), value.as_bytes()).unwrap(),
        }
    }
    outcome
}

fn algorithm(name: &str) -> Compression {
    *Compression::available().iter().find(|algorithm| algorithm.name() == name).unwrap()
}

fn trailers(block: &[u8], outcome: &mut Outcome) {
    let pairs = grpc_web::decode_trailers(block).unwrap();
    let value = |name: &str| pairs.iter().find(|(known, _)| *known == name.as_bytes()).map(|(_, value)| *value);
    outcome.error = failure_of(value);
    for (name, value) in pairs {
        metadata::append_field(&mut outcome.trailer, name, value).unwrap();
    }
}

pub(super) async fn made(
    shared: &Arc<Shared>,
    version: Version,
    content: ContentType,
    path: &str,
    messages: &[&[u8]],
) -> Outcome {
    read(content, &ask(shared, version, &call(content, path, messages)).await)
}
