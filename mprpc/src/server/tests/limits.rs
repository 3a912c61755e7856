//! Tests of every limit at the server: a value within the limit passes, a value beyond it fails with the limit's name.
//!
//! The caller's half is in `client/tests/limits.rs`. The tests run under virtual time, so times are exact to the
//! millisecond.
//!
//! | limit | at the server | at the caller |
//! |---|---|---|
//! | `message_bytes_max` | here; bombs in `compressed.rs` | there |
//! | `metadata_bytes_max` | here, for requests and replies | there, for both |
//! | `classic_header_bytes_max` | here | none: only servers read this header |
//! | `http_head_bytes_max`, `http_fields_max` | `http1.rs`, `http2/calls.rs`; `protocol/http1/tests.rs` | none: only servers speak HTTP/1.1 |
//! | `proxy_header_bytes_max` | `proxies.rs` | none: callers send no such header |
//! | `http_resets_max` | `http2/bad_input.rs` | the same tests: both sides share the count |
//! | `method_path_bytes_max`, `methods_max` | `client/tests/proxy.rs` | the same tests |
//! | `in_flight_max` | here | `server/tests/mod.rs` |
//! | `queue_time_max`, `queue_time_target` | `server/executor/simulation.rs` | status checked here |
//! | `handler_delay_target` | `server/concurrency_limit/tests.rs` | status checked here |
//! | `queue_calls_max`, `blocking_threads_max` | `elsewhere.rs` | status checked here |
//! | `retry_percent`, `retries_min`, `retry_window` | none: they limit calls | `client/retry_budget.rs`, `client/tests/retries.rs` |
//! | `hedge_delay_min` | none: it limits calls | `client/latencies.rs`, `client/tests/hedging.rs` |
//! | `throttle_window` | none: it limits calls | `client/throttle.rs`, `client/tests/overload.rs` |
//! | `connections_max` | here; `tests/server.rs` over TCP | status checked here; endpoints and runtimes bound callers |
//! | `stream_window_bytes`, `connection_window_bytes` | here, as receiver and as sender | there, as both |
//! | `compress_bytes_min` | here, for replies | there, for requests |
//! | `send_buffer_bytes_max` | `raw.rs` | there |
//! | `memory_bytes_max`, `connection_memory_bytes_max`, `memory_pause_max` | `memory.rs`, `memory_seeds.rs` | none: they limit servers |
//! | `first_byte_timeout`, `read_timeout` | here; `http2/waits.rs` | none: callers send first, and keepalive covers the rest |
//! | `tls_handshake_timeout` | `tls.rs` | none: `connect_timeout` includes the handshake |
//! | `tls_reload_interval` | `net/tls/tests.rs` | the same test |
//! | `write_timeout` | here; `http2/waits.rs` | there |
//! | `connect_timeout` | none: servers do not connect | there |
//! | `keepalive_interval`, `keepalive_timeout` | here | there |
//! | `silence_min`, `silence_timeout` | none: they limit callers | `client/multiplexed/silence.rs`, `client/tests/frozen.rs` |
//! | `ping_interval_min` | `lifetime.rs` | `client/tests/keepalive.rs` |
//! | `idle_timeout` | `lifetime.rs` | `lifetime.rs` |
//! | `connection_age_max`, `connection_age_grace` | here; `lifetime.rs` | reason checked there; only servers limit the age |
//! | `backoff_min`, `backoff_max`, `attempts_max`, `call_timeout`, `classic_reply_pause` | none: they limit calls | there |
//! | `removal_hold` | none: it limits callers | `client/tests/membership.rs` |
//! | `withdraw_grace` | `tests/file_registry.rs` | none |
//! | `drain_timeout` | here | status checked here |
//! | `accept_backoff` | `net/acceptor.rs`; `tests/descriptors.rs` | none |

use bytes::BytesMut;
use tokio::time::Instant;

use super::raw::{Peer, native_calls, peer, peer_with_window, rejection};
use super::streams::{endless, open};
use super::*;
use crate::client::ChannelOptions;
use crate::interceptors::tests::Log;
use crate::interceptors::tests::all::{All, client};
use crate::protocol::classic;
use crate::protocol::native::flag;
use crate::protocol::native::tests::frame;
use crate::testing::Network;

