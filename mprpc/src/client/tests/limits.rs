//! Tests of every limit at the client. A value within the limit passes; a value beyond it fails, and the status names
//! the limit. The table in `server/tests/limits.rs` lists the test of each limit.

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::raw::{Peer, peer, request};
use super::*;
use crate::client::{Multiplexed, Request};
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::net::clock;
use crate::protocol::native::tests::{frame, greeting};
use crate::protocol::native::{self, Header, flag, kind};
use crate::server::tests::{PROBE, decode};
use crate::streaming::Streaming;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn response(id: u32, flags: u8, body: &[u8]) -> BytesMut {
    frame(Header { kind: kind::RESPONSE, flags, id, ..Header::default() }, body)
}

fn data(id: u32, body: &[u8]) -> BytesMut {
    frame(Header { kind: kind::DATA, id, ..Header::default() }, body)
}

/// A body that starts with `bytes` bytes of metadata.
fn behind_metadata(bytes: usize, message: &[u8]) -> BytesMut {
    let metadata = native::encode_metadata(&metadata_of(bytes));
    let mut body = BytesMut::from(&(bytes as u32).to_le_bytes()[..]);
    body.extend_from_slice(&metadata);
    body.extend_from_slice(message);
    body
}

/// One metadata pair that takes `bytes` bytes when encoded.
fn metadata_of(bytes: usize) -> Metadata {
    let mut metadata = Metadata::new();
    metadata.append("k", vec![b'v'; bytes - 7]).unwrap();
    metadata
}

fn request_of(method: &str, body: Body) -> Request {
    let method = PROBE.methods.iter().find(|known| known.name == method).unwrap();
    let context = Context::new(method, None, Deadline::NONE, Metadata::new());
    Request::new(context, body, Deadline::NONE, |_| true)
}

/// A client and a handwritten server that has sent its greeting.
struct TestBed {
    caller: Arc<Multiplexed>,
    reader: crate::net::Reader,
    writer: crate::net::Writer,
}

fn greeted(of_caller: &Limits, of_server: &Limits) -> TestBed {
    let Peer { caller, reader, writer } = peer(of_caller, 4 << 20);
    let world = TestBed { caller: Arc::new(caller), reader, writer };
    world.send(&greeting(of_server));
    world
}

impl TestBed {
    fn send(&self, bytes: &[u8]) {
        assert_eq!(self.writer.try_write(bytes).unwrap(), bytes.len());
    }

    /// Reads the client's frames until none is left.
    async fn said(&mut self) -> Vec<(Header, Bytes)> {
        let mut bytes = BytesMut::new();
        let reader = &mut self.reader;
        while let Ok(1..) =
            timeout(ms(1), std::future::poll_fn(|cx| reader.poll_read(cx, &mut bytes)).map(Result::unwrap)).await
        {
        }
        decode(bytes)
    }

    /// Spawns a call and waits for its first frames.
    async fn call(&mut self, request: Request) -> tokio::task::JoinHandle<Result<Body, Status>> {
        let caller = self.caller.clone();
        let call = tokio::spawn(async move { caller.call(&request).await });
        self.said().await;
        call
    }

    /// The outcome of a unary call that the server answers with `answer`. The call has id 1.
    async fn unary(&mut self, answer: &[u8]) -> Result<Bytes, Status> {
        let call = self.call(request(Vec::new())).await;
        self.send(answer);
        call.await.unwrap()?.into_message()
    }

    /// Opens a reply stream. The call has id 1.
    async fn stream(&mut self) -> Streaming<Bytes> {
        let call = self.call(request_of("Count", Body::Message(Bytes::new()))).await;
        self.send(&response(1, flag::OPEN, b""));
        call.await.unwrap().unwrap().into_stream()
    }

    /// Asserts that the connection still works.
    async fn goes_on(&mut self) {
        assert_eq!(self.unary(&response(1, flag::END, b"on")).await.unwrap(), "on");
    }

