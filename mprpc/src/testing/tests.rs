//! Tests of the test kit: its effect on bytes and connections, and that a seed repeats a run.

mod seeds;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Host, Network, connect};
use crate::client::{Call, Channel, Stub};
use crate::codec::Codec;
use crate::context::Context;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::server::Server;
use crate::service::{Body, BoxFuture, Service};
use crate::status::{Code, Phase, Ran, Status};
use crate::well_known::StringValue;

const fn unary(name: &'static str, path: &'static str) -> MethodDescriptor {
    MethodDescriptor::new(name, path, MethodKind::Unary, Idempotency::Unknown)
}

static ECHO: ServiceDescriptor = ServiceDescriptor {
    name: "test.Echo",
    methods: &[unary("Echo", "test.Echo/Echo"), unary("Hang", "test.Echo/Hang"), unary("Late", "test.Echo/Late")],
    files: &[],
};

const ECHO_METHOD: usize = 0;
const HANG: usize = 1;
const LATE: usize = 2;

const A: &str = "10.0.0.1:8000";
const B: &str = "10.0.0.2:8000";

/// Returns the request as the reply: at once, after 50 ms, or never. Counts the in-flight calls.
#[derive(Clone, Default)]
struct Echo {
    in_flight: Arc<AtomicUsize>,
}

struct InFlight(Arc<AtomicUsize>);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    fn call(&self, method: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        let in_flight = InFlight(self.in_flight.clone());
        Box::pin(async move {
            let _in_flight = in_flight;
            if method == HANG {
                std::future::pending::<()>().await;
            }
            if method == LATE {
                sleep(ms(50)).await;
            }
            Ok(request)
        })
    }
}

fn stub(channel: Channel) -> Stub {
    Stub::new(channel, &ECHO)
}

fn echo(stub: &Stub, text: &str) -> Call<StringValue> {
    stub.unary(ECHO_METHOD, &StringValue { value: text.to_owned(), ..StringValue::default() })
}

fn hang(stub: &Stub) -> Call<StringValue> {
    stub.unary(HANG, &StringValue::default())
}

fn late(stub: &Stub) -> Call<StringValue> {
    stub.unary(LATE, &StringValue::default())
}

