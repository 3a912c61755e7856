//! Cheap calls among a few expensive ones, at half of what the cores can do: how long the cheap ones take, beside cheap
//! ones alone.

use mprpc_bench_harness::{Failure, Serve, ServerProcess, available_cores};

use crate::Programs;
use crate::offer::{CHEAP_US, Calls, EXPENSIVE_ONE_IN, EXPENSIVE_US, Offer, Outcome, Step};
use crate::result::Sample;
use crate::service::MPRPC;

/// Cheap ones alone, and the mix. With `one_method` the request alone tells them apart.
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

/// Calls of the mix a second that the cores could do if they had nothing but handlers to run.
fn capacity(cores: usize) -> f64 {
    let expensive = 1.0 / EXPENSIVE_ONE_IN as f64;
    let micros = (1.0 - expensive) * f64::from(CHEAP_US) + expensive * f64::from(EXPENSIVE_US);
    cores as f64 * 1e6 / micros
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacity_is_by_what_the_calls_of_the_mix_take_on_average() {
        assert_eq!(capacity(2).round(), 38_476.0);
    }
}
