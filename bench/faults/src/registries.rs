//! The registry goes away under calls and comes back, or loses its leader.

use std::time::Duration;

use mprpc::ChannelOptions;
use mprpc::discovery::{Target, list_services};
use mprpc_bench_harness::Failure;

use crate::caller::{Caller, Calls, Method};
use crate::figures::Figures;
use crate::provider::Provider;
use crate::registry_server::{RegistryServer, url};

/// The registry is away for a minute. Then one provider is killed and another started, and the registry returns.
pub(crate) fn away<S: RegistryServer>() -> Result<Vec<Figures>, Failure> {
    let mut server = S::alone();
    let registry = url(std::slice::from_ref(&server));
    let mut providers = (0..3).map(|_| Provider::start(&registry)).collect::<Result<Vec<_>, _>>()?;
    let caller = Caller::start(&registry, Method::Read, ChannelOptions::default())?;
    let begin = caller.go_on(Duration::from_secs(3));
    server.kill();
    let away = caller.go_on(Duration::from_secs(60));
    drop(providers.remove(0));
    let new = Provider::start_unregistered(&registry)?;
    let changed = caller.go_on(Duration::from_secs(5));
    server.resume();
    let back = caller.elapsed();
    let end = caller.go_on(Duration::from_secs(10));
    let calls = caller.finish()?;
    let (first, is_in_time) = first_answer(&calls, &new, back);
    Ok(vec![
        Figures::new(format!("{} away for 60 s", S::NAME), calls.between(begin, away), "").ask_failed_at_most(0),
        Figures::new("one of three killed, one started", calls.between(away, changed), "").ask_failed_at_most(0),
        Figures::new(format!("{} is back", S::NAME), calls.between(changed, end), "").ask_failed_at_most(0).ask(
            "the first answer of the new provider within a second",
            first,
            is_in_time,
        ),
    ])
}

/// The leader of three servers is killed, and a fourth provider starts while they have none.
pub(crate) fn leader_killed<S: RegistryServer>() -> Result<Vec<Figures>, Failure> {
    let mut servers = S::three();
    let registry = url(&servers);
    let mut providers = (0..3).map(|_| Provider::start(&registry)).collect::<Result<Vec<_>, _>>()?;
    let caller = Caller::start(&registry, Method::Write, ChannelOptions::default())?;
    let begin = caller.go_on(Duration::from_secs(3));
    let leader = servers.iter().position(S::is_leader).ok_or("no server leads")?;
    servers[leader].kill();
    let killed = caller.elapsed();
    let new = Provider::start_unregistered(&registry)?;
    let end = caller.go_on(OWNERS_GONE);
    let calls = caller.finish()?;
    let first = first_answer(&calls, &new, killed).0;
    providers.push(new);
    let mut expected: Vec<_> = providers.iter().map(|provider| provider.address().to_owned()).collect();
    expected.sort();
    let registered = registered(&registry)?;
    let count = registered.iter().filter(|address| expected.contains(address)).count();
    Ok(vec![
        Figures::new("before", calls.between(Duration::ZERO, begin), ""),
        Figures::new(format!("the leader of three {} killed", S::NAME), calls.between(begin, end), "")
            .ask_failed_at_most(0)
            .ask(
                format!("the three providers and a new one registered after {} s", OWNERS_GONE.as_secs()),
                format!("{count} and {} others; the new one's first answer: {first}", registered.len() - count),
                registered == expected,
            ),
    ])
}

/// When the first answer of a provider came, after a mark; and whether that was within a second.
fn first_answer(calls: &Calls, provider: &Provider, mark: Duration) -> (String, bool) {
    match calls.first_answer_of(provider.id()) {
        Some(first) => {
            let after = first.as_secs_f64() - mark.as_secs_f64();
            (format!("{:.0} ms after", after * 1e3), after <= 1.0)
        }
        None => ("none".to_owned(), false),
    }
}

/// The addresses in the registry, sorted.
fn registered(registry: &str) -> Result<Vec<String>, Failure> {
    let target: Target = registry.parse()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let services = runtime.block_on(list_services(&target, Duration::from_secs(10)))?;
    let endpoints = services.into_iter().filter(|(name, _)| name == "bench.FaultService").flat_map(|(_, found)| found);
    let mut addresses: Vec<String> = endpoints.map(|endpoint| endpoint.address.to_string()).collect();
    addresses.sort();
    Ok(addresses)
}

/// Twice the default session timeout and lease: what nobody owns any more is gone by then.
const OWNERS_GONE: Duration = Duration::from_secs(20);
