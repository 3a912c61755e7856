//! `mprpc registry`: prints the content of a registry, once or as it changes, and changes the weights of providers.

use std::collections::BTreeMap;
use std::io::Write;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mprpc::discovery::{Resolution, ResolutionState, Target, WeightChange, change_weight, list_services};
use mprpc::{Address, Endpoint};

use crate::{Failure, table};

/// Prints every service and its endpoints, once.
pub(crate) async fn list(target: &Target, out: &mut impl Write) -> Result<(), Failure> {
    let services = list_services(target, LIST_TIMEOUT).await?;
    let mut rows = vec![["SERVICE", "ADDRESS", "PROTOCOL", "WEIGHT", "ZONE", "VERSION", "METHODS"].map(str::to_owned)];
    for (service, endpoints) in &services {
        if endpoints.is_empty() {
            rows.push([service, "(no provider)", "", "", "", "", ""].map(str::to_owned));
        }
        for endpoint in endpoints {
            let methods = if endpoint.methods.is_empty() { "all".into() } else { endpoint.methods.join(",") };
            rows.push([
                service.clone(),
                endpoint.address.to_string(),
                endpoint.protocol.name().into(),
                endpoint.weight.to_string(),
                or_dash(&endpoint.zone),
                or_dash(&endpoint.version),
                methods,
            ]);
        }
    }
    if services.is_empty() {
        return Ok(writeln!(out, "no services in {target}")?);
    }
    Ok(write!(out, "{}", table::align(&rows))?)
}

/// Changes the weight of a provider, and prints its services with what they have now.
pub(crate) async fn change(
    target: &Target,
    address: &Address,
    change: WeightChange,
    out: &mut impl Write,
) -> Result<(), Failure> {
    let services = change_weight(target, address, change, LIST_TIMEOUT).await?;
    let listed = list_services(target, LIST_TIMEOUT).await?;
    for (service, endpoints) in listed.iter().filter(|(service, _)| services.contains(service)) {
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.address == *address) {
            writeln!(out, "{service}  {address}  weight={}", endpoint.weight)?;
        }
    }
    Ok(())
}

/// Prints a line for every change of one service, until interrupted.
pub(crate) async fn watch_service(target: &Target, service: &str, out: &mut impl Write) -> Result<(), Failure> {
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    let mut watch = target.resolver()?.watch(service);
    let mut shown = Shown::new();
    let mut state = None;
    loop {
        let Resolution { endpoints, state: next } = watch.borrow_and_update().clone();
        if state.as_ref() != Some(&next) {
            let said = match &next {
                ResolutionState::Pending(why) => format!("waiting  {why}"),
                ResolutionState::Current(place) => format!("current  {place}"),
                ResolutionState::Stale(why) => format!("stale    {why}"),
            };
            say(out, &said)?;
            state = Some(next);
        }
        print_changes(out, &mut shown, [(service.to_owned(), endpoints.to_vec())])?;
        tokio::select! {
            interrupted = &mut interrupt => return Ok(interrupted?),
            // A fixed list never changes, so only the interrupt ends the watch.
            changed = watch.changed() => if changed.is_err() { return Ok(interrupt.await?) },
        }
    }
}

/// Prints a line for every change of any service, until interrupted. It polls the whole registry, so it misses endpoints
/// that come and go between two reads.
pub(crate) async fn watch_all(target: &Target, out: &mut impl Write) -> Result<(), Failure> {
    let mut interrupt = pin!(tokio::signal::ctrl_c());
    // A watch of any service keeps the session with ZooKeeper open. Otherwise each read would open a new session.
    let _session = target.resolver()?.watch("mprpc");
    let mut shown = Shown::new();
    let mut trouble = None;
    loop {
        let services = tokio::select! {
            interrupted = &mut interrupt => return Ok(interrupted?),
            services = list_services(target, LIST_TIMEOUT) => services,
        };
        match services {
            Ok(services) => {
                if trouble.take().is_some() {
                    say(out, &format!("current  {target}"))?;
                }
                print_changes(out, &mut shown, services)?;
            }
            Err(error) => {
                let why = error.to_string();
                if trouble.is_none() {
                    say(out, &format!("stale    {why}"))?;
                }
                trouble = Some(why);
            }
        }
        tokio::select! {
            interrupted = &mut interrupt => return Ok(interrupted?),
            () = tokio::time::sleep(READ_INTERVAL) => {}
        }
    }
}

/// The endpoints last printed as present, by service and address.
type Shown = BTreeMap<(String, String), Endpoint>;

fn print_changes(
    out: &mut impl Write,
    shown: &mut Shown,
    services: impl IntoIterator<Item = (String, Vec<Endpoint>)>,
) -> Result<(), Failure> {
    let mut now = Shown::new();
    for (service, endpoints) in services {
        for endpoint in endpoints {
            now.insert((service.clone(), endpoint.address.to_string()), endpoint);
        }
    }
    for line in changes(shown, &now) {
        say(out, &line)?;
    }
    *shown = now;
    Ok(())
}

fn changes(before: &Shown, now: &Shown) -> Vec<String> {
    let gone = before.keys().filter(|key| !now.contains_key(key));
    let mut lines: Vec<String> = gone.map(|(service, address)| format!("-        {service}  {address}")).collect();
    for ((service, address), endpoint) in now {
        let sign = match before.get(&(service.clone(), address.clone())) {
            None => '+',
            Some(known) if known != endpoint => '~',
            Some(_) => continue,
        };
        lines.push(format!("{sign}        {service}  {address}  {}", describe(endpoint)));
    }
    lines
}

/// Describes an endpoint without its address.
fn describe(endpoint: &Endpoint) -> String {
    let mut text = format!("{} weight={}", endpoint.protocol.name(), endpoint.weight);
    for (name, value) in [("zone", &endpoint.zone), ("version", &endpoint.version)] {
        if !value.is_empty() {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    for (name, value) in &endpoint.tags {
        text.push_str(&format!(" {name}={value}"));
    }
    if !endpoint.methods.is_empty() {
        text.push_str(&format!(" methods={}", endpoint.methods.join(",")));
    }
    text
}

/// Prints a line with the time of day in UTC, and flushes it for readers of a pipe.
fn say(out: &mut impl Write, text: &str) -> Result<(), Failure> {
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()) % 86_400;
    writeln!(out, "{:02}:{:02}:{:02}Z  {}", seconds / 3600, seconds / 60 % 60, seconds % 60, table::printable(text))?;
    Ok(out.flush()?)
}

fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".into() } else { text.into() }
}

/// How long a registry may take to answer.
const LIST_TIMEOUT: Duration = Duration::from_secs(10);
/// The interval at which `watch_all` reads the registry.
const READ_INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(entries: &[(&str, u32)]) -> Shown {
        let entry = |(address, weight): &(&str, u32)| {
            let endpoint = Endpoint { weight: *weight, ..address.parse().unwrap() };
            (("a.B".to_owned(), (*address).to_owned()), endpoint)
        };
        entries.iter().map(entry).collect()
    }

    #[test]
    fn added_removed_and_changed_endpoints_are_printed() {
        let lines =
            changes(&shown(&[("x:1", 100), ("x:2", 100), ("x:4", 1)]), &shown(&[("x:2", 7), ("x:3", 100), ("x:4", 1)]));
        assert_eq!(
            lines,
            ["-        a.B  x:1", "~        a.B  x:2  native weight=7", "+        a.B  x:3  native weight=100"]
        );
    }
}
