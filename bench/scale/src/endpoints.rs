//! Endpoints of one service: what a caller pays to pick one of many, to hold them, and to follow changes.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use mprpc::codegen::Stub;
use mprpc::discovery::{Resolution, ResolutionState, Resolver};
use mprpc::{Channel, ChannelOptions, Endpoint, bench};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::process::{self, Measured};
use super::{Result, bytes_each, descriptor, median};

#[derive(Serialize, Deserialize)]
pub(crate) struct Endpoints {
    pub(crate) count: usize,
    pub(crate) pick_ns: f64,
    /// Bytes of the caller for each endpoint.
    pub(crate) bytes: f64,
    /// Milliseconds until the caller can pick from the first list, from a list with one changed endpoint, and from one in
    /// which all changed.
    pub(crate) first_ms: f64,
    pub(crate) one_changed_ms: f64,
    pub(crate) all_changed_ms: f64,
}

impl Measured for Endpoints {
    fn median(rounds: Vec<Endpoints>) -> Endpoints {
        let of = |value: fn(&Endpoints) -> f64| median(rounds.iter().map(value).collect());
        Endpoints {
            count: rounds[0].count,
            pick_ns: of(|round| round.pick_ns),
            bytes: of(|round| round.bytes),
            first_ms: of(|round| round.first_ms),
            one_changed_ms: of(|round| round.one_changed_ms),
            all_changed_ms: of(|round| round.all_changed_ms),
        }
    }
}

pub(crate) fn start(count: usize) -> Result<Endpoints> {
    process::run(&["--endpoints", &count.to_string()])
}

pub(crate) fn measure(count: &str) -> Result<Endpoints> {
    let count: usize = count.parse()?;
    let list = |network: u8| -> Result<Vec<Endpoint>> {
        let endpoint = |index: usize| -> Result<Endpoint> {
            Ok(Endpoint::new(format!("10.{network}.{}.{}:8000", index >> 8, index & 255).parse()?))
        };
        (0..count).map(endpoint).collect()
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let first = list(0)?;
    let before = process::resident_bytes("self")?;
    let followed = Followed(watch::Sender::new(resolution(first.clone())));
    let sender = followed.0.clone();
    let channel = Channel::from_resolver(Arc::new(followed), ChannelOptions::default());
    let since = Instant::now();
    let stub = Stub::new(channel, descriptor("bench.Echo".into(), 1));
    let first_ms = since.elapsed().as_secs_f64() * 1e3;
    let bytes = (process::resident_bytes("self")? - before) / count as f64;
    let _entered = runtime.enter();
    let picks = (0..PICK_ROUNDS).map(|_| {
        let since = Instant::now();
        let picked = (0..PICKS).filter(|_| black_box(bench::pick(&stub, 0))).count();
        assert_eq!(picked, PICKS, "nothing was picked");
        since.elapsed().as_secs_f64() * 1e9 / PICKS as f64
    });
    let pick_ns = median(picks.collect());
    let mut changes = bench::changes(&stub);
    let mut update = |endpoints: Vec<Endpoint>| -> Result<f64> {
        let resolution = resolution(endpoints);
        changes.mark_unchanged();
        let since = Instant::now();
        sender.send_replace(resolution);
        runtime.block_on(changes.changed())?;
        Ok(since.elapsed().as_secs_f64() * 1e3)
    };
    let mut one = first.clone();
    one[count / 2] = list(1)?.swap_remove(count / 2);
    let one_changed = [update(one.clone())?, update(first)?, update(one)?];
    let all_changed = [update(list(2)?)?, update(list(3)?)?, update(list(4)?)?];
    Ok(Endpoints {
        count,
        pick_ns,
        bytes,
        first_ms,
        one_changed_ms: median(one_changed.into()),
        all_changed_ms: median(all_changed.into()),
    })
}

/// A resolver that publishes a given resolution.
struct Followed(watch::Sender<Resolution>);

impl Resolver for Followed {
    fn watch(&self, _: &str) -> watch::Receiver<Resolution> {
        self.0.subscribe()
    }
}

fn resolution(endpoints: Vec<Endpoint>) -> Resolution {
    Resolution { endpoints: endpoints.into(), state: ResolutionState::Current("bench".into()) }
}

pub(crate) fn print(measured: &[Endpoints]) {
    println!("\nendpoints   pick, ns   bytes each   first list, ms   one changed, ms   all changed, ms");
    for one in measured {
        let Endpoints { count, pick_ns, first_ms, one_changed_ms, all_changed_ms, .. } = one;
        let bytes = bytes_each(*count, one.bytes);
        println!(
            "{count:>9}   {pick_ns:>8.1}   {bytes:>10}   {first_ms:>14.3}   {one_changed_ms:>15.3}   {all_changed_ms:>15.3}"
        );
    }
}

const PICKS: usize = 200_000;
const PICK_ROUNDS: usize = 5;
