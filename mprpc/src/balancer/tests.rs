//! What the tests of the policies share.

use super::{Candidate, PickInfo, Picker};
use crate::endpoint::Endpoint;

pub(super) fn candidates(weights: &[u32]) -> Vec<Candidate> {
    let endpoint = |(index, weight): (usize, &u32)| {
        let endpoint = Endpoint::new(format!("10.0.0.{index}:1").parse().unwrap());
        Candidate::new(Endpoint { weight: *weight, ..endpoint })
    };
    weights.iter().enumerate().map(endpoint).collect()
}

pub(super) fn shares(picker: &dyn Picker, candidates: &[Candidate], picks: u32) -> Vec<f64> {
    let mut counts = vec![0u32; candidates.len()];
    for _ in 0..picks {
        counts[picker.pick(&PickInfo::new(candidates)).unwrap()] += 1;
    }
    counts.iter().map(|count| f64::from(*count) / f64::from(picks)).collect()
}
