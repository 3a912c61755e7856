//! Tests with a caller and a server over a connection in memory, under virtual time.

mod cancellation;
mod compressed;
#[cfg(feature = "json")]
mod dialects;
mod elsewhere;
#[cfg(feature = "json")]
mod fallback;
pub(crate) mod garbage;
mod health;
mod http;
mod http1;
mod http2;
#[cfg(feature = "json")]
mod http2_client;
mod lifetime;
mod limits;
mod memory;
mod memory_seeds;
#[cfg(feature = "json")]
mod openapi;
mod protocols;
mod proxies;
mod raw;
mod reflection;
#[cfg(feature = "json")]
mod rest;
#[cfg(feature = "json")]
mod rest_streams;
mod streams;
#[cfg(feature = "tls")]
mod tls;
#[cfg(feature = "json")]
mod web;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::{Server, Shared, serve_stream};
use crate::client::{Multiplexed, Request};
use crate::codec::Codec;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::net::connection::Close;
use crate::net::{Stream, clock};
use crate::protocol::native::{Decoded, Decoder, Header, PREFACE, kind};
use crate::service::{Body, BoxFuture, Service};
use crate::status::{Code, Phase, Ran, Status};

const fn unary(name: &'static str, path: &'static str) -> MethodDescriptor {
    MethodDescriptor::new(name, path, MethodKind::Unary, Idempotency::Unknown)
}

const fn stream(name: &'static str, path: &'static str, kind: MethodKind) -> MethodDescriptor {
    MethodDescriptor::new(name, path, kind, Idempotency::Unknown)
}

pub(crate) static PROBE: ServiceDescriptor = ServiceDescriptor {
    name: "test.Probe",
    methods: &[
        unary("Echo", "test.Probe/Echo"),
        unary("Sleep", "test.Probe/Sleep"),
        unary("Panic", "test.Probe/Panic"),
        unary("Fail", "test.Probe/Fail"),
        unary("Metadata", "test.Probe/Metadata"),
        unary("Hang", "test.Probe/Hang"),
        unary("Large", "test.Probe/Large"),
        unary("PassOn", "test.Probe/PassOn"),
        unary("PanicInDrop", "test.Probe/PanicInDrop"),
        stream("Count", "test.Probe/Count", MethodKind::ServerStreaming),
        stream("Sum", "test.Probe/Sum", MethodKind::ClientStreaming),
        stream("Talk", "test.Probe/Talk", MethodKind::Bidirectional),
        stream("Break", "test.Probe/Break", MethodKind::ServerStreaming),
        stream("Deaf", "test.Probe/Deaf", MethodKind::ClientStreaming),
    ],
    files: &[],
};

static UNKNOWN: MethodDescriptor = unary("Nothing", "test.Probe/Nothing");

/// The size of the reply of `Large`.
pub(crate) const LARGE_BYTES: usize = 64 << 10;

/// A service with one method for each possible outcome of a call.
pub(crate) struct Probe;

impl Service for Probe {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &PROBE
    }

    fn call(&self, method: usize, context: Context, request: Body, _codec: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move {
            if PROBE.methods[method].kind != MethodKind::Unary {
                return streams::serve(&PROBE.methods[method].name, context, request).await;
            }
            let message = request.into_message()?;
            match &*PROBE.methods[method].name {
                "Sleep" => sleep(Duration::from_secs(1)).await,
                "Hang" => std::future::pending().await,
                "PanicInDrop" => {
                    let _panics = PanicsInDrop;
                    std::future::pending().await
                }
                "Panic" => panic!("a handler's bug"),
                "Large" => return Ok(Body::Message(Bytes::from_static(&[7; LARGE_BYTES]))),
                "Fail" => return Err(Status::not_found("no such thing")),
                "PassOn" => return Err(Status::unavailable("its own callee is gone").with_ran(Ran::No)),
                "Metadata" => {
                    let value = context.metadata().value("key").unwrap_or_default().to_vec();
                    return Ok(Body::Message(value.into()));
                }
                _ => {}
            }
            Ok(Body::Message(message))
        })
    }
}

struct PanicsInDrop;

impl Drop for PanicsInDrop {
    fn drop(&mut self) {
        panic!("a bug in a handler's clean-up");
    }
}

/// The caller's end and the server's end of one connection.
struct Pair {
    caller: Multiplexed,
    server: JoinHandle<Close>,
    shared: Arc<Shared>,
}

fn pair(limits: Limits) -> Pair {
    pair_of(limits.clone(), limits)
}

fn pair_of(of_server: Limits, of_caller: Limits) -> Pair {
    let mut server = Server { limits: of_server, ..Server::default() }.add(Probe);
    pair_with(server.share().unwrap(), of_caller)
}

fn pair_with(shared: Arc<Shared>, of_caller: Limits) -> Pair {
    let address = Address::Memory("test".into());
    let (near, far) = Stream::pair(address.clone(), 64 << 10);
    let server = tokio::spawn(serve_stream(far, shared.clone()));
    Pair { caller: Multiplexed::open(near, &address, &Arc::default(), &of_caller), server, shared }
}

