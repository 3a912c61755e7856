//! `RoundRobin`: one endpoint after the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::pick_info::{Candidate, PickInfo};
use super::{Balancer, Picker};

/// Picks one endpoint after the other. Weights do not count.
#[derive(Clone, Debug)]
pub struct RoundRobin {
    next: Arc<AtomicUsize>,
}

impl Default for RoundRobin {
    /// Starts at a random index, so that callers that start together do not all begin with the same endpoint.
    fn default() -> RoundRobin {
        RoundRobin { next: Arc::new(AtomicUsize::new(fastrand::usize(..u32::MAX as usize))) }
    }
}

impl Balancer for RoundRobin {
    fn picker(&self, _: &[Candidate]) -> Box<dyn Picker> {
        Box::new(self.clone())
    }
}

impl Picker for RoundRobin {
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        let count = info.len();
        if count <= 1 {
            return (count == 1 && info.may_use(0)).then_some(0);
        }
        let first = self.next.fetch_add(1, Ordering::Relaxed) % count;
        let after = |index: usize| if index < count { index } else { index - count };
        (0..count).map(|step| after(first + step)).find(|index| info.may_use(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::load::Flag;
    use crate::balancer::tests::{candidates, shares};

    #[test]
    fn round_robin_picks_each_in_turn_and_skips_unusable_ones() {
        let candidates = candidates(&[100; 3]);
        let picker = RoundRobin::default().picker(&candidates);
        assert_eq!(shares(&*picker, &candidates, 30), [1.0 / 3.0; 3]);
        candidates[0].load.set(Flag::Failing);
        candidates[2].load.set(Flag::Failing);
        assert_eq!(shares(&*picker, &candidates, 10), [0.0, 1.0, 0.0]);
        candidates[1].load.set(Flag::Failing);
        assert_eq!(picker.pick(&PickInfo::new(&candidates)), None);
        assert_eq!(picker.pick(&PickInfo::new(&[])), None);
    }
}
