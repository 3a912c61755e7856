//! Tests of direct calls between a caller and a server in one process: they behave like calls over a connection.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[cfg(feature = "tls")]
#[path = "support/certificates.rs"]
mod certificates;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mprpc::{
    Body, BoxFuture, Bytes, Channel, ChannelOptions, Code, Codec, Context, Idempotency, Limits, Metadata,
    MethodDescriptor, MethodKind, Next, Phase, Ran, RawClient, Server, ServerHandle, Service, ServiceDescriptor,
    Status, Streaming, intercept_fn,
};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

const fn method(name: &'static str, path: &'static str, kind: MethodKind) -> MethodDescriptor {
    MethodDescriptor::new(name, path, kind, Idempotency::Unknown)
}

static NEAR: ServiceDescriptor = ServiceDescriptor {
    name: "test.Near",
    methods: &[
        method("Echo", "test.Near/Echo", MethodKind::Unary),
        method("Where", "test.Near/Where", MethodKind::Unary),
        method("Peer", "test.Near/Peer", MethodKind::Unary),
        method("Fail", "test.Near/Fail", MethodKind::Unary),
        method("FailOk", "test.Near/FailOk", MethodKind::Unary),
        method("PassOn", "test.Near/PassOn", MethodKind::Unary),
        method("Panic", "test.Near/Panic", MethodKind::Unary),
        method("PanicInDrop", "test.Near/PanicInDrop", MethodKind::Unary),
        method("Large", "test.Near/Large", MethodKind::Unary),
        method("Beside", "test.Near/Beside", MethodKind::Unary),
        method("Hang", "test.Near/Hang", MethodKind::Unary),
        method("Sleep", "test.Near/Sleep", MethodKind::Unary),
        method("Left", "test.Near/Left", MethodKind::Unary),
        method("Deeper", "test.Near/Deeper", MethodKind::Unary),
        method("Count", "test.Near/Count", MethodKind::ServerStreaming),
        method("Talk", "test.Near/Talk", MethodKind::Bidirectional),
    ],
    files: &[],
};

/// An event that a handler of `Near` reports.
#[derive(Debug, PartialEq)]
enum Event {
    Dropped { cancelled: bool },
    Slept,
    Counted(u8),
}

struct Near {
    events: mpsc::UnboundedSender<Event>,
    /// A client of this service itself, which `Deeper` uses.
    deeper: Arc<Mutex<Option<RawClient>>>,
}

struct TellsDrop(Context, mpsc::UnboundedSender<Event>);

impl Drop for TellsDrop {
    fn drop(&mut self) {
        let _ = self.1.send(Event::Dropped { cancelled: self.0.is_cancelled() });
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("a bug in a handler's clean-up");
    }
}