    /// Whether the client has closed the connection.
    fn is_closed(&self) -> bool {
        !self.caller.takes_calls()
    }
}

use futures_util::FutureExt as _;

#[tokio::test(start_paused = true)]
async fn message_bytes_max_holds_for_replies_of_a_server_that_ignores_it() {
    let limits = Limits { message_bytes_max: 1000, metadata_bytes_max: 100, ..Limits::default() };
    let mut world = greeted(&limits, &Limits::default());
    assert_eq!(world.unary(&response(1, flag::END, &[7; 1000])).await.unwrap().len(), 1000);
    // The last sizes exceed even a frame with metadata. The client skips such a frame while it arrives.
    for size in [1001, 1104, 1105, 200_000] {
        let text = format!("a reply of {size} bytes is beyond message_bytes_max 1000");
        let status = world.unary(&response(1, flag::END, &vec![7; size])).await.unwrap_err();
        assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::Yes));
        assert!(status.message().contains(&text), "{status}");
        let mut stream = world.stream().await;
        world.send(&data(1, &[7; 1000]));
        world.send(&data(1, &vec![7; size]));
        assert_eq!(stream.next().await.unwrap().unwrap().len(), 1000);
        let status = stream.next().await.unwrap().unwrap_err();
        assert!(status.message().contains(&text), "{status}");
        let said = world.said().await;
        assert!(said.iter().any(|(header, _)| (header.kind, header.id) == (kind::CANCEL, 1)), "{said:?}");
        // The call's id is free once the server has ended the call.
        world.send(&frame(Header { kind: kind::RESPONSE, flags: flag::END, word: 1, id: 1, ..Header::default() }, b""));
        sleep(ms(1)).await;
        world.goes_on().await;
    }
}

#[tokio::test(start_paused = true)]
async fn message_bytes_max_of_both_sides_holds_for_requests() {
    let small = Limits { message_bytes_max: 1000, ..Limits::default() };
    let mut world = greeted(&Limits::default(), &small);
    world.said().await;
    let status = world.caller.unary(&request(vec![7; 1001])).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No));
    let text = "a message of 1001 bytes is beyond the peer's message_bytes_max 1000";
    assert!(status.message().contains(text), "{status}");
    let requests = Streaming::of([1000, 1001].map(|size| Bytes::from(vec![7; size])));
    let status = world.caller.unary(&request_of("Sum", Body::Stream(requests))).await.unwrap_err();
    assert!(status.message().contains("a message of 1001 bytes is beyond message_bytes_max 1000"), "{status}");
    // The limit of the client itself.
    let options = ChannelOptions { limits: small, ..ChannelOptions::default() };
    let world = world_with(listed(&[A]), options);
    world.start(A);
    let large = StringValue { value: "x".repeat(1000), ..StringValue::default() };
    let status = world.stub.unary::<_, StringValue>(AM, &large).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No));
    assert!(status.message().contains("a message of 1003 bytes is beyond message_bytes_max 1000"), "{status}");
    assert_eq!(world.network.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn message_bytes_max_holds_for_classic_replies() {
    let limits = Limits { message_bytes_max: 1000, ..Limits::default() };
    let world = classic(ChannelOptions { limits, ..ChannelOptions::default() });
    world.script(A, &[&long_reply()], true);
    let status = world.who().await.unwrap_err();
    assert!(status.message().contains("beyond message_bytes_max 1000"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn metadata_bytes_max_holds_for_replies_of_a_server_that_ignores_it() {
    let limits = Limits { metadata_bytes_max: 100, ..Limits::default() };
    let mut world = greeted(&limits, &Limits::default());
    let end = flag::END | flag::METADATA;
    assert_eq!(world.unary(&response(1, end, &behind_metadata(100, b"x"))).await.unwrap(), "x");
    let text = "metadata of 101 bytes beside the reply is beyond metadata_bytes_max 100";
    let status = world.unary(&response(1, end, &behind_metadata(101, b"x"))).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::Yes));
    assert!(status.message().contains(text), "{status}");
    world.goes_on().await;
    // Metadata before the reply, of a unary call and of a stream.
    let open = response(1, flag::OPEN | flag::METADATA, &behind_metadata(101, b""));
    for request in [request(Vec::new()), request_of("Count", Body::Message(Bytes::new()))] {
        let call = world.call(request).await;
        world.send(&open);
        let status = call.await.unwrap().err().unwrap();
        assert!(status.message().contains(text), "{status}");
        assert_eq!(world.said().await[0].0.kind, kind::CANCEL);
        world.send(&response(1, flag::END, b"late"));
        sleep(ms(1)).await;
        world.goes_on().await;
    }
    // An error status is more important than the oversized metadata beside it.
    let body = behind_metadata(101, &native::encode_error(&Status::data_loss("the disk is gone")));
    let code = Code::DataLoss as u16;
    let failed = frame(Header { kind: kind::RESPONSE, flags: end, word: code, id: 1, ..Header::default() }, &body);
    let status = world.unary(&failed).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "the disk is gone"));
    assert!(status.trailer().is_empty());
}

