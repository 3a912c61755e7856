//! Tests of HTTP/1.1 at the server: whole requests at every split of the input, requests that are refused, and responses.

use bytes::BytesMut;

use super::fields::Fields;
use super::*;
use crate::limits::Limits;

/// What the decoders made of a request.
#[derive(Debug, Default, PartialEq, Eq)]
struct Request {
    /// Method, path, query and host.
    line: String,
    fields: Vec<(String, String)>,
    keep_alive: bool,
    expects_continue: bool,
    /// `None` while the body is incomplete.
    body: Option<Vec<u8>>,
    trailers: Vec<(String, String)>,
}

/// Decodes everything that arrives in `pieces`: requests, one behind the other, and the violation that ends them.
fn decode(pieces: &[&[u8]], limits: &Limits) -> (Vec<Request>, Option<Violation>) {
    let mut requests = Vec::new();
    let violation = decode_into(&mut requests, pieces, limits).err();
    (requests, violation)
}

fn decode_into(requests: &mut Vec<Request>, pieces: &[&[u8]], limits: &Limits) -> Result<(), Violation> {
    let mut heads = HeadDecoder::new(limits);
    let mut body: Option<(BodyDecoder, Vec<u8>)> = None;
    let mut input = BytesMut::new();
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let Some((decoder, data)) = &mut body else {
                let Some(head) = heads.decode(&mut input)? else {
                    break;
                };
                requests.push(request(&head));
                body = Some((BodyDecoder::new(head.body, limits), Vec::new()));
                continue;
            };
            match decoder.decode(&mut input)? {
                Decoded::NeedMore => break,
                Decoded::Data(bytes) => {
                    assert!(!bytes.is_empty());
                    data.extend_from_slice(&bytes);
                }
                Decoded::End(trailers) => {
                    let request = requests.last_mut().unwrap();
                    request.body = Some(std::mem::take(data));
                    request.trailers = pairs(&trailers);
                    body = None;
                }
            }
        }
    }
    Ok(())
}

fn request(head: &Head) -> Request {
    let host = head.host().unwrap_or("-");
    let query = head.query().map(|query| format!("?{query}")).unwrap_or_default();
    Request {
        line: format!("{} {}{query} {host}", head.method(), head.path()),
        fields: pairs(&head.fields),
        keep_alive: head.keep_alive,
        expects_continue: head.expects_continue,
        ..Request::default()
    }
}

fn pairs(fields: &Fields) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    fields.iter().map(|(name, value)| (text(name), text(value))).collect()
}

/// Decodes `input` whole, one byte at a time, and at every two-way split. All have to give the same.
fn decode_at_every_split(input: &[u8], limits: &Limits) -> (Vec<Request>, Option<Violation>) {
    let whole = decode(&[input], limits);
    let bytes: Vec<&[u8]> = input.chunks(1).collect();
    assert_eq!(decode(&bytes, limits), whole, "one byte at a time: {:?}", String::from_utf8_lossy(input));
    for split in 0..=input.len() {
        let (head, tail) = input.split_at(split);
        assert_eq!(decode(&[head, tail], limits), whole, "split at {split}: {:?}", String::from_utf8_lossy(input));
    }
    whole
}

/// The only request in `input`, and no violation.
fn accepted(input: &str) -> Request {
    let (mut requests, violation) = decode_at_every_split(input.as_bytes(), &Limits::default());
    assert_eq!(violation, None, "{input:?}");
    assert_eq!(requests.len(), 1, "{input:?}");
    requests.remove(0)
}

fn refused(input: &str) -> Violation {
    refused_under(input, &Limits::default())
}

fn refused_under(input: &str, limits: &Limits) -> Violation {
    let (_, violation) = decode_at_every_split(input.as_bytes(), limits);
    violation.unwrap_or_else(|| panic!("{input:?} was accepted"))
}