impl Service for Near {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &NEAR
    }

    fn call(&self, method: usize, cx: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let (events, deeper) = (self.events.clone(), self.deeper.clone());
        Box::pin(async move {
            if NEAR.methods[method].name == "Talk" {
                return Ok(Body::Stream(request.into_stream()));
            }
            let message = request.into_message()?;
            let text = |text: String| Ok(Body::Message(text.into()));
            match &*NEAR.methods[method].name {
                "Where" => text(format!("{:?}", std::thread::current().id())),
                "Peer" => text(format!("{:?}", cx.peer().unwrap())),
                "Fail" => {
                    let mut trailer = Metadata::new();
                    trailer.append("cost", "7").unwrap();
                    let status = Status::not_found("no such user").with_trailer(trailer);
                    Err(status.with_retry_after(Duration::from_secs(3)))
                }
                "FailOk" => Err(Status::new(Code::Ok, "what a handler should not do")),
                "PassOn" => Err(Status::unavailable("its own callee is gone").with_ran(Ran::No)),
                "Panic" => panic!("a handler's bug"),
                "PanicInDrop" => {
                    let _panics = PanicsInDrop;
                    std::future::pending().await
                }
                "Large" => Ok(Body::Message(vec![7; 3000].into())),
                "Beside" => {
                    let asked = cx.metadata().text("asked").unwrap_or("nothing").to_owned();
                    cx.reply_metadata().append("before", asked.as_str()).unwrap();
                    cx.trailer().append("behind", asked).unwrap();
                    if message.is_empty() { Ok(Body::Message(message)) } else { Err(Status::aborted("asked to fail")) }
                }
                "Hang" => {
                    let _tells = TellsDrop(cx, events);
                    std::future::pending().await
                }
                "Sleep" => {
                    sleep(Duration::from_secs(1)).await;
                    let _ = events.send(Event::Slept);
                    Ok(Body::Message(message))
                }
                "Left" => {
                    let current = Context::current().unwrap();
                    assert_eq!((current.deadline(), &*current.method().path), (cx.deadline(), "test.Near/Left"));
                    text(format!("{:?}", cx.deadline().remaining(Instant::now().into_std())))
                }
                "Deeper" => {
                    let depth = message.first().copied().unwrap_or(0);
                    let client = deeper.lock().unwrap().clone().unwrap();
                    if depth == 0 {
                        panic!("at the bottom");
                    }
                    let reply = client.unary("Deeper", vec![depth - 1]).await;
                    Err(reply.err().unwrap())
                }
                "Count" => {
                    let bytes = message.first().map_or(16 << 10, |bytes| usize::from(*bytes));
                    let count = (0..200u8).map(move |number| {
                        let _ = events.send(Event::Counted(number));
                        Ok(Bytes::from(vec![number; bytes]))
                    });
                    Ok(Body::Stream(Streaming::new(futures_util::stream::iter(count))))
                }
                _ => Ok(Body::Message(message)),
            }
        })
    }
}

struct TestBed {
    running: ServerHandle,
    address: String,
    events: mpsc::UnboundedReceiver<Event>,
    deeper: Arc<Mutex<Option<RawClient>>>,
}

fn near() -> (Near, mpsc::UnboundedReceiver<Event>) {
    let (events, told) = mpsc::unbounded_channel();
    (Near { events, deeper: Arc::default() }, told)
}

fn serve(listen: &str, server: Server) -> TestBed {
    let (service, events) = near();
    let deeper = service.deeper.clone();
    let server = Server { listen: vec![listen.parse().unwrap()], ..server };
    let running = server.add(service).serve().unwrap();
    let address = running.addresses()[0].to_string();
    TestBed { running, address, events, deeper }
}

fn client_with(target: &str, options: ChannelOptions) -> RawClient {
    RawClient::new(Channel::with_options(target, options).unwrap(), "test.Near")
}

fn client(target: &str) -> RawClient {
    client_with(target, ChannelOptions::default())
}

fn over_a_socket(target: &str) -> RawClient {
    client_with(target, ChannelOptions { same_process: false, ..ChannelOptions::default() })
}

#[tokio::test]
async fn every_kind_of_address_is_called_without_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}", folder.path().join("near.sock").display());
    for listen in ["127.0.0.1:0", "[::1]:0", "localhost:0", &path, "memory:direct"] {
        let bed = serve(listen, Server::default());
        for target in [bed.address.clone(), format!("list:{}", bed.address)] {
            assert_eq!(client(&target).unary("Echo", "x").await.unwrap(), "x", "{target}");
        }
        let stats = bed.running.stats();
        assert_eq!((stats.calls, stats.connections_accepted), (2, 0), "{listen}");
        let peer = client(&bed.address).unary("Peer", "").await.unwrap();
        let address: mprpc::Address = bed.address.parse().unwrap();
        let expected =
            format!("{:?}", mprpc::Peer { address: address.clone(), local: address, identity: None, proxy: None });
        assert_eq!(peer, expected);
    }
}

#[tokio::test]
async fn advertised_and_registered_addresses_are_called_directly() {
    let folder = tempfile::tempdir().unwrap();
    let registry = format!("file:{}", folder.path().display());
    // Nobody can connect to this address, which belongs to the network for documentation.
    let advertise = Some("192.0.2.1:80".parse().unwrap());
    let server = Server { advertise, registry: Some(registry.clone()), ..Server::default() };
    let bed = serve("0.0.0.0:0", server);
    bed.running.registered().await;
    assert_eq!(client(&registry).unary("Echo", "x").await.unwrap(), "x");
    assert_eq!(client("192.0.2.1:80").unary("Echo", "x").await.unwrap(), "x");
    let stats = bed.running.stats();
    assert_eq!((stats.calls, stats.connections_accepted), (2, 0));
}

