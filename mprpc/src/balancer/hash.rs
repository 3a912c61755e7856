//! `Hash`: calls with the same key go to the same endpoint.
//!
//! Sources: Eisenbud et al., "Maglev: A Fast and Reliable Software Network Load Balancer", 2016, for the table; Mirrokni,
//! Thorup and Zadimoghaddam, "Consistent Hashing with Bounded Loads", 2018, for the bound.

use std::sync::atomic::{AtomicU32, Ordering};

use super::pick_info::{Candidate, PickInfo};
use super::{Balancer, Picker};

/// Picks the endpoint by the key of the call: consistent hashing with bounded load. All callers with the same list of
/// endpoints agree.
///
/// If an endpoint leaves, only its keys move. An endpoint with more than 1.25 times the average calls in flight passes a call
/// on to the next endpoint of its key. A call without a key goes to a random endpoint.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hash;

/// The hash of a key, the same in every process and on every machine.
pub fn hash_of(key: impl AsRef<[u8]>) -> u64 {
    // FNV-1a, with its bits spread over the whole number.
    let folded = key
        .as_ref()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3));
    mixed(folded)
}

/// The finalizer of SplitMix64.
fn mixed(mut hash: u64) -> u64 {
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}

struct HashPicker {
    /// Which endpoint each slot belongs to. Empty without endpoints.
    slots: Box<[u32]>,
    /// The average calls in flight of an endpoint, times four.
    average: AtomicU32,
    picks: AtomicU32,
}

/// A prime, so that every step reaches every slot. With 1,000 endpoints their shares differ by 2 %.
const SLOTS: usize = 65_537;
const SLOTS_OF_FEW: usize = 2_039;
/// Up to so many endpoints use the small table.
const FEW: usize = 16;
/// So many endpoints of a key are tried before any usable one is taken.
const TRIES_MAX: u64 = 8;
/// An endpoint may always have so many calls in flight.
const CALLS_MIN: u32 = 4;

impl Balancer for Hash {
    fn picker(&self, candidates: &[Candidate]) -> Box<dyn Picker> {
        let slots = if candidates.is_empty() { Box::default() } else { slots(candidates) };
        Box::new(HashPicker { slots, average: AtomicU32::new(0), picks: AtomicU32::new(0) })
    }
}

/// Fills the table: in turn, each endpoint takes the next free slot of its own order. A weight of less than the largest one
/// skips turns.
fn slots(candidates: &[Candidate]) -> Box<[u32]> {
    let count = if candidates.len() <= FEW { SLOTS_OF_FEW } else { SLOTS };
    let largest = candidates.iter().map(|candidate| candidate.endpoint.weight.max(1)).max().unwrap_or(1);
    // The order of an endpoint depends on its address alone, so the order of the list does not matter.
    let mut orders: Vec<_> = candidates
        .iter()
        .enumerate()
        .map(|(index, candidate)| {
            let hash = hash_of(candidate.endpoint.to_string());
            let (at, step) = (hash as usize % count, (hash >> 32) as usize % (count - 1) + 1);
            (hash, index as u32, candidate.endpoint.weight.max(1), at, step, 0u64)
        })
        .collect();
    orders.sort_unstable();
    let mut slots = vec![u32::MAX; count].into_boxed_slice();
    let mut free = count;
    while free > 0 {
        for (_, index, weight, at, step, credit) in &mut orders {
            *credit += u64::from(*weight);
            if *credit < u64::from(largest) || free == 0 {
                continue;
            }
            *credit -= u64::from(largest);
            while slots[*at] != u32::MAX {
                *at = (*at + *step) % count;
            }
            slots[*at] = *index;
            free -= 1;
        }
    }
    slots
}

