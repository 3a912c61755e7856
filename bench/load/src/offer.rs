//! A caller with an open loop: calls begin when they are due, whatever the outcome of earlier calls. Each call has a
//! deadline.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mprpc::{Channel, Code, Status};
use mprpc_bench_harness::{CallerProcess, Failure, Histogram, ServerProcess};
use serde::{Deserialize, Serialize};
use tokio::runtime::{Builder, Handle};
use tokio::sync::mpsc;

use crate::Programs;
use crate::proto::{LoadServiceClient, Work};

/// The deadline of every call, from its begin. A reply later than this after the due time is not in time.
pub(crate) const DEADLINE: Duration = Duration::from_secs(1);
/// How long the cheap and the expensive calls of [`Calls::Mixed`] compute, in microseconds.
pub(crate) const CHEAP_US: u32 = 2;
pub(crate) const EXPENSIVE_US: u32 = 5_000;
/// One of this many calls is expensive, on average.
pub(crate) const EXPENSIVE_ONE_IN: u64 = 100;

/// The calls to make, and their rates, one step after the other.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Offer {
    /// The number of channels. Each has its own connection, and calls use the channels in turn.
    pub(crate) channels: usize,
    pub(crate) calls: Calls,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) enum Calls {
    Empty,
    /// The handler computes for this many microseconds.
    Compute(u32),
    /// Cheap calls and some expensive ones. The expensive ones call another method, or the same method with another request.
    Mixed {
        one_method: bool,
    },
    UseResource,
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    /// Calls a second over all channels.
    pub(crate) rate: f64,
    pub(crate) seconds: f64,
}

/// The outcome of the calls that were due in a step.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcome {
    /// Calls a second that began. It is below the rate if the caller has no time for more.
    pub(crate) offered: f64,
    /// Calls a second that were answered in time.
    pub(crate) answered: f64,
    /// RESOURCE_EXHAUSTED from the server or from the channel itself.
    pub(crate) refused: f64,
    /// DEADLINE_EXCEEDED, or answered too late.
    pub(crate) expired: f64,
    pub(crate) failed: f64,
    /// Latency of the calls answered in time, counted from the due time. Of mixed calls, only the cheap ones count.
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

impl Offer {
    /// Starts a process that makes these calls to a server.
    pub(crate) fn start(&self, programs: &Programs, server: &ServerProcess) -> Result<CallerProcess, Failure> {
        let address = server.address().to_string();
        let arguments = ["--offer".to_owned(), address, serde_json::to_string(self)?];
        CallerProcess::start(&programs.own, &arguments)
    }

    /// Makes these calls to a server, and returns an outcome for each step.
    pub(crate) fn run(&self, programs: &Programs, server: &mut ServerProcess) -> Result<Vec<Outcome>, Failure> {
        let caller = self.start(programs, server)?;
        caller.report(self.span()).map_err(|failure| server.blame(failure))
    }

    /// The expected duration.
    pub(crate) fn span(&self) -> Duration {
        Duration::from_secs_f64(self.steps.iter().map(|step| step.seconds).sum()) + DEADLINE
    }
}

/// The process that makes the calls.
pub(crate) fn offer(address: &str, offer: &str) -> Result<Vec<Outcome>, Failure> {
    let (address, offer): (SocketAddr, Offer) = (address.parse()?, serde_json::from_str(offer)?);
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let mut clients = Vec::with_capacity(offer.channels);
    for _ in 0..offer.channels {
        let client = LoadServiceClient::new(Channel::new(&address.to_string())?);
        runtime.block_on(async { client.empty(Work::default()).await })?;
        clients.push(client);
    }
    // Each call holds a sender, so the channel closes with the last call.
    let (calling, mut all_calls) = mpsc::channel::<()>(1);
    let meters: Vec<Arc<Meter>> = offer.steps.iter().map(|_| Arc::default()).collect();
    let mut begin = Instant::now();
    for (step, meter) in offer.steps.iter().zip(&meters) {
        offer_step(&clients, offer.calls, *step, begin, meter, &calling, runtime.handle());
        begin += Duration::from_secs_f64(step.seconds);
    }
    drop(calling);
    runtime.block_on(all_calls.recv());
    let outcomes = offer.steps.iter().zip(&meters).map(|(step, meter)| meter.outcome(step.seconds)).collect();
    runtime.shutdown_background();
    Ok(outcomes)
}

