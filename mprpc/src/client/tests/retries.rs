//! Tests of retries: which calls are made again, how often, when, and what servers and callers learn about it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::interceptor::{Next, intercept_fn};

/// A service whose methods all run one function. It gets the method, the context and the value of the request.
pub(super) struct Handler<F>(pub(super) F);

impl<F> Service for Handler<F>
where
    F: Fn(usize, Context, String) -> BoxFuture<Result<String, Status>> + Send + Sync + 'static,
{
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WHO
    }

    fn call(&self, method: usize, context: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let value = request.into_message().and_then(|bytes| crate::codec::protobuf::decode::<StringValue>(&bytes));
        match value {
            Ok(request) => {
                let reply = (self.0)(method, context, request.value);
                Box::pin(async move { Ok(Body::Message(crate::codec::protobuf::encode(&text(&reply.await?))?)) })
            }
            Err(status) => Box::pin(std::future::ready(Err(status))),
        }
    }
}

pub(super) fn text(value: &str) -> StringValue {
    StringValue { value: value.to_owned(), ..StringValue::default() }
}

pub(super) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// Options with a budget of retries that a test can use up.
fn budget(retry_percent: usize, retries_min: usize) -> ChannelOptions {
    ChannelOptions { limits: Limits { retry_percent, retries_min, ..Limits::default() }, ..ChannelOptions::default() }
}

/// What the handlers of a test have seen: the attempt and the time of each call.
type Seen = Arc<Mutex<Vec<(u32, Instant)>>>;

/// Serves a handler that asks for a retry after `pause`, until it has refused `refusals` calls.
fn serve_pushback(network: &Network, address: &str, pause: Duration, refusals: usize, seen: &Seen) {
    let seen = seen.clone();
    let handler = move |_, context: Context, value| -> BoxFuture<_> {
        let mut seen = seen.lock().unwrap();
        seen.push((context.attempt(), Instant::now()));
        let refused = seen.len() <= refusals;
        Box::pin(async move {
            if refused { Err(Status::unavailable("being filled").with_retry_after(pause)) } else { Ok(value) }
        })
    };
    network.serve(address, Server::default().add(Handler(handler)));
}

