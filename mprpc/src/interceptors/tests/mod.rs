//! Tests of single interceptors with a handler behind them and no network. `sides` tests them with client and server.

pub(crate) mod all;
mod chain;
pub(crate) mod log;
mod sides;
#[cfg(feature = "tower")]
mod tower;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::time::sleep;
use tracing::Level;

pub(crate) use self::log::Log;
use super::*;
use crate::context::{Context, Peer};
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::interceptor::{Chain, Interceptor, Next};
use crate::metadata::Metadata;
use crate::method::{Idempotency, MethodDescriptor, MethodKind};
use crate::net::clock;
use crate::service::{Body, BoxFuture};
use crate::status::{Code, Phase, Ran, Status};
use crate::streaming::Streaming;

static FIND: MethodDescriptor =
    MethodDescriptor::new("Find", "shop.Stock/Find", MethodKind::Unary, Idempotency::Unknown);

type Handler = fn(Context, Body) -> BoxFuture<Result<Body, Status>>;

/// Returns the context of a call as a server gets it.
fn context(pairs: &[(&str, &str)]) -> Context {
    let mut metadata = Metadata::new();
    for (key, value) in pairs {
        metadata.append(key, *value).unwrap();
    }
    from("10.0.0.9:1234", metadata)
}

fn from(address: &str, metadata: Metadata) -> Context {
    let address: SocketAddr = address.parse().unwrap();
    let peer =
        Arc::new(Peer { address: Address::Tcp(address), local: Address::Tcp(address), identity: None, proxy: None });
    Context::new(&FIND, peer, Deadline::NONE, metadata)
}

/// Passes a call through the interceptors to the handler.
async fn call(chain: &[Arc<dyn Interceptor>], context: Context, body: Body, handler: Handler) -> Result<Body, Status> {
    Next::new(Chain::from(chain), handler).run(context, body).await
}

/// Passes one message through one interceptor to a handler that returns the caller's name.
async fn who(interceptor: &Arc<dyn Interceptor>, context: Context) -> Result<Bytes, Status> {
    let handler: Handler = |context, _| {
        let name = context.value::<Caller>().map(|caller| caller.name.clone()).unwrap_or_default();
        Box::pin(async move { Ok(Body::Message(name.into())) })
    };
    let body = Body::Message(Bytes::new());
    call(std::slice::from_ref(interceptor), context, body, handler).await?.into_message()
}

fn echo(_: Context, body: Body) -> BoxFuture<Result<Body, Status>> {
    Box::pin(async move { Ok(body) })
}

fn hang(_: Context, _: Body) -> BoxFuture<Result<Body, Status>> {
    Box::pin(std::future::pending())
}

fn message() -> Body {
    Body::Message(Bytes::from_static(b"x"))
}

/// The outcomes that an `on_end` interceptor saw: code, requests, replies, duration.
type Ends = Arc<Mutex<Vec<(Code, u64, u64, Duration)>>>;

fn ends() -> (Ends, Vec<Arc<dyn Interceptor>>) {
    let ends = Ends::default();
    let seen = ends.clone();
    let interceptor = on_end(move |ended: &Ended<'_>| {
        seen.lock().unwrap().push((ended.code(), ended.requests, ended.replies, ended.took));
    });
    (ends, vec![Arc::new(interceptor)])
}

