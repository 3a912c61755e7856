//! `LeastLoaded`: the less loaded of two random endpoints.
//!
//! Sources: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing", 2001; the peak-sensitive moving average is
//! that of Twitter's Finagle.

use super::alias_table::AliasTable;
use super::load::Load;
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
const EXPLORED_ONE_OF: u32 = 128;
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
        let (first, second) = self.0.draw_two(fastrand::u64(..));
        if self.0.is_uniform() {
            return self.pick_of_two(info, first, second, || (1, 1));
        }
        self.pick_of_two(info, first, second, || (self.0.weight(first), self.0.weight(second)))
    }
}

impl LeastLoadedPicker {
    #[inline(always)]
    fn pick_of_two(
        &self,
        info: &PickInfo<'_>,
        first: usize,
        second: usize,
        weights: impl FnOnce() -> (u64, u64),
    ) -> Option<usize> {
        match (info.usable(first), info.usable(second)) {
            (Some(load), Some(other)) => Some(if is_more_loaded(load, other, weights()) { second } else { first }),
            (Some(_), None) => Some(first),
            (None, Some(_)) => Some(second),
            (None, None) => search(&self.0, info),
        }
    }
}

/// Whether the first endpoint that was drawn is more loaded than the other one. It wins a draw, so that equal endpoints share
/// calls by their weights.
#[inline(always)]
fn is_more_loaded(first: &Load, second: &Load, weights: (u64, u64)) -> bool {
    let (first_calls, second_calls) = (u64::from(first.in_flight()), u64::from(second.in_flight()));
    let (first_latency, second_latency) = latencies(first, second);
    let is_known = first_latency > 0 && second_latency > 0;
    let is_alike = first_latency <= 2 * second_latency && second_latency <= 2 * first_latency;
    if !is_known || is_alike {
        return second_calls * weights.0 < first_calls * weights.1;
    }
    let load = |calls: u64, latency: u64, weight: u64| (calls + 1).saturating_mul(latency).saturating_mul(weight);
    let is_more = load(second_calls, second_latency, weights.0) < load(first_calls, first_latency, weights.1);
    let is_explored = || first_calls <= second_calls && fastrand::u32(..EXPLORED_ONE_OF) == 0;
    is_more && !is_explored()
}

/// The latencies of two endpoints, in units of 256 ns, which leave room for products. The older sample is halved for each second
/// that it is older, so that a pick does without the time.
#[inline(always)]
fn latencies(first: &Load, second: &Load) -> (u64, u64) {
    let ((first, first_at), (second, second_at)) = (first.latency_sample(), second.latency_sample());
    let (first, second) = (first >> 8, second >> 8);
    if first_at == second_at {
        return (first, second);
    }
    (first >> second_at.saturating_sub(first_at).min(32), second >> first_at.saturating_sub(second_at).min(32))
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
