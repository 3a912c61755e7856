//! Medians, spreads and ratios of the measurements, and their JSON. A ratio is taken within each repetition, in which both
//! systems ran seconds apart; the summary has the median of these ratios.

use std::collections::BTreeMap;

use mprpc_bench_harness::{Figure, Kind, Machine, Report};
use serde::Serialize;

use crate::plan::{Plan, Row};
use crate::run::Measured;

/// One system under one load: an object in the output of `--json`.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Summary {
    pub(crate) system: &'static str,
    /// `1x64`; `stream`, `server-stream`, `bidi-stream`; `open-8`.
    pub(crate) shape: String,
    /// Bytes of a message.
    pub(crate) payload: usize,
    /// `unary`, `client-stream`, `server-stream`, `bidi`, `connect`.
    pub(crate) kind: &'static str,
    /// Whether both ends were pinned to one core.
    pub(crate) pinned: bool,
    /// Set for the open loop: the rate is half of this system's peak.
    pub(crate) rate_of: Option<&'static str>,
    /// All following values are medians. A stream counts messages.
    pub(crate) calls_per_second: f64,
    pub(crate) calls_per_second_min: f64,
    pub(crate) calls_per_second_max: f64,
    /// Payload bytes a second in one direction.
    pub(crate) bytes_per_second: f64,
    /// Calls a second divided by those of the base: `raw`, or `raw-connect`.
    pub(crate) ratio_to_raw: Option<f64>,
    pub(crate) ratio_to_raw_min: Option<f64>,
    pub(crate) ratio_to_raw_max: Option<f64>,
    /// Calls a second divided by those of each other system of the row.
    pub(crate) ratio_to: BTreeMap<&'static str, f64>,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// Median latency divided by that of the base.
    pub(crate) p50_ratio_to_raw: Option<f64>,
    pub(crate) p99_ratio_to_raw: Option<f64>,
    /// CPU time for each call.
    pub(crate) cpu_us_client: f64,
    pub(crate) cpu_us_server: f64,
    /// System calls for each call.
    pub(crate) syscalls_client: Option<f64>,
    pub(crate) syscalls_server: Option<f64>,
    pub(crate) peak_rss_kib_client: u64,
    pub(crate) peak_rss_kib_server: u64,
    pub(crate) repetitions: usize,
    #[serde(flatten)]
    pub(crate) machine: Machine,
}

/// Summarizes all systems of all rows, in the order of the plan.
pub(crate) fn summarize(plan: &Plan, measured: &Measured, machine: &Machine) -> Vec<Summary> {
    let mut summaries = Vec::new();
    for (index, row) in plan.rows.iter().enumerate() {
        let (reports, syscalls) = (&measured.repetitions[index], &measured.syscalls[index]);
        summaries.extend(row.systems.iter().filter_map(|system| summary(row, system, reports, syscalls, machine)));
    }
    summaries
}

type Reports = BTreeMap<&'static str, Report>;

fn summary(
    row: &Row,
    system: &'static str,
    repetitions: &[Reports],
    syscalls: &Reports,
    machine: &Machine,
) -> Option<Summary> {
    let figure = |of: fn(&Report) -> f64| Figure::of(repetitions.iter().filter_map(|all| all.get(system)).map(of));
    let median = |of| figure(of).map_or(0.0, |figure| figure.median);
    let calls = figure(|report| report.calls_per_second)?;
    let ratio = |other, of| ratio(repetitions, system, other, of);
    let to_raw = ratio(row.base, |report| report.calls_per_second);
    let others = row.systems.iter().filter(|other| **other != system);
    let ratio_to = others.filter_map(|other| Some((*other, ratio(other, |report| report.calls_per_second)?.median)));
    Some(Summary {
        system,
        shape: row.name.clone(),
        payload: row.payload,
        kind: row.kind.name(),
        pinned: row.pinned,
        rate_of: row.half_of,
        calls_per_second: calls.median,
        calls_per_second_min: calls.min,
        calls_per_second_max: calls.max,
        bytes_per_second: calls.median * row.payload as f64,
        ratio_to_raw: to_raw.map(|ratio| ratio.median),
        ratio_to_raw_min: to_raw.map(|ratio| ratio.min),
        ratio_to_raw_max: to_raw.map(|ratio| ratio.max),
        ratio_to: ratio_to.collect(),
        p50_us: median(|report| report.p50_us),
        p99_us: median(|report| report.p99_us),
        p50_ratio_to_raw: ratio(row.base, |report| report.p50_us).map(|ratio| ratio.median),
        p99_ratio_to_raw: ratio(row.base, |report| report.p99_us).map(|ratio| ratio.median),
        cpu_us_client: median(|report| report.cpu_us_client),
        cpu_us_server: median(|report| report.cpu_us_server),
        syscalls_client: syscalls.get(system).and_then(|report| report.syscalls_client),
        syscalls_server: syscalls.get(system).and_then(|report| report.syscalls_server),
        peak_rss_kib_client: median(|report| report.peak_rss_kib_client as f64) as u64,
        peak_rss_kib_server: median(|report| report.peak_rss_kib_server as f64) as u64,
        repetitions: repetitions.iter().filter(|all| all.contains_key(system)).count(),
        machine: machine.clone(),
    })
}

/// The value of `system` divided by that of `other`, in each repetition that has both.
fn ratio(repetitions: &[Reports], system: &str, other: &str, of: fn(&Report) -> f64) -> Option<Figure> {
    Figure::of(repetitions.iter().filter_map(|all| Some(of(all.get(system)?) / of(all.get(other)?))))
}

impl Summary {
    /// Whether the row measures streams: messages on lasting connections, without a latency of each.
    pub(crate) fn is_stream(&self) -> bool {
        [Kind::ClientStream, Kind::ServerStream, Kind::Bidi].iter().any(|kind| kind.name() == self.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_taken_within_a_repetition() {
        let report = |calls_per_second| Report { calls_per_second, ..Report::default() };
        // The machine was twice as fast in the second one; the third has one system only.
        let repetitions = [
            BTreeMap::from([("raw", report(100.0)), ("mprpc", report(50.0))]),
            BTreeMap::from([("raw", report(200.0)), ("mprpc", report(120.0))]),
            BTreeMap::from([("mprpc", report(1.0))]),
        ];
        let ratio = ratio(&repetitions, "mprpc", "raw", |report| report.calls_per_second);
        assert_eq!(ratio, Some(Figure { median: 0.55, min: 0.5, max: 0.6 }));
    }

    #[test]
    fn json_has_the_expected_fields() {
        let mut plan = Plan::quick();
        plan.keep(&["mprpc".to_owned()], &["1x64".to_owned()]);
        let report = |calls_per_second| Report { calls_per_second, p50_us: 2.0, ..Report::default() };
        let reports = BTreeMap::from([("raw", report(100.0)), ("mprpc", report(50.0))]);
        let measured =
            Measured { repetitions: vec![vec![reports]], syscalls: vec![BTreeMap::new()], ..Measured::default() };
        let json = serde_json::to_value(summarize(&plan, &measured, &Machine::default())).unwrap();
        let mprpc = &json[1];
        assert_eq!(mprpc["system"], "mprpc");
        assert_eq!(mprpc["shape"], "1x64");
        assert_eq!(mprpc["payload"], 32);
        assert_eq!(mprpc["calls_per_second"], 50.0);
        assert_eq!(mprpc["ratio_to_raw"], 0.5);
        assert_eq!(mprpc["p50_us"], 2.0);
        assert_eq!(mprpc["p99_us"], 0.0);
        assert_eq!(json[0]["ratio_to_raw"], 1.0);
    }
}