#[tokio::test]
async fn same_process_false_and_classic_use_a_connection() {
    let bed = serve("127.0.0.1:0", Server::default());
    over_a_socket(&bed.address).unary("Echo", "x").await.unwrap();
    assert_eq!(bed.running.stats().connections_accepted, 1);
    client(&format!("classic:{}", bed.address)).unary("Echo", "x").await.unwrap();
    assert_eq!(bed.running.stats().connections_accepted, 2);
}

#[test]
fn handler_runs_on_its_callers_runtime_and_never_on_the_background_loop() {
    let (service, _events) = near();
    let listen = vec!["memory:threads".parse().unwrap()];
    let running = Server { listen, loops: 1, ..Server::default() }.add(service).start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let here = format!("{:?}", std::thread::current().id());
    let client = client("memory:threads");
    let background = runtime.block_on(async {
        assert_eq!(client.unary("Where", "").await.unwrap(), here);
        mprpc::net::background().spawn(async { format!("{:?}", std::thread::current().id()) }).await.unwrap()
    });
    let loops = client.unary("Where", "").wait().unwrap();
    assert!(loops != here && loops != background, "{loops:?}");
    assert_eq!(running.stats().connections_accepted, 1);
}

/// Makes a call and describes its outcome, without the parts that differ from run to run.
async fn outcome(client: &RawClient, method: &str, message: Vec<u8>, asked: Option<usize>) -> String {
    let call = client.unary(method, message).timeout(Duration::from_millis(700));
    let call = if let Some(bytes) = asked { call.metadata("asked", vec![b'x'; bytes]) } else { call };
    match call.with_metadata().await {
        Ok(reply) => format!("{} bytes, {:?}, {:?}", reply.message.len(), reply.metadata(), reply.trailer()),
        Err(status) => {
            let story: String = status.story().unwrap_or_default().chars().filter(|c| !c.is_ascii_digit()).collect();
            format!(
                "{status} from handler {} {:?} {:?} {:?} {story}",
                status.is_from_handler(),
                status.ran(),
                status.trailer(),
                status.details().collect::<Vec<_>>(),
            )
        }
    }
}

