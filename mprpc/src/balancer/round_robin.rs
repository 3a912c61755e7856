//! The round-robin balancer.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Picks one index after the other. Any thread may pick; a pick neither blocks nor allocates.
#[derive(Debug)]
pub(crate) struct RoundRobin {
    next: AtomicUsize,
}

impl RoundRobin {
    /// Starts at a random index, so that callers that start together do not all begin with the same endpoint.
    pub(crate) fn new() -> RoundRobin {
        RoundRobin { next: AtomicUsize::new(fastrand::usize(..u32::MAX as usize)) }
    }

    /// Picks the next of `count` indexes that is `usable`.
    #[inline]
    pub(crate) fn pick(&self, count: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
        if count <= 1 {
            return (count == 1 && usable(0)).then_some(0);
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed) % count;
        let after = |index: usize| if index < count { index } else { index - count };
        (0..count).map(|step| after(first + step)).find(|index| usable(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn round_robin_picks_each_in_turn_and_skips_unusable_ones() {
        let balancer = RoundRobin::new();
        let mut picked = [0; 3];
        for _ in 0..30 {
            picked[balancer.pick(3, |_| true).unwrap()] += 1;
        }
        assert_eq!(picked, [10; 3]);
        for _ in 0..10 {
            assert_eq!(balancer.pick(3, |index| index == 1), Some(1));
        }
        assert_eq!(balancer.pick(3, |_| false), None);
        assert_eq!(balancer.pick(0, |_| true), None);
    }
}
