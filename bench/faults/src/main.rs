//! Measures what callers see when a registry or a provider fails. Three providers, 1,000 calls a second in an open loop, and
//! one fault. `faults` of the tool starts this program.
//!
//! The caller is this process. Providers and registries are processes of their own.

mod caller;
mod provider;
mod providers;
mod registries;
#[path = "../../../mprpc/tests/support/zookeeper.rs"]
#[allow(clippy::unwrap_used, reason = "the support of the tests")]
mod zookeeper;

use std::process::ExitCode;

use mprpc_bench_harness::Failure;

use self::caller::Calls;

#[allow(unreachable_pub, reason = "generated")]
mod proto {
    mprpc::include_proto!("bench");
}

/// A fault that can be measured alone.
struct Row {
    name: &'static str,
    measure: fn() -> Result<Vec<Figures>, Failure>,
}

const ROWS: [Row; 6] = [
    Row { name: "frozen", measure: providers::frozen },
    Row { name: "pausing", measure: providers::pausing },
    Row { name: "slow", measure: providers::slow },
    Row { name: "failing", measure: providers::failing },
    Row { name: "killed", measure: providers::killed },
    Row { name: "zookeeper-away", measure: registries::zookeeper_away },
];

/// The calls of a part of a row, and what else is worth saying.
struct Figures {
    what: String,
    calls: Calls,
    note: String,
}

impl Figures {
    fn new(what: &str, calls: Calls, note: impl Into<String>) -> Figures {
        Figures { what: what.to_owned(), calls, note: note.into() }
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--provide", registry] => provider::provide(registry),
        _ => run(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(names: &[&str]) -> Result<(), Failure> {
    let unknown = names.iter().find(|name| ROWS.iter().all(|row| row.name != **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("'{unknown}' is no row; rows: {}", known.join(", ")).into());
    }
    println!(
        "{:<16} {:<34} {:>6} {:>6} {:>9} {:>9} {:>9} {:>9}",
        "fault", "", "calls", "failed", "p50 ms", "p99 ms", "p99.9 ms", "max ms"
    );
    for row in ROWS.iter().filter(|row| names.is_empty() || names.contains(&row.name)) {
        for Figures { what, calls, note } in (row.measure)().map_err(|failure| format!("{}: {failure}", row.name))? {
            let millis = |share| format!("{:.2}", calls.quantile(share).as_secs_f64() * 1e3);
            println!(
                "{:<16} {what:<34} {:>6} {:>6} {:>9} {:>9} {:>9} {:>9}  {note}",
                row.name,
                calls.count(),
                calls.failed(),
                millis(0.5),
                millis(0.99),
                millis(0.999),
                millis(1.0)
            );
            if let Some(failure) = calls.first_failure() {
                println!("{:<16} the first failure: {failure}", "");
            }
        }
    }
    Ok(())
}
