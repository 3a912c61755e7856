//! `Zone`: endpoints of the caller's zone first.

use super::alias_table::AliasTable;
use super::pick_info::{Candidate, PickInfo};
use super::{Balancer, Picker};

/// Picks the less loaded of two endpoints in the caller's zone. Calls spill over to other zones if no endpoint of the zone is
/// well, or if the picked one has twice the calls in flight of one elsewhere, and [`SPILL_MIN`](Zone::SPILL_MIN) more.
#[derive(Clone, Debug)]
pub struct Zone {
    zone: Box<str>,
}

impl Zone {
    /// So many calls more than elsewhere are in flight at an endpoint of the zone before calls spill over.
    pub const SPILL_MIN: u32 = 8;

    /// Creates the policy for a caller in `zone`. An empty zone means that the caller has none; then all endpoints are alike.
    pub fn new(zone: &str) -> Zone {
        Zone { zone: zone.into() }
    }
}

#[derive(Debug)]
struct ZonePicker {
    near: Part,
    far: Part,
}

/// The endpoints of the zone, or those of all others.
#[derive(Debug)]
struct Part {
    /// Their indexes in the whole list.
    indexes: Box<[usize]>,
    /// Draws among them, by weight.
    weights: AliasTable,
}

impl Part {
    fn new(candidates: &[Candidate], is_part: impl Fn(&Candidate) -> bool) -> Part {
        let all = candidates.iter().enumerate();
        let (indexes, weights): (Vec<usize>, Vec<u32>) = all
            .filter(|(_, candidate)| is_part(candidate))
            .map(|(index, candidate)| (index, candidate.endpoint.weight))
            .unzip();
        Part { indexes: indexes.into(), weights: AliasTable::new(&weights) }
    }

    /// The less loaded of two.
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        match self.indexes.len() {
            0 => return None,
            1 => return info.may_use(self.indexes[0]).then_some(self.indexes[0]),
            _ => {}
        }
        for _ in 0..4 {
            let (first, second) = self.weights.draw_two(fastrand::u64(..));
            let (first, second) = (self.indexes[first], self.indexes[second]);
            match (info.may_use(first), info.may_use(second)) {
                (true, true) if info.in_flight(second) < info.in_flight(first) => return Some(second),
                (true, _) => return Some(first),
                (false, true) => return Some(second),
                (false, false) => {}
            }
        }
        self.indexes.iter().copied().find(|index| info.may_use(*index))
    }
}

impl Balancer for Zone {
    fn picker(&self, candidates: &[Candidate]) -> Box<dyn Picker> {
        let is_near = |candidate: &Candidate| self.zone.is_empty() || *candidate.endpoint.zone == *self.zone;
        let (near, far) = (Part::new(candidates, is_near), Part::new(candidates, |candidate| !is_near(candidate)));
        Box::new(ZonePicker { near, far })
    }
}

impl Picker for ZonePicker {
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        let Some(near) = self.near.pick(info) else { return self.far.pick(info) };
        let calls = info.in_flight(near);
        if calls < Zone::SPILL_MIN || self.far.indexes.is_empty() {
            return Some(near);
        }
        let is_fewer = |far: &usize| calls > 2 * info.in_flight(*far) + Zone::SPILL_MIN;
        Some(self.far.pick(info).filter(is_fewer).unwrap_or(near))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::balancer::load::Flag;
    use crate::balancer::tests::{candidates, shares};

    fn zones(zones: &[&str]) -> Vec<Candidate> {
        let mut candidates = candidates(&vec![100; zones.len()]);
        for (candidate, zone) in candidates.iter_mut().zip(zones) {
            Arc::make_mut(&mut candidate.endpoint).zone = (*zone).to_owned();
        }
        candidates
    }

    #[test]
    fn calls_stay_in_the_zone_until_it_fails_or_is_full() {
        let candidates = zones(&["a", "b", "a", "b"]);
        let picker = Zone::new("a").picker(&candidates);
        let near = shares(&*picker, &candidates, 10_000);
        assert!(near[1] + near[3] == 0.0 && (near[0] - 0.5).abs() < 0.03, "{near:?}");
        candidates[0].load.set(Flag::Failing);
        assert_eq!(shares(&*picker, &candidates, 100), [0.0, 0.0, 1.0, 0.0]);
        // Calls spill over before the endpoint that is left has many more of them than those elsewhere.
        for _ in 0..300 {
            candidates[picker.pick(&PickInfo::new(&candidates)).unwrap()].load.add_in_flight(1);
        }
        let calls: Vec<u32> = candidates.iter().map(|candidate| candidate.load.in_flight()).collect();
        assert!(calls[2] < 2 * calls[1] + 20 && calls[1] > 50 && calls[3] > 50, "{calls:?}");
        candidates[2].load.set(Flag::Failing);
        let far = shares(&*picker, &candidates, 1_000);
        assert!((far[1] - 0.5).abs() < 0.1, "{far:?}");
    }

    #[test]
    fn caller_without_a_zone_uses_all() {
        let candidates = zones(&["a", "b"]);
        let shares = shares(&*Zone::new("").picker(&candidates), &candidates, 10_000);
        assert!((shares[0] - 0.5).abs() < 0.03, "{shares:?}");
    }
}