const A: &str = "10.0.0.1:1";

pub(super) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(super) fn number(name: &str) -> u16 {
    PROBE.methods.iter().position(|method| method.name == name).unwrap() as u16
}

pub(super) fn request_frame(id: u32, name: &str, flags: u8, body: &[u8]) -> BytesMut {
    frame(Header { kind: kind::REQUEST, flags, word: number(name), id, ..Header::default() }, body)
}

pub(super) fn data(id: u32, flags: u8, body: &[u8]) -> BytesMut {
    frame(Header { kind: kind::DATA, flags, id, ..Header::default() }, body)
}

/// Encodes a caller's greeting under `limits`, and one METHOD for each method.
pub(super) fn greeting(limits: &Limits) -> BytesMut {
    let mut bytes = crate::protocol::native::tests::greeting(limits);
    bytes.extend_from_slice(&native_calls(&[])[PREFACE.len()..]);
    bytes
}

fn greeted(limits: &Limits) -> Peer {
    let peer = peer_with_window(limits.clone(), 4 << 20);
    peer.send(&greeting(&Limits::default()));
    peer
}

/// Reads frames until the server sends nothing for 1 ms.
pub(super) async fn said(peer: &mut Peer) -> Vec<(Header, Bytes)> {
    let mut bytes = BytesMut::new();
    while let Ok(1..) = timeout(ms(1), peer.read_some(&mut bytes)).await {}
    decode(bytes)
}

/// Reads the server's only RESPONSE. Returns its code, whether NOT_RUN is set, and its text.
pub(super) async fn answered(peer: &mut Peer) -> (u16, bool, String) {
    let frames = said(peer).await;
    let [(header, body)] = &frames[..] else { panic!("{frames:?}") };
    assert_eq!((header.kind, header.flags & flag::END), (kind::RESPONSE, flag::END));
    (header.word, header.has(flag::NOT_RUN), String::from_utf8_lossy(body).into_owned())
}

/// Reads to the end and returns the reason in the GO_AWAY, which is the server's last frame.
async fn went_away(peer: Peer) -> String {
    let (bytes, close, shared) = peer.read_to_end().await;
    assert_eq!((close, rejection(&shared)), (Close::Protocol, "a protocol error"));
    let (header, reason) = decode(bytes).pop().unwrap();
    assert_eq!((header.kind, header.word), (kind::GO_AWAY, Code::Internal as u16));
    String::from_utf8(reason.to_vec()).unwrap()
}

pub(super) const EXHAUSTED: u16 = Code::ResourceExhausted as u16;

