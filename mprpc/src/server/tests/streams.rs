//! Tests of streams over a connection in memory, under virtual time: both directions, slow readers, every kind of end.

use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{BufMut, BytesMut};
use futures_util::stream;

use super::*;
use crate::streaming::Streaming;

/// Runs the streaming methods of the probe. The request of `Count` is two u32: the number and the size of the replies.
pub(super) async fn serve(name: &str, context: Context, request: Body) -> Result<Body, Status> {
    match name {
        "Count" => {
            context.reply_metadata().append("kind", "counted")?;
            let request = request.into_message()?;
            let number = |at: usize| u32::from_le_bytes(request[at..at + 4].try_into().unwrap());
            let (count, size) = (number(0), number(4) as usize);
            let messages = (0..count).map(move |index| Ok(message(index, size)));
            context.trailer().append("count", count.to_string())?;
            Ok(Body::Stream(Streaming::new(stream::iter(messages))))
        }
        "Sum" => {
            let mut requests = request.into_stream();
            let mut sum = 0u64;
            while let Some(request) = requests.next().await {
                sum += request?.len() as u64;
            }
            Ok(Body::Message(Bytes::copy_from_slice(&sum.to_le_bytes())))
        }
        "Talk" => Ok(Body::Stream(request.into_stream())),
        "Break" => {
            let request = request.into_message()?;
            let first = stream::iter([Ok(Bytes::from_static(b"one")), Ok(Bytes::from_static(b"two"))]);
            Ok(Body::Stream(match &request[..] {
                b"fail" => Streaming::new(first.chain(stream::iter([Err(Status::data_loss("the disk is gone"))]))),
                b"panic" => Streaming::new(first.chain(stream::poll_fn(|_| panic!("a bug in a stream")))),
                b"drop" => {
                    let (sender, stream) = Streaming::channel(4);
                    sender.send(Bytes::from_static(b"one")).await?;
                    stream
                }
                _ => Streaming::new(first.chain(stream::pending())),
            }))
        }
        // Never reads its requests.
        "Deaf" => {
            let _requests = request;
            std::future::pending().await
        }
        other => Err(Status::unimplemented(other.to_owned())),
    }
}

use futures_util::StreamExt as _;

fn message(index: u32, size: usize) -> Bytes {
    let mut bytes = BytesMut::zeroed(size.max(4));
    bytes[..4].copy_from_slice(&index.to_le_bytes());
    bytes.freeze()
}

fn count(count: u32, size: u32) -> Request {
    let mut bytes = BytesMut::new();
    bytes.put_u32_le(count);
    bytes.put_u32_le(size);
    endless("Count", Body::Message(bytes.freeze()))
}

pub(super) fn endless(name: &str, body: Body) -> Request {
    let method = PROBE.methods.iter().find(|method| method.name == name).unwrap();
    let context = Context::new(method, None, Deadline::NONE, Metadata::new());
    Request::new(context, body, Deadline::NONE, |_| true)
}

pub(super) async fn open(caller: &Multiplexed, request: &Request) -> Streaming<Bytes> {
    match caller.call(request).await.unwrap() {
        Body::Stream(stream) => stream,
        Body::Message(_) => panic!("one message where a stream was expected"),
    }
}

#[tokio::test(start_paused = true)]
async fn server_stream_arrives_whole_and_in_order_with_metadata_and_trailer() {
    let pair = pair(Limits::default());
    for (messages, size) in [(0, 0), (1, 10), (1000, 0), (300, 5000), (3, 1 << 20)] {
        let request = count(messages, size);
        let mut stream = open(&pair.caller, &request).await;
        assert_eq!(request.context.reply_metadata().text("kind"), Some("counted"));
        for index in 0..messages {
            assert_eq!(stream.next().await.unwrap().unwrap(), message(index, size as usize));
        }
        assert!(stream.next().await.is_none());
        assert_eq!(request.context.trailer().text("count"), Some(&*messages.to_string()));
    }
}

