//! Random runs from many seeds: calls are made while connections are cut, hosts die or freeze, and partitions come and go.

use std::collections::HashMap;
use std::sync::Mutex;

use tokio::runtime::{Builder, Handle};

use super::*;
use crate::deadline::Deadline;
use crate::net::clock;

const HOSTS: [&str; 3] = ["10.0.0.1:1", "10.0.0.2:2", "10.0.0.3:3"];
const CALLS: usize = 40;
const FAULTS: usize = 12;

/// How many times each call has begun, by its request text.
type Begun = Arc<Mutex<HashMap<String, usize>>>;

/// Sleeps for the time in the request. Counts calls that began, are in flight, or went on past their deadline.
#[derive(Clone, Default)]
struct Work {
    begun: Begun,
    in_flight: Arc<AtomicUsize>,
    late: Arc<AtomicUsize>,
}

/// Checks the deadline when a handler ends or is dropped.
struct Finishes {
    by: Deadline,
    late: Arc<AtomicUsize>,
}

impl Drop for Finishes {
    fn drop(&mut self) {
        let late = self.by.has_passed(clock::now() - ms(2));
        self.late.fetch_add(usize::from(late), Ordering::Relaxed);
    }
}

impl Service for Work {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    fn call(&self, _: usize, context: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let work = self.clone();
        Box::pin(async move {
            work.in_flight.fetch_add(1, Ordering::Relaxed);
            let _in_flight = InFlight(work.in_flight);
            let _finishes = Finishes { by: context.deadline(), late: work.late };
            let message = request.into_message()?;
            let text = crate::codec::protobuf::decode::<StringValue>(&message)?.value;
            let milliseconds = text.split(' ').nth(1).unwrap().parse().unwrap();
            *work.begun.lock().unwrap().entry(text).or_default() += 1;
            sleep(ms(milliseconds)).await;
            Ok(Body::Message(message))
        })
    }
}

/// The result of one run.
#[derive(Debug)]
struct Report {
    fingerprint: u64,
    answered: usize,
    failed: usize,
}

/// Makes one run. Every choice in the run comes from the seed.
async fn run(seed: u64) -> Report {
    let network = Network::from_seed(seed);
    let mut rng = fastrand::Rng::with_seed(!seed);
    network.set_delay(ms(0)..=ms(rng.u64(0..20)));
    network.set_jitter(ms(rng.u64(0..10)));
    let work = Work::default();
    for host in HOSTS {
        network.serve(host, Server::default().add(work.clone()));
    }
    let stub = stub(network.channel(&format!("list:{}", HOSTS.join(","))));
    let calls: Vec<_> = (0..CALLS)
        .map(|number| {
            let (starts, works) = (ms(rng.u64(0..8000)), rng.u64(0..1500));
            let (timeout, padding) = (ms(rng.u64(1..3000)), "x".repeat(rng.usize(0..20_000)));
            let (stub, begun) = (stub.clone(), work.begun.clone());
            tokio::spawn(async move {
                sleep(starts).await;
                let text = format!("{number} {works} {padding}");
                let begin = Instant::now();
                let outcome = echo(&stub, &text).timeout(timeout).await;
                let took = begin.elapsed();
                assert!(took <= timeout + ms(2), "seed {seed}: {took:?} of {timeout:?}");
                let begun = begun.lock().unwrap().get(&text).copied().unwrap_or(0);
                match &outcome {
                    Ok(reply) => assert!(reply.value == text && begun == 1, "seed {seed}: begun {begun} times"),
                    // The service has no idempotent method, so no call may run twice.
                    Err(status) => {
                        assert!(begun <= usize::from(status.ran() != Ran::No), "seed {seed}: {begun}: {status}");
                    }
                }
                outcome.is_ok()
            })
        })
        .collect();
    let faults = tokio::spawn(fault(network.clone(), work.clone(), rng));
    let mut report = Report { fingerprint: 0, answered: 0, failed: 0 };
    for call in calls {
        let answered = call.await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        report.answered += usize::from(answered);
        report.failed += usize::from(!answered);
    }
    faults.await.unwrap();
    // After this sleep, every deadline has passed, also at the servers.
    sleep(Duration::from_secs(4)).await;
    assert_eq!(work.in_flight.load(Ordering::Relaxed), 0, "seed {seed}: handlers went on");
    assert_eq!(work.late.load(Ordering::Relaxed), 0, "seed {seed}: handlers went on beyond their deadline");
    for host in HOSTS {
        assert_eq!(network.host(host).stats().rejected, Default::default(), "seed {seed}");
    }
    let last = echo(&stub, "last 0").wait_for_ready(true).timeout(Duration::from_secs(30));
    assert_eq!(last.await.unwrap_or_else(|status| panic!("seed {seed}: {status}")).value, "last 0");
    report.fingerprint = network.fingerprint();
    report
}

/// Injects random faults. When this function returns, all hosts are up and no partition is left.
async fn fault(network: Network, work: Work, mut rng: fastrand::Rng) {
    for _ in 0..FAULTS {
        sleep(ms(rng.u64(0..1000))).await;
        let host = HOSTS[rng.usize(..HOSTS.len())];
        match rng.u8(0..6) {
            0 => {
                network.kill(host);
                sleep(ms(rng.u64(0..500))).await;
                network.serve(host, Server::default().add(work.clone()));
            }
            1 => network.freeze(host),
            2 => HOSTS.iter().for_each(|host| network.thaw(host)),
            3 => network.partition(&["client"], &[host]),
            4 => network.heal(),
            _ => network.cut(host),
        }
    }
    network.heal();
    HOSTS.iter().for_each(|host| network.thaw(host));
}

/// Makes one run on its own runtime, because an earlier run may have left tasks behind.
fn run_alone(seed: u64) -> Report {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(async move { Handle::current().spawn(run(seed)).await.unwrap() })
}

#[test]
fn same_seed_repeats_a_run_byte_for_byte() {
    let mut fingerprints = Vec::new();
    for seed in 0..20 {
        let (first, second) = (run_alone(seed), run_alone(seed));
        assert_eq!(first.fingerprint, second.fingerprint, "seed {seed}: {first:?} {second:?}");
        fingerprints.push(first.fingerprint);
    }
    fingerprints.sort();
    fingerprints.dedup();
    assert_eq!(fingerprints.len(), 20, "other seeds are other runs");
}

#[test]
fn every_call_ends_in_time_and_runs_at_most_once_for_200_seeds() {
    let (mut answered, mut failed) = (0, 0);
    for seed in 0..200 {
        let report = run_alone(seed);
        assert_eq!(report.answered + report.failed, CALLS);
        answered += report.answered;
        failed += report.failed;
    }
    // The faults affect some calls, but far from all.
    assert!(failed > 200 && answered > failed, "{answered} answered, {failed} failed");
}