#[tokio::test(start_paused = true)]
async fn message_bytes_max_limits_requests_stream_messages_and_replies() {
    let limits = Limits { message_bytes_max: 1000, metadata_bytes_max: 100, ..Limits::default() };
    let mut peer = greeted(&limits);
    said(&mut peer).await;
    peer.send(&request_frame(1, "Echo", flag::END, &[7; 1000]));
    assert_eq!(answered(&mut peer).await.0, 0);
    // 1104 bytes are the largest frame with metadata. The server skips a larger frame while the frame arrives.
    for size in [1001, 1104, 1105, 200_000] {
        peer.send(&request_frame(1, "Echo", flag::END, &vec![7; size]));
        let (code, not_run, text) = answered(&mut peer).await;
        assert_eq!((code, not_run), (EXHAUSTED, true));
        assert!(text.contains(&format!("a message of {size} bytes is beyond message_bytes_max 1000")), "{text}");
        peer.send(&request_frame(1, "Deaf", flag::OPEN, b""));
        peer.send(&data(1, 0, &[7; 1000]));
        assert!(said(&mut peer).await.is_empty());
        peer.send(&data(1, 0, &vec![7; size]));
        let (code, not_run, text) = answered(&mut peer).await;
        assert_eq!((code, not_run), (EXHAUSTED, false));
        assert!(text.contains(&format!("a message of {size} bytes is beyond message_bytes_max 1000")), "{text}");
    }
    peer.send(&request_frame(1, "Large", flag::END, b""));
    let (code, not_run, text) = answered(&mut peer).await;
    assert_eq!((code, not_run), (EXHAUSTED, false));
    assert!(text.contains("the reply of 65536 bytes is beyond message_bytes_max 1000"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn classic_request_beyond_message_bytes_max_is_logged_with_the_limit() {
    let limits = Limits { message_bytes_max: 1000, ..Limits::default() };
    let log = Log::begin();
    let within = peer(limits.clone());
    within.send(&classic::encode_request("Probe", "Echo", &[7; 1000]));
    assert_eq!(within.read_to_end().await.0.len(), 1000);
    let beyond = peer(limits);
    beyond.send(&classic::encode_request("Probe", "Echo", &[7; 1001]));
    assert_eq!(beyond.read_to_end().await.0.len(), 0);
    assert_eq!(log.with("args_size 1001 is beyond message_bytes_max 1000").len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn too_long_request_under_an_id_in_use_is_a_protocol_error() {
    let peer = greeted(&Limits { message_bytes_max: 100, metadata_bytes_max: 0, ..Limits::default() });
    peer.send(&request_frame(1, "Hang", flag::END, b""));
    peer.send(&request_frame(1, "Echo", flag::END, &[7; 1000]));
    assert_eq!(went_away(peer).await, "call id 1 is 0 or in use");
}

/// Metadata with one pair that takes `bytes` bytes.
fn metadata_of(bytes: usize) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.append("k", vec![b'v'; bytes - 7]).unwrap();
    metadata
}

#[tokio::test(start_paused = true)]
async fn request_beyond_metadata_bytes_max_fails_with_limit_and_size() {
    let mut peer = greeted(&Limits { metadata_bytes_max: 100, ..Limits::default() });
    said(&mut peer).await;
    for (size, code) in [(100, 0), (101, EXHAUSTED)] {
        let mut body = BytesMut::from(&u32::to_le_bytes(size)[..]);
        body.extend_from_slice(&crate::protocol::native::encode_metadata(&metadata_of(size as usize)));
        peer.send(&request_frame(1, "Echo", flag::END | flag::METADATA, &body));
        let (got, not_run, text) = answered(&mut peer).await;
        assert_eq!((got, not_run), (code, code != 0));
        assert_eq!(text.contains("metadata of 101 bytes is beyond metadata_bytes_max 100"), code != 0, "{text}");
    }
}

/// A service that adds as much reply metadata and trailer as the request says, and fails if the request says so.
fn talkative() -> All {
    All::new(|context: Context, body: Body| async move {
        let bytes = |key| context.metadata().text(key).map_or(0, |text| text.parse().unwrap());
        if bytes("before") > 0 {
            *context.reply_metadata() = metadata_of(bytes("before"));
        }
        if bytes("behind") > 0 {
            *context.trailer() = metadata_of(bytes("behind"));
        }
        match context.metadata().text("fails") {
            Some(_) => Err(Status::data_loss("the disk is gone")),
            None => crate::interceptors::tests::all::echo(&context, body).await,
        }
    })
}

#[tokio::test(start_paused = true)]
async fn reply_beyond_metadata_bytes_max_of_the_caller_fails() {
    let network = Network::from_seed(3);
    let host = network.serve(A, Server::default().add(talkative()));
    let limits = Limits { metadata_bytes_max: 100, ..Limits::default() };
    let options = ChannelOptions { limits, ..ChannelOptions::default() };
    let client = client(network.host("client").channel_with_options(A, options));
    for (key, method, kind) in [
        ("before", "One", MethodKind::Unary),
        ("behind", "One", MethodKind::Unary),
        ("before", "Down", MethodKind::ServerStreaming),
        ("behind", "Down", MethodKind::ServerStreaming),
    ] {
        let call = |size: &str| {
            let call = client.call(method, kind, Body::Message("x".into())).metadata(key, size);
            async move { crate::interceptors::tests::all::joined(call.await?).await }
        };
        assert_eq!(call("100").await.unwrap(), "x");
        let status = call("101").await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        let text = "metadata of the reply of 101 bytes is beyond metadata_bytes_max 100";
        assert!(status.message().contains(text), "{key} {method}: {status}");
        assert_ne!(status.ran(), Ran::No, "the handler has run");
    }
    // A failed call keeps its status. The trailer is beyond the limit, so the reply leaves it out.
    let log = Log::begin();
    let status = client.unary("One", "").metadata("behind", "101").metadata("fails", "yes").await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "the disk is gone"));
    assert!(status.trailer().is_empty());
    assert_eq!(log.with("of 101 bytes is beyond metadata_bytes_max 100").len(), 1, "{:?}", log.lines());
    assert_eq!((network.attempts(), host.stats().calls_failed), (1, 5));
}

#[tokio::test(start_paused = true)]
async fn request_beyond_classic_header_bytes_max_is_logged_with_the_limit() {
    // An RpcHeader of `header_bytes` bytes. An unknown field, which the server skips, fills the header up.
    let request = |header_bytes: usize| {
        let mut header = classic::encode_request("Probe", "Echo", b"x").split_off(4);
        let args = header.split_off(header.len() - 1);
        let filler = header_bytes - header.len() - 3;
        header.extend_from_slice(&[0x7a, filler as u8 & 0x7f | 0x80, (filler >> 7) as u8]);
        header.resize(header_bytes, b'f');
        [&(header_bytes as u32).to_le_bytes()[..], &header, &args].concat()
    };
    let log = Log::begin();
    let limits = Limits { classic_header_bytes_max: 1000, ..Limits::default() };
    for (bytes, reply) in [(1000, "x"), (1001, "")] {
        let peer = peer(limits.clone());
        peer.send(&request(bytes));
        assert_eq!(peer.read_to_end().await.0, reply);
    }
    assert_eq!(log.with("1001 bytes; classic_header_bytes_max 1000").len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn call_beyond_in_flight_max_fails_with_the_limits_name() {
    let mut peer = greeted(&Limits { in_flight_max: 2, ..Limits::default() });
    said(&mut peer).await;
    peer.send(&request_frame(1, "Hang", flag::END, b""));
    peer.send(&request_frame(2, "Hang", flag::END, b""));
    peer.send(&request_frame(3, "Echo", flag::END, b""));
    let (code, not_run, text) = answered(&mut peer).await;
    assert_eq!((code, not_run), (EXHAUSTED, true));
    assert!(text.contains("in_flight_max 2"), "{text}");
    peer.send(&frame(Header { kind: kind::CANCEL, word: 1, id: 1, ..Header::default() }, b""));
    assert_eq!(answered(&mut peer).await.0, Code::Cancelled as u16);
    peer.send(&request_frame(3, "Echo", flag::END, b""));
    assert_eq!(answered(&mut peer).await.0, 0);
}

#[tokio::test(start_paused = true)]
async fn connection_beyond_connections_max_is_counted_logged_and_named_in_the_callers_status() {
    let log = Log::begin();
    let network = Network::from_seed(3);
    let limits = Limits { connections_max: 1, ..Limits::default() };
    let host = network.serve(A, Server { limits, ..Server::default() }.add(All::echo()));
    let first = client(network.host("first").channel(A));
    let second = client(network.host("second").channel(A));
    first.unary("One", "").await.unwrap();
    let status = second.unary("One", "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("connections_max"), "{status}");
    let stats = host.stats();
    assert!(stats.rejected["connections_max reached"] >= 1, "{stats:?}");
    assert_eq!((stats.connections_accepted, stats.connections_open), (1, 1));
    assert!(!log.with("detail=connections_max 1").is_empty(), "{:?}", log.lines());
    drop(first);
    sleep(ms(10)).await;
    assert_eq!(second.unary("One", "").wait_for_ready(true).await.unwrap(), "");
}

/// Sends a stream of requests with `bytes` bytes, which the handler never reads.
fn fill(peer: &Peer, id: u32, bytes: usize) {
    peer.send(&request_frame(id, "Deaf", flag::OPEN, b""));
    // A message costs 16 bytes more than its length: docs/protocol.md.
    peer.send(&data(id, 0, &vec![7; bytes - 16]));
}

#[tokio::test(start_paused = true)]
async fn caller_that_exceeds_stream_window_bytes_gets_go_away_with_the_limit() {
    let limits = Limits { stream_window_bytes: 300_000, ..Limits::default() };
    for (surplus, breaks) in [(0, false), (1, true)] {
        let mut peer = greeted(&limits);
        fill(&peer, 1, 200_000);
        peer.send(&data(1, 0, &vec![7; 100_000 - 16 + surplus]));
        if breaks {
            let reason = went_away(peer).await;
            let text =
                "a message of 100001 bytes with 200000 of its stream unread is beyond stream_window_bytes 300000";
            assert_eq!(reason, text);
        } else {
            assert!(said(&mut peer).await.is_empty());
        }
    }
    // A single message may be longer than the window if nothing else is unread.
    let mut peer = greeted(&limits);
    fill(&peer, 1, 1_000_000);
    assert!(said(&mut peer).await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn caller_that_exceeds_connection_window_bytes_gets_go_away_with_the_limit() {
    let window = 1 << 20;
    let limits = Limits { stream_window_bytes: window / 4, connection_window_bytes: window, ..Limits::default() };
    for (surplus, breaks) in [(0, false), (1, true)] {
        let mut peer = greeted(&limits);
        for id in 1..=4 {
            fill(&peer, id, window / 4 - 100);
        }
        peer.send(&data(1, 0, &[7; 100 - 16]));
        peer.send(&data(2, 0, &[7; 100 - 16]));
        peer.send(&data(3, 0, &[7; 100 - 16]));
        fill(&peer, 5, 50);
        peer.send(&data(5, 0, &vec![7; 50 - 16 + surplus]));
        if breaks {
            let reason = went_away(peer).await;
            let text = "with 1048526 of the connection unread is beyond connection_window_bytes 1048576";
            assert!(reason.starts_with("a message of 51 bytes") && reason.ends_with(text), "{reason}");
        } else {
            assert!(said(&mut peer).await.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn server_keeps_to_stream_window_bytes_and_connection_window_bytes_of_the_caller() {
    // Each stream may always have one unread message. The last of four streams sends it beyond the connection window.
    for (stream, connection, streams, before, after) in [(1000, 10_000, 1, 1000, 1000), (1000, 2500, 4, 3000, 500)] {
        let mut peer = peer_with_window(Limits::default(), 1 << 20);
        let limits = Limits { stream_window_bytes: stream, connection_window_bytes: connection, ..Limits::default() };
        peer.send(&greeting(&limits));
        for id in 1..=streams {
            // 100 messages of 484 bytes. Each message costs 500 bytes.
            let request = [&100u32.to_le_bytes()[..], &484u32.to_le_bytes()].concat();
            peer.send(&request_frame(id, "Count", flag::END, &request));
        }
        let cost = |frames: &[(Header, Bytes)]| {
            let messages = frames.iter().filter(|(header, _)| header.kind == kind::DATA);
            messages.map(|(_, body)| body.len() + 16).sum::<usize>()
        };
        assert_eq!(cost(&said(&mut peer).await), before);
        assert!(said(&mut peer).await.is_empty(), "it waits");
        peer.send(&frame(Header { kind: kind::CREDIT, id: 1, value: 1000, ..Header::default() }, b""));
        assert_eq!(cost(&said(&mut peer).await), after, "it goes on");
    }
}

#[tokio::test(start_paused = true)]
async fn message_for_unknown_call_is_ignored_and_message_after_the_end_is_a_protocol_error() {
    let mut peer = greeted(&Limits::default());
    said(&mut peer).await;
    peer.send(&data(7, 0, b"nobody's"));
    peer.send(&data(0, flag::END, b"nobody's"));
    peer.send(&request_frame(1, "Echo", flag::END, b"on"));
    assert_eq!(answered(&mut peer).await.0, 0);
    peer.send(&request_frame(1, "Deaf", flag::OPEN, b""));
    peer.send(&data(1, flag::END, b"last"));
    peer.send(&data(1, 0, b"and one more"));
    assert_eq!(went_away(peer).await, "a message for call 1, whose requests have ended");
    // The request of a unary call also ends the call's requests.
    let peer = greeted(&Limits::default());
    peer.send(&request_frame(1, "Hang", flag::END, b""));
    peer.send(&data(1, 0, b"more"));
    assert_eq!(went_away(peer).await, "a message for call 1, whose requests have ended");
}

#[cfg(feature = "gzip")]
#[tokio::test(start_paused = true)]
async fn replies_from_compress_bytes_min_on_are_compressed() {
    let limits = Limits { compress_bytes_min: 500, ..Limits::default() };
    let compression = Some(crate::codec::Compression::Gzip);
    let shared = Server { limits, compression, ..Server::default() }.add(Probe).share().unwrap();
    let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
    let server = tokio::spawn(serve_stream(far, shared.clone()));
    let mut peer = Peer { reader: near.reader, writer: near.writer, server, shared };
    peer.send(&greeting(&Limits::default()));
    said(&mut peer).await;
    for (size, compressed) in [(499, false), (500, true)] {
        peer.send(&request_frame(1, "Echo", flag::END, &vec![7; size]));
        let (header, body) = said(&mut peer).await.pop().unwrap();
        assert_eq!((header.has(flag::COMPRESSED), body.len() < size), (compressed, compressed), "{size}");
    }
}

#[tokio::test(start_paused = true)]
async fn connection_without_bytes_is_closed_at_first_byte_timeout_and_logged() {
    let log = Log::begin();
    let bound = Limits::default().first_byte_timeout;
    let mut in_time = peer(Limits::default());
    sleep(bound - ms(1)).await;
    in_time.send(&native_calls(&[(1, "Echo", b"in time")]));
    assert_eq!(answered(&mut in_time).await.0, 0);
    let late = peer(Limits::default());
    let begin = Instant::now();
    let (_, close, shared) = late.read_to_end().await;
    assert_eq!((close, begin.elapsed()), (Close::FirstByteTimeout, bound));
    assert_eq!(rejection(&shared), "nothing within first_byte_timeout");
    assert_eq!(log.with("detail=first_byte_timeout 10s").len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn incomplete_frame_closes_the_connection_at_read_timeout_and_is_logged() {
    let log = Log::begin();
    let bound = Limits::default().read_timeout;
    for (patience, in_time) in [(bound - ms(1), true), (bound + ms(1), false)] {
        for bytes in [native_calls(&[(1, "Echo", b"x")]), classic::encode_request("Probe", "Echo", b"x")] {
            let mut peer = peer(Limits::default());
            peer.send(&bytes[..bytes.len() - 1]);
            sleep(patience).await;
            // An error means that the server has closed the connection.
            let _ = peer.writer.try_write(&bytes[bytes.len() - 1..]);
            let mut got = BytesMut::new();
            while let Ok(1..) = timeout(ms(1), peer.read_some(&mut got)).await {}
            assert_eq!(got.ends_with(b"x"), in_time);
            assert_eq!(peer.shared.stats().rejected.is_empty(), in_time);
        }
    }
    assert_eq!(log.with("detail=read_timeout 10s").len(), 2, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn peer_that_leaves_bytes_unread_is_closed_at_write_timeout_and_logged() {
    let log = Log::begin();
    let bound = Limits::default().write_timeout;
    for (patience, in_time) in [(bound - ms(2), true), (bound + ms(2), false)] {
        let mut peer = peer_with_window(Limits::default(), 4 << 10);
        peer.send(&native_calls(&[(1, "Large", b"")]));
        sleep(patience).await;
        assert_eq!(peer.server.is_finished(), !in_time);
        let mut got = BytesMut::new();
        while let Ok(1..) = timeout(ms(5), peer.read_some(&mut got)).await {}
        assert_eq!(got.len() > LARGE_BYTES, in_time);
        assert_eq!(peer.shared.stats().rejected.is_empty(), in_time);
    }
    assert_eq!(log.with("detail=write_timeout 10s").len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn silent_caller_is_closed_after_keepalive_interval_and_keepalive_timeout_and_logged() {
    let log = Log::begin();
    let limits = Limits { keepalive_interval: ms(4000), keepalive_timeout: ms(3000), ..Limits::default() };
    for answers in [true, false] {
        let mut peer = peer(limits.clone());
        // The keepalive interval begins with the call. Bytes that arrive with the call do not count as a sign of life.
        peer.send(&native_calls(&[(1, "Hang", b"")]));
        let begin = Instant::now();
        let mut got = BytesMut::new();
        while !decode(got.clone()).iter().any(|(header, _)| header.kind == kind::PING) {
            assert!(peer.read_some(&mut got).await > 0);
        }
        let asked = begin.elapsed();
        assert!((limits.keepalive_interval..=2 * limits.keepalive_interval).contains(&asked), "{asked:?}");
        sleep(limits.keepalive_timeout - ms(1)).await;
        assert!(!peer.server.is_finished());
        if answers {
            peer.send(&frame(Header { kind: kind::PONG, ..Header::default() }, b""));
        }
        sleep(ms(2)).await;
        assert_eq!(peer.server.is_finished(), !answers);
    }
    let lines = log.with("detail=keepalive_interval 4s, keepalive_timeout 3s");
    assert_eq!(lines.len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn go_away_names_connection_age_max_as_its_reason() {
    let mut peer = peer(Limits { connection_age_max: ms(100_000), ..Limits::default() });
    peer.send(&native_calls(&[]));
    said(&mut peer).await;
    let begin = Instant::now();
    let mut bytes = BytesMut::new();
    peer.read_some(&mut bytes).await;
    // The server subtracts a random part of up to a tenth from the age.
    assert!((ms(89_990)..=ms(100_000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let (header, reason) = decode(bytes).pop().unwrap();
    assert_eq!((header.kind, header.word), (kind::GO_AWAY, Code::Unavailable as u16));
    assert_eq!(reason, "as old as connection_age_max 100s allows");
}

#[tokio::test(start_paused = true)]
async fn stop_ends_calls_after_drain_timeout_with_the_limits_name() {
    let log = Log::begin();
    for (call, in_time) in [(2999, true), (3001, false)] {
        let network = Network::from_seed(3);
        let service = All::new(move |_, body| async move {
            sleep(ms(call)).await;
            Ok(body)
        });
        let limits = Limits { drain_timeout: ms(3000), ..Limits::default() };
        let host = network.serve(A, Server { limits, ..Server::default() }.add(service));
        let client = client(network.channel(A));
        let calling = tokio::spawn(client.unary("One", "").timeout(ms(60_000)).into_future());
        while host.stats().calls == 0 {
            tokio::task::yield_now().await;
        }
        let begin = Instant::now();
        host.stop().await;
        let (reply, took) = (calling.await.unwrap(), begin.elapsed());
        assert!(took <= ms(3002), "{took:?}");
        assert_eq!(reply.is_ok(), in_time, "{reply:?}");
        if let Err(status) = reply {
            assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
            assert!(status.message().contains("drain_timeout 3s"), "{status}");
        }
    }
    assert_eq!(log.with("drain_timeout=3s").len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn stream_within_its_windows_is_never_refused() {
    let pair = pair(Limits { stream_window_bytes: 100, connection_window_bytes: 150, ..Limits::default() });
    let requests = |messages: usize| crate::streaming::Streaming::of((0..messages).map(|_| Bytes::from(vec![7; 60])));
    for _ in 0..3 {
        let mut replies = open(&pair.caller, &endless("Talk", Body::Stream(requests(50)))).await;
        let mut messages = 0;
        while let Some(message) = futures_util::StreamExt::next(&mut replies).await {
            assert_eq!(message.unwrap().len(), 60);
            messages += 1;
        }
        assert_eq!(messages, 50);
    }
    assert!(pair.shared.stats().rejected.is_empty());
}
