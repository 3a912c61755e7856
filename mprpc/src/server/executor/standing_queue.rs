//! Detects whether the queue of one flow stands, as CoDel does. Reads no clock.

use std::time::{Duration, Instant};

use crate::limits::Limits;

/// A queue absorbs short bursts. A standing queue only adds its length to the latency of every call.
///
/// The queue of a flow stands once all calls that left it within an interval of 100 ms had waited longer than
/// `queue_time_target`. While the queue stands, the server refuses new calls as soon as the oldest call has waited for
/// twice the target. The factor is two, because with a bound at the target every call would end the standing, and the queue
/// would swing between both bounds.
///
/// Source: Nichols, Jacobson, "Controlling Queue Delay", ACM Queue 2012, here applied to arrivals.
#[derive(Debug, Default)]
pub(super) struct StandingQueue {
    /// The end of the current interval. `shortest` is the shortest wait of a call that left during the interval.
    interval_ends: Option<Instant>,
    shortest: Option<Duration>,
    stands: bool,
}

const INTERVAL: Duration = Duration::from_millis(100);
/// Long calls need a longer queue, or threads would run idle: the target is at least the length of `CALLS_AT_TARGET` calls,
/// and the longest wait at least the length of `CALLS_IN_A_BURST` calls.
const CALLS_AT_TARGET: u32 = 2;
const CALLS_IN_A_BURST: u32 = 4;

impl StandingQueue {
    /// The wait of the oldest call beyond which no further call is admitted. `cost` is the expected length of a call.
    pub(super) fn bound(&self, cost: Duration, limits: &Limits) -> Duration {
        if self.stands { target(cost, limits) * 2 } else { longest(cost, limits) }
    }

    /// Whether the queue stands.
    pub(super) fn stands(&self) -> bool {
        self.stands
    }

    /// Records that a call arrived while none waited.
    pub(super) fn began(&mut self, now: Instant, cost: Duration, limits: &Limits) {
        self.roll(now, target(cost, limits));
    }

    /// Records that a call left the queue after it waited for `waited`.
    pub(super) fn left(&mut self, waited: Duration, now: Instant, cost: Duration, limits: &Limits) {
        let target = target(cost, limits);
        self.roll(now, target);
        self.shortest = Some(self.shortest.map_or(waited, |shortest| shortest.min(waited)));
        if waited <= target {
            self.stands = false;
        }
    }

    /// Ends the interval if it is over. An interval that ended more than 100 ms ago is ignored.
    fn roll(&mut self, now: Instant, target: Duration) {
        if self.interval_ends.is_some_and(|end| now < end) {
            return;
        }
        let is_recent = self.interval_ends.is_some_and(|end| now < end + INTERVAL);
        self.stands = is_recent && self.shortest.is_some_and(|shortest| shortest > target);
        self.shortest = None;
        self.interval_ends = Some(now + INTERVAL);
    }
}

fn target(cost: Duration, limits: &Limits) -> Duration {
    limits.queue_time_target.max(cost * CALLS_AT_TARGET)
}

/// The longest time that a call may wait.
pub(super) fn longest(cost: Duration, limits: &Limits) -> Duration {
    limits.queue_time_max.max(cost * CALLS_IN_A_BURST)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn queue_stands_once_every_call_of_an_interval_was_late() {
        let (limits, begin, mut standing) = (Limits::default(), Instant::now(), StandingQueue::default());
        let (target, max) = (limits.queue_time_target, limits.queue_time_max);
        standing.began(begin, ms(5), &limits);
        for at in (0..100).step_by(5) {
            standing.left(target + ms(1), begin + ms(at), ms(5), &limits);
            assert_eq!(standing.bound(ms(5), &limits), max);
        }
        standing.left(target + ms(1), begin + ms(100), ms(5), &limits);
        assert_eq!(standing.bound(ms(5), &limits), 2 * target);
        standing.left(target, begin + ms(105), ms(5), &limits);
        assert_eq!(standing.bound(ms(5), &limits), max);
    }

    #[test]
    fn queue_does_not_stand_after_one_call_in_time_or_a_pause() {
        let (limits, begin, mut standing) = (Limits::default(), Instant::now(), StandingQueue::default());
        standing.left(ms(90), begin, ms(5), &limits);
        standing.left(ms(10), begin + ms(50), ms(5), &limits);
        standing.left(ms(90), begin + ms(100), ms(5), &limits);
        assert!(!standing.stands());
        standing.began(begin + ms(1000), ms(5), &limits);
        assert!(!standing.stands());
    }

    #[test]
    fn slow_calls_may_wait_longer() {
        let limits = Limits::default();
        assert_eq!(StandingQueue::default().bound(ms(200), &limits), ms(800));
        assert_eq!(StandingQueue { stands: true, ..StandingQueue::default() }.bound(ms(200), &limits), ms(800));
    }
}
