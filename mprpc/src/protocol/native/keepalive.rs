//! Keepalive: when to send a PING to a silent peer, when to give the peer up, and how often the peer may send PINGs itself.
//! This file holds arithmetic only, and both sides use it.

use std::mem;
use std::time::{Duration, Instant};

/// Whether the peer of in-flight calls is alive. The check runs at intervals, not at each read.
///
/// The last byte may have come right after a check. So it takes at most two intervals plus the timeout to find a dead peer.
#[derive(Debug, Default)]
pub(crate) struct Keepalive {
    /// The time of the next check. `None` while no call is in flight.
    look_at: Option<Instant>,
    /// Whether bytes have come since the last check.
    heard: bool,
    /// Whether the last check sent a PING.
    pinged: bool,
    /// When the last PING was sent.
    pinged_at: Option<Instant>,
    /// PINGs in a row of [`Keepalive::ask`] that came sooner than the peer's interval.
    early: u32,
    /// Whether the PING asks after a peer that let a whole call pass in silence. Then its answer counts without calls too.
    is_suspected: bool,
}

/// The interval between keepalive checks, and the time that the answer to a PING may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pace {
    pub(crate) interval: Duration,
    pub(crate) timeout: Duration,
}

/// The result of a keepalive check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    /// The peer is alive, or no call is in flight.
    Well,
    /// The peer was silent. The caller must send a PING.
    Ping,
    /// The peer did not answer the PING.
    Dead,
}

impl Keepalive {
    /// Starts the checks, because calls are in flight. Returns whether they were off before.
    pub(crate) fn begin(&mut self, now: Instant, pace: impl FnOnce() -> Pace) -> bool {
        let begins = self.look_at.is_none();
        if begins {
            let Keepalive { pinged_at, early, .. } = *self;
            *self = Keepalive { look_at: now.checked_add(pace().interval), pinged_at, early, ..Keepalive::default() };
        }
        begins
    }

    /// Records that bytes of any kind came from the peer.
    pub(crate) fn heard(&mut self) {
        self.heard = true;
    }

    /// The time of the next check.
    pub(crate) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Suspects the peer at `now`: a call has ended at its deadline, and nothing came from the peer since the call began.
    /// Returns whether to send a PING. Its answer is due within the timeout of `pace`, whether or not calls are in flight.
    /// PINGs of this kind keep the interval of `pace` from the PING before.
    pub(crate) fn suspect(&mut self, now: Instant, may_ping: bool, pace: Pace) -> bool {
        let is_early = self.pinged_at.is_some_and(|at| now.saturating_duration_since(at) < pace.interval);
        let look_at = now.checked_add(pace.timeout);
        if self.is_suspected && !self.heard && !self.pinged {
            // The PING of `ask` has not been answered.
            (self.look_at, self.pinged) = (look_at, true);
            return false;
        }
        if self.pinged || is_early || !may_ping {
            return false;
        }
        *self = Keepalive { look_at, heard: false, pinged: true, pinged_at: Some(now), early: 0, is_suspected: true };
        true
    }

    /// Asks at once whether a peer of calls in flight is alive, before the next look is due. Returns when the PING was sent
    /// that the peer has to answer; if that is `now`, the caller must send it. `None` if PINGs came too close together
    /// already: up to two in a row may come sooner than `accepted`, the peer's interval.
    pub(crate) fn ask(&mut self, now: Instant, accepted: Duration, pace: Pace) -> Option<Instant> {
        if self.pinged && !self.heard {
            return self.pinged_at;
        }
        let is_early = self.pinged_at.is_some_and(|at| now.saturating_duration_since(at) < accepted);
        if is_early && self.early >= EARLY_MAX {
            return None;
        }
        let early = if is_early { self.early + 1 } else { 0 };
        // The looks go on as before: a peer that does not answer is not closed sooner for being asked early.
        let look_at = self.look_at.or_else(|| now.checked_add(pace.interval));
        *self = Keepalive { look_at, heard: false, pinged: false, pinged_at: Some(now), early, is_suspected: true };
        Some(now)
    }

