//! Decides where the handlers of one method run, by the user's choice or by measurement. Moves no call itself.
//!
//! A method whose placement is measured begins on the executor, so that no unknown handler holds up an event loop. Its
//! calls run inline once the mean of its first polls (32 at first) is short. Inline, the meter samples a few polls, and
//! every poll after a turn that took long. A method whose sampled polls are long goes back to the executor, and has to be
//! short for twice as many calls before it runs inline again.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::method::Placement;
use crate::net::clock::{self, BusyTimer};

/// The mean length of a poll up to which a method may run inline. A hand-over to another thread and back costs about as
/// much.
const INLINE_NANOS_MAX: u32 = 5_000;
/// The mean length of a poll above which an inline method goes to the executor. The value is twice `INLINE_NANOS_MAX`, so
/// that a method at the border does not alternate.
const SPREAD_NANOS_MIN: u32 = 10_000;
/// A poll of length `STRIKE` on an event loop counts as one strike, a poll of length `THREE_STRIKES` as three.
const STRIKE: Duration = Duration::from_micros(100);
const THREE_STRIKES: Duration = Duration::from_millis(10);
const STRIKES_MAX: u32 = 3;
/// One strike is forgiven after so many samples: the system may preempt any thread during a poll.
const SAMPLES_PER_PARDON: u32 = 1024;
/// The number of first polls on the executor whose mean must be short before a method runs inline: at first, and at most.
const PROOF_CALLS_MIN: u32 = 32;
const PROOF_CALLS_MAX: u32 = 1 << 20;
/// The most that one sample counts, in the mean that can move a method inline and in the average that can move it away. A
/// longer sample may come from a preempted thread.
const SPREAD_SAMPLE_NANOS_MAX: u32 = 1_000_000;
const INLINE_SAMPLE_NANOS_MAX: u32 = 30_000;
/// The assumed length of a first poll before the first measurement.
const UNKNOWN_NANOS: u32 = 10_000;

/// Where the calls of one method run. All connections of a server share this.
#[derive(Debug)]
pub(crate) struct MethodPlacement {
    chosen: Placement,
    is_inline: AtomicBool,
    /// The moving average of poll lengths, in nanoseconds.
    poll_nanos: AtomicU32,
    /// Since the last decision: the first polls measured on the executor, and their total length. `wanted` is the number of
    /// polls before the next decision.
    measured: AtomicU32,
    measured_nanos: AtomicU64,
    wanted: AtomicU32,
    strikes: AtomicU32,
    samples: AtomicU32,
}

/// Where one call runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RunOn {
    /// On the event loop.
    Loop,
    /// On any free core.
    AnyCore,
    /// On a thread that the handler may block.
    BlockingThread,
}

impl Default for MethodPlacement {
    fn default() -> MethodPlacement {
        MethodPlacement::new(Placement::Measured)
    }
}

impl MethodPlacement {
    pub(crate) fn new(chosen: Placement) -> MethodPlacement {
        MethodPlacement {
            chosen,
            is_inline: AtomicBool::new(chosen == Placement::Inline),
            poll_nanos: AtomicU32::new(UNKNOWN_NANOS),
            measured: AtomicU32::new(0),
            measured_nanos: AtomicU64::new(0),
            wanted: AtomicU32::new(PROOF_CALLS_MIN),
            strikes: AtomicU32::new(0),
            samples: AtomicU32::new(0),
        }
    }

    /// Where the next call runs.
    pub(crate) fn run_on(&self) -> RunOn {
        if self.is_inline.load(Ordering::Relaxed) {
            RunOn::Loop
        } else if self.chosen == Placement::Blocking {
            RunOn::BlockingThread
        } else {
            RunOn::AnyCore
        }
    }

    /// The user's choice.
    pub(crate) fn chosen(&self) -> Placement {
        self.chosen
    }

    /// Whether measurement decides.
    #[inline]
    pub(crate) fn is_measured(&self) -> bool {
        self.chosen == Placement::Measured
    }

    /// The expected length of the next first poll.
    pub(crate) fn expected(&self) -> Duration {
        Duration::from_nanos(self.poll_nanos.load(Ordering::Relaxed).into())
    }

