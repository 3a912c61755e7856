//! Tests of channels over a simulated network under virtual time: picking, failover, reconnecting and waiting.

mod balancing;
mod chain;
mod fan_out;
mod frozen;
mod garbage;
mod hedging;
mod keepalive;
mod limits;
mod membership;
mod overload;
mod panic_mode;
mod proxy;
mod raw;
mod retries;
mod seeds;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::options::Connect;
use super::{Call, Channel, ChannelOptions, Stub};
use crate::balancer::Policy;
use crate::codec::Codec;
use crate::context::Context;
use crate::discovery::{Resolution, ResolutionState, Resolver};
use crate::endpoint::{Endpoint, Protocol};
use crate::limits::Limits;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::net::Stream;
use crate::server::Server;
use crate::service::{Body, BoxFuture, Service};
use crate::status::{Code, Phase, Ran, Status};
use crate::testing::Network;
use crate::well_known::StringValue;

static WHO: ServiceDescriptor = ServiceDescriptor {
    name: "test.Who",
    methods: &[
        MethodDescriptor::new("Am", "test.Who/Am", MethodKind::Unary, Idempotency::Unknown),
        MethodDescriptor::new("Hang", "test.Who/Hang", MethodKind::Unary, Idempotency::Unknown),
        MethodDescriptor::new("HangSafely", "test.Who/HangSafely", MethodKind::Unary, Idempotency::NoSideEffects),
        MethodDescriptor::new("Concat", "test.Who/Concat", MethodKind::ClientStreaming, Idempotency::Unknown),
    ],
    files: &[],
};

const AM: usize = 0;
const HANG: usize = 1;
const HANG_SAFELY: usize = 2;
const CONCAT: usize = 3;

/// A service that answers with its own name. If `hangs` is set, every method except `Am` hangs.
struct Who {
    name: String,
    hangs: bool,
}

impl Service for Who {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WHO
    }

    fn call(&self, method: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let (name, hangs) = (self.name.clone(), self.hangs && method != AM);
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            let mut reply = StringValue { value: name, ..StringValue::default() };
            if method == CONCAT {
                let mut parts = request.into_stream();
                reply.value.clear();
                while let Some(part) = parts.next().await {
                    reply.value += &crate::codec::protobuf::decode::<StringValue>(&part?)?.value;
                }
            }
            Ok(Body::Message(crate::codec::protobuf::encode(&reply)?))
        })
    }
}

/// A peer that sends `chunks` one second apart, whatever it receives, and then closes the connection or keeps it
/// open.
fn script(network: &Network, address: &str, chunks: &[&[u8]], closes: bool) {
    let chunks: Vec<Vec<u8>> = chunks.iter().map(|chunk| chunk.to_vec()).collect();
    let mut incoming = network.listen(address);
    tokio::spawn(async move {
        // Killing the host ends this loop and drops the players.
        let mut playing = JoinSet::new();
        while let Some(stream) = incoming.recv().await {
            playing.spawn(play(stream, chunks.clone(), closes));
        }
    });
}

