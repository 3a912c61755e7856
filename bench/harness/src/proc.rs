//! CPU time, memory and system calls of a process: the first two as the kernel tells them in /proc, the third by `perf`.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// What a process has used so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    /// CPU time of all its threads, user and system, to 10 ms.
    pub cpu: Duration,
}

impl Usage {
    /// Of the process `pid`; nothing if it is gone.
    pub fn of(pid: u32) -> Usage {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        Usage { cpu: cpu(&stat).unwrap_or_default() }
    }
}

/// The most memory that the process `pid` has had at a time, KiB; 0 if it is gone.
pub fn peak_rss_kib(pid: u32) -> u64 {
    status_kib(pid, "VmHWM:")
}

/// The memory that the process `pid` has now, KiB; 0 if it is gone.
pub fn rss_kib(pid: u32) -> u64 {
    status_kib(pid, "VmRSS:")
}

fn status_kib(pid: u32, key: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(key));
    line.and_then(|rest| rest.split_whitespace().next()).and_then(|kib| kib.parse().ok()).unwrap_or(0)
}

/// The clock ticks of utime and stime in /proc/PID/stat. Linux has 100 a second on every architecture that we build for.
fn cpu(stat: &str) -> Option<Duration> {
    // The name of the program stands in brackets and may hold anything.
    let fields = stat.rsplit_once(") ")?.1;
    let ticks: u64 = fields.split(' ').skip(11).take(2).map(|field| field.parse().unwrap_or(0)).sum();
    Some(Duration::from_millis(ticks * 10))
}

/// A count of the system calls of two processes, by `perf stat`, one of it each.
pub(crate) struct SyscallCount {
    perfs: [Option<Child>; 2],
    span: Duration,
}

impl SyscallCount {
    /// Counts for `span`, from about now.
    pub(crate) fn start(pids: [u32; 2], span: Duration) -> SyscallCount {
        let perf = |pid: u32| {
            let mut perf = Command::new("perf");
            perf.args(["stat", "-x", ";", "-e", "raw_syscalls:sys_enter", "-p", &pid.to_string(), "--", "sleep"]);
            perf.arg(span.as_secs_f64().to_string()).stdout(Stdio::null()).stderr(Stdio::piped());
            perf.spawn().ok()
        };
        SyscallCount { perfs: pids.map(perf), span }
    }

    /// Waits for the end of the count. `None` where there is no `perf`, or it may not count.
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
    fn cpu_time_is_user_and_system_whatever_the_name_of_the_program() {
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
