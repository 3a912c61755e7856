//! The open loop: calls begin when they are due, whether or not the ones before have ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::unix::AsyncFd;

use crate::closed::check;
use crate::meter::Share;
use crate::{Client, Failure, Load};

/// Calls become due on a grid of this.
pub const TICK: Duration = Duration::from_micros(100);

/// When calls are due: at a fixed rate, each at the first tick by which so many are to have begun. It does not know of
/// replies, so a system that stalls is late for all calls that were due meanwhile (no coordinated omission).
pub struct Schedule {
    start: Instant,
    calls_per_tick: f64,
    begun: u64,
}

impl Schedule {
    /// `rate` calls a second from `start` on.
    pub fn new(start: Instant, rate: f64) -> Schedule {
        Schedule { start, calls_per_tick: rate * TICK.as_secs_f64(), begun: 0 }
    }

    /// The next call, if it is due by `now`: the time since when it is.
    pub fn next_due(&mut self, now: Instant) -> Option<Instant> {
        let tick = ((self.begun + 1) as f64 / self.calls_per_tick).ceil();
        let due = self.start + TICK.mul_f64(tick);
        if due > now {
            return None;
        }
        self.begun += 1;
        Some(due)
    }
}

/// A [`ticker`] on the runtime that this is called on.
pub fn async_ticker() -> Result<AsyncFd<OwnedFd>, Failure> {
    #[expect(deprecated, reason = "deprecated for types that do not own what AsRawFd says; this one does")]
    Ok(AsyncFd::new(ticker()?)?)
}

/// A timer that becomes readable every [`TICK`]; tokio's own knows milliseconds.
pub fn ticker() -> Result<OwnedFd, Failure> {
    let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
    timerfd_settime(&timer, TimerfdTimerFlags::empty(), &Itimerspec { it_interval: tick, it_value: tick })?;
    Ok(timer)
}

/// Waits for the next tick.
pub async fn tick(ticker: &AsyncFd<OwnedFd>) -> Result<(), Failure> {
    loop {
        let mut ready = ticker.readable().await?;
        let read = rustix::io::read(ticker.get_ref(), &mut [0; 8]);
        // The timer is readable again with the next tick, and not before it has been read.
        ready.clear_ready();
        match read {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Begins calls when they are due, on `clients` in turn; later, with too many on their way, and it counts as waiting.
pub(crate) async fn call_when_due<C: Client>(clients: Vec<C>, load: &Load, share: &Share) -> Result<(), Failure> {
    let ticker = async_ticker()?;
    let mut schedule = Schedule::new(Instant::now(), share.rate);
    let (request, payload, meter) = (C::request(load.payload), load.payload, share.meter.clone());
    let counters: Vec<_> = clients.iter().map(|_| meter.counter()).collect();
    let (on_their_way, most) = (Arc::new(AtomicUsize::new(0)), clients.len() * ON_THEIR_WAY_MAX);
    for turn in (0..clients.len()).cycle() {
        let due = loop {
            if on_their_way.load(Ordering::Relaxed) < most
                && let Some(due) = schedule.next_due(Instant::now())
            {
                break due;
            }
            tick(&ticker).await?;
        };
        on_their_way.fetch_add(1, Ordering::Relaxed);
        let records = meter.became_due(due);
        let (client, request, meter) = (clients[turn].clone(), request.clone(), meter.clone());
        let (counter, on_their_way) = (counters[turn].clone(), on_their_way.clone());
        tokio::spawn(async move {
            let result = client.call(&request).await;
            if records {
                meter.latencies.record(due.elapsed(), 1);
            }
            on_their_way.fetch_sub(1, Ordering::Relaxed);
            counter.add_shared(1);
            meter.failed_unless(result.and_then(|reply| check(reply, payload)));
        });
    }
    Ok(())
}

/// Calls on a connection. More of them are no faster, and a system that once fell behind would never catch up.
const ON_THEIR_WAY_MAX: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    fn all_due(schedule: &mut Schedule, now: Instant) -> Vec<Instant> {
        std::iter::from_fn(|| schedule.next_due(now)).collect()
    }

    #[test]
    fn calls_become_due_at_the_rate() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 25_000.0);
        assert_eq!(all_due(&mut schedule, start).len(), 0);
        assert_eq!(all_due(&mut schedule, start + TICK).len(), 2);
        assert_eq!(all_due(&mut schedule, start + TICK * 2).len(), 3);
        assert_eq!(all_due(&mut schedule, start + Duration::from_secs(1)).len(), 24_995);
    }

    #[test]
    fn a_call_that_begins_late_was_due_all_the_same() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 10_000.0);
        let due = all_due(&mut schedule, start + TICK * 5 + TICK / 2);
        assert_eq!(due, (1..=5).map(|tick| start + TICK * tick).collect::<Vec<_>>());
    }
}