#[tokio::test(start_paused = true)]
async fn client_stream_arrives_whole_and_is_answered() {
    let pair = pair(Limits::default());
    for (messages, size) in [(0usize, 0usize), (1, 10), (1000, 16), (300, 5000), (3, 1 << 20)] {
        let requests = Streaming::of((0..messages).map(move |_| Bytes::from(vec![7; size])));
        let sum = pair.caller.unary(&endless("Sum", Body::Stream(requests))).await.unwrap();
        assert_eq!(sum, (messages as u64 * size as u64).to_le_bytes()[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn bidirectional_stream_alternates_and_closes_cleanly() {
    let pair = pair(Limits::default());
    let (sender, requests) = Streaming::channel(1);
    let mut replies = open(&pair.caller, &endless("Talk", Body::Stream(requests))).await;
    for turn in 0..100u32 {
        sender.send(message(turn, 100)).await.unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap(), message(turn, 100));
    }
    sender.finish();
    assert!(replies.next().await.is_none());
    assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
}

#[tokio::test(start_paused = true)]
async fn message_counts_as_stream_of_one_and_unary_method_refuses_a_stream() {
    let pair = pair(Limits::default());
    // `Sum` takes a stream. One message counts as a stream of one, without DATA frames.
    let sum = pair.caller.unary(&endless("Sum", Body::Message(Bytes::from_static(b"12345")))).await.unwrap();
    assert_eq!(sum, 5u64.to_le_bytes()[..]);
    // `Echo` takes one message, so the server refuses a stream.
    let method = &PROBE.methods[0];
    let context = Context::new(method, None, Deadline::NONE, Metadata::new());
    let wrong = Request::new(context, Body::Stream(Streaming::of([Bytes::new()])), Deadline::NONE, |_| true);
    let status = pair.caller.unary(&wrong).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::InvalidArgument, Ran::No));
    assert!(status.message().contains("test.Probe/Echo takes one message"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn failed_stream_never_ends_without_an_error() {
    let cases = [("fail", Code::DataLoss), ("panic", Code::Internal), ("drop", Code::Aborted)];
    for (how, code) in cases {
        let pair = pair(Limits::default());
        let mut stream = open(&pair.caller, &endless("Break", Body::Message(how.into()))).await;
        assert_eq!(stream.next().await.unwrap().unwrap(), "one");
        let status = loop {
            match stream.next().await.expect("an error before the end") {
                Ok(_) => {}
                Err(status) => break status,
            }
        };
        assert_eq!(status.code(), code, "{status}");
        assert!(stream.next().await.is_none());
        assert_eq!(pair.caller.unary(&request("Echo", "alive")).await.unwrap(), "alive");
    }
}

#[tokio::test(start_paused = true)]
async fn lost_connection_fails_an_open_stream_at_both_ends() {
    let pair = pair(Limits::default());
    let (sender, requests) = Streaming::channel(1);
    let mut replies = open(&pair.caller, &endless("Talk", Body::Stream(requests))).await;
    sender.send(message(1, 4)).await.unwrap();
    replies.next().await.unwrap().unwrap();
    pair.server.abort();
    let status = replies.next().await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
    assert!(replies.next().await.is_none());
    sender.closed().await;
}

#[tokio::test(start_paused = true)]
async fn deadline_ends_a_stream_at_both_ends() {
    let pair = pair(Limits::default());
    let context = Context::new(
        PROBE.methods.iter().find(|method| method.name == "Break").unwrap(),
        None,
        Deadline::after(clock::now(), Duration::from_millis(500)),
        Metadata::new(),
    );
    let request = Request::new(context, Body::Message("go on".into()), Deadline::NONE, |_| true);
    let mut stream = open(&pair.caller, &request).await;
    let begin = clock::now();
    let mut messages = 0;
    let status = loop {
        match stream.next().await.unwrap() {
            Ok(_) => messages += 1,
            Err(status) => break status,
        }
    };
    assert_eq!((messages, status.code()), (2, Code::DeadlineExceeded));
    assert!(clock::now() - begin <= Duration::from_millis(502));
    while pair.shared.stats().calls_failed == 0 {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_stream_is_cancelled_at_the_server_and_does_not_count_as_failed() {
    let pair = pair(Limits { in_flight_max: 1, ..Limits::default() });
    for round in 1..=20 {
        let mut stream = open(&pair.caller, &endless("Break", Body::Message("go on".into()))).await;
        stream.next().await.unwrap().unwrap();
        drop(stream);
        // The server frees the call's place in `in_flight_max` when it answers the CANCEL.
        let sum = loop {
            match pair.caller.unary(&request("Echo", "free")).await {
                Err(status) if status.code() == Code::ResourceExhausted => sleep(Duration::from_millis(1)).await,
                other => break other,
            }
        };
        assert_eq!(sum.unwrap(), "free");
        let stats = pair.shared.stats();
        assert_eq!((stats.calls_cancelled, stats.calls_failed), (round, 0));
    }
}

#[tokio::test(start_paused = true)]
async fn unread_stream_takes_no_more_than_its_window() {
    let pair = pair(Limits::default());
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let requests = stream::iter((0..100_000u32).map(move |index| {
        counted.fetch_add(1, Ordering::Relaxed);
        Ok(message(index, 1000))
    }));
    let deaf = endless("Deaf", Body::Stream(Streaming::new(requests)));
    let call = pair.caller.call(&deaf);
    assert!(timeout(Duration::from_secs(60), call).await.is_err());
    let window = Limits::default().stream_window_bytes / 1016;
    // The sender holds one more message.
    assert_eq!(asked.load(Ordering::Relaxed), window + 1);
}

#[tokio::test(start_paused = true)]
async fn unread_streams_do_not_starve_other_streams() {
    let pair = pair(Limits { stream_window_bytes: 256 << 10, connection_window_bytes: 1 << 20, ..Limits::default() });
    // These streams fill more than the connection window.
    let mut unread = Vec::new();
    for _ in 0..16 {
        unread.push(open(&pair.caller, &count(1000, 1000)).await);
    }
    // The messages are larger than the rest of the window, than the stream window, and than the connection window.
    for size in [10, 10_000, 300_000, 2_000_000] {
        let mut stream = open(&pair.caller, &count(50, size)).await;
        let mut messages = 0;
        while let Some(message) = stream.next().await {
            message.unwrap();
            messages += 1;
        }
        assert_eq!(messages, 50);
    }
    // The unread streams lose nothing.
    for mut stream in unread {
        for index in 0..1000 {
            assert_eq!(stream.next().await.unwrap().unwrap(), message(index, 1000));
        }
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn too_long_stream_message_fails_only_its_call() {
    let small = Limits { message_bytes_max: 1000, ..Limits::default() };
    // Reaches the server's limit, before and after the caller knows the limit.
    let pair = pair_of(small.clone(), Limits::default());
    for _ in 0..2 {
        let requests = Streaming::of([Bytes::from(vec![0; 2000])]);
        let status = pair.caller.unary(&endless("Sum", Body::Stream(requests))).await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("2000") && status.message().contains("message_bytes_max 1000"), "{status}");
    }
    let mut stream = open(&pair.caller, &count(1, 2000)).await;
    let status = stream.next().await.unwrap().unwrap_err();
    assert!(status.message().contains("2000") && status.message().contains("message_bytes_max 1000"), "{status}");
    assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
    // Reaches the caller's limit, which the server knows.
    let pair = pair_of(Limits::default(), small);
    let mut stream = open(&pair.caller, &count(1, 2000)).await;
    let status = stream.next().await.unwrap().unwrap_err();
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
}

#[tokio::test(start_paused = true)]
async fn failed_request_stream_fails_the_call_with_its_status() {
    let pair = pair(Limits::default());
    let requests = stream::iter([Ok(Bytes::from_static(b"one")), Err(Status::data_loss("the file is cut off"))]);
    let request = endless("Sum", Body::Stream(Streaming::new(requests)));
    let status = pair.caller.unary(&request).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DataLoss, "the file is cut off"));
}

#[tokio::test(start_paused = true)]
async fn request_stream_that_crosses_a_go_away_is_returned_whole() {
    for (messages, finishes) in [(0, true), (3, true), (3, false), (10_000, true)] {
        let pair = pair(Limits::default());
        pair.caller.unary(&request("Echo", "")).await.unwrap();
        let (sender, requests) = Streaming::channel(messages + 1);
        for index in 0..messages {
            sender.send(message(index as u32, 100)).await.unwrap();
        }
        let mut sender = Some(sender);
        if finishes {
            sender.take().unwrap().finish();
        }
        let Pair { caller, shared, server: _server } = pair;
        // Tasks run in wake order: the server sends GO_AWAY before the caller reads it.
        shared.drain();
        let calling = tokio::spawn(async move {
            let again = endless("Sum", Body::Stream(requests));
            let status = caller.call(&again).await.err().unwrap();
            (again, status)
        });
        let (again, status) = calling.await.unwrap();
        assert_eq!((status.code(), status.ran(), shared.stats().calls_failed), (Code::Unavailable, Ran::No, 1));
        let mut requests = again.take_stream().expect("the stream");
        for index in 0..messages {
            assert_eq!(requests.next().await.unwrap().unwrap(), message(index as u32, 100));
        }
        sender.into_iter().for_each(crate::streaming::Sender::finish);
        assert!(requests.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn request_stream_does_not_keep_read_messages() {
    let pair = pair(Limits::default());
    let kept = Bytes::from(vec![7; 5000]);
    let (sender, requests) = Streaming::channel(1);
    let mut replies = open(&pair.caller, &endless("Talk", Body::Stream(requests))).await;
    for _ in 0..3 {
        sender.send(kept.clone()).await.unwrap();
        replies.next().await.unwrap().unwrap();
    }
    sender.finish();
    assert!(replies.next().await.is_none());
    assert!(kept.is_unique(), "messages that were read are kept");
}

/// Acceptance test: ten thousand streams share one connection, and one of them is never read.
#[tokio::test(start_paused = true)]
async fn ten_thousand_streams_share_a_connection_with_one_that_is_never_read() {
    const STREAMS: usize = 10_000;
    const MESSAGES: u32 = 20;
    let pair = pair(Limits { stream_window_bytes: 256 << 10, connection_window_bytes: 1 << 20, ..Limits::default() });
    let unread = open(&pair.caller, &count(1_000_000, 1000)).await;
    let caller = Arc::new(pair.caller);
    let streams: Vec<_> = (0..STREAMS)
        .map(|_| {
            let caller = caller.clone();
            tokio::spawn(async move {
                let mut stream = open(&caller, &count(MESSAGES, 1000)).await;
                let mut messages = 0;
                while let Some(message) = stream.next().await {
                    assert_eq!(message.unwrap(), self::message(messages, 1000));
                    messages += 1;
                }
                messages
            })
        })
        .collect();
    // The caller never buffers more than the connection window and one message for each stream.
    let mut most = 0;
    for stream in streams {
        let received = caller.received_bytes();
        most = most.max(received);
        assert!(received <= ((1usize << 20) + (STREAMS + 1) * 1016) as u64, "{received} bytes wait");
        assert_eq!(stream.await.unwrap(), MESSAGES);
    }
    assert!(most > 0);
    assert!(caller.received_bytes() <= (256usize << 10) as u64, "only the unread stream is left");
    drop(unread);
}
