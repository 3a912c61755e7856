//! The pauses between tries: exponential, with full jitter. It decides how long, and does not sleep.

use std::time::Duration;

/// Exponential back-off with full jitter: each pause is random between nothing and a ceiling that doubles from
/// `BACKOFF_MIN` to `BACKOFF_MAX`, so that many processes that lost one registry do not come back in step.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    tries: u32,
}

impl Backoff {
    /// The next pause; `random` is from 0.0 up to 1.0.
    pub(super) fn next(&mut self, random: f64) -> Duration {
        // 2^16 times the first ceiling is far beyond the last one; the shift stays in range.
        let ceiling = BACKOFF_MAX.min(BACKOFF_MIN * (1 << self.tries.min(16)));
        self.tries = self.tries.saturating_add(1);
        ceiling.mul_f64(random)
    }

    /// It worked: the next failure begins anew.
    pub(super) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// The first ceiling of the pause between tries.
pub(super) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The last ceiling of the pause between tries.
pub(super) const BACKOFF_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_last_and_begin_anew_after_a_success() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.next(1.0), BACKOFF_MIN);
        assert_eq!(backoff.next(0.5), BACKOFF_MIN);
        for _ in 0..100 {
            assert!(backoff.next(1.0) <= BACKOFF_MAX);
        }
        assert_eq!(backoff.next(1.0), BACKOFF_MAX);
        backoff.reset();
        assert_eq!(backoff.next(1.0), BACKOFF_MIN);
    }
}