    /// Checks the peer at `now`. If not `may_ping`, the peer's silence does not count yet. While output is `stalled` because the peer does not take it, the peer's silence does not
    /// count: a PING would wait behind the output, and `write_timeout` applies.
    pub(crate) fn look(&mut self, now: Instant, in_flight: bool, stalled: bool, may_ping: bool, pace: Pace) -> Look {
        let heard = mem::take(&mut self.heard);
        self.is_suspected &= !heard;
        if !in_flight && !self.is_suspected {
            (self.look_at, self.pinged) = (None, false);
            return Look::Well;
        }
        let is_silent = !heard && !stalled;
        if is_silent && self.pinged {
            return Look::Dead;
        }
        // If no PING may be sent, one of `ask` that has not been answered takes its place.
        self.pinged = is_silent && (may_ping || self.is_suspected);
        self.look_at = now.checked_add(if self.pinged { pace.timeout } else { pace.interval });
        let pings = self.pinged && may_ping;
        if pings {
            self.pinged_at = Some(now);
        }
        if pings { Look::Ping } else { Look::Well }
    }
}

/// Enforces the minimum interval between PINGs, which the peer knows from SETTINGS.
#[derive(Debug, Default)]
pub(crate) struct PingGuard {
    last: Option<Instant>,
    /// Consecutive PINGs that each came too soon after the previous one.
    too_close: u32,
    /// PINGs that may still come too soon without being counted.
    forgiven: u32,
}

impl PingGuard {
    /// Forgives the PINGs that the peer sent while this side did not read for `paused`. They arrive together.
    pub(crate) fn forgive(&mut self, paused: Duration, interval_min: Duration) {
        let sent = paused.as_micros() / interval_min.as_micros().max(1);
        self.forgiven = u32::try_from(sent).unwrap_or(u32::MAX);
    }

    /// Records a PING. Returns whether it is one too many.
    pub(crate) fn is_one_too_many(&mut self, now: Instant, interval_min: Duration) -> bool {
        let last = self.last.replace(now);
        let too_close = last.is_some_and(|last| now.saturating_duration_since(last) < interval_min);
        if too_close && self.forgiven > 0 {
            self.forgiven -= 1;
            return false;
        }
        self.too_close = if too_close { self.too_close.saturating_add(1) } else { 0 };
        self.too_close > TOO_CLOSE_MAX
    }
}

/// How many PINGs in a row [`Keepalive::ask`] sends too soon. The peer tolerates [`TOO_CLOSE_MAX`]; the rest is for PINGs that
/// the network brings closer together.
const EARLY_MAX: u32 = 2;