    /// Records the length of a call's first poll on the executor.
    ///
    /// Threads race here, and one of two samples may be lost. A lock would cost more, and a lost sample changes nothing.
    pub(crate) fn spread_poll_took(&self, time: Duration) {
        let nanos = nanos(time);
        self.average(nanos, 16);
        if self.chosen != Placement::Measured {
            return;
        }
        let nanos = u64::from(nanos.min(SPREAD_SAMPLE_NANOS_MAX));
        let total = self.measured_nanos.fetch_add(nanos, Ordering::Relaxed) + nanos;
        let measured = self.measured.fetch_add(1, Ordering::Relaxed) + 1;
        if measured < self.wanted.load(Ordering::Relaxed) {
            return;
        }
        self.measured.store(0, Ordering::Relaxed);
        self.measured_nanos.store(0, Ordering::Relaxed);
        if total <= u64::from(INLINE_NANOS_MAX) * u64::from(measured) {
            self.strikes.store(0, Ordering::Relaxed);
            self.is_inline.store(true, Ordering::Relaxed);
        }
    }

    /// Records the length of a sampled poll on an event loop.
    pub(crate) fn inline_poll_took(&self, time: Duration) {
        let average = self.average(nanos(time).min(INLINE_SAMPLE_NANOS_MAX), 8);
        if self.chosen != Placement::Measured {
            return;
        }
        if self.samples.fetch_add(1, Ordering::Relaxed) % SAMPLES_PER_PARDON == SAMPLES_PER_PARDON - 1 {
            // An error says that there was no strike.
            let _ = self.strikes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |strikes| strikes.checked_sub(1));
        }
        let more = match time {
            time if time >= THREE_STRIKES => STRIKES_MAX,
            time if time >= STRIKE => 1,
            _ => 0,
        };
        let strikes = self.strikes.fetch_add(more, Ordering::Relaxed) + more;
        if (strikes >= STRIKES_MAX || average > SPREAD_NANOS_MIN) && self.is_inline.swap(false, Ordering::Relaxed) {
            self.measured.store(0, Ordering::Relaxed);
            self.measured_nanos.store(0, Ordering::Relaxed);
            let wanted = self.wanted.load(Ordering::Relaxed);
            self.wanted.store((wanted * 2).min(PROOF_CALLS_MAX), Ordering::Relaxed);
        }
    }

    /// Adds a sample to the moving average, and returns the new average.
    fn average(&self, nanos: u32, samples: u32) -> u32 {
        let before = self.poll_nanos.load(Ordering::Relaxed);
        let average = if nanos >= before {
            before + (nanos - before) / samples
        } else {
            before - (before - nanos).div_ceil(samples)
        };
        self.poll_nanos.store(average, Ordering::Relaxed);
        average
    }
}

fn nanos(time: Duration) -> u32 {
    u32::try_from(time.as_nanos()).unwrap_or(u32::MAX)
}

/// Decides which polls of a connection are measured.
#[derive(Debug)]
pub(super) struct PollMeter {
    polls: u32,
    /// The number of polls to measure without exception.
    measured_next: u32,
    /// The end of the last checked turn.
    checked_at: Instant,
}

/// One poll out of so many is measured.
const POLLS_PER_SAMPLE: u32 = 16;
/// A turn is slow if it takes longer than `SLOW_TURN` plus `INLINE_NANOS_MAX` for each of its polls. So many polls are
/// measured after a slow turn.
const SLOW_TURN: Duration = Duration::from_micros(100);
const POLLS_AFTER_SLOW_TURN: u32 = 128;

impl PollMeter {
    pub(super) fn new(now: Instant) -> PollMeter {
        PollMeter { polls: 0, measured_next: 0, checked_at: now }
    }

    /// Polls a handler on the event loop, and measures the poll if a sample is due.
    #[inline]
    pub(super) fn measured<T>(&mut self, placement: &MethodPlacement, poll: impl FnOnce() -> T) -> T {
        // Measurements do not affect a placement that the user chose.
        if !placement.is_measured() || !self.is_due() {
            return poll();
        }
        let timer = BusyTimer::start(clock::now());
        let polled = poll();
        placement.inline_poll_took(timer.busy(clock::now()));
        polled
    }

    #[inline]
    fn is_due(&mut self) -> bool {
        self.polls = self.polls.wrapping_add(1);
        if self.measured_next > 0 {
            self.measured_next -= 1;
            return true;
        }
        self.polls.is_multiple_of(POLLS_PER_SAMPLE)
    }

