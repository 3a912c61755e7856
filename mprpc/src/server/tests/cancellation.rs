//! Tests of calls that nobody waits for any more: dropped, expired, or lost with their connection.
//!
//! The tests check what handlers learn, what the server counts and logs, and which handlers go on.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::time::Instant;
use tracing::Level;

use super::*;
use crate::client::{ChannelOptions, RawClient};
use crate::interceptors::tests::Log;
use crate::interceptors::tests::all::{ALL, All, client};
use crate::server::Server;
use crate::streaming::Streaming;
use crate::testing::{Host, Network};

const A: &str = "10.0.0.1:1";

/// Counts how the handlers ended.
#[derive(Default)]
struct Outcome {
    dropped: AtomicU64,
    /// Tasks of handlers that learned of the cancellation from [`Context::cancelled`].
    told: AtomicU64,
    finished: AtomicU64,
}

impl Outcome {
    fn of(&self) -> (u64, u64, u64) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (read(&self.dropped), read(&self.told), read(&self.finished))
    }
}

struct Dropped(Arc<Outcome>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::Relaxed);
    }
}

/// A service whose handlers take ten seconds and spawn a task that waits for a cancellation.
fn slow() -> (Arc<Outcome>, All) {
    let fate = Arc::new(Outcome::default());
    let shared = fate.clone();
    let service = All::new(move |context, _| {
        let (fate, dropped) = (shared.clone(), Dropped(shared.clone()));
        async move {
            let (told, watched) = (fate.clone(), context.clone());
            tokio::spawn(async move {
                watched.cancelled().await;
                assert!(watched.is_cancelled());
                told.told.fetch_add(1, Ordering::Relaxed);
            });
            sleep(Duration::from_secs(10)).await;
            fate.finished.fetch_add(1, Ordering::Relaxed);
            drop(dropped);
            Ok(Body::Message(Bytes::from_static(b"done")))
        }
    });
    (fate, service)
}

struct TestBed {
    network: Network,
    host: Host,
    client: RawClient,
    fate: Arc<Outcome>,
}

fn world(server: Server) -> TestBed {
    world_over(server, A)
}

fn world_over(server: Server, target: &str) -> TestBed {
    let (network, (fate, service)) = (Network::from_seed(5), slow());
    let host = network.serve(A, server.add(service));
    let options = ChannelOptions {
        limits: Limits { call_timeout: Duration::from_secs(100), ..Limits::default() },
        ..ChannelOptions::default()
    };
    let client = client(network.host("client").channel_with_options(target, options));
    TestBed { network, host, client, fate }
}

fn runs_to_completion() -> Server {
    Server { run_to_completion: vec!["test.All/One".into()], ..Server::default() }
}

/// Makes a call and gives it up after a second.
async fn give_up(world: &TestBed) {
    let call = world.client.unary("One", "");
    timeout(Duration::from_secs(1), call.into_future()).await.unwrap_err();
    sleep(Duration::from_millis(5)).await;
}