fn serve(network: &Network, address: &str) -> Host {
    network.serve(address, Server::default().add(Echo::default()))
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

#[tokio::test(start_paused = true)]
async fn service_is_called_without_sockets_or_names() {
    let echo_service = Echo::default();
    let stub = stub(connect(echo_service.clone()));
    assert_eq!(echo(&stub, "x").await.unwrap().value, "x");
    let status = hang(&stub).timeout(ms(50)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(echo(&stub, "y").await.unwrap().value, "y");
    assert_eq!(echo_service.in_flight.load(Ordering::Relaxed), 0);
}

#[test]
fn service_is_called_from_a_thread_without_a_runtime() {
    assert_eq!(echo(&stub(connect(Echo::default())), "x").wait().unwrap().value, "x");
}

#[tokio::test(start_paused = true)]
async fn first_call_takes_two_round_trips_and_the_next_call_takes_one() {
    let network = Network::from_seed(1);
    network.set_delay(ms(20)..=ms(20));
    serve(&network, A);
    for (target, first, next) in [(A.to_owned(), 80, 40), (format!("classic:{A}"), 80, 80)] {
        let stub = stub(network.channel(&target));
        for round_trips in [first, next] {
            let begin = Instant::now();
            echo(&stub, "x").await.unwrap();
            assert_eq!(begin.elapsed(), ms(round_trips), "{target}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn delay_between_two_hosts_is_drawn_once_from_its_range() {
    let mut drawn = Vec::new();
    for seed in 0..20 {
        let network = Network::from_seed(seed);
        network.set_delay(ms(10)..=ms(100));
        serve(&network, A);
        let stub = stub(network.channel(A));
        echo(&stub, "x").await.unwrap();
        let begin = Instant::now();
        echo(&stub, "x").await.unwrap();
        let round_trip = begin.elapsed();
        assert!((ms(20)..=ms(202)).contains(&round_trip), "{round_trip:?}");
        let begin = Instant::now();
        echo(&stub, "x").await.unwrap();
        // Timers have a resolution of 1 ms in each direction.
        assert!(begin.elapsed().abs_diff(round_trip) <= ms(2));
        drawn.push(round_trip);
    }
    drawn.sort();
    drawn.dedup();
    assert!(drawn.len() > 10, "{drawn:?}");
}

#[tokio::test(start_paused = true)]
async fn changed_delay_applies_to_open_connections() {
    let network = Network::from_seed(1);
    serve(&network, A);
    let stub = stub(network.channel(A));
    echo(&stub, "x").await.unwrap();
    network.set_delay(ms(30)..=ms(30));
    let begin = Instant::now();
    echo(&stub, "x").await.unwrap();
    assert_eq!(begin.elapsed(), ms(60));
}

#[tokio::test(start_paused = true)]
async fn jitter_keeps_the_order_of_bytes() {
    let network = Network::from_seed(3);
    network.set_delay(ms(1)..=ms(1));
    network.set_jitter(ms(50));
    serve(&network, A);
    let stub = stub(network.channel(A));
    echo(&stub, "connected").await.unwrap();
    let text: String = (0..100_000u32).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    let begin = Instant::now();
    assert!(echo(&stub, &text).await.unwrap().value == text);
    // With many segments, some get nearly the full jitter in each direction.
    assert!((ms(80)..=ms(250)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    let calls = (0..50).map(|number| {
        let call = echo(&stub, &number.to_string());
        async move { (number.to_string(), call.await.unwrap().value) }
    });
    for (sent, came) in futures_util::future::join_all(calls).await {
        assert_eq!(sent, came);
    }
}

#[tokio::test(start_paused = true)]
async fn cut_fails_in_flight_calls_and_the_next_call_reconnects() {
    let network = Network::from_seed(4);
    network.set_delay(ms(5)..=ms(5));
    let echo_service = Echo::default();
    let host = network.serve(A, Server::default().add(echo_service.clone()));
    let stub = stub(network.channel(A));
    let (outcome, ()) = tokio::join!(hang(&stub).into_future(), async {
        sleep(ms(100)).await;
        assert_eq!(echo_service.in_flight.load(Ordering::Relaxed), 1);
        network.cut(A);
    });
    let status = outcome.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
    assert!(status.message().contains("reset"), "{status}");
    assert_eq!(echo(&stub, "x").await.unwrap().value, "x");
    assert_eq!(echo_service.in_flight.load(Ordering::Relaxed), 0, "the server has lost the connection, too");
    assert_eq!((host.stats().connections_accepted, host.stats().connections_open), (2, 1));
}

#[tokio::test(start_paused = true)]
async fn killed_host_refuses_until_it_is_served_again() {
    let network = Network::from_seed(5);
    network.set_delay(ms(5)..=ms(5));
    let echo_service = Echo::default();
    let host = network.serve(A, Server::default().add(echo_service.clone()));
    let stub = stub(network.channel(A));
    let begin = Instant::now();
    let (outcome, ()) = tokio::join!(hang(&stub).into_future(), async {
        sleep(ms(100)).await;
        network.kill(A);
    });
    let status = outcome.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
    assert_eq!(begin.elapsed(), ms(105), "the news travels");
    assert_eq!(echo_service.in_flight.load(Ordering::Relaxed), 0);
    let status = echo(&stub, "x").await.unwrap_err();
    assert_eq!((status.phase(), status.ran()), (Some(Phase::Connect), Ran::No), "{status}");
    assert_eq!(host.stats().calls, 1, "what a host has counted outlives it");
    serve(&network, A);
    let call = echo(&stub, "back").wait_for_ready(true);
    assert_eq!(call.await.unwrap().value, "back");
}

#[tokio::test(start_paused = true)]
async fn stopped_host_finishes_its_calls_first() {
    let network = Network::from_seed(6);
    let host = serve(&network, A);
    let stub = stub(network.channel(A));
    let hanging = hang(&stub).timeout(ms(300)).into_future();
    let (outcome, ()) = tokio::join!(hanging, async {
        sleep(ms(100)).await;
        host.stop().await;
    });
    assert_eq!(outcome.unwrap_err().code(), Code::DeadlineExceeded);
    assert_eq!(host.stats().connections_open, 0);
    assert_eq!(echo(&stub, "x").await.unwrap_err().ran(), Ran::No);
}

#[tokio::test(start_paused = true)]
async fn frozen_host_accepts_and_answers_only_after_thaw() {
    let network = Network::from_seed(7);
    serve(&network, A);
    network.freeze(A);
    let begin = Instant::now();
    let stub = stub(network.channel(A));
    let status = echo(&stub, "x").timeout(Duration::from_secs(60)).await.unwrap_err();
    assert!(status.message().contains("greeting"), "connected, and then nothing: {status}");
    assert_eq!(begin.elapsed(), Duration::from_secs(3), "connect_timeout");
    network.thaw(A);
    let call = echo(&stub, "x").wait_for_ready(true);
    assert_eq!(call.await.unwrap().value, "x");

    let (outcome, ()) = tokio::join!(echo(&stub, "while frozen").into_future(), async {
        network.freeze(A);
        sleep(ms(700)).await;
        network.thaw(A);
    });
    assert_eq!(outcome.unwrap().value, "while frozen");
}

#[tokio::test(start_paused = true)]
async fn frozen_host_reads_nothing_and_sends_its_replies_after_thaw() {
    let network = Network::from_seed(14);
    let host = serve(&network, A);
    let stub = stub(network.channel(A));
    let begin = Instant::now();
    let (reply, ()) = tokio::join!(late(&stub).into_future(), async {
        sleep(ms(10)).await;
        network.freeze(A);
        let _ = hang(&stub).timeout(ms(490)).await;
        assert_eq!(host.stats().calls, 1);
        network.thaw(A);
    });
    reply.unwrap();
    assert_eq!(begin.elapsed(), ms(500));
}

#[tokio::test(start_paused = true)]
async fn frozen_host_that_is_killed_sends_no_reply() {
    let network = Network::from_seed(15);
    serve(&network, A);
    let stub = stub(network.channel(A));
    let (reply, ()) = tokio::join!(late(&stub).into_future(), async {
        sleep(ms(10)).await;
        network.freeze(A);
        // The handler ends while its host is frozen, which only the simulation allows.
        sleep(ms(100)).await;
        network.kill(A);
    });
    assert_eq!(reply.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test(start_paused = true)]
async fn end_of_a_host_reaches_its_callers_after_the_delay() {
    let network = Network::from_seed(16);
    network.set_delay(ms(30)..=ms(30));
    serve(&network, A);
    let stub = stub(network.channel(A));
    echo(&stub, "x").await.unwrap();
    network.kill(A);
    sleep(ms(10)).await;
    let begin = Instant::now();
    let status = echo(&stub, "into the void").await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
    assert_eq!(begin.elapsed(), ms(20));
}

#[tokio::test(start_paused = true)]
async fn partition_holds_bytes_in_transit() {
    let network = Network::from_seed(17);
    network.set_delay(ms(50)..=ms(50));
    serve(&network, A);
    let stub = stub(network.channel(A));
    // The partition begins half-way there (25 ms) or half-way back (75 ms), first while connecting, then during a call.
    for parted_at in [25, 75] {
        for healed_at in [1000, 2000] {
            network.cut(A);
            let begin = Instant::now();
            let (reply, ()) = tokio::join!(echo(&stub, "x").into_future(), async {
                sleep(ms(parted_at)).await;
                network.partition(&["client"], &[A]);
                sleep(ms(healed_at - parted_at)).await;
                network.heal();
            });
            reply.unwrap();
            let rest = if parted_at == 25 { 200 } else { 150 };
            assert_eq!(begin.elapsed(), ms(healed_at + rest), "connecting");

            let begin = Instant::now();
            let (reply, ()) = tokio::join!(echo(&stub, "x").into_future(), async {
                sleep(ms(parted_at)).await;
                network.partition(&["client"], &[A]);
                sleep(ms(healed_at - parted_at)).await;
                network.heal();
            });
            reply.unwrap();
            let rest = if parted_at == 25 { 100 } else { 50 };
            assert_eq!(begin.elapsed(), ms(healed_at + rest), "calling");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn partition_holds_calls_silently_until_it_heals() {
    let network = Network::from_seed(9);
    network.set_delay(ms(5)..=ms(5));
    serve(&network, A);
    serve(&network, B);
    let (to_a, to_b) = (stub(network.channel(A)), stub(network.channel(B)));
    echo(&to_a, "x").await.unwrap();
    let begin = Instant::now();
    network.partition(&["client"], &[A]);
    assert_eq!(echo(&to_b, "x").await.unwrap().value, "x", "the others are not parted");
    let other = stub(network.host("other").channel(A));
    assert_eq!(echo(&other, "x").await.unwrap().value, "x", "nor is another caller");
    let status = echo(&to_a, "x").timeout(ms(500)).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::DeadlineExceeded, Ran::Maybe), "{status}");
    let (outcome, ()) = tokio::join!(echo(&to_a, "held").into_future(), async {
        sleep(Duration::from_secs(1)).await;
        network.heal();
    });
    assert_eq!(outcome.unwrap().value, "held");
    assert!(begin.elapsed() < Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn connecting_through_a_partition_waits_and_times_out() {
    let network = Network::from_seed(10);
    serve(&network, A);
    network.partition(&["client"], &[A]);
    let stub = stub(network.channel(A));
    let begin = Instant::now();
    let status = echo(&stub, "x").timeout(Duration::from_secs(60)).await.unwrap_err();
    assert_eq!((status.phase(), status.ran()), (Some(Phase::Connect), Ran::No));
    assert!(status.message().contains("no answer within"), "{status}");
    assert_eq!(begin.elapsed(), Duration::from_secs(3));
    sleep(Duration::from_secs(1)).await;
    let (outcome, ()) = tokio::join!(echo(&stub, "x").into_future(), async {
        sleep(Duration::from_secs(1)).await;
        network.heal();
    });
    assert_eq!(outcome.unwrap().value, "x");
}

#[tokio::test(start_paused = true)]
async fn end_of_a_host_behind_a_partition_reaches_callers_after_it_heals() {
    let network = Network::from_seed(11);
    serve(&network, A);
    let stub = stub(network.channel(A));
    echo(&stub, "x").await.unwrap();
    let begin = Instant::now();
    let (outcome, ()) = tokio::join!(hang(&stub).timeout(Duration::from_secs(20)).into_future(), async {
        sleep(ms(10)).await;
        network.partition(&["client"], &[A]);
        network.kill(A);
        sleep(ms(5000)).await;
        network.heal();
    });
    assert_eq!(outcome.unwrap_err().code(), Code::Unavailable);
    assert_eq!(begin.elapsed(), ms(5010));
}

#[tokio::test(start_paused = true)]
async fn slow_host_limits_bytes_per_second_in_both_directions() {
    let network = Network::from_seed(12);
    serve(&network, A);
    network.slow(A, 10_000);
    let stub = stub(network.channel(A));
    echo(&stub, "connected").await.unwrap();
    let begin = Instant::now();
    let text = "x".repeat(100_000);
    let call = echo(&stub, &text).timeout(Duration::from_secs(60));
    assert!(call.await.unwrap().value == text, "progress keeps the write timeout away");
    let seconds = begin.elapsed().as_secs();
    assert!((20..=21).contains(&seconds), "{seconds} s there and back");
    let begin = Instant::now();
    let status = echo(&stub, &text).timeout(Duration::from_secs(2)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(begin.elapsed(), Duration::from_secs(2), "{status}");
}

#[tokio::test(start_paused = true)]
async fn chain_of_hosts_calls_over_the_network() {
    let network = Network::from_seed(13);
    network.set_delay(ms(1)..=ms(9));
    let next = stub(network.host(A).channel(B));
    network.serve(A, Server::default().add(PassOn { next }));
    serve(&network, B);
    let stub = stub(network.channel(A));
    assert_eq!(echo(&stub, "x").await.unwrap().value, "x");
    network.partition(&[A], &[B]);
    let status = echo(&stub, "x").timeout(ms(300)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
}

struct PassOn {
    next: Stub,
}

impl Service for PassOn {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    fn call(&self, _: usize, _: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let call = echo(&self.next, "x");
        Box::pin(async move { Ok(Body::Message(crate::codec::protobuf::encode(&call.await?)?)) })
    }
}

#[tokio::test(start_paused = true)]
#[should_panic(expected = "a server is at 10.0.0.1:8000 already")]
async fn serving_twice_at_one_address_panics() {
    let network = Network::from_seed(1);
    serve(&network, A);
    serve(&network, A);
}