#[tokio::test(start_paused = true)]
async fn handler_that_asks_for_a_retry_gets_it_after_its_pause_and_reads_the_attempt() {
    for protocol in ["", "grpc://"] {
        let network = Network::from_seed(1);
        let seen = Seen::default();
        serve_pushback(&network, A, ms(300), 2, &seen);
        let stub = Stub::new(network.channel(&format!("{protocol}{A}")), &WHO);
        assert_eq!(stub.unary::<_, StringValue>(HANG_SAFELY, &text("x")).await.unwrap().value, "x");
        let seen = std::mem::take(&mut *seen.lock().unwrap());
        let attempts: Vec<u32> = seen.iter().map(|seen| seen.0).collect();
        assert_eq!(attempts, [1, 2, 3], "{protocol}");
        for pair in seen.windows(2) {
            assert!((ms(300)..ms(303)).contains(&(pair[1].1 - pair[0].1)), "{seen:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_may_not_run_twice_is_not_made_again_for_a_handler_that_asks() {
    let network = Network::from_seed(1);
    let seen = Seen::default();
    serve_pushback(&network, A, ms(10), 1000, &seen);
    let stub = Stub::new(network.channel(A), &WHO);
    let call = |method| stub.unary::<_, StringValue>(method, &text("x"));
    for (call, runs) in [
        (call(AM), 1),
        (call(HANG_SAFELY).may_run_twice(false), 1),
        (call(AM).may_run_twice(true), 4),
        (call(HANG_SAFELY), 4),
    ] {
        let status = call.await.unwrap_err();
        assert_eq!((status.code(), status.retry_after()), (Code::Unavailable, Some(ms(10))));
        assert_eq!(std::mem::take(&mut *seen.lock().unwrap()).len(), runs);
    }
}

#[tokio::test(start_paused = true)]
async fn pause_beyond_the_deadline_fails_the_call_at_once() {
    let network = Network::from_seed(1);
    let seen = Seen::default();
    serve_pushback(&network, A, ms(300), 1, &seen);
    let stub = Stub::new(network.channel(A), &WHO);
    let begin = Instant::now();
    let status = stub.unary::<_, StringValue>(HANG_SAFELY, &text("x")).timeout(ms(200)).await.unwrap_err();
    assert_eq!((status.code(), begin.elapsed()), (Code::Unavailable, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn call_that_waits_for_ready_keeps_to_the_pause_of_an_overloaded_server() {
    let network = Network::from_seed(1);
    let came = Arc::new(Mutex::new(Vec::new()));
    let seen = came.clone();
    let refuses = intercept_fn(move |context, request, next: Next| {
        let mut seen = seen.lock().unwrap();
        seen.push(Instant::now());
        let is_refused = seen.len() < 4;
        async move {
            if is_refused {
                let status = Status::resource_exhausted("too much to do").with_retry_after(ms(400));
                return Err(status.with_phase(Phase::Queue).with_ran(Ran::No));
            }
            next.run(context, request).await
        }
    });
    network.serve(A, Server::default().add(Who { name: A.into(), hangs: false }).intercept(refuses));
    let stub = Stub::new(network.channel(A), &WHO);
    stub.unary::<_, StringValue>(AM, &text("x")).wait_for_ready(true).await.unwrap();
    let came = came.lock().unwrap();
    assert!(came.windows(2).all(|pair| pair[1] - pair[0] >= ms(400)), "{came:?}");
}

/// Makes a call of `method` whose server dies while the call waits for its reply, and starts the server again.
async fn lose_once(world: &TestBed, method: usize) -> Result<StringValue, Status> {
    world.start_hanging(A);
    let kill = async {
        sleep(ms(10)).await;
        world.network.kill(A);
        world.start(A);
    };
    let reply = tokio::join!(world.call(method).into_future(), kill).0;
    world.network.kill(A);
    // The backoff of the endpoint ends.
    sleep(Duration::from_secs(6)).await;
    reply
}

#[tokio::test(start_paused = true)]
async fn used_up_budget_fails_the_call_and_its_story_says_so() {
    let world = world_with(
        listed(&[A]),
        ChannelOptions {
            limits: Limits { retry_window: Duration::from_secs(3600), ..budget(1, 2).limits },
            ..ChannelOptions::default()
        },
    );
    for _ in 0..2 {
        assert_eq!(lose_once(&world, HANG_SAFELY).await.unwrap().value, A);
    }
    let status = lose_once(&world, HANG_SAFELY).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
    let story = format!("{status:#}");
    let expected = "attempt 1 (retry_percent 1 and retries_min 2 of 3600s used up), ";
    assert!(story.contains(expected), "{story}");
}

#[tokio::test(start_paused = true)]
async fn call_that_did_not_run_is_made_elsewhere_without_a_budget() {
    let world = world_with(listed(&[A, B, C]), budget(0, 0));
    world.start(C);
    for _ in 0..30 {
        assert_eq!(world.who().await.unwrap(), C);
        sleep(Duration::from_secs(1)).await;
    }
    assert!(world.network.attempts() > 10, "no call came to a closed endpoint");
}

#[tokio::test(start_paused = true)]
async fn retry_of_a_lost_call_goes_to_another_endpoint() {
    for seed in 0..20 {
        let world = world_from(seed, listed(&[A, B, C]), ChannelOptions::default());
        world.start_all(&[B, C]);
        world.start_hanging(A);
        // Opens the connections.
        for _ in 0..6 {
            world.who().await.unwrap();
        }
        for _ in 0..3 {
            // A takes connections again at once, but hangs.
            let cut = async {
                sleep(ms(10)).await;
                world.network.cut(A);
            };
            let (reply, ()) = tokio::join!(world.call(HANG_SAFELY).timeout(ms(500)).into_future(), cut);
            assert_ne!(reply.unwrap().value, A, "seed {seed}");
        }
    }
}

/// A front service that calls the backends, and counts the attempts that it serves.
fn serve_front(network: &Network, address: &str, backends: &Stub, hangs: bool, seen: &Seen) {
    let (seen, backends) = (seen.clone(), backends.clone());
    let handler = move |_, context: Context, value: String| -> BoxFuture<_> {
        seen.lock().unwrap().push((context.attempt(), Instant::now()));
        let backends = backends.clone();
        Box::pin(async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(backends.unary::<_, StringValue>(HANG_SAFELY, &text(&value)).await?.value)
        })
    };
    network.serve(address, Server::default().add(Handler(handler)));
}

#[tokio::test(start_paused = true)]
async fn handler_of_a_retry_makes_no_retry_of_its_own() {
    const BACKENDS: [&str; 2] = ["10.1.0.1:1", "10.1.0.2:1"];
    for is_retry in [false, true] {
        let network = Network::from_seed(3);
        let (fronts, runs) = (Seen::default(), Seen::default());
        for backend in BACKENDS {
            let (seen, cuts) = (runs.clone(), network.clone());
            let handler = move |_, context: Context, _| -> BoxFuture<_> {
                seen.lock().unwrap().push((context.attempt(), Instant::now()));
                let cuts = cuts.clone();
                Box::pin(async move {
                    sleep(ms(5)).await;
                    cuts.cut(backend);
                    std::future::pending().await
                })
            };
            network.serve(backend, Server::default().add(Handler(handler)));
        }
        let backends = Stub::new(network.host(B).channel(&format!("list:{}", BACKENDS.join(","))), &WHO);
        serve_front(&network, B, &backends, false, &fronts);
        let target = if is_retry { format!("list:{A},{B}") } else { B.to_owned() };
        if is_retry {
            serve_front(&network, A, &backends, true, &fronts);
        }
        let stub = Stub::new(network.channel(&target), &WHO);
        let call = || stub.unary::<_, StringValue>(HANG_SAFELY, &text("x")).into_future();
        let mut status = None;
        while is_retry && fronts.lock().unwrap().iter().all(|seen| seen.0 == 1) {
            let kill = async {
                sleep(ms(1)).await;
                network.cut(A);
            };
            runs.lock().unwrap().clear();
            status = tokio::join!(call(), kill).0.err();
        }
        let status = match status {
            Some(status) => status,
            None => call().await.unwrap_err(),
        };
        let attempts: Vec<u32> = runs.lock().unwrap().iter().map(|seen| seen.0).collect();
        let story = format!("{status:#}");
        if is_retry {
            assert_eq!(attempts, [2], "{story}");
            assert!(story.contains("attempt 1 (no retry of a retry)"), "{story}");
        } else {
            assert_eq!(attempts, [1, 2, 3, 4], "{story}");
        }
    }
}

/// Serves an echo that accepts so many calls in each 100 ms, and refuses the others as an overloaded server does.
fn serve_overloaded(network: &Network, address: &str, capacity: u32, came: &Arc<AtomicU32>) {
    let (came, begin, accepted) = (came.clone(), Instant::now(), Mutex::new((0, 0)));
    let refuses = intercept_fn(move |context, request, next: Next| {
        came.fetch_add(1, Ordering::Relaxed);
        let slice = begin.elapsed().as_millis() / 100;
        let mut accepted = accepted.lock().unwrap();
        if accepted.0 != slice {
            *accepted = (slice, 0);
        }
        accepted.1 += 1;
        let is_refused = accepted.1 > capacity;
        async move {
            if is_refused {
                let status = Status::resource_exhausted("too much to do").with_retry_after(ms(100));
                return Err(status.with_phase(Phase::Queue).with_ran(Ran::No));
            }
            next.run(context, request).await
        }
    });
    network.serve(address, Server::default().add(Who { name: address.into(), hangs: false }).intercept(refuses));
}

/// The attempts that reach three servers for each call, if so many calls a second are offered and accepted.
async fn attempts_of_each_call(offered: u32, accepted: u32, options: ChannelOptions) -> f64 {
    let network = Network::from_seed(1);
    let came = Arc::new(AtomicU32::new(0));
    for address in [A, B, C] {
        serve_overloaded(&network, address, accepted / 30, &came);
    }
    let channel = network.host("client").channel_with_options(&format!("list:{A},{B},{C}"), options);
    let stub = Stub::new(channel, &WHO);
    let begin = Instant::now();
    let calls = 6 * offered;
    for call in 0..calls {
        tokio::time::sleep_until(begin + Duration::from_secs(1) * call / offered).await;
        tokio::spawn(stub.unary::<_, StringValue>(AM, &text("x")).into_future());
    }
    sleep(Duration::from_secs(1)).await;
    f64::from(came.load(Ordering::Relaxed)) / f64::from(calls)
}

#[tokio::test(start_paused = true)]
async fn attempts_under_overload_stay_within_a_tenth_above_the_calls() {
    let unbounded = attempts_of_each_call(1000, 700, budget(1_000_000, 0)).await;
    assert!(unbounded > 1.2, "{unbounded}: retries must be able to go beyond the budget");
    for (offered, accepted) in [(1000, 900), (1000, 700), (1000, 300), (3000, 600)] {
        let attempts = attempts_of_each_call(offered, accepted, ChannelOptions::default()).await;
        println!(
            "{offered} calls/s, {accepted} accepted: {attempts:.3} attempts a call ({unbounded:.3} without a budget)"
        );
        assert!(attempts <= 1.1, "{attempts} attempts a call at {offered} calls/s");
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_may_not_run_twice_never_does_over_thousands_of_faulted_calls() {
    let (mut calls, mut twice, mut failed) = (0, 0, 0);
    for seed in 0..60 {
        let network = Network::from_seed(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        network.set_delay(Duration::from_micros(50)..=ms(3));
        let runs = Arc::new(Mutex::new(HashMap::new()));
        let serve = |address: &str| {
            let runs = runs.clone();
            let handler = move |method: usize, _, value: String| -> BoxFuture<_> {
                *runs.lock().unwrap().entry((method, value.clone())).or_insert(0) += 1;
                let work = ms(fastrand::u64(0..20));
                Box::pin(async move {
                    sleep(work).await;
                    Ok(value)
                })
            };
            network.serve(address, Server::default().add(Handler(handler)));
        };
        [A, B, C].into_iter().for_each(serve);
        let hedge = std::collections::BTreeSet::from(["test.Who".to_owned()]);
        let options = ChannelOptions { hedge, ..budget(100, 10) };
        let protocol = if seed % 2 == 0 { "" } else { "grpc://" };
        let target = format!("list:{protocol}{A},{protocol}{B},{protocol}{C}");
        let stub = Stub::new(network.host("client").channel_with_options(&target, options), &WHO);
        let mut running = JoinSet::new();
        for call in 0..100 {
            for method in [AM, HANG_SAFELY] {
                let call = stub.unary::<_, StringValue>(method, &text(&format!("{call}"))).timeout(ms(400));
                running.spawn(call.into_future());
            }
            sleep(ms(random.u64(0..5))).await;
            let host = *random.choice(&[A, B, C]).unwrap();
            match random.u32(0..40) {
                0..3 => network.cut(host),
                3 => network.freeze(host),
                4..8 => [A, B, C].into_iter().for_each(|host| network.thaw(host)),
                8 => {
                    network.kill(host);
                    serve(host);
                }
                _ => {}
            }
        }
        [A, B, C].into_iter().for_each(|host| network.thaw(host));
        while let Some(reply) = running.join_next().await {
            calls += 1;
            failed += u32::from(reply.unwrap().is_err());
        }
        sleep(Duration::from_secs(1)).await;
        for ((method, call), runs) in &*runs.lock().unwrap() {
            assert!(*method != AM || *runs == 1, "seed {seed}: call {call} ran {runs} times");
            twice += u32::from(*runs > 1);
        }
    }
    println!("{calls} calls, {failed} failed; {twice} that may run twice did");
    assert!(twice > 100, "{twice} of {calls}: the faults make too few retries");
}