#[tokio::test(start_paused = true)]
async fn end_of_a_call_is_reported_once_with_its_outcome() {
    let (ends, chain) = ends();
    let slow: Handler = |_, body| {
        Box::pin(async move {
            sleep(Duration::from_millis(30)).await;
            Ok(body)
        })
    };
    call(&chain, context(&[]), message(), slow).await.unwrap();
    let fail: Handler = |_, _| Box::pin(async { Err(Status::not_found("")) });
    call(&chain, context(&[]), message(), fail).await.unwrap_err();
    let milliseconds = Duration::from_millis;
    let expected = [(Code::Ok, 1, 1, milliseconds(30)), (Code::NotFound, 1, 0, milliseconds(0))];
    assert_eq!(*ends.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn end_of_a_stream_is_reported_with_its_messages_in_both_directions() {
    let (ends, chain) = ends();
    let requests = Body::Stream(Streaming::of((0..3).map(|_| Bytes::new())));
    let mut replies = call(&chain, context(&[]), requests, echo).await.unwrap().into_stream();
    assert!(ends.lock().unwrap().is_empty(), "it has only begun");
    while let Some(reply) = replies.next().await {
        reply.unwrap();
        sleep(Duration::from_millis(10)).await;
    }
    drop(replies);
    assert_eq!(*ends.lock().unwrap(), [(Code::Ok, 3, 3, Duration::from_millis(30))]);
}

#[tokio::test(start_paused = true)]
async fn dropped_call_is_reported_as_cancelled_expired_or_panicked() {
    let (ends, chain) = ends();
    let codes = || ends.lock().unwrap().drain(..).map(|(code, ..)| code).collect::<Vec<_>>();
    let pending = tokio::time::timeout(Duration::from_millis(1), call(&chain, context(&[]), message(), hang));
    pending.await.unwrap_err();
    assert_eq!(codes(), [Code::Cancelled]);
    let expired = context(&[]);
    expired.shorten_deadline(Deadline::at(clock::now()));
    drop(Next::new(Chain::from(&chain[..]), hang).run(expired, message()));
    assert_eq!(codes(), [Code::DeadlineExceeded]);
    let panics: Handler = |_, _| Box::pin(async { panic!("a bug") });
    tokio::spawn(Next::new(Chain::from(&chain[..]), panics).run(context(&[]), message())).await.unwrap_err();
    assert_eq!(codes(), [Code::Internal]);
    // A stream that is dropped, fails or panics.
    let stream = |stream: Streaming<Bytes>| call(&chain, context(&[]), Body::Stream(stream), echo);
    drop(stream(Streaming::of([Bytes::new()])).await.unwrap());
    assert_eq!(codes(), [Code::Cancelled]);
    let failing = Streaming::new(futures_util::stream::iter([Err(Status::data_loss(""))]));
    stream(failing).await.unwrap().into_stream().next().await.unwrap().unwrap_err();
    assert_eq!(codes(), [Code::DataLoss]);
    let panicking = Streaming::new(futures_util::stream::poll_fn(|_| panic!("a bug")));
    let mut panicking = stream(panicking).await.unwrap().into_stream();
    tokio::spawn(async move { panicking.next().await }).await.unwrap_err();
    assert_eq!(codes(), [Code::Internal]);
}

#[tokio::test(start_paused = true)]
async fn log_has_one_line_per_call_and_no_secrets() {
    let log = Log::begin();
    let quiet: [Arc<dyn Interceptor>; 1] = [Arc::new(Logging::default())];
    let talkative: [Arc<dyn Interceptor>; 1] = [Arc::new(Logging { shows_metadata: true })];
    let pairs = [("authorization", "Bearer hunter2"), ("tenant", "blue")];
    let timed = context(&pairs);
    timed.shorten_deadline(Deadline::after(clock::now(), Duration::from_secs(3)));
    call(&quiet, timed, message(), echo).await.unwrap();
    let fail: Handler = |_, _| Box::pin(async { Err(Status::internal("the disk is gone")) });
    call(&talkative, context(&pairs), message(), fail).await.unwrap_err();
    drop(Next::new(Chain::from(&quiet[..]), hang).run(context(&pairs), message()));
    let lines = log.lines();
    let [(ok, first), (warn, second), (info, third)] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!((*ok, *warn, *info), (Level::INFO, Level::WARN, Level::INFO));
    for part in [
        "message=call ended",
        "method=shop.Stock/Find",
        "peer=10.0.0.9:1234",
        "code=OK",
        "took=0ns",
        "left=3s",
        "requests=1 replies=1",
    ] {
        assert!(first.contains(part), "{part}: {first}");
    }
    assert!(!first.contains("blue") && !first.contains("status="), "{first}");
    assert!(second.contains("status=INTERNAL: the disk is gone") && second.contains("blue"), "{second}");
    assert!(!second.contains("left="), "no deadline: {second}");
    assert!(third.contains("code=CANCELLED"), "{third}");
    assert!(!format!("{lines:?}").contains("hunter2"));
}

#[tokio::test]
async fn metrics_count_by_method_and_code() {
    let metrics = CallMetrics::new();
    let chain: [Arc<dyn Interceptor>; 1] = [Arc::new(metrics.clone())];
    for _ in 0..3 {
        call(&chain, context(&[]), message(), echo).await.unwrap();
    }
    let fail: Handler = |_, _| Box::pin(async { Err(Status::not_found("")) });
    call(&chain, context(&[]), message(), fail).await.unwrap_err();
    let seen: Vec<_> =
        metrics.snapshot().into_iter().map(|row| (row.method, row.code, row.calls, row.replies)).collect();
    let path = "shop.Stock/Find".to_owned();
    assert_eq!(seen, [(path.clone(), Code::Ok, 3, 3), (path, Code::NotFound, 1, 0)]);
}

#[tokio::test]
async fn methods_beyond_the_bound_are_counted_together() {
    let metrics = CallMetrics::new();
    let chain: [Arc<dyn Interceptor>; 1] = [Arc::new(metrics.clone())];
    for number in 0..CallMetrics::METHODS_MAX + 5 {
        let method = crate::Method::named("any.Name", &number.to_string(), MethodKind::Unary);
        let context = Context::new(method, None, Deadline::NONE, Metadata::new());
        call(&chain, context, message(), echo).await.unwrap();
    }
    let rows = metrics.snapshot();
    assert_eq!(rows.len(), CallMetrics::METHODS_MAX + 1);
    assert_eq!(rows.iter().map(|row| row.calls).sum::<u64>(), CallMetrics::METHODS_MAX as u64 + 5);
    assert_eq!(rows.iter().find(|row| row.method == CallMetrics::OTHERS).unwrap().calls, 5);
}

#[tokio::test]
async fn known_token_passes_with_the_name_of_its_caller() {
    let tokens: Arc<dyn Interceptor> =
        Arc::new(RequireToken::one_of([("abc", "gateway"), ("xyz", "batch"), ("", "nobody")]));
    for (value, name) in [("Bearer abc", "gateway"), ("bearer xyz", "batch")] {
        assert_eq!(who(&tokens, context(&[("authorization", value)])).await.unwrap(), name);
    }
}

#[tokio::test]
async fn every_other_token_is_refused_with_the_same_message() {
    let tokens: Arc<dyn Interceptor> = Arc::new(RequireToken::one_of([("abc", "gateway"), ("", "nobody")]));
    let mut said = Vec::new();
    for pairs in [
        &[][..],
        &[("authorization", "Bearer abd")],
        &[("authorization", "Bearer ab")],
        &[("authorization", "Bearer ")],
        &[("authorization", "Basic abc")],
        &[("authorization", "abc")],
        &[("authorization", "Bearer abc"), ("authorization", "Bearer other")],
    ] {
        let status = who(&tokens, context(pairs)).await.unwrap_err();
        assert_eq!((status.code(), status.ran(), status.phase()), (Code::Unauthenticated, Ran::No, Some(Phase::Queue)));
        said.push(status.message().to_owned());
    }
    said.dedup();
    assert_eq!(said, ["this call needs a valid bearer token"]);
}

#[tokio::test(start_paused = true)]
async fn failed_token_check_fails_the_call() {
    let tokens: Arc<dyn Interceptor> = Arc::new(RequireToken::new(|token| async move {
        sleep(Duration::from_millis(5)).await;
        match token.as_str() {
            "down" => Err(Status::unavailable("the token service is away")),
            "abc" => Ok(Some(Caller { name: "gateway".into() })),
            _ => Ok(None),
        }
    }));
    let with = |token: &str| context(&[("authorization", &format!("Bearer {token}"))]);
    assert_eq!(who(&tokens, with("abc")).await.unwrap(), "gateway");
    assert_eq!(who(&tokens, with("other")).await.unwrap_err().code(), Code::Unauthenticated);
    let status = who(&tokens, with("down")).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No));
}