#[tokio::test]
async fn direct_call_has_the_same_outcome_as_over_a_connection() {
    let limits = Limits { message_bytes_max: 2000, metadata_bytes_max: 200, ..Limits::default() };
    // Inline, because direct calls never wait in the queue, so calls over the socket must not wait either.
    let placement = [("test.Near".to_owned(), mprpc::Placement::Inline)].into();
    let bed = serve("127.0.0.1:0", Server { limits, placement, ..Server::default() });
    let (near, far) = (client(&bed.address), over_a_socket(&bed.address));
    far.unary("Echo", "").await.unwrap();
    let same = [
        ("Echo", 0, None),
        ("Echo", 2000, None),
        ("Fail", 0, None),
        ("FailOk", 0, None),
        ("PassOn", 0, None),
        ("Panic", 0, None),
        ("Beside", 0, Some(100)),
        ("Beside", 1, Some(100)),
        ("Nothing", 0, None),
        ("Count", 0, None),
        ("Count", 1, None),
    ];
    for (method, bytes, asked) in same {
        let direct = outcome(&near, method, vec![0; bytes], asked).await;
        assert_eq!(direct, outcome(&far, method, vec![0; bytes], asked).await, "{method}");
    }
    // If the caller knows the server's limit, the caller refuses the call. Otherwise the server refuses it.
    for (method, bytes, asked, limit) in [
        ("Echo", 2001, None, "message_bytes_max 2000"),
        ("Echo", 1, Some(300), "metadata_bytes_max 200"),
        ("Large", 0, None, "message_bytes_max 2000"),
    ] {
        for client in [&near, &far] {
            let outcome = outcome(client, method, vec![0; bytes], asked).await;
            assert!(outcome.starts_with("RESOURCE_EXHAUSTED") && outcome.contains(limit), "{outcome}");
        }
    }
    let narrow = Limits { message_bytes_max: 1000, metadata_bytes_max: 60, ..Limits::default() };
    let narrow = client_with(&bed.address, ChannelOptions { limits: narrow, ..ChannelOptions::default() });
    let outcome = outcome(&narrow, "Large", vec![], None).await;
    assert!(outcome.contains("the reply of 3000 bytes is beyond message_bytes_max 1000"), "{outcome}");
    let stats = bed.running.stats();
    assert_eq!(stats.connections_accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn handler_ends_at_the_deadline() {
    let mut bed = serve("memory:deadline", Server::default());
    let begin = Instant::now();
    let call = client("memory:deadline").unary("Hang", "").timeout(Duration::from_millis(300));
    let status = call.await.unwrap_err();
    assert_eq!(begin.elapsed(), Duration::from_millis(300));
    assert_eq!((status.code(), status.phase()), (Code::DeadlineExceeded, Some(Phase::Handle)), "{status}");
    assert_eq!(status.message(), "the handler did not finish within the deadline");
    assert_eq!(status.peer(), Some("memory:deadline"));
    assert_eq!(bed.events.recv().await.unwrap(), Event::Dropped { cancelled: true });
    let stats = bed.running.stats();
    assert_eq!((stats.calls, stats.calls_failed, stats.connections_accepted), (1, 1, 0));
}

#[tokio::test(start_paused = true)]
async fn interceptor_of_the_server_may_shorten_the_deadline() {
    let shorten = |cx: Context, body: Body, next: Next| async move {
        cx.shorten_deadline(mprpc::Deadline::at(Instant::now().into_std() + Duration::from_millis(50)));
        next.run(cx, body).await
    };
    let _world = serve("memory:shortened", Server::default().intercept(intercept_fn(shorten)));
    let begin = Instant::now();
    let status = client("memory:shortened").unary("Hang", "").await.unwrap_err();
    assert_eq!((status.code(), begin.elapsed()), (Code::DeadlineExceeded, Duration::from_millis(50)));
}

#[tokio::test(start_paused = true)]
async fn handler_is_dropped_when_its_caller_gives_up() {
    let mut bed = serve("memory:given-up", Server::default());
    let client = client("memory:given-up");
    timeout(Duration::from_millis(10), client.unary("Hang", "").into_future()).await.unwrap_err();
    assert_eq!(bed.events.try_recv().unwrap(), Event::Dropped { cancelled: true });
    let stats = bed.running.stats();
    assert_eq!((stats.calls, stats.calls_cancelled, stats.calls_failed), (1, 1, 0));
    timeout(Duration::from_millis(10), client.unary("PanicInDrop", "").into_future()).await.unwrap_err();
    assert_eq!(client.unary("Echo", "on").await.unwrap(), "on");
}

#[test]
fn run_to_completion_handler_outlives_its_caller_and_the_callers_runtime() {
    let (service, mut events) = near();
    let listen = vec!["memory:completes".parse().unwrap()];
    let run_to_completion = vec!["test.Near/Sleep".to_owned()];
    let _running = Server { listen, loops: 1, run_to_completion, ..Server::default() }.add(service).start().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let client = client("memory:completes");
    let call = client.unary("Sleep", "").timeout(Duration::from_millis(100));
    assert_eq!(runtime.block_on(call.into_future()).unwrap_err().code(), Code::DeadlineExceeded);
    drop(runtime);
    assert_eq!(events.blocking_recv().unwrap(), Event::Slept);
}

#[tokio::test(start_paused = true)]
async fn interceptors_of_both_sides_see_the_call_and_the_handler_inherits_the_deadline() {
    let seen = Arc::new(AtomicUsize::new(0));
    let sees = |seen: &Arc<AtomicUsize>, by: usize| {
        let seen = seen.clone();
        intercept_fn(move |cx: Context, body: Body, next: Next| {
            seen.fetch_add(by, Ordering::Relaxed);
            next.run(cx, body)
        })
    };
    let bed = serve("memory:seen", Server::default().intercept(sees(&seen, 1)));
    let channel = Channel::new("memory:seen").unwrap().intercept(sees(&seen, 10));
    let client = RawClient::new(channel, "test.Near");
    let left = client.unary("Left", "").timeout(Duration::from_secs(2)).await.unwrap();
    assert_eq!((left, seen.load(Ordering::Relaxed)), ("Some(2s)".into(), 11));
    assert!(Context::current().is_none());
    assert_eq!(bed.running.stats().connections_accepted, 0);
}

#[tokio::test]
async fn panic_deep_in_a_call_chain_is_contained_and_a_long_chain_does_not_overflow_the_stack() {
    let bed = serve("memory:chain", Server::default());
    let client = client("memory:chain");
    *bed.deeper.lock().unwrap() = Some(client.clone());
    for depth in [0, 3, 100] {
        let call = client.unary("Deeper", vec![depth]).timeout(Duration::from_secs(60));
        let status = call.await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::Internal, "the handler panicked"), "{depth}");
        assert_eq!(status.is_from_handler(), depth > 0);
    }
    assert_eq!(bed.running.stats().connections_accepted, 1, "beyond a depth they go over a connection");
    assert_eq!(client.unary("Echo", "on").await.unwrap(), "on");
    bed.deeper.lock().unwrap().take();
}

