//! Runs a plan: the systems of each row in turn, then the next row, and then all rows again.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use mprpc_bench_harness::{Failure, Report, Serve, ServerProcess};

use crate::plan::{Plan, Row};
use crate::systems::{Programs, ends};

/// The results of a plan.
#[derive(Default)]
pub(crate) struct Measured {
    /// For each repetition and row, a map by system. A failed system is absent.
    pub(crate) repetitions: Vec<Vec<BTreeMap<&'static str, Report>>>,
    /// System calls by row and system, counted in separate runs.
    pub(crate) syscalls: Vec<BTreeMap<&'static str, Report>>,
    /// The failures, as text.
    pub(crate) failures: Vec<String>,
}

/// Runs the plan. It leaves out what fails, and reports the failures at the end.
pub(crate) fn run(plan: &Plan, programs: &Programs) -> Measured {
    let mut measured = Measured::default();
    measured.repetitions.resize_with(plan.rows.len(), Vec::new);
    measured.syscalls.resize_with(plan.rows.len(), BTreeMap::new);
    let mut progress = Progress::new(plan);
    for repetition in 1..=plan.repetitions {
        // The peak rates of this repetition, by system.
        let mut peaks = BTreeMap::new();
        for (index, row) in plan.rows.iter().enumerate() {
            let mut reports = BTreeMap::new();
            let rate = row.half_of.and_then(|system| peaks.get(system)).map(|peak: &f64| peak / 2.0);
            for system in &row.systems {
                progress.show(row, system, &format!("repetition {repetition} of {}", plan.repetitions));
                match one(row, system, rate, plan, programs, false) {
                    Ok(report) => drop(reports.insert(*system, report)),
                    Err(failure) => measured.failed(row, system, &failure),
                }
                progress.done += 1;
            }
            if row.is_peak() {
                peaks = reports.iter().map(|(system, report)| (*system, report.calls_per_second)).collect();
            }
            measured.repetitions[index].push(reports);
        }
    }
    if plan.count_syscalls {
        for (index, row) in plan.rows.iter().enumerate().filter(|(_, row)| row.half_of.is_none()) {
            for system in &row.systems {
                progress.show(row, system, "system calls");
                match one(row, system, None, plan, programs, true) {
                    Ok(report) => drop(measured.syscalls[index].insert(system, report)),
                    Err(failure) => measured.failed(row, system, &failure),
                }
                progress.done += 1;
            }
        }
    }
    progress.end();
    measured
}

impl Measured {
    fn failed(&mut self, row: &Row, system: &str, failure: &Failure) {
        let failure = format!("{system} {} {}: {failure}", row.name, crate::plan::size(row.payload));
        eprintln!("\n{failure}");
        self.failures.push(failure);
    }
}

/// Runs server and client once.
fn one(
    row: &Row,
    system: &str,
    rate: Option<f64>,
    plan: &Plan,
    programs: &Programs,
    count_syscalls: bool,
) -> Result<Report, Failure> {
    if row.half_of.is_some() && rate.is_none() {
        return Err("the rate is not known: its closed loop failed".into());
    }
    let (server, client) = ends(system);
    let mut load = row.load(client, rate, plan);
    load.count_syscalls = count_syscalls;
    let serve = Serve { kind: row.kind, pin: row.pin(), ..Serve::new(server) };
    ServerProcess::start(&programs.of(server), &serve)?.measure(&programs.of(client), load)
}

/// The progress line on standard error: the current row, and the remaining time.
struct Progress {
    begin: Instant,
    done: usize,
    runs: usize,
    guess: Duration,
}

impl Progress {
    fn new(plan: &Plan) -> Progress {
        let in_turn: usize = plan.rows.iter().map(|row| row.systems.len()).sum();
        let runs = in_turn * (plan.repetitions + usize::from(plan.count_syscalls));
        let guess = plan.warm_up + plan.measured + Duration::from_millis(150);
        Progress { begin: Instant::now(), done: 0, runs, guess }
    }

    fn show(&self, row: &Row, system: &str, which: &str) {
        let each = if self.done < 5 { self.guess } else { self.begin.elapsed() / self.done as u32 };
        let left = each.as_secs_f64() * (self.runs - self.done.min(self.runs)) as f64;
        let row = format!("{} {}", row.name, crate::plan::size(row.payload));
        let line = format!("{which}: {row} {system}, {:.0}:{:02.0} left", (left / 60.0).floor(), (left % 60.0).floor());
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K{line}");
            // A failed write means that nobody watches.
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{line}");
        }
    }

    fn end(&self) {
        if std::io::stderr().is_terminal() {
            eprint!("\r\x1b[K");
        }
        eprintln!("{} runs in {:.0} s", self.runs, self.begin.elapsed().as_secs_f64());
    }
}