#[tokio::test]
async fn bearer_token_is_requested_for_each_call_without_its_own() {
    let handler: Handler = |context, _| {
        let values: Vec<_> = context.metadata().values("authorization").map(<[u8]>::to_vec).collect();
        Box::pin(async move { Ok(Body::Message(values.join(&b","[..]).into())) })
    };
    let issued = Mutex::new(0);
    let token = BearerToken::new(move || {
        let mut issued = issued.lock().unwrap();
        *issued += 1;
        std::future::ready(match *issued {
            3 => Err(Status::unavailable("no token to be had")),
            4 => Ok("two\nlines".to_owned()),
            number => Ok(format!("t{number}")),
        })
    });
    let chain: [Arc<dyn Interceptor>; 1] = [Arc::new(token)];
    let seen = |context| call(&chain, context, message(), handler);
    assert_eq!(seen(context(&[])).await.unwrap().into_message().unwrap(), "Bearer t1");
    assert_eq!(seen(context(&[("authorization", "Basic x")])).await.unwrap().into_message().unwrap(), "Basic x");
    assert_eq!(seen(context(&[])).await.unwrap().into_message().unwrap(), "Bearer t2");
    let status = seen(context(&[])).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No));
    let status = seen(context(&[])).await.unwrap_err();
    assert!(status.code() == Code::InvalidArgument && !status.message().contains("two"), "{status}");
}

