//! An open loop of calls through one channel: a call begins when it is due, whatever became of the earlier ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mprpc::{Channel, ChannelOptions};
use mprpc_bench_harness::Failure;
use tokio::sync::mpsc;

use crate::proto::{FaultServiceClient, Question};

/// Calls a second of each caller.
const RATE: u32 = 1_000;

/// The method to call.
#[derive(Clone, Copy)]
pub(crate) enum Method {
    /// It may run twice.
    Read,
    /// It must not run twice.
    Write,
}

/// A running caller.
pub(crate) struct Caller {
    begun: Instant,
    stop: Arc<AtomicBool>,
    pacing: JoinHandle<Vec<Ended>>,
}

/// A call that has ended.
#[derive(Clone)]
struct Ended {
    /// When the call was due, since the caller began.
    due: Duration,
    /// From then to its end.
    latency: Duration,
    /// The process id of the provider that answered, or why the call failed.
    outcome: Result<u32, String>,
}

impl Caller {
    /// Starts to call. Returns once the first call has ended well.
    pub(crate) fn start(target: &str, method: Method, options: ChannelOptions) -> Result<Caller, Failure> {
        let client = FaultServiceClient::new(Channel::with_options(target, options)?);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(async { client.read(Question::default()).wait_for_ready(true).await })?;
        let (begun, stop) = (Instant::now(), Arc::new(AtomicBool::new(false)));
        let stopped = stop.clone();
        let pacing = thread::spawn(move || {
            let (sender, mut ended) = mpsc::unbounded_channel();
            for index in 0.. {
                let due = Duration::from_secs(1) * index / RATE;
                thread::sleep(due.saturating_sub(begun.elapsed()));
                if stopped.load(Ordering::Relaxed) {
                    break;
                }
                let (client, sender) = (client.clone(), sender.clone());
                runtime.spawn(async move {
                    let call = match method {
                        Method::Read => client.read(Question::default()),
                        Method::Write => client.write(Question::default()),
                    };
                    let outcome = call.await.map(|answer| answer.provider).map_err(|status| status.to_string());
                    // The receiver waits for every sender.
                    let _ = sender.send(Ended { due, latency: begun.elapsed() - due, outcome });
                });
            }
            drop(sender);
            let mut all = Vec::new();
            runtime.block_on(async {
                while let Some(one) = ended.recv().await {
                    all.push(one);
                }
            });
            all.sort_by_key(|one: &Ended| one.due);
            all
        });
        Ok(Caller { begun, stop, pacing })
    }

    /// How long the caller has been calling. A mark for [`Calls::between`].
    pub(crate) fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Lets the caller go on for this time. Returns the mark at its end.
    pub(crate) fn go_on(&self, span: Duration) -> Duration {
        thread::sleep(span);
        self.elapsed()
    }

    /// Stops, and waits for the calls in flight.
    pub(crate) fn finish(self) -> Result<Calls, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(Calls(self.pacing.join().map_err(|_| "the caller has panicked")?))
    }
}

/// Calls that have ended, in the order in which they were due.
pub(crate) struct Calls(Vec<Ended>);

impl Calls {
    /// The calls that were due between two marks.
    pub(crate) fn between(&self, from: Duration, to: Duration) -> Calls {
        Calls(self.0.iter().filter(|one| (from..to).contains(&one.due)).cloned().collect())
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn failed(&self) -> usize {
        self.0.iter().filter(|one| one.outcome.is_err()).count()
    }

    /// Why the first failed call failed.
    pub(crate) fn first_failure(&self) -> Option<&str> {
        self.0.iter().find_map(|one| one.outcome.as_ref().err().map(String::as_str))
    }

    /// The latency that this share of the calls does not exceed. Failed calls count with the time that they took.
    pub(crate) fn quantile(&self, share: f64) -> Duration {
        let mut latencies: Vec<_> = self.0.iter().map(|one| one.latency).collect();
        latencies.sort();
        let index = (latencies.len() as f64 * share).ceil() as usize;
        latencies.get(index.saturating_sub(1)).copied().unwrap_or_default()
    }

    /// When the first answer of this provider came.
    pub(crate) fn first_answer_of(&self, provider: u32) -> Option<Duration> {
        self.0.iter().filter(|one| one.outcome == Ok(provider)).map(|one| one.due + one.latency).min()
    }
}
