//! `LeastLoaded`: the less loaded of two random endpoints.
//!
//! Sources: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001; the peak-sensitive moving average is
//! that of Twitter's Finagle.

use super::alias_table::AliasTable;
use super::pick_info::{Candidate, PickInfo};
use super::{Balancer, Picker};

/// Draws two endpoints by their weights and picks the less loaded one: fewer calls in flight for its weight, and times its
/// latency if the latencies differ by more than a factor of two. The default.
#[derive(Clone, Copy, Debug, Default)]
pub struct LeastLoaded;

#[derive(Debug)]
struct LeastLoadedPicker(AliasTable);

/// One of so many picks goes to the endpoint that was drawn first although it is slower, so that an endpoint that has become
/// fast again is noticed.
const EXPLORED_ONE_OF: u64 = 128;
/// So many pairs are drawn before all endpoints are searched.
const DRAWS_MAX: usize = 8;

impl Balancer for LeastLoaded {
    fn picker(&self, candidates: &[Candidate]) -> Box<dyn Picker> {
        Box::new(LeastLoadedPicker(AliasTable::of(candidates)))
    }
}

impl Picker for LeastLoadedPicker {
    #[inline]
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        let count = info.len();
        if count <= 1 {
            return (count == 1 && info.may_use(0)).then_some(0);
        }
        let random = fastrand::u64(..);
        let (first, second) = self.0.draw_two(random);
        match (info.may_use(first), info.may_use(second)) {
            (true, true) => Some(less_loaded(&self.0, info, first, second, random)),
            (true, false) => Some(first),
            (false, true) => Some(second),
            (false, false) => search(&self.0, info),
        }
    }
}

/// The less loaded of two endpoints. `first` wins a draw, so that equal endpoints share calls by their weights.
#[inline(always)]
fn less_loaded(weights: &AliasTable, info: &PickInfo<'_>, first: usize, second: usize, random: u64) -> usize {
    let calls = |index| u64::from(info.in_flight(index));
    let (first_calls, second_calls) = (calls(first), calls(second));
    let (first_weight, second_weight) = (weights.weight(first), weights.weight(second));
    let (first_latency, first_at) = info.latency_sample(first);
    let (second_latency, second_at) = info.latency_sample(second);
    // The older sample is halved for each second that it is older, so a pick does without the time. 256 ns are fine enough, and
    // leave room for the products.
    let first_latency = first_latency >> second_at.saturating_sub(first_at).min(32) >> 8;
    let second_latency = second_latency >> first_at.saturating_sub(second_at).min(32) >> 8;
    let is_known = first_latency > 0 && second_latency > 0;
    let is_alike = first_latency <= 2 * second_latency && second_latency <= 2 * first_latency;
    let is_less = if !is_known || is_alike {
        second_calls * first_weight < first_calls * second_weight
    } else {
        let load = |calls: u64, latency: u64, weight: u64| (calls + 1).saturating_mul(latency).saturating_mul(weight);
        let is_less =
            load(second_calls, second_latency, first_weight) < load(first_calls, first_latency, second_weight);
        let is_explored = random.is_multiple_of(EXPLORED_ONE_OF) && first_calls <= second_calls;
        is_less && !is_explored
    };
    if is_less { second } else { first }
}

/// Picks a usable endpoint if few are usable.
#[inline(never)]
pub(super) fn search(weights: &AliasTable, info: &PickInfo<'_>) -> Option<usize> {
    let drawn = (0..DRAWS_MAX).map(|_| weights.draw()).find(|index| info.may_use(*index));
    drawn.or_else(|| {
        let from = weights.draw();
        (from..info.len()).chain(0..from).find(|index| info.may_use(*index))
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::balancer::load::{Flag, Silent};
    use crate::balancer::tests::{candidates, shares};
    use crate::net::clock;

    #[test]
    fn idle_endpoints_share_calls_by_their_weights() {
        let candidates = candidates(&[100, 200, 100]);
        let shares = shares(&*LeastLoaded.picker(&candidates), &candidates, 40_000);
        for (share, wanted) in shares.iter().zip([0.25, 0.5, 0.25]) {
            assert!((share - wanted).abs() < 0.02, "{shares:?}");
        }
    }

    #[test]
    fn calls_in_flight_settle_by_the_weights() {
        let candidates = candidates(&[100, 300, 100, 100]);
        let picker = LeastLoaded.picker(&candidates);
        for _ in 0..600 {
            candidates[picker.pick(&PickInfo::new(&candidates)).unwrap()].load.add_in_flight(1);
        }
        let calls: Vec<u32> = candidates.iter().map(|candidate| candidate.load.in_flight()).collect();
        for (calls, wanted) in calls.iter().zip([100.0, 300.0, 100.0, 100.0]) {
            assert!((f64::from(*calls) - wanted).abs() < 0.1 * wanted, "{calls}");
        }
    }

    #[test]
    fn slower_endpoint_gets_less_than_one_call_in_a_hundred_and_comes_back() {
        let candidates = candidates(&[100; 3]);
        let picker = LeastLoaded.picker(&candidates);
        for (candidate, ms) in candidates.iter().zip([10, 1, 1]) {
            candidate.load.observe(clock::now(), Duration::from_millis(ms));
        }
        let slow = shares(&*picker, &candidates, 40_000)[0];
        assert!(slow > 0.001 && slow < 0.006, "{slow}");
        (0..30).for_each(|_| candidates[0].load.observe(clock::now(), Duration::from_millis(1)));
        let shares = shares(&*picker, &candidates, 40_000);
        assert!(shares.iter().all(|share| (share - 1.0 / 3.0).abs() < 0.02), "{shares:?}");
    }

    #[test]
    fn endpoints_that_are_not_well_are_passed_over_up_to_the_last_one() {
        let candidates = candidates(&[100; 1000]);
        let picker = LeastLoaded.picker(&candidates);
        let silent = Silent::new(&candidates[7].load);
        candidates.iter().skip(1).for_each(|candidate| candidate.load.set(Flag::Failing));
        for _ in 0..100 {
            assert_eq!(picker.pick(&PickInfo::new(&candidates)), Some(0));
        }
        candidates[0].load.set(Flag::Failing);
        assert_eq!(picker.pick(&PickInfo::new(&candidates)), None);
        candidates[7].load.clear(Flag::Failing);
        assert_eq!(picker.pick(&PickInfo::new(&candidates)), None);
        drop(silent);
        assert_eq!(picker.pick(&PickInfo::new(&candidates)), Some(7));
        assert_eq!(LeastLoaded.picker(&[]).pick(&PickInfo::new(&[])), None);
    }
}
