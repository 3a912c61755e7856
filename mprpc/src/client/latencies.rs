//! `Latencies`: how long the calls of a method take, and after which time a hedge starts. Reads no clock.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;

/// The latencies of the hedged methods of a channel, by path. Methods whose calls are not hedged have no entry.
#[derive(Debug, Default)]
pub(super) struct MethodLatencies(ArcSwap<HashMap<Box<str>, Arc<Latencies>>>);

impl MethodLatencies {
    /// The latencies of a method. `None` if it would be one method more than `methods_max`; its calls are not hedged.
    pub(super) fn of(&self, path: &str, methods_max: usize) -> Option<Arc<Latencies>> {
        if let Some(latencies) = self.0.load().get(path) {
            return Some(latencies.clone());
        }
        let new = Arc::new(Latencies::default());
        self.0.rcu(|known| {
            let mut known = HashMap::clone(known);
            if known.len() < methods_max && !known.contains_key(path) {
                known.insert(path.into(), new.clone());
            }
            known
        });
        self.0.load().get(path).cloned()
    }
}

/// A histogram of the latencies of a method. Recording takes no lock.
///
/// The counts are halved after every [`HALVED_AFTER`] calls, so that about the last two thousand calls decide. A bucket is
/// an eighth of a power of two wide, so a percentile is at most an eighth too long.
#[derive(Debug)]
pub(super) struct Latencies {
    buckets: [AtomicU32; BUCKETS],
    recorded: AtomicU32,
    /// The 95th percentile in microseconds, or 0 before [`CALLS_MIN`] calls.
    percentile_us: AtomicU64,
}

impl Default for Latencies {
    fn default() -> Latencies {
        let buckets = std::array::from_fn(|_| AtomicU32::new(0));
        Latencies { buckets, recorded: AtomicU32::new(0), percentile_us: AtomicU64::new(0) }
    }
}

/// A hedge starts after this share of calls has its reply.
const PERCENTILE: u64 = 95;
/// No hedge starts before so many calls were measured.
const CALLS_MIN: u32 = 100;
/// The percentile is computed again after so many calls.
const COMPUTED_AFTER: u32 = 50;
const HALVED_AFTER: u32 = 1000;
/// Buckets for each power of two.
const STEPS: usize = 8;
/// The buckets cover latencies below 2^32 us, 71 minutes. Longer ones count as that.
const BUCKETS: usize = 30 * STEPS;

impl Latencies {
    /// Records the latency of a call that succeeded.
    pub(super) fn record(&self, latency: Duration) {
        let latency_us = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        self.buckets[bucket_of(latency_us)].fetch_add(1, Ordering::Relaxed);
        let recorded = self.recorded.fetch_add(1, Ordering::Relaxed).wrapping_add(1);
        if recorded.is_multiple_of(HALVED_AFTER) {
            self.halve();
        }
        if recorded >= CALLS_MIN && recorded.is_multiple_of(COMPUTED_AFTER) {
            self.percentile_us.store(self.percentile(), Ordering::Relaxed);
        }
    }

    /// How long a call waits for its reply before its hedge starts, at least `min`. `None` before enough calls were
    /// measured.
    pub(super) fn hedge_delay(&self, min: Duration) -> Option<Duration> {
        match self.percentile_us.load(Ordering::Relaxed) {
            0 => None,
            percentile_us => Some(Duration::from_micros(percentile_us).max(min)),
        }
    }

    /// Halves all counts. Calls that are recorded meanwhile may be missed.
    fn halve(&self) {
        for bucket in &self.buckets {
            let count = bucket.load(Ordering::Relaxed);
            bucket.fetch_sub(count.div_ceil(2), Ordering::Relaxed);
        }
    }

    /// The upper end of the bucket in which the percentile lies, in microseconds.
    fn percentile(&self) -> u64 {
        let counts: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Ordering::Relaxed).into()).collect();
        let wanted = (counts.iter().sum::<u64>() * PERCENTILE).div_ceil(100);
        let mut seen = 0;
        let bucket = counts.iter().position(|count| {
            seen += count;
            seen >= wanted
        });
        end_of(bucket.unwrap_or(BUCKETS - 1))
    }
}

/// The bucket of a latency: below `STEPS` one for each microsecond, above that `STEPS` for each power of two.
fn bucket_of(latency_us: u64) -> usize {
    let steps = STEPS as u64;
    if latency_us < steps {
        return latency_us as usize;
    }
    let power = latency_us.ilog2() - STEPS.ilog2();
    let step = (latency_us >> power) - steps;
    ((u64::from(power) + 1) * steps + step).min(BUCKETS as u64 - 1) as usize
}

/// The latency at which the next bucket begins, in microseconds.
fn end_of(bucket: usize) -> u64 {
    let (next, steps) = (bucket as u64 + 1, STEPS as u64);
    match next / steps {
        0 => next,
        power => (steps + next % steps) << (power - 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn us(microseconds: u64) -> Duration {
        Duration::from_micros(microseconds)
    }

    #[test]
    fn buckets_are_an_eighth_wide_and_leave_no_gap() {
        for latency in (0..10_000).chain([123_456, 1 << 31, (1 << 32) - 1]) {
            let bucket = bucket_of(latency);
            let begin = bucket.checked_sub(1).map_or(0, end_of);
            assert!((begin..end_of(bucket)).contains(&latency), "{latency} in {begin}..{}", end_of(bucket));
            assert!(end_of(bucket) - begin <= (begin / 8).max(1), "{latency}");
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
    }

    #[test]
    fn hedge_starts_after_the_95th_percentile_of_enough_calls() {
        let latencies = Latencies::default();
        for call in 1..=99 {
            latencies.record(us(call * 100));
        }
        assert_eq!(latencies.hedge_delay(Duration::ZERO), None);
        latencies.record(us(10_000));
        let delay = latencies.hedge_delay(Duration::ZERO).unwrap();
        assert!((us(9_500)..us(10_700)).contains(&delay), "{delay:?}");
    }

    #[test]
    fn hedge_delay_min_is_the_shortest_delay() {
        let latencies = Latencies::default();
        (0..100).for_each(|_| latencies.record(us(200)));
        assert_eq!(latencies.hedge_delay(us(1_000)), Some(us(1_000)));
        let measured = latencies.hedge_delay(us(10)).unwrap();
        assert!((us(200)..=us(225)).contains(&measured), "{measured:?}");
    }

    #[test]
    fn old_latencies_lose_their_weight() {
        let latencies = Latencies::default();
        (0..10_000).for_each(|_| latencies.record(us(50_000)));
        // After these calls, an eighth of a thousandth of the old counts is left.
        (0..12_000).for_each(|_| latencies.record(us(300)));
        assert!(latencies.hedge_delay(Duration::ZERO).unwrap() < us(400));
    }

    #[test]
    fn methods_max_bounds_the_methods_that_are_measured() {
        let methods = MethodLatencies::default();
        let first = methods.of("a.S/A", 2).unwrap();
        assert!(Arc::ptr_eq(&first, &methods.of("a.S/A", 2).unwrap()));
        assert!(methods.of("a.S/B", 2).is_some());
        assert!(methods.of("a.S/C", 2).is_none());
    }
}
