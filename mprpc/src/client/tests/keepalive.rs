//! Tests of peers that do not answer, such as frozen processes and vanished hosts, and of the normal end of
//! connections. Idle and old connections may close at any time without a failed call.

use std::future::poll_fn;

use bytes::BytesMut;
use tokio::task::yield_now;

use super::raw::{greeting_bytes, peer, request};
use super::*;
use crate::Limits;
use crate::interceptors::tests::all::{All, client};
use crate::protocol::native::tests::{frame, greeting};
use crate::protocol::native::{Decoded, Decoder, Header, PREFACE, flag, kind};
use crate::streaming::Streaming;

fn patient() -> Duration {
    Duration::from_secs(600)
}

#[tokio::test(start_paused = true)]
async fn silent_peer_is_detected_within_the_documented_bound() {
    let world = world(listed(&[A]));
    let greeting = crate::protocol::native::PREFACE;
    world.script(A, &[&greeting], false);
    let begin = Instant::now();
    let status = world.call(AM).timeout(patient()).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
    assert!(status.message().contains("keepalive_timeout"), "{status}");
    let limits = Limits::default();
    let bound = 2 * limits.keepalive_interval + limits.keepalive_timeout;
    assert!(begin.elapsed() <= bound + Duration::from_millis(5), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn slow_peer_that_answers_pings_keeps_its_call() {
    let world = world(listed(&[A]));
    world.start_hanging(A);
    let begin = Instant::now();
    let status = world.call(HANG).timeout(patient()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    // The server is granted the timeout less the round-trip time.
    assert!(begin.elapsed() >= patient() - Duration::from_millis(5));
    assert_eq!(world.network.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn peer_that_never_greets_is_skipped() {
    let world = world(listed(&[A, B]));
    world.script(A, &[], false);
    world.start(B);
    let connect_timeout = Limits::default().connect_timeout;
    let mut slow = 0;
    for _ in 0..50 {
        let begin = Instant::now();
        match world.call(AM).timeout(patient()).await {
            Ok(reply) => assert_eq!(reply.value, B),
            // Only the first call was sent to the peer without a greeting, so it may have run.
            Err(status) => assert_eq!((status.ran(), slow), (Ran::Maybe, 0), "{status}"),
        }
        assert!(begin.elapsed() <= connect_timeout + Duration::from_millis(5));
        slow += usize::from(begin.elapsed() >= connect_timeout);
        sleep(Duration::from_millis(20)).await;
    }
    assert!(slow <= 2, "{slow} calls waited for a peer that does not greet");
}

#[tokio::test(start_paused = true)]
async fn frozen_peer_is_called_again_once_it_thaws() {
    let world = world(listed(&[A]));
    world.start(A);
    world.network.freeze(A);
    assert!(world.call(AM).timeout(patient()).await.is_err());
    world.network.thaw(A);
    let call = world.call(AM).wait_for_ready(true).timeout(patient());
    assert_eq!(call.await.unwrap().value, A);
}

#[tokio::test(start_paused = true)]
async fn client_pings_no_more_often_than_the_peer_accepts() {
    let world = world(listed(&[A]));
    let rarely = Limits { ping_interval_min: Duration::from_secs(60), ..Limits::default() };
    world.script(A, &[&greeting(&rarely)], false);
    let begin = Instant::now();
    let status = world.call(AM).timeout(patient()).await.unwrap_err();
    assert!(status.message().contains("keepalive_timeout"), "{status}");
    assert_eq!(begin.elapsed().as_secs(), 60 + 5);
}

#[tokio::test(start_paused = true)]
async fn peer_that_pings_more_often_than_ping_interval_min_is_disconnected() {
    let mut peer = peer(&Limits::default(), 4096);
    let request = request(vec![]);
    let asking = async {
        let mut bytes = greeting(&Limits::default());
        for value in 0..12 {
            bytes.extend_from_slice(&frame(Header { kind: kind::PING, value, ..Header::default() }, b""));
        }
        peer.writer.try_write(&bytes).unwrap();
        let mut got = BytesMut::new();
        while poll_fn(|cx| peer.reader.poll_read(cx, &mut got)).await.unwrap() > 0 {}
    };
    let (status, ()) = tokio::join!(peer.caller.unary(&request), asking);
    let status = status.unwrap_err();
    assert!(status.message().contains("too many PINGs: ping_interval_min 1s"), "{status}");
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn peer_that_pings_and_never_reads_costs_bounded_memory() {
    const PINGS: u32 = 10_000;
    let limits = Limits { ping_interval_min: Duration::ZERO, send_buffer_bytes_max: 1 << 10, ..Limits::default() };
    let mut peer = peer(&limits, 4 << 10);
    let mut bytes = greeting(&limits);
    for value in 0..PINGS {
        bytes.extend_from_slice(&frame(Header { kind: kind::PING, value, ..Header::default() }, b""));
    }
    let mut rest = &bytes[..];
    while !rest.is_empty() {
        poll_fn(|cx| peer.writer.poll_write_ready(cx)).await.unwrap();
        rest = &rest[peer.writer.try_write(rest).unwrap()..];
        yield_now().await;
    }
    // Now the peer reads. The last PING is answered, and of the earlier ones no more than the buffers hold.
    let mut got = BytesMut::new();
    let mut decoder = Decoder::new(1 << 10);
    let mut pongs = Vec::new();
    while pongs.last() != Some(&(PINGS - 1)) {
        assert!(peer.read_some(&mut got).await > 0);
        if pongs.is_empty() && got.starts_with(&PREFACE) {
            drop(got.split_to(PREFACE.len()));
        }
        while let Decoded::Frame(header, _) = decoder.decode(&mut got) {
            if header.kind == kind::PONG {
                pongs.push(header.value);
            }
        }
    }
    assert!(pongs.len() < ((4 << 10) + (1 << 10)) / 16 + 2, "{} PONGs", pongs.len());
    assert!(pongs.is_sorted());
}

#[tokio::test(start_paused = true)]
async fn reply_is_read_after_the_peer_stops_reading() {
    let peer = peer(&Limits::default(), 4096);
    let super::raw::Peer { caller, mut reader, writer } = peer;
    let first = request(vec![1]);
    let second = request(vec![2]);
    let served = async {
        let mut got = BytesMut::new();
        while got.len() <= greeting_bytes() {
            poll_fn(|cx| reader.poll_read(cx, &mut got)).await.unwrap();
        }
        // Writes to the peer fail from now on.
        drop(reader);
        let late = caller.unary(&second).await.unwrap_err();
        assert_eq!((late.code(), late.ran()), (Code::Unavailable, Ran::No), "{late}");
        let mut bytes = greeting(&Limits::default());
        let reply = Header { kind: kind::RESPONSE, flags: flag::END, id: 1, ..Header::default() };
        bytes.extend_from_slice(&frame(reply, b"reply"));
        writer.try_write(&bytes).unwrap();
        writer
    };
    let (reply, _writer) = tokio::join!(caller.unary(&first), served);
    assert_eq!(reply.unwrap(), "reply");
    assert!(!caller.takes_calls());
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_closed_and_reopened_without_a_failed_call() {
    let world = world(listed(&[A]));
    world.start(A);
    for round in 1..=5 {
        assert_eq!(world.who().await.unwrap(), A);
        assert_eq!(world.network.attempts(), round);
        sleep(Limits::default().idle_timeout + Duration::from_millis(2)).await;
        assert_eq!(world.network.host(A).stats().connections_open, 0);
    }
}

#[tokio::test]
async fn connection_that_idled_while_its_driver_was_blocked_is_not_used() {
    let limits = Limits { idle_timeout: Duration::from_millis(20), ..Limits::default() };
    let mut peer = peer(&limits, 4096);
    let mut got = BytesMut::new();
    while got.len() < greeting_bytes() {
        peer.read_some(&mut got).await;
    }
    // This sleep blocks the runtime.
    std::thread::sleep(2 * limits.idle_timeout);
    let status = peer.caller.unary(&request(vec![])).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No), "{status}");
    assert_eq!(got.len(), greeting_bytes(), "nothing was sent");
}

/// A test bed with a latency of 5 ms in each direction and one server with the limits `of_server`.
fn far_away(of_server: Limits, of_caller: Limits) -> TestBed {
    let world = world_with(listed(&[A]), ChannelOptions { limits: of_caller, ..ChannelOptions::default() });
    world.network.set_delay(Duration::from_millis(5)..=Duration::from_millis(5));
    let server = Server { limits: of_server, ..Server::default() };
    world.network.serve(A, server.add(Who { name: A.to_owned(), hangs: false }));
    world
}

#[tokio::test(start_paused = true)]
async fn no_call_fails_while_an_idle_connection_closes() {
    let of_server = Limits { idle_timeout: Duration::from_secs(100), ..Limits::default() };
    let of_caller = |idle_timeout| Limits { idle_timeout, ..Limits::default() };
    let (mut crossed, mut reopened, mut kept) = (0, 0, 0);
    // In the first case the server closes first, 110 s after the last request reached it. In the second case the
    // client closes first, 100 s after its last reply.
    for (idle_timeout, end_ms) in [(Duration::from_secs(1000), 110_000), (Duration::from_secs(100), 100_000)] {
        for offset_us in (0..40_000).step_by(97) {
            let world = far_away(of_server.clone(), of_caller(idle_timeout));
            world.who().await.unwrap();
            sleep(Duration::from_micros((end_ms - 20) * 1000 + offset_us)).await;
            let (a, b, c) = tokio::join!(world.who(), world.who(), world.who());
            assert!(a.is_ok() && b.is_ok() && c.is_ok(), "{offset_us}: {a:?} {b:?} {c:?}");
            crossed += usize::from(world.network.host(A).stats().calls_failed > 0);
            match world.network.attempts() {
                1 => kept += 1,
                _ => reopened += 1,
            }
        }
    }
    assert!(crossed > 20 && reopened > 20 && kept > 20, "{crossed} {reopened} {kept}");
}

#[tokio::test(start_paused = true)]
async fn no_call_fails_while_connections_reach_their_maximum_age() {
    let of_server = Limits { connection_age_max: Duration::from_millis(500), ..Limits::default() };
    let world = far_away(of_server, Limits::default());
    let callers: Vec<_> = (0..20)
        .map(|_| {
            let stub = world.stub.clone();
            tokio::spawn(async move {
                let end = Instant::now() + Duration::from_secs(60);
                let mut calls = 0;
                while Instant::now() < end {
                    let reply = if calls % 2 == 0 {
                        stub.unary::<_, StringValue>(AM, &StringValue::default()).await
                    } else {
                        let parts =
                            Streaming::of((0..3).map(|_| StringValue { value: A.into(), ..Default::default() }));
                        stub.client_streaming(CONCAT, parts).await
                    };
                    assert_eq!(reply.unwrap().value, A.repeat(1 + 2 * (calls % 2)));
                    calls += 1;
                    sleep(Duration::from_micros(fastrand::u64(0..3000))).await;
                }
                calls
            })
        })
        .collect();
    let mut calls = 0;
    for caller in callers {
        calls += caller.await.unwrap();
    }
    let connections = world.network.attempts();
    let refused = world.network.host(A).stats().calls_failed;
    assert!(connections > 100 && refused > 100, "{connections} connections, {refused} of {calls} calls crossed");
}

/// At this rate the full pipe takes 7 s, so a PING behind it is answered too late.
const SLOW_BYTES_PER_SECOND: u64 = 9_000;

#[tokio::test(start_paused = true)]
async fn large_request_to_a_slow_reading_peer_succeeds() {
    // Each request takes one second longer, so that the keepalive check falls into every second of the last ten.
    let slow = (0..10).map(|step| (400_000 + step * 9_000, SLOW_BYTES_PER_SECOND));
    for (bytes, bytes_per_second) in slow.chain([(1 << 20, 20_000)]) {
        let world = world(listed(&[A]));
        world.start(A);
        world.network.slow(A, bytes_per_second);
        let begin = Instant::now();
        let large = StringValue { value: "x".repeat(bytes), ..StringValue::default() };
        let reply = world.stub.unary::<_, StringValue>(AM, &large).timeout(patient()).await;
        assert_eq!(reply.unwrap().value, A, "{bytes} bytes at {bytes_per_second} a second");
        assert!(begin.elapsed().as_secs() >= bytes as u64 / bytes_per_second);
        assert_eq!(world.network.attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn large_reply_to_a_slow_client_does_not_fail_other_calls() {
    for bytes in (0..10).map(|step| 400_000 + step * 9_000) {
        let network = Network::from_seed(7);
        let service = All::new(move |context, _| async move {
            if context.method().kind == MethodKind::Unary {
                return Ok(Body::Message(vec![7; bytes].into()));
            }
            sleep(Duration::from_secs(100)).await;
            Ok(Body::Message("late".into()))
        });
        let host = network.serve(A, Server::default().add(service));
        network.slow(A, SLOW_BYTES_PER_SECOND);
        let client = client(network.channel(A));
        let late = client.call("Up", MethodKind::ClientStreaming, Body::Stream(Streaming::of(["x".into()])));
        let large = client.unary("One", "").timeout(patient());
        let (late, large) = tokio::join!(late.timeout(patient()).into_future(), large.into_future());
        assert_eq!((late.unwrap().into_message().unwrap(), large.unwrap().len()), ("late".into(), bytes));
        assert!(host.stats().rejected.is_empty(), "{:?}", host.stats());
    }
}

/// A test bed whose one endpoint speaks gRPC.
fn grpc_world() -> TestBed {
    let world = world(listed(&["grpc://10.0.0.1:1"]));
    world.start_hanging(A);
    world
}

#[tokio::test(start_paused = true)]
async fn dead_grpc_server_is_found_as_soon_as_a_native_one() {
    for (calls_before, within) in [(0, 25), (3, 25)] {
        let world = grpc_world();
        world.who().await.unwrap();
        // A stream of an earlier time is silent, and PINGs were sent for it.
        let silent = world.call(HANG).timeout(2 * patient());
        let silent = tokio::spawn(silent.into_future());
        sleep(Duration::from_secs(130)).await;
        for _ in 0..calls_before {
            world.who().await.unwrap();
            sleep(Duration::from_secs(1)).await;
        }
        world.network.freeze(A);
        let begin = Instant::now();
        let status = world.call(AM).timeout(patient()).await.unwrap_err();
        assert!(status.message().contains("keepalive_timeout"), "{status}");
        assert!(begin.elapsed().as_secs() <= within, "{:?}", begin.elapsed());
        silent.await.unwrap().unwrap_err();
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_lets_a_whole_call_pass_in_silence_is_asked_and_given_up() {
    for target in ["10.0.0.1:1", "grpc://10.0.0.1:1"] {
        let world = world(listed(&[target]));
        world.start(A);
        world.who().await.unwrap();
        world.network.freeze(A);
        let begin = Instant::now();
        let second = Duration::from_secs(1);
        let status = world.call(AM).timeout(second).await.unwrap_err();
        assert_eq!((status.code(), begin.elapsed().as_secs()), (Code::DeadlineExceeded, 1), "{target}: {status}");
        // No call is in flight while the answer is due.
        sleep(Limits::default().keepalive_timeout + Duration::from_millis(10)).await;
        let status = world.call(AM).timeout(second).await.unwrap_err();
        assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No), "{target}: {status}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_server_that_answers_pings_is_not_given_up_for_expired_calls() {
    for target in ["10.0.0.1:1", "grpc://10.0.0.1:1"] {
        let world = world(listed(&[target]));
        world.start_hanging(A);
        for _ in 0..200 {
            let status = world.call(HANG).timeout(Duration::from_millis(900)).await.unwrap_err();
            assert_eq!(status.code(), Code::DeadlineExceeded, "{target}: {status}");
        }
        assert_eq!(world.network.attempts(), 1, "{target}");
    }
}