#[tokio::test(start_paused = true)]
async fn metadata_bytes_max_of_both_sides_holds_for_requests() {
    let small = Limits { metadata_bytes_max: 100, ..Limits::default() };
    for (of_caller, of_server) in [(&small, &Limits::default()), (&Limits::default(), &small)] {
        let mut world = greeted(of_caller, of_server);
        world.said().await;
        let with = |bytes| {
            let mut request = request(Vec::new());
            *request.context.metadata_mut() = metadata_of(bytes);
            request
        };
        let call = world.call(with(100)).await;
        world.send(&response(1, flag::END, b"x"));
        assert!(call.await.unwrap().is_ok());
        let status = world.caller.unary(&with(101)).await.unwrap_err();
        assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No));
        assert!(status.message().contains("metadata of 101 bytes is beyond metadata_bytes_max 100"), "{status}");
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_exceeds_stream_window_bytes_fails_its_calls() {
    let limits = Limits { stream_window_bytes: 300_000, ..Limits::default() };
    for (surplus, breaks) in [(0, false), (1, true)] {
        let mut world = greeted(&limits, &Limits::default());
        let mut stream = world.stream().await;
        // Each message costs 16 bytes beside its payload; see docs/protocol.md.
        world.send(&data(1, &vec![7; 200_000 - 16]));
        world.send(&data(1, &vec![7; 100_000 - 16 + surplus]));
        sleep(ms(1)).await;
        assert_eq!(world.is_closed(), breaks);
        assert_eq!(stream.next().await.unwrap().unwrap().len(), 200_000 - 16);
        if breaks {
            let status = stream.next().await.unwrap().unwrap_err();
            let text =
                "a message of 100001 bytes with 200000 of its stream unread is beyond stream_window_bytes 300000";
            assert!(status.message().contains(text), "{status}");
            assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
        }
    }
    // One message may exceed the window if nothing else is unread.
    let mut world = greeted(&limits, &Limits::default());
    let mut stream = world.stream().await;
    world.send(&data(1, &vec![7; 1_000_000]));
    assert_eq!(stream.next().await.unwrap().unwrap().len(), 1_000_000);
}