/// Begins the calls of a step on the threads of the runtime. The current thread paces them, because no call takes its core.
fn offer_step(
    clients: &[LoadServiceClient],
    calls: Calls,
    step: Step,
    begin: Instant,
    meter: &Arc<Meter>,
    calling: &mpsc::Sender<()>,
    runtime: &Handle,
) {
    let end = begin + Duration::from_secs_f64(step.seconds);
    for index in 0u64.. {
        let due = begin + Duration::from_secs_f64(index as f64 / step.rate);
        let now = Instant::now();
        if due >= end || now >= end {
            return;
        }
        thread::sleep(due.saturating_duration_since(now));
        meter.offered.fetch_add(1, Ordering::Relaxed);
        let client = clients[index as usize % clients.len()].clone();
        let (meter, calling) = (meter.clone(), calling.clone());
        runtime.spawn(async move {
            let (is_expensive, result) = call(&client, calls, index).await;
            meter.ended(result, due.elapsed(), is_expensive);
            drop(calling);
        });
    }
}

/// Makes a call. Returns whether the call was an expensive one, and its result.
async fn call(client: &LoadServiceClient, calls: Calls, index: u64) -> (bool, Result<(), Status>) {
    let work = |compute_us| Work { compute_us, ..Default::default() };
    let is_expensive = matches!(calls, Calls::Mixed { .. }) && is_expensive(index);
    let call = match calls {
        Calls::Empty => client.empty(work(0)),
        Calls::Compute(micros) => client.compute(work(micros)),
        Calls::Mixed { one_method: false } if is_expensive => client.compute_long(work(EXPENSIVE_US)),
        Calls::Mixed { .. } if is_expensive => client.compute(work(EXPENSIVE_US)),
        Calls::Mixed { .. } => client.compute(work(CHEAP_US)),
        Calls::UseResource => client.use_resource(work(0)),
    };
    (is_expensive, call.timeout(DEADLINE).await.map(drop))
}

/// Chooses pseudo-randomly, equally in every run: the mix function of Sebastiano Vigna's SplitMix64.
fn is_expensive(index: u64) -> bool {
    let mixed = (index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    (mixed ^ (mixed >> 31)).is_multiple_of(EXPENSIVE_ONE_IN)
}

/// Counts the calls of a step.
#[derive(Default)]
struct Meter {
    offered: AtomicU64,
    answered: AtomicU64,
    refused: AtomicU64,
    expired: AtomicU64,
    failed: AtomicU64,
    latencies: Histogram,
}

impl Meter {
    fn ended(&self, result: Result<(), Status>, latency: Duration, is_expensive: bool) {
        let count = match result {
            Ok(()) if latency > DEADLINE => &self.expired,
            Ok(()) => {
                if !is_expensive {
                    self.latencies.record(latency, 1);
                }
                &self.answered
            }
            Err(status) => match status.code() {
                Code::ResourceExhausted => &self.refused,
                Code::DeadlineExceeded => &self.expired,
                _ => &self.failed,
            },
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    fn outcome(&self, seconds: f64) -> Outcome {
        let rate = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / seconds;
        let millis = |share| self.latencies.quantile(share).as_secs_f64() * 1e3;
        Outcome {
            offered: rate(&self.offered),
            answered: rate(&self.answered),
            refused: rate(&self.refused),
            expired: rate(&self.expired),
            failed: rate(&self.failed),
            p50_ms: millis(0.5),
            p99_ms: millis(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_call_in_a_hundred_is_expensive() {
        let expensive = (0..100_000).filter(|index| is_expensive(*index)).count();
        assert!((900..1_100).contains(&expensive), "{expensive}");
    }

    #[test]
    fn calls_are_counted_by_outcome() {
        let meter = Meter::default();
        let millis = Duration::from_millis;
        meter.ended(Ok(()), millis(10), false);
        meter.ended(Ok(()), millis(500), true);
        meter.ended(Ok(()), millis(1_001), false);
        meter.ended(Err(Status::deadline_exceeded("")), millis(1_000), false);
        meter.ended(Err(Status::resource_exhausted("")), millis(1), false);
        meter.ended(Err(Status::unavailable("")), millis(1), false);
        let outcome = meter.outcome(2.0);
        assert_eq!(
            [outcome.answered, outcome.expired, outcome.refused, outcome.failed].map(|rate| rate * 2.0),
            [2.0, 2.0, 1.0, 1.0]
        );
        assert!((outcome.p99_ms - 10.0).abs() < 0.2, "{}", outcome.p99_ms);
    }
}
