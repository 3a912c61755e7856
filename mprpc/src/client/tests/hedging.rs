//! Tests of hedging: when a second attempt starts, where it goes, which reply counts, and what it costs.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};

use super::retries::{Handler, ms, text};
use super::*;

/// A server whose handlers take so many milliseconds. The test changes it at any time.
#[derive(Clone, Default)]
struct Provider {
    works_ms: Arc<AtomicU64>,
    /// How many calls its handlers began and ended, and the attempt of the last one.
    begun: Arc<AtomicU64>,
    ended: Arc<AtomicU64>,
    attempt: Arc<AtomicU64>,
    again: Arc<AtomicU64>,
    fails: Arc<AtomicU64>,
}

impl Provider {
    fn serve(network: &Network, address: &'static str) -> Provider {
        let provider = Provider::default();
        let provider_of_calls = provider.clone();
        let handler = move |_, context: Context, _| -> BoxFuture<_> {
            let provider = provider_of_calls.clone();
            provider.begun.fetch_add(1, Ordering::Relaxed);
            provider.attempt.store(context.attempt().into(), Ordering::Relaxed);
            provider.again.fetch_add(u64::from(context.attempt() > 1), Ordering::Relaxed);
            context.reply_metadata().set("from", address).unwrap();
            Box::pin(async move {
                sleep(ms(provider.works_ms.load(Ordering::Relaxed))).await;
                provider.ended.fetch_add(1, Ordering::Relaxed);
                match provider.fails.load(Ordering::Relaxed) {
                    0 => Ok(address.to_owned()),
                    _ => Err(Status::internal("broken")),
                }
            })
        };
        network.serve(address, Server::default().add(Handler(handler)));
        provider
    }

    fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    fn ended(&self) -> u64 {
        self.ended.load(Ordering::Relaxed)
    }

    fn works(&self, milliseconds: u64) {
        self.works_ms.store(milliseconds, Ordering::Relaxed);
    }
}

fn hedged_options() -> ChannelOptions {
    ChannelOptions { hedge: BTreeSet::from(["test.Who".to_owned()]), ..ChannelOptions::default() }
}

/// Two providers that answer after 1 ms, and a stub whose calls are hedged. Enough calls were measured.
async fn two_providers(options: ChannelOptions) -> (Network, [Provider; 2], Stub) {
    let network = Network::from_seed(5);
    let providers = [A, B].map(|address| Provider::serve(&network, address));
    providers.iter().for_each(|provider| provider.works(1));
    let stub = Stub::new(network.host("client").channel_with_options(&format!("list:{A},{B}"), options), &WHO);
    for _ in 0..200 {
        who(&stub).await.unwrap();
    }
    (network, providers, stub)
}

async fn who(stub: &Stub) -> Result<String, Status> {
    Ok(stub.unary::<_, StringValue>(HANG_SAFELY, &text("")).await?.value)
}

#[tokio::test(start_paused = true)]
async fn first_reply_wins_and_cancels_the_other_attempt() {
    let (_network, [slow, quick], stub) = two_providers(hedged_options()).await;
    slow.works(1000);
    let (begun, ended) = (slow.begun(), slow.ended());
    for _ in 0..6 {
        let begin = Instant::now();
        let reply = stub.unary::<_, StringValue>(HANG_SAFELY, &text("")).with_metadata().await.unwrap();
        assert_eq!(reply.message.value, B);
        assert_eq!(reply.metadata().text("from"), Some(B), "the metadata comes with the reply");
        assert!(begin.elapsed() <= ms(6), "{:?}", begin.elapsed());
        if slow.begun() > begun {
            assert_eq!(quick.attempt.load(Ordering::Relaxed), 2);
            break;
        }
    }
    assert_eq!(slow.begun(), begun + 1);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(slow.ended(), ended, "the slow handler was not cancelled");
}

#[tokio::test(start_paused = true)]
async fn hedge_never_goes_to_the_same_endpoint() {
    let (network, [a, b], stub) = two_providers(hedged_options()).await;
    network.kill(B);
    who(&stub).await.unwrap();
    a.works(50);
    let begun = a.begun();
    for _ in 0..10 {
        who(&stub).await.unwrap();
    }
    assert_eq!((a.begun() - begun, a.ended()), (10, a.begun()));
    assert!(b.begun() >= 50);
}

#[tokio::test(start_paused = true)]
async fn failure_of_one_attempt_waits_for_the_other() {
    let (_network, [slow, broken], stub) = two_providers(hedged_options()).await;
    slow.works(100);
    broken.fails.store(1, Ordering::Relaxed);
    let begun = slow.begun();
    let mut answered = 0;
    for _ in 0..6 {
        // A call that begins at the broken provider fails: its handler has answered before a hedge starts.
        match who(&stub).await {
            Ok(reply) => {
                assert_eq!(reply, A);
                answered += 1;
            }
            Err(status) => assert_eq!(status.code(), Code::Internal),
        }
    }
    assert_eq!(answered, slow.begun() - begun);
    assert!(answered > 0);
}

#[tokio::test(start_paused = true)]
async fn call_fails_with_the_answer_of_a_handler_if_both_attempts_fail() {
    let (network, [slow, broken], stub) = two_providers(hedged_options()).await;
    slow.works(100);
    broken.fails.store(1, Ordering::Relaxed);
    for _ in 0..6 {
        let cut = async {
            sleep(ms(50)).await;
            network.cut(A);
        };
        let (reply, ()) = tokio::join!(who(&stub), cut);
        assert_eq!(reply.unwrap_err().message(), "broken");
    }
}

