//! Work for a handler that computes.

use std::hint::spin_loop;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Takes so much CPU time. What other threads have of the core meanwhile does not count: by the clock on the wall a server
/// with more threads than cores could do more than the cores can.
pub fn spin(time: Duration) {
    if time.is_zero() {
        return;
    }
    let end = thread_cpu() + time;
    let mut missing = time;
    while !missing.is_zero() {
        // Reading this clock takes no system call.
        let begin = Instant::now();
        while begin.elapsed() < missing {
            spin_loop();
        }
        missing = end.saturating_sub(thread_cpu());
    }
}

/// CPU time of this thread so far.
fn thread_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spinning_takes_cpu_time() {
        let before = thread_cpu();
        spin(Duration::from_millis(3));
        assert!(thread_cpu() - before >= Duration::from_millis(3));
    }
}
