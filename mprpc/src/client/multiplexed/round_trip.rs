//! `RoundTrip`: estimates the round-trip time and the part of a deadline that remains for the server. Reads no clock.

use std::time::Duration;

/// The round-trip time in nanoseconds, estimated as TCP does (RFC 6298): a smoothed value and its variation.
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    smoothed: Option<u64>,
    measured: bool,
    variation: u64,
    /// The shortest measured round trip: the minimum time of a call.
    least: u64,
}

/// The handler's deadline timer counts in milliseconds.
const TIMER_GRANULARITY: u64 = 1_000_000;

/// The upper bound of `least`. A longer sample comes from a stall, a lost packet or a long message.
const LEAST_MAX: u64 = 200_000_000;

impl RoundTrip {
    /// Records how long connecting took. The value is used until a reply is measured.
    pub(super) fn opened_within(&mut self, time: Duration) {
        if self.smoothed.is_none() {
            self.smoothed = Some(nanoseconds(time));
        }
    }

    /// Records a reply that arrived `elapsed` after its request and that the server spent `served` on.
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

    /// The smoothed round-trip time; zero while it is unknown.
    pub(super) fn smoothed(&self) -> Duration {
        Duration::from_nanos(self.smoothed.unwrap_or_default())
    }

    /// Returns the part of `remaining` that the server is granted: `remaining` less the round-trip time.
    ///
    /// The reserve lets the server's own answer, which says where the time went, still arrive, and lets no handler
    /// start after its caller has given up. The server gets at least three quarters, unless the shortest round trip
    /// takes more than the other quarter. `None` means that the round trip takes all the time.
    #[inline(always)]
    pub(super) fn granted(&mut self, remaining: Duration) -> Option<Duration> {
        let remaining = nanoseconds(remaining);
        let smoothed = self.smoothed.unwrap_or_default();
        let wanted = smoothed * 5 / 4 + self.variation * 4 + TIMER_GRANULARITY;
        let granted = remaining.saturating_sub(wanted.min(remaining / 4).max(self.least));
        if granted == 0 {
            // Only calls measure the round trip. Halving the minimum lets a later call through, so that one slow
            // reply does not block all calls with short deadlines.
            self.least /= 2;
            return None;
        }
        Some(Duration::from_nanos(granted))
    }
}

/// Converts to nanoseconds, at most nine years, so that eight times the value still fits in `u64`.
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
    fn nearly_all_time_is_granted_before_a_measurement() {
        assert_eq!(RoundTrip::default().granted(ms(100)), Some(ms(99)));
        assert_eq!(RoundTrip::default().granted(ms(2)), Some(Duration::from_micros(1500)));
    }

    #[test]
    fn round_trip_time_is_kept_from_the_grant() {
        let mut way = RoundTrip::default();
        way.opened_within(ms(4));
        assert_eq!(way.granted(ms(100)), Some(ms(94)));
        for _ in 0..100 {
            way.measured(ms(54), ms(50));
        }
        let granted = way.granted(ms(100)).unwrap();
        assert!(granted >= ms(93) && granted <= ms(95), "{granted:?}");
        // The reserve is at most a quarter, but at least the shortest round trip.
        assert_eq!(way.granted(ms(8)), Some(ms(4)));
        assert_eq!(way.granted(ms(4)), None);
    }

    #[test]
    fn one_slow_reply_does_not_block_calls_forever() {
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
