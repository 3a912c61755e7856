//! Tests of endpoints that stop answering without closing their connections: frozen processes, and servers whose event loop
//! is blocked.

use tokio::time::Instant;

use super::*;

/// The outcomes of calls that began one after the other, each with its latency.
pub(super) type Outcomes = Vec<(Result<String, Status>, Duration)>;

/// Makes `calls` calls of `method`, one every `interval`. Each has its own task.
pub(super) async fn drive(world: &TestBed, method: usize, calls: usize, interval: Duration) -> Outcomes {
    let mut running = Vec::new();
    for _ in 0..calls {
        let (call, begun) = (world.call(method).into_future(), Instant::now());
        running.push(tokio::spawn(async move { (call.await.map(|reply| reply.value), begun.elapsed()) }));
        sleep(interval).await;
    }
    let mut outcomes = Vec::new();
    for call in running {
        outcomes.push(call.await.unwrap());
    }
    outcomes
}

pub(super) fn failures(outcomes: &Outcomes) -> Vec<&Status> {
    outcomes.iter().filter_map(|(outcome, _)| outcome.as_ref().err()).collect()
}

/// The latency that this share of the calls does not exceed.
pub(super) fn percentile(outcomes: &Outcomes, share: f64) -> Duration {
    let mut latencies: Vec<Duration> = outcomes.iter().map(|(_, latency)| *latency).collect();
    latencies.sort();
    latencies[((latencies.len() - 1) as f64 * share) as usize]
}

pub(super) const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Three servers, each one millisecond away, that have answered calls before.
pub(super) async fn three(listed_as: &str) -> TestBed {
    three_with(listed_as, ChannelOptions::default()).await
}

async fn three_with(listed_as: &str, options: ChannelOptions) -> TestBed {
    let endpoints: Vec<String> = [A, B, C].iter().map(|address| format!("{listed_as}{address}")).collect();
    let world = world_with(listed(&endpoints.iter().map(String::as_str).collect::<Vec<_>>()), options);
    world.network.set_delay(ms(1)..=ms(1));
    world.start_all(&[A, B, C]);
    assert!(failures(&drive(&world, HANG_SAFELY, 100, ms(1)).await).is_empty());
    world
}

#[tokio::test(start_paused = true)]
async fn calls_that_may_run_twice_leave_a_frozen_endpoint() {
    for protocol in ["", "grpc://"] {
        let world = three(protocol).await;
        world.network.freeze(A);
        let frozen = drive(&world, HANG_SAFELY, 3_000, ms(1)).await;
        assert!(failures(&frozen).is_empty(), "{protocol} {:?}", failures(&frozen));
        assert!(percentile(&frozen, 0.99) < ms(100), "{protocol} {:?}", percentile(&frozen, 0.99));
        assert!(percentile(&frozen, 1.0) < ms(200), "{protocol} {:?}", percentile(&frozen, 1.0));
        world.network.thaw(A);
        let after = drive(&world, HANG_SAFELY, 1_500, ms(10)).await;
        assert!(failures(&after).is_empty(), "{protocol} {:?}", failures(&after));
        assert!(after.iter().any(|(reply, _)| reply.as_ref().is_ok_and(|name| name == A)), "it is called again");
    }
}

#[tokio::test(start_paused = true)]
async fn calls_beyond_the_budget_of_retries_wait_at_a_frozen_endpoint() {
    for protocol in ["", "grpc://"] {
        let limits = Limits { retry_percent: 0, retries_min: 5, ..Limits::default() };
        let options = ChannelOptions { limits, balancer: Policy::RoundRobin, ..ChannelOptions::default() };
        let world = three_with(protocol, options).await;
        let thaw = async {
            world.network.freeze(A);
            sleep(ms(400)).await;
            world.network.thaw(A);
        };
        let (replies, ()) = tokio::join!(drive(&world, HANG_SAFELY, 1_000, ms(1)), thaw);
        assert!(failures(&replies).is_empty(), "{protocol} {:?}", failures(&replies));
        let waited = replies.iter().filter(|(_, latency)| *latency > ms(300)).count();
        let left = replies.iter().filter(|(_, latency)| (ms(60)..ms(200)).contains(latency)).count();
        assert!(waited > 5 && left == 5, "{protocol} {waited} waited, {left} left");
    }
}

