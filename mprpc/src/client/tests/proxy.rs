//! Tests of raw access: a proxy that knows no methods forwards calls of every kind, with their metadata, deadlines
//! and cancellation.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::time::timeout;

use super::*;
use crate::client::RawClient;
use crate::interceptors::tests::all::{ALL, All, abc, client, echo, joined};
use crate::net::clock;
use crate::service::RawService;
use crate::streaming::Streaming;

const FRONT: &str = "10.0.1.1:1";

/// Forwards every call.
struct Proxy(RawClient);

impl RawService for Proxy {
    fn call(&self, context: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        self.0.forward(&context, request)
    }
}

/// A service behind a proxy, and a client that calls the proxy.
fn behind_a_proxy(service: All, limits: Limits) -> (Network, RawClient) {
    let network = Network::from_seed(11);
    network.serve(A, Server::default().add(service));
    let proxy = Proxy(client(network.host(FRONT).channel(A)));
    network.serve(FRONT, Server { fallback: Some(Arc::new(proxy)), limits, ..Server::default() });
    let client = client(network.channel(FRONT));
    (network, client)
}

/// A service that echoes the request and returns its `tenant` metadata before and after the reply.
fn tells() -> All {
    All::new(|context, body| async move {
        let tenant = context.metadata().text("tenant").unwrap_or("none").to_owned();
        context.reply_metadata().append("before", tenant.clone())?;
        context.trailer().append("behind", tenant)?;
        echo(&context, body).await
    })
}

