//! The backoff between attempts: exponential, with full jitter. It computes each pause and does not sleep.

use std::time::Duration;

/// Exponential backoff with full jitter.
///
/// Each pause is random between zero and a ceiling. The ceiling doubles from `BACKOFF_MIN` to the last one, by default
/// `BACKOFF_MAX`. The jitter keeps processes that lost the same registry from reconnecting in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    tries: u32,
    last_ceiling: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff::up_to(BACKOFF_MAX)
    }
}

impl Backoff {
    /// A backoff with this last ceiling.
    pub(crate) fn up_to(last_ceiling: Duration) -> Backoff {
        Backoff { tries: 0, last_ceiling }
    }

    /// Returns the next pause; `random` is from 0.0 up to 1.0.
    pub(crate) fn next(&mut self, random: f64) -> Duration {
        // 2^16 times the first ceiling is far beyond the last one; the shift stays in range.
        let ceiling = self.last_ceiling.min(BACKOFF_MIN * (1 << self.tries.min(16)));
        self.tries = self.tries.saturating_add(1);
        ceiling.mul_f64(random)
    }

    /// Resets the backoff after a success, so that the next failure starts again at `BACKOFF_MIN`.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

/// The first ceiling of the pause between attempts.
pub(crate) const BACKOFF_MIN: Duration = Duration::from_millis(100);
/// The last ceiling of the pause between attempts, where no other one is named.
pub(crate) const BACKOFF_MAX: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ceilings_double_up_to_the_maximum_and_restart_after_a_success() {
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