/// How many consecutive PINGs may come too soon. A network that stalls delivers PINGs together that were sent apart.
const TOO_CLOSE_MAX: u32 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) };

    /// Runs every check on time while the peer lives until `dies_at`. Returns how long after its death the peer is found
    /// dead.
    fn found_after(dies_at: Duration, now: Instant) -> Duration {
        let mut keepalive = Keepalive::default();
        assert!(keepalive.begin(now, || PACE));
        let mut before = now;
        loop {
            let at = keepalive.look_at().unwrap();
            if before <= now + dies_at {
                keepalive.heard();
            }
            before = at;
            if keepalive.look(at, true, false, true, PACE) == Look::Dead {
                return at - (now + dies_at);
            }
        }
    }

    #[test]
    fn dead_peer_is_found_within_the_documented_bound() {
        let now = Instant::now();
        let bound = 2 * PACE.interval + PACE.timeout;
        let found: Vec<Duration> = (0..60_000).map(|ms| found_after(Duration::from_millis(ms), now)).collect();
        assert!(found.iter().all(|found| *found <= bound), "{:?}", found.iter().max());
        assert!(found.contains(&bound), "the bound is reached");
    }

    #[test]
    fn peer_that_answers_or_has_no_calls_is_never_dead() {
        let now = Instant::now();
        let mut keepalive = Keepalive::default();
        keepalive.begin(now, || PACE);
        let mut pinged = 0;
        for _ in 0..100 {
            let at = keepalive.look_at().unwrap();
            match keepalive.look(at, true, false, true, PACE) {
                Look::Ping => {
                    pinged += 1;
                    keepalive.heard();
                }
                Look::Well => {}
                Look::Dead => panic!("it answers"),
            }
        }
        assert_eq!(pinged, 50);
        assert_eq!(keepalive.look(now, false, false, true, PACE), Look::Well);
        assert_eq!(keepalive.look_at(), None);
        assert!(keepalive.begin(now, || PACE));
    }

    #[test]
    fn silence_while_output_is_stalled_is_ignored() {
        let now = Instant::now();
        let mut keepalive = Keepalive::default();
        keepalive.begin(now, || PACE);
        for _ in 0..10 {
            assert_eq!(keepalive.look(now, true, true, true, PACE), Look::Well);
        }
        assert_eq!(keepalive.look(now, true, false, true, PACE), Look::Ping);
        assert_eq!(keepalive.look(now, true, true, true, PACE), Look::Well);
        assert_eq!(keepalive.look(now, true, false, true, PACE), Look::Ping);
        assert_eq!(keepalive.look(now, true, false, true, PACE), Look::Dead);
    }

    #[test]
    fn peer_that_may_not_be_pinged_yet_is_not_dead() {
        let now = Instant::now();
        let mut keepalive = Keepalive::default();
        keepalive.begin(now, || PACE);
        for _ in 0..10 {
            let at = keepalive.look_at().unwrap();
            assert_eq!(keepalive.look(at, true, false, false, PACE), Look::Well);
        }
        assert_eq!(keepalive.look(now, true, false, true, PACE), Look::Ping);
        assert_eq!(keepalive.look(now, true, false, false, PACE), Look::Dead);
    }

    #[test]
    fn suspected_peer_has_to_answer_although_no_call_is_left() {
        let now = Instant::now();
        for answers in [true, false] {
            let mut keepalive = Keepalive::default();
            keepalive.begin(now, || PACE);
            assert!(keepalive.suspect(now, true, PACE) && !keepalive.suspect(now, true, PACE));
            assert_eq!(keepalive.look_at(), Some(now + PACE.timeout));
            assert!(!keepalive.begin(now, || PACE), "a call that begins meanwhile changes nothing");
            if answers {
                keepalive.heard();
            }
            let look = keepalive.look(now + PACE.timeout, false, false, true, PACE);
            assert_eq!(look, if answers { Look::Well } else { Look::Dead });
            assert_eq!(keepalive.look_at().is_none(), answers);
            if answers {
                keepalive.begin(now + PACE.timeout, || PACE);
                let early = now + PACE.interval - Duration::from_millis(1);
                assert!(!keepalive.suspect(early, true, PACE), "too soon again");
                assert!(keepalive.suspect(now + PACE.interval, true, PACE));
            }
        }
    }

    #[test]
    fn peer_is_asked_early_only_as_often_as_it_tolerates() {
        let (begin, accepted) = (Instant::now(), Duration::from_secs(1));
        let (mut keepalive, mut guard) = (Keepalive::default(), PingGuard::default());
        keepalive.begin(begin, || PACE);
        let mut asked = 0;
        for tick in 0..10_000 {
            let now = begin + tick * Duration::from_millis(20);
            if keepalive.ask(now, accepted, PACE).is_some() {
                asked += 1;
                assert!(!guard.is_one_too_many(now, accepted));
                keepalive.heard();
            }
        }
        assert!((550..650).contains(&asked), "{asked} PINGs in 200 s");
    }

    #[test]
    fn peer_may_send_a_few_early_pings_in_a_row_and_no_more() {
        let (now, min) = (Instant::now(), Duration::from_secs(1));
        let mut guard = PingGuard::default();
        for second in 0..100 {
            assert!(!guard.is_one_too_many(now + second * min, min), "apart");
        }
        let later = now + 1000 * min;
        let came = |guard: &mut PingGuard| (0..=TOO_CLOSE_MAX).any(|_| guard.is_one_too_many(later, min));
        assert!(!came(&mut guard));
        assert!(guard.is_one_too_many(later, min));
        assert!(!guard.is_one_too_many(later + min, min), "it has calmed down");
        assert!((0..100).all(|_| !guard.is_one_too_many(later + min, Duration::ZERO)));
    }
}
