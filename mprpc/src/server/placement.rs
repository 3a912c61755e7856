//! Where the handlers of one method run: what the user says, or what is measured. Moves no call.
//!
//! A method whose placement is measured begins on the executor, so that no unknown handler holds up an event loop. Once so
//! many of its first polls were short, its calls run inline. There a few polls are sampled, and every poll after a turn that
//! took long; where those are long, the method goes back to the executor, and has to be short for twice as many calls before
//! it comes back.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::method::Placement;
use crate::net::clock;

/// A poll up to this long, on average, may run inline. A hand-over to another thread and back costs about as much.
const INLINE_NANOS_MAX: u32 = 5_000;
/// An inline method whose polls take longer than this on average is spread. Twice as much as above, so that a method at the
/// border does not go to and fro.
const SPREAD_NANOS_MIN: u32 = 10_000;
/// A poll of this length on an event loop is a strike, and one of the second length is three.
const STRIKE: Duration = Duration::from_micros(100);
const THREE_STRIKES: Duration = Duration::from_millis(10);
const STRIKES_MAX: u32 = 3;
/// Samples after which one strike is forgiven: a thread that is preempted in the midst of a poll is nobody's fault.
const SAMPLES_PER_PARDON: u32 = 1024;
/// First polls on the executor whose mean has to be short before a method comes inline: at first, and at most.
const PROOF_CALLS_MIN: u32 = 32;
const PROOF_CALLS_MAX: u32 = 1 << 20;
/// What one sample counts at most, in the mean that decides for the loop and in the average that decides against it: a thread
/// may have been preempted in its midst.
const SPREAD_SAMPLE_NANOS_MAX: u32 = 1_000_000;
const INLINE_SAMPLE_NANOS_MAX: u32 = 30_000;
/// What a first poll is taken to cost before one was measured.
const UNKNOWN_NANOS: u32 = 10_000;

/// Where the calls of one method run. All connections of a server share it.
#[derive(Debug)]
pub(crate) struct MethodPlacement {
    chosen: Placement,
    is_inline: AtomicBool,
    /// The moving average of polls, in nanoseconds.
    poll_nanos: AtomicU32,
    /// First polls measured on the executor, what they took together, and after how many that is looked at.
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
    /// On any core that is free.
    AnyCore,
    /// On a thread that may be blocked.
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

    /// What the user said.
    pub(crate) fn chosen(&self) -> Placement {
        self.chosen
    }

    /// Whether measuring decides.
    #[inline]
    pub(crate) fn is_measured(&self) -> bool {
        self.chosen == Placement::Measured
    }

    /// How long the next first poll is expected to take.
    pub(crate) fn expected(&self) -> Duration {
        Duration::from_nanos(self.poll_nanos.load(Ordering::Relaxed).into())
    }

    /// The first poll of a call on the executor took this long.
    ///
    /// Threads race here, and one of two samples may be lost: that is cheaper than a lock, and changes nothing.
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

    /// A sampled poll on an event loop took this long.
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

    /// Takes a sample into the average; the new average.
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

/// Which polls of a connection are measured.
#[derive(Debug)]
pub(super) struct PollMeter {
    polls: u32,
    /// Polls that are measured, each of them.
    measured_next: u32,
    /// When the turn ended that was checked last.
    checked_at: Instant,
}

/// One poll of so many is measured.
const POLLS_PER_SAMPLE: u32 = 16;
/// After a turn that took longer than this and `INLINE_NANOS_MAX` for each of its polls, so many polls are measured.
const SLOW_TURN: Duration = Duration::from_micros(100);
const POLLS_AFTER_SLOW_TURN: u32 = 128;

impl PollMeter {
    pub(super) fn new(now: Instant) -> PollMeter {
        PollMeter { polls: 0, measured_next: 0, checked_at: now }
    }

    /// Polls a handler on the event loop, and measures that where it is due.
    #[inline]
    pub(super) fn measured<T>(&mut self, placement: &MethodPlacement, poll: impl FnOnce() -> T) -> T {
        // What the user chose is nothing to measure.
        if !placement.is_measured() || !self.is_due() {
            return poll();
        }
        let begin = clock::now();
        let polled = poll();
        placement.inline_poll_took(clock::now().saturating_duration_since(begin));
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

    /// A turn that began at `begun` and ran `polls` handlers ends `now`.
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
    fn method_that_is_cheap_but_for_one_call_of_a_hundred_soon_stays_spread() {
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
    fn inline_method_that_begins_to_compute_is_spread_and_has_to_prove_itself_for_longer() {
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
    fn long_polls_now_and_then_are_strikes_and_one_that_blocks_is_enough() {
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
    fn thread_that_is_preempted_now_and_then_moves_nothing() {
        let placement = proven();
        for sample in 1..100_000u32 {
            placement.inline_poll_took(if sample % 2000 == 0 { us(3000) } else { us(1) });
        }
        assert_eq!(placement.run_on(), RunOn::Loop);
    }

    #[test]
    fn what_the_user_chose_is_not_measured() {
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
        // From the end of the turn before, where that lies later than its begin.
        meter.turn_ended(begin, 64, begin + us(800));
        assert_eq!(due(&mut meter), 8);
        meter.turn_ended(begin, 64, begin + us(1300));
        assert_eq!((due(&mut meter), due(&mut meter)), (128, 8));
    }
}
