//! Whether the queue of one flow stands: CoDel's question. Reads no clock.

use std::time::{Duration, Instant};

use crate::limits::Limits;

/// A queue that forms for a moment is what a queue is for. A queue that stands adds its length to every call, and serves
/// nobody.
///
/// The queue of a flow stands once all calls that left it in an interval of 100 ms had waited longer than
/// `queue_time_target`. While it stands, new calls are refused as soon as the oldest one has waited for twice the target. Twice,
/// because a bound at the target itself would end the standing with each call: then the queue swings between both bounds.
///
/// Source: Nichols, Jacobson, "Controlling Queue Delay", ACM Queue 2012, here applied to arrivals.
#[derive(Debug, Default)]
pub(super) struct StandingQueue {
    /// When the interval ends, and the shortest wait of a call that left in it.
    interval_ends: Option<Instant>,
    shortest: Option<Duration>,
    stands: bool,
}

const INTERVAL: Duration = Duration::from_millis(100);
/// Calls that take long need a longer queue, or threads would have nothing to do: a call may wait for as long as this many take,
/// in a queue that stands and otherwise.
const CALLS_AT_TARGET: u32 = 2;
const CALLS_IN_A_BURST: u32 = 4;

impl StandingQueue {
    /// How long the oldest call may have waited for another one to be let in, where a call takes `cost`.
    pub(super) fn bound(&self, cost: Duration, limits: &Limits) -> Duration {
        if self.stands { target(cost, limits) * 2 } else { longest(cost, limits) }
    }

    /// Whether the queue stands.
    pub(super) fn stands(&self) -> bool {
        self.stands
    }

    /// A call came while none waited.
    pub(super) fn began(&mut self, now: Instant, cost: Duration, limits: &Limits) {
        self.roll(now, target(cost, limits));
    }

    /// A call left the queue after this wait.
    pub(super) fn left(&mut self, waited: Duration, now: Instant, cost: Duration, limits: &Limits) {
        let target = target(cost, limits);
        self.roll(now, target);
        self.shortest = Some(self.shortest.map_or(waited, |shortest| shortest.min(waited)));
        if waited <= target {
            self.stands = false;
        }
    }

    /// Looks at an interval that is over. One that is over for long says nothing any more.
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

/// How long a call may wait at most.
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
    fn one_call_in_time_is_enough_and_a_pause_forgets() {
        let (limits, begin, mut standing) = (Limits::default(), Instant::now(), StandingQueue::default());
        standing.left(ms(90), begin, ms(5), &limits);
        standing.left(ms(10), begin + ms(50), ms(5), &limits);
        standing.left(ms(90), begin + ms(100), ms(5), &limits);
        assert!(!standing.stands());
        standing.began(begin + ms(1000), ms(5), &limits);
        assert!(!standing.stands());
    }

    #[test]
    fn calls_that_take_long_may_wait_longer() {
        let limits = Limits::default();
        assert_eq!(StandingQueue::default().bound(ms(200), &limits), ms(800));
        assert_eq!(StandingQueue { stands: true, ..StandingQueue::default() }.bound(ms(200), &limits), ms(800));
    }
}
