//! How long a request and its reply are on their way, and what that leaves of a deadline for the server. Reads no clock.

use std::time::Duration;

/// The way there and back, estimated as TCP does (RFC 6298): smoothed, and how much it varies. In nanoseconds.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    smoothed: Option<u64>,
    measured: bool,
    variation: u64,
    /// The shortest that was measured: what a call takes at least.
    least: u64,
}

/// The timer that expires a handler counts in milliseconds.
const TIMER_GRANULARITY: u64 = 1_000_000;

/// No way is longer than this; what takes longer was a stall, a lost packet, or a long message.
const LEAST_MAX: u64 = 200_000_000;

impl RoundTrip {
    /// What opening the connection took, for as long as nothing better is known.
    pub(super) fn opened_within(&mut self, time: Duration) {
        if self.smoothed.is_none() {
            self.smoothed = Some(nanoseconds(time));
        }
    }

    /// A reply came `elapsed` after its request, and the server had it for `served`.
    pub(super) fn measured(&mut self, elapsed: Duration, served: Duration) {
        let sample = nanoseconds(elapsed.saturating_sub(served));
        self.least = if self.measured { self.least.min(sample) } else { sample.min(LEAST_MAX) };
        match self.smoothed {
            Some(smoothed) if self.measured => {
                self.variation = (self.variation * 3 + smoothed.abs_diff(sample)) / 4;
                self.smoothed = Some((smoothed * 7 + sample) / 8);
            }
            _ => {
                self.measured = true;
                self.variation = sample / 2;
                self.smoothed = Some(sample);
            }
        }
    }

    /// What the server is granted of `remaining`: less the way there and back, so that its own answer, which says where
    /// the time went, still arrives, and no handler begins after its caller has given up. At least three quarters, unless
    /// the way alone takes more than the rest; `None` where it takes all there is.
    #[inline(always)]
    pub(super) fn granted(&mut self, remaining: Duration) -> Option<Duration> {
        let remaining = nanoseconds(remaining);
        let smoothed = self.smoothed.unwrap_or_default();
        let wanted = smoothed * 5 / 4 + self.variation * 4 + TIMER_GRANULARITY;
        let granted = remaining.saturating_sub(wanted.min(remaining / 4).max(self.least));
        if granted == 0 {
            // Only calls measure: so the next one is let through, lest one slow reply shut out all that are in a hurry.
            self.least /= 2;
            return None;
        }
        Some(Duration::from_nanos(granted))
    }
}

/// Up to nine years, so that eight times as much is still a number.
fn nanoseconds(time: Duration) -> u64 {
    const SECONDS_MAX: u64 = 9 * 365 * 24 * 3600;
    time.as_secs().min(SECONDS_MAX) * 1_000_000_000 + u64::from(time.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn nothing_is_known_at_first_and_nearly_all_is_granted() {
        assert_eq!(RoundTrip::default().granted(ms(100)), Some(ms(99)));
        assert_eq!(RoundTrip::default().granted(ms(2)), Some(Duration::from_micros(1500)));
    }

    #[test]
    fn the_way_there_and_back_is_kept_back() {
        let mut way = RoundTrip::default();
        way.opened_within(ms(4));
        assert_eq!(way.granted(ms(100)), Some(ms(94)));
        for _ in 0..100 {
            way.measured(ms(54), ms(50));
        }
        let granted = way.granted(ms(100)).unwrap();
        assert!(granted >= ms(93) && granted <= ms(95), "{granted:?}");
        // A quarter at most, but never less than the way takes at least.
        assert_eq!(way.granted(ms(8)), Some(ms(4)));
        assert_eq!(way.granted(ms(4)), None);
    }

    #[test]
    fn one_slow_reply_does_not_shut_out_calls_for_ever() {
        let mut way = RoundTrip::default();
        way.opened_within(ms(1000));
        assert!(way.granted(ms(10)).is_some(), "connecting may have taken longer than the way does");
        way.measured(ms(500), ms(0));
        let refused = (0..100).take_while(|_| way.granted(ms(10)).is_none()).count();
        assert!(refused < 10, "{refused}");
        way.measured(ms(1), ms(0));
        assert!(way.granted(ms(10)).is_some());
    }
}