#[tokio::test(start_paused = true)]
async fn proxy_forwards_calls_of_every_kind_with_their_metadata() {
    for (service, speaks) in [(All::echo(), false), (tells(), true)] {
        let (_network, client) = behind_a_proxy(service, Limits::default());
        for method in ALL.methods {
            let call = client.call(&method.name, method.kind, abc(method.kind)).metadata("tenant", "blue");
            let reply = call.with_metadata().await.unwrap();
            let beside = reply.context().clone();
            assert_eq!(beside.reply_metadata().text("before"), speaks.then_some("blue"), "{}", method.name);
            assert_eq!(joined(reply.message).await.unwrap(), "abc", "{}", method.name);
            assert_eq!(beside.trailer().text("behind"), speaks.then_some("blue"), "{}", method.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn generated_and_classic_clients_work_through_a_proxy() {
    let network = Network::from_seed(11);
    network.serve(A, Server::default().add(tells()));
    let proxy = Proxy(client(network.host(FRONT).channel(A)));
    network.serve(FRONT, Server { fallback: Some(Arc::new(proxy)), ..Server::default() });
    let text = StringValue { value: "tea".into(), ..StringValue::default() };
    for target in [FRONT.to_owned(), format!("classic:{FRONT}")] {
        let stub = Stub::new(network.channel(&target), &ALL);
        assert_eq!(stub.unary::<_, StringValue>(0, &text).await.unwrap(), text, "{target}");
    }
}

#[tokio::test(start_paused = true)]
async fn proxy_forwards_each_stream_message_at_once() {
    let (_network, client) = behind_a_proxy(All::echo(), Limits::default());
    let (sender, requests) = Streaming::channel(1);
    let replies = client.call("Talk", MethodKind::Bidirectional, Body::Stream(requests)).await.unwrap();
    let mut replies = replies.into_stream();
    for word in ["one", "two", "three"] {
        sender.send(word.into()).await.unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap(), word);
    }
    sender.finish();
    assert!(replies.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn proxy_forwards_failures_with_their_details() {
    let service = All::new(|context, _| async move {
        context.trailer().append("from", "the service")?;
        let status = || Status::data_loss("the disk is gone").with_retry_after(Duration::from_secs(9));
        match context.method().kind {
            MethodKind::Unary | MethodKind::ClientStreaming => Err(status()),
            _ => Ok(Body::Stream(Streaming::new(futures_util::stream::iter([Ok(Bytes::new()), Err(status())])))),
        }
    });
    let (_network, client) = behind_a_proxy(service, Limits::default());
    for method in ALL.methods {
        let status = match client.call(&method.name, method.kind, abc(method.kind)).await {
            Ok(reply) => joined(reply).await.unwrap_err(),
            Err(status) => status,
        };
        assert_eq!((status.code(), status.message()), (Code::DataLoss, "the disk is gone"), "{}", method.name);
        assert_eq!(status.retry_after(), Some(Duration::from_secs(9)));
        assert_eq!(status.trailer().values("from").collect::<Vec<_>>(), [b"the service"]);
    }
}

#[tokio::test(start_paused = true)]
async fn proxy_forwards_deadlines_and_cancellation() {
    let dropped = Arc::new(AtomicU64::new(0));
    let left = Arc::new(Mutex::new(None));
    let (counted, noted) = (dropped.clone(), left.clone());
    struct Count(Arc<AtomicU64>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let service = All::new(move |context: Context, _| {
        *noted.lock().unwrap() = context.deadline().remaining(clock::now());
        let count = Count(counted.clone());
        async move {
            let _count = count;
            std::future::pending().await
        }
    });
    let (_network, client) = behind_a_proxy(service, Limits::default());
    for (round, method) in (1..).zip(ALL.methods) {
        let call = client.call(&method.name, method.kind, abc(method.kind)).timeout(Duration::from_secs(30));
        timeout(Duration::from_secs(1), call.into_future()).await.expect_err("it hangs");
        sleep(Duration::from_millis(5)).await;
        assert_eq!(dropped.load(Ordering::Relaxed), round, "{}", method.name);
        let left = left.lock().unwrap().take().unwrap();
        assert!((Duration::from_millis(29_900)..=Duration::from_secs(30)).contains(&left), "{left:?}");
    }
    let call = client.call("One", MethodKind::Unary, abc(MethodKind::Unary)).timeout(Duration::from_secs(1));
    assert_eq!(call.await.unwrap_err().code(), Code::DeadlineExceeded);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(dropped.load(Ordering::Relaxed), ALL.methods.len() as u64 + 1);
}

#[tokio::test(start_paused = true)]
async fn stream_reply_to_a_unary_call_fails_only_that_call() {
    let service = All::new(|_, _| async { Ok(Body::Stream(Streaming::of(["one", "two"].map(Bytes::from)))) });
    let (network, client) = behind_a_proxy(service, Limits::default());
    let status = client.unary("Down", "").await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("several messages where one was expected"), "{status}");
    let reply = client.call("Down", MethodKind::ServerStreaming, Body::Message(Bytes::new())).await.unwrap();
    assert_eq!(joined(reply).await.unwrap(), "onetwo");
    assert_eq!(network.attempts(), 2, "the connections live on");
}

#[tokio::test(start_paused = true)]
async fn services_take_precedence_over_the_fallback() {
    let network = Network::from_seed(11);
    let proxy = Proxy(client(network.host(FRONT).channel(A)));
    let own = All::new(|_, _| async { Ok(Body::Message(Bytes::from_static(b"own"))) });
    network.serve(FRONT, Server { fallback: Some(Arc::new(proxy)), ..Server::default() }.add(own));
    assert_eq!(client(network.channel(FRONT)).unary("One", "").await.unwrap(), "own");
}

/// Serves every method of every service.
struct Any;

impl RawService for Any {
    fn call(&self, context: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move { Ok(Body::Message(context.method().path.to_string().into())) })
    }
}

fn any(of_server: Limits, of_caller: Limits) -> (Network, Channel) {
    let network = Network::from_seed(11);
    network.serve(A, Server { fallback: Some(Arc::new(Any)), limits: of_server, ..Server::default() });
    let options = ChannelOptions { limits: of_caller, ..ChannelOptions::default() };
    let channel = network.host("client").channel_with_options(A, options);
    (network, channel)
}

#[tokio::test(start_paused = true)]
async fn fallback_serves_any_method_by_name() {
    let (_network, channel) = any(Limits::default(), Limits::default());
    for service in ["a.B", "c", "d.e.F"] {
        let client = RawClient::new(channel.clone(), service);
        assert_eq!(client.unary("Do", "").await.unwrap(), format!("{service}/Do"));
    }
}

#[tokio::test(start_paused = true)]
async fn call_beyond_methods_max_of_either_side_names_it() {
    let few = Limits { methods_max: 3, ..Limits::default() };
    // If the client knows the limit, only the call fails, and the connection stays open.
    let (network, channel) = any(Limits::default(), few.clone());
    let client = RawClient::new(channel, "a.B");
    for number in 0..3 {
        client.unary(&format!("M{number}"), "").await.unwrap();
    }
    let status = client.unary("M3", "").await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No));
    assert!(status.message().contains("methods_max 3"), "{status}");
    client.unary("M0", "").await.unwrap();
    assert_eq!(network.attempts(), 1);
    // If the client does not know the limit, it breaks the protocol. The status says how.
    let (_network, channel) = any(few, Limits::default());
    let client = RawClient::new(channel, "a.B");
    for number in 0..3 {
        client.unary(&format!("M{number}"), "").await.unwrap();
    }
    let status = client.unary("M3", "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("more methods than methods_max 3"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn call_beyond_method_path_bytes_max_of_either_side_names_it() {
    let short = Limits { method_path_bytes_max: 20, ..Limits::default() };
    let long = "x".repeat(17);
    let (network, channel) = any(Limits::default(), short.clone());
    let client = RawClient::new(channel, "a.B");
    client.unary(&long[1..], "").await.unwrap();
    let status = client.unary(&long, "").await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::InvalidArgument, Ran::No));
    assert!(status.message().contains("21 bytes is beyond method_path_bytes_max 20"), "{status}");
    client.unary("Do", "").await.unwrap();
    assert_eq!(network.attempts(), 1);
    let (_network, channel) = any(short, Limits::default());
    let status = RawClient::new(channel, "a.B").unary(&long, "").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("method_path_bytes_max 20"), "{status}");
}
