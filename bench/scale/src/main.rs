//! The cost of scale: the cost of another connection, service and endpoint, from one to thousands. It prints a table.
//! `--json FILE` writes the same as JSON, and `--svg FILE` draws curves. `--quick` stops at a thousand and measures one
//! round. `crowd` measures callers of a real ZooKeeper instead. `scale` of the tool starts this program.
//!
//! Each measurement is a separate process, so that none reuses the memory of another.

mod connections;
mod crowd;
mod curves;
mod endpoints;
mod process;
mod services;
#[path = "../../../mprpc/tests/support/zookeeper.rs"]
#[allow(clippy::unwrap_used, reason = "the support of the tests")]
mod zookeeper;

use std::fs;
use std::process::ExitCode;

use mprpc::well_known::StringValue;
use mprpc::{Idempotency, MethodDescriptor, MethodKind, Placement, ServiceDescriptor};
use serde::{Deserialize, Serialize};

use self::connections::Connections;
use self::endpoints::Endpoints;
use self::services::Services;

type Error = Box<dyn std::error::Error + Send + Sync>;
type Result<T> = std::result::Result<T, Error>;

/// All measurements, as medians of the rounds.
#[derive(Serialize, Deserialize)]
struct Scale {
    /// The date, the machine and the revision.
    machine: String,
    connections: Vec<Connections>,
    services: Vec<Services>,
    methods: Vec<Services>,
    endpoints: Vec<Endpoints>,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--serve"] => connections::serve(),
        ["--connections", address, server, count] => connections::measure(address, server, count).and_then(report),
        ["--services", services, methods] => services::measure(services, methods).and_then(report),
        ["--crowd", url, services, providers] => crowd::measure(url, services, providers).and_then(report),
        ["--crowd-providers", url, services, providers] => crowd::provide(url, services, providers),
        ["--endpoints", count] => endpoints::measure(count).and_then(report),
        _ => run(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the result of a process for its parent process.
fn report(result: impl Serialize) -> Result<()> {
    println!("{}", serde_json::to_string(&result)?);
    Ok(())
}

fn run(words: &[&str]) -> Result<()> {
    let (mut quick, mut crowd, mut machine, mut json, mut svg, mut from) = (false, false, "", None, None, None);
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match (*word, words.as_slice().first()) {
            ("--quick", _) => quick = true,
            ("crowd", _) => crowd = true,
            ("--machine", Some(name)) => machine = *name,
            ("--json", Some(file)) => json = Some(*file),
            ("--svg", Some(file)) => svg = Some(*file),
            // Draws an earlier measurement.
            ("--from", Some(file)) => from = Some(*file),
            _ => return Err(USAGE.into()),
        }
        if word.starts_with("--") && *word != "--quick" {
            words.next();
        }
    }
    if crowd {
        return crowd::run(machine);
    }
    let scale = match from {
        Some(file) => serde_json::from_str(&fs::read_to_string(file)?)?,
        None => measure(quick, machine)?,
    };
    print(&scale);
    if let Some(file) = json {
        fs::write(file, serde_json::to_string_pretty(&scale)? + "\n")?;
    }
    if let Some(file) = svg {
        fs::write(file, curves::draw(&scale))?;
    }
    Ok(())
}

fn measure(quick: bool, machine: &str) -> Result<Scale> {
    let rounds = if quick { 1 } else { ROUNDS };
    let most = if quick { 1_000 } else { usize::MAX };
    let counts: Vec<usize> = COUNTS.into_iter().filter(|count| *count <= most).collect();
    let mut idle: Vec<usize> = counts.clone();
    if !quick {
        idle.push(connections::most().min(20_000));
    }
    Ok(Scale {
        machine: machine.to_owned(),
        connections: process::rounds(rounds, &idle, |count| connections::start(*count))?,
        services: process::rounds(rounds, &counts, |count| services::start(*count, 1))?,
        methods: process::rounds(rounds, &counts, |count| services::start(1, *count))?,
        endpoints: process::rounds(rounds, &counts, |count| endpoints::start(*count))?,
    })
}

fn print(scale: &Scale) {
    println!("{}", scale.machine);
    connections::print(&scale.connections);
    services::print("services of one method", &scale.services, |services| services.services);
    services::print("methods of one service", &scale.methods, |services| services.methods);
    endpoints::print(&scale.endpoints);
}

/// Creates a service descriptor for the measurement.
fn descriptor(name: String, methods: usize) -> &'static ServiceDescriptor {
    let method = |index: usize| MethodDescriptor {
        name: format!("Method{index}").into(),
        path: format!("{name}/Method{index}").into(),
        kind: MethodKind::Unary,
        idempotency: Idempotency::Unknown,
        placement: Placement::Measured,
        http: &[],
    };
    let methods: Vec<_> = (0..methods).map(method).collect();
    Box::leak(Box::new(ServiceDescriptor { name: name.leak(), methods: methods.leak(), files: &[] }))
}

/// Creates a message of 32 bytes.
fn message() -> StringValue {
    StringValue { value: "x".repeat(32), ..StringValue::default() }
}

/// Formats the bytes for each item. With few items, the rest of the process dominates the figure.
fn bytes_each(count: usize, bytes: f64) -> String {
    if count < BYTES_FROM { "-".to_owned() } else { format!("{bytes:.0}") }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

const COUNTS: [usize; 5] = [1, 10, 100, 1_000, 10_000];
const ROUNDS: usize = 5;
const BYTES_FROM: usize = 1_000;
const USAGE: &str = "usage: scale [--quick] [--json FILE] [--svg FILE] [--from FILE], or scale crowd";
