//! Calls: the four types, statuses, metadata, deadlines, cancellation, limits and compression.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::protocol::decode_error;
use crate::protocol::http::binary;
use crate::streaming::Streaming;

fn count(messages: u32, size: u32) -> Vec<u8> {
    [messages.to_le_bytes(), size.to_le_bytes()].concat()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

#[tokio::test(start_paused = true)]
async fn unary_call_is_answered_with_head_message_and_trailers() {
    let mut caller = caller(Limits::default());
    for bytes in [&b""[..], b"hello", &[7; 100_000]] {
        let id = caller.call("Echo", bytes);
        let reply = caller.answer(id).await;
        let head = pairs(&[(":status", "200"), ("content-type", "application/grpc")]);
        assert_eq!(reply.heads, [head, pairs(&[("grpc-status", "0")])]);
        assert_eq!((reply.message(), reply.is_ended, reply.reset), (Bytes::copy_from_slice(bytes), true, None));
    }
    assert_eq!(caller.stats().calls, 3);
}

#[tokio::test(start_paused = true)]
async fn server_stream_is_sent_whole_with_metadata_and_trailer() {
    let mut caller = caller(Limits::default());
    for (messages, size) in [(0, 0), (1, 10), (300, 5000), (3, 1 << 20)] {
        let id = caller.call("Count", &count(messages, size));
        let reply = caller.answer(id).await;
        assert_eq!((reply.field("kind"), reply.status()), (Some("counted"), (0, "")));
        assert_eq!(reply.heads[1], pairs(&[("grpc-status", "0"), ("count", &messages.to_string())]));
        let arrived = reply.messages();
        assert_eq!(arrived.len(), messages as usize);
        for (index, (_, message)) in arrived.iter().enumerate() {
            assert_eq!((&message[..4], message.len()), (&(index as u32).to_le_bytes()[..], size.max(4) as usize));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn client_stream_is_received_whole_and_its_window_goes_on() {
    let mut caller = caller(Limits::default());
    for (messages, size) in [(0, 0), (1, 10), (1000, 16), (300, 50_000), (3, 1 << 20)] {
        let id = caller.open("Sum");
        for _ in 0..messages {
            caller.body(id, &message(&vec![7; size]), false);
            caller.listen().await;
        }
        caller.end(id);
        let reply = caller.answer(id).await;
        assert_eq!((reply.status(), reply.message()), ((0, ""), Bytes::from((messages * size).to_le_bytes().to_vec())));
        let sent = messages as u64 * (size as u64 + 5);
        let granted = caller.granted.get(&id).copied().unwrap_or(0);
        let window = Limits::default().stream_window_bytes as u64;
        assert!(granted <= sent && granted + window >= sent, "{granted} of {sent}");
    }
    // The request may consist of its head alone.
    let id = caller.open_with("Sum", &[], flag::END_STREAM);
    assert_eq!(caller.answer(id).await.message(), 0u64.to_le_bytes()[..]);
}

#[tokio::test(start_paused = true)]
async fn bidirectional_stream_alternates_and_ends() {
    let mut caller = caller(Limits::default());
    let id = caller.open("Talk");
    for turn in 1..=100usize {
        caller.body(id, &message(&turn.to_le_bytes()), false);
        let reply = caller.answer(id).await;
        assert_eq!(reply.messages().len(), turn);
        assert_eq!(reply.messages()[turn - 1].1, turn.to_le_bytes()[..]);
    }
    assert!(!caller.reply(id).is_ended);
    caller.end(id);
    assert_eq!(caller.answer(id).await.status(), (0, ""));
}

#[tokio::test(start_paused = true)]
async fn many_calls_share_the_connection_and_overtake_each_other() {
    let mut caller = caller(Limits::default());
    let calls: Vec<_> = (0..300u32)
        .map(|number| {
            let name = if number % 3 == 0 { "Sleep" } else { "Echo" };
            (number, caller.call(name, &number.to_le_bytes()))
        })
        .collect();
    caller.listen().await;
    assert_eq!(caller.replies.len(), 200);
    sleep(ms(1000)).await;
    caller.listen().await;
    for (number, id) in calls {
        assert_eq!(caller.reply(id).message(), number.to_le_bytes()[..]);
    }
}

#[tokio::test(start_paused = true)]
async fn failure_is_sent_as_trailers_only() {
    let mut caller = caller(Limits::default());
    let id = caller.call("Fail", b"");
    let reply = caller.answer(id).await;
    let [head] = &reply.heads[..] else { panic!("{reply:?}") };
    assert_eq!(head[..2], pairs(&[(":status", "200"), ("content-type", "application/grpc")]));
    assert_eq!(
        (reply.status(), &*reply.body, reply.is_ended),
        ((Code::NotFound as u16, "no such thing"), &b""[..], true)
    );
    // A stream that has begun fails with trailers behind its messages.
    for (how, code) in [("fail", Code::DataLoss), ("panic", Code::Internal), ("drop", Code::Aborted)] {
        let id = caller.call("Break", how.as_bytes());
        let reply = caller.answer(id).await;
        assert_eq!((reply.heads.len(), reply.status().0), (2, code as u16));
        assert_eq!(reply.messages()[0].1, "one");
    }
}

#[tokio::test(start_paused = true)]
async fn panic_is_internal_and_the_connection_lives_on() {
    let mut caller = caller(Limits::default());
    let id = caller.call("Panic", b"");
    assert_eq!(caller.answer(id).await.status(), (INTERNAL, "the handler panicked"));
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn status_details_and_a_message_in_any_script_arrive() {
    let mut server = Server::default().add(All::new(|_, _| async {
        let status = Status::unavailable("zu früh: 50 %\n").with_retry_after(ms(1500));
        Err(status)
    }));
    let mut caller = caller_of(&server.share().unwrap());
    let id = caller.call("One", b"");
    let reply = caller.answer(id).await;
    assert_eq!(reply.status(), (Code::Unavailable as u16, "zu fr%C3%BCh: 50 %25%0A"));
    assert_eq!(reply.field("grpc-retry-pushback-ms"), Some("1500"));
    let details = binary::decode(reply.field("grpc-status-details-bin").unwrap().as_bytes()).unwrap();
    let status = decode_error(Code::Unavailable as u16, &details);
    assert_eq!((status.code(), status.message()), (Code::Unavailable, "zu früh: 50 %\n"));
    assert_eq!(status.retry_after(), Some(ms(1500)));
}

/// A service that keeps the metadata of its calls and answers with some.
fn metadata_service(seen: &Arc<Mutex<Vec<Metadata>>>) -> All {
    let seen = seen.clone();
    All::new(move |context, body| {
        seen.lock().unwrap().push(context.metadata().clone());
        async move {
            context.reply_metadata().append("first", "earlier")?;
            context.reply_metadata().append("first-bin", [0, 255, 1])?;
            context.trailer().append("last", "a b,c")?;
            context.trailer().append("last-bin", [])?;
            Ok(body)
        }
    })
}

#[tokio::test(start_paused = true)]
async fn metadata_passes_both_ways_also_as_bytes() {
    let seen = Arc::default();
    let mut caller = caller_of(&Server::default().add(metadata_service(&seen)).share().unwrap());
    let more =
        [("key", "one"), ("data-bin", "AP8"), ("list-bin", "AA==,AQ"), ("user-agent", "test/1"), ("grpc-x", "y")];
    let id = caller.call_with("One", &more, b"x");
    let reply = caller.answer(id).await;
    let seen = seen.lock().unwrap().remove(0);
    assert_eq!((seen.text("key"), seen.value("data-bin")), (Some("one"), Some(&[0, 255][..])));
    assert_eq!(seen.values("list-bin").collect::<Vec<_>>(), [[0], [1]]);
    assert!(["te", "content-type", "user-agent", "grpc-x", ":path"].iter().all(|key| seen.value(key).is_none()));
    assert!(reply.heads[0].contains(&("first-bin".to_owned(), "AP8B".to_owned())));
    assert_eq!(reply.heads[1], pairs(&[("grpc-status", "0"), ("last", "a b,c"), ("last-bin", "")]));
    let id = caller.call_with("One", &[("data-bin", "not base64!")], b"x");
    let (code, text) = caller.answer(id).await.status_owned();
    assert!(code == INVALID && text.contains("data-bin"), "{text}");
}

#[tokio::test(start_paused = true)]
async fn metadata_bytes_max_limits_requests_and_replies() {
    let mut caller = caller(Limits { metadata_bytes_max: 1000, ..Limits::default() });
    for (surplus, code) in [(0, 0), (1, EXHAUSTED)] {
        // As in the native protocol, a pair counts 6 bytes more than its key and its value.
        let id = caller.call_with("Metadata", &[("key", &"v".repeat(991 + surplus))], b"");
        let (got, text) = caller.answer(id).await.status_owned();
        assert_eq!(got, code, "{text}");
        assert!(code == 0 || text.contains("1001 bytes is beyond metadata_bytes_max 1000"), "{text}");
    }
    let large = All::new(|context, body| async move {
        context.trailer().append("key", vec![b'v'; 2000])?;
        Ok(body)
    });
    let limits = Limits { metadata_bytes_max: 1000, ..Limits::default() };
    let mut caller = caller_of(&Server { limits, ..Server::default() }.add(large).share().unwrap());
    let id = caller.call("One", b"");
    let reply = caller.answer(id).await;
    assert!(reply.status().0 == EXHAUSTED && reply.status().1.contains("metadata_bytes_max 1000"), "{reply:?}");
    assert_eq!(reply.field("key"), None);
}

#[tokio::test(start_paused = true)]
async fn http_head_bytes_max_fails_the_call_and_the_connection_lives_on() {
    let mut caller = caller(Limits { http_head_bytes_max: 1000, ..Limits::default() });
    let fixed: usize = grpc_fields("Echo").iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    for surplus in [0, 1] {
        let value = "v".repeat(1000 - fixed - 32 - 3 + surplus);
        let id = caller.call_with("Echo", &[("key", &value)], b"x");
        let (code, text) = caller.answer(id).await.status_owned();
        assert_eq!(code, [0, EXHAUSTED][surplus], "{text}");
        assert!(surplus == 0 || text.contains("http_head_bytes_max 1000"), "{text}");
    }
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn message_bytes_max_limits_requests_stream_messages_and_replies() {
    let mut caller = caller(Limits { message_bytes_max: 1000, ..Limits::default() });
    for (name, size, code) in [("Echo", 1000, 0), ("Echo", 1001, EXHAUSTED), ("Sum", 1000, 0), ("Sum", 1001, EXHAUSTED)]
    {
        let id = caller.call(name, &vec![7; size]);
        let (got, text) = caller.answer(id).await.status_owned();
        assert_eq!(got, code, "{name} {size}: {text}");
        assert!(code == 0 || text.contains("1001 bytes is beyond message_bytes_max 1000"), "{text}");
    }
    // A prefix alone is enough to refuse the message.
    let id = caller.open("Echo");
    caller.body(id, &[0, 0xff, 0xff, 0xff, 0xff], false);
    let reply = caller.answer(id).await;
    assert_eq!((reply.status().0, reply.reset), (EXHAUSTED, Some(ErrorCode::NoError as u32)));
    let id = caller.call("Count", &count(1, 1001));
    assert!(caller.answer(id).await.status().1.contains("reply of 1001 bytes is beyond message_bytes_max 1000"));
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn method_that_takes_one_message_gets_exactly_one() {
    let mut caller = caller(Limits::default());
    let none = caller.open_with("Echo", &[], flag::END_STREAM);
    let two = caller.open("Echo");
    caller.body(two, &[message(b"a"), message(b"b")].concat(), true);
    let cut = caller.open("Echo");
    caller.body(cut, &message(b"abc")[..7], true);
    let late = caller.open("Echo");
    caller.body(late, &message(b"late"), false);
    caller.listen().await;
    assert_eq!(caller.reply(none).status(), (INVALID, "the method takes one message, and none was sent"));
    assert_eq!(caller.reply(two).status(), (INVALID, "the method takes one message, and more were sent"));
    assert_eq!(caller.reply(cut).status(), (INTERNAL, "the body ends after 2 of the 3 bytes of a message"));
    assert_eq!(caller.reply(late), Reply::default(), "the request has not ended");
    // Trailers end a request as well.
    let trailers = caller.headers(late, flag::END_STREAM, &pairs(&[("checksum", "1")]));
    caller.send(&trailers);
    assert_eq!(caller.answer(late).await.message(), "late");
}

#[tokio::test(start_paused = true)]
async fn unknown_methods_and_paths_are_unimplemented() {
    let mut caller = caller(Limits::default());
    for path in ["/test.Probe/Nothing", "/test.Nobody/Echo", "/Echo", "*", "/", "/a/b/c"] {
        let id = caller.call(path, b"x");
        let (code, text) = caller.answer(id).await.status_owned();
        assert_eq!(code, UNIMPLEMENTED, "{path}: {text}");
    }
    assert_eq!(caller.stats().calls, 6);
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn methods_max_limits_the_methods_that_a_connection_names() {
    let mut caller = caller(Limits { methods_max: 2, ..Limits::default() });
    let ids = ["Echo", "Metadata", "Sleep", "Echo"].map(|name| caller.call(name, b""));
    caller.listen().await;
    assert_eq!(caller.reply(ids[2]).status(), (EXHAUSTED, "the connection has named methods_max 2 methods"));
    assert!([0, 1, 3].iter().all(|index| caller.reply(ids[*index]).status().0 == 0));
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_not_grpc_get_an_http_status() {
    let mut caller = caller(Limits::default());
    for (more, status) in [
        (&[("content-type", "application/grpc+thrift")][..], "415"),
        (&[("content-type", "text/html"), (":method", "GET")], "405"),
    ] {
        let id = caller.open_with("Echo", more, 0);
        caller.body(id, &[7; 100_000], true);
        let reply = caller.answer(id).await;
        assert_eq!((reply.field(":status"), reply.is_ended), (Some(status), true));
        assert_eq!(reply.field("grpc-status"), None);
    }
    let id = caller.call_with("Echo", &[(":method", "PUT")], b"");
    assert_eq!(caller.answer(id).await.status().0, UNIMPLEMENTED);
    assert_eq!(caller.stats().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn handler_is_stopped_at_its_deadline() {
    let mut caller = caller(Limits::default());
    for (value, expected) in [("70m", 70), ("70000u", 70), ("2S", 2000), ("1M", 60_000)] {
        let begin = Instant::now();
        let id = caller.call_with("Hang", &[("grpc-timeout", value)], b"");
        while !caller.answer(id).await.is_ended {}
        assert_eq!(caller.reply(id).status().0, EXPIRED);
        let took = begin.elapsed().as_millis();
        assert!((expected..=expected + 3).contains(&took), "{value}: {took} ms");
    }
    for malformed in ["", "1", "S", "123456789S", "-1S", "1s"] {
        let id = caller.call_with("Echo", &[("grpc-timeout", malformed)], b"");
        assert_eq!(caller.answer(id).await.status().0, INVALID, "{malformed}");
    }
}

/// A service that counts the handlers that have begun and that were dropped.
fn hanging(begun: &Arc<AtomicUsize>, dropped: &Arc<AtomicUsize>) -> All {
    struct CountsDrop(Arc<AtomicUsize>);
    impl Drop for CountsDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let (begun, dropped) = (begun.clone(), dropped.clone());
    All::new(move |_, body| {
        begun.fetch_add(1, Ordering::Relaxed);
        let counts = CountsDrop(dropped.clone());
        async move {
            let (_counts, _body) = (counts, body);
            std::future::pending().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn reset_stops_the_handler_and_counts_as_cancelled() {
    let (begun, dropped) = (Arc::default(), Arc::default());
    let limits = Limits { in_flight_max: 1, ..Limits::default() };
    let server = Server { limits, ..Server::default() }.add(hanging(&begun, &dropped));
    let mut caller = caller_of(&{ server }.share().unwrap());
    for name in ["One", "Up", "Down"] {
        let id = caller.call(name, b"");
        assert_eq!(caller.answer(id).await, Reply::default());
        assert_eq!((begun.swap(0, Ordering::Relaxed), dropped.load(Ordering::Relaxed)), (1, 0));
        caller.send(&reset(id));
        assert_eq!(caller.answer(id).await, Reply::default(), "nothing is sent on a stream that was reset");
        assert_eq!(dropped.swap(0, Ordering::Relaxed), 1);
    }
    let stats = caller.stats();
    assert_eq!((stats.calls_cancelled, stats.calls_failed, stats.memory_bytes), (3, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn reset_ends_a_reply_stream_and_an_open_request() {
    let mut caller = caller(Limits::default());
    let id = caller.call("Break", b"go on");
    assert_eq!(caller.answer(id).await.messages().len(), 2);
    let open = caller.open("Talk");
    caller.body(open, &message(b"one"), false);
    let waiting = caller.open("Echo");
    caller.body(waiting, &message(b"never ends"), false);
    caller.listen().await;
    caller.send(&[reset(id), reset(open), reset(waiting)].concat());
    caller.listen().await;
    let stats = caller.stats();
    assert_eq!((stats.calls_cancelled, stats.memory_bytes), (2, 0));
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn lost_connection_cancels_its_calls() {
    let mut caller = caller(Limits::default());
    for _ in 0..3 {
        caller.call("Hang", b"");
    }
    caller.listen().await;
    let Caller { peer: raw::Peer { reader, writer, server, shared }, .. } = caller;
    drop((reader, writer));
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
    assert_eq!(shared.stats().calls_cancelled, 3);
}

#[tokio::test(start_paused = true)]
async fn answer_may_precede_the_end_of_the_request() {
    let early = All::new(|_, _| async { Ok(Body::Message(Bytes::from_static(b"enough"))) });
    let mut caller = caller_of(&Server::default().add(early).share().unwrap());
    let id = caller.open("Up");
    caller.body(id, &message(b"one"), false);
    let reply = caller.answer(id).await;
    assert_eq!((reply.status().0, reply.message(), reply.reset), (0, "enough".into(), Some(0)));
    // The rest of the request crosses the reset.
    caller.body(id, &message(&[7; 100_000]), true);
    let next = caller.call("Up", b"");
    assert_eq!(caller.answer(next).await.message(), "enough");
}

#[tokio::test(start_paused = true)]
async fn json_calls_reach_the_service_as_json_and_are_answered_as_json() {
    struct Codecs;
    impl Service for Codecs {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            &ALL
        }
        fn call(&self, _: usize, _: Context, _: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
            Box::pin(async move { Ok(Body::Message(format!("{codec:?}").into())) })
        }
    }
    let mut caller = caller_of(&Server::default().add(Codecs).share().unwrap());
    for (content_type, codec, answer) in [
        ("application/grpc", "Protobuf", "application/grpc"),
        ("application/grpc+proto", "Protobuf", "application/grpc"),
        ("application/grpc;charset=utf-8", "Protobuf", "application/grpc"),
        ("application/grpc+json", "Json", "application/grpc+json"),
    ] {
        let id = caller.call_with("One", &[("content-type", content_type)], b"{}");
        let reply = caller.answer(id).await;
        assert_eq!((reply.message(), reply.field("content-type")), (codec.into(), Some(answer)));
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_compression_is_refused_and_a_marked_message_needs_one() {
    let mut caller = caller(Limits::default());
    let id = caller.call_with("Echo", &[("grpc-encoding", "snappy")], b"x");
    assert_eq!(caller.answer(id).await.status().0, UNIMPLEMENTED);
    let id = caller.open("Echo");
    caller.body(id, &[1, 0, 0, 0, 1, 7], true);
    let (code, text) = caller.answer(id).await.status_owned();
    assert!(code == INTERNAL && text.contains("the headers name no compression"), "{text}");
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn compressed_messages_pass_both_ways() {
    use crate::codec::Compression;
    for algorithm in Compression::available() {
        let mut server = Server { compression: Some(*algorithm), ..Server::default() }.add(Probe);
        let mut caller = caller_of(&server.share().unwrap());
        let long = vec![7; 50_000];
        let mut body = BytesMut::new();
        encode_message(&mut body, 1, &algorithm.compress(&long).unwrap());
        for (accepts, is_compressed) in [("identity", false), ("br, gzip,lz4,zstd", true)] {
            let more = [("grpc-encoding", algorithm.name()), ("grpc-accept-encoding", accepts)];
            let id = caller.open_with("Echo", &more, 0);
            caller.body(id, &body, true);
            let reply = caller.answer(id).await;
            let (flags, message) = reply.messages().remove(0);
            assert_eq!((flags == 1, message.len() < 1000), (is_compressed, is_compressed), "{algorithm}");
            assert_eq!(reply.field("grpc-encoding"), is_compressed.then_some(algorithm.name()));
            // A short message is sent as it is.
            let id = caller.call_with("Echo", &more, b"short");
            assert_eq!(caller.answer(id).await.messages(), [(0, "short".into())]);
        }
        // A bomb ends its call at the limit.
        let bomb = algorithm.compress(&vec![0; 20 << 20]).unwrap();
        let mut body = BytesMut::new();
        encode_message(&mut body, 1, &bomb);
        let id = caller.open_with("Echo", &[("grpc-encoding", algorithm.name())], 0);
        caller.body(id, &body, true);
        assert_eq!(caller.answer(id).await.status().0, EXHAUSTED, "{algorithm}");
    }
}

#[tokio::test(start_paused = true)]
async fn call_split_anywhere_is_answered() {
    let mut template = Caller::of(raw::peer(Limits::default()));
    let head = template.headers(1, 0, &grpc_fields("Echo"));
    let data = frame(kind::DATA, flag::END_STREAM, 1, &message(b"whole"));
    let whole = [&PREFACE[..], &settings(&[]), &head, &data].concat();
    for cut in 1..whole.len() {
        let mut caller = Caller::of(raw::peer(Limits::default()));
        caller.send(&whole[..cut]);
        tokio::task::yield_now().await;
        caller.send(&whole[cut..]);
        assert_eq!(caller.answer(1).await.message(), "whole", "cut at {cut}");
    }
    let mut caller = Caller::of(raw::peer(Limits::default()));
    for byte in whole {
        caller.send(&[byte]);
        tokio::task::yield_now().await;
    }
    assert_eq!(caller.answer(1).await.message(), "whole");
}

#[tokio::test(start_paused = true)]
async fn overloaded_server_refuses_with_the_limits_name_and_not_run() {
    let mut caller = caller(Limits { in_flight_max: 2, ..Limits::default() });
    let hanging = [caller.call("Hang", b""), caller.call("Hang", b"")];
    let third = caller.call("Echo", b"");
    assert_eq!(caller.answer(third).await.reset, Some(ErrorCode::RefusedStream as u32));
    caller.send(&reset(hanging[0]));
    caller.is_served().await;
    // The interceptors of the server see a call as well.
    let refuses = crate::intercept_fn(|_, _, _| async { Err(Status::permission_denied("not you")) });
    let mut server = Server::default().add(All::echo());
    server.interceptors.push(Arc::new(refuses));
    let mut caller = caller_of(&server.share().unwrap());
    let id = caller.call("One", b"");
    assert_eq!(caller.answer(id).await.status(), (Code::PermissionDenied as u16, "not you"));
}

#[tokio::test(start_paused = true)]
async fn reply_larger_than_every_buffer_is_sent_without_another_frame_of_the_caller() {
    let replies = All::new(|_, _| async { Ok(Body::Message(Bytes::from(vec![7; 10 << 20]))) });
    let mut caller = caller_of(&Server::default().add(replies).share().unwrap());
    let id = caller.call("One", b"");
    assert_eq!(caller.answer(id).await.message().len(), 10 << 20);
    let streams =
        All::new(|_, _| async { Ok(Body::Stream(Streaming::of((0..20).map(|_| Bytes::from(vec![7; 1 << 20]))))) });
    let mut caller = caller_of(&Server::default().add(streams).share().unwrap());
    let id = caller.call("Down", b"");
    assert_eq!(caller.answer(id).await.messages().len(), 20);
}
