//! A histogram of latencies with a precision of 1.6 %. Many threads can count in it at the same time.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations of 0 ns to 73 minutes. Below 64 ns each nanosecond has a bucket; above, each doubling has 64 buckets.
pub struct Histogram(Vec<AtomicU64>);

/// Each doubling has 2 to the power of this many buckets.
const PRECISION_BITS: u32 = 6;
const EXACT: u64 = 1 << PRECISION_BITS;
const NANOS_MAX: u64 = (1 << 42) - 1;

impl Default for Histogram {
    fn default() -> Histogram {
        Histogram((0..=index(NANOS_MAX)).map(|_| AtomicU64::new(0)).collect())
    }
}

impl Histogram {
    /// Counts `times` durations.
    pub fn record(&self, duration: Duration, times: u64) {
        let nanos = u64::try_from(duration.as_nanos()).map_or(NANOS_MAX, |nanos| nanos.min(NANOS_MAX));
        self.0[index(nanos)].fetch_add(times, Ordering::Relaxed);
    }

    /// The number of counted durations.
    pub fn count(&self) -> u64 {
        self.0.iter().map(|bucket| bucket.load(Ordering::Relaxed)).sum()
    }

    /// The duration that a `share` of them, 0 to 1, does not exceed: the middle of its bucket. Zero if there are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let wanted = (self.count() as f64 * share).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (index, bucket) in self.0.iter().enumerate() {
            seen += bucket.load(Ordering::Relaxed);
            if seen >= wanted {
                return Duration::from_nanos(middle(index as u64));
            }
        }
        Duration::ZERO
    }
}

fn index(nanos: u64) -> usize {
    if nanos < EXACT {
        return nanos as usize;
    }
    let doubling = nanos.ilog2() - PRECISION_BITS;
    (u64::from(doubling) * EXACT + (nanos >> doubling)) as usize
}

fn middle(index: u64) -> u64 {
    if index < 2 * EXACT {
        return index;
    }
    let doubling = index / EXACT - 1;
    let from = (index - doubling * EXACT) << doubling;
    from + (1 << doubling) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_keeps_the_promised_precision() {
        for nanos in (0..200).chain([1_000, 26_431, 999_999, 1_000_000, 5_000_000_001, NANOS_MAX]) {
            let histogram = Histogram::default();
            histogram.record(Duration::from_nanos(nanos), 1);
            let found = histogram.quantile(0.5).as_nanos() as f64;
            assert!((found - nanos as f64).abs() <= nanos as f64 / 64.0, "{nanos} ns became {found}");
        }
    }

    #[test]
    fn quantiles_cover_all_counted_durations() {
        let histogram = Histogram::default();
        for micros in 1..=100 {
            histogram.record(Duration::from_micros(micros), 10);
        }
        assert_eq!(histogram.count(), 1_000);
        for (share, micros) in [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0)] {
            let found = histogram.quantile(share).as_secs_f64() * 1e6;
            assert!((found - micros).abs() < micros / 60.0, "{share}: {found} us");
        }
    }

    #[test]
    fn empty_histogram_returns_zero_and_long_durations_are_capped() {
        let histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.99), Duration::ZERO);
        histogram.record(Duration::from_secs(1 << 20), 1);
        assert!(histogram.quantile(0.5) > Duration::from_secs(4_000));
    }
}
