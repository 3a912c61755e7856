//! Tests of the memory budget under virtual time: which connections pause, what resumes them, what the server refuses, and
//! that the server releases all memory.

use bytes::BytesMut;
use tokio::time::Instant;

use super::limits::{EXHAUSTED, answered, data, greeting, ms, number, request_frame, said};
use super::raw::{Peer, peer_of, rejection};
use super::*;
use crate::method::Placement;
use crate::protocol::classic;
use crate::protocol::http2;
use crate::protocol::native::tests::frame;
use crate::protocol::native::{PREFACE, flag};
use crate::server::memory::ConnectionMemory;

const WINDOW: usize = 8 << 20;
const MESSAGE: usize = 20_000;
/// The memory that the server charges for a parked call with a message of `MESSAGE` bytes.
const CALL: u64 = 21_024;

fn limits(memory: usize, connection: usize) -> Limits {
    Limits { memory_bytes_max: Some(memory), connection_memory_bytes_max: Some(connection), ..Limits::default() }
}

fn server(limits: Limits) -> Arc<Shared> {
    // Inline calls end at once and hold no memory. A call that waits in the queue would hold memory.
    let placement = [("test.Probe/Echo".to_owned(), Placement::Inline)].into();
    Server { limits, placement, ..Server::default() }.add(Probe).share().unwrap()
}

async fn greeted(shared: &Arc<Shared>) -> Peer {
    let mut peer = peer_of(shared.clone(), WINDOW);
    peer.send(&greeting(&Limits::default()));
    said(&mut peer).await;
    peer
}

/// Encodes a unary call with the timeout `time`. Zero means no deadline.
fn call(id: u32, name: &str, time: Duration, bytes: usize) -> BytesMut {
    let (word, value) = (number(name), time.as_micros() as u32);
    let header = Header { kind: kind::REQUEST, flags: flag::END, word, id, value, ..Header::default() };
    frame(header, &vec![7; bytes])
}

/// Encodes a unary call without a deadline.
fn endless(id: u32, name: &str, bytes: usize) -> BytesMut {
    call(id, name, Duration::ZERO, bytes)
}

fn cancel(id: u32) -> BytesMut {
    frame(Header { kind: kind::CANCEL, word: 1, id, ..Header::default() }, b"")
}

fn ids(frames: &[(Header, Bytes)], code: Code) -> Vec<u32> {
    let of_code = frames.iter().filter(|(header, _)| header.kind == kind::RESPONSE && header.word == code as u16);
    let mut ids: Vec<u32> = of_code.map(|(header, _)| header.id).collect();
    ids.sort();
    ids
}

#[tokio::test(start_paused = true)]
async fn connection_beyond_connection_memory_bytes_max_pauses_until_deadlines_free_memory() {
    let shared = server(limits(10_000_000, 100_000));
    let mut greedy = greeted(&shared).await;
    let mut modest = greeted(&shared).await;
    for id in 1..=8 {
        greedy.send(&call(id, "Hang", ms(1000), MESSAGE));
    }
    assert!(said(&mut greedy).await.is_empty());
    let stats = shared.stats();
    // The fifth call exceeds the limit. The bytes that arrived with this call wait undecoded.
    assert_eq!((stats.calls, stats.memory_pauses), (5, 1));
    assert!((5 * CALL..5 * CALL + (64 << 10)).contains(&stats.memory_bytes), "{stats:?}");
    modest.send(&endless(1, "Echo", MESSAGE));
    assert_eq!(answered(&mut modest).await.0, 0);
    sleep(ms(1000)).await;
    let first = said(&mut greedy).await;
    assert_eq!(ids(&first, Code::DeadlineExceeded), [1, 2, 3, 4, 5]);
    assert_eq!(shared.stats().calls, 9, "it is read from again");
    sleep(ms(1000)).await;
    assert_eq!(ids(&said(&mut greedy).await, Code::DeadlineExceeded), [6, 7, 8]);
    let stats = shared.stats();
    assert_eq!((stats.memory_bytes, stats.memory_pauses), (0, 1));
    assert!(stats.memory_bytes_peak < 200_000, "{stats:?}");
}

