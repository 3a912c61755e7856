//! Tests of HTTP/1.1 at the server: split input, keep-alive, pipelining, bodies, refusals, slow peers, and the stop.

use std::sync::Arc;

use bytes::BytesMut;
use fastrand::Rng;
use tokio::time::Instant;

use super::http::{Answer, Ask, answer, take_answer};
use super::limits::ms;
use super::raw::{Peer, peer, peer_of, peer_with_window, rejection};
use super::*;
use crate::method::Placement;
use crate::protocol::http::grpc::encode_message;

fn post(path: &str, body: &str) -> Ask {
    Ask::post(format!("/test.Probe/{path}"), "application/json", body)
}

fn echo(body: &str) -> Vec<u8> {
    post("Echo", body).http1()
}

/// A request whose body is chunked.
fn chunked(path: &str, content_type: &str, chunks: &[&[u8]]) -> Vec<u8> {
    let head = format!(
        "POST /test.Probe/{path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\ntransfer-encoding: chunked\r\n\r\n"
    );
    let mut bytes = head.into_bytes();
    for chunk in chunks {
        push_chunk(&mut bytes, chunk);
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn push_chunk(bytes: &mut Vec<u8>, chunk: &[u8]) {
    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
    bytes.extend_from_slice(chunk);
    bytes.extend_from_slice(b"\r\n");
}

fn message(message: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_message(&mut bytes, 0, message);
    bytes.to_vec()
}

async fn next(peer: &mut Peer, input: &mut BytesMut) -> Answer {
    answer(peer, input, false).await
}

/// Everything that the server sends until it closes, as responses.
async fn answers(peer: Peer) -> (Vec<Answer>, Close, Arc<Shared>) {
    let (mut bytes, close, shared) = peer.read_to_end().await;
    let mut answers = Vec::new();
    while let Some(answer) = take_answer(&mut bytes, false, true) {
        answers.push(answer);
    }
    assert!(bytes.is_empty(), "{bytes:?}");
    (answers, close, shared)
}

#[tokio::test(start_paused = true)]
async fn requests_split_anywhere_are_answered() {
    let whole = [
        echo("{\"a\":1}"),
        chunked("Echo", "application/json", &[b"{\"b\"", b":2}"]),
        Ask::new("GET", "/healthz").http1(),
        chunked("Sum", "application/connect+proto", &[&message(b"12345")]),
    ]
    .concat();
    for cut in 1..whole.len() {
        let mut peer = peer(Limits::default());
        peer.send(&whole[..cut]);
        tokio::task::yield_now().await;
        peer.send(&whole[cut..]);
        let mut input = BytesMut::new();
        assert_eq!(next(&mut peer, &mut input).await.text(), "{\"a\":1}", "cut at {cut}");
        assert_eq!(next(&mut peer, &mut input).await.text(), "{\"b\":2}", "cut at {cut}");
        assert_eq!(next(&mut peer, &mut input).await.text(), "serving\n", "cut at {cut}");
        let sum = next(&mut peer, &mut input).await;
        assert_eq!(sum.body[..13], [&[0, 0, 0, 0, 8][..], &5u64.to_le_bytes()].concat(), "cut at {cut}");
        assert!(input.is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_byte_by_byte_are_answered() {
    let mut peer = peer(Limits::default());
    let mut input = BytesMut::new();
    for request in [echo("one"), chunked("Echo", "application/json", &[b"tw", b"o"])] {
        for byte in &request {
            peer.send(&[*byte]);
            tokio::task::yield_now().await;
        }
        assert!(["one", "two"].contains(&next(&mut peer, &mut input).await.text().as_str()));
    }
    assert_eq!(peer.shared.stats().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_answered_one_after_the_other() {
    let mut peer = peer(Limits::default());
    let requests = [post("Sleep", "slow").http1(), echo("quick"), post("Sleep", "slow too").http1(), echo("last")];
    peer.send(&requests.concat());
    sleep(ms(1)).await;
    assert_eq!(peer.shared.stats().calls, 1, "the next call begins once the answer before it is complete");
    let mut input = BytesMut::new();
    for expected in ["slow", "quick", "slow too", "last"] {
        assert_eq!(next(&mut peer, &mut input).await.text(), expected);
    }
    assert_eq!(peer.shared.stats().calls, 4);
}

#[tokio::test(start_paused = true)]
async fn connection_stays_open_unless_the_request_says_otherwise() {
    for (request, stays) in [
        (echo("x"), true),
        (post("Echo", "x").with("connection", "close").http1(), false),
        (b"GET /healthz HTTP/1.0\r\n\r\n".to_vec(), false),
        (b"GET /healthz HTTP/1.0\r\nconnection: keep-alive\r\n\r\n".to_vec(), true),
        (b"GET http://test/healthz HTTP/1.1\r\nhost: test\r\n\r\n".to_vec(), true),
    ] {
        let mut peer = peer(Limits::default());
        peer.send(&request);
        let mut input = BytesMut::new();
        let first = next(&mut peer, &mut input).await;
        assert_eq!(first.status, 200);
        assert_eq!(first.field("connection") == Some("close"), !stays, "{}", String::from_utf8_lossy(&request));
        if stays {
            peer.send(&echo("again"));
            assert_eq!(next(&mut peer, &mut input).await.text(), "again");
        } else {
            let (bytes, close, _) = peer.read_to_end().await;
            assert_eq!((bytes.len(), close), (0, Close::Done));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stream_to_a_caller_with_http10_ends_with_the_connection() {
    let peer = peer(Limits::default());
    let body = message(&[3, 0, 0, 0, 4, 0, 0, 0]);
    let head = format!(
        "POST /test.Probe/Count HTTP/1.0\r\ncontent-type: application/connect+proto\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    peer.send(&[head.as_bytes(), &body].concat());
    let (answers, close, _) = answers(peer).await;
    assert_eq!((answers.len(), answers[0].field("transfer-encoding"), close), (1, None, Close::Done));
    assert!(answers[0].body.starts_with(&[message(&[0; 4]), message(&[1, 0, 0, 0])].concat()));
}

#[tokio::test(start_paused = true)]
async fn requests_that_could_be_smuggled_are_refused_and_the_connection_closed() {
    let smuggled = echo("smuggled");
    let with = |fields: &str| format!("POST /test.Probe/Echo HTTP/1.1\r\nhost: test\r\n{fields}\r\n");
    for (head, status, part) in [
        (with("content-length: 5\r\ntransfer-encoding: chunked\r\n"), 400, "both"),
        (with("content-length: 5\r\ncontent-length: 5\r\n"), 400, "several content-length"),
        (with("content-length: +5\r\n"), 400, "content-length is not a number"),
        (with("content-length: 99999999999999999999\r\n"), 413, "64 bits"),
        (with("transfer-encoding: chunked, chunked\r\n"), 400, "chunked"),
        (with("transfer-encoding: xchunked\r\n"), 501, "chunked"),
        (with("transfer-encoding: chunked, identity\r\n"), 400, "chunked"),
        (with("transfer-encoding : chunked\r\n"), 400, "field name"),
        (with("x: a\n content-length: 5\r\n"), 400, "LF without CR"),
        (with(" folded: 5\r\n"), 400, "white space"),
        (with("host: other\r\n"), 400, "2 host fields"),
        (with("x: a\0b\r\n"), 400, "control byte"),
        ("POST /test.Probe/Echo HTTP/1.1\r\n\r\n".to_owned(), 400, "0 host fields"),
        ("POST /test.Probe/Echo HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n".to_owned(), 400, "HTTP/1.0"),
        ("POST /test.Probe/Echo HTTP/2.0\r\nhost: test\r\n\r\n".to_owned(), 505, "1.0 and 1.1"),
        ("GET /a b HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 400, ""),
        ("CONNECT test:443 HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 501, "CONNECT"),
        ("GET /\u{e9} HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), 400, ""),
    ] {
        let peer = peer(Limits::default());
        peer.send(&[head.as_bytes(), &smuggled].concat());
        let (answers, close, shared) = answers(peer).await;
        assert_eq!(answers.len(), 1, "{head}");
        assert_eq!((answers[0].status, answers[0].field("connection")), (status, Some("close")), "{head}");
        assert!(answers[0].text().contains(part), "{head}: {}", answers[0].text());
        assert_eq!((close, rejection(&shared)), (Close::Protocol, "a malformed HTTP request"));
        assert_eq!(shared.stats().calls, 0, "{head}");
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_chunks_end_the_call_and_the_connection() {
    let head = "POST /test.Probe/Echo HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
    for body in ["x\r\n", "5\n12345", "-5\r\n", "5\r\n123456\r\n", "2\r\nabc\r\n0\r\n\r\n", "0\r\nbad trailer\r\n\r\n"]
    {
        let peer = peer(Limits::default());
        peer.send(format!("{head}{body}{}", String::from_utf8(echo("smuggled")).unwrap()).as_bytes());
        let (answers, close, shared) = answers(peer).await;
        assert_eq!((answers.len(), answers[0].status, close), (1, 400, Close::Protocol), "{body}");
        assert_eq!(rejection(&shared), "a malformed HTTP request");
    }
    // The call of a stream has begun, and its response too.
    let mut peer = peer(Limits::default());
    let mut open = chunked("Talk", "application/connect+proto", &[&message(b"one")]);
    open.truncate(open.len() - 5);
    peer.send(&open);
    let mut got = BytesMut::new();
    while !got.ends_with(b"one\r\n") {
        peer.read_some(&mut got).await;
    }
    peer.send(b"x\r\n");
    let (rest, close, shared) = peer.read_to_end().await;
    assert_eq!((rest.len(), close), (0, Close::Protocol), "the end of the response is missing");
    assert_eq!(shared.stats().calls_cancelled, 1);
}

#[tokio::test(start_paused = true)]
async fn http_head_bytes_max_and_http_fields_max_close_the_connection() {
    let limits = Limits { http_head_bytes_max: 500, http_fields_max: 5, ..Limits::default() };
    let many: String = (0..6).map(|number| format!("x{number}: 1\r\n")).collect();
    for (request, status, part) in [
        (format!("GET /{} HTTP/1.1\r\n", "x".repeat(500)), 414, "http_head_bytes_max 500"),
        (format!("GET / HTTP/1.1\r\nhost: test\r\nx: {}", "x".repeat(500)), 431, "http_head_bytes_max 500"),
        (format!("GET / HTTP/1.1\r\nhost: test\r\n{many}\r\n"), 431, "http_fields_max 5"),
    ] {
        let peer = peer(limits.clone());
        peer.send(request.as_bytes());
        let (answers, close, _) = answers(peer).await;
        assert_eq!((answers.len(), answers[0].status, close), (1, status, Close::Protocol));
        assert!(answers[0].text().contains(part), "{}", answers[0].text());
    }
}

#[tokio::test(start_paused = true)]
async fn incomplete_request_is_closed_at_read_timeout() {
    let limits = Limits::default();
    let whole = echo("reply");
    let in_a_message = chunked("Sum", "application/connect+proto", &[&message(b"12345")[..7]]);
    for beginning in [&whole[..20], &whole[..whole.len() - 1], &in_a_message[..in_a_message.len() - 5]] {
        let mut peer = peer(limits.clone());
        peer.send(&echo("first"));
        assert_eq!(next(&mut peer, &mut BytesMut::new()).await.text(), "first");
        sleep(Duration::from_secs(60)).await;
        peer.send(beginning);
        let begin = Instant::now();
        let (bytes, close, shared) = peer.read_to_end().await;
        assert_eq!((bytes.len(), close), (0, Close::ReadTimeout), "{}", String::from_utf8_lossy(beginning));
        assert_eq!(begin.elapsed().as_secs(), limits.read_timeout.as_secs());
        assert_eq!(rejection(&shared), "half a frame within read_timeout");
    }
    let beginning = peer(limits.clone());
    beginning.send(b"POS");
    let (_, close, _) = beginning.read_to_end().await;
    assert_eq!(close, Close::FirstByteTimeout);
}

#[tokio::test(start_paused = true)]
async fn stream_may_pause_between_its_messages() {
    let mut peer = peer(Limits::default());
    let mut open = chunked("Talk", "application/connect+proto", &[&message(b"one")]);
    open.truncate(open.len() - 5);
    peer.send(&open);
    let (mut got, mut seen) = (BytesMut::new(), 0);
    for turn in 0..3 {
        while !got[seen..].ends_with(b"one\r\n") {
            assert!(peer.read_some(&mut got).await > 0);
        }
        seen = got.len();
        sleep(Duration::from_secs(60)).await;
        let mut chunk = Vec::new();
        push_chunk(&mut chunk, &message(b"one"));
        if turn == 2 {
            chunk = b"0\r\n\r\n".to_vec();
        }
        peer.send(&chunk);
    }
    let talked = next(&mut peer, &mut got).await;
    let messages = message(b"one").repeat(3);
    assert_eq!(talked.body, [&messages[..], &[2, 0, 0, 0, 2], b"{}"].concat());
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_closed_after_idle_timeout() {
    let limits = Limits { idle_timeout: Duration::from_secs(100), ..Limits::default() };
    let mut peer = peer(limits);
    let mut input = BytesMut::new();
    for pause in [0, 90, 90] {
        sleep(Duration::from_secs(pause)).await;
        // A page keeps the connection as a call does.
        peer.send(&Ask::new("GET", "/healthz").http1());
        assert_eq!(next(&mut peer, &mut input).await.status, 200);
    }
    let begin = Instant::now();
    let (bytes, close, shared) = peer.read_to_end().await;
    assert_eq!((bytes.len(), close, begin.elapsed().as_secs()), (0, Close::Idle, 110));
    assert!(shared.stats().rejected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn connection_age_max_closes_behind_the_last_answer_and_connection_age_grace_ends_the_call() {
    let limits = Limits {
        connection_age_max: Duration::from_secs(100),
        connection_age_grace: Duration::from_secs(5),
        idle_timeout: Duration::from_secs(1000),
        ..Limits::default()
    };
    let patient = peer(limits.clone());
    patient.send(&echo("early"));
    let (answers_of_idle, close, _) = answers(patient).await;
    assert_eq!((answers_of_idle.len(), close), (1, Close::Idle));
    let hanging = peer(limits);
    hanging.send(&echo("early"));
    sleep(Duration::from_secs(89)).await;
    hanging.send(&post("Hang", "").http1());
    let (answers, close, _) = answers(hanging).await;
    assert_eq!((answers.len(), answers[1].status, close), (2, 503, Close::Done));
    assert!(answers[1].text().contains("connection_age_grace 5s"), "{}", answers[1].text());
    assert_eq!(answers[1].field("connection"), Some("close"));
}

#[tokio::test(start_paused = true)]
async fn peer_that_closes_cancels_its_call() {
    let stream = chunked("Deaf", "application/connect+proto", &[&message(b"x")]);
    let pipelined = [post("Hang", "").http1(), echo("next")].concat();
    for request in [post("Hang", "").http1(), stream, pipelined] {
        let peer = peer(Limits::default());
        peer.send(&request);
        sleep(ms(5)).await;
        assert_eq!(peer.shared.stats().calls, 1);
        let Peer { reader, writer, server, shared } = peer;
        drop((reader, writer));
        assert_eq!(timeout(ms(5), server).await.expect("it notices at once").unwrap(), Close::PeerClosed);
        assert_eq!(shared.stats().calls_cancelled, 1);
    }
    // A body that breaks off begins no call.
    let whole = echo("reply");
    let peer = peer(Limits::default());
    peer.send(&whole[..whole.len() - 1]);
    sleep(ms(5)).await;
    let Peer { reader, writer, server, shared } = peer;
    drop((reader, writer));
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
    assert_eq!((shared.stats().calls, shared.stats().calls_cancelled), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn peer_that_waits_for_100_continue_gets_it_unless_the_request_is_refused() {
    let expecting = |path: &str, content_type: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: {content_type}\r\nexpect: 100-continue\r\ncontent-length: {length}\r\n\r\n"
        )
    };
    let mut peer = peer(Limits { message_bytes_max: 1000, ..Limits::default() });
    let mut input = BytesMut::new();
    peer.send(expecting("/test.Probe/Echo", "application/json", 5).as_bytes());
    assert_eq!(next(&mut peer, &mut input).await.status, 100);
    peer.send(b"12345");
    assert_eq!(next(&mut peer, &mut input).await.text(), "12345");
    for (path, content_type, length, status) in [
        ("/test.Probe/Echo", "application/json", 1001, 429),
        ("/test.Probe/Echo", "text/plain", 5, 415),
        ("/test.Probe/Nothing", "application/json", 5, 404),
        ("/healthz", "application/json", 5, 405),
    ] {
        let refused = super::raw::peer(Limits { message_bytes_max: 1000, ..Limits::default() });
        refused.send(expecting(path, content_type, length).as_bytes());
        let (answers, close, _) = answers(refused).await;
        assert_eq!((answers.len(), answers[0].status, close), (1, status, Close::Done), "{path} {content_type}");
        assert_eq!(answers[0].field("connection"), Some("close"), "the peer may send the body or not");
    }
}

#[tokio::test(start_paused = true)]
async fn rest_of_a_refused_request_is_discarded_up_to_a_bound() {
    let limits = Limits { message_bytes_max: 1000, ..Limits::default() };
    let mut within = peer_with_window(limits.clone(), 1 << 20);
    let mut input = BytesMut::new();
    let long = vec![b'x'; 100_000];
    for request in [
        Ask::post("/test.Probe/Echo", "application/json", long.clone()).http1(),
        chunked("Echo", "application/json", &[&long]),
        chunked("Echo", "text/plain", &[&long]),
    ] {
        within.send(&request);
        let refused = next(&mut within, &mut input).await;
        assert!(matches!(refused.status, 415 | 429) && refused.field("connection").is_none(), "{refused:?}");
        within.send(&echo("on"));
        assert_eq!(next(&mut within, &mut input).await.text(), "on");
    }
    let beyond = peer_with_window(limits.clone(), 2 << 20);
    beyond.send(&Ask::post("/test.Probe/Echo", "application/json", vec![b'x'; 300_000]).http1());
    let (refused, close, _) = answers(beyond).await;
    assert_eq!((refused.len(), refused[0].field("connection"), close), (1, Some("close"), Close::Done));
    let endless = peer_with_window(limits, 2 << 20);
    endless.send(&chunked("Echo", "application/json", &[&vec![b'x'; 600_000]]));
    let (refused, close, _) = answers(endless).await;
    assert_eq!((refused.len(), refused[0].status, close), (1, 429, Close::Done));
}

#[tokio::test(start_paused = true)]
async fn head_has_the_fields_of_get_and_no_body() {
    let mut peer = peer(Limits::default());
    let mut input = BytesMut::new();
    peer.send(&[Ask::new("HEAD", "/healthz").http1(), Ask::new("HEAD", "/nothing").http1(), echo("on")].concat());
    let health = answer(&mut peer, &mut input, true).await;
    assert_eq!((health.status, health.field("content-length")), (200, Some("8")));
    assert_eq!(answer(&mut peer, &mut input, true).await.status, 404);
    assert_eq!(next(&mut peer, &mut input).await.text(), "on");
}

#[tokio::test(start_paused = true)]
async fn drain_finishes_the_call_in_flight_and_closes_idle_connections() {
    let mut idle = peer(Limits::default());
    idle.send(&echo("once"));
    assert_eq!(next(&mut idle, &mut BytesMut::new()).await.text(), "once");
    let shared = idle.shared.clone();
    let asking = peer_of(shared.clone(), 1 << 20);
    asking.send(&[post("Sleep", "late").http1(), echo("never")].concat());
    let beginning = peer_of(shared.clone(), 1 << 20);
    beginning.send(&echo("slow head")[..30]);
    sleep(ms(1)).await;
    shared.drain();
    sleep(ms(1)).await;
    assert!(idle.server.is_finished(), "the stop waits for a peer that keeps its idle connection");
    beginning.send(&echo("slow head")[30..]);
    let (bytes, close, _) = idle.read_to_end().await;
    assert_eq!((bytes.len(), close), (0, Close::Idle));
    for (peer, expected) in [(asking, "late"), (beginning, "slow head")] {
        let (answers, close, _) = answers(peer).await;
        assert_eq!((answers.len(), close), (1, Close::Done));
        assert_eq!((answers[0].text().as_str(), answers[0].field("connection")), (expected, Some("close")));
    }
}

#[tokio::test(start_paused = true)]
async fn handler_that_is_not_inline_answers_over_http() {
    let placement = [(PROBE.name.to_owned(), Placement::Spread)].into();
    let mut server = Server { placement, ..Server::default() }.add(Probe);
    let mut peer = peer_of(server.share().unwrap(), 1 << 20);
    let mut input = BytesMut::new();
    for _ in 0..3 {
        peer.send(&echo("elsewhere"));
        assert_eq!(next(&mut peer, &mut input).await.text(), "elsewhere");
    }
}

#[tokio::test(start_paused = true)]
async fn large_replies_wait_for_the_peer_to_read() {
    let limits = Limits { send_buffer_bytes_max: 64 << 10, ..Limits::default() };
    let mut peer = peer_with_window(limits.clone(), 1 << 20);
    let mut count = message(&[0, 4, 0, 0, 0, 16, 0, 0]);
    count = chunked("Count", "application/connect+proto", &[&count]);
    let calls = 500;
    let mut requests = post("Large", "").http1().repeat(calls);
    requests.extend_from_slice(&count);
    peer.send(&requests);
    sleep(ms(1)).await;
    let begun = peer.shared.stats().calls;
    assert!((1..50).contains(&begun), "{begun} calls were begun for a peer that has not read a byte");
    let mut input = BytesMut::new();
    for _ in 0..calls {
        assert_eq!(next(&mut peer, &mut input).await.body.len(), LARGE_BYTES);
    }
    // 1024 messages of 4 KiB.
    assert!(next(&mut peer, &mut input).await.body.len() > 4 << 20);
}

#[tokio::test(start_paused = true)]
async fn peer_that_never_reads_is_closed_after_write_timeout() {
    let limits = Limits { send_buffer_bytes_max: 64 << 10, ..Limits::default() };
    let peer = peer_with_window(limits.clone(), 64 << 10);
    let begin = Instant::now();
    peer.send(&post("Large", "").http1().repeat(20));
    assert_eq!(peer.server.await.unwrap(), Close::WriteTimeout);
    assert_eq!(begin.elapsed().as_secs(), limits.write_timeout.as_secs());
    assert!(peer.shared.stats().calls < 5);
}

#[tokio::test(start_paused = true)]
async fn stream_window_bytes_bounds_what_a_handler_has_not_read() {
    let limits = Limits { stream_window_bytes: 10_000, ..Limits::default() };
    let peer = peer_with_window(limits.clone(), 16 << 10);
    let mut open = chunked("Deaf", "application/connect+proto", &[]);
    open.truncate(open.len() - 5);
    peer.send(&open);
    let mut chunk = Vec::new();
    push_chunk(&mut chunk, &message(&[7; 1000]));
    let mut sent = 0;
    for _ in 0..10_000 {
        let Ok(written) = peer.writer.try_write(&chunk[sent % chunk.len()..]) else { break };
        sent += written;
        for _ in 0..5 {
            tokio::task::yield_now().await;
        }
    }
    assert!(sent < 200_000, "{sent} bytes were taken that nobody reads");
    sleep(Duration::from_secs(60)).await;
    assert!(peer.shared.stats().rejected.is_empty(), "a full window is no fault of the peer");
}

#[tokio::test(start_paused = true)]
async fn stream_goes_on_once_its_handler_has_read() {
    let limits = Limits { stream_window_bytes: 10_000, ..Limits::default() };
    let mut peer = peer_with_window(limits, 8 << 20);
    let messages: Vec<Vec<u8>> = (0..500).map(|_| message(&[7; 5000])).collect();
    let chunks: Vec<&[u8]> = messages.iter().map(|message| &message[..]).collect();
    peer.send(&chunked("Sum", "application/connect+proto", &chunks));
    let sum = next(&mut peer, &mut BytesMut::new()).await;
    assert_eq!(sum.body[5..13], 2_500_000u64.to_le_bytes());
}

#[tokio::test(start_paused = true)]
async fn request_in_plain_text_to_a_tls_address_is_told_so() {
    let shared = peer(Limits::default()).shared;
    let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
    let transport = crate::server::Transport::of_plain_text(shared.clone(), far.peer.clone(), clock::now());
    let limits = shared.limits.clone();
    let server = tokio::spawn(async move { crate::net::connection::drive(far, transport, &limits).await });
    let peer = Peer { reader: near.reader, writer: near.writer, server, shared };
    peer.send(&echo("x"));
    let (answers, close, shared) = answers(peer).await;
    assert_eq!((answers.len(), answers[0].status, close), (1, 400, Close::Protocol));
    assert!(answers[0].text().contains("https"), "{}", answers[0].text());
    assert_eq!((shared.stats().calls, rejection(&shared)), (0, "plain text where TLS is spoken"));
}

#[tokio::test(start_paused = true)]
async fn damaged_requests_from_many_seeds_end_without_a_panic() {
    let samples = [
        echo("{\"a\":1}"),
        chunked("Talk", "application/connect+proto", &[&message(b"one"), &message(b"two")]),
        chunked("Sum", "application/grpc-web-text", &[b"AAAAAAVoZWxsbw=="]),
        Ask::new("GET", "/test.Probe/Echo?encoding=json&message=x").http1(),
        Ask::new("OPTIONS", "/").with("origin", "http://a").with("access-control-request-method", "POST").http1(),
        post("Break", "fail").with("accept-encoding", "gzip").http1(),
    ];
    for seed in 0..400 {
        let mut rng = Rng::with_seed(seed);
        let mut bytes: Vec<u8> =
            (0..rng.usize(1..6)).flat_map(|_| samples[rng.usize(..samples.len())].clone()).collect();
        for _ in 0..rng.usize(..6) {
            let at = rng.usize(..bytes.len());
            match rng.u8(..3) {
                0 => bytes[at] = rng.u8(..),
                1 => drop(bytes.remove(at)),
                _ => bytes.insert(at, b"\r\n:0 ,\0"[rng.usize(..7)]),
            }
        }
        let peer = peer(Limits { message_bytes_max: 1000, ..Limits::default() });
        for piece in bytes.chunks(rng.usize(1..200)) {
            if peer.writer.try_write(piece).is_err() {
                break;
            }
            tokio::task::yield_now().await;
        }
        let Peer { mut reader, writer, server, .. } = peer;
        sleep(ms(1)).await;
        drop(writer);
        let mut got = BytesMut::new();
        while let Ok(1..) = std::future::poll_fn(|cx| reader.poll_read(cx, &mut got)).await {}
        server.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[tokio::test]
async fn system_probes_the_peer_of_http1_over_tcp_and_no_other() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    for (request, probes) in [(echo("x"), true), (super::raw::native_calls(&[(1, "Echo", b"x")]).to_vec(), false)] {
        let mut caller = tokio::net::TcpStream::connect(address).await.unwrap();
        let (accepted, from) = listener.accept().unwrap();
        accepted.set_nonblocking(true).unwrap();
        let watched = accepted.try_clone().unwrap();
        let stream = Stream::fresh(accepted, from, address);
        let server = tokio::spawn(serve_stream(stream, peer(Limits::default()).shared));
        tokio::io::AsyncWriteExt::write_all(&mut caller, &request).await.unwrap();
        let mut answer = [0; 16];
        tokio::io::AsyncReadExt::read_exact(&mut caller, &mut answer).await.unwrap();
        assert_eq!(socket2::SockRef::from(&watched).keepalive().unwrap(), probes);
        server.abort();
    }
}
