//! Nine callers that each offer a tenth of the capacity, with and without another caller that floods the server.

use mprpc_bench_harness::{Failure, Serve, ServerProcess, available_cores};

use crate::Programs;
use crate::offer::{Calls, Offer, Outcome, Step};
use crate::overload::{COMPUTE_US, capacity};
use crate::result::Sample;
use crate::service::MPRPC;

/// Measures the nine alone, then the nine beside the flood, and the flood itself.
pub(crate) fn measure(programs: &Programs) -> Result<Vec<Sample>, Failure> {
    let capacity = capacity(available_cores());
    let nine = callers(9, capacity * 0.9, capacity * 0.9);
    let mut server = ServerProcess::start(&programs.own, &Serve::new(MPRPC))?;
    let alone = last(nine.run(programs, &mut server)?);
    drop(server);
    let mut server = ServerProcess::start(&programs.own, &Serve::new(MPRPC))?;
    let one = callers(1, capacity * 0.1, capacity * 10.0);
    let flooding = one.start(programs, &server)?;
    let beside = last(nine.run(programs, &mut server)?);
    let flood = last(flooding.report(one.span())?);
    let mut figures_beside = figures(&beside);
    figures_beside.push(("of that alone", beside.answered / alone.answered));
    Ok(vec![
        Sample::new("nine, alone", figures(&alone)),
        Sample::new("nine, beside the flood", figures_beside),
        Sample::new("the flood", figures(&flood)),
    ])
}

/// Callers with one connection each: one second at `rate_before`, then five at `rate`.
fn callers(channels: usize, rate_before: f64, rate: f64) -> Offer {
    let steps = vec![Step { rate: rate_before, seconds: 1.0 }, Step { rate, seconds: 5.0 }];
    Offer { channels, calls: Calls::Compute(COMPUTE_US), steps }
}

fn last(outcomes: Vec<Outcome>) -> Outcome {
    outcomes.into_iter().last().unwrap_or_default()
}

fn figures(outcome: &Outcome) -> Vec<(&'static str, f64)> {
    vec![
        ("offered/s", outcome.offered),
        ("answered/s", outcome.answered),
        ("p50 ms", outcome.p50_ms),
        ("p99 ms", outcome.p99_ms),
        ("refused/s", outcome.refused),
        ("expired/s", outcome.expired),
        ("failed/s", outcome.failed),
    ]
}
