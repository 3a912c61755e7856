//! Requests that break the rules of HTTP, and attacks by name. A peer that sends rubbish loses its connection and nothing
//! else.

use super::*;

const PROTOCOL_ERROR: Option<u32> = Some(ErrorCode::ProtocolError as u32);
const CALM: u32 = ErrorCode::EnhanceYourCalm as u32;

/// Sends a call with these fields instead of the usual ones. Returns the answer.
async fn call_of(caller: &mut Caller, fields: &[(&str, &str)]) -> Reply {
    let id = caller.next_id;
    caller.next_id += 2;
    let fields: Vec<_> = fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    let head = caller.headers(id, 0, &fields);
    caller.send(&[&head[..], &frame(kind::DATA, flag::END_STREAM, id, &message(b"x"))].concat());
    caller.answer(id).await
}

#[tokio::test(start_paused = true)]
async fn malformed_head_resets_its_stream_and_no_handler_runs() {
    const METHOD: (&str, &str) = (":method", "POST");
    const SCHEME: (&str, &str) = (":scheme", "http");
    const PATH: (&str, &str) = (":path", "/test.Probe/Echo");
    const TYPE: (&str, &str) = ("content-type", "application/grpc");
    let mut caller = caller(Limits::default());
    assert_eq!(call_of(&mut caller, &[METHOD, SCHEME, PATH, TYPE]).await.status().0, 0);
    let cases: &[(&str, &[(&str, &str)])] = &[
        ("no method", &[SCHEME, PATH, TYPE]),
        ("no scheme", &[METHOD, PATH, TYPE]),
        ("no path", &[METHOD, SCHEME, TYPE]),
        ("an empty path", &[METHOD, SCHEME, (":path", ""), TYPE]),
        ("two methods", &[METHOD, METHOD, SCHEME, PATH, TYPE]),
        ("two schemes", &[METHOD, SCHEME, SCHEME, PATH, TYPE]),
        ("two paths", &[METHOD, SCHEME, PATH, PATH, TYPE]),
        ("two authorities", &[METHOD, SCHEME, PATH, (":authority", "a"), (":authority", "b"), TYPE]),
        ("a pseudo-header behind a field", &[METHOD, SCHEME, TYPE, PATH]),
        ("an unknown pseudo-header", &[METHOD, SCHEME, PATH, (":other", "x"), TYPE]),
        ("the pseudo-header of a response", &[METHOD, SCHEME, PATH, (":status", "200"), TYPE]),
        ("a name in capitals", &[METHOD, SCHEME, PATH, TYPE, ("Key", "x")]),
        ("a known name in capitals", &[METHOD, SCHEME, PATH, ("Content-Type", "application/grpc")]),
        ("a name with a space", &[METHOD, SCHEME, PATH, TYPE, ("a b", "x")]),
        ("a name with a colon", &[METHOD, SCHEME, PATH, TYPE, ("a:b", "x")]),
        ("an empty name", &[METHOD, SCHEME, PATH, TYPE, ("", "x")]),
        ("a value with a line feed", &[METHOD, SCHEME, PATH, TYPE, ("key", "a\nb")]),
        ("a value with a carriage return", &[METHOD, SCHEME, PATH, TYPE, ("key", "a\rb")]),
        ("a value with NUL", &[METHOD, SCHEME, PATH, TYPE, ("key", "a\0b")]),
        ("connection", &[METHOD, SCHEME, PATH, TYPE, ("connection", "close")]),
        ("keep-alive", &[METHOD, SCHEME, PATH, TYPE, ("keep-alive", "5")]),
        ("proxy-connection", &[METHOD, SCHEME, PATH, TYPE, ("proxy-connection", "close")]),
        ("transfer-encoding", &[METHOD, SCHEME, PATH, TYPE, ("transfer-encoding", "chunked")]),
        ("upgrade", &[METHOD, SCHEME, PATH, TYPE, ("upgrade", "h2c")]),
        ("te that is not trailers", &[METHOD, SCHEME, PATH, TYPE, ("te", "gzip")]),
        ("a content-length that is no number", &[METHOD, SCHEME, PATH, TYPE, ("content-length", "six")]),
        ("a content-length with a sign", &[METHOD, SCHEME, PATH, TYPE, ("content-length", "+6")]),
        ("two content-lengths", &[METHOD, SCHEME, PATH, TYPE, ("content-length", "6"), ("content-length", "6")]),
    ];
    for (what, fields) in cases {
        let reply = call_of(&mut caller, fields).await;
        assert_eq!((reply.reset, reply.heads.len()), (PROTOCOL_ERROR, 0), "{what}");
    }
    assert_eq!((caller.stats().calls, caller.stats().calls_failed), (1, 0));
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn malformed_trailers_reset_the_stream_and_cancel_the_call() {
    let mut caller = caller(Limits::default());
    for field in [(":path", "/x"), (":method", "POST"), (":authority", "x"), (":status", "200"), ("Key", "x")] {
        let id = caller.open("Deaf");
        let trailers = caller.headers(id, flag::END_STREAM, &[(field.0.to_owned(), field.1.to_owned())]);
        caller.send(&trailers);
        assert_eq!(caller.answer(id).await.reset, PROTOCOL_ERROR, "{field:?}");
    }
    assert_eq!(caller.stats().calls_cancelled, 5);
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn body_longer_or_shorter_than_its_content_length_resets_the_stream() {
    let mut caller = caller(Limits::default());
    let body = message(b"hello");
    for name in ["Echo", "Sum", "Deaf"] {
        for (length, is_right) in [("10", true), ("9", false), ("11", false), ("0", false), ("99999999999", false)] {
            let id = caller.open_with(name, &[("content-length", length)], 0);
            caller.body(id, &body[..7], false);
            caller.body(id, &body[7..], true);
            let reply = caller.answer(id).await;
            assert_eq!(reply.reset, if is_right { None } else { PROTOCOL_ERROR }, "{name} {length}");
        }
        let id = caller.open_with(name, &[("content-length", "10")], flag::END_STREAM);
        assert_eq!(caller.answer(id).await.reset, PROTOCOL_ERROR, "{name} without a body");
    }
    // Trailers end the body as well, and padding is no part of it.
    let id = caller.open_with("Echo", &[("content-length", "11")], 0);
    caller.body(id, &body, false);
    let trailers = caller.headers(id, flag::END_STREAM, &[]);
    caller.send(&trailers);
    assert_eq!(caller.answer(id).await.reset, PROTOCOL_ERROR);
    let id = caller.open_with("Echo", &[("content-length", "10")], 0);
    let padded = [&[3][..], &body, &[0; 3]].concat();
    caller.send(&frame(kind::DATA, flag::PADDED | flag::END_STREAM, id, &padded));
    assert_eq!(caller.answer(id).await.message(), "hello");
}

/// Sends what `attack` makes for each stream until the server closes the connection. Returns after how many streams, and
/// the reason.
async fn attack(caller: Caller, attack: impl FnMut(&mut Caller) -> Vec<u8>) -> (usize, u32, String) {
    attack_up_to(30_000, caller, attack).await.expect("the server takes all of it")
}

/// Like [`attack`]. `None` if the server takes `streams_max` of it.
async fn attack_up_to(
    streams_max: usize,
    mut caller: Caller,
    mut attack: impl FnMut(&mut Caller) -> Vec<u8>,
) -> Option<(usize, u32, String)> {
    for count in 0..streams_max {
        let bytes = attack(&mut caller);
        let sent = caller.peer.writer.try_write(&bytes).is_ok_and(|sent| sent == bytes.len());
        tokio::task::yield_now().await;
        if !sent || caller.peer.server.is_finished() || !caller.stats().rejected.is_empty() {
            let shared = caller.peer.shared.clone();
            let (code, text, close) = caller.went_away().await;
            assert_eq!((close, rejection(&shared)), (Close::Protocol, "a protocol error"));
            // The server goes on: another connection is served.
            let mut other = caller_of(&shared);
            other.is_served().await;
            return Some((count, code, text));
        }
    }
    None
}

/// Frames that spoil the stream with this id.
type Spoil = fn(u32) -> Vec<u8>;
/// A frame of a flood.
type Flood = fn() -> Vec<u8>;

fn request_head(caller: &mut Caller, name: &str, flags: u8) -> (u32, Vec<u8>) {
    let id = caller.next_id;
    caller.next_id += 2;
    (id, caller.headers(id, flags, &grpc_fields(name)))
}

#[tokio::test(start_paused = true)]
async fn rapid_reset_cve_2023_44487_is_bounded_by_http_resets_max() {
    for name in ["Deaf", "Echo", "Count", "Nothing"] {
        let caller = caller(Limits { http_resets_max: 500, ..Limits::default() });
        let (count, code, text) = attack(caller, |caller| {
            let (id, head) = request_head(caller, name, 0);
            [head, reset(id)].concat()
        })
        .await;
        if name == "Nothing" {
            // An unknown method is answered before its reset arrives. Then the reset counts as a frame without a call.
            assert!((9_900..10_100).contains(&count), "{count}");
        } else {
            assert!((499..=502).contains(&count), "{name}: {count}");
            assert!(text.contains("http_resets_max"), "{text}");
        }
        assert_eq!(code, CALM);
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_no_handler_answered_allow_no_more_resets() {
    let answered = Limits { http_resets_max: 500, metadata_bytes_max: 100, ..Limits::default() };
    for (name, value, most) in [("Nothing", "", 502), ("Echo", "too long", 502), ("Echo", "", usize::MAX)] {
        let mut paired = 0;
        let caller = caller(answered.clone());
        let outcome = attack_up_to(3_000, caller, |caller| {
            paired += 1;
            let (id, head) = request_head(caller, "Deaf", 0);
            let spoiled = [head, reset(id)].concat();
            let mut fields = grpc_fields(name);
            fields.push(("key".to_owned(), value.repeat(100)));
            let id = caller.next_id;
            caller.next_id += 2;
            let head = caller.headers(id, 0, &fields);
            [spoiled, head, frame(kind::DATA, flag::END_STREAM, id, &message(b""))].concat()
        })
        .await;
        assert_eq!(outcome.is_some(), most < usize::MAX, "{name} {value}: {outcome:?}");
        assert!(paired <= most, "{name} {value}: {paired} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn made_you_reset_cve_2025_8671_is_bounded_by_http_resets_max() {
    let spoil: [(&str, Spoil); 4] = [
        ("a WINDOW_UPDATE of nothing", |id| window_update(id, 0)),
        ("a PRIORITY of a wrong length", |id| frame(kind::PRIORITY, 0, id, b"")),
        ("a second head", |id| frame(kind::HEADERS, flag::END_HEADERS, id, &block(&[("a", "b")]))),
        ("malformed trailers", |id| {
            frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, id, &block(&[(":path", "/")]))
        }),
    ];
    for (what, spoil) in spoil {
        let caller = caller(Limits { http_resets_max: 500, ..Limits::default() });
        let (count, code, _) = attack(caller, |caller| {
            let (id, head) = request_head(caller, "Deaf", 0);
            [head, spoil(id)].concat()
        })
        .await;
        assert!((499..=502).contains(&count), "{what}: {count}");
        assert_eq!(code, CALM);
    }
    // A body longer than its content-length, and a malformed head.
    for fields in [[("content-length", "1")], [("connection", "close")]] {
        let caller = caller(Limits { http_resets_max: 500, ..Limits::default() });
        let (count, code, _) = attack(caller, |caller| {
            let id = caller.next_id;
            caller.next_id += 2;
            let more = fields.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let head = caller.headers(id, 0, &[&grpc_fields("Deaf")[..], &more].concat());
            [head, frame(kind::DATA, 0, id, b"more than a byte")].concat()
        })
        .await;
        assert!((499..=502).contains(&count), "{fields:?}: {count}");
        assert_eq!(code, CALM);
    }
}

#[tokio::test(start_paused = true)]
async fn continuation_flood_cve_2024_27316_ends_the_connection_and_holds_little() {
    for (part, most) in [(&[0x20; 1000][..], 40), (b"", 10_010)] {
        let mut caller = caller(Limits::default());
        caller.send(&frame(kind::HEADERS, 0, 1, &block(&[("a", "b")])));
        caller.listen().await;
        let shared = caller.peer.shared.clone();
        let (count, code, text) = attack(caller, |_| frame(kind::CONTINUATION, 0, 1, part)).await;
        assert!(count <= most, "{count}");
        assert_eq!(code, CALM, "{text}");
        assert!(shared.stats().memory_bytes_peak < 100_000, "{:?}", shared.stats());
    }
}

#[tokio::test(start_paused = true)]
async fn header_block_that_does_not_go_on_ends_the_connection_at_read_timeout() {
    let caller = caller(Limits::default());
    caller.send(&frame(kind::HEADERS, 0, 1, &block(&[("a", "b")])));
    let begin = Instant::now();
    let raw::Peer { reader: _reader, writer: _writer, server, shared } = caller.peer;
    assert_eq!(server.await.unwrap(), Close::ReadTimeout);
    assert_eq!((begin.elapsed(), rejection(&shared)), {
        (Limits::default().read_timeout, "half a frame within read_timeout")
    });
}

#[tokio::test(start_paused = true)]
async fn hpack_bomb_ends_the_connection() {
    let caller = caller(Limits::default());
    let mut bomb = block(&[(":method", "POST"), (":scheme", "http"), (":path", "/a/b")]);
    bomb.extend_from_slice(&[b"\x40\x01k\x7f\xbd\x1d", &[b'v'; 3900][..]].concat());
    bomb.resize(16_000, 0xbe);
    caller.send(&frame(kind::HEADERS, flag::END_HEADERS, 1, &bomb));
    let (code, text, _) = caller.went_away().await;
    assert_eq!(code, ErrorCode::CompressionError as u32);
    assert!(text.contains("several times its limit"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn floods_of_frames_end_the_connection() {
    let floods: [(&str, Flood); 6] = [
        ("SETTINGS", || settings(&[])),
        ("PING", || ping(0, b"12345678")),
        ("empty DATA", || frame(kind::DATA, 0, 1, b"")),
        ("PRIORITY", || frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 16])),
        ("WINDOW_UPDATE", || window_update(1, 1)),
        ("frames of unknown kinds", || frame(77, 0, 0, b"x")),
    ];
    for (what, flood) in floods {
        let mut caller = caller(Limits::default());
        caller.open("Deaf");
        caller.listen().await;
        let (count, code, _) = attack(caller, |_| flood()).await;
        assert!((9_900..=10_001).contains(&count), "{what}: {count}");
        assert_eq!(code, CALM, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn flood_of_pings_whose_answers_nobody_reads_is_not_read_on() {
    let limits = Limits { send_buffer_bytes_max: 10_000, ..Limits::default() };
    let mut caller = Caller::of(raw::peer_with_window(limits, 4 << 10));
    caller.greet(&[]);
    let pings = ping(0, b"12345678").repeat(100);
    let mut sent = 0;
    while let Ok(written) = caller.peer.writer.try_write(&pings[sent % pings.len()..]) {
        sent += written;
        tokio::task::yield_now().await;
        assert!(sent < 100_000, "it reads on");
    }
    assert!(caller.stats().memory_bytes_peak < 30_000, "{:?}", caller.stats());
    sleep(Limits::default().write_timeout + ms(2)).await;
    assert_eq!(caller.peer.server.await.unwrap(), Close::WriteTimeout);
}

#[tokio::test(start_paused = true)]
async fn data_behind_the_end_resets_the_stream_and_leaves_others_alone() {
    let mut caller = caller(Limits::default());
    let id = caller.call("Hang", b"");
    let other = caller.open("Talk");
    caller.body(id, b"more", false);
    caller.body(other, &message(b"on"), false);
    caller.listen().await;
    assert_eq!(caller.reply(id).reset, Some(ErrorCode::StreamClosed as u32));
    assert_eq!((caller.reply(other).message(), caller.stats().calls_cancelled), ("on".into(), 1));
}

#[tokio::test(start_paused = true)]
async fn streams_beyond_in_flight_max_are_refused_and_never_run() {
    let mut caller = caller(Limits { in_flight_max: 3, ..Limits::default() });
    // Requests that have not ended count as well.
    let open = [caller.call("Hang", b""), caller.open("Echo"), caller.open("Talk")];
    for _ in 0..5 {
        let refused = caller.call("Echo", b"");
        assert_eq!(caller.answer(refused).await.reset, Some(ErrorCode::RefusedStream as u32));
    }
    assert_eq!(caller.stats().calls, 3);
    caller.send(&reset(open[1]));
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn rejected_heads_leave_no_metadata_to_the_next_call() {
    let mut caller = caller(Limits::default());
    let id = caller.open("Deaf");
    let secret = caller.headers(id, 0, &[("key".to_owned(), "secret of another call".to_owned())]);
    caller.send(&secret);
    let next = caller.call("Metadata", b"");
    assert_eq!(caller.answer(next).await.message(), "");
    assert_eq!(caller.reply(id).reset, PROTOCOL_ERROR);
}

#[tokio::test(start_paused = true)]
async fn peer_that_sends_rubbish_loses_its_connection_and_nothing_else() {
    let mut good = caller(Limits::default());
    let stream = good.open("Talk");
    for rubbish in [
        &b"GET / HTTP/1.1\r\n\r\n"[..],
        &[0xff; 100],
        &frame(kind::SETTINGS, 0, 0, b"x"),
        &frame(kind::HEADERS, flag::END_HEADERS, 1, &[0x80]),
        &frame(kind::DATA, 0, 1, b"x"),
    ] {
        let bad = caller_of(&good.peer.shared);
        bad.send(rubbish);
        let (code, _, close) = bad.went_away().await;
        assert_eq!(close, Close::Protocol);
        assert_ne!(code, 0);
        good.body(stream, &message(b"on"), false);
        good.listen().await;
    }
    assert_eq!(good.reply(stream).messages().len(), 5);
    let not_http = Caller::of(peer_of(good.peer.shared.clone(), WINDOW));
    not_http.send(b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    let (bytes, close, _) = not_http.peer.read_to_end().await;
    assert_eq!((bytes.len(), close), (0, Close::Protocol));
}