async fn play(stream: Stream, chunks: Vec<Vec<u8>>, closes: bool) {
    for chunk in chunks {
        stream.writer.try_write(&chunk).unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    if !closes {
        std::future::pending::<()>().await;
    }
}

/// A resolver whose result the test sets.
struct Scripted(watch::Receiver<Resolution>);

impl Resolver for Scripted {
    fn watch(&self, _service: &str) -> watch::Receiver<Resolution> {
        self.0.clone()
    }
}

fn listed(endpoints: &[&str]) -> Resolution {
    let endpoints = endpoints.iter().map(|text| text.parse::<Endpoint>().unwrap()).collect();
    Resolution { endpoints, state: ResolutionState::Current("test:registry".into()) }
}

struct TestBed {
    network: Network,
    registry: watch::Sender<Resolution>,
    stub: Stub,
}

fn world(resolution: Resolution) -> TestBed {
    world_with(resolution, ChannelOptions::default())
}

fn world_with(resolution: Resolution, options: ChannelOptions) -> TestBed {
    world_from(7, resolution, options)
}

fn world_from(seed: u64, resolution: Resolution, options: ChannelOptions) -> TestBed {
    let network = Network::from_seed(seed);
    let (registry, receiver) = watch::channel(resolution);
    let channel = network.host("client").channel_from_resolver(Arc::new(Scripted(receiver)), options);
    TestBed { network, registry, stub: Stub::new(channel, &WHO) }
}

fn serve(network: &Network, address: &str, hangs: bool) {
    network.serve(address, Server::default().add(Who { name: address.to_owned(), hangs }));
}

impl TestBed {
    fn start(&self, address: &str) {
        serve(&self.network, address, false);
    }

    fn start_all(&self, addresses: &[&str]) {
        addresses.iter().for_each(|address| self.start(address));
    }

    /// Starts a server at which every method except `Am` hangs.
    fn start_hanging(&self, address: &str) {
        serve(&self.network, address, true);
    }

    fn script(&self, address: &str, chunks: &[&[u8]], closes: bool) {
        script(&self.network, address, chunks, closes);
    }

    fn call(&self, method: usize) -> Call<StringValue> {
        self.stub.unary(method, &StringValue::default())
    }

    async fn who(&self) -> Result<String, Status> {
        self.call(AM).await.map(|reply| reply.value)
    }
}

const A: &str = "10.0.0.1:1";
const B: &str = "10.0.0.2:2";
const C: &str = "10.0.0.3:3";

#[tokio::test(start_paused = true)]
async fn calls_rotate_over_endpoints_with_one_connection_each() {
    let options = ChannelOptions { balancer: Policy::RoundRobin, ..ChannelOptions::default() };
    let world = world_with(listed(&[A, B, C]), options);
    world.start_all(&[A, B, C]);
    let mut answered = HashMap::new();
    for _ in 0..30 {
        *answered.entry(world.who().await.unwrap()).or_insert(0) += 1;
    }
    assert_eq!(answered.values().collect::<Vec<_>>(), [&10; 3]);
    assert_eq!(world.network.attempts(), 3);
}

#[tokio::test(start_paused = true)]
async fn call_polled_after_its_end_fails_without_panic() {
    let world = world(listed(&[A]));
    world.start(A);
    // The first call waits for a connection; the second one finds it open.
    for _ in 0..2 {
        let mut call = world.call(AM).into_future();
        assert_eq!((&mut call).await.unwrap().value, A);
        assert_eq!(call.await.unwrap_err().code(), Code::Internal);
    }
}

#[tokio::test(start_paused = true)]
async fn call_refused_at_once_is_not_retried_on_the_same_connection() {
    let world = world(listed(&[A]));
    world.network.set_delay(Duration::from_millis(100)..=Duration::from_millis(100));
    world.start(A);
    world.who().await.unwrap();
    // The shortest known round trip is 200 ms. Every refusal halves it, so a call passes at 6.25 ms.
    let mut refused = 0;
    loop {
        let status = world.call(AM).timeout(Duration::from_millis(10)).await.unwrap_err();
        if status.phase() != Some(Phase::Send) {
            break;
        }
        assert_eq!(
            (status.code(), status.ran(), status.peer()),
            (Code::DeadlineExceeded, Ran::No, Some(A)),
            "{status}"
        );
        refused += 1;
    }
    assert_eq!(refused, 5);
}

#[tokio::test(start_paused = true)]
async fn endpoint_that_refuses_connections_is_skipped() {
    let world = world(listed(&[A, B, C]));
    world.start(C);
    for _ in 0..30 {
        assert_eq!(world.who().await.unwrap(), C);
    }
    let attempts = world.network.attempts();
    assert!(attempts < 15, "{attempts} attempts: a refused endpoint pauses");
}

#[tokio::test(start_paused = true)]
async fn connect_failure_reports_address_phase_cause_and_not_run() {
    let world = world(listed(&[A]));
    let status = world.who().await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::Unavailable, Some(Phase::Connect), Ran::No));
    assert_eq!(status.peer(), Some(A));
    assert!(status.message().contains("refused"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn call_with_invalid_metadata_fails_unsent_and_names_the_first_invalid_key() {
    let world = world(listed(&[A]));
    world.start(A);
    let call = world.call(AM).metadata("tenant", "blue").metadata("na me", "x").metadata("", "y");
    let status = call.await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::InvalidArgument, Ran::No));
    assert_eq!(status.message(), "the metadata key \"na me\" is not of a-z 0-9 - _ .");
    assert_eq!(world.network.attempts(), 0);
}