fn owned(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn requests_decode_the_same_at_every_split() {
    let input = "POST /a.B/C?x=1 HTTP/1.1\r\nHost: h:1\r\nContent-Type:  application/json \t\r\nX-Empty:\r\n\
                 content-length: 5\r\n\r\nhello";
    let expected = Request {
        line: "POST /a.B/C?x=1 h:1".into(),
        fields: owned(&[
            ("host", "h:1"),
            ("content-type", "application/json"),
            ("x-empty", ""),
            ("content-length", "5"),
        ]),
        keep_alive: true,
        body: Some(b"hello".to_vec()),
        ..Request::default()
    };
    assert_eq!(accepted(input), expected);
    let chunked = "PUT / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n\
                   5\r\nhello\r\n0A;name=\"v;\"\r\n, chunked!\r\n000\r\nX-Sum: 7\r\nY:\r\n\r\n";
    let request = accepted(chunked);
    assert_eq!(request.body.as_deref(), Some(&b"hello, chunked!"[..]));
    assert_eq!(request.trailers, owned(&[("x-sum", "7"), ("y", "")]));
    assert_eq!(accepted("DELETE / HTTP/1.1\r\nHost: h\r\n\r\n").body, Some(Vec::new()));
}

#[test]
fn pipelined_requests_decode_one_behind_the_other() {
    let input = "\r\nPOST /1 HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n\
                 \r\nPOST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\nbc\
                 GET /3 HTTP/1.1\r\nHost: h\r\n\r\nGET /4 HTTP/1.1\r\nHost: h\r\n";
    let (requests, violation) = decode_at_every_split(input.as_bytes(), &Limits::default());
    assert_eq!(violation, None);
    let bodies: Vec<_> = requests.iter().map(|request| (&*request.line, request.body.as_deref())).collect();
    let expected = [("POST /1 h", Some(&b"a"[..])), ("POST /2 h", Some(b"bc")), ("GET /3 h", Some(b""))];
    assert_eq!(bodies, expected);
}

#[test]
fn data_and_fields_are_slices_of_the_input() {
    let mut input = BytesMut::from(&b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 3\r\n\r\nabc"[..]);
    let within = input.as_ptr_range();
    let head = HeadDecoder::new(&Limits::default()).decode(&mut input).unwrap().unwrap();
    let (_, host) = head.fields.iter().next().unwrap();
    assert!(within.contains(&host.as_ptr()));
    let mut body = BodyDecoder::new(head.body, &Limits::default());
    let Ok(Decoded::Data(data)) = body.decode(&mut input) else { panic!("no data") };
    assert!(within.contains(&data.as_ptr()));
}

#[test]
fn targets_are_paths_urls_and_the_asterisk() {
    for (target, line) in [
        ("GET /a/b?c?d", "GET /a/b?c?d field"),
        ("GET /?", "GET /? field"),
        ("GET //x", "GET //x field"),
        ("get /", "get / field"),
        ("GET http://url:80/a?b=http://c/", "GET /a?b=http://c/ url:80"),
        ("GET HTTPS://url", "GET / url"),
        ("GET http://[::1]:80?x", "GET /?x [::1]:80"),
        ("OPTIONS *", "OPTIONS * field"),
        ("OPTIONS http://url", "OPTIONS / url"),
    ] {
        assert_eq!(accepted(&format!("{target} HTTP/1.1\r\nHost: field\r\n\r\n")).line, line);
    }
    for (target, status) in [
        ("GET *", 400),
        ("GET a", 400),
        ("GET", 400),
        ("GET /a#b", 400),
        ("GET /\u{7f}", 400),
        ("GET /ä", 400),
        ("GET /a b", 400),
        ("GET  /a", 400),
        ("GET ftp://url/", 400),
        ("GET http:///a", 400),
        ("GET http://user@url/", 400),
        ("CONNECT url:80", 501),
        ("CONNECT /", 501),
        ("G\u{1}T /", 400),
        ("G@T /", 400),
    ] {
        let violation = refused(&format!("{target} HTTP/1.1\r\nHost: field\r\n\r\n"));
        assert_eq!(violation.status, status, "{target}: {violation:?}");
    }
}

#[test]
fn connection_stays_open_as_version_and_field_say() {
    for (version, field, keep_alive) in [
        ("1.1", "", true),
        ("1.1", "Connection: close\r\n", false),
        ("1.1", "Connection: Upgrade, Close\r\n", false),
        ("1.1", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ("1.1", "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n", true),
        ("1.0", "", false),
        ("1.0", "Connection: Keep-Alive\r\n", true),
        ("1.0", "Connection: keep-alive, close\r\n", false),
    ] {
        let request = accepted(&format!("GET / HTTP/{version}\r\nHost: h\r\n{field}\r\n"));
        assert_eq!(request.keep_alive, keep_alive, "{version} {field}");
    }
}

#[test]
fn host_is_needed_once() {
    assert_eq!(accepted("GET / HTTP/1.0\r\n\r\n").line, "GET / -");
    assert_eq!(accepted("GET / HTTP/1.1\r\nHost:\r\n\r\n").line, "GET / ");
    for (fields, text) in [
        ("", "0 host fields"),
        ("Host: h\r\nHost: h\r\n", "2 host fields"),
        ("Host: a,b\r\n", "value of host"),
        ("Host: a b\r\n", "value of host"),
        ("Host: a/b\r\n", "value of host"),
        ("Host: a@b\r\n", "value of host"),
    ] {
        let violation = refused(&format!("GET / HTTP/1.1\r\n{fields}\r\n"));
        assert!(violation.status == 400 && violation.text.contains(text), "{fields}: {violation:?}");
    }
    assert_eq!(refused("GET / HTTP/1.0\r\nHost: h\r\nHost: h\r\n\r\n").status, 400);
}

#[test]
fn only_100_continue_can_be_expected() {
    let with = |version: &str, fields: &str| format!("POST / HTTP/{version}\r\nHost: h\r\n{fields}\r\n");
    for (version, fields, expects) in [
        ("1.1", "Expect: 100-Continue\r\nContent-Length: 1\r\n", true),
        ("1.1", "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n", true),
        ("1.1", "Expect: 100-continue\r\n", false),
        ("1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n", false),
        ("1.0", "Expect: more\r\n", false),
    ] {
        assert_eq!(accepted(&with(version, fields)).expects_continue, expects, "{version} {fields}");
    }
    for expectation in ["more", "100-continue, more", ""] {
        assert_eq!(refused(&with("1.1", &format!("Expect: {expectation}\r\n"))).status, 417);
    }
}

#[test]
fn lengths_that_can_be_understood_differently_are_refused() {
    for (fields, status, text) in [
        ("Content-Length: 1\r\nContent-Length: 1", 400, "several content-length"),
        ("Content-Length: 1\r\nContent-Length: 2", 400, "several content-length"),
        ("Content-Length: 1, 1", 400, "not a number"),
        ("Content-Length: +1", 400, "not a number"),
        ("Content-Length: -1", 400, "not a number"),
        ("Content-Length: 0x1", 400, "not a number"),
        ("Content-Length: 1 1", 400, "not a number"),
        ("Content-Length: 1_0", 400, "not a number"),
        ("Content-Length:", 400, "not a number"),
        ("Content-Length: 18446744073709551616", 413, "beyond 64 bits"),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", 400, "both"),
        ("Transfer-Encoding: chunked\r\ncontent-length: 0", 400, "both"),
        ("Transfer-Encoding: gzip\r\nContent-Length: 5", 400, "both"),
        ("Transfer-Encoding: gzip", 501, "only transfer coding"),
        ("Transfer-Encoding: identity", 501, "only transfer coding"),
        ("Transfer-Encoding: gzip, chunked", 501, "only transfer coding"),
        ("Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", 501, "only transfer coding"),
        ("Transfer-Encoding: chunked, gzip", 400, "not the last"),
        ("Transfer-Encoding: chunked, chunked", 400, "twice"),
        ("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked", 400, "twice"),
        ("Transfer-Encoding: chunked;q=1", 501, "only transfer coding"),
        ("Transfer-Encoding: xchunked", 501, "only transfer coding"),
        ("Transfer-Encoding: \"chunked\"", 501, "only transfer coding"),
        ("Transfer-Encoding: , chunked", 400, "empty element"),
        ("Transfer-Encoding: chunked,", 400, "empty element"),
        ("Transfer-Encoding:", 400, "empty element"),
        ("Transfer-Encoding: \u{b}chunked", 400, "control byte"),
        ("Transfer-Encoding : chunked", 400, "field name"),
        ("Transfer-Encoding\t: chunked", 400, "field name"),
        ("Transfer-Encoding:\r\n chunked", 400, "white space"),
        ("Content-Length\u{0}: 1", 400, "field name"),
    ] {
        let violation = refused(&format!("POST / HTTP/1.1\r\nHost: h\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n"));
        assert!(violation.status == status && violation.text.contains(text), "{fields}: {violation:?}");
    }
    let old = refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    assert!(old.status == 400 && old.text.contains("HTTP/1.0"), "{old:?}");
}

#[test]
fn lines_that_can_be_understood_differently_are_refused() {
    for (head, status, text) in [
        ("GET / HTTP/1.1\nHost: h\r\n\r\n", 400, "LF without CR"),
        ("GET / HTTP/1.1\r\nHost: h\n\r\n", 400, "LF without CR"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\n", 400, "LF without CR"),
        ("\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "LF without CR"),
        ("\r\n\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "more than one empty line"),
        (" GET / HTTP/1.1\r\nHost: h\r\n\r\n", 400, "white space"),
        ("GET / HTTP/1.1\r\n Host: h\r\n\r\n", 400, "white space"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\n\tb\r\n\r\n", 400, "white space"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\rb\r\n\r\n", 400, "control byte"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n", 400, "control byte"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\u{7f}\r\n\r\n", 400, "control byte"),
        ("GET / HTTP/1.1\r\nHost: h\r\nX: a\r\r\n\r\n", 400, "control byte"),
        ("GET / HTTP/1.1\r\nHost: h\r\n\r\r\n\r\n", 400, "CR LF"),
        ("GET / HTTP/1.1\r\nHost: h\r\nnothing\r\n\r\n", 400, "field name"),
        ("GET / HTTP/1.1\r\nHost: h\r\n: x\r\n\r\n", 400, "field name"),
        ("GET / HTTP/1.1\r\nHost: h\r\na b: x\r\n\r\n", 400, "field name"),
        ("GET / HTTP/1.1\r\nHost: h\r\nä: x\r\n\r\n", 400, "field name"),
        ("GET /\r\nHost: h\r\n\r\n", 400, ""),
        ("GET / HTTP/1.1 \r\nHost: h\r\n\r\n", 400, ""),
        ("GET / http/1.1\r\nHost: h\r\n\r\n", 400, "request line"),
        ("GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505, "1.0 and 1.1"),
        ("GET / HTTP/1.2\r\nHost: h\r\n\r\n", 505, "1.0 and 1.1"),
        ("GET / HTTP/0.9\r\nHost: h\r\n\r\n", 505, "1.0 and 1.1"),
        ("GET / x HTTP/2.0\r\nHost: h\r\n\r\n", 400, "request line"),
        ("\u{16}\u{3}\u{1}\r\n\r\n", 400, ""),
    ] {
        let violation = refused(head);
        assert!(violation.status == status && violation.text.contains(text), "{head:?}: {violation:?}");
    }
}

#[test]
fn chunks_that_can_be_understood_differently_are_refused() {
    for (body, text) in [
        ("5\nhello\r\n0\r\n\r\n", "LF without CR"),
        ("5\r\nhello\n0\r\n\r\n", "longer than its size"),
        ("5\r\nhello\r0\r\n\r\n", "longer than its size"),
        ("4\r\nhello\r\n0\r\n\r\n", "longer than its size"),
        ("6\r\nhello\r\n0\r\n\r\n", "longer than its size"),
        ("\r\nhello", "hexadecimal"),
        ("+5\r\nhello\r\n", "hexadecimal"),
        ("-5\r\nhello\r\n", "hexadecimal"),
        ("0x5\r\nhello\r\n", "hexadecimal"),
        ("5_\r\nhello\r\n", "hexadecimal"),
        (" 5\r\nhello\r\n", "hexadecimal"),
        ("5 \r\nhello\r\n", "hexadecimal"),
        ("5 ;x\r\nhello\r\n", "hexadecimal"),
        ("5;x\ry\r\nhello\r\n", "hexadecimal"),
        ("5;\0\r\nhello\r\n", "hexadecimal"),
        (";x\r\nhello\r\n", "hexadecimal"),
        ("10000000000000000\r\nhello\r\n", "hexadecimal"),
        ("0\r\nX: a\n\r\n", "LF without CR"),
        ("0\r\nX: a\r\n b\r\n\r\n", "white space"),
        ("0\r\nX : a\r\n\r\n", "field name"),
        ("0\r\nX: a\0\r\n\r\n", "control byte"),
        ("0\r\n\n", "LF without CR"),
    ] {
        let input = format!("POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
        let violation = refused(&input);
        assert!(violation.status == 400 && violation.text.contains(text), "{body:?}: {violation:?}");
    }
}

const CHUNKED: &str = "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n";

#[test]
fn http_head_bytes_max_bounds_request_line_fields_trailers_and_extensions() {
    let limits = Limits { http_head_bytes_max: 100, ..Limits::default() };
    let field = |length: usize| format!("GET / HTTP/1.1\r\nhost: h\r\nx: {}\r\n\r\n", "v".repeat(length));
    let fitting = field(100 - field(0).len());
    assert_eq!(fitting.len(), 100);
    assert_eq!(decode_at_every_split(fitting.as_bytes(), &limits).1, None);
    let text = |status: u16, what: &str| Violation::new(status, format!("{what} http_head_bytes_max 100"));
    assert_eq!(refused_under(&field(100), &limits), text(431, "the head is longer than"));
    assert_eq!(refused_under(&"x".repeat(100), &limits), text(414, "the request line is longer than"));
    let line = format!("GET /{} HTTP/1.1\r\nhost: h\r\n\r\n", "a".repeat(100));
    assert_eq!(refused_under(&line, &limits), text(414, "the request line is longer than"));

    let trailers = |length: usize| format!("{CHUNKED}0\r\nx: {}\r\n\r\n", "v".repeat(length));
    assert_eq!(decode_at_every_split(trailers(93).as_bytes(), &limits).1, None);
    assert_eq!(refused_under(&trailers(94), &limits), text(431, "the trailers are longer than"));

    let chunk = |extension: usize| format!("1;{}\r\na\r\n", "e".repeat(extension));
    let within = format!("{CHUNKED}{}{}0\r\n\r\n", chunk(49), chunk(49));
    assert_eq!(decode_at_every_split(within.as_bytes(), &limits).1, None);
    let beyond = format!("{CHUNKED}{}{}", chunk(49), chunk(50));
    assert_eq!(refused_under(&beyond, &limits), text(400, "the chunk extensions are longer than"));
    let zeros = format!("{CHUNKED}{}", "0000000000000001\r\na\r\n".repeat(7));
    assert_eq!(refused_under(&zeros, &limits).status, 400);
    let line = refused(&format!("{CHUNKED}1;{}", "e".repeat(300)));
    assert_eq!(line.text, "the line before a chunk is longer than 256 bytes");
}

#[test]
fn http_fields_max_bounds_head_and_trailers() {
    let limits = Limits { http_fields_max: 3, ..Limits::default() };
    let fields = |count: usize| "x: y\r\n".repeat(count);
    let head = |count: usize| format!("GET / HTTP/1.1\r\nhost: h\r\n{}\r\n", fields(count));
    let trailers = |count: usize| format!("{CHUNKED}0\r\n{}\r\n", fields(count));
    for fitting in [head(2), trailers(3)] {
        assert_eq!(decode_at_every_split(fitting.as_bytes(), &limits).1, None);
    }
    let violation = refused_under(&head(3), &limits);
    assert_eq!(violation, Violation::new(431, "the head has more fields than http_fields_max 3"));
    let violation = refused_under(&trailers(4), &limits);
    assert_eq!(violation, Violation::new(431, "the trailers have more fields than http_fields_max 3"));
    // More fields than fit on the stack.
    assert_eq!(accepted(&head(100)).fields.len(), 101);
}

#[test]
fn mutated_requests_give_the_same_at_every_split() {
    let mut random = fastrand::Rng::with_seed(11);
    let sources = [
        "POST /a?b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\nHost: h\r\n\r\n",
        "POST / HTTP/1.1\r\nhost: h\r\ntransfer-encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nx: y\r\n\r\n",
    ];
    let bytes = b"\r\n\r\n\0 \t:;,0159afxX/*\x7f\xff";
    let narrow = Limits { http_head_bytes_max: 60, http_fields_max: 3, ..Limits::default() };
    let wide = Limits::default();
    for round in 0..1000 {
        let mut input = sources[round % sources.len()].as_bytes().to_vec();
        for _ in 0..random.usize(1..4) {
            let at = random.usize(..input.len());
            let byte = bytes[random.usize(..bytes.len())];
            match random.u8(..3) {
                0 => input[at] = byte,
                1 => input.insert(at, byte),
                _ => drop(input.remove(at)),
            }
        }
        decode_at_every_split(&input, if round % 3 == 0 { &narrow } else { &wide });
    }
}

mod response;
