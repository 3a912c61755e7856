//! Tests of the dialects of the web on HTTP/1.1 and HTTP/2, byte by byte: gRPC-Web, Connect, JSON, pages and CORS.

use std::sync::Arc;

use bytes::BytesMut;

use super::dialects::*;
use super::http::{Answer, Ask};
use super::http2_client::{Http2Client, VERSIONS, Version, ask};
use super::limits::ms;
use super::raw::peer_of;
use super::*;
use crate::codec::Compression;
use crate::method::Placement;
use crate::protocol::http::content_type::Dialect;
use crate::protocol::http::grpc;
use crate::server::Cors;
use crate::streaming::Streaming;

static WEB: ServiceDescriptor = ServiceDescriptor {
    name: "test.Web",
    methods: &[
        MethodDescriptor::new("Read", "test.Web/Read", MethodKind::Unary, Idempotency::NoSideEffects),
        unary("Fail", "test.Web/Fail"),
        stream("Tell", "test.Web/Tell", MethodKind::ServerStreaming),
        stream("Gather", "test.Web/Gather", MethodKind::ClientStreaming),
        stream("Talk", "test.Web/Talk", MethodKind::Bidirectional),
    ],
    files: &[],
};

/// A service that shows what a request brought: its metadata `key` becomes the reply metadata `head` and the trailer `tail`.
struct Web;

impl Service for Web {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WEB
    }

    fn call(&self, method: usize, context: Context, request: Body, _codec: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move {
            if let Some(value) = context.metadata().value("key") {
                context.reply_metadata().append("head", value)?;
                context.trailer().append("tail", value)?;
                context.trailer().append("tail-bin", [0, 255])?;
            }
            match &*WEB.methods[method].name {
                "Fail" => {
                    let status = Status::failed_precondition("no \"good\"\nä").with_retry_after(ms(1500));
                    Err(status)
                }
                "Tell" => {
                    let message = request.into_message()?;
                    let replies = (1..=3).map(move |count| Bytes::from(message.repeat(count)));
                    Ok(Body::Stream(Streaming::of(replies)))
                }
                "Gather" => {
                    let (mut requests, mut all) = (request.into_stream(), BytesMut::new());
                    while let Some(request) = requests.next().await {
                        all.extend_from_slice(&request?);
                    }
                    Ok(Body::Message(all.freeze()))
                }
                _ => Ok(request),
            }
        })
    }
}

fn server(limits: Limits) -> Server {
    let placement = [PROBE.name, WEB.name].into_iter().map(|name| (name.to_owned(), Placement::Inline)).collect();
    Server { limits, placement, ..Server::default() }.add(Probe).add(Web)
}

fn shared(limits: Limits) -> Arc<Shared> {
    server(limits).share().unwrap()
}

