//! More calls than the server can handle: how many it answers in time, and the outcome of the others. Measured with its
//! overload protection and without.

use std::time::Duration;

use mprpc_bench_harness::{Failure, Load, Serve, ServerProcess, Shape, Threads, available_cores};

use crate::Programs;
use crate::offer::{Calls, Offer, Outcome, Step};
use crate::result::Sample;
use crate::service::{MPRPC, RESOURCE, UNPROTECTED};

/// The suffix of variants without protection.
pub(crate) const OFF: &str = ", protection off";
/// The figures on the horizontal and on the vertical axis of the picture.
pub(crate) const OFFERED: &str = "offered/s";
pub(crate) const ANSWERED: &str = "answered/s";

/// How long a handler computes, in microseconds.
pub(crate) const COMPUTE_US: u32 = 5_000;

/// Measures handlers that compute.
pub(crate) fn measure_compute(programs: &Programs) -> Result<Vec<Sample>, Failure> {
    measure(programs, Calls::Compute(COMPUTE_US), capacity(available_cores()))
}

/// Measures handlers that wait for one of the places of a resource.
pub(crate) fn measure_wait(programs: &Programs) -> Result<Vec<Sample>, Failure> {
    let load = Load {
        shape: Shape { connections: 1, callers: 150 },
        threads: Threads::Shared,
        warm_up: Duration::from_secs(1),
        measured: Duration::from_secs(2),
        ..Load::new(RESOURCE)
    };
    let closed = ServerProcess::start(&programs.own, &Serve::new(RESOURCE))?.measure(&programs.own, load)?;
    let figures = vec![
        (ANSWERED, closed.calls_per_second),
        ("p50 ms", closed.p50_us / 1e3),
        ("p99 ms", closed.p99_us / 1e3),
        ("refused/s", closed.refused_per_second),
    ];
    let mut samples = vec![Sample::new("closed loop of 150", figures)];
    samples.extend(measure(programs, Calls::UseResource, closed.calls_per_second)?);
    Ok(samples)
}

/// The calls a second that fit into the cores if they run nothing but handlers.
pub(crate) fn capacity(cores: usize) -> f64 {
    cores as f64 * 1e6 / f64::from(COMPUTE_US)
}

fn measure(programs: &Programs, calls: Calls, capacity: f64) -> Result<Vec<Sample>, Failure> {
    let mut runs = Vec::new();
    for times in TIMES {
        for (system, suffix) in [(MPRPC, ""), (UNPROTECTED, OFF)] {
            let mut server = ServerProcess::start(&programs.own, &Serve::new(system))?;
            let outcomes = Offer { channels: 1, calls, steps: steps(capacity, times) }.run(programs, &mut server)?;
            runs.push((format!("{times} times{suffix}"), outcomes));
        }
    }
    let peak = runs.iter().map(|(_, outcomes)| outcomes[OVERLOAD].answered).fold(0.0, f64::max);
    Ok(runs.into_iter().map(|(variant, outcomes)| Sample { variant, figures: figures(&outcomes, peak) }).collect())
}

/// Half of the capacity, then `times` the capacity, then half of it again for two seconds.
fn steps(capacity: f64, times: f64) -> Vec<Step> {
    let step = |times: f64, seconds| Step { rate: capacity * times, seconds };
    vec![step(0.5, 1.0), step(times, 5.0), step(0.5, 1.0), step(0.5, 1.0)]
}

fn figures(outcomes: &[Outcome], peak: f64) -> Vec<(&'static str, f64)> {
    let Outcome { offered, answered, refused, expired, failed, p50_ms, p99_ms } = outcomes[OVERLOAD];
    let recovered = |step: usize| outcomes[step].answered / outcomes[step].offered;
    vec![
        (OFFERED, offered),
        (ANSWERED, answered),
        ("of the peak", answered / peak),
        ("p50 ms", p50_ms),
        ("p99 ms", p99_ms),
        ("refused/s", refused),
        ("expired/s", expired),
        ("failed/s", failed),
        ("of half, 1st s after", recovered(OVERLOAD + 1)),
        ("2nd s", recovered(OVERLOAD + 2)),
    ]
}

/// Multiples of the capacity.
const TIMES: [f64; 4] = [1.0, 2.0, 5.0, 10.0];
/// The index of the overload step.
const OVERLOAD: usize = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_cover_the_overload_and_the_recovery() {
        let outcome = |offered, answered| Outcome { offered, answered, ..Outcome::default() };
        let outcomes = [outcome(200.0, 200.0), outcome(800.0, 360.0), outcome(200.0, 150.0), outcome(200.0, 200.0)];
        let figures = figures(&outcomes, 400.0);
        let figure = |name| figures.iter().find(|figure| figure.0 == name).map(|figure| figure.1);
        assert_eq!(figure("of the peak"), Some(0.9));
        assert_eq!(figure("of half, 1st s after"), Some(0.75));
        assert_eq!(figure("2nd s"), Some(1.0));
        assert_eq!(capacity(2), 400.0);
    }

    #[test]
    fn load_is_half_then_overload_then_half() {
        let rates: Vec<f64> = steps(400.0, 10.0).iter().map(|step| step.rate).collect();
        assert_eq!(rates, [200.0, 4_000.0, 200.0, 200.0]);
    }
}
