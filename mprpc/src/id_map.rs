//! A map by ids that a peer chooses.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};

/// A map by ids that a peer chooses. The peer cannot make keys collide, as it does not know the hash.
pub(crate) type IdMap<V> = HashMap<u32, V, IdHasher>;

/// Hashes ids by one multiplication with a random factor.
#[derive(Clone, Copy)]
pub(crate) struct IdHasher(u64);

impl Default for IdHasher {
    fn default() -> IdHasher {
        IdHasher(fastrand::u64(..))
    }
}

impl BuildHasher for IdHasher {
    type Hasher = IdHash;

    fn build_hasher(&self) -> IdHash {
        IdHash { factor: self.0 | 1, hash: 0 }
    }
}

/// The hash of one id.
pub(crate) struct IdHash {
    factor: u64,
    hash: u64,
}

impl Hasher for IdHash {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u32(u32::from(*byte)));
    }

    fn write_u32(&mut self, id: u32) {
        let product = u128::from(self.hash ^ u64::from(id).rotate_left(32)) * u128::from(self.factor);
        self.hash = product as u64 ^ (product >> 64) as u64;
    }

    fn finish(&self) -> u64 {
        self.hash
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_that_differ_only_in_their_high_bits_are_spread() {
        let hasher = IdHasher(0x9e37_79b9_7f4a_7c15);
        for shift in [0, 8, 16, 22] {
            let buckets: HashSet<u64> = (0..1024u32).map(|id| hasher.hash_one(id << shift) % 1024).collect();
            assert!(buckets.len() > 500, "{} of 1,024 buckets at shift {shift}", buckets.len());
        }
    }
}
