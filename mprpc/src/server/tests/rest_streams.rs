//! Tests of streams of replies on HTTP paths, on HTTP/1.1 and HTTP/2: lines of JSON, Server-Sent Events, failures, a slow
//! reader, and a reader that goes away.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::BytesMut;

use super::http::{Ask, take_answer};
use super::http2_client::{Http2Client, VERSIONS, Version, ask};
use super::limits::ms;
use super::raw::peer_of;
use super::rest::{field, message, message_type, rule};
use super::*;
use crate::method::{HttpBody, HttpRule, Placement};
use crate::streaming::Streaming;

static FEED: LazyLock<ServiceDescriptor> =
    LazyLock::new(|| ServiceDescriptor { name: "test.Feed", methods: &METHODS, files: files().leak() });

static METHODS: [MethodDescriptor; 2] = [
    stream("Follow", "test.Feed/Follow", MethodKind::ServerStreaming).bound(&[
        rule("GET", "/v1/follow/{text}", HttpBody::Empty),
        rule("POST", "/v1/follow", HttpBody::Whole),
        rule("*", "/v1/any/{text}", HttpBody::Empty),
        rule("HEAD", "/v1/head", HttpBody::Empty),
        HttpRule { method: "GET", template: "/v1/texts/{text}", body: HttpBody::Empty, response_body: Some("text") },
    ]),
    stream("Talk", "test.Feed/Talk", MethodKind::Bidirectional).bound(&[rule("POST", "/v1/talk", HttpBody::Whole)]),
];

fn files() -> Vec<u8> {
    let post = message_type("Post", &[field("text", 1, 9, "")]);
    let method = |name: &str| message(&[(1, name.as_bytes()), (2, b".test.Post"), (3, b".test.Post")]);
    let methods = ["Follow", "Talk"].map(|name| message(&[(2, &method(name))])).concat();
    let service = [message(&[(1, b"Feed")]), methods].concat();
    message(&[(1, &message(&[(1, b"test/feed.proto"), (2, b"test"), (4, &post), (6, &service)]))])
}

/// The replies that streams without an end have made, and the streams that were dropped.
static MADE: AtomicUsize = AtomicUsize::new(0);
static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct CountsDrop;

impl Drop for CountsDrop {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

const REPLY_BYTES: usize = 10_000;

/// Does what the request says.
struct Feed;

impl Service for Feed {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &FEED
    }

    fn call(&self, _: usize, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move {
            assert_eq!(codec, Codec::Json);
            context.reply_metadata().append("head", "value")?;
            let request = request.into_message()?;
            let says = move |what: &str| request == format!("{{\"text\":\"{what}\"}}");
            if says("refuse") {
                return Err(Status::not_found("no such topic"));
            }
            if says("endless") {
                let guard = CountsDrop;
                let long = Bytes::from(format!("\"{}\"", "x".repeat(REPLY_BYTES)));
                let replies = std::iter::from_fn(move || {
                    let _held = &guard;
                    MADE.fetch_add(1, Ordering::SeqCst);
                    Some(long.clone())
                });
                return Ok(Body::Stream(Streaming::of(replies)));
            }
            let (sender, replies) = Streaming::channel(1);
            tokio::spawn(async move {
                let _counts = CountsDrop;
                for reply in ["{\"text\":\"a\"}", "{}", "{\n\"text\":\"b\"\n}"] {
                    sender.send(Bytes::from_static(reply.as_bytes())).await?;
                }
                match () {
                    () if says("break") => sender.fail(Status::aborted("broken").with_retry_after(ms(1))).await,
                    () if says("wait") => sender.closed().await,
                    () => sender.finish(),
                }
                Ok::<(), Status>(())
            });
            Ok(Body::Stream(replies))
        })
    }
}

fn shared() -> Arc<Shared> {
    let placement = [(FEED.name.to_owned(), Placement::Inline)].into();
    Server { placement, ..Server::default() }.add(Feed).share().unwrap()
}

const LINES: &str = "{\"result\":{\"text\":\"a\"}}\n{\"result\":{}}\n{\"result\":{ \"text\":\"b\" }}\n";
const EVENTS: &str = "data: {\"text\":\"a\"}\n\ndata: {}\n\ndata: { \"text\":\"b\" }\n\n";
const EVENT_STREAM: &str = "text/event-stream";

#[tokio::test(start_paused = true)]
async fn replies_are_lines_or_events() {
    let shared = shared();
    for version in VERSIONS {
        for request in [
            Ask::new("GET", "/v1/follow/x"),
            Ask::post("/v1/follow", "application/json", "{\"text\":\"x\"}"),
            Ask::new("DELETE", "/v1/any/x"),
        ] {
            let answer = ask(&shared, version, &request).await;
            let head = (answer.status, answer.field("content-type"), answer.field("head"));
            assert_eq!(head, (200, Some("application/x-ndjson"), Some("value")), "{version:?}");
            assert_eq!((answer.text(), answer.field("content-length")), (LINES.into(), None));
            let answer = ask(&shared, version, &request.with("accept", EVENT_STREAM)).await;
            assert_eq!(answer.field("content-type"), Some(EVENT_STREAM), "{version:?}");
            assert_eq!(answer.text(), format!("{EVENTS}event: end\ndata: {{}}\n\n"));
        }
        let answer = ask(&shared, version, &Ask::new("GET", "/v1/texts/x")).await;
        assert_eq!(answer.text(), "{\"result\":\"a\"}\n{\"result\":\"\"}\n{\"result\":\"b\"}\n");
    }
}

