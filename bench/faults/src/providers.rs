//! One of three providers has a fault, and the registry does not know it.

use std::time::Duration;

use mprpc::ChannelOptions;
use mprpc_bench_harness::Failure;
use rustix::process::Signal;
use tempfile::TempDir;

use crate::caller::{Caller, Method};
use crate::figures::Figures;
use crate::provider::Provider;

/// Three providers in a registry of files, and a caller.
struct Scene {
    providers: Vec<Provider>,
    caller: Caller,
    _folder: TempDir,
}

impl Scene {
    fn new(method: Method) -> Result<Scene, Failure> {
        Scene::with_options(method, ChannelOptions::default())
    }

    fn with_options(method: Method, options: ChannelOptions) -> Result<Scene, Failure> {
        let folder = tempfile::tempdir()?;
        let registry = format!("file:{}", folder.path().display());
        let providers = (0..3).map(|_| Provider::start(&registry)).collect::<Result<_, _>>()?;
        let caller = Caller::start(&registry, method, options)?;
        Ok(Scene { providers, caller, _folder: folder })
    }

    /// The attempts of all providers that repeat another one: retries and hedges.
    fn repeated(&mut self) -> Result<u64, Failure> {
        self.providers.iter_mut().map(Provider::repeated).sum()
    }
}

const METHODS: [(&str, Method); 2] = [("may run twice", Method::Read), ("must not run twice", Method::Write)];

/// One of three stops for eight seconds, as by SIGSTOP.
pub(crate) fn frozen() -> Result<Vec<Figures>, Failure> {
    let mut figures = Vec::new();
    for (what, method) in METHODS {
        let scene = Scene::new(method)?;
        let begin = scene.caller.go_on(WARM_UP);
        scene.providers[0].signal(Signal::STOP)?;
        let first = scene.caller.go_on(Duration::from_millis(100));
        let end = scene.caller.go_on(Duration::from_secs(8));
        scene.providers[0].signal(Signal::CONT)?;
        let last = scene.caller.go_on(Duration::from_secs(3));
        let calls = scene.caller.finish()?;
        let all = Figures::new(format!("{what}: all"), calls.between(Duration::ZERO, last), "");
        let after = Figures::new(format!("{what}: the 8 s after"), calls.between(first, end), "");
        // What must not run twice may fail if it was in flight, or came in the first 100 ms.
        let (all, after) = match method {
            Method::Read => (all.ask_failed_at_most(3).ask_p99_at_most(Duration::from_millis(200)), after),
            Method::Write => (all, after.ask_failed_at_most(0)),
        };
        figures.push(all);
        figures.push(Figures::new(format!("{what}: first 100 ms"), calls.between(begin, first), ""));
        figures.push(after);
        figures.push(Figures::new(format!("{what}: thawed"), calls.between(end, last), "").ask_failed_at_most(0));
    }
    Ok(figures)
}

/// One of three stops for 100 ms in each second, with and without hedging.
pub(crate) fn pausing() -> Result<Vec<Figures>, Failure> {
    let mut figures = Vec::new();
    for (what, hedge) in [("hedging off", ""), ("hedging on", "bench.FaultService")] {
        let hedge = [hedge.to_owned()].into_iter().filter(|name| !name.is_empty()).collect();
        let mut scene = Scene::with_options(Method::Read, ChannelOptions { hedge, ..ChannelOptions::default() })?;
        let begin = scene.caller.go_on(WARM_UP);
        let repeated_before = scene.repeated()?;
        for _ in 0..PAUSES {
            scene.providers[0].signal(Signal::STOP)?;
            scene.caller.go_on(Duration::from_millis(100));
            scene.providers[0].signal(Signal::CONT)?;
            scene.caller.go_on(Duration::from_millis(900));
        }
        let (end, repeated) = (scene.caller.elapsed(), scene.repeated()? - repeated_before);
        let calls = scene.caller.finish()?.between(begin, end);
        let extra = format!("extra load {:.2} %", repeated as f64 / calls.count() as f64 * 100.0);
        figures.push(Figures::new(what, calls, extra));
    }
    Ok(figures)
}

/// How often a provider pauses.
const PAUSES: u32 = 20;

/// One of three takes ten times as long.
pub(crate) fn slow() -> Result<Vec<Figures>, Failure> {
    let mut scene = Scene::new(Method::Read)?;
    let begin = scene.caller.go_on(WARM_UP);
    scene.providers[0].slow_down(10)?;
    let seen = scene.caller.go_on(Duration::from_secs(2));
    let end = scene.caller.go_on(Duration::from_secs(8));
    let calls = scene.caller.finish()?;
    let before = calls.between(WARM_UP / 2, begin);
    let twice = before.quantile(0.99) * 2;
    Ok(vec![
        Figures::new("before", before, ""),
        Figures::new("first 2 s", calls.between(begin, seen), ""),
        Figures::new("after 2 s", calls.between(seen, end), "").ask_p99_at_most(twice),
    ])
}

/// One of three answers every call with an error, at once.
pub(crate) fn failing() -> Result<Vec<Figures>, Failure> {
    let mut figures = Vec::new();
    for (what, method) in METHODS {
        let mut scene = Scene::new(method)?;
        let begin = scene.caller.go_on(WARM_UP);
        scene.providers[0].fail()?;
        let seen = scene.caller.go_on(Duration::from_secs(2));
        let end = scene.caller.go_on(Duration::from_secs(8));
        let calls = scene.caller.finish()?;
        figures.push(Figures::new(format!("{what}: first 2 s"), calls.between(begin, seen), ""));
        let after = calls.between(seen, end);
        let one_percent = after.count() / 100;
        figures.push(Figures::new(format!("{what}: after 2 s"), after, "").ask_failed_at_most(one_percent));
    }
    Ok(figures)
}

/// One of three ends as by SIGKILL.
pub(crate) fn killed() -> Result<Vec<Figures>, Failure> {
    let mut figures = Vec::new();
    for (what, method) in METHODS {
        let mut scene = Scene::new(method)?;
        let begin = scene.caller.go_on(WARM_UP);
        scene.providers[0].signal(Signal::KILL)?;
        scene.providers.remove(0);
        let end = scene.caller.go_on(Duration::from_secs(5));
        let killed = Figures::new(what, scene.caller.finish()?.between(begin, end), "");
        figures.push(match method {
            Method::Read => killed.ask_failed_at_most(0),
            // What was in flight may have run.
            Method::Write => killed,
        });
    }
    Ok(figures)
}

const WARM_UP: Duration = Duration::from_secs(4);
