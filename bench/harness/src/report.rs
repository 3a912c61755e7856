//! The measurement of one client run.

use serde::{Deserialize, Serialize};

/// One run. The client prints it as a line of JSON, and the tool reads that line.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Calls, or messages of a stream, that ended in the measured span.
    pub calls: u64,
    /// The length of the span in seconds.
    pub seconds: f64,
    /// Calls divided by seconds.
    pub calls_per_second: f64,
    /// The median latency in microseconds. In the open loop it counts from the due time of a call.
    pub p50_us: f64,
    /// The latency that 99 % of the calls do not exceed.
    pub p99_us: f64,
    /// CPU time of the client for each call, in microseconds.
    pub cpu_us_client: f64,
    /// CPU time of the server for each call.
    pub cpu_us_server: f64,
    /// Peak memory of the client in KiB.
    pub peak_rss_kib_client: u64,
    /// Peak memory of the server.
    pub peak_rss_kib_server: u64,
    /// System calls of the client for each call, if they were counted.
    pub syscalls_client: Option<f64>,
    /// System calls of the server for each call.
    pub syscalls_server: Option<f64>,
}

impl Report {
    /// The line that the client prints.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// Parses such a line.
    pub fn from_line(line: &str) -> Result<Report, serde_json::Error> {
        serde_json::from_str(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn report_survives_a_round_trip_through_its_line() {
        let report = Report { calls: 3, p99_us: 1.5, syscalls_server: Some(0.25), ..Report::default() };
        let line = report.to_line().unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(Report::from_line(&line).unwrap(), report);
    }
}