#[tokio::test(start_paused = true)]
async fn largest_connections_pause_first_near_memory_bytes_max() {
    let shared = server(limits(200_000, 200_000));
    let mut large = greeted(&shared).await;
    let mut small = greeted(&shared).await;
    for id in 1..=6 {
        large.send(&endless(id, "Hang", MESSAGE));
    }
    said(&mut large).await;
    // The large connection holds more memory than is left, so it pauses.
    assert_eq!((shared.stats().calls, shared.stats().memory_pauses), (5, 1));
    small.send(&endless(1, "Hang", MESSAGE));
    small.send(&endless(2, "Echo", MESSAGE));
    assert_eq!(answered(&mut small).await.0, 0);
    assert_eq!((shared.stats().calls, shared.stats().memory_pauses), (7, 1));
    // A cancelled call and a closed connection release their memory.
    small.send(&cancel(1));
    assert_eq!(answered(&mut small).await.0, Code::Cancelled as u16);
    large.server.abort();
    sleep(ms(1)).await;
    assert_eq!(shared.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn connection_paused_for_memory_pause_max_is_read_again_and_refuses_new_calls() {
    let shared = server(limits(10_000_000, 100_000));
    let mut peer = greeted(&shared).await;
    for id in 1..=5 {
        peer.send(&endless(id, "Hang", MESSAGE));
    }
    said(&mut peer).await;
    peer.send(&endless(6, "Echo", 10));
    peer.send(&endless(7, "Echo", 99_000));
    sleep(ms(3990)).await;
    assert!(said(&mut peer).await.is_empty());
    sleep(ms(10)).await;
    let refused = said(&mut peer).await;
    assert_eq!(ids(&refused, Code::ResourceExhausted), [6, 7]);
    for (header, body) in refused {
        assert!(header.has(flag::NOT_RUN));
        let text = String::from_utf8_lossy(&body).into_owned();
        assert!(text.contains("connection_memory_bytes_max 100000"), "{text}");
    }
    // The server still reads frames that free memory, such as CANCEL.
    peer.send(&cancel(1));
    peer.send(&cancel(2));
    assert_eq!(ids(&said(&mut peer).await, Code::Cancelled), [1, 2]);
    peer.send(&endless(6, "Echo", 10));
    assert_eq!(answered(&mut peer).await.0, 0);
    assert_eq!(shared.stats().memory_pauses, 1);
}

#[tokio::test(start_paused = true)]
async fn call_larger_than_connection_memory_bytes_max_fails_with_limit_and_size() {
    let shared = server(limits(10_000_000, 300_000));
    let mut peer = greeted(&shared).await;
    for size in [300_001, 5_000_000] {
        peer.send(&endless(1, "Echo", size));
        let (code, not_run, text) = answered(&mut peer).await;
        assert_eq!((code, not_run), (EXHAUSTED, true));
        let expected = format!("a message of {size} bytes is beyond connection_memory_bytes_max 300000");
        assert!(text.contains(&expected), "{text}");
    }
    peer.send(&endless(1, "Echo", 290_000));
    assert_eq!(answered(&mut peer).await.0, 0);
    assert_eq!((shared.stats().memory_bytes, shared.stats().memory_pauses), (0, 0));
    let old = peer_of(shared.clone(), WINDOW);
    old.send(&classic::encode_request("Probe", "Echo", &[7; 400_000]));
    assert!(old.read_to_end().await.0.is_empty());
    assert_eq!(rejection(&shared), "a request that never fits into memory");
}

#[tokio::test(start_paused = true)]
async fn large_frame_waits_for_free_memory_before_it_is_read() {
    let shared = server(limits(10_000_000, 2_000_000));
    let mut peer = greeted(&shared).await;
    peer.send(&call(1, "Sleep", ms(10_000), 900_000));
    peer.send(&call(2, "Sleep", ms(10_000), 900_000));
    let third = call(3, "Sleep", ms(10_000), 900_000);
    peer.send(&third[..100_000]);
    said(&mut peer).await;
    peer.send(&third[100_000..]);
    said(&mut peer).await;
    assert_eq!((shared.stats().calls, shared.stats().memory_pauses), (2, 1));
    assert!(shared.stats().memory_bytes < 2_000_000 + (512 << 10));
    let mut answers = 0;
    let begin = Instant::now();
    while answers < 3 {
        answers += ids(&said(&mut peer).await, Code::Ok).len();
        assert!(begin.elapsed() < ms(3000));
    }
    assert!(begin.elapsed() > ms(1900), "the third began when the first had ended");
    assert_eq!(shared.stats().memory_bytes, 0);
    assert!(shared.stats().memory_bytes_peak < 2_000_000 + (512 << 10));
}

#[tokio::test(start_paused = true)]
async fn large_frames_leave_memory_for_smaller_callers() {
    let shared = server(limits(300_000, 150_000));
    let mut small = greeted(&shared).await;
    small.send(&endless(1, "Hang", MESSAGE));
    let mut large = Vec::new();
    for (size, time) in [(100_000, ms(500)), (100_000, ms(9000)), (70_000, ms(9000))] {
        let mut peer = greeted(&shared).await;
        let frame = call(1, "Hang", time, size);
        peer.send(&frame[..10_000]);
        said(&mut peer).await;
        peer.send(&frame[10_000..]);
        said(&mut peer).await;
        large.push(peer);
    }
    // The second frame waits: with it, the connection would hold more than is left.
    assert_eq!((shared.stats().calls, shared.stats().memory_pauses), (3, 1));
    small.send(&endless(2, "Echo", MESSAGE));
    assert_eq!(answered(&mut small).await.0, 0);
    sleep(ms(500)).await;
    let stats = shared.stats();
    assert_eq!((stats.calls, stats.calls_failed), (5, 1), "the second is read once the first has expired: {stats:?}");
}

#[tokio::test(start_paused = true)]
async fn unread_streams_and_unsent_replies_count_as_memory_until_released() {
    let shared = server(Limits::default());
    let mut peer = greeted(&shared).await;
    peer.send(&request_frame(1, "Deaf", flag::OPEN, b""));
    peer.send(&data(1, 0, &[7; 50_000]));
    assert!(said(&mut peer).await.is_empty());
    assert!((50_000..60_000).contains(&shared.stats().memory_bytes), "{:?}", shared.stats());
    peer.send(&cancel(1));
    said(&mut peer).await;
    assert_eq!(shared.stats().memory_bytes, 0);
    // A message of 1 MiB waits for the caller's flow-control window.
    let size = [&3u32.to_le_bytes()[..], &(1u32 << 20).to_le_bytes()].concat();
    peer.send(&request_frame(2, "Count", flag::END, &size));
    said(&mut peer).await;
    assert!(shared.stats().memory_bytes > 1 << 20, "{:?}", shared.stats());
    peer.send(&cancel(2));
    said(&mut peer).await;
    assert_eq!(shared.stats().memory_bytes, 0);
    let deaf = peer_of(shared.clone(), 1 << 10);
    deaf.send(&greeting(&Limits::default())[..PREFACE.len()]);
    let rest = [&greeting(&Limits::default())[PREFACE.len()..], &endless(1, "Large", 10)].concat();
    let mut rest = &rest[..];
    while !rest.is_empty() {
        rest = &rest[deaf.writer.try_write(rest).unwrap_or(0)..];
        tokio::task::yield_now().await;
    }
    sleep(ms(1)).await;
    assert!((60_000..70_000).contains(&shared.stats().memory_bytes), "{:?}", shared.stats());
    drop(deaf);
    sleep(ms(1)).await;
    assert_eq!(shared.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn metadata_counts_with_its_decoded_size() {
    let shared = server(Limits::default());
    let mut peer = greeted(&shared).await;
    let mut metadata = Metadata::new();
    (0..100).for_each(|_| metadata.append("k", "v").unwrap());
    let encoded = crate::protocol::native::encode_metadata(&metadata);
    let body = [&(encoded.len() as u32).to_le_bytes()[..], &encoded].concat();
    peer.send(&request_frame(1, "Hang", flag::END | flag::METADATA, &body));
    said(&mut peer).await;
    assert!(shared.stats().memory_bytes > 8 * encoded.len() as u64, "{:?}", shared.stats());
}

#[tokio::test(start_paused = true)]
async fn paused_connection_releases_its_memory_after_its_peer_closes() {
    let shared = server(limits(10_000_000, 100_000));
    let mut peer = greeted(&shared).await;
    (1..=8).for_each(|id| peer.send(&endless(id, "Hang", MESSAGE)));
    said(&mut peer).await;
    assert_eq!(shared.stats().memory_pauses, 1);
    let Peer { reader, writer, server, .. } = peer;
    drop((reader, writer));
    let begin = Instant::now();
    server.await.unwrap();
    assert!(begin.elapsed() <= Limits::default().memory_pause_max + ms(2), "{:?}", begin.elapsed());
    assert_eq!(shared.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn peer_of_paused_connection_violates_no_timeout_or_ping_limit() {
    let bounds = Limits {
        keepalive_interval: ms(1000),
        keepalive_timeout: ms(1000),
        read_timeout: ms(1000),
        memory_pause_max: ms(8500),
        ping_interval_min: ms(1000),
        ..limits(10_000_000, 100_000)
    };
    let shared = server(bounds);
    let mut peer = greeted(&shared).await;
    (1..=5).for_each(|id| peer.send(&call(id, "Hang", ms(8000), MESSAGE)));
    let last = endless(6, "Echo", 50_000);
    peer.send(&last[..30_000]);
    assert!(said(&mut peer).await.is_empty());
    assert_eq!(shared.stats().memory_pauses, 1);
    sleep(ms(8010)).await;
    let mut pings = BytesMut::from(&last[30_000..]);
    for value in 0..8 {
        pings.extend_from_slice(&frame(Header { kind: kind::PING, value, ..Header::default() }, b""));
    }
    peer.send(&pings);
    let came = said(&mut peer).await;
    assert_eq!(came.iter().filter(|(header, _)| header.kind == kind::PONG).count(), 8);
    assert_eq!((ids(&came, Code::DeadlineExceeded).len(), ids(&came, Code::Ok)), (5, vec![6]));
    assert!(shared.stats().rejected.is_empty(), "{:?}", shared.stats());
}

#[tokio::test(start_paused = true)]
async fn server_without_memory_greets_a_new_connection_at_once_and_serves_it_later() {
    let http2 = [&http2::frame::PREFACE[..], &[0, 0, 0, 4, 0, 0, 0, 0, 0]].concat();
    let native = [&greeting(&Limits::default())[..], &endless(1, "Echo", MESSAGE)].concat();
    for (sent, is_native) in [(native, true), (http2, false)] {
        for piece in [1, sent.len()] {
            let shared = server(limits(100_000, 100_000));
            let mut other = ConnectionMemory::new(&shared.memory);
            other.set_buffers(100_000);
            let begin = Instant::now();
            let mut peer = peer_of(shared.clone(), WINDOW);
            for bytes in sent.chunks(piece) {
                peer.send(bytes);
                tokio::task::yield_now().await;
            }
            let mut bytes = BytesMut::new();
            assert!(peer.read_some(&mut bytes).await > 0);
            assert!(begin.elapsed() < ms(2), "{:?}", begin.elapsed());
            assert_eq!(is_native, bytes.starts_with(&PREFACE));
            sleep(ms(1000)).await;
            let stats = shared.stats();
            assert_eq!((stats.calls, stats.memory_pauses), (0, 1));
            assert!(stats.memory_bytes <= 100_000 + (8 << 10), "only the beginning was read: {stats:?}");
            drop(other);
            if is_native {
                assert_eq!(answered(&mut peer).await.0, 0);
            }
            assert_eq!(shared.stats().calls, u64::from(is_native));
            assert!(begin.elapsed() < ms(1010), "{:?}", begin.elapsed());
        }
    }
}
