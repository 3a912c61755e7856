//! Cheap calls among a few expensive ones, at half of the cores' capacity: the latency of the cheap ones, compared with
//! cheap calls alone.

use mprpc_bench_harness::{Failure, Serve, ServerProcess, available_cores};

use crate::Programs;
use crate::offer::{CHEAP_US, Calls, EXPENSIVE_ONE_IN, EXPENSIVE_US, Offer, Outcome, Step};
use crate::result::Sample;
use crate::service::MPRPC;

/// Measures cheap calls alone, then the mix. With `one_method`, only the request distinguishes cheap from expensive calls.
pub(crate) fn measure(programs: &Programs, one_method: bool) -> Result<Vec<Sample>, Failure> {
    let rate = capacity(available_cores()) / 2.0;
    let cheap_rate = rate * (1.0 - 1.0 / EXPENSIVE_ONE_IN as f64);
    let alone = run(programs, Calls::Compute(CHEAP_US), cheap_rate)?;
    let mixed = run(programs, Calls::Mixed { one_method }, rate)?;
    let mut beside = figures(&mixed);
    beside.push(("p99 of that alone", mixed.p99_ms / alone.p99_ms));
    Ok(vec![Sample::new("cheap alone", figures(&alone)), Sample::new("cheap of the mix", beside)])
}

fn run(programs: &Programs, calls: Calls, rate: f64) -> Result<Outcome, Failure> {
    let mut server = ServerProcess::start(&programs.own, &Serve::new(MPRPC))?;
    let steps = vec![Step { rate, seconds: 2.0 }, Step { rate, seconds: 5.0 }];
    let outcomes = Offer { channels: 1, calls, steps }.run(programs, &mut server)?;
    Ok(outcomes.last().cloned().unwrap_or_default())
}

fn figures(outcome: &Outcome) -> Vec<(&'static str, f64)> {
    vec![
        ("offered/s", outcome.offered),
        ("answered/s", outcome.answered),
        ("not answered/s", outcome.refused + outcome.expired + outcome.failed),
        ("p50 us", outcome.p50_ms * 1e3),
        ("p99 us", outcome.p99_ms * 1e3),
    ]
}

/// The calls of the mix a second that fit into the cores if they run nothing but handlers.
fn capacity(cores: usize) -> f64 {
    let expensive = 1.0 / EXPENSIVE_ONE_IN as f64;
    let micros = (1.0 - expensive) * f64::from(CHEAP_US) + expensive * f64::from(EXPENSIVE_US);
    cores as f64 * 1e6 / micros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_follows_the_average_cost_of_the_mix() {
        assert_eq!(capacity(2).round(), 38_476.0);
    }
}