#[tokio::test]
async fn callers_reach_only_services_that_allow_them() {
    let require = RequireToken::one_of([("a", "gateway"), ("b", "batch")]);
    let allowed = AllowedCallers::default().allow("shop.Stock", ["gateway"]).allow("shop.Stock", ["admin"]);
    let chain: [Arc<dyn Interceptor>; 2] = [Arc::new(require), Arc::new(allowed)];
    let with = |token: &str| call(&chain, context(&[("authorization", token)]), message(), echo);
    with("Bearer a").await.unwrap();
    let status = with("Bearer b").await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::PermissionDenied, Ran::No));
    assert_eq!(status.message(), "batch may not call shop.Stock");
    let refused = |allowed: AllowedCallers| async move {
        let chain: [Arc<dyn Interceptor>; 1] = [Arc::new(allowed)];
        call(&chain, context(&[]), message(), echo).await.err().map(|status| status.code())
    };
    assert_eq!(refused(AllowedCallers::default().allow("shop.Stock", ["gateway"])).await, Some(Code::Unauthenticated));
    assert_eq!(refused(AllowedCallers::default()).await, Some(Code::Unauthenticated));
    assert_eq!(refused(AllowedCallers::by(|_| vec!["x".into()])).await, Some(Code::PermissionDenied));
    assert_eq!(refused(AllowedCallers::default().allow_everybody("shop.Stock")).await, None);
}

#[tokio::test]
async fn each_name_of_a_certificate_counts() {
    let identity = crate::tls::PeerIdentity {
        common_name: Some("billing".into()),
        dns_names: vec!["billing.example".into()],
        ..Default::default()
    };
    let address: SocketAddr = "10.0.0.9:1".parse().unwrap();
    let local = Address::Tcp(address);
    let peer = Peer { address: local.clone(), local, identity: Some(Arc::new(identity)), proxy: None };
    let of = |name: &str| {
        let context = Context::new(&FIND, Arc::new(peer.clone()), Deadline::NONE, Metadata::new());
        let chain: [Arc<dyn Interceptor>; 1] = [Arc::new(AllowedCallers::default().allow("shop.Stock", [name]))];
        async move { call(&chain, context, message(), echo).await.map(drop) }
    };
    of("billing").await.unwrap();
    of("billing.example").await.unwrap();
    assert_eq!(of("example").await.unwrap_err().message(), "billing may not call shop.Stock");
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_rate_learn_when_to_retry() {
    let limit = RateLimit::new(2, Duration::from_secs(1)).each_caller();
    let chain: [Arc<dyn Interceptor>; 1] = [Arc::new(limit)];
    let from = |address: &str| call(&chain, from(address, Metadata::new()), message(), echo);
    from("10.0.0.1:1").await.unwrap();
    from("10.0.0.1:2").await.unwrap();
    let status = from("10.0.0.1:3").await.unwrap_err();
    assert_eq!((status.code(), status.ran(), status.phase()), (Code::ResourceExhausted, Ran::No, Some(Phase::Queue)));
    assert_eq!(status.message(), "more than 2 calls in 1s");
    let again = status.retry_after().unwrap();
    assert_eq!(again, Duration::from_millis(500));
    from("10.0.0.2:1").await.unwrap();
    sleep(again).await;
    from("10.0.0.1:4").await.unwrap();
}

#[tokio::test]
async fn rate_limit_prefers_the_callers_name_to_its_address() {
    let limit = RateLimit::new(1, Duration::from_secs(1000)).each_caller();
    let chain: [Arc<dyn Interceptor>; 1] = [Arc::new(limit)];
    let named = |name: &str| {
        let context = context(&[]);
        context.insert(Caller { name: name.into() });
        call(&chain, context, message(), echo)
    };
    named("a").await.unwrap();
    named("b").await.unwrap();
    assert_eq!(named("a").await.unwrap_err().code(), Code::ResourceExhausted);
}

#[tokio::test]
async fn messages_are_decoded_and_mapped_by_their_type() {
    use crate::well_known::{Int32Value, StringValue};
    let text = |value: &str| StringValue { value: value.into(), ..Default::default() };
    let body = Body::encode(&text("tea")).unwrap();
    assert_eq!(body.decode::<StringValue>().unwrap(), text("tea"));
    let length = |text: StringValue| Ok(Int32Value { value: text.value.len() as i32, ..Default::default() });
    assert_eq!(body.map_messages(length).unwrap().decode::<Int32Value>().unwrap().value, 3);
    let stream = Body::Stream(Streaming::of([b"\x0a\x01a".as_slice().into(), b"\x0a\x09a".as_slice().into()]));
    assert_eq!(stream.decode::<StringValue>().unwrap_err().code(), Code::InvalidArgument);
    let mut lengths = stream.map_messages(length).unwrap().into_stream();
    assert_eq!(lengths.next().await.unwrap().unwrap(), b"\x08\x01"[..]);
    let status = lengths.next().await.unwrap().unwrap_err();
    assert!(status.message().starts_with("the message is no google.protobuf.StringValue: "), "{status}");
    assert!(lengths.next().await.is_none());
}