#[tokio::test(start_paused = true)]
async fn killed_provider_fails_no_later_call() {
    let world = world(listed(&[A, B]));
    world.start_all(&[A, B]);
    for _ in 0..4 {
        world.who().await.unwrap();
    }
    world.network.kill(A);
    tokio::task::yield_now().await;
    for _ in 0..100 {
        assert_eq!(world.who().await.unwrap(), B);
    }
}

#[tokio::test(start_paused = true)]
async fn restarted_provider_is_reached_again() {
    let world = world(listed(&[A]));
    world.start(A);
    world.who().await.unwrap();
    world.network.kill(A);
    world.start(A);
    tokio::task::yield_now().await;
    assert_eq!(world.who().await.unwrap(), A);
}

#[tokio::test(start_paused = true)]
async fn call_that_may_have_run_is_retried_only_if_safe() {
    for (method, safe) in [(HANG, false), (HANG_SAFELY, true)] {
        let world = world(listed(&[A]));
        world.start_hanging(A);
        let cut = async {
            sleep(Duration::from_millis(10)).await;
            world.network.kill(A);
            world.start(A);
        };
        let (reply, ()) = tokio::join!(world.call(method).into_future(), cut);
        match reply {
            Ok(reply) => assert!(safe && reply.value == A),
            Err(status) => assert!(!safe && status.ran() == Ran::Maybe, "{status}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn status_says_maybe_run_if_an_earlier_attempt_may_have_run() {
    let world = world(listed(&[A]));
    world.start_hanging(A);
    let kill = async {
        sleep(Duration::from_millis(10)).await;
        world.network.kill(A);
    };
    let (reply, ()) = tokio::join!(world.call(HANG_SAFELY).into_future(), kill);
    let status = reply.unwrap_err();
    assert_eq!((status.phase(), status.ran()), (Some(Phase::Connect), Ran::Maybe), "{status}");
}

#[tokio::test(start_paused = true)]
async fn unreachable_endpoint_is_retried_with_growing_backoff() {
    let world = world(listed(&[A]));
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(60) {
        world.who().await.unwrap_err();
        sleep(Duration::from_millis(10)).await;
    }
    let attempts = world.network.attempts();
    assert!((10..60).contains(&attempts), "{attempts} attempts in a minute");
}

#[tokio::test(start_paused = true)]
async fn backoff_beyond_the_range_of_the_clock_still_pauses() {
    let limits = Limits { backoff_min: Duration::MAX, backoff_max: Duration::MAX, ..Limits::default() };
    // The backoff is a random part of the maximum. Several seeds make a long one likely.
    for seed in 0..10 {
        let world =
            world_from(seed, listed(&[A]), ChannelOptions { limits: limits.clone(), ..ChannelOptions::default() });
        world.who().await.unwrap_err();
        world.who().await.unwrap_err();
        assert_eq!(world.network.attempts(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn connection_attempt_outlives_the_call_that_started_it() {
    let world = world(listed(&[A]));
    world.start(A);
    // The delay in each direction.
    world.network.set_delay(Duration::from_millis(150)..=Duration::from_millis(150));
    let call = || world.call(AM).timeout(Duration::from_millis(200));
    assert_eq!(call().await.unwrap_err().phase(), Some(Phase::Connect));
    world.network.set_delay(Duration::ZERO..=Duration::ZERO);
    assert_eq!(call().await.unwrap().value, A);
    assert_eq!(world.network.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn calls_wait_for_the_registry_until_their_deadline() {
    let pending = ResolutionState::Pending("zookeeper 127.0.0.1:2181: connection refused".into());
    let world = world(Resolution { endpoints: Arc::new([]), state: pending });
    world.start(A);
    let begin = Instant::now();
    let status = world.call(AM).timeout(Duration::from_secs(2)).await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::DeadlineExceeded, Some(Phase::Resolve), Ran::No));
    assert!(status.message().contains("zookeeper 127.0.0.1:2181: connection refused"), "{status}");
    assert_eq!(begin.elapsed(), Duration::from_secs(2));
}

#[tokio::test]
async fn waiting_call_is_sent_once_the_registry_lists_an_endpoint() {
    let pending = ResolutionState::Pending("being read".into());
    let world = world(Resolution { endpoints: Arc::new([]), state: pending });
    world.start(A);
    let call = tokio::spawn(world.call(AM).into_future());
    tokio::task::yield_now().await;
    world.registry.send_replace(listed(&[A]));
    assert_eq!(call.await.unwrap().unwrap().value, A);
}

#[tokio::test(start_paused = true)]
async fn call_without_provider_fails_and_names_the_registry() {
    let world = world(listed(&[]));
    let status = world.who().await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No));
    assert!(status.message().contains("test.Who/Am") && status.message().contains("test:registry"), "{status}");
}

/// Publishes a resolution and waits until the stub's endpoints have adopted it.
async fn publish(world: &TestBed, resolution: Resolution) {
    let mut changes = world.stub.endpoints_for_test().changes();
    world.registry.send_replace(resolution);
    changes.changed().await.unwrap();
}

#[tokio::test]
async fn empty_list_is_ignored_while_known_providers_answer() {
    let world = world(listed(&[A]));
    world.start(A);
    world.who().await.unwrap();
    publish(&world, listed(&[])).await;
    assert_eq!(world.who().await.unwrap(), A);
    world.network.kill(A);
    tokio::task::yield_now().await;
    assert_eq!(world.who().await.unwrap_err().code(), Code::Unavailable);
    world.start(B);
    publish(&world, listed(&[B])).await;
    assert_eq!(world.who().await.unwrap(), B);
}

#[tokio::test]
async fn call_in_flight_outlives_the_removal_of_its_endpoint() {
    let limits = Limits { removal_hold: Duration::ZERO, ..Limits::default() };
    let world = world_with(listed(&[A]), ChannelOptions { limits, ..ChannelOptions::default() });
    world.start_hanging(A);
    let hanging = tokio::spawn(world.call(HANG).timeout(Duration::from_millis(300)).into_future());
    while world.network.attempts() == 0 {
        tokio::task::yield_now().await;
    }
    world.start(B);
    publish(&world, listed(&[B])).await;
    assert_eq!(world.who().await.unwrap(), B);
    // The call expires at its own deadline, so its connection was not closed early.
    assert_eq!(hanging.await.unwrap().unwrap_err().code(), Code::DeadlineExceeded);
}

#[tokio::test(start_paused = true)]
async fn wait_for_ready_call_waits_for_the_provider() {
    let world = world(listed(&[A]));
    let network = world.network.clone();
    tokio::spawn(async move {
        sleep(Duration::from_secs(3)).await;
        serve(&network, A, false);
    });
    let call = world.call(AM).wait_for_ready(true).timeout(Duration::from_secs(20));
    assert_eq!(call.await.unwrap().value, A);
    let status = world_with(listed(&[A]), ChannelOptions::default())
        .call(AM)
        .wait_for_ready(true)
        .timeout(Duration::from_secs(1))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(status.message().contains("refused"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn wait_for_ready_call_pauses_if_connections_are_accepted_and_closed() {
    let network = Network::from_seed(7);
    script(&network, A, &[], true);
    let connect = network.connector("client", Limits::default().connect_timeout);
    let bounded: Connect = Arc::new({
        let network = network.clone();
        move |address| match network.attempts() {
            200.. => Box::pin(std::future::pending()),
            _ => connect(address),
        }
    });
    let (_registry, receiver) = watch::channel(listed(&[A]));
    let stub = Stub::new(Channel::over(Arc::new(Scripted(receiver)), ChannelOptions::default(), bounded), &WHO);
    let call = stub.unary::<_, StringValue>(HANG_SAFELY, &StringValue::default());
    let status = call.wait_for_ready(true).timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert!(network.attempts() < 100, "a storm of connections");
}

#[tokio::test(start_paused = true)]
async fn endpoint_with_method_list_gets_no_other_calls() {
    let mut resolution = listed(&[A, B]);
    let mut endpoints = resolution.endpoints.to_vec();
    endpoints[0].methods = vec!["Hang".to_owned()];
    resolution.endpoints = endpoints.into();
    let world = world(resolution);
    world.start_all(&[A, B]);
    for _ in 0..10 {
        assert_eq!(world.who().await.unwrap(), B);
    }
}

fn classic(options: ChannelOptions) -> TestBed {
    let world = world_with(listed(&[&format!("classic:{A}")]), options);
    assert_eq!(world.registry.borrow().endpoints[0].protocol, Protocol::Classic);
    world
}

/// The encoding of `StringValue { value: 2,000 × 'x' }`.
fn long_reply() -> Vec<u8> {
    [&[0x0a, 0xd0, 0x0f][..], &[b'x'; 2000]].concat()
}

#[tokio::test(start_paused = true)]
async fn classic_endpoint_gets_one_connection_per_call() {
    let world = classic(ChannelOptions::default());
    world.start(A);
    for _ in 0..3 {
        assert_eq!(world.who().await.unwrap(), A);
    }
    assert_eq!(world.network.attempts(), 3, "a connection a call");
}

#[tokio::test(start_paused = true)]
async fn classic_reply_in_several_chunks_is_read_to_its_end() {
    let world = classic(ChannelOptions::default());
    let reply = long_reply();
    world.script(A, &[&reply[..1], &reply[1..700], &reply[700..]], true);
    assert_eq!(world.who().await.unwrap().len(), 2000);
}

#[tokio::test(start_paused = true)]
async fn classic_close_without_reply_fails_unless_allowed() {
    let world = classic(ChannelOptions::default());
    world.script(A, &[], true);
    let status = world.who().await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::Unavailable, Some(Phase::Reply), Ran::Maybe));
    assert!(status.message().contains("closed without a reply"), "{status}");
    let world = classic(ChannelOptions { classic_empty_reply: true, ..ChannelOptions::default() });
    world.script(A, &[], true);
    assert_eq!(world.who().await.unwrap(), "");
}

#[tokio::test(start_paused = true)]
async fn classic_reply_on_an_open_connection_ends_after_a_pause_if_allowed() {
    let reply = long_reply();
    let world = classic(ChannelOptions::default());
    world.script(A, &[&reply], false);
    let status = world.who().await.unwrap_err();
    assert_eq!((status.code(), status.phase()), (Code::DeadlineExceeded, Some(Phase::Reply)));
    let world = classic(ChannelOptions { classic_reply_pause: true, ..ChannelOptions::default() });
    world.script(A, &[&reply[..900], &reply[900..]], false);
    assert_eq!(world.who().await.unwrap().len(), 2000, "half a message does not decode and is waited for");
}

#[tokio::test(start_paused = true)]
async fn truncated_classic_reply_fails() {
    let world = classic(ChannelOptions::default());
    world.script(A, &[&long_reply()[..900]], true);
    let status = world.who().await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    assert!(status.message().contains("does not decode"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn silent_classic_server_fails_the_call_at_its_deadline() {
    let world = classic(ChannelOptions::default());
    world.script(A, &[], false);
    let begin = Instant::now();
    let status = world.call(AM).timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::DeadlineExceeded, Ran::Maybe));
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn call_to_a_peer_of_another_protocol_fails_and_says_so() {
    let world = world(listed(&[A]));
    world.script(A, &[b"HTTP/1.1 400 Bad Request\r\n\r\n"], true);
    let status = world.who().await.unwrap_err();
    assert!(status.message().contains("does not speak version 1 of the native protocol"), "{status}");
    let world = self::world(listed(&[A]));
    world.script(A, &[], true);
    let status = world.who().await.unwrap_err();
    assert!(status.message().contains("closed before it greeted"), "{status}");
}

#[test]
fn call_works_on_plain_threads_and_foreign_executors() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    // A handwritten classic server: it answers "x" to every request and closes the connection.
    runtime.spawn(async move {
        loop {
            let (mut socket, _) = listener.accept().await.unwrap();
            assert!(socket.read(&mut [0; 100]).await.unwrap() > 0);
            socket.write_all(b"\x0a\x01x").await.unwrap();
        }
    });
    let stub = Stub::new(Channel::new(&format!("classic:{address}")).unwrap(), &WHO);
    let call = || stub.unary::<_, StringValue>(AM, &StringValue::default());
    assert_eq!(call().wait().unwrap().value, "x");
    assert_eq!(runtime.block_on(call().into_future()).unwrap().value, "x");
    let lent = runtime.block_on(runtime.spawn_blocking({
        let call = call();
        move || call.wait()
    }));
    assert_eq!(lent.unwrap().unwrap().value, "x");
    assert_eq!(block_on_without_tokio(call().into_future()).unwrap().value, "x");
}

/// A minimal executor without tokio.
fn block_on_without_tokio<T>(mut future: impl Future<Output = T> + Unpin) -> T {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Arc::new(Unpark(std::thread::current())).into();
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        match std::pin::Pin::new(&mut future).poll(&mut cx) {
            std::task::Poll::Ready(value) => return value,
            std::task::Poll::Pending => std::thread::park(),
        }
    }
}