#[tokio::test]
async fn busy_caller_yields_to_other_tasks() {
    let _world = serve("memory:busy", Server::default());
    let client = client("memory:busy");
    let other = tokio::spawn(std::future::ready(()));
    let mut calls = 0;
    while !other.is_finished() {
        client.unary("Echo", "x").await.unwrap();
        calls += 1;
        assert!(calls < 10_000, "the other task never ran");
    }
}

#[tokio::test(start_paused = true)]
async fn in_flight_max_of_either_side_limits_direct_calls() {
    let one = Limits { in_flight_max: 1, ..Limits::default() };
    for (of_server, of_caller) in [(one.clone(), Limits::default()), (Limits::default(), one)] {
        let bed = serve("memory:in-flight", Server { limits: of_server, ..Server::default() });
        let options = ChannelOptions { limits: of_caller, ..ChannelOptions::default() };
        let client = client_with("memory:in-flight", options);
        let hanging = timeout(Duration::from_millis(10), client.unary("Hang", "").into_future());
        let (_, refused) = tokio::join!(hanging, client.unary("Echo", "").into_future());
        let refused = refused.unwrap_err();
        assert_eq!((refused.code(), refused.ran()), (Code::ResourceExhausted, Ran::No));
        assert!(refused.message().contains("in_flight_max 1"), "{refused}");
        assert_eq!(client.unary("Echo", "free").await.unwrap(), "free");
        bed.running.stop().await;
    }
}

#[tokio::test]
async fn streams_use_a_memory_connection_with_flow_control() {
    let mut bed = serve("127.0.0.1:0", Server::default());
    let limits = Limits { stream_window_bytes: 256 << 10, ..Limits::default() };
    let client = client_with(&bed.address, ChannelOptions { limits, ..ChannelOptions::default() });
    let echoed = client.call("Talk", MethodKind::Bidirectional, Body::Stream(Streaming::of(["a".into(), "b".into()])));
    let mut echoed = echoed.await.unwrap().into_stream();
    let mut came = Vec::new();
    while let Some(message) = echoed.next().await {
        came.push(message.unwrap());
    }
    assert_eq!(came, ["a", "b"]);

    let count = client.call("Count", MethodKind::ServerStreaming, Body::Message(Bytes::new()));
    let mut count = count.await.unwrap().into_stream();
    count.next().await.unwrap().unwrap();
    for _ in 0..1000 {
        tokio::task::yield_now().await;
    }
    let mut made = 0;
    while let Ok(Event::Counted(number)) = bed.events.try_recv() {
        made = number;
    }
    // The window is 256 KiB and a message is 16 KiB.
    assert!((10..40).contains(&made), "{made}");
    let mut more = 0;
    while let Some(message) = count.next().await {
        message.unwrap();
        more += 1;
    }
    assert_eq!(more, 199);
    let stats = bed.running.stats();
    assert_eq!((stats.calls, stats.connections_accepted), (2, 1));
    let peer = client.unary("Peer", "").await.unwrap();
    assert!(String::from_utf8_lossy(&peer).contains("127.0.0.1"), "{peer:?}");
}

