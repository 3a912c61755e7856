//! Tests of the memory budget from many seeds, over the simulated network.
//!
//! Greedy callers park calls, send streams that nobody reads, leave replies unread, give up and vanish. Another caller
//! makes small calls meanwhile.

use tokio::task::JoinSet;
use tokio::time::Instant;

use super::limits::{greeting, ms, request_frame};
use super::*;
use crate::method::Placement;
use crate::protocol::native::flag;
use crate::streaming::Streaming;
use crate::testing::Network;

/// As many seeds as run within five seconds without optimization.
const SEEDS: u64 = 180;
const SERVER: &str = "10.0.0.1:1";
const BUDGET: usize = 256 << 10;
const SHARE: usize = BUDGET / 2;
const PAUSE_MAX: Duration = ms(1000);
const SEND_BUFFER: usize = 16 << 10;
const DEADLINE_MAX: Duration = ms(3000);
/// The possible excess over the budget: the unread streams of a resumed connection, and a full send buffer.
const BEYOND: usize = WINDOW + SEND_BUFFER;
/// How much streams of requests may add while the server reads a connection that already holds too much.
const WINDOW: usize = 16 << 10;
/// The number of calls of each greedy caller.
const CALLS: usize = 16;

#[tokio::test(start_paused = true)]
async fn memory_budget_holds_for_every_mix_of_callers_and_is_released() {
    let mut pauses = 0;
    for seed in 0..SEEDS {
        let mut random = fastrand::Rng::with_seed(seed);
        let network = Network::from_seed(seed);
        network.set_delay(Duration::from_micros(50)..=ms(2));
        let shared = shared();
        let server = serve(&network, &shared);

        let mut greedy = Vec::new();
        let mut calls = JoinSet::new();
        for index in 0..1 + seed % 4 {
            let host = format!("greedy{index}");
            let caller = open(&network, &host).await;
            let cut_at = (index > 0 && random.u8(..) < 80).then(|| Instant::now() + ms(random.u64(..2000)));
            for _ in 0..CALLS {
                calls.spawn(call_once(seed, caller.clone(), cut_at, random.fork()));
            }
            if let Some(at) = cut_at {
                let network = network.clone();
                calls.spawn(async move {
                    tokio::time::sleep_until(at).await;
                    network.cut(&host);
                });
            } else {
                greedy.push(caller);
            }
        }
        calls.spawn(make_call_that_never_fits(seed, greedy[0].clone(), random.fork()));
        let silent = ask_and_read_nothing(&network, &mut random).await;
        let small = open(&network, "small").await;
        let slowest = make_small_calls(seed, &small).await;
        while let Some(ended) = calls.join_next().await {
            ended.unwrap();
        }
        drop(silent);
        // The server drops an abandoned call at its deadline at the latest.
        sleep(DEADLINE_MAX).await;
        let stats = shared.stats();
        assert!(stats.memory_bytes_peak <= (BUDGET + BEYOND) as u64, "seed {seed}: {stats:?}");
        assert!(slowest <= ms(20), "seed {seed}: a small call took {slowest:?}; {stats:?}");

        greedy.push(small);
        for caller in &greedy {
            let reply = caller.unary(&request("Echo", "resumed")).await;
            assert_eq!(reply.unwrap(), "resumed", "seed {seed}: {:?}", shared.stats());
        }
        drop(greedy);
        // Nothing listens any more, so the server ends when its connections end.
        network.kill(SERVER);
        server.await.unwrap();
        assert_eq!(shared.stats().memory_bytes, 0, "seed {seed}");
        pauses += stats.memory_pauses;
    }
    assert!(pauses > 2 * SEEDS, "{pauses} pauses: the budget was hardly reached");
}

fn shared() -> Arc<Shared> {
    let limits = Limits {
        memory_bytes_max: Some(BUDGET),
        connection_memory_bytes_max: Some(SHARE),
        memory_pause_max: PAUSE_MAX,
        send_buffer_bytes_max: SEND_BUFFER,
        stream_window_bytes: WINDOW,
        connection_window_bytes: WINDOW,
        // The server refuses calls for no other reason than memory.
        handler_delay_target: Duration::from_secs(3600),
        ..Limits::default()
    };
    let placement = [(PROBE.name.to_owned(), Placement::Inline)].into();
    Server { limits, placement, ..Server::default() }.add(Probe).share().unwrap()
}

/// Serves incoming connections until the last connection ends.
fn serve(network: &Network, shared: &Arc<Shared>) -> JoinHandle<()> {
    let (mut incoming, shared) = (network.listen(SERVER), shared.clone());
    tokio::spawn(async move {
        let mut connections = JoinSet::new();
        while let Some(stream) = incoming.recv().await {
            let shared = shared.clone();
            connections.spawn(async move { serve_stream(stream, shared).await });
        }
        connections.join_all().await;
    })
}

async fn connect(network: &Network, host: &str) -> Stream {
    network.connector(host, ms(1000))(SERVER.parse().unwrap()).await.unwrap()
}

async fn open(network: &Network, host: &str) -> Arc<Multiplexed> {
    // The windows are small, so messages that the caller does not read soon wait at the server.
    let limits = Limits { stream_window_bytes: 4 << 10, connection_window_bytes: 16 << 10, ..Limits::default() };
    let caller = Multiplexed::open(connect(network, host).await, &SERVER.parse().unwrap(), &Arc::default(), &limits);
    caller.greeted().await.unwrap();
    Arc::new(caller)
}

