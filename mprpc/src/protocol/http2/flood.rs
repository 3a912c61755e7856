//! Bounds the frames with which a peer makes work and gets no call through: resets, empty frames, PINGs, settings. It counts
//! only; the connection decides what counts.

use std::time::{Duration, Instant};

/// A bucket of tokens. It is full at first; time and useful work fill it again.
#[derive(Debug)]
pub(super) struct FloodGuard {
    tokens: u32,
    tokens_max: u32,
    filled_at: Option<Instant>,
}

/// So many tokens come back each second, as a share of the whole bucket.
const REFILL_SECONDS: u32 = 10;

impl FloodGuard {
    /// A guard that takes a burst of `tokens_max` frames, and as many again in ten seconds.
    pub(super) fn new(tokens_max: u32) -> FloodGuard {
        FloodGuard { tokens: tokens_max, tokens_max, filled_at: None }
    }

    /// Takes a token at `now`. Returns false if there is none.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        if self.tokens == 0 {
            self.refill(now);
        }
        self.filled_at.get_or_insert(now);
        let is_any = self.tokens > 0;
        self.tokens = self.tokens.saturating_sub(1);
        is_any
    }

    /// Gives tokens back for useful work.
    #[inline]
    pub(super) fn give_back(&mut self, tokens: u32) {
        self.tokens = self.tokens.saturating_add(tokens).min(self.tokens_max);
    }

    fn refill(&mut self, now: Instant) {
        let Some(since) = self.filled_at else { return };
        let passed = now.saturating_duration_since(since).min(Duration::from_secs(REFILL_SECONDS.into()));
        let tokens = passed.as_secs_f64() * f64::from(self.tokens_max) / f64::from(REFILL_SECONDS);
        if tokens >= 1.0 {
            self.tokens = tokens as u32;
            self.filled_at = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn burst_is_bounded_and_the_bucket_fills_again_with_time_and_work() {
        let mut guard = FloodGuard::new(100);
        let now = Instant::now();
        assert!((0..100).all(|_| guard.take(now)));
        assert!(!guard.take(now));
        guard.give_back(1);
        assert!(guard.take(now) && !guard.take(now));
        let later = now + Duration::from_secs(1);
        assert!((0..10).all(|_| guard.take(later)));
        assert!(!guard.take(later));
        let much_later = now + Duration::from_secs(1000);
        assert_eq!((0..1000).filter(|_| guard.take(much_later)).count(), 100);
    }
}