#[tokio::test(start_paused = true)]
async fn dropped_call_drops_its_handler_and_notifies_spawned_tasks() {
    let log = Log::begin();
    let world = world(Server::default());
    give_up(&world).await;
    assert_eq!(world.fate.of(), (1, 1, 0));
    let stats = world.host.stats();
    assert_eq!((stats.calls_cancelled, stats.calls_failed), (1, 0));
    sleep(Duration::from_secs(60)).await;
    assert_eq!(world.fate.of(), (1, 1, 0), "the handler is gone");
    assert_eq!(log.lines().iter().filter(|(level, _)| *level <= Level::WARN).count(), 0, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn successful_call_is_never_cancelled() {
    for target in [A.to_owned(), format!("classic:{A}")] {
        let world = world_over(Server::default(), &target);
        world.client.unary("One", "").await.unwrap();
        world.network.cut("client");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(world.fate.of(), (1, 0, 1), "{target}");
        assert_eq!(world.host.stats().calls_cancelled, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn expired_call_drops_its_handler_and_counts_as_failed() {
    let world = world(Server::default());
    let status = world.client.unary("One", "").timeout(Duration::from_secs(1)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    sleep(Duration::from_millis(5)).await;
    assert_eq!(world.fate.of(), (1, 1, 0));
    let stats = world.host.stats();
    assert_eq!((stats.calls_cancelled, stats.calls_failed), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn lost_connection_cancels_in_flight_calls_and_fails_them_at_the_caller() {
    let log = Log::begin();
    let world = world(Server::default());
    let calls = (0..3).map(|_| world.client.unary("One", "").into_future());
    let (ended, ()) = tokio::join!(futures_util::future::join_all(calls), async {
        sleep(Duration::from_secs(1)).await;
        world.network.cut("client");
    });
    for status in ended.into_iter().map(Result::unwrap_err) {
        assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
    }
    sleep(Duration::from_millis(5)).await;
    assert_eq!(world.fate.of(), (3, 3, 0));
    let stats = world.host.stats();
    assert_eq!((stats.calls_cancelled, stats.calls_failed), (3, 0));
    assert_eq!(log.lines().iter().filter(|(level, _)| *level == Level::ERROR).count(), 0, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn run_to_completion_handler_goes_on_without_its_caller_and_sees_the_cancellation() {
    let world = world(runs_to_completion());
    give_up(&world).await;
    assert_eq!(world.fate.of(), (0, 1, 0), "it goes on, and was told");
    assert_eq!(world.host.stats().calls_cancelled, 1);
    sleep(Duration::from_secs(10)).await;
    assert_eq!(world.fate.of(), (1, 1, 1));
    // The server still drops handlers of other methods.
    let call = world.client.call("Down", MethodKind::ServerStreaming, Body::Message(Bytes::new()));
    timeout(Duration::from_secs(1), call.into_future()).await.expect_err("it takes ten seconds");
    sleep(Duration::from_millis(5)).await;
    assert_eq!(world.fate.of(), (2, 2, 1));
}

#[tokio::test(start_paused = true)]
async fn run_to_completion_handler_with_interceptors_survives_lost_connection_and_deadline() {
    for expires in [false, true] {
        let world = world(runs_to_completion().intercept(crate::interceptors::Trace));
        if expires {
            world.client.unary("One", "").timeout(Duration::from_secs(1)).await.unwrap_err();
        } else {
            let (ended, ()) = tokio::join!(world.client.unary("One", "").into_future(), async {
                sleep(Duration::from_secs(1)).await;
                world.network.cut("client");
            });
            ended.unwrap_err();
        }
        sleep(Duration::from_millis(5)).await;
        assert_eq!(world.fate.of(), (0, 1, 0));
        sleep(Duration::from_secs(10)).await;
        assert_eq!(world.fate.of(), (1, 1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn graceful_stop_waits_for_run_to_completion_handlers() {
    let world = world(runs_to_completion());
    give_up(&world).await;
    let begin = Instant::now();
    world.host.stop().await;
    assert_eq!(world.fate.of(), (1, 1, 1));
    assert!((Duration::from_secs(8)..Duration::from_secs(10)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn graceful_stop_waits_no_longer_than_drain_timeout() {
    let limits = Limits { drain_timeout: Duration::from_secs(3), ..Limits::default() };
    let world = world(Server { limits, ..runs_to_completion() });
    give_up(&world).await;
    let begin = Instant::now();
    world.host.stop().await;
    assert_eq!(world.fate.finished.load(Ordering::Relaxed), 0);
    assert!((Duration::from_secs(3)..Duration::from_secs(4)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
}

#[tokio::test]
async fn unknown_method_in_run_to_completion_is_an_error() {
    let server = Server { run_to_completion: vec!["test.All/Nothing".into()], ..Server::default() };
    let error = server.add(All::echo()).serve().err().expect("refused");
    assert!(error.to_string().contains("test.All/Nothing"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn dropped_stream_cancels_sender_requests_and_context() {
    let told = Arc::new(AtomicU64::new(0));
    let counted = told.clone();
    let service = All::new(move |context: Context, body: Body| {
        let counted = counted.clone();
        async move {
            let (sender, replies) = Streaming::channel(1);
            let mut requests = body.into_stream();
            tokio::spawn(async move {
                sender.send(Bytes::from_static(b"begun")).await.unwrap();
                sender.closed().await;
                assert_eq!(sender.send(Bytes::new()).await.unwrap_err().code(), Code::Cancelled);
                let status = requests.next().await.unwrap().unwrap_err();
                assert_eq!(status.code(), Code::Cancelled);
                context.cancelled().await;
                counted.fetch_add(1, Ordering::Relaxed);
            });
            Ok(Body::Stream(replies))
        }
    });
    let network = Network::from_seed(5);
    let host = network.serve(A, Server::default().add(service));
    let client = RawClient::new(network.channel(A), ALL.name);
    let (sender, requests) = Streaming::channel(1);
    let replies = client.call("Talk", MethodKind::Bidirectional, Body::Stream(requests)).await.unwrap();
    let mut replies = replies.into_stream();
    assert_eq!(replies.next().await.unwrap().unwrap(), "begun");
    drop(replies);
    sender.closed().await;
    sleep(Duration::from_millis(5)).await;
    assert_eq!(told.load(Ordering::Relaxed), 1);
    let stats = host.stats();
    assert_eq!((stats.calls_cancelled, stats.calls_failed), (1, 0));
}
