//! Measures a server under load: slow handlers, more calls than the server can handle, calls that hold memory. It prints a
//! table. `--json FILE` writes the same as JSON, and `--svg FILE` draws the overload. `load` of the tool starts this
//! program. Started directly, it measures tonic only if tonic's program is in the same folder.
//!
//! Each measurement has its own server process and its own caller process.

mod cancel;
mod compute;
mod flood;
mod json;
mod memory;
mod mixed;
mod offer;
mod options;
mod overload;
mod picture;
mod protocols;
mod result;
mod service;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use mprpc_bench_harness::{Failure, Machine, end_with_parent};
use serde::Serialize;

use self::options::Options;
use self::result::{Results, RowResult, Sample};

#[allow(unreachable_pub, reason = "generated")]
mod proto {
    mprpc::include_proto!("bench");
}

/// A measurement that can run alone.
struct Row {
    name: &'static str,
    /// Runs each variant once.
    measure: fn(&Programs) -> Result<Vec<Sample>, Failure>,
}

const ROWS: [Row; 12] = [
    Row { name: "compute-10", measure: |programs| compute::measure(programs, 10) },
    Row { name: "compute-100", measure: |programs| compute::measure(programs, 100) },
    Row { name: "compute-1000", measure: |programs| compute::measure(programs, 1_000) },
    Row { name: "mixed", measure: |programs| mixed::measure(programs, false) },
    Row { name: "mixed-one-method", measure: |programs| mixed::measure(programs, true) },
    Row { name: "overload-compute", measure: overload::measure_compute },
    Row { name: "overload-wait", measure: overload::measure_wait },
    Row { name: "flood", measure: flood::measure },
    Row { name: "memory", measure: memory::measure },
    Row { name: "cancel", measure: cancel::measure },
    Row { name: "protocols", measure: protocols::measure },
    Row { name: "json", measure: json::measure },
];

const TONIC: &str = "tonic";
const AXUM: &str = "axum";

/// The paths of the programs.
struct Programs {
    own: PathBuf,
    /// `None` if tonic was not built.
    tonic: Option<PathBuf>,
    /// `None` if axum was not built.
    axum: Option<PathBuf>,
}

impl Programs {
    fn find() -> Result<Programs, Failure> {
        let own = std::env::current_exe()?;
        let peer = |name: &str| Some(own.with_file_name(format!("bench-{name}"))).filter(|peer| peer.exists());
        Ok(Programs { tonic: peer(TONIC), axum: peer(AXUM), own })
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["--serve" | "--call", ..] => return mprpc_bench_harness::main(&service::SYSTEMS),
        ["--offer", address, what] => end_with_parent().and_then(|()| report(offer::offer(address, what)?)),
        ["--park", address, what] => end_with_parent().and_then(|()| report(memory::park(address, what)?)),
        ["--cancel", address, pairs] => end_with_parent().and_then(|()| report(cancel::cancel(address, pairs)?)),
        ["--protocols", address] => end_with_parent().and_then(|()| report(protocols::call_all(address)?)),
        _ => measure(&words),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the result of a process for its parent process.
fn report(result: impl Serialize) -> Result<(), Failure> {
    println!("{}", serde_json::to_string(&result)?);
    Ok(())
}

fn measure(words: &[&str]) -> Result<(), Failure> {
    let options = Options::parse(words.iter().map(|word| (*word).to_owned()))?;
    let programs = Programs::find()?;
    if programs.tonic.is_none() {
        eprintln!("tonic is left out: bench-{TONIC} is not built");
    }
    let mut results = Results { machine: Machine::here(), rows: Vec::new() };
    println!("{}", results.machine);
    for row in &options.rows {
        let mut rounds = Vec::with_capacity(options.rounds);
        for round in 1..=options.rounds {
            eprintln!("{}: round {round} of {}", row.name, options.rounds);
            rounds.push((row.measure)(&programs).map_err(|failure| format!("{}: {failure}", row.name))?);
        }
        let result = RowResult::of(row.name, &rounds);
        println!("\n{}", result.table());
        results.rows.push(result);
        // The file is written after each row, so that a later failure loses nothing.
        if let Some(file) = &options.json {
            fs::write(file, serde_json::to_string_pretty(&results)? + "\n")?;
        }
        if let Some(file) = &options.svg {
            fs::write(file, picture::draw(&results))?;
        }
    }
    Ok(())
}
