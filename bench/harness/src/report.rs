//! What one run of a client measured.

use serde::{Deserialize, Serialize};

/// One run. The client prints it as a line of JSON, and the tool reads it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Calls, or messages of a stream, that ended in the measured span of time.
    pub calls: u64,
    /// The span.
    pub seconds: f64,
    /// Their quotient.
    pub calls_per_second: f64,
    /// Calls that were refused, and made again; a call that counts was answered.
    pub refused_per_second: f64,
    /// Half of the calls took no longer, microseconds. In the open loop counted from when a call was due.
    pub p50_us: f64,
    /// 99 % of the calls took no longer.
    pub p99_us: f64,
    /// CPU time of the client a call, microseconds.
    pub cpu_us_client: f64,
    /// CPU time of the server a call.
    pub cpu_us_server: f64,
    /// The most memory that the client has had, KiB.
    pub peak_rss_kib_client: u64,
    /// The most memory that the server has had.
    pub peak_rss_kib_server: u64,
    /// System calls of the client a call, where they were counted.
    pub syscalls_client: Option<f64>,
    /// System calls of the server a call.
    pub syscalls_server: Option<f64>,
}

impl Report {
    /// The line that the client prints.
    pub fn to_line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self)
    }

    /// What such a line says.
    pub fn from_line(line: &str) -> Result<Report, serde_json::Error> {
        serde_json::from_str(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let report = Report { calls: 3, p99_us: 1.5, syscalls_server: Some(0.25), ..Report::default() };
        let line = report.to_line().unwrap();
        assert!(!line.contains('\n'));
        assert_eq!(Report::from_line(&line).unwrap(), report);
    }
}