/// Makes a call of a random kind at a random time, and may give the call up.
async fn call_once(seed: u64, caller: Arc<Multiplexed>, cut_at: Option<Instant>, mut random: fastrand::Rng) {
    sleep(ms(random.u64(..1500))).await;
    let (name, body) = random_call(&mut random);
    let deadline = Deadline::after(clock::now(), random_time(&mut random, DEADLINE_MAX));
    let mut metadata = Metadata::new();
    let (pairs, bytes) = if random.u8(..) < 25 { (100, 1) } else { (random.usize(..4), random.usize(..500)) };
    (0..pairs).for_each(|_| metadata.append("key", vec![b'v'; bytes]).unwrap());
    let method = PROBE.methods.iter().find(|method| method.name == name).unwrap();
    let request = Request::new(Context::new(method, None, deadline, metadata), body, deadline, |_| true);
    let patience = ms(if random.bool() { random.u64(1..2000) } else { 10_000 });
    let Ok(Err(status)) = timeout(patience, make(&caller, &request, &mut random)).await else { return };
    match status.code() {
        Code::DeadlineExceeded => {}
        Code::ResourceExhausted => assert!(status.message().contains("memory_bytes_max"), "seed {seed}: {status}"),
        Code::Unavailable if cut_at.is_some_and(|at| at <= Instant::now()) => {}
        _ => panic!("seed {seed}: {status:#}"),
    }
}

fn random_time(random: &mut fastrand::Rng, max: Duration) -> Duration {
    max.mul_f64(random.f64())
}

fn random_call(random: &mut fastrand::Rng) -> (&'static str, Body) {
    let size = if random.u8(..) < 20 { random.usize(..SHARE) } else { random.usize(..20_000) };
    match random.u8(..7) {
        0..=2 => ("Hang", Body::Message(vec![7; size].into())),
        3 => ("Sleep", Body::Message(vec![7; size].into())),
        4 => ("Echo", Body::Message(vec![7; size].into())),
        5 => {
            let messages = random.usize(..6);
            ("Deaf", Body::Stream(Streaming::of((0..messages).map(move |_| vec![7; size % 4000].into()))))
        }
        _ => ("Count", Body::Message(count(random.u32(..20), random.u32(..2000)))),
    }
}

/// A request to `Count` for `messages` messages of `size` bytes.
fn count(messages: u32, size: u32) -> Bytes {
    [messages.to_le_bytes(), size.to_le_bytes()].concat().into()
}

/// Makes the call and reads a stream of replies slowly.
async fn make(caller: &Multiplexed, request: &Request, random: &mut fastrand::Rng) -> Result<(), Status> {
    if let Body::Stream(mut replies) = caller.call(request).await? {
        let pause = ms(random.u64(..200));
        while let Some(reply) = replies.next().await {
            reply?;
            sleep(pause).await;
        }
    }
    Ok(())
}

async fn make_call_that_never_fits(seed: u64, caller: Arc<Multiplexed>, mut random: fastrand::Rng) {
    sleep(ms(random.u64(..1500))).await;
    let size = SHARE + random.usize(1..20_000);
    let method = PROBE.methods.iter().find(|method| method.name == "Echo").unwrap();
    let deadline = Deadline::after(clock::now(), Duration::from_secs(20));
    let context = Context::new(method, None, deadline, Metadata::new());
    let request = Request::new(context, Body::Message(vec![7; size].into()), deadline, |_| true);
    let status = caller.unary(&request).await.unwrap_err();
    let expected = format!("a message of {size} bytes is beyond connection_memory_bytes_max {SHARE}");
    assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No), "seed {seed}: {status}");
    assert!(status.message().contains(&expected), "seed {seed}: {status}");
}

/// Acts as a caller that reads no reply and never completes its last frame.
async fn ask_and_read_nothing(network: &Network, random: &mut fastrand::Rng) -> Stream {
    let stream = connect(network, "silent").await;
    let send = |bytes: &[u8]| assert_eq!(stream.writer.try_write(bytes).unwrap(), bytes.len());
    send(&greeting(&Limits::default()));
    (1..=random.u32(1..4)).for_each(|id| send(&request_frame(id, "Count", flag::END, &count(40, 4000))));
    send(&request_frame(9, "Hang", flag::END, &vec![7; random.usize(..10_000)]));
    let incomplete = request_frame(10, "Echo", flag::END, &vec![7; random.usize(40_000..100_000)]);
    send(&incomplete[..random.usize(1..40_000)]);
    stream
}

/// Makes small calls one after the other while greedy callers are active. Returns the time of the slowest call.
async fn make_small_calls(seed: u64, caller: &Multiplexed) -> Duration {
    let mut slowest = Duration::ZERO;
    for _ in 0..30 {
        let begin = Instant::now();
        let reply = caller.unary(&request("Echo", "small")).await;
        assert_eq!(reply.unwrap_or_else(|status| panic!("seed {seed}: {status:#}")), "small");
        slowest = slowest.max(begin.elapsed());
        sleep(ms(100)).await;
    }
    slowest
}