/// Decodes the received frames, without preface and SETTINGS.
pub(crate) fn decode(mut bytes: BytesMut) -> Vec<(Header, Bytes)> {
    if bytes.starts_with(&PREFACE) {
        drop(bytes.split_to(PREFACE.len()));
    }
    let mut decoder = Decoder::new(1 << 30);
    let mut frames = Vec::new();
    while let Decoded::Frame(header, body) = decoder.decode(&mut bytes) {
        if header.kind != kind::SETTINGS {
            frames.push((header, body));
        }
    }
    frames
}

fn request(name: &str, message: impl Into<Bytes>) -> Request {
    let method = PROBE.methods.iter().find(|method| method.name == name).unwrap_or(&UNKNOWN);
    let deadline = Deadline::after(clock::now(), Duration::from_secs(5));
    let context = Context::new(method, None, deadline, Metadata::new());
    Request::new(context, Body::Message(message.into()), deadline, |_| true)
}

#[tokio::test(start_paused = true)]
async fn each_call_gets_its_own_reply() {
    let pair = pair(Limits::default());
    let caller = Arc::new(pair.caller);
    let calls: Vec<_> = (0..200u32)
        .map(|number| {
            let caller = caller.clone();
            // Some handlers finish at once and others sleep, so replies overtake each other.
            let name = if number % 3 == 0 { "Sleep" } else { "Echo" };
            tokio::spawn(async move { (number, caller.unary(&request(name, number.to_le_bytes().to_vec())).await) })
        })
        .collect();
    for call in calls {
        let (number, reply) = call.await.unwrap();
        assert_eq!(reply.unwrap(), number.to_le_bytes()[..]);
    }
    assert_eq!(pair.shared.stats().calls, 200);
}

#[tokio::test(start_paused = true)]
async fn empty_and_large_messages_come_back_whole() {
    let pair = pair(Limits::default());
    for size in [0, 1, 4096, 4097, 70_000, 1 << 20] {
        let message: Bytes = (0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>().into();
        assert_eq!(pair.caller.unary(&request("Echo", message.clone())).await.unwrap(), message);
    }
}

#[tokio::test(start_paused = true)]
async fn handler_failures_arrive_unchanged() {
    let pair = pair(Limits::default());
    let status = pair.caller.unary(&request("Fail", "")).await.unwrap_err();
    assert_eq!((status.code(), status.message(), status.ran()), (Code::NotFound, "no such thing", Ran::Yes));
    let status = pair.caller.unary(&request("Nothing", "")).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unimplemented, Ran::No));
    assert!(status.message().contains("test.Probe/Nothing"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn handler_that_passes_on_a_not_run_status_counts_as_run() {
    let pair = pair(Limits::default());
    let status = pair.caller.unary(&request("PassOn", "")).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Yes));
}

#[tokio::test(start_paused = true)]
async fn handler_panic_is_internal_and_the_connection_lives_on() {
    let pair = pair(Limits::default());
    let status = pair.caller.unary(&request("Panic", "")).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::Internal, "the handler panicked"));
    assert_eq!(pair.caller.unary(&request("Echo", "alive")).await.unwrap(), "alive");
}

#[tokio::test(start_paused = true)]
async fn panic_of_a_cancelled_handler_is_contained() {
    let pair = pair(Limits::default());
    assert!(timeout(Duration::from_millis(10), pair.caller.unary(&request("PanicInDrop", ""))).await.is_err());
    assert_eq!(pair.caller.unary(&request("Echo", "alive")).await.unwrap(), "alive");
    let hanging = request("PanicInDrop", "");
    let (status, ()) = tokio::join!(pair.caller.unary(&hanging), async {
        sleep(Duration::from_millis(10)).await;
        pair.server.abort();
    });
    status.unwrap_err();
    assert!(pair.server.await.unwrap_err().is_cancelled(), "the connection's task did not panic");
}

#[tokio::test(start_paused = true)]
async fn metadata_reaches_the_handler() {
    let pair = pair(Limits::default());
    let mut with = request("Metadata", "x");
    with.context.metadata_mut().append("Key", "value").unwrap();
    assert_eq!(pair.caller.unary(&with).await.unwrap(), "value");
}

#[tokio::test(start_paused = true)]
async fn call_without_reply_expires_and_is_cancelled_at_the_server() {
    let pair = pair(Limits::default());
    let status = pair.caller.unary(&request("Hang", "")).await.unwrap_err();
    // Both sides end the call at the same instant, so the status may come from either side.
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(matches!(status.phase(), Some(Phase::Handle | Phase::Reply)), "{status}");
    assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
}