#[tokio::test(start_paused = true)]
async fn failure_is_a_status_before_the_first_reply_and_a_line_behind_it() {
    let shared = shared();
    for version in VERSIONS {
        for accept in ["*/*", EVENT_STREAM] {
            let get = async |path: &str| ask(&shared, version, &Ask::new("GET", path).with("accept", accept)).await;
            let refused = get("/v1/follow/refuse").await;
            assert_eq!((refused.status, refused.field("content-type")), (404, Some("application/json")));
            assert_eq!(refused.text(), "{\"code\":\"not_found\",\"message\":\"no such topic\"}");
            let wrong = get("/v1/follow/x?other=1").await;
            assert_eq!((wrong.status, wrong.text().contains("other")), (400, true), "{wrong:?}");
            let broken = get("/v1/follow/break").await;
            assert_eq!(broken.status, 200);
            let error = r#""error":{"code":"aborted","message":"broken""#;
            let end = match accept {
                EVENT_STREAM => format!("{EVENTS}event: end\ndata: {{{error}"),
                _ => format!("{LINES}{{{error}"),
            };
            assert!(broken.text().starts_with(&end), "{}", broken.text());
        }
        let late = Ask::new("GET", "/v1/follow/wait").with("connect-timeout-ms", "70");
        let late = ask(&shared, version, &late).await;
        assert!(late.text().starts_with(&format!("{LINES}{{\"error\":{{\"code\":\"deadline_exceeded\"")), "{late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_stream_cannot_answer_is_refused() {
    let shared = shared();
    for version in VERSIONS {
        for (path, allow) in [("/v1/follow/x", "GET"), ("/v1/any/x", "DELETE, GET, PATCH, POST, PUT")] {
            let answer = ask(&shared, version, &Ask::new("HEAD", path)).await;
            assert_eq!((answer.status, answer.field("allow")), (405, Some(allow)), "{path}");
        }
        assert_eq!(ask(&shared, version, &Ask::new("HEAD", "/v1/head")).await.status, 404);
        let answer = ask(&shared, version, &Ask::post("/v1/talk", "application/json", "{}")).await;
        assert_eq!(answer.status, 501);
        assert!(answer.text().contains("a method that takes a stream has no HTTP paths"), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn replies_arrive_before_the_stream_ends_and_a_reader_that_leaves_cancels_it() {
    let shared = shared();
    let request = Ask::new("GET", "/v1/follow/wait");
    let dropped = DROPPED.load(Ordering::SeqCst);
    let mut peer = peer_of(shared.clone(), 64 << 10);
    peer.send(&request.http1());
    let mut input = BytesMut::new();
    while !input.ends_with(b"\"text\":\"b\" }}\n\r\n") {
        assert!(peer.read_some(&mut input).await > 0);
    }
    assert!(take_answer(&mut input, false, false).is_none(), "the stream goes on");
    drop(peer);
    let mut client = Http2Client::new(peer_of(shared.clone(), 64 << 10));
    let stream = client.open(&request, true);
    client.read_until(stream, |answer, _| answer.text() == LINES).await;
    client.reset(stream);
    sleep(ms(1)).await;
    assert_eq!(shared.stats().calls_cancelled, 2);
    assert!(DROPPED.load(Ordering::SeqCst) >= dropped + 2, "both handlers have ended");
}

#[tokio::test(start_paused = true)]
async fn stream_waits_for_a_reader_that_does_not_read() {
    let limits = Limits::default();
    let shared = shared();
    for version in VERSIONS {
        MADE.store(0, Ordering::SeqCst);
        let request = Ask::new("GET", "/v1/follow/endless");
        let mut peer = peer_of(shared.clone(), 64 << 10);
        let made = async || {
            sleep(ms(10)).await;
            MADE.load(Ordering::SeqCst) * REPLY_BYTES
        };
        // What the pipe, the buffers and the windows hold, and some replies more.
        let most = limits.send_buffer_bytes_max + (2 << 20);
        match version {
            Version::Http1 => {
                peer.send(&request.http1());
                let before = made().await;
                assert!(before > 0 && before < most, "{before}");
                assert_eq!(made().await, before);
                while MADE.load(Ordering::SeqCst) * REPLY_BYTES < 2 * before {
                    peer.read_some(&mut BytesMut::new()).await;
                }
            }
            Version::Http2 => {
                let mut client = Http2Client::new(peer);
                let stream = client.open(&request, true);
                let before = made().await;
                assert!(before > 0 && before < most, "{before}");
                assert_eq!(made().await, before);
                client.read_until(stream, |answer, _| answer.body.len() > 2 * before).await;
            }
        }
    }
}