    /// Records that a turn ran `polls` handlers from `begun` to `now`.
    pub(super) fn turn_ended(&mut self, begun: Instant, polls: u32, now: Instant) {
        let spent = now.saturating_duration_since(begun.max(self.checked_at));
        self.checked_at = now;
        if spent > SLOW_TURN + Duration::from_nanos(u64::from(INLINE_NANOS_MAX) * u64::from(polls)) {
            self.measured_next = POLLS_AFTER_SLOW_TURN;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    fn proven() -> MethodPlacement {
        let placement = MethodPlacement::new(Placement::Measured);
        (0..PROOF_CALLS_MIN).for_each(|_| placement.spread_poll_took(us(1)));
        assert_eq!(placement.run_on(), RunOn::Loop);
        placement
    }

    #[test]
    fn measured_method_is_spread_until_its_polls_are_known_to_be_short() {
        let placement = MethodPlacement::new(Placement::Measured);
        for _ in 1..PROOF_CALLS_MIN {
            placement.spread_poll_took(us(1));
            assert_eq!(placement.run_on(), RunOn::AnyCore);
        }
        placement.spread_poll_took(us(1));
        assert_eq!(placement.run_on(), RunOn::Loop);
    }

    #[test]
    fn method_that_computes_stays_spread() {
        let placement = MethodPlacement::new(Placement::Measured);
        (0..10_000).for_each(|_| placement.spread_poll_took(us(10)));
        assert_eq!((placement.run_on(), placement.expected()), (RunOn::AnyCore, us(10)));
    }

    #[test]
    fn method_with_one_slow_call_in_a_hundred_soon_stays_spread() {
        let (placement, mut now) = (MethodPlacement::new(Placement::Measured), Instant::now());
        let mut meter = PollMeter::new(now);
        let mut held_up = 0;
        for call in 0..200_000 {
            let time = if call % 100 == 99 { us(5000) } else { us(2) };
            if placement.run_on() == RunOn::AnyCore {
                placement.spread_poll_took(time);
                continue;
            }
            held_up += u32::from(time > us(100));
            if meter.is_due() {
                placement.inline_poll_took(time);
            }
            let begun = now;
            now += time;
            meter.turn_ended(begun, 1, now);
        }
        assert!(held_up < 20, "an event loop was held up {held_up} times");
    }

    #[test]
    fn inline_method_that_becomes_slow_is_spread_and_needs_twice_as_many_short_calls() {
        let placement = proven();
        (0..64).for_each(|_| placement.inline_poll_took(us(20)));
        assert_eq!(placement.run_on(), RunOn::AnyCore);
        let calls = (0..1000).take_while(|_| {
            placement.spread_poll_took(us(1));
            placement.run_on() == RunOn::AnyCore
        });
        assert_eq!(calls.count() as u32 + 1, 2 * PROOF_CALLS_MIN);
    }

    #[test]
    fn three_long_polls_or_one_blocking_poll_spread_an_inline_method() {
        let placement = proven();
        (0..2).for_each(|_| placement.inline_poll_took(us(5000)));
        (0..100).for_each(|_| placement.inline_poll_took(us(1)));
        assert_eq!(placement.run_on(), RunOn::Loop);
        placement.inline_poll_took(us(150));
        assert_eq!(placement.run_on(), RunOn::AnyCore);
        let placement = proven();
        placement.inline_poll_took(Duration::from_millis(11));
        assert_eq!(placement.run_on(), RunOn::AnyCore);
    }

    #[test]
    fn occasional_preemption_leaves_method_inline() {
        let placement = proven();
        for sample in 1..100_000u32 {
            placement.inline_poll_took(if sample % 2000 == 0 { us(3000) } else { us(1) });
        }
        assert_eq!(placement.run_on(), RunOn::Loop);
    }

    #[test]
    fn placement_chosen_by_the_user_never_changes() {
        for (chosen, place) in [
            (Placement::Inline, RunOn::Loop),
            (Placement::Spread, RunOn::AnyCore),
            (Placement::Blocking, RunOn::BlockingThread),
        ] {
            let placement = MethodPlacement::new(chosen);
            (0..1000).for_each(|_| placement.spread_poll_took(us(1)));
            (0..1000).for_each(|_| placement.inline_poll_took(us(100_000)));
            assert_eq!(placement.run_on(), place);
        }
    }

    #[test]
    fn every_poll_is_measured_after_a_slow_turn() {
        let begin = Instant::now();
        let mut meter = PollMeter::new(begin);
        let due = |meter: &mut PollMeter| (0..128).filter(|_| meter.is_due()).count();
        assert_eq!(due(&mut meter), 8);
        meter.turn_ended(begin, 64, begin + us(400));
        assert_eq!(due(&mut meter), 8);
        // The time counts from the end of the previous turn if that is later than `begun`.
        meter.turn_ended(begin, 64, begin + us(800));
        assert_eq!(due(&mut meter), 8);
        meter.turn_ended(begin, 64, begin + us(1300));
        assert_eq!((due(&mut meter), due(&mut meter)), (128, 8));
    }
}
