//! Parked calls with large requests: the memory of a server with a budget of 512 MiB, and the latency of another caller
//! meanwhile.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use std::{mem, thread};

use mprpc::{Bytes, Channel, Code, Status};
use mprpc_bench_harness::{CallerProcess, Failure, Serve, ServerProcess, peak_rss_kib, rss_kib};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;

use crate::Programs;
use crate::offer::{Calls, Offer, Outcome, Step};
use crate::proto::{Done, LoadServiceClient, Work};
use crate::result::Sample;
use crate::service::BUDGET;

/// Calls that all begin at once and wait.
#[derive(Clone, Copy, Serialize, Deserialize)]
struct Parked {
    channels: usize,
    /// The number of calls on each channel.
    calls: usize,
    message_bytes: usize,
    metadata_bytes: usize,
}

/// The outcome of the parked calls.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct ParkedOutcome {
    refused: u64,
    failed: u64,
    /// The first one that failed.
    failure: Option<String>,
}

impl ParkedOutcome {
    fn count(&mut self, result: Result<Done, Status>) {
        match result {
            Err(status) if status.code() == Code::ResourceExhausted => self.refused += 1,
            result => {
                self.failed += 1;
                self.failure
                    .get_or_insert_with(|| result.map_or_else(|status| status.to_string(), |_| "an answer".into()));
            }
        }
    }
}

const MESSAGES: Parked = Parked { channels: 1, calls: 6_000, message_bytes: 1_000_000, metadata_bytes: 0 };
const METADATA: Parked = Parked { channels: 4, calls: 10_000, message_bytes: 0, metadata_bytes: 16_000 };

/// Measures large messages, then large metadata.
pub(crate) fn measure(programs: &Programs) -> Result<Vec<Sample>, Failure> {
    let messages = run(programs, MESSAGES)?;
    let metadata = run(programs, METADATA)?;
    Ok(vec![Sample::new("6,000 of 1 MB", messages), Sample::new("4 x 10,000, metadata of 16 KB", metadata)])
}

fn run(programs: &Programs, parked: Parked) -> Result<Vec<(&'static str, f64)>, Failure> {
    let mut server = ServerProcess::start(&programs.own, &Serve::new(BUDGET))?;
    let before = probe(programs, &mut server, 3.0)?;
    let arguments = ["--park".to_owned(), server.address().to_string(), serde_json::to_string(&parked)?];
    let parking = CallerProcess::start(&programs.own, &arguments)?;
    let meanwhile = probe(programs, &mut server, PARKED_FOR.as_secs_f64() - 1.0)?;
    let outcome: ParkedOutcome = parking.report(PARKED_FOR).map_err(|failure| server.blame(failure))?;
    if let Some(failure) = &outcome.failure {
        eprintln!("{} parked calls failed, one of them with {failure}", outcome.failed);
    }
    thread::sleep(AFTER);
    Ok(vec![
        ("peak MiB", mib(peak_rss_kib(server.pid()))),
        ("10 s after", mib(rss_kib(server.pid()))),
        ("other caller: p50 us before", before.p50_ms * 1e3),
        ("meanwhile", meanwhile.p50_ms * 1e3),
        ("p99 us before", before.p99_ms * 1e3),
        ("p99 meanwhile", meanwhile.p99_ms * 1e3),
        ("not answered/s", meanwhile.offered - meanwhile.answered),
        ("parked calls refused", outcome.refused as f64),
        ("failed", outcome.failed as f64),
    ])
}

/// Probes the server from another caller, with an empty call a hundred times a second.
fn probe(programs: &Programs, server: &mut ServerProcess, seconds: f64) -> Result<Outcome, Failure> {
    let offer = Offer { channels: 1, calls: Calls::Empty, steps: vec![Step { rate: 100.0, seconds }] };
    Ok(offer.run(programs, server)?.pop().unwrap_or_default())
}

fn mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

/// The process that makes the parked calls. Its connections close when the process ends.
pub(crate) fn park(address: &str, parked: &str) -> Result<ParkedOutcome, Failure> {
    let (address, parked): (SocketAddr, Parked) = (address.parse()?, serde_json::from_str(parked)?);
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let payload = Bytes::from(vec![7; parked.message_bytes]);
    let outcome: Arc<Mutex<ParkedOutcome>> = Arc::default();
    for _ in 0..parked.channels {
        let client = LoadServiceClient::new(Channel::new(&address.to_string())?);
        for _ in 0..parked.calls {
            let (client, payload, outcome) = (client.clone(), payload.clone(), outcome.clone());
            runtime.spawn(async move {
                let mut call = client.park(Work { payload, ..Default::default() }).timeout(PARKED_FOR * 10);
                if parked.metadata_bytes > 0 {
                    call = call.metadata("filler", "x".repeat(parked.metadata_bytes));
                }
                let result = call.await;
                outcome.lock().unwrap_or_else(PoisonError::into_inner).count(result);
            });
        }
    }
    thread::sleep(PARKED_FOR);
    let ended = mem::take(&mut *outcome.lock().unwrap_or_else(PoisonError::into_inner));
    runtime.shutdown_background();
    Ok(ended)
}

const PARKED_FOR: Duration = Duration::from_secs(10);
/// How long after the parked calls the remaining memory is read.
const AFTER: Duration = Duration::from_secs(10);