#[tokio::test(start_paused = true)]
async fn provider_that_is_frozen_from_the_beginning_delays_no_call_for_long() {
    for protocol in ["", "grpc://"] {
        let endpoints = [A, B, C].map(|address| format!("{protocol}{address}"));
        let world = world(listed(&endpoints.each_ref().map(String::as_str)));
        world.start_all(&[A, B, C]);
        world.network.freeze(A);
        let calls = drive(&world, HANG_SAFELY, 500, ms(1)).await;
        assert!(failures(&calls).is_empty(), "{protocol} {:?}", failures(&calls));
        assert!(percentile(&calls, 1.0) < ms(200), "{protocol} {:?}", percentile(&calls, 1.0));
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_may_not_run_twice_stay_at_a_frozen_endpoint_and_later_ones_avoid_it() {
    for protocol in ["", "grpc://"] {
        let world = three(protocol).await;
        world.network.freeze(A);
        let frozen = drive(&world, AM, 3_000, ms(1)).await;
        assert!(failures(&frozen).len() <= 40, "{protocol} {}", failures(&frozen).len());
        for status in failures(&frozen) {
            assert_eq!(status.ran(), Ran::Maybe, "{status}");
        }
        let late = frozen.iter().rposition(|(reply, _)| reply.is_err()).unwrap();
        assert!(late <= 100, "{protocol} call {late} went to the frozen endpoint");
    }
}

#[tokio::test(start_paused = true)]
async fn endpoint_that_pauses_answers_the_calls_that_stayed() {
    let world = three("").await;
    let pause = async {
        world.network.freeze(A);
        sleep(ms(300)).await;
        world.network.thaw(A);
    };
    let (paused, ()) = tokio::join!(drive(&world, AM, 3_000, ms(5)), pause);
    assert!(failures(&paused).is_empty());
    assert!(percentile(&paused, 1.0) >= ms(250), "some calls waited");
    // It takes seconds until its latency is forgotten.
    let from_a = paused.iter().rposition(|(reply, _)| reply.as_ref().is_ok_and(|name| name == A)).unwrap();
    assert!(from_a > 2_900, "the endpoint is picked again: {from_a}");
}

#[tokio::test(start_paused = true)]
async fn calls_stay_if_no_other_endpoint_is_well() {
    let world = world(listed(&[A]));
    world.start(A);
    world.who().await.unwrap();
    world.network.freeze(A);
    let thaw = async {
        sleep(ms(500)).await;
        world.network.thaw(A);
    };
    let (replies, ()) = tokio::join!(drive(&world, HANG_SAFELY, 100, ms(1)), thaw);
    assert!(failures(&replies).is_empty(), "{:?}", failures(&replies));
    assert_eq!(world.network.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn slow_handler_is_no_silence() {
    let options = ChannelOptions { balancer: Policy::RoundRobin, ..ChannelOptions::default() };
    let world = world_with(listed(&[A, B]), options);
    world.start_hanging(A);
    world.start(B);
    let mut from_a = 0;
    let calls = async {
        for _ in 0..1_000 {
            from_a += usize::from(world.who().await.unwrap() == A);
            sleep(ms(10)).await;
        }
    };
    let hanging = async { world.call(HANG_SAFELY).timeout(Duration::from_secs(5)).await };
    let (first, second, ()) =
        tokio::join!(hanging, world.call(HANG_SAFELY).timeout(Duration::from_secs(5)).into_future(), calls);
    assert!(first.is_ok() != second.is_ok(), "one of them hangs at {A}");
    assert!(from_a > 100, "{from_a}");
}
