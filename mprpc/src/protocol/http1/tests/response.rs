//! Tests of responses: their framing, and that no value can split them.

use super::*;
use crate::status::Code;

fn encoder(request: &str) -> ResponseEncoder {
    let mut input = BytesMut::from(request);
    ResponseEncoder::new(&HeadDecoder::new(&Limits::default()).decode(&mut input).unwrap().unwrap())
}

const GET: &str = "GET / HTTP/1.1\r\nhost: h\r\n\r\n";
const HEAD: &str = "HEAD / HTTP/1.1\r\nhost: h\r\n\r\n";
const CLOSE: &str = "GET / HTTP/1.1\r\nhost: h\r\nconnection: close\r\n\r\n";
const OLD: &str = "GET / HTTP/1.0\r\n\r\n";
const OLD_KEEP_ALIVE: &str = "GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n";

/// The whole response with `parts` as its body, and whether the connection stays open.
fn response(request: &str, status: u16, body: ResponseBody, parts: &[&str]) -> (String, bool) {
    let mut encoder = encoder(request);
    let mut out = BytesMut::new();
    encoder.encode_head(&mut out, status, [("x-a", &b"1"[..])], body).unwrap();
    for part in parts {
        if encoder.begin_data(&mut out, part.len()) {
            out.extend_from_slice(part.as_bytes());
            encoder.end_data(&mut out);
        }
    }
    let stays_open = encoder.encode_end(&mut out, [("x-sum", &b"7"[..])]).unwrap();
    (String::from_utf8(out.to_vec()).unwrap(), stays_open)
}

#[test]
fn responses_are_framed_as_the_request_permits() {
    use ResponseBody::{Chunked, Length};
    let ok = "HTTP/1.1 200 OK\r\nx-a: 1\r\n";
    let chunks = "\r\n5\r\nhello\r\n10\r\n, chunked world!\r\n0\r\nx-sum: 7\r\n\r\n";
    let parts = ["hello", "", ", chunked world!"];
    let joined = "hello, chunked world!";
    for (request, body, rest, stays_open) in [
        (GET, Length(21), format!("content-length: 21\r\n\r\n{joined}"), true),
        (GET, Chunked, format!("transfer-encoding: chunked\r\n{chunks}"), true),
        (CLOSE, Length(21), format!("content-length: 21\r\nconnection: close\r\n\r\n{joined}"), false),
        (CLOSE, Chunked, format!("transfer-encoding: chunked\r\nconnection: close\r\n{chunks}"), false),
        (OLD, Length(21), format!("content-length: 21\r\nconnection: close\r\n\r\n{joined}"), false),
        (OLD, Chunked, format!("connection: close\r\n\r\n{joined}"), false),
        (OLD_KEEP_ALIVE, Length(21), format!("content-length: 21\r\nconnection: keep-alive\r\n\r\n{joined}"), true),
        (OLD_KEEP_ALIVE, Chunked, format!("connection: close\r\n\r\n{joined}"), false),
        (HEAD, Length(21), "content-length: 21\r\n\r\n".to_owned(), true),
        (HEAD, Chunked, "transfer-encoding: chunked\r\n\r\n".to_owned(), true),
    ] {
        let expected = (format!("{ok}{rest}"), stays_open);
        assert_eq!(response(request, 200, body, &parts), expected, "{request:?} {body:?}");
    }
    assert_eq!(response(GET, 200, Length(0), &[]), (format!("{ok}content-length: 0\r\n\r\n"), true));
}

#[test]
fn some_statuses_have_no_body() {
    for (status, reason) in [(204, "No Content"), (304, "Not Modified")] {
        for body in [ResponseBody::Length(5), ResponseBody::Chunked] {
            let expected = format!("HTTP/1.1 {status} {reason}\r\nx-a: 1\r\n\r\n");
            assert_eq!(response(GET, status, body, &["hello"]), (expected, true));
        }
    }
    assert!(response(GET, 299, ResponseBody::Length(0), &[]).0.starts_with("HTTP/1.1 299 \r\n"));
}

#[test]
fn body_of_another_length_than_the_head_says_closes_the_connection() {
    let (short, stays_open) = response(GET, 200, ResponseBody::Length(6), &["hello"]);
    assert!(short.ends_with("\r\n\r\nhello") && !stays_open);
    let (long, stays_open) = response(GET, 200, ResponseBody::Length(6), &["hello", "!!"]);
    assert!(long.ends_with("\r\n\r\nhello") && !stays_open);
}

#[test]
fn large_data_can_be_sent_without_a_copy() {
    let (mut encoder, mut out) = (encoder(GET), BytesMut::new());
    encoder.encode_head(&mut out, 200, NO_FIELDS, ResponseBody::Chunked).unwrap();
    out.clear();
    assert!(encoder.begin_data(&mut out, 1 << 20));
    assert_eq!(out, "100000\r\n");
    out.clear();
    encoder.end_data(&mut out);
    assert_eq!(out, "\r\n");
    assert!(!encoder.begin_data(&mut out, 0));
}

#[test]
fn no_field_splits_a_response() {
    let mut out = BytesMut::from("before");
    for (name, value) in [
        ("x-a", &b"1\r\nset-cookie: x"[..]),
        ("x-a", b"1\n"),
        ("x-a", b"1\0"),
        ("x-a\r\ny", b""),
        ("x a", b""),
        ("content-length", b"5"),
        ("transfer-encoding", b"chunked"),
        ("connection", b"close"),
    ] {
        let mut encoder = encoder(GET);
        let fields = [("x-b", &b"2"[..]), (name, value)];
        let status = encoder.encode_head(&mut out, 200, fields, ResponseBody::Chunked).unwrap_err();
        assert_eq!(status.code(), Code::Internal);
        assert_eq!(out, "before", "{name:?}");
        encoder.encode_head(&mut BytesMut::new(), 500, NO_FIELDS, ResponseBody::Chunked).unwrap();
        assert!(encoder.encode_end(&mut out, fields).is_err());
        assert_eq!(out, "before", "{name:?}");
    }
}

#[test]
fn violations_are_answered_in_full() {
    let mut out = BytesMut::new();
    let violation = Violation::new(431, "the head has more fields than http_fields_max 3");
    encode_violation(&mut out, &violation, b"Sun, 06 Nov 1994 08:49:37 GMT");
    let expected = "HTTP/1.1 431 Request Header Fields Too Large\r\ndate: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                    content-type: text/plain; charset=utf-8\r\ncontent-length: 48\r\nconnection: close\r\n\r\n\
                    the head has more fields than http_fields_max 3\n";
    assert_eq!(out, expected);
}
