//! Measures what callers see when a registry or a provider fails, or restarts. A few providers, 1,000 calls a second in an
//! open loop, and one fault. `faults` of the tool starts this program.
//!
//! The caller is this process. Providers and registries are processes of their own.

mod caller;
mod figures;
mod new_connections;
mod provider;
mod providers;
mod registries;
mod registry_server;
mod restarts;

#[path = "../../../mprpc/tests/support/etcd.rs"]
#[allow(clippy::unwrap_used, reason = "the support of the tests")]
mod etcd;
#[path = "../../../mprpc/tests/support/zookeeper.rs"]
#[allow(clippy::unwrap_used, reason = "the support of the tests")]
mod zookeeper;

use std::process::ExitCode;

use mprpc_bench_harness::{Failure, Machine};

use self::etcd::EtcdServer;
use self::figures::Figures;
use self::zookeeper::ZooKeeper;

#[allow(unreachable_pub, reason = "generated")]
mod proto {
    mprpc::include_proto!("bench");
}

/// A fault that can be measured alone.
struct Row {
    name: &'static str,
    measure: fn() -> Result<Vec<Figures>, Failure>,
}

const ROWS: [Row; 11] = [
    Row { name: "frozen", measure: providers::frozen },
    Row { name: "pausing", measure: providers::pausing },
    Row { name: "slow", measure: providers::slow },
    Row { name: "failing", measure: providers::failing },
    Row { name: "killed", measure: providers::killed },
    Row { name: "rolling", measure: restarts::rolling },
    Row { name: "restart", measure: restarts::in_place },
    Row { name: "zookeeper-away", measure: registries::away::<ZooKeeper> },
    Row { name: "etcd-away", measure: registries::away::<EtcdServer> },
    Row { name: "leader-killed", measure: registries::leader_killed::<ZooKeeper> },
    Row { name: "etcd-leader-killed", measure: registries::leader_killed::<EtcdServer> },
];

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--provide", registry, listen, handover] => provider::provide(registry, listen, handover).map(|()| true),
        _ => run(&words),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Measures the rows of these names, or all of them. Returns whether every requirement is met.
fn run(names: &[&str]) -> Result<bool, Failure> {
    let unknown = names.iter().find(|name| ROWS.iter().all(|row| row.name != **name));
    if let Some(unknown) = unknown {
        let known: Vec<_> = ROWS.iter().map(|row| row.name).collect();
        return Err(format!("'{unknown}' is no row; rows: {}", known.join(", ")).into());
    }
    println!("{}", Machine::here());
    let mut are_met = true;
    for row in ROWS.iter().filter(|row| names.is_empty() || names.contains(&row.name)) {
        let begin = load();
        let measured = (row.measure)().map_err(|failure| format!("{}: {failure}", row.name))?;
        println!("\n{} (load of the machine: {begin} at the beginning, {} at the end)", row.name, load());
        println!("{}", Figures::heads());
        for figures in measured {
            println!("{figures}");
            are_met &= figures.are_met();
        }
    }
    Ok(are_met)
}

/// The load of the machine in the last minute: the processes that run or wait for a core, on average.
fn load() -> String {
    let averages = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    averages.split(' ').next().unwrap_or_default().to_owned()
}
