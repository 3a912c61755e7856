//! The clock. Only this file reads the time. Under tokio's paused time the clock is virtual.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The current time, as the runtime sees it.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// The time of day: seconds since 1970, in UTC. It is never virtual.
pub(crate) fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// Measures how long a piece of work keeps its thread busy. Time during which the system ran another thread does not count: on
/// a machine with more busy threads than cores, a poll of 2 us takes 3 ms of wall time now and then.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BusyTimer {
    begun: Instant,
    /// The processor time of the thread at the beginning. `None` where the system does not say.
    cpu: Option<Duration>,
}

/// Work that took no longer than this was not interrupted: the processor time is not read.
const UNINTERRUPTED_MAX: Duration = Duration::from_micros(20);
/// Time off the processor counts as this much at most, because nobody can tell a blocked thread from one that was preempted.
const OFF_CPU_MAX: Duration = Duration::from_micros(15);
/// No system preempts a thread for that long: the work has blocked.
const BLOCKED_MIN: Duration = Duration::from_millis(50);

impl BusyTimer {
    /// Work on this thread begins at `now`.
    pub(crate) fn start(now: Instant) -> BusyTimer {
        BusyTimer { begun: now, cpu: thread_cpu_time() }
    }

    /// How long the work that ends at `end` kept the thread busy. Call it on the same thread.
    pub(crate) fn busy(self, end: Instant) -> Duration {
        let wall = end.saturating_duration_since(self.begun);
        if wall <= UNINTERRUPTED_MAX {
            return wall;
        }
        let (Some(before), Some(after)) = (self.cpu, thread_cpu_time()) else { return wall };
        busy(wall, after.saturating_sub(before))
    }
}

fn busy(wall: Duration, cpu: Duration) -> Duration {
    let off = wall.saturating_sub(cpu);
    if off >= BLOCKED_MIN { wall } else { cpu.min(wall) + off.min(OFF_CPU_MAX) }
}

/// The processor time that this thread has used.
#[cfg(target_os = "linux")]
fn thread_cpu_time() -> Option<Duration> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Some(Duration::new(u64::try_from(time.tv_sec).ok()?, u32::try_from(time.tv_nsec).ok()?))
}

#[cfg(not(target_os = "linux"))]
fn thread_cpu_time() -> Option<Duration> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_off_the_processor_counts_little_unless_the_work_has_blocked() {
        let us = Duration::from_micros;
        assert_eq!(busy(us(3_002), us(2)), us(17), "preempted");
        assert_eq!(busy(us(5_000), us(5_000)), us(5_000), "computed");
        assert_eq!(busy(us(60_000), us(2)), us(60_000), "blocked");
        let timer = BusyTimer::start(Instant::now());
        assert_eq!(timer.busy(timer.begun + us(5)), us(5));
        assert!(timer.busy(timer.begun + us(40_000)) < us(30_000), "a wait that this thread did not compute");
    }
}