impl HashPicker {
    /// The most calls that an endpoint may have in flight: 1.25 times the average. Now and then one pick computes the average.
    fn calls_max(&self, info: &PickInfo<'_>) -> u32 {
        let picks = self.picks.fetch_add(1, Ordering::Relaxed);
        if (picks as usize).is_multiple_of(info.len().max(1)) {
            let calls: u64 = (0..info.len()).map(|index| u64::from(info.in_flight(index))).sum();
            let average = 4 * calls / info.len().max(1) as u64;
            self.average.store(u32::try_from(average).unwrap_or(u32::MAX), Ordering::Relaxed);
        }
        let average = self.average.load(Ordering::Relaxed);
        CALLS_MIN.max(average / 4 + average / 16 + 1)
    }
}

impl Picker for HashPicker {
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let key = info.hash_key().unwrap_or_else(|| fastrand::u64(..));
        let at = |key: u64| self.slots[key as usize % self.slots.len()] as usize;
        let calls_max = self.calls_max(info);
        let mut fallback = None;
        for attempt in 0..TRIES_MAX {
            let index = at(if attempt == 0 { key } else { mixed(key.wrapping_add(attempt)) });
            if info.may_use(index) {
                if info.in_flight(index) < calls_max {
                    return Some(index);
                }
                fallback = fallback.or(Some(index));
            }
        }
        let first = at(key);
        fallback.or_else(|| (first..info.len()).chain(0..first).find(|index| info.may_use(*index)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::balancer::load::Flag;
    use crate::balancer::tests::{candidates, shares};

    fn pick(picker: &dyn Picker, candidates: &[Candidate], key: u32) -> usize {
        picker.pick(&PickInfo::new(candidates).with_hash_key(key.to_le_bytes())).unwrap()
    }

    #[test]
    fn only_the_keys_of_an_endpoint_that_leaves_move() {
        let all = candidates(&[100; 10]);
        let (before, after) = (Hash.picker(&all), Hash.picker(&all[..9]));
        let mut moved = 0;
        for key in 0..10_000 {
            let (before, after) = (pick(&*before, &all, key), pick(&*after, &all[..9], key));
            moved += u32::from(before != 9 && before != after);
        }
        assert!(moved < 400, "{moved} of 9000 keys moved although their endpoint has stayed");
    }

    #[test]
    fn callers_agree_whatever_the_order_of_the_list() {
        let forward = candidates(&[100, 50, 200, 100]);
        let backward: Vec<Candidate> = forward.iter().rev().cloned().collect();
        let (one, other) = (Hash.picker(&forward), Hash.picker(&backward));
        for key in 0..1_000 {
            assert_eq!(pick(&*one, &forward, key), 3 - pick(&*other, &backward, key));
        }
        assert_eq!(hash_of("user-42"), hash_of(b"user-42"));
        assert_eq!(hash_of(""), 0xf52a_15e9_a9b5_e89b, "the hash never changes");
    }

    #[test]
    fn keys_spread_by_weight_and_calls_without_a_key_too() {
        let candidates = candidates(&[100, 100, 200]);
        let picker = Hash.picker(&candidates);
        let mut counts = [0u32; 3];
        (0..20_000).for_each(|key| counts[pick(&*picker, &candidates, key)] += 1);
        assert!(counts.iter().zip([5_000, 5_000, 10_000]).all(|(a, b): (&u32, u32)| a.abs_diff(b) < 600), "{counts:?}");
        assert!((shares(&*picker, &candidates, 20_000)[2] - 0.5).abs() < 0.04);
    }

    #[test]
    fn hot_key_spills_over_and_keys_of_a_failed_endpoint_come_back() {
        let candidates = candidates(&[100; 8]);
        let picker = Hash.picker(&candidates);
        let home = pick(&*picker, &candidates, 1);
        candidates[home].load.set(Flag::Failing);
        let other = pick(&*picker, &candidates, 1);
        assert!(other != home && other == pick(&*picker, &candidates, 1), "the next one of the key is stable");
        candidates[home].load.clear(Flag::Failing);
        assert_eq!(pick(&*picker, &candidates, 1), home);
        for _ in 0..800 {
            candidates[pick(&*picker, &candidates, 1)].load.add_in_flight(1);
        }
        let most = candidates.iter().map(|candidate| candidate.load.in_flight()).max().unwrap();
        assert!(most <= 300, "{most} calls of a hot key at one endpoint");
    }
}
