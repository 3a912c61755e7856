//! Handlers that compute: one channel, 64 callers, each with one call after the other. mprpc beside tonic.

use std::path::Path;
use std::time::Duration;

use mprpc_bench_harness::{Failure, Load, Report, Serve, ServerProcess, Shape, Threads, available_cores};

use crate::result::Sample;
use crate::service::MPRPC;
use crate::{Programs, TONIC};

/// Measures both systems with handlers that compute for `micros`.
pub(crate) fn measure(programs: &Programs, micros: u64) -> Result<Vec<Sample>, Failure> {
    let mprpc = run(&programs.own, MPRPC, micros)?;
    let mut figures = figures(&mprpc, micros);
    let Some(program) = &programs.tonic else {
        return Ok(vec![Sample::new(MPRPC, figures)]);
    };
    let tonic = run(program, TONIC, micros)?;
    figures.push(("of tonic", mprpc.calls_per_second / tonic.calls_per_second));
    Ok(vec![Sample::new(MPRPC, figures), Sample::new(TONIC, self::figures(&tonic, micros))])
}

fn run(program: &Path, system: &str, micros: u64) -> Result<Report, Failure> {
    let serve = Serve { spin: Duration::from_micros(micros), ..Serve::new(system) };
    let load = Load {
        shape: Shape { connections: 1, callers: 64 },
        threads: Threads::Shared,
        warm_up: Duration::from_secs(2),
        measured: Duration::from_secs(3),
        ..Load::new(system)
    };
    ServerProcess::start(program, &serve)?.measure(program, load)
}

fn figures(report: &Report, micros: u64) -> Vec<(&'static str, f64)> {
    let Report { calls_per_second, p50_us, p99_us, cpu_us_client, cpu_us_server, refused_per_second, .. } = report;
    let caller_cores = cpu_us_client * calls_per_second / 1e6;
    vec![
        ("calls/s", *calls_per_second),
        ("p50 us", *p50_us),
        ("p99 us", *p99_us),
        ("refused/s", *refused_per_second),
        ("caller CPU s/s", caller_cores),
        ("server CPU s/s", cpu_us_server * calls_per_second / 1e6),
        ("of limit", calls_per_second / calls_per_second_max(available_cores(), caller_cores, micros)),
    ]
}

/// The upper bound: the calls a second that fit into the cores if handlers get all that the caller leaves.
fn calls_per_second_max(cores: usize, caller_cores: f64, micros: u64) -> f64 {
    (cores as f64 - caller_cores) * 1e6 / micros as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limit_counts_only_cores_left_by_the_caller() {
        assert_eq!(calls_per_second_max(2, 0.0, 1_000), 2_000.0);
        assert_eq!(calls_per_second_max(2, 0.5, 100), 15_000.0);
    }
}
