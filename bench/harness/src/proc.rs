//! CPU time, memory and system calls of a process. /proc provides the first two, `perf` the third.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The resources that a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time of all its threads, user and system, with a resolution of 10 ms.
    pub cpu: Duration,
}

impl Usage {
    /// The usage of the process `pid`; zero if the process is gone.
    pub fn of(pid: u32) -> Usage {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        Usage { cpu: cpu(&stat).unwrap_or_default() }
    }
}

/// The peak memory of the process `pid` in KiB; 0 if the process is gone.
pub fn peak_rss_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

/// The present memory of the process `pid` in KiB; 0 if the process is gone.
pub fn rss_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// Reads utime and stime in /proc/PID/stat, in clock ticks. Linux has 100 ticks a second on every architecture that we build
/// for.
fn cpu(stat: &str) -> Option<Duration> {
    // The program name stands in parentheses and may contain anything.
    let fields = stat.rsplit_once(") ")?.1;
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// A count of the system calls of two processes, with one `perf stat` each.
pub(crate) struct SyscallCount {
    perfs: [Option<Child>; 2],
    span: Duration,
}

impl SyscallCount {
    /// Starts to count now, for `span`.
    pub(crate) fn start(pids: [u32; 2], span: Duration) -> SyscallCount {
        let perf = |pid: u32| {
            let mut perf = Command::new("perf");
            perf.args(["stat", "-x", ";", "-e", "raw_syscalls:sys_enter", "-p", &pid.to_string(), "--", "sleep"]);
            perf.arg(span.as_secs_f64().to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
            perf.spawn().ok()
        };
        SyscallCount { perfs: pids.map(perf), span }
    }

    /// Waits for the end of the count. `None` if `perf` is missing or not permitted.
    pub(crate) fn per_second(self) -> [Option<f64>; 2] {
        self.perfs.map(|perf| {
            let output = perf?.wait_with_output().ok()?;
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let line = text.lines().find(|line| line.contains("sys_enter"))?;
            Some(line.split(';').next()?.parse::<f64>().ok()? / self.span.as_secs_f64())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_time_is_parsed_whatever_the_program_name() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 25 0 0 20 0";
        assert_eq!(cpu(stat), Some(Duration::from_millis(1_750)));
        assert_eq!(cpu("nothing"), None);
    }

    #[test]
    fn this_process_has_some_memory() {
        assert!(peak_rss_kib(std::process::id()) > 100);
        assert!(rss_kib(std::process::id()) > 100);
    }
}
