//! Providers are restarted under calls over three protocols at once.

use std::time::Duration;

use mprpc::ChannelOptions;
use mprpc_bench_harness::Failure;

use crate::caller::{Caller, Method};
use crate::figures::Figures;
use crate::new_connections::NewConnections;
use crate::provider::Provider;

/// Five providers are restarted one after the other, ten times, each at its address.
pub(crate) fn rolling() -> Result<Vec<Figures>, Failure> {
    let folder = tempfile::tempdir()?;
    let registry = format!("file:{}", folder.path().display());
    let mut providers = (0..5).map(|_| Provider::start(&registry)).collect::<Result<Vec<_>, _>>()?;
    let addresses: Vec<String> = providers.iter().map(|provider| provider.address().to_owned()).collect();
    let list = |scheme: &str| {
        let endpoints: Vec<_> = addresses.iter().map(|address| format!("{scheme}{address}")).collect();
        format!("list:{}", endpoints.join(","))
    };
    let callers = Callers::start([registry.clone(), list("grpc://"), list("classic:")])?;
    callers.go_on(BEFORE);
    let (mut longest_stop, mut longest_start) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..ROUNDS {
        for address in &addresses {
            let begin = callers.elapsed();
            providers.remove(0).stop()?;
            let stopped = callers.elapsed();
            providers.push(Provider::start_at(&registry, address)?);
            longest_stop = longest_stop.max(stopped - begin);
            longest_start = longest_start.max(callers.elapsed() - stopped);
        }
    }
    callers.go_on(AFTER);
    let spans = format!("a stop took at most {longest_stop:.0?}, a start {longest_start:.0?}");
    callers.finish(&spans)
}

/// One provider is restarted in place, ten times, while other connections are opened as fast as they are answered.
pub(crate) fn in_place() -> Result<Vec<Figures>, Failure> {
    let folder = tempfile::tempdir()?;
    let registry = format!("file:{}", folder.path().join("registry").display());
    let handover = folder.path().join("handover.sock").display().to_string();
    let mut running = Provider::start_in_place(&registry, &handover)?;
    let address = running.address().to_owned();
    let callers = Callers::start([registry.clone(), format!("grpc://{address}"), format!("classic:{address}")])?;
    let new_connections = NewConnections::start(&address);
    callers.go_on(BEFORE);
    for _ in 0..ROUNDS {
        let next = Provider::start_in_place(&registry, &handover)?;
        if next.address() != address {
            return Err(format!("the next provider listens at {}, not at {address}", next.address()).into());
        }
        std::mem::replace(&mut running, next).wait()?;
        callers.go_on(BETWEEN);
    }
    callers.go_on(AFTER);
    let opened = new_connections.finish()?;
    let mut figures = callers.finish("")?;
    let last = figures.pop().ok_or("no figures")?;
    figures.push(last.ask("0 of the other connections refused or lost", opened.to_string(), opened.all_answered()));
    Ok(figures)
}

/// A caller for each of the three protocols.
struct Callers([Caller; 3]);

impl Callers {
    /// Starts to call a method that must not run twice.
    fn start(targets: [String; 3]) -> Result<Callers, Failure> {
        let start = |target: &str| Caller::start(target, Method::Write, ChannelOptions::default());
        let [native, grpc, classic] = &targets;
        Ok(Callers([start(native)?, start(grpc)?, start(classic)?]))
    }

    fn go_on(&self, span: Duration) {
        self.0[0].go_on(span);
    }

    fn elapsed(&self) -> Duration {
        self.0[0].elapsed()
    }

    fn finish(self, note: &str) -> Result<Vec<Figures>, Failure> {
        let figures = self.0.into_iter().zip(["native", "gRPC", "classic"]).map(|(caller, protocol)| {
            let calls = caller.finish()?;
            Ok(Figures::new(format!("{protocol}: {ROUNDS} rounds"), calls, note).ask_failed_at_most(0))
        });
        figures.collect()
    }
}

const ROUNDS: u32 = 10;
const BEFORE: Duration = Duration::from_secs(2);
const BETWEEN: Duration = Duration::from_millis(500);
const AFTER: Duration = Duration::from_secs(2);
