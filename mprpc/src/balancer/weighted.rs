//! `Weighted`: a random endpoint, by weight.

use super::alias_table::AliasTable;
use super::least_loaded::search;
use super::pick_info::{Candidate, PickInfo};
use super::{Balancer, Picker};

/// Picks a random endpoint with a probability proportional to its weight. The load does not count.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weighted;

#[derive(Debug)]
struct WeightedPicker(AliasTable);

impl Balancer for Weighted {
    fn picker(&self, candidates: &[Candidate]) -> Box<dyn Picker> {
        Box::new(WeightedPicker(AliasTable::of(candidates)))
    }
}

impl Picker for WeightedPicker {
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        if info.is_empty() {
            return None;
        }
        let index = self.0.draw();
        if info.may_use(index) { Some(index) } else { search(&self.0, info) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::load::Flag;
    use crate::balancer::tests::{candidates, shares};

    #[test]
    fn calls_are_shared_by_weight_whatever_the_load() {
        let candidates = candidates(&[10, 30, 60]);
        candidates[2].load.add_in_flight(1000);
        let picker = Weighted.picker(&candidates);
        let all = shares(&*picker, &candidates, 40_000);
        assert!(all.iter().zip([0.1, 0.3, 0.6]).all(|(share, wanted)| (share - wanted).abs() < 0.02), "{all:?}");
        candidates[2].load.set(Flag::Failing);
        let two = shares(&*picker, &candidates, 40_000);
        assert!((two[0] - 0.25).abs() < 0.02 && two[2] == 0.0, "{two:?}");
    }
}
