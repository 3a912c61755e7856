//! `AliasTable`: draws an index with a probability proportional to its weight, in constant time.
//!
//! Source: Vose, "A Linear Algorithm for Generating Random Numbers with a Given Distribution", 1991.

use super::pick_info::Candidate;

/// The weights of a list of endpoints.
#[derive(Debug)]
pub(super) struct AliasTable {
    count: u32,
    /// Empty if all weights are equal.
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    /// The slot is its own index for random numbers below this, and `other` for the rest.
    own: u32,
    other: u32,
    /// The weight relative to the largest one, from 1 to [`WEIGHT_MAX`].
    weight: u32,
}

const WEIGHT_MAX: u32 = 1000;

impl AliasTable {
    pub(super) fn of(candidates: &[Candidate]) -> AliasTable {
        let weights: Vec<u32> = candidates.iter().map(|candidate| candidate.endpoint.weight).collect();
        AliasTable::new(&weights)
    }

    pub(super) fn new(weights: &[u32]) -> AliasTable {
        let count = u32::try_from(weights.len()).unwrap_or(u32::MAX);
        if weights.iter().all(|weight| *weight == weights[0]) {
            return AliasTable { count, slots: Box::default() };
        }
        let largest = u64::from(weights.iter().copied().max().unwrap_or(1).max(1));
        let total: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let mut shares: Vec<f64> = weights.iter().map(|weight| f64::from(*weight) * f64::from(count) / total).collect();
        let relative = |weight: u32| (u64::from(weight) * u64::from(WEIGHT_MAX) / largest).max(1) as u32;
        let slot = |weight: &u32| Slot { own: u32::MAX, other: 0, weight: relative(*weight) };
        let mut slots: Box<[Slot]> = weights.iter().map(slot).collect();
        let (mut small, mut large): (Vec<usize>, Vec<usize>) =
            (0..shares.len()).partition(|index| shares[*index] < 1.0);
        while let (Some(less), Some(&more)) = (small.pop(), large.last()) {
            slots[less].own = (shares[less] * f64::from(u32::MAX)) as u32;
            slots[less].other = more as u32;
            shares[more] -= 1.0 - shares[less];
            if shares[more] < 1.0 {
                large.pop();
                small.push(more);
            }
        }
        AliasTable { count, slots }
    }

    /// Draws an index. The table must not be empty.
    #[inline(always)]
    pub(super) fn draw(&self) -> usize {
        self.drawn(fastrand::u64(..))
    }

    #[inline(always)]
    fn drawn(&self, random: u64) -> usize {
        let index = scale(random as u32, self.count);
        match self.slots.get(index) {
            Some(slot) if (random >> 32) as u32 >= slot.own => slot.other as usize,
            _ => index,
        }
    }

    /// Whether all weights are equal.
    #[inline(always)]
    pub(super) fn is_uniform(&self) -> bool {
        self.slots.is_empty()
    }

    /// Draws two indexes, which differ if all weights are equal. The table must have two entries.
    #[inline(always)]
    pub(super) fn draw_two(&self, random: u64) -> (usize, usize) {
        if self.is_uniform() {
            let first = scale(random as u32, self.count);
            let second = scale((random >> 32) as u32, self.count - 1);
            return (first, second + usize::from(second >= first));
        }
        (self.drawn(random), self.draw())
    }

    /// The weight of an index, relative to the others: from 1 to 1000.
    #[inline(always)]
    pub(super) fn weight(&self, index: usize) -> u64 {
        self.slots.get(index).map_or(1, |slot| u64::from(slot.weight))
    }
}

/// Maps a random number to `0..count`.
#[inline(always)]
fn scale(random: u32, count: u32) -> usize {
    ((u64::from(random) * u64::from(count)) >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indexes_are_drawn_by_their_weights() {
        for weights in [&[100, 100, 100][..], &[100, 50, 250], &[1], &[1, 1_000_000], &[7, 0, 3]] {
            let table = AliasTable::new(weights);
            let mut drawn = vec![0u32; weights.len()];
            (0..100_000).for_each(|_| drawn[table.draw()] += 1);
            let total: u32 = weights.iter().sum();
            for (weight, drawn) in weights.iter().zip(&drawn) {
                let wanted = f64::from(*weight) / f64::from(total);
                assert!((f64::from(*drawn) / 100_000.0 - wanted).abs() < 0.01, "{weights:?} {drawn}");
            }
        }
    }

    #[test]
    fn two_of_equal_weights_always_differ() {
        let table = AliasTable::new(&[100; 5]);
        let mut seen = [[0u32; 5]; 5];
        for _ in 0..50_000 {
            let (first, second) = table.draw_two(fastrand::u64(..));
            seen[first][second] += 1;
        }
        for (first, row) in seen.iter().enumerate() {
            for (second, count) in row.iter().enumerate() {
                assert!(if first == second { *count == 0 } else { (2_000..3_000).contains(count) }, "{seen:?}");
            }
        }
    }
}