#[tokio::test(start_paused = true)]
async fn unary_calls_are_answered_in_every_dialect() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for content in UNARY {
            for message in [&b"hello"[..], b"", &[7; 100_000]] {
                let outcome = made(&shared, version, content, "test.Web/Read", &[message]).await;
                assert_eq!(
                    (outcome.code(), outcome.messages),
                    (Code::Ok, vec![message.to_vec()]),
                    "{version:?} {content:?}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_answered_in_every_dialect_that_has_them() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for content in STREAMS {
            let told = made(&shared, version, content, "test.Web/Tell", &[b"ab"]).await;
            assert_eq!(told.messages, [&b"ab"[..], b"abab", b"ababab"], "{version:?} {content:?}");
            let gathered = made(&shared, version, content, "test.Web/Gather", &[b"one", b"", b"two"]).await;
            assert_eq!((gathered.code(), gathered.messages), (Code::Ok, vec![b"onetwo".to_vec()]));
            let nothing = made(&shared, version, content, "test.Web/Gather", &[]).await;
            assert_eq!((nothing.code(), nothing.messages), (Code::Ok, vec![Vec::new()]));
            let talked = made(&shared, version, content, "test.Web/Talk", &[b"x", b"yz"]).await;
            assert_eq!((talked.code(), talked.messages), (Code::Ok, vec![b"x".to_vec(), b"yz".to_vec()]));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_travels_both_ways_in_every_dialect() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for (content, path) in
            UNARY.map(|content| (content, "Read")).into_iter().chain(STREAMS.map(|content| (content, "Tell")))
        {
            let request = call(content, &format!("test.Web/{path}"), &[b"x"]).with("key", "value");
            let outcome = read(content, &ask(&shared, version, &request).await);
            let shown = format!("{version:?} {content:?} {outcome:?}");
            assert_eq!(outcome.head.text("head"), Some("value"), "{shown}");
            assert_eq!(outcome.trailer.text("tail"), Some("value"), "{shown}");
            assert_eq!(outcome.trailer.value("tail-bin"), Some(&[0, 255][..]), "{shown}");
            let broken = call(content, &format!("test.Web/{path}"), &[b"x"]).with("x-bin", "!");
            let outcome = read(content, &ask(&shared, version, &broken).await);
            assert_eq!(outcome.code(), Code::InvalidArgument, "{outcome:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_carry_code_message_details_and_trailer_in_every_dialect() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for content in UNARY {
            let request = call(content, "test.Web/Fail", &[b"x"]).with("key", "value");
            let answer = ask(&shared, version, &request).await;
            let outcome = read(content, &answer);
            let status = outcome.error.as_ref().unwrap();
            assert_eq!((status.code(), status.message()), (Code::FailedPrecondition, "no \"good\"\nä"), "{content:?}");
            assert_eq!(status.retry_after(), Some(ms(1500)), "{content:?}");
            assert_eq!(outcome.trailer.text("tail"), Some("value"));
            if !is_framed(content) {
                assert_eq!((answer.status, answer.field("retry-after")), (400, Some("2")));
            }
            let panicked = made(&shared, version, content, "test.Probe/Panic", &[b""]).await;
            assert_eq!((panicked.code(), panicked.message()), (Code::Internal, "the handler panicked"));
            let unknown = made(&shared, version, content, "test.Web/Nothing", &[b""]).await;
            assert_eq!(unknown.code(), Code::Unimplemented);
            assert!(unknown.message().contains("test.Web has no such method"), "{unknown:?}");
        }
        for content in STREAMS {
            for (how, code) in [(&b"fail"[..], Code::DataLoss), (b"panic", Code::Internal), (b"drop", Code::Aborted)] {
                let broken = made(&shared, version, content, "test.Probe/Break", &[how]).await;
                assert_eq!((broken.code(), &broken.messages[0][..]), (code, &b"one"[..]), "{content:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_ends_a_call_in_every_dialect() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for content in UNARY {
            let (name, value) = if is_framed(content) { ("grpc-timeout", "70m") } else { ("connect-timeout-ms", "70") };
            let begin = tokio::time::Instant::now();
            let answer = ask(&shared, version, &call(content, "test.Probe/Hang", &[b""]).with(name, value)).await;
            assert_eq!(read(content, &answer).code(), Code::DeadlineExceeded);
            assert!((70..75).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
            let answer = ask(&shared, version, &call(content, "test.Web/Read", &[b""]).with(name, "soon")).await;
            let outcome = read(content, &answer);
            assert_eq!(outcome.code(), Code::InvalidArgument);
            assert!(outcome.message().starts_with(name), "{outcome:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn message_bytes_max_limits_requests_and_replies_in_every_dialect() {
    let shared = shared(Limits { message_bytes_max: 1000, ..Limits::default() });
    for version in VERSIONS {
        for content in UNARY {
            let within = made(&shared, version, content, "test.Web/Read", &[&[7; 1000]]).await;
            assert_eq!(within.code(), Code::Ok, "{within:?}");
            for size in [1001, 300_000] {
                let beyond = made(&shared, version, content, "test.Web/Read", &[&vec![7; size]]).await;
                assert_eq!(beyond.code(), Code::ResourceExhausted, "{version:?} {content:?} {beyond:?}");
                assert!(beyond.message().contains("message_bytes_max 1000"), "{beyond:?}");
            }
            let large = made(&shared, version, content, "test.Probe/Large", &[b""]).await;
            assert_eq!(large.code(), Code::ResourceExhausted);
            assert!(large.message().contains("the reply of 65536 bytes"), "{large:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_bytes_max_and_in_flight_max_limit_calls_in_every_dialect() {
    for version in VERSIONS {
        for content in UNARY {
            let narrow = shared(Limits { metadata_bytes_max: 10, ..Limits::default() });
            let request = call(content, "test.Web/Read", &[b"x"]).with("key", "a long value");
            let outcome = read(content, &ask(&narrow, version, &request).await);
            assert_eq!(outcome.code(), Code::ResourceExhausted);
            assert!(outcome.message().contains("metadata_bytes_max 10"), "{outcome:?}");
            let none = shared(Limits { in_flight_max: 0, ..Limits::default() });
            if version == Version::Http1 {
                let outcome = made(&none, version, content, "test.Web/Read", &[b"x"]).await;
                assert_eq!(outcome.code(), Code::ResourceExhausted);
                assert!(outcome.message().contains("in_flight_max 0"), "{outcome:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_are_compressed_both_ways_in_every_dialect() {
    let message = vec![7; 20_000];
    for algorithm in Compression::available() {
        let mut server = server(Limits::default());
        server.compression = Some(*algorithm);
        let shared = server.share().unwrap();
        let short = algorithm.compress(&message).unwrap();
        for version in VERSIONS {
            for content in UNARY.into_iter().chain([CONNECT_STREAM]) {
                let path = if content.dialect == Dialect::ConnectStream { "test.Web/Tell" } else { "test.Web/Read" };
                let mut request = call(content, path, &[&short]);
                if is_framed(content) {
                    request.body = framed(content, grpc::flag::COMPRESSED, &[&short]);
                }
                let accept = format!("br;q=1.0, {};q=0.5", algorithm.name());
                let request =
                    request.with(encoding_field(content), algorithm.name()).with(accept_field(content), &accept);
                let answer = ask(&shared, version, &request).await;
                assert_eq!(answer.field(encoding_field(content)), Some(algorithm.name()), "{version:?} {content:?}");
                assert!(answer.body.len() < message.len() / 2);
                assert_eq!(read(content, &answer).messages[0], message);
                let plain = ask(&shared, version, &call(content, path, &[&message])).await;
                assert_eq!(plain.field(encoding_field(content)), None);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_compression_is_refused_with_the_known_ones() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for content in UNARY {
            let request = call(content, "test.Web/Read", &[b"x"]).with(encoding_field(content), "br");
            let answer = ask(&shared, version, &request).await;
            let outcome = read(content, &answer);
            assert_eq!(outcome.code(), Code::Unimplemented, "{outcome:?}");
            assert!(answer.field(accept_field(content)).unwrap().starts_with("identity"), "{answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn connect_get_calls_a_method_without_side_effects() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        let get = |query: &str| Ask::new("GET", format!("/test.Web/Read?{query}"));
        let read = ask(&shared, version, &get("connect=v1&encoding=json&message=%7B%22a%22:1%7D")).await;
        assert_eq!((read.status, read.field("content-type")), (200, Some("application/json")));
        assert_eq!(read.text(), "{\"a\":1}");
        let read = ask(&shared, version, &get("encoding=proto&base64=1&message=_w")).await;
        assert_eq!((read.status, &read.body[..]), (200, &[255][..]));
        for (query, status, part) in [
            ("encoding=json", 400, "no parameter message"),
            ("encoding=yaml&message=x", 415, "encoding=json"),
            ("connect=v2&encoding=json&message=x", 400, "another version"),
            ("encoding=json&message=x&compression=br", 501, "not known here"),
        ] {
            let answer = ask(&shared, version, &get(query)).await;
            assert_eq!(answer.status, status, "{query}");
            assert!(answer.text().contains(part), "{query}: {}", answer.text());
        }
        let answer = ask(&shared, version, &Ask::new("GET", "/test.Web/Fail?encoding=json&message=x")).await;
        assert_eq!((answer.status, answer.field("allow")), (405, Some("POST")));
    }
}

#[tokio::test(start_paused = true)]
async fn request_that_no_dialect_takes_is_answered_with_text() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for (request, status, part) in [
            (Ask::new("GET", "/nothing"), 404, "/package.Service/Method"),
            (Ask::new("GET", "/test.Nobody/Read"), 404, "no such service: test.Nobody"),
            (Ask::new("PUT", "/test.Web/Read"), 405, "A call is a POST"),
            (Ask::new("DELETE", "/"), 405, "GET"),
            (Ask::post("/test.Web/Read", "text/plain", "x"), 415, "application/json"),
            (Ask { body: b"x".to_vec(), ..Ask::new("POST", "/test.Web/Read") }, 415, "application/json"),
            (Ask::post("/test.Web/Tell", "application/json", "x"), 415, "application/connect+json"),
            (Ask::post("/test.Web/Read", "application/connect+proto", "x"), 415, "application/json"),
            (Ask::post("/nothing", "text/plain", "x"), 404, "/package.Service/Method"),
        ] {
            let answer = ask(&shared, version, &request).await;
            assert_eq!(answer.status, status, "{version:?} {request:?}");
            assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
            assert!(answer.text().contains(part), "{}", answer.text());
            assert_eq!(answer.field("allow").is_some(), status == 405);
            assert_eq!(answer.field("accept-post").is_some(), status == 415);
        }
    }
    let grpc = ask(&shared, Version::Http1, &Ask::post("/test.Web/Read", "application/grpc", "")).await;
    assert_eq!(grpc.status, 505);
    assert!(grpc.text().contains("gRPC needs HTTP/2"), "{}", grpc.text());
    assert_eq!(shared.stats().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn pages_show_health_and_methods() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        let health = ask(&shared, version, &Ask::new("GET", "/healthz")).await;
        assert_eq!((health.status, health.text().as_str()), (200, "serving\n"));
        let index = ask(&shared, version, &Ask::new("GET", "/?x=1")).await;
        assert_eq!((index.status, index.field("content-type")), (200, Some("text/html; charset=utf-8")));
        assert!(index.text().contains("<li><code>/test.Web/Tell</code> returns a stream</li>"), "{}", index.text());
        let head = ask(&shared, version, &Ask::new("HEAD", "/")).await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.field("content-length"), index.field("content-length"));
    }
    let mut server = server(Limits::default());
    let health = server.health.clone().unwrap();
    let warming = server.share().unwrap();
    health.set_serving("", false);
    assert_eq!(ask(&warming, Version::Http1, &Ask::new("GET", "/healthz")).await.status, 503);
    health.set_serving("", true);
    assert_eq!(ask(&warming, Version::Http1, &Ask::new("GET", "/healthz")).await.status, 200);
    // The request crosses the announcement of the drain.
    let mut client = Http2Client::new(peer_of(shared.clone(), 1 << 20));
    let before = client.open(&Ask::new("GET", "/healthz"), true);
    assert_eq!(client.answer(before).await.status, 200);
    shared.drain();
    let after = client.open(&Ask::new("GET", "/healthz"), true);
    let health = client.answer(after).await;
    assert_eq!((health.status, health.text().as_str()), (503, "not serving\n"));
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_origins_are_allowed_by_configuration_alone() {
    let preflight = || {
        Ask::new("OPTIONS", "/test.Web/Read")
            .with("origin", "https://app.example.com")
            .with("access-control-request-method", "POST")
            .with("access-control-request-headers", "content-type,connect-protocol-version,key")
    };
    let request = || call(JSON, "test.Web/Read", &[b"{}"]).with("origin", "https://app.example.com").with("key", "v");
    let origins = |origins: &[&str]| {
        let allowed_origins = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let mut server = server(Limits::default());
        server.cors = Cors { allowed_origins, max_age: Duration::from_secs(600) };
        server.share()
    };
    for version in VERSIONS {
        for refusing in [origins(&[]), origins(&["https://other.example.com"])] {
            let refusing = refusing.unwrap();
            let answer = ask(&refusing, version, &preflight()).await;
            assert_eq!((answer.status, answer.field("access-control-allow-origin")), (403, None));
            let answer = ask(&refusing, version, &request()).await;
            assert_eq!((answer.status, answer.field("access-control-allow-origin")), (200, None));
        }
        for (allowing, shown, vary) in [
            (origins(&["*"]), "*", None),
            (origins(&["http://localhost:5173", "https://app.example.com"]), "https://app.example.com", Some("origin")),
        ] {
            let allowing = allowing.unwrap();
            let answer = ask(&allowing, version, &preflight()).await;
            assert_eq!((answer.status, answer.body.len()), (204, 0));
            assert_eq!(answer.field("access-control-allow-origin"), Some(shown));
            assert_eq!(answer.field("access-control-allow-methods"), Some("GET, POST"));
            assert_eq!(answer.field("access-control-max-age"), Some("600"));
            let names = answer.field("access-control-allow-headers");
            assert_eq!(names, Some("content-type,connect-protocol-version,key"));
            let answer = ask(&allowing, version, &request()).await;
            assert_eq!(answer.field("access-control-allow-origin"), Some(shown));
            let exposed = answer.field("access-control-expose-headers");
            assert_eq!(exposed, Some("head, trailer-tail, trailer-tail-bin"));
            assert_eq!(answer.field("vary"), vary);
        }
    }
    for wrong in ["app.example.com", "https://app.example.com/", "", "https://"] {
        let error = origins(&[wrong]).err().unwrap();
        assert!(error.to_string().contains("cors.allowed_origins"), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn fields_of_browsers_are_no_metadata() {
    struct Keys;
    impl crate::service::RawService for Keys {
        fn call(&self, context: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
            let keys: Vec<&str> = context.metadata().iter().map(|(key, _)| key).collect();
            let keys = keys.join(",");
            Box::pin(async move { Ok(Body::Message(keys.into())) })
        }
    }
    let mut server = server(Limits::default());
    server.fallback = Some(Arc::new(Keys));
    let shared = server.share().unwrap();
    for version in VERSIONS {
        let mut request = call(CONNECT_PROTO, "test.Other/Keys", &[b""]);
        for name in ["accept", "user-agent", "origin", "referer", "sec-fetch-mode", "x-grpc-web", "accept-language"] {
            request = request.with(name, "x");
        }
        let answer = ask(&shared, version, &request.with("authorization", "x").with("key", "x")).await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "authorization,key"), "{version:?}");
        let json = ask(&shared, version, &call(JSON, "test.Other/Keys", &[b"{}"])).await;
        assert_eq!(read(JSON, &json).code(), Code::Unimplemented, "{json:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn method_with_one_message_refuses_none_and_two() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for content in [GRPC_WEB, GRPC_WEB_TEXT] {
            for (messages, part) in [(&[][..], "none was sent"), (&[&b"a"[..], b"b"], "more were sent")] {
                let outcome = made(&shared, version, content, "test.Web/Read", messages).await;
                assert_eq!(outcome.code(), Code::InvalidArgument);
                assert!(outcome.message().contains(part), "{outcome:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn damaged_bodies_fail_with_a_reason() {
    let shared = shared(Limits::default());
    for version in VERSIONS {
        for (content, path, body, part) in [
            (GRPC_WEB, "Read", &b"\0\0\0\0\x05abc"[..], "3 of the 5 bytes"),
            (GRPC_WEB, "Read", b"\0\0", "2 bytes of the prefix"),
            (GRPC_WEB, "Read", b"\x01\0\0\0\x01a", "the headers name no compression"),
            (GRPC_WEB, "Read", b"\x40\0\0\0\x01a", "unknown flags 0x40"),
            (GRPC_WEB_TEXT, "Read", b"!!!!", "not base64"),
            (GRPC_WEB_TEXT, "Read", b"AAA", "cut off"),
            (CONNECT_STREAM, "Gather", b"\0\0\0\0\x05abc", "3 of the 5 bytes"),
        ] {
            let request = Ask::post(format!("/test.Web/{path}"), content.name(), body);
            let outcome = read(content, &ask(&shared, version, &request).await);
            assert!(outcome.message().contains(part), "{version:?} {part}: {outcome:?}");
        }
    }
    assert_eq!(ask(&shared, Version::Http1, &call(JSON, "test.Web/Read", &[b"on"])).await.text(), "on");
}

#[tokio::test(start_paused = true)]
async fn messages_of_a_stream_are_sent_as_they_come_over_http2() {
    let shared = shared(Limits::default());
    for content in [CONNECT_STREAM, GRPC_WEB, GRPC_WEB_TEXT] {
        let mut client = Http2Client::new(peer_of(shared.clone(), 1 << 20));
        let stream = client.open(&call(content, "test.Web/Talk", &[b"one"]), false);
        let first = framed(content, 0, &[b"one"]);
        let answer = client.read_until(stream, |answer, _| !answer.body.is_empty()).await;
        assert_eq!(answer.body, first);
        client.send(stream, &framed(content, 0, &[b"two"]), false);
        let both = first.len() * 2;
        let answer = client.read_until(stream, |answer, _| answer.body.len() >= both).await;
        assert_eq!(answer.body[first.len()..], framed(content, 0, &[b"two"]));
        client.send(stream, b"", true);
        assert_eq!(read(content, &client.answer(stream).await).messages, [&b"one"[..], b"two"]);
    }
}

#[tokio::test(start_paused = true)]
async fn long_streams_pass_the_windows_in_both_directions_over_http2() {
    let shared = shared(Limits::default());
    let message = vec![7; 50_000];
    for content in [CONNECT_STREAM, GRPC_WEB_TEXT] {
        let messages: Vec<&[u8]> = (0..100).map(|_| &message[..]).collect();
        let talked = made(&shared, Version::Http2, content, "test.Web/Talk", &messages).await;
        assert_eq!((talked.code(), talked.messages.len()), (Code::Ok, 100));
        assert!(talked.messages.iter().all(|reply| *reply == message));
    }
}

#[tokio::test(start_paused = true)]
async fn reset_stream_cancels_its_call_and_releases_what_it_held_over_http2() {
    let shared = shared(Limits::default());
    let mut client = Http2Client::new(peer_of(shared.clone(), 1 << 20));
    // The client opens one stream until it has read the settings of the server.
    let _ = timeout(ms(1), client.answer(0)).await;
    let hanging = client.open(&call(JSON, "test.Probe/Hang", &[b"{}"]), true);
    let waiting: Vec<u32> = [(JSON, "Read"), (GRPC_WEB, "Read"), (CONNECT_STREAM, "Gather")]
        .map(|(content, path)| {
            let mut request = call(content, &format!("test.Web/{path}"), &[&[7; 50_000]]);
            request.body.truncate(40_000);
            client.open(&request, false)
        })
        .to_vec();
    // The windows open once the client has read the settings of the server.
    let _ = timeout(ms(1), client.answer(0)).await;
    assert!(shared.stats().memory_bytes >= 120_000, "{:?}", shared.stats());
    for stream in waiting.into_iter().chain([hanging]) {
        client.reset(stream);
    }
    sleep(ms(1)).await;
    assert_eq!((shared.stats().memory_bytes, shared.stats().calls_cancelled), (0, 2));
    let stream = client.open(&call(JSON, "test.Web/Read", &[b"on"]), true);
    assert_eq!(client.answer(stream).await.text(), "on");
}

#[tokio::test(start_paused = true)]
async fn overloaded_server_refuses_in_every_dialect() {
    let mut server = server(Limits { queue_calls_max: 0, ..Limits::default() });
    server.placement = [(WEB.name.to_owned(), Placement::Spread)].into();
    let shared = server.share().unwrap();
    for version in VERSIONS {
        for content in UNARY {
            let answer = ask(&shared, version, &call(content, "test.Web/Read", &[b"x"])).await;
            let outcome = read(content, &answer);
            assert_eq!(outcome.code(), Code::ResourceExhausted, "{outcome:?}");
            assert!(outcome.message().contains("queue_calls_max 0"), "{outcome:?}");
            if !is_framed(content) {
                assert_eq!((answer.status, answer.field("retry-after")), (429, Some("1")));
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn refusal_waits_for_the_end_of_the_request_over_http2() {
    let shared = shared(Limits::default());
    let mut client = Http2Client::new(peer_of(shared.clone(), 8 << 20));
    let stream = client.open(&call(JSON, "test.Web/Nothing", &[b"{"]), false);
    sleep(ms(1)).await;
    client.send(stream, b"}", true);
    assert_eq!(client.answer(stream).await.status, 404);
    // A body without an end is not waited for.
    let stream = client.open(&call(JSON, "test.Web/Nothing", &[b"{"]), false);
    for _ in 0..20 {
        client.send(stream, &[b' '; 16 << 10], false);
        sleep(ms(1)).await;
    }
    assert_eq!(client.answer(stream).await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn request_that_does_not_go_on_is_answered_after_read_timeout_over_http2() {
    let shared = shared(Limits::default());
    let mut client = Http2Client::new(peer_of(shared.clone(), 1 << 20));
    for (content, path, status) in [(JSON, "Read", 499), (JSON, "Nothing", 404), (GRPC_WEB, "Read", 200)] {
        let begin = tokio::time::Instant::now();
        let mut request = call(content, &format!("test.Web/{path}"), &[b"hello"]);
        request.body.truncate(4);
        let stream = client.open(&request, false);
        let answer = client.answer(stream).await;
        assert_eq!((answer.status, begin.elapsed().as_secs()), (status, 10), "{answer:?}");
        if path == "Read" {
            assert!(read(content, &answer).message().contains("read_timeout 10s"), "{answer:?}");
        }
    }
    assert_eq!(shared.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn handler_does_not_begin_if_the_request_comes_after_its_deadline() {
    let shared = shared(Limits::default());
    let request = call(JSON, "test.Web/Read", &[b"hello"]).with("connect-timeout-ms", "70");
    let late = |answer: &Answer| {
        let outcome = read(JSON, answer);
        assert_eq!(outcome.code(), Code::DeadlineExceeded);
        assert!(outcome.message().contains("before the handler began"), "{outcome:?}");
    };
    let whole = request.http1();
    let mut peer = peer_of(shared.clone(), 1 << 20);
    peer.send(&whole[..whole.len() - 1]);
    sleep(ms(100)).await;
    peer.send(&whole[whole.len() - 1..]);
    late(&super::http::answer(&mut peer, &mut BytesMut::new(), false).await);
    let mut client = Http2Client::new(peer_of(shared.clone(), 1 << 20));
    let stream = client.open(&Ask { body: b"hell".to_vec(), ..request }, false);
    late(&client.answer(stream).await);
}
