//! `Partitions`: the clients of a service whose data is split, and the partition of each key.

use std::fmt;

use crate::error::{Error, ErrorKind};

/// One client for each partition of a service. Every key belongs to one partition.
///
/// The partition of a key depends on the key and on the number of partitions alone, so that all callers agree. One more
/// partition moves as few keys as possible: from `n` to `n + 1` partitions, one key of `n + 1` moves, to the new partition.
///
/// ```no_run
/// # fn partitions(channel: mprpc::Channel) -> Result<(), mprpc::Error> {
/// use mprpc::{Partitions, RawClient};
///
/// // Providers carry the tag `partition` in the registry.
/// let partitions = Partitions::new((0..4).map(|number| {
///     let tag = number.to_string();
///     let channel = channel.clone().only(move |endpoint| endpoint.tags.get("partition") == Some(&tag));
///     RawClient::new(channel, "shop.Carts")
/// }))?;
/// let call = partitions.for_key("customer 7").unary("Read", "customer 7");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Partitions<C>(Vec<C>);

impl<C> Partitions<C> {
    /// Takes the clients, one for each partition, in the order of the partitions.
    ///
    /// # Errors
    /// Fails if there is no client.
    pub fn new(clients: impl IntoIterator<Item = C>) -> Result<Partitions<C>, Error> {
        let clients: Vec<C> = clients.into_iter().collect();
        match clients.is_empty() {
            true => Err(Error::new(ErrorKind::Config, "a service needs at least one partition")),
            false => Ok(Partitions(clients)),
        }
    }

    /// The client of the partition to which the key belongs.
    pub fn for_key(&self, key: impl AsRef<[u8]>) -> &C {
        &self.0[self.index_of(key)]
    }

    /// The number of the partition to which the key belongs, from 0.
    ///
    /// The number is the jump consistent hash of the key's 64-bit FNV-1a hash. Sources: Lamping and Veach, "A Fast, Minimal
    /// Memory, Consistent Hash Algorithm", 2014; <http://www.isthe.com/chongo/tech/comp/fnv/>.
    pub fn index_of(&self, key: impl AsRef<[u8]>) -> usize {
        jump(fnv_1a(key.as_ref()), self.0.len() as u64) as usize
    }

    /// The clients of all partitions, in order, to call each of them.
    pub fn iter(&self) -> std::slice::Iter<'_, C> {
        self.0.iter()
    }
}

impl<'a, C> IntoIterator for &'a Partitions<C> {
    type Item = &'a C;
    type IntoIter = std::slice::Iter<'a, C>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<C> fmt::Debug for Partitions<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Partitions({})", self.0.len())
    }
}

fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The bucket of a hash among `count` buckets, at least one.
///
/// Bucket after bucket, a random sequence that begins with the hash says at which number of buckets the key would move on.
fn jump(hash: u64, count: u64) -> u64 {
    let (mut sequence, mut bucket) = (hash, 0);
    loop {
        sequence = sequence.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let chance = ((sequence >> 33) + 1) as f64 / (1u64 << 31) as f64;
        let next = ((bucket + 1) as f64 / chance) as u64;
        if next >= count {
            return bucket;
        }
        bucket = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(count: usize) -> Partitions<usize> {
        Partitions::new(0..count).unwrap()
    }

    #[test]
    fn keys_spread_evenly_and_every_caller_finds_the_same_partition() {
        for count in [1, 2, 7, 100] {
            let partitions = of(count);
            let mut keys = vec![0; count];
            for key in 0..count * 1000 {
                keys[*partitions.for_key(format!("customer {key}"))] += 1;
            }
            assert!(keys.iter().all(|keys| (850..1150).contains(keys)), "{keys:?}");
        }
        // Other languages compute the same numbers.
        assert_eq!(fnv_1a(b"foobar"), 0x8594_4171_f739_67e8);
        let golden = ["", "a", "cuism", "customer 7"].map(|key| of(1000).index_of(key));
        assert_eq!(golden, GOLDEN);
    }

    const GOLDEN: [usize; 4] = [266, 163, 797, 955];

    #[test]
    fn one_more_partition_moves_few_keys_and_only_to_the_new_one() {
        let (before, after) = (of(9), of(10));
        let keys: Vec<String> = (0..10_000).map(|key| format!("customer {key}")).collect();
        let moved: Vec<_> = keys.iter().filter(|key| before.index_of(key) != after.index_of(key)).collect();
        assert!((900..1100).contains(&moved.len()), "{}", moved.len());
        assert!(moved.iter().all(|key| after.index_of(key) == 9));
    }

    #[test]
    fn no_partition_is_an_error() {
        assert!(Partitions::<()>::new([]).is_err());
    }
}