#[tokio::test(start_paused = true)]
async fn call_whose_deadline_has_passed_is_not_sent() {
    let pair = pair(Limits::default());
    pair.caller.unary(&request("Echo", "")).await.unwrap();
    let past = Context::new(&PROBE.methods[0], None, Deadline::at(clock::now()), Metadata::new());
    let late = Request::new(past, Body::Message(Bytes::new()), Deadline::NONE, |_| true);
    let status = pair.caller.unary(&late).await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::DeadlineExceeded, Some(Phase::Send), Ran::No));
    pair.caller.unary(&request("Echo", "")).await.unwrap();
    assert_eq!(pair.shared.stats().calls, 2);
}

#[tokio::test(start_paused = true)]
async fn abandoned_calls_free_their_place_in_flight() {
    let limits = Limits { in_flight_max: 2, ..Limits::default() };
    let pair = pair(limits);
    for _ in 0..20 {
        // The caller gives up long before the handler would answer. The CANCEL makes the server answer at once.
        assert!(timeout(Duration::from_millis(10), pair.caller.unary(&request("Hang", ""))).await.is_err());
        assert_eq!(pair.caller.unary(&request("Echo", "free")).await.unwrap(), "free");
    }
}

#[tokio::test(start_paused = true)]
async fn caller_refuses_call_beyond_its_in_flight_max() {
    let narrow = Limits { in_flight_max: 1, ..Limits::default() };
    let pair = pair_of(Limits::default(), narrow.clone());
    let hanging = async { tokio::time::timeout(Duration::from_secs(1), pair.caller.unary(&request("Hang", ""))).await };
    let second = async { pair.caller.unary(&request("Echo", "")).await };
    let (_, refused) = tokio::join!(hanging, second);
    let refused = refused.unwrap_err();
    assert_eq!((refused.code(), refused.ran()), (Code::ResourceExhausted, Ran::No));
    assert!(refused.message().contains("in_flight_max 1"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn too_long_messages_fail_with_limit_and_size() {
    let small = Limits { message_bytes_max: 1000, ..Limits::default() };
    let pair = pair_of(small.clone(), Limits::default());
    // The first time, the server refuses the message. Then the caller knows the server's limit from its SETTINGS.
    for _ in 0..2 {
        let status = pair.caller.unary(&request("Echo", vec![0; 1001])).await.unwrap_err();
        assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No));
        assert!(status.message().contains("1001") && status.message().contains("message_bytes_max 1000"), "{status}");
        assert_eq!(pair.caller.unary(&request("Echo", "small")).await.unwrap(), "small");
    }
    let pair = pair_of(Limits::default(), small);
    let status = pair.caller.unary(&request("Echo", vec![0; 200_000])).await.unwrap_err();
    assert!(status.message().contains("200000") && status.message().contains("message_bytes_max 1000"), "{status}");
    assert_eq!(pair.caller.unary(&request("Echo", "small")).await.unwrap(), "small");
}

#[tokio::test(start_paused = true)]
async fn lost_connection_fails_in_flight_calls_as_maybe_run() {
    let pair = pair(Limits::default());
    let lose = async {
        sleep(Duration::from_millis(5)).await;
        pair.server.abort();
    };
    let hanging = request("Hang", "");
    let (status, ()) = tokio::join!(pair.caller.unary(&hanging), lose);
    let status = status.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
    let status = pair.caller.unary(&request("Echo", "")).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No));
    assert!(!pair.caller.takes_calls());
}

#[tokio::test(start_paused = true)]
async fn drain_finishes_in_flight_calls_and_refuses_new_ones() {
    let pair = pair(Limits::default());
    let drain = async {
        sleep(Duration::from_millis(5)).await;
        pair.shared.drain();
    };
    let sleeping = request("Sleep", "in flight");
    let (reply, ()) = tokio::join!(pair.caller.unary(&sleeping), drain);
    assert_eq!(reply.unwrap(), "in flight");
    let status = pair.caller.unary(&request("Echo", "late")).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No));
    // The caller closes the connection after its last call, and then the server's end closes too.
    assert_eq!(pair.server.await.unwrap(), Close::PeerClosed);
}

#[tokio::test(start_paused = true)]
async fn infinite_limits_never_apply() {
    let limits = Limits {
        message_bytes_max: usize::MAX,
        metadata_bytes_max: usize::MAX,
        in_flight_max: usize::MAX,
        send_buffer_bytes_max: usize::MAX,
        first_byte_timeout: Duration::MAX,
        read_timeout: Duration::MAX,
        write_timeout: Duration::MAX,
        ..Limits::default()
    };
    let pair = pair(limits);
    let large = Bytes::from(vec![7; 1 << 20]);
    let context = Context::new(&PROBE.methods[0], None, Deadline::NONE, Metadata::new());
    let forever = Request::new(context, Body::Message(large.clone()), Deadline::NONE, |_| true);
    assert_eq!(pair.caller.unary(&forever).await.unwrap(), large);
}

#[tokio::test(start_paused = true)]
async fn dropped_caller_closes_the_connection() {
    let Pair { caller, server, .. } = pair(Limits::default());
    caller.unary(&request("Echo", "once")).await.unwrap();
    drop(caller);
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
}