#[tokio::test(start_paused = true)]
async fn no_hedge_starts_before_enough_calls_were_measured() {
    let network = Network::from_seed(5);
    let providers = [A, B].map(|address| Provider::serve(&network, address));
    let channel = network.host("client").channel_with_options(&format!("list:{A},{B}"), hedged_options());
    let stub = Stub::new(channel, &WHO);
    for call in 0..99 {
        providers.iter().for_each(|provider| provider.works(if call % 10 == 0 { 80 } else { 1 }));
        who(&stub).await.unwrap();
    }
    assert_eq!(providers.iter().map(Provider::begun).sum::<u64>(), 99);
}

#[tokio::test(start_paused = true)]
async fn only_unary_calls_that_may_run_twice_are_hedged() {
    let (_network, providers, stub) = two_providers(hedged_options()).await;
    let begun = || providers.iter().map(Provider::begun).sum::<u64>();
    providers.iter().for_each(|provider| provider.works(50));
    let before = begun();
    let call = |method| stub.unary::<_, StringValue>(method, &text(""));
    for call in [call(AM), call(HANG_SAFELY).may_run_twice(false), call(HANG_SAFELY).hedge(false)] {
        call.await.unwrap();
    }
    assert_eq!(begun(), before + 3);
    call(HANG_SAFELY).await.unwrap();
    assert_eq!(begun(), before + 5);
    let status = call(AM).hedge(true).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::InvalidArgument, Ran::No));
    assert!(status.message().contains("test.Who/Am: the method sets no idempotency_level"), "{status}");
    let parts = || crate::streaming::Streaming::of([text("")]);
    let status = stub.client_streaming::<_, StringValue>(CONCAT, parts()).hedge(true).await.unwrap_err();
    assert!(status.message().contains("only unary calls"), "{status}");
    assert_eq!(begun(), before + 5);
}

#[tokio::test(start_paused = true)]
async fn hedges_stay_within_the_budget_if_every_server_is_slow() {
    let mut options = hedged_options();
    options.limits.retry_window = Duration::from_secs(3600);
    let (_network, providers, stub) = two_providers(options).await;
    providers.iter().for_each(|provider| provider.works(100));
    let begun = || providers.iter().map(Provider::begun).sum::<u64>();
    let before = begun();
    let calls: JoinSet<_> =
        (0..1000).map(|_| stub.unary::<_, StringValue>(HANG_SAFELY, &text("")).into_future()).collect();
    calls.join_all().await;
    // A tenth of the 1,200 calls so far.
    assert_eq!(begun() - before, 1120);
}

/// The latencies of a run, sorted, and how many attempts were hedges or retries.
struct Run {
    latencies: Vec<Duration>,
    again: u64,
}

impl Run {
    fn percentile(&self, share: f64) -> Duration {
        self.latencies[(self.latencies.len() as f64 * share) as usize]
    }
}

/// Makes 1,000 calls a second to three providers. One of them pauses for 100 ms in each second.
async fn with_a_pausing_provider(hedged: bool) -> Run {
    let network = Network::from_seed(9);
    let mut random = fastrand::Rng::with_seed(9);
    let providers = [A, B, C].map(|address| Provider::serve(&network, address));
    let options = if hedged { hedged_options() } else { ChannelOptions::default() };
    let stub = Stub::new(network.host("client").channel_with_options(&format!("list:{A},{B},{C}"), options), &WHO);
    let mut calls = JoinSet::new();
    let begin = Instant::now();
    for call in 0..10_000u32 {
        tokio::time::sleep_until(begin + ms(1) * call).await;
        match call % 1000 {
            500 => network.freeze(A),
            600 => network.thaw(A),
            _ => {}
        }
        // Most handlers take 1 to 4 ms.
        providers.iter().for_each(|provider| provider.works(random.u64(1..5)));
        let stub = stub.clone();
        calls.spawn(async move {
            let begin = Instant::now();
            who(&stub).await.unwrap();
            begin.elapsed()
        });
    }
    let mut latencies = calls.join_all().await;
    latencies.sort();
    Run { latencies, again: providers.iter().map(|provider| provider.again.load(Ordering::Relaxed)).sum() }
}

#[tokio::test(start_paused = true)]
async fn hedging_cuts_the_tail_of_a_provider_that_pauses_at_a_few_percent_more_calls() {
    let (off, on) = (with_a_pausing_provider(false).await, with_a_pausing_provider(true).await);
    for (name, run) in [("off", &off), ("on", &on)] {
        let [p50, p99, p999] = [0.5, 0.99, 0.999].map(|share| run.percentile(share));
        let load = run.again as f64 / run.latencies.len() as f64 * 100.0;
        println!("hedging {name}: p50 {p50:?}, p99 {p99:?}, p99.9 {p999:?}, extra load {load:.1} %");
    }
    assert!(off.percentile(0.999) > ms(80), "{:?}", off.percentile(0.999));
    assert!(on.percentile(0.999) < ms(20), "{:?}", on.percentile(0.999));
    // Without hedges, calls leave the provider once it has paused for long.
    assert!(off.again * 100 < off.latencies.len() as u64, "{} calls were made again", off.again);
    assert!(on.again * 12 < on.latencies.len() as u64, "{} attempts", on.again);
}
