//! Tests of the lifetime of a native connection at the server: keepalive, idle timeout, maximum age, and too many PINGs.

use bytes::BytesMut;
use tokio::time::Instant;

use super::raw::{Peer, frames, greeting_bytes, native_calls, peer, rejection};
use super::*;
use crate::protocol::classic;
use crate::protocol::native::{Header, PREFACE, Settings, kind};

fn frame(header: Header) -> BytesMut {
    crate::protocol::native::tests::frame(header, b"")
}

fn ping(value: u32) -> BytesMut {
    frame(Header { kind: kind::PING, value, ..Header::default() })
}

/// Reads until at least one frame has arrived after the greeting. Returns the last frame.
async fn next_frame(peer: &mut Peer) -> (Header, String) {
    let mut bytes = BytesMut::new();
    while bytes.len() <= greeting_bytes() {
        assert!(peer.read_some(&mut bytes).await > 0);
    }
    let (header, body) = frames(bytes).pop().unwrap();
    (header, String::from_utf8(body).unwrap())
}

#[tokio::test(start_paused = true)]
async fn silent_caller_with_calls_in_flight_gets_a_ping_and_is_then_disconnected() {
    let limits = Limits::default();
    let peer = peer(limits.clone());
    peer.send(&native_calls(&[(1, "Hang", b"")]));
    let begin = Instant::now();
    let (bytes, close, shared) = peer.read_to_end().await;
    let kinds: Vec<u8> = frames(bytes).into_iter().map(|(header, _)| header.kind).collect();
    assert_eq!((kinds, close), (vec![kind::SETTINGS, kind::PING], Close::KeepaliveTimeout));
    assert_eq!(rejection(&shared), "a peer without a sign of life within keepalive_timeout");
    let bound = 2 * limits.keepalive_interval + limits.keepalive_timeout;
    assert!(begin.elapsed() <= bound + Duration::from_millis(5), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn silent_caller_that_does_not_read_is_disconnected_before_write_timeout() {
    let limits = Limits { write_timeout: Duration::from_secs(3600), ..Limits::default() };
    let peer = super::raw::peer_with_window(limits.clone(), 1 << 10);
    // Both the greeting and the PING fit into the pipe. The peer reads neither.
    peer.send(&native_calls(&[])[..PREFACE.len()]);
    let calls = native_calls(&[(1, "Hang", b"")]);
    let mut rest = &calls[PREFACE.len()..];
    while !rest.is_empty() {
        let written = peer.writer.try_write(rest).unwrap_or(0);
        rest = &rest[written..];
        tokio::task::yield_now().await;
    }
    let begin = Instant::now();
    assert_eq!(peer.server.await.unwrap(), Close::KeepaliveTimeout);
    assert!(begin.elapsed() <= 2 * limits.keepalive_interval + limits.keepalive_timeout + Duration::from_millis(5));
}

#[tokio::test(start_paused = true)]
async fn both_sides_wait_for_a_slow_handler_without_limit() {
    let pair = pair(Limits::default());
    let hanging = Request::new(
        Context::new(&PROBE.methods[5], None, Deadline::NONE, Metadata::new()),
        Body::Message(Bytes::new()),
        Deadline::NONE,
        |_| true,
    );
    assert!(timeout(Duration::from_secs(3600), pair.caller.unary(&hanging)).await.is_err());
    assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
    assert!(pair.shared.stats().rejected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn server_pings_no_more_often_than_the_caller_accepts() {
    let mut peer = peer(Limits::default());
    let calls = native_calls(&[(1, "Hang", b"")]);
    let mut bytes = BytesMut::from(&PREFACE[..]);
    Settings::of(&Limits { ping_interval_min: Duration::from_secs(60), ..Limits::default() }).encode(&mut bytes);
    bytes.extend_from_slice(&calls[PREFACE.len()..]);
    peer.send(&bytes);
    let begin = Instant::now();
    assert_eq!(next_frame(&mut peer).await.0.kind, kind::PING);
    assert_eq!(begin.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn caller_closes_first_at_idle_timeout() {
    let Pair { caller, server, .. } = pair(Limits::default());
    let begin = Instant::now();
    caller.unary(&request("Sleep", "")).await.unwrap();
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
    assert_eq!(begin.elapsed().as_secs(), 1 + Limits::default().idle_timeout.as_secs());
    assert!(!caller.takes_calls());
    let status = caller.unary(&request("Echo", "late")).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No));
    assert!(status.message().contains("idle_timeout"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn connection_in_use_is_not_idle() {
    let limits = Limits { idle_timeout: Duration::from_secs(20), ..Limits::default() };
    let pair = pair(limits);
    for _ in 0..10 {
        sleep(Duration::from_secs(19)).await;
        pair.caller.unary(&request("Echo", "")).await.unwrap();
    }
    assert!(timeout(Duration::from_secs(100), pair.caller.unary(&request("Hang", ""))).await.is_ok());
    let long = Deadline::after(clock::now(), Duration::from_secs(100));
    let hanging = Request::new(
        Context::new(&PROBE.methods[5], None, long, Metadata::new()),
        Body::Message(Bytes::new()),
        long,
        |_| true,
    );
    assert_eq!(pair.caller.unary(&hanging).await.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
}

#[tokio::test(start_paused = true)]
async fn server_sends_go_away_at_idle_timeout_and_closes_after_drain_timeout() {
    let limits = Limits::default();
    let mut peer = peer(limits.clone());
    peer.send(&native_calls(&[(1, "Echo", b"")]));
    let begin = Instant::now();
    let mut bytes = BytesMut::new();
    while bytes.len() < greeting_bytes() + 16 {
        assert!(peer.read_some(&mut bytes).await > 0);
    }
    let mut bytes = BytesMut::from(&PREFACE[..]);
    assert!(peer.read_some(&mut bytes).await > 0);
    let (header, reason) = frames(bytes).pop().unwrap();
    assert_eq!((header.kind, header.word), (kind::GO_AWAY, Code::Unavailable as u16));
    assert_eq!(reason, b"no call for longer than idle_timeout 300s");
    assert_eq!(begin.elapsed().as_secs(), 330);
    // A call that crosses the GO_AWAY does not run.
    peer.send(&native_calls(&[(3, "Echo", b"")])[native_calls(&[]).len()..]);
    let mut bytes = BytesMut::from(&PREFACE[..]);
    assert!(peer.read_some(&mut bytes).await > 0);
    let (header, _) = frames(bytes).pop().unwrap();
    assert_eq!((header.kind, header.id), (kind::RESPONSE, 3));
    assert!(header.has(crate::protocol::native::flag::NOT_RUN));
    let mut bytes = BytesMut::new();
    assert_eq!(peer.read_some(&mut bytes).await, 0);
    assert_eq!(begin.elapsed(), Duration::from_secs(330) + limits.drain_timeout);
    assert_eq!(peer.server.await.unwrap(), Close::Done);
    assert!(peer.shared.stats().rejected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn caller_that_only_greets_is_idle() {
    let mut peer = peer(Limits::default());
    peer.send(&PREFACE);
    let begin = Instant::now();
    assert_eq!(next_frame(&mut peer).await.0.kind, kind::GO_AWAY);
    assert_eq!(begin.elapsed().as_secs(), 330);
    let Peer { reader, writer, server, .. } = peer;
    drop((reader, writer));
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
}

#[tokio::test(start_paused = true)]
async fn go_away_follows_the_greeting_even_if_the_caller_has_not_greeted() {
    let peer = peer(Limits { idle_timeout: Duration::from_secs(1), ..Limits::default() });
    peer.send(&PREFACE[..PREFACE.len() - 1]);
    let (bytes, close, _) = peer.read_to_end().await;
    let kinds: Vec<u8> = frames(bytes).into_iter().map(|(header, _)| header.kind).collect();
    assert_eq!((kinds, close), (vec![kind::SETTINGS, kind::GO_AWAY], Close::ReadTimeout));
}

#[tokio::test(start_paused = true)]
async fn connection_age_max_lets_calls_finish_within_the_grace() {
    let limits = Limits { connection_age_max: Duration::from_secs(100), ..Limits::default() };
    let mut ages = Vec::new();
    for _ in 0..50 {
        let Pair { caller, server, .. } = pair(limits.clone());
        caller.unary(&request("Echo", "")).await.unwrap();
        let begin = Instant::now();
        let call = async {
            sleep(Duration::from_millis(89_500)).await;
            while caller.takes_calls() {
                assert_eq!(caller.unary(&request("Sleep", "in flight")).await.unwrap(), "in flight");
            }
            begin.elapsed()
        };
        ages.push(call.await);
        assert_eq!(server.await.unwrap(), Close::PeerClosed);
    }
    let (youngest, oldest) = (ages.iter().min().unwrap(), ages.iter().max().unwrap());
    // A call takes a second, and the last call ends after the GO_AWAY.
    assert!(youngest.as_secs() >= 90 && oldest.as_secs() <= 101, "{youngest:?} {oldest:?}");
    assert!(*oldest - *youngest > Duration::from_secs(2), "{youngest:?} {oldest:?}: they would all come back at once");
}

#[tokio::test(start_paused = true)]
async fn call_that_outlasts_connection_age_grace_fails_with_the_limits_name() {
    let limits = Limits { connection_age_max: Duration::from_secs(100), ..Limits::default() };
    let Pair { caller, server, shared } = pair(limits.clone());
    let hanging = Request::new(
        Context::new(&PROBE.methods[5], None, Deadline::NONE, Metadata::new()),
        Body::Message(Bytes::new()),
        Deadline::NONE,
        |_| true,
    );
    let begin = Instant::now();
    let status = caller.unary(&hanging).await.unwrap_err();
    assert_eq!((status.code(), status.phase()), (Code::Unavailable, Some(Phase::Handle)));
    assert_ne!(status.ran(), Ran::No);
    assert!(status.message().contains("connection_age_grace 30s"), "{status}");
    let elapsed = begin.elapsed().as_secs();
    assert!((90 + 30..=100 + 30).contains(&elapsed), "{elapsed}");
    assert_eq!(server.await.unwrap(), Close::Done);
    assert_eq!(shared.stats().calls_failed, 1);
}

#[tokio::test(start_paused = true)]
async fn infinite_lifetime_limits_never_close_a_connection() {
    let endless = Limits {
        idle_timeout: Duration::MAX,
        connection_age_max: Duration::MAX,
        connection_age_grace: Duration::MAX,
        keepalive_interval: Duration::MAX,
        keepalive_timeout: Duration::MAX,
        ..Limits::default()
    };
    let pair = pair(endless);
    pair.caller.unary(&request("Echo", "")).await.unwrap();
    sleep(Duration::from_secs(400 * 24 * 60 * 60)).await;
    assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
}

#[tokio::test(start_paused = true)]
async fn caller_that_pings_faster_than_ping_interval_min_is_closed_with_the_limits_name() {
    let slow = peer(Limits::default());
    slow.send(&native_calls(&[]));
    for value in 0..100 {
        slow.send(&ping(value));
        sleep(Duration::from_secs(1)).await;
    }
    assert!(!slow.server.is_finished());

    let fast = peer(Limits::default());
    fast.send(&native_calls(&[(1, "Hang", b"")]));
    for value in 0..20 {
        // An error means that the server has closed the connection.
        let _ = fast.writer.try_write(&ping(value));
        sleep(Duration::from_millis(500)).await;
    }
    let (bytes, close, shared) = fast.read_to_end().await;
    let frames = frames(bytes);
    let pongs = frames.iter().filter(|(header, _)| header.kind == kind::PONG).count();
    let (header, reason) = frames.last().unwrap();
    assert_eq!((pongs, header.kind), (11, kind::GO_AWAY));
    assert_eq!(reason, b"too many PINGs: ping_interval_min 1s");
    assert_eq!((close, rejection(&shared)), (Close::Protocol, "a protocol error"));
}

#[tokio::test(start_paused = true)]
async fn session_ends_at_a_protocol_error_before_the_peer_reads_the_reason() {
    let mut peer = peer(Limits::default());
    peer.send(&native_calls(&[(1, "Hang", b""), (0, "Echo", b"")]));
    let begin = Instant::now();
    let mut bytes = BytesMut::new();
    while peer.read_some(&mut bytes).await > 0 {}
    // Two references are left: the test's, and that of the task that waits for the peer. The session and calls are gone.
    assert_eq!((Arc::strong_count(&peer.shared), begin.elapsed()), (2, Duration::ZERO));
    assert_eq!(peer.server.await.unwrap(), Close::Protocol);
    assert_eq!(begin.elapsed(), Limits::default().write_timeout, "it does not wait for ever");
}

#[tokio::test(start_paused = true)]
async fn request_on_its_way_when_the_server_begins_to_stop_is_answered_or_refused_and_not_lost() {
    let classic = classic::encode_request("Probe", "Echo", b"hello");
    for sent_before in [0, 3, classic.len() - 1] {
        let peer = peer(Limits::default());
        peer.send(&classic[..sent_before]);
        tokio::task::yield_now().await;
        peer.shared.drain();
        tokio::time::sleep(Duration::from_millis(99)).await;
        peer.send(&classic[sent_before..]);
        assert_eq!(peer.read_to_end().await.0, b"hello"[..], "{sent_before} bytes before");
    }
    let native = peer(Limits::default());
    native.shared.drain();
    tokio::time::sleep(Duration::from_millis(50)).await;
    native.send(&native_calls(&[(1, "Echo", b"")]));
    let mut bytes = BytesMut::new();
    let mut native = native;
    tokio::time::sleep(Duration::from_millis(1)).await;
    native.read_some(&mut bytes).await;
    let kinds: Vec<u8> = frames(bytes).into_iter().map(|(header, _)| header.kind).collect();
    assert!(kinds.contains(&kind::RESPONSE) && kinds.contains(&kind::GO_AWAY), "{kinds:?}");
    // A connection that sends nothing does not delay the stop for long.
    let silent = peer(Limits::default());
    tokio::task::yield_now().await;
    silent.shared.drain();
    let begin = Instant::now();
    assert_eq!(silent.read_to_end().await.1, Close::Done);
    assert_eq!(begin.elapsed().as_millis(), 100);
}