#[tokio::test(start_paused = true)]
async fn stopped_server_finishes_its_calls_and_later_calls_use_another_server() {
    let (first, second) = (serve("memory:first", Server::default()), serve("memory:second", Server::default()));
    let client = client("list:memory:first,memory:second");
    let calls: Vec<_> = (0..4).map(|_| tokio::spawn(client.unary("Sleep", "x").into_future())).collect();
    tokio::task::yield_now().await;
    assert_eq!((first.running.stats().calls, second.running.stats().calls), (2, 2));
    let begin = Instant::now();
    first.running.stop().await;
    assert_eq!(begin.elapsed(), Duration::from_secs(1), "it waits for the handlers");
    for call in calls {
        assert_eq!(call.await.unwrap().unwrap(), "x");
    }
    for _ in 0..10 {
        assert_eq!(client.unary("Echo", "x").await.unwrap(), "x");
    }
    assert_eq!(second.running.stats().calls, 12);
}

#[tokio::test(start_paused = true)]
async fn call_that_outlasts_drain_timeout_fails() {
    let limits = Limits { drain_timeout: Duration::from_secs(2), ..Limits::default() };
    let mut bed = serve("memory:drained", Server { limits, ..Server::default() });
    let hanging = tokio::spawn(client("memory:drained").unary("Hang", "").into_future());
    tokio::task::yield_now().await;
    bed.running.stop().await;
    let status = hanging.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
    assert_eq!(bed.events.recv().await.unwrap(), Event::Dropped { cancelled: true });
}

#[tokio::test]
async fn calls_reach_the_current_listener_of_an_address() {
    let bed = serve("127.0.0.1:0", Server::default());
    let client = client(&bed.address);
    client.unary("Echo", "x").await.unwrap();
    let address = bed.address.clone();
    bed.running.stop().await;
    let status = client.unary("Echo", "x").await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::Unavailable, Some(Phase::Connect), Ran::No));
    let next = serve(&address, Server::default());
    client.unary("Echo", "x").wait_for_ready(true).await.unwrap();
    assert_eq!(next.running.stats().calls, 1);
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn direct_calls_do_not_bypass_tls_of_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificates::Authority::new(folder.path(), "ca");
    let issued = authority.issue("server", &["127.0.0.1"]);
    let own = authority.issue("billing", &["billing.internal"]);
    let of_server = mprpc::TlsServer {
        certificate: issued.certificate,
        key: issued.key,
        client_ca: Some(authority.file()),
        client_optional: false,
    };
    let bed = serve("127.0.0.1:0", Server { tls: Some(of_server), ..Server::default() });

    let status = client(&bed.address).unary("Echo", "x").await.unwrap_err();
    assert!(status.message().contains("TLS"), "a caller in plain text is refused: {status}");

    let tls = mprpc::TlsClient {
        ca: authority.file(),
        client_certificate: Some(own.certificate),
        client_key: Some(own.key),
        server_name: None,
    };
    let options = ChannelOptions { tls: Some(tls), ..ChannelOptions::default() };
    let peer = client_with(&bed.address, options.clone()).unary("Peer", "").await.unwrap();
    assert!(String::from_utf8_lossy(&peer).contains("billing.internal"), "{peer:?}");

    // A caller with TLS never calls a server without TLS, even in the same process.
    let plain = serve("127.0.0.1:0", Server::default());
    client_with(&plain.address, options).unary("Echo", "x").await.unwrap_err();
    assert_eq!(plain.running.stats().calls, 0);
}
