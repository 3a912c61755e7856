//! Compares mprpc with its peers and with a raw socket. The program is the tool, and both ends of mprpc and of the raw
//! socket.

mod mprpc_systems;
mod options;
mod own_programs;
mod plan;
mod raw;
mod requirements;
mod run;
mod summary;
mod svg;
mod systems;
mod table;

use std::process::ExitCode;

use mprpc_bench_harness::{Failure, Machine, System};

use options::Options;
use systems::Programs;

/// The systems that this program contains.
const SYSTEMS: [System; 6] = [
    raw::RAW,
    raw::RAW_TOKIO,
    raw::RAW_CONNECT,
    mprpc_systems::MPRPC,
    mprpc_systems::MPRPC_CLASSIC,
    mprpc_systems::MPRPC_GRPC,
];

fn main() -> ExitCode {
    let first = std::env::args().nth(1);
    if first.as_ref().is_some_and(|first| first == "--serve" || first == "--call") {
        return mprpc_bench_harness::main(&SYSTEMS);
    }
    match first.as_deref() {
        Some("scale") => return ended(own_programs::scale(std::env::args().skip(2))),
        Some("load") => return ended(own_programs::load(std::env::args().skip(2))),
        Some("faults") => return ended(own_programs::faults(std::env::args().skip(2))),
        _ => {}
    }
    match Options::parse(std::env::args().skip(1)) {
        Err(wrong) => {
            eprintln!("{wrong}");
            ExitCode::from(2)
        }
        Ok(None) => {
            print!("{}", options::HELP);
            ExitCode::SUCCESS
        }
        Ok(Some(options)) => ended(compare(options)),
    }
}

fn ended(outcome: Result<bool, Failure>) -> ExitCode {
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and prints the results. Returns whether nothing failed.
fn compare(mut options: Options) -> Result<bool, Failure> {
    let (programs, not_built) = Programs::build(&options.plan.systems())?;
    for left_out in &not_built {
        options.plan.leave_out(left_out.peer);
    }
    let machine = Machine::here();
    println!("{machine}");
    let measured = run::run(&options.plan, &programs);
    let summaries = summary::summarize(&options.plan, &measured, &machine);
    println!("\n{}", table::table(&summaries));
    let (requirements, met) = requirements::check(&summaries);
    println!("{requirements}");
    if let Some(file) = &options.json {
        std::fs::write(file, serde_json::to_string_pretty(&summaries)? + "\n")
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    if let Some(file) = &options.svg {
        std::fs::write(file, svg::picture(&summaries, &machine))
            .map_err(|error| format!("{}: {error}", file.display()))?;
    }
    for left_out in &not_built {
        println!("left out: {} could not be built: {}", left_out.peer, left_out.why);
    }
    for failure in &measured.failures {
        println!("failed: {failure}");
    }
    Ok(not_built.is_empty() && measured.failures.is_empty() && (met || !options.check))
}
