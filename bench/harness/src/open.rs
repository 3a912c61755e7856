//! The open loop: calls begin when they are due, even if earlier calls have not ended.

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

/// The grid on which calls become due.
pub const TICK: Duration = Duration::from_micros(100);

/// A schedule of due calls at a fixed rate; each call is due at the first tick that the rate allows. The schedule does not
/// depend on replies, so a stalled system is late for all calls that were due meanwhile (no coordinated omission).
pub struct Schedule {
    start: Instant,
    calls_per_tick: f64,
    begun: u64,
}

impl Schedule {
    /// Creates a schedule of `rate` calls a second from `start` on.
    pub fn new(start: Instant, rate: f64) -> Schedule {
        Schedule { start, calls_per_tick: rate * TICK.as_secs_f64(), begun: 0 }
    }

    /// Returns the due time of the next call, if it is due by `now`.
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

/// Creates a [`ticker`] on the current runtime.
pub fn async_ticker() -> Result<AsyncFd<OwnedFd>, Failure> {
    #[expect(deprecated, reason = "deprecated for types that do not own what AsRawFd says; this one does")]
    Ok(AsyncFd::new(ticker()?)?)
}

/// Creates a timer that becomes readable every [`TICK`]. tokio's own timer has a resolution of milliseconds.
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
        // The timer becomes readable again with the next tick, and only after it has been read.
        ready.clear_ready();
        match read {
            Ok(_) => return Ok(()),
            Err(rustix::io::Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Begins calls when they are due, on `clients` in turn. If too many are in flight, a call begins late, and the wait counts.
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

/// The most calls in flight on a connection. More would be no faster, and a system that fell behind once would never catch
/// up.
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
    fn late_call_keeps_its_due_time() {
        let start = Instant::now();
        let mut schedule = Schedule::new(start, 10_000.0);
        let due = all_due(&mut schedule, start + TICK * 5 + TICK / 2);
        assert_eq!(due, (1..=5).map(|tick| start + TICK * tick).collect::<Vec<_>>());
    }
}
