//! Which PINGs a caller may send to a gRPC server.

use std::time::{Duration, Instant};

/// Which PINGs a gRPC server accepts, if it has the defaults of gRPC.
///
/// A server counts each PING that comes sooner than 5 minutes after the PING before. It forgets the count, and that PING, when
/// it sends HEADERS or DATA. The third counted PING closes the connection. This side lets one PING be counted, so that one
/// that crosses a reply on the way does no harm.
///
/// Sources: gRPC's proposal A8, <https://github.com/grpc/proposal/blob/master/A8-client-side-keepalive.md>, and
/// <https://github.com/grpc/grpc/blob/master/doc/keepalive.md>.
#[derive(Debug, Default)]
pub(in crate::client::multiplexed) struct PingAllowance {
    /// When the last PING was sent, if nothing of a response has arrived since.
    last: Option<Instant>,
    /// Whether a call has begun since the last PING.
    has_new_call: bool,
    /// Whether the one PING that comes too soon was sent, since something of a response arrived.
    is_spent: bool,
}

impl PingAllowance {
    /// Takes note of HEADERS or DATA from the server.
    #[inline]
    pub(in crate::client::multiplexed) fn answered(&mut self) {
        (self.last, self.is_spent) = (None, false);
    }

    #[inline]
    pub(super) fn call_began(&mut self) {
        self.has_new_call = true;
    }

    /// Whether the server accepts a PING now. The PING that comes too soon is kept for a call that has begun since the last
    /// one: nobody knows yet whether the server still answers.
    pub(in crate::client::multiplexed) fn may_ping(&self, now: Instant) -> bool {
        let Some(last) = self.last else { return true };
        now.saturating_duration_since(last) >= PING_INTERVAL_MIN || self.has_new_call && !self.is_spent
    }

    pub(super) fn sent(&mut self, now: Instant) {
        let is_early = self.last.is_some_and(|last| now.saturating_duration_since(last) < PING_INTERVAL_MIN);
        (self.last, self.has_new_call) = (Some(now), false);
        self.is_spent |= is_early;
    }
}

/// A gRPC server may take a PING that comes sooner than 5 minutes after the PING before as abuse. The rest is for PINGs that
/// the network brings closer together.
const PING_INTERVAL_MIN: Duration = Duration::from_secs(5 * 60 + 10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::clock;

    /// How gRPC servers count PINGs.
    struct Enforcer {
        kind: Kind,
        has_written: bool,
        last: Option<Instant>,
        strikes: u32,
    }

    #[derive(PartialEq, Eq)]
    enum Kind {
        /// Each PING is compared with the one before.
        Core,
        /// Each PING is compared with the last one that did not count.
        Java,
        /// Frames of the server forgive the next PING, which is compared with nothing.
        Go,
    }

    impl Enforcer {
        fn wrote(&mut self) {
            self.has_written = true;
            if self.kind != Kind::Go {
                (self.last, self.strikes) = (None, 0);
            }
        }

        /// Takes a PING. Returns whether the connection stays open.
        fn takes_ping(&mut self, now: Instant) -> bool {
            if self.kind == Kind::Go && std::mem::take(&mut self.has_written) {
                (self.last, self.strikes) = (Some(now), 0);
                return true;
            }
            let is_early = self.last.is_some_and(|last| now < last + Duration::from_secs(5 * 60));
            self.strikes += u32::from(is_early);
            if !is_early || self.kind != Kind::Java {
                self.last = Some(now);
            }
            self.strikes <= 2
        }
    }

    #[test]
    fn grpc_servers_take_no_ping_as_abuse() {
        let (mut pings, mut early) = (0, 0);
        for seed in 0..500 {
            let mut rng = fastrand::Rng::with_seed(seed);
            let mut allowance = PingAllowance::default();
            let enforcer = |kind| Enforcer { kind, has_written: false, last: None, strikes: 0 };
            let mut enforcers = [Kind::Core, Kind::Java, Kind::Go].map(enforcer);
            let mut now = clock::now();
            for _ in 0..500 {
                now += Duration::from_millis(rng.u64(..30_000));
                match rng.u8(..10) {
                    0 => allowance.call_began(),
                    1 if seed % 3 == 0 => {
                        allowance.answered();
                        enforcers.iter_mut().for_each(Enforcer::wrote);
                    }
                    _ if allowance.may_ping(now) => {
                        early += u32::from(allowance.last.is_some_and(|last| now < last + PING_INTERVAL_MIN));
                        pings += 1;
                        // The PING crosses a reply on its way.
                        let crosses = rng.bool() && seed % 3 == 0;
                        if crosses {
                            enforcers.iter_mut().for_each(Enforcer::wrote);
                        }
                        allowance.sent(now);
                        let arrives = now + Duration::from_millis(rng.u64(..5_000));
                        assert!(enforcers.iter_mut().all(|enforcer| enforcer.takes_ping(arrives)), "seed {seed}");
                        if crosses {
                            allowance.answered();
                        }
                    }
                    _ => {}
                }
            }
        }
        assert!(pings > 1000 && early > 100, "{pings} PINGs, {early} of them early");
    }
}