#[tokio::test(start_paused = true)]
async fn server_that_exceeds_connection_window_bytes_fails_its_calls() {
    let window = 1 << 20;
    let limits = Limits { stream_window_bytes: window / 4, connection_window_bytes: window, ..Limits::default() };
    for (surplus, breaks) in [(0, false), (1, true)] {
        let mut world = greeted(&limits, &Limits::default());
        let mut streams = Vec::new();
        for id in 1..=5 {
            let call = world.call(request_of("Count", Body::Message(Bytes::new()))).await;
            world.send(&response(id, flag::OPEN, b""));
            streams.push(call.await.unwrap().unwrap().into_stream());
        }
        for id in 1..=4 {
            world.send(&data(id, &vec![7; window / 4 - 100 - 16]));
        }
        world.send(&data(5, &[7; 100 - 16]));
        world.send(&data(5, &vec![7; 300 - 16 + surplus]));
        sleep(ms(1)).await;
        assert_eq!(world.is_closed(), breaks);
        if breaks {
            let status = streams[4].next().await.unwrap().and(streams[4].next().await.unwrap()).unwrap_err();
            let text = "with 1048276 of the connection unread is beyond connection_window_bytes 1048576";
            assert!(status.message().contains(text), "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn client_respects_stream_window_bytes_and_connection_window_bytes_of_the_server() {
    // Each stream may always have one unread message, so the last of four streams exceeds the connection window with
    // one.
    for (stream, connection, streams, before, after) in [(1000, 10_000, 1, 1000, 1000), (1000, 2500, 4, 3000, 500)] {
        let of_server =
            Limits { stream_window_bytes: stream, connection_window_bytes: connection, ..Limits::default() };
        let mut world = greeted(&Limits::default(), &of_server);
        world.said().await;
        let calls: Vec<_> = (0..streams)
            .map(|_| {
                let caller = world.caller.clone();
                // One hundred messages of 484 bytes. Each one costs 500.
                let requests = Streaming::of((0..100).map(|_| Bytes::from(vec![7; 484])));
                tokio::spawn(async move { caller.call(&request_of("Deaf", Body::Stream(requests))).await.map(drop) })
            })
            .collect();
        let cost = |frames: &[(Header, Bytes)]| {
            let messages = frames.iter().filter(|(header, _)| header.kind == kind::DATA);
            messages.map(|(_, body)| body.len() + 16).sum::<usize>()
        };
        assert_eq!(cost(&world.said().await), before);
        assert!(world.said().await.is_empty(), "it waits");
        world.send(&frame(Header { kind: kind::CREDIT, id: 1, value: 1000, ..Header::default() }, b""));
        assert_eq!(cost(&world.said().await), after, "it goes on");
        assert!(calls.iter().all(|call| !call.is_finished()), "nothing fails");
    }
}

#[tokio::test(start_paused = true)]
async fn frames_for_unknown_calls_are_ignored_and_frames_after_the_end_break_the_protocol() {
    let mut world = greeted(&Limits::default(), &Limits::default());
    for id in [0, 7, u32::MAX] {
        world.send(&data(id, b"nobody's"));
        world.send(&response(id, flag::END, b"nobody's"));
        world.send(&response(id, flag::OPEN, b""));
    }
    world.goes_on().await;
    let end = response(1, flag::END, b"x");
    let late = [
        (data(1, b"late"), "a message for call 1, which has ended"),
        (end.clone(), "a reply for call 1, which has ended"),
    ];
    for (late, text) in late {
        let mut world = greeted(&Limits::default(), &Limits::default());
        let other = world.call(request(Vec::new())).await;
        let call = world.call(request(Vec::new())).await;
        // The caller has not yet seen the end when the surplus frame arrives.
        world.send(&[&end[..], &late[..]].concat());
        assert!(other.await.unwrap().is_ok(), "it has its reply");
        let status = call.await.unwrap().err().unwrap();
        assert!(status.message().contains(text), "{status}");
        assert!(world.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn unary_call_accepts_one_reply_message_and_fails_at_a_second() {
    let mut world = greeted(&Limits::default(), &Limits::default());
    let end = response(1, flag::END | flag::OPEN, b"");
    // A proxy that does not know the method kind sends the reply in this form.
    let one = [&data(1, b"one")[..], &end].concat();
    assert_eq!(world.unary(&one).await.unwrap(), "one");
    let several = [&data(1, b"one")[..], &data(1, b"two"), &data(1, b"three"), &end].concat();
    let status = world.unary(&several).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("several messages where one was expected"), "{status}");
    world.goes_on().await;
}

#[cfg(feature = "gzip")]
#[tokio::test(start_paused = true)]
async fn compress_bytes_min_is_the_shortest_request_that_is_compressed() {
    let limits = Limits { compress_bytes_min: 500, ..Limits::default() };
    let mut world = greeted(&limits, &Limits::default());
    world.caller.greeted().await.unwrap();
    // The server's SETTINGS follow the greeting.
    world.said().await;
    for (size, compressed) in [(499, false), (500, true)] {
        let mut request = request(vec![7; size]);
        request.compression = Some(crate::codec::Compression::Gzip);
        let caller = world.caller.clone();
        let call = tokio::spawn(async move { caller.unary(&request).await });
        let (header, body) = world.said().await.pop().unwrap();
        assert_eq!((header.has(flag::COMPRESSED), body.len() < size), (compressed, compressed), "{size}");
        world.send(&response(1, flag::END, b""));
        call.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_waits_for_room_until_its_deadline_names_send_buffer_bytes_max() {
    let limits = Limits { send_buffer_bytes_max: 10_000, ..Limits::default() };
    let peer = peer(&limits, 1 << 10);
    peer.writer.try_write(&greeting(&Limits::default())).unwrap();
    let patient = |bytes, timeout| {
        let deadline = Deadline::after(clock::now(), timeout);
        let context = Context::new(&PROBE.methods[0], None, deadline, Metadata::new());
        Request::new(context, Body::Message(vec![7; bytes].into()), deadline, |_| true)
    };
    let caller = Arc::new(peer.caller);
    let first = caller.clone();
    let first = tokio::spawn(async move { first.unary(&patient(20_000, ms(8000))).await });
    tokio::task::yield_now().await;
    let begin = Instant::now();
    let status = caller.unary(&patient(1, ms(3000))).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::DeadlineExceeded, Ran::No));
    assert!(status.message().contains("send_buffer_bytes_max 10000"), "{status}");
    assert_eq!(begin.elapsed().as_millis() / 10, 300);
    // The send buffer has room once the peer reads.
    let mut reader = peer.reader;
    let second = caller.clone();
    let second = tokio::spawn(async move { second.unary(&patient(1, ms(3000))).await });
    let mut got = BytesMut::new();
    let reading = async { while std::future::poll_fn(|cx| reader.poll_read(cx, &mut got)).await.unwrap() > 0 {} };
    assert!(timeout(ms(1000), reading).await.is_err());
    let requests = decode(got).into_iter().filter(|(header, _)| header.kind == kind::REQUEST);
    assert_eq!(requests.map(|(_, body)| body.len()).collect::<Vec<_>>(), [20_000, 1]);
    first.abort();
    second.abort();
}

#[tokio::test(start_paused = true)]
async fn call_fails_and_names_write_timeout_if_the_server_stops_reading() {
    let limits = Limits { write_timeout: ms(3000), ..Limits::default() };
    let mut peer = peer(&limits, 4 << 10);
    peer.writer.try_write(&greeting(&Limits::default())).unwrap();
    let request = request(vec![7; 20_000]);
    let begin = Instant::now();
    let reading = async {
        // The peer reads once, just before the timeout, and then never again.
        sleep(ms(2999)).await;
        peer.reader.poll_read_once().await;
        std::future::pending::<()>().await;
    };
    let status =
        tokio::select! { reply = peer.caller.unary(&request) => reply.unwrap_err(), () = reading => unreachable!() };
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No));
    assert!(status.message().contains("write_timeout 3s"), "{status}");
    let took = begin.elapsed();
    assert!((ms(5999)..=ms(6002)).contains(&took), "{took:?}");
}

trait ReadOnce {
    async fn poll_read_once(&mut self);
}

impl ReadOnce for crate::net::Reader {
    async fn poll_read_once(&mut self) {
        std::future::poll_fn(|cx| self.poll_read(cx, &mut BytesMut::with_capacity(8 << 10))).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn connect_timeout_bounds_connecting_and_the_greeting_and_errors_name_it() {
    for (delay, in_time) in [(1400, true), (1600, false)] {
        let world = world(listed(&[A]));
        world.start(A);
        // The delay in each direction.
        world.network.set_delay(ms(delay)..=ms(delay));
        let begin = Instant::now();
        let reply = world.call(AM).timeout(ms(60_000)).await;
        assert_eq!(reply.is_ok(), in_time, "{reply:?}");
        if let Err(status) = reply {
            assert_eq!((status.phase(), status.ran()), (Some(Phase::Connect), Ran::No));
            assert!(status.message().contains("no answer within connect_timeout 3s"), "{status}");
            assert_eq!(begin.elapsed(), ms(3000));
        }
    }
    for (greets_after, in_time) in [(2998, true), (3002, false)] {
        let peer = peer(&Limits::default(), 4 << 10);
        let greets = async {
            sleep(ms(greets_after)).await;
            // The write fails if the client has already given up.
            let _ = peer.writer.try_write(&greeting(&Limits::default()));
        };
        let (greeted, ()) = tokio::join!(peer.caller.greeted(), greets);
        assert_eq!(greeted.is_ok(), in_time, "{greeted:?}");
        if let Err(status) = greeted {
            assert!(status.message().contains("no greeting came within connect_timeout 3s"), "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn call_to_a_silent_server_fails_after_keepalive_interval_and_keepalive_timeout() {
    let limits = Limits {
        keepalive_interval: ms(4000),
        keepalive_timeout: ms(3000),
        silence_min: Duration::MAX,
        ..Limits::default()
    };
    for answers in [true, false] {
        let mut world = greeted(&limits, &Limits::default());
        sleep(ms(1)).await;
        let call = world.call(request(Vec::new())).await;
        let begin = Instant::now();
        let mut said = Vec::new();
        while said.is_empty() {
            said = world.said().await;
        }
        assert_eq!(said[0].0.kind, kind::PING);
        let asked = begin.elapsed();
        assert!((ms(3990)..=ms(4010)).contains(&asked), "{asked:?}");
        sleep(limits.keepalive_timeout - ms(10)).await;
        assert!(!call.is_finished());
        if answers {
            world.send(&frame(Header { kind: kind::PONG, ..Header::default() }, b""));
        }
        sleep(ms(20)).await;
        assert_eq!(call.is_finished(), !answers);
        if !answers {
            let status = call.await.unwrap().err().unwrap();
            assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
            let text = status.message();
            assert!(text.contains("keepalive_interval 4s") && text.contains("keepalive_timeout 3s"), "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn backoff_min_bounds_the_first_pause_and_backoff_max_bounds_every_pause() {
    let (min, max) = (ms(1000), ms(4000));
    let mut paused = [0, 0];
    for seed in 0..30 {
        let limits = Limits { backoff_min: min, backoff_max: max, ..Limits::default() };
        let world = world_from(seed, listed(&[A]), ChannelOptions { limits, ..ChannelOptions::default() });
        let fails = async |after: Duration| {
            sleep(after).await;
            let before = world.network.attempts();
            world.who().await.unwrap_err();
            world.network.attempts() > before
        };
        assert!(fails(Duration::ZERO).await);
        paused[0] += usize::from(!fails(min / 2).await);
        for _ in 0..10 {
            assert!(fails(max + ms(1)).await, "never longer");
        }
        paused[1] += usize::from(!fails(max / 2).await);
        let limits = Limits { backoff_min: min, backoff_max: max, ..Limits::default() };
        let world = world_from(seed, listed(&[A]), ChannelOptions { limits, ..ChannelOptions::default() });
        world.who().await.unwrap_err();
        sleep(min + ms(1)).await;
        world.who().await.unwrap_err();
        assert_eq!(world.network.attempts(), 2, "the first pause is over");
    }
    // The backoff is a random part of its maximum, so about half of the runs exceed half of it.
    assert!(paused.iter().all(|paused| (5..25).contains(paused)), "{paused:?}");
}

#[tokio::test(start_paused = true)]
async fn attempts_max_bounds_the_attempts_and_the_story_names_it() {
    let addresses: Vec<String> = (1..=6).map(|host| format!("10.0.0.{host}:1")).collect();
    let addresses: Vec<&str> = addresses.iter().map(String::as_str).collect();
    for attempts_max in [1, 4] {
        let limits = Limits { attempts_max, ..Limits::default() };
        let world = world_with(listed(&addresses), ChannelOptions { limits, ..ChannelOptions::default() });
        let status = world.who().await.unwrap_err();
        assert_eq!(world.network.attempts(), attempts_max);
        let story = format!("{status:#}");
        assert!(story.contains(&format!("attempt {attempts_max} (attempts_max {attempts_max})")), "{story}");
    }
    // One of six endpoints answers. Five attempts may miss it; six never do.
    for (attempts_max, may_fail) in [(5, true), (6, false)] {
        let mut failed = 0;
        for seed in 0..60 {
            let limits = Limits { attempts_max, ..Limits::default() };
            let world = world_from(seed, listed(&addresses), ChannelOptions { limits, ..ChannelOptions::default() });
            world.start(addresses[5]);
            failed += usize::from(world.who().await.is_err());
        }
        assert_eq!(failed > 0, may_fail, "{failed} with {attempts_max}");
        assert!(failed < 30);
    }
}

#[tokio::test(start_paused = true)]
async fn call_timeout_is_the_default_deadline_and_the_story_names_it() {
    let options = || ChannelOptions {
        limits: Limits { call_timeout: ms(2000), ..Limits::default() },
        ..ChannelOptions::default()
    };
    let world = world_with(listed(&[A]), options());
    world.start_hanging(A);
    let begin = Instant::now();
    let status = world.call(HANG).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!((ms(1990)..=ms(2000)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert!(format!("{status:#}").contains("(call_timeout 2s)"), "{status:#}");
    // A call with its own timeout does not mention `call_timeout`.
    let status = world.call(HANG).timeout(ms(1000)).await.unwrap_err();
    assert!(!format!("{status:#}").contains("call_timeout"), "{status:#}");
    // `call_timeout` bounds only the opening of a stream.
    let world = world_with(listed(&[A]), options());
    world.script(A, &[], false);
    world.network.partition(&["client"], &[A]);
    let parts = || Streaming::of([StringValue::default()]);
    let begin = Instant::now();
    let status = world.stub.client_streaming::<_, StringValue>(CONCAT, parts()).await.unwrap_err();
    assert_eq!((status.code(), begin.elapsed()), (Code::DeadlineExceeded, ms(2000)));
    assert!(format!("{status:#}").contains("(call_timeout 2s)"), "{status:#}");
}

#[tokio::test(start_paused = true)]
async fn classic_reply_pause_is_the_longest_pause_within_a_reply() {
    let limits = Limits { classic_reply_pause: ms(1500), ..Limits::default() };
    let options = ChannelOptions { classic_reply_pause: true, limits, ..ChannelOptions::default() };
    // Two concatenated messages decode as one. The second chunk arrives one second later and wins.
    let part = |text: &[u8]| [&[0x0a, text.len() as u8], text].concat();
    for (pause, expected) in [(ms(1500), "second"), (ms(500), "first")] {
        let mut options = options.clone();
        options.limits.classic_reply_pause = pause;
        let world = classic(options);
        world.script(A, &[&part(b"first"), &part(b"second")], false);
        let begin = Instant::now();
        assert_eq!(world.who().await.unwrap(), expected);
        let chunks = if expected == "second" { ms(1000) } else { ms(0) };
        assert_eq!(begin.elapsed(), chunks + pause);
    }
}
