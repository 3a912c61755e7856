//! The project's requirements for mprpc, each with its measured value.

use crate::summary::Summary;
use crate::table::aligned;

/// One row of the table of requirements.
struct Requirement {
    shape: &'static str,
    payload: usize,
    system: &'static str,
    what: &'static str,
    measured: fn(&Summary) -> Option<f64>,
    bound: Bound,
}

#[derive(Clone, Copy)]
enum Bound {
    AtLeast(f64),
    AtMost(f64),
}

use Bound::{AtLeast, AtMost};

const fn required(
    shape: &'static str,
    payload: usize,
    what: &'static str,
    measured: fn(&Summary) -> Option<f64>,
    bound: Bound,
) -> Requirement {
    Requirement { shape, payload, system: "mprpc", what, measured, bound }
}

const OF_RAW: fn(&Summary) -> Option<f64> = |summary| summary.ratio_to_raw;
const TONIC: fn(&Summary) -> Option<f64> = |summary| summary.ratio_to.get("tonic").copied();
const TARPC: fn(&Summary) -> Option<f64> = |summary| summary.ratio_to.get("tarpc").copied();
const VOLO: fn(&Summary) -> Option<f64> = |summary| summary.ratio_to.get("volo-thrift").copied();

const REQUIREMENTS: [Requirement; 18] = [
    required("1x64", 32, "of raw", OF_RAW, AtLeast(0.50)),
    required("1x64", 32, "times tonic", TONIC, AtLeast(40.0)),
    required("1x64", 32, "times tarpc", TARPC, AtLeast(10.0)),
    required("1x64", 32, "times volo-thrift", VOLO, AtLeast(25.0)),
    required("8x16", 32, "of raw", OF_RAW, AtLeast(0.60)),
    required("8x16", 32, "times tonic", TONIC, AtLeast(15.0)),
    required("8x16", 32, "times tarpc", TARPC, AtLeast(5.0)),
    required("64x1", 32, "of raw", OF_RAW, AtLeast(0.80)),
    required("64x1", 32, "times tonic", TONIC, AtLeast(3.5)),
    required("64x1", 32, "times tarpc", TARPC, AtLeast(1.5)),
    required("64x1", 32, "times volo-thrift", VOLO, AtLeast(1.5)),
    required("1x1", 32, "median latency, of raw", |summary| summary.p50_ratio_to_raw, AtMost(1.20)),
    required("8x16", 16 * 1024, "of raw", OF_RAW, AtLeast(0.80)),
    required("stream", 1 << 20, "bytes/s, of raw", OF_RAW, AtLeast(0.85)),
    required("server-stream", 1 << 20, "bytes/s, of raw", OF_RAW, AtLeast(0.85)),
    required("bidi-stream", 1 << 20, "bytes/s, of raw", OF_RAW, AtLeast(0.85)),
    required("open-8", 32, "99th percentile, of raw at the same rate", |summary| summary.p99_ratio_to_raw, AtMost(1.5)),
    Requirement {
        system: "mprpc-classic",
        ..required("8x1", 15, "a connection a call, of raw-connect", OF_RAW, AtLeast(0.85))
    },
];

/// Returns the table, and whether every measured value meets its requirement.
pub(crate) fn check(summaries: &[Summary]) -> (String, bool) {
    let mut all_met = true;
    let mut table = vec![["shape", "payload", "requirement", "asked", "measured", ""].map(str::to_owned)];
    for requirement in &REQUIREMENTS {
        let summary = summaries.iter().find(|summary| requirement.is_about(summary));
        let Some(measured) = summary.and_then(|summary| (requirement.measured)(summary)) else { continue };
        let (met, asked) = match requirement.bound {
            AtLeast(bound) => (measured >= bound, format!("at least {bound:.2}")),
            AtMost(bound) => (measured <= bound, format!("at most {bound:.2}")),
        };
        all_met &= met;
        table.push([
            requirement.shape.to_owned(),
            crate::plan::size(requirement.payload),
            requirement.what.to_owned(),
            asked,
            format!("{measured:.2}"),
            if met { "pass" } else { "FAIL" }.to_owned(),
        ]);
    }
    (aligned(&table), all_met)
}

impl Requirement {
    fn is_about(&self, summary: &Summary) -> bool {
        let Requirement { shape, payload, system, .. } = *self;
        // An open-loop row at half of a peer's peak does not count.
        let others = summary.rate_of.is_some_and(|whose| whose != system);
        !others && (summary.system, summary.shape.as_str(), summary.payload) == (system, shape, payload)
    }
}
