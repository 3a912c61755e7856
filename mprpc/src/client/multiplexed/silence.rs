//! `SilenceWatch`: notices within milliseconds that the peer of calls in flight does not answer. Reads no clock.
//!
//! A peer is suspected when nothing comes from it for longer than a few times the usual latency. It gets a PING. A peer that
//! is only slow answers the PING at once, as its event loop runs. A peer that does not answer is silent: frozen, overloaded,
//! or cut off.

use std::time::{Duration, Instant};

use super::round_trip::RoundTrip;
use crate::limits::Limits;

/// The watch of one connection.
#[derive(Debug, Default)]
pub(super) struct SilenceWatch {
    /// The time of the next look. `None` while no call is in flight.
    look_at: Option<Instant>,
    state: State,
    /// The moving latency of unary calls, in nanoseconds. It rises fast and falls slowly.
    usual: u64,
    /// PINGs that were answered since a call was answered or has begun. Each doubles the silence before the next one, so that
    /// a call that takes minutes costs few PINGs.
    vain: u32,
    /// The shortest wait for an answer, after a pause that was taken for silence.
    pause: Duration,
    /// When a pause was last taken for silence.
    paused_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Answers,
    /// A PING was sent. Silence began at `since`.
    Asked { at: Instant, since: Instant },
    /// The PING was not answered in time.
    Silent { since: Instant },
}

/// What to do after a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing.
    Answers,
    /// Send a PING and call [`SilenceWatch::asked`], or else [`SilenceWatch::may_not_ask`].
    Suspected,
    /// The peer does not answer.
    Silent,
}

/// The peer is suspected after so many times the usual latency.
const USUAL_TIMES: u64 = 3;
/// An answer may take so many round trips.
const ROUND_TRIPS: u32 = 4;
/// Pauses up to so many times `silence_timeout` make the watch more patient. Longer ones are what it is there for.
const PAUSE_TIMES: u32 = 4;
/// So many PINGs in a row double the silence before the next one.
const VAIN_MAX: u32 = 9;
/// How long a pause makes the watch more patient.
const PAUSE_REMEMBERED: Duration = Duration::from_secs(60);

impl SilenceWatch {
    /// A call begins at `now`. Returns whether the looks start now, so that the driver must set its timer.
    #[inline(always)]
    pub(super) fn began(&mut self, now: Instant, limits: &Limits) -> bool {
        (self.look_at.is_none() || self.vain > 0) && self.start(now, limits)
    }

    #[inline(never)]
    fn start(&mut self, now: Instant, limits: &Limits) -> bool {
        self.vain = 0;
        self.look_at = now.checked_add(self.suspected_after(limits));
        self.look_at.is_some()
    }

    pub(super) fn look_at(&self) -> Option<Instant> {
        self.look_at
    }

    /// Takes the latency of a call as a sample.
    #[inline]
    pub(super) fn sample(&mut self, elapsed: Duration) {
        self.vain = 0;
        let elapsed = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        match elapsed.checked_sub(self.usual) {
            Some(more) => self.usual += more.div_ceil(2),
            None => self.usual -= (self.usual - elapsed) / 8,
        }
    }

    /// Bytes have come from the peer. Returns whether the peer was silent before.
    #[inline(always)]
    pub(super) fn heard(&mut self, now: Instant, limits: &Limits) -> bool {
        self.state != State::Answers && self.answers(now, limits)
    }

    #[inline(never)]
    fn answers(&mut self, now: Instant, limits: &Limits) -> bool {
        let State::Silent { since } = std::mem::take(&mut self.state) else {
            self.vain += 1;
            return false;
        };
        let pause = now.saturating_duration_since(since);
        if pause <= limits.silence_timeout.saturating_mul(PAUSE_TIMES) {
            (self.pause, self.paused_at) = (pause.saturating_mul(2), Some(now));
        }
        self.look_at = None;
        true
    }

    /// Looks at `now`. `waiting_since` is when the peer was last heard or the oldest unary call began, whichever is later;
    /// `None` if no such call is in flight. `way` is the time that bytes on their way to the peer may take.
    pub(super) fn look(
        &mut self,
        now: Instant,
        waiting_since: Option<Instant>,
        way: Duration,
        round_trip: &RoundTrip,
        limits: &Limits,
    ) -> Verdict {
        let patience = self.patience(now, round_trip, limits).saturating_add(way).min(PATIENCE_MAX);
        let Some(waiting_since) = waiting_since else {
            // A silent peer stays silent until it is heard.
            self.look_at = None;
            return Verdict::Answers;
        };
        match self.state {
            State::Answers => {
                let suspected_at = waiting_since.checked_add(self.suspected_after(limits));
                if suspected_at.is_some_and(|at| at <= now) {
                    return Verdict::Suspected;
                }
                self.look_at = suspected_at;
                Verdict::Answers
            }
            State::Asked { at, .. } if at + patience > now => {
                self.look_at = Some(at + patience);
                Verdict::Answers
            }
            State::Asked { since, .. } | State::Silent { since } => {
                self.state = State::Silent { since };
                self.look_at = now.checked_add(patience);
                Verdict::Silent
            }
        }
    }

    /// The PING was sent at `now`, after silence since `since`.
    pub(super) fn asked(&mut self, now: Instant, since: Instant, round_trip: &RoundTrip, limits: &Limits) {
        self.state = State::Asked { at: now, since };
        self.look_at = now.checked_add(self.patience(now, round_trip, limits));
    }

    /// The suspected peer accepts no PING now. The wait for the next look doubles.
    pub(super) fn may_not_ask(&mut self, now: Instant, limits: &Limits) {
        self.vain += 1;
        self.look_at = now.checked_add(self.suspected_after(limits));
    }

    /// How long the peer of a call may be silent before it is suspected.
    fn suspected_after(&self, limits: &Limits) -> Duration {
        let usual = Duration::from_nanos(self.usual.saturating_mul(USUAL_TIMES));
        limits.silence_min.max(usual).saturating_mul(1 << self.vain.min(VAIN_MAX))
    }

    /// How long the answer to the PING may take.
    fn patience(&mut self, now: Instant, round_trip: &RoundTrip, limits: &Limits) -> Duration {
        if self.paused_at.is_some_and(|at| now.saturating_duration_since(at) > PAUSE_REMEMBERED) {
            (self.pause, self.paused_at) = (Duration::ZERO, None);
        }
        let pause = self.pause.min(limits.silence_timeout.saturating_mul(PAUSE_TIMES));
        limits.silence_timeout.max(round_trip.smoothed().saturating_mul(ROUND_TRIPS)).max(pause).min(PATIENCE_MAX)
    }
}

/// A year is beyond every wait, and within the range of the clock.
const PATIENCE_MAX: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::clock;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    /// Plays a call that begins at once and a peer that is never heard. Returns when the peer is asked, and when it is found
    /// silent.
    fn found(watch: &mut SilenceWatch, round_trip: &RoundTrip) -> (Duration, Duration) {
        let (limits, begin) = (Limits::default(), clock::now());
        assert!(watch.began(begin, &limits) && !watch.began(begin, &limits));
        let mut asked = None;
        loop {
            let now = watch.look_at().unwrap();
            match watch.look(now, Some(begin), Duration::ZERO, round_trip, &limits) {
                Verdict::Answers => {}
                Verdict::Suspected => {
                    asked = Some(now - begin);
                    watch.asked(now, begin, round_trip, &limits);
                }
                Verdict::Silent => return (asked.unwrap(), now - begin),
            }
        }
    }

    #[test]
    fn fast_peer_is_found_silent_within_silence_min_and_silence_timeout() {
        let found = found(&mut SilenceWatch::default(), &RoundTrip::default());
        assert_eq!(found, (ms(20), ms(70)));
    }

    #[test]
    fn slow_peer_and_long_way_make_the_watch_patient() {
        let (mut watch, mut round_trip) = (SilenceWatch::default(), RoundTrip::default());
        (0..100).for_each(|_| watch.sample(ms(200)));
        (0..100).for_each(|_| round_trip.measured(ms(200), ms(0)));
        let (asked, silent) = found(&mut watch, &round_trip);
        assert!((ms(599)..=ms(600)).contains(&asked), "{asked:?}");
        assert!((ms(799)..=ms(801)).contains(&(silent - asked)), "{silent:?}");
    }

    #[test]
    fn peer_that_pauses_and_comes_back_gets_more_time_for_a_minute() {
        let (limits, round_trip) = (Limits::default(), RoundTrip::default());
        let mut watch = SilenceWatch::default();
        let begin = clock::now();
        assert_eq!(found(&mut watch, &round_trip).1, ms(70));
        assert!(watch.heard(begin + ms(90), &limits), "it was silent");
        let (asked, silent) = found(&mut watch, &round_trip);
        assert!((ms(170)..=ms(200)).contains(&(silent - asked)), "{silent:?}");
        // A freeze is no pause.
        assert!(watch.heard(begin + ms(8_000), &limits));
        let later = begin + PAUSE_REMEMBERED + ms(200);
        assert_eq!(watch.patience(later, &round_trip, &limits), ms(50));
    }

    #[test]
    fn peer_that_accepts_no_ping_is_looked_at_ever_more_rarely() {
        let (limits, round_trip, begin) = (Limits::default(), RoundTrip::default(), clock::now());
        let mut watch = SilenceWatch::default();
        watch.began(begin, &limits);
        let mut looks = 0;
        while watch.look_at().unwrap() < begin + ms(60_000) {
            let now = watch.look_at().unwrap();
            assert_eq!(watch.look(now, Some(begin), ms(0), &round_trip, &limits), Verdict::Suspected);
            watch.may_not_ask(now, &limits);
            looks += 1;
        }
        assert!(looks < 20, "{looks} looks in a minute");
    }

    #[test]
    fn peer_that_is_heard_after_the_ping_is_not_silent() {
        let (limits, round_trip, begin) = (Limits::default(), RoundTrip::default(), clock::now());
        let mut watch = SilenceWatch::default();
        watch.began(begin, &limits);
        assert_eq!(watch.look(begin + ms(20), Some(begin), ms(0), &round_trip, &limits), Verdict::Suspected);
        watch.asked(begin + ms(20), begin, &round_trip, &limits);
        assert!(!watch.heard(begin + ms(21), &limits));
        let (since, now) = (begin + ms(21), begin + ms(60));
        assert_eq!(watch.look(now, Some(since), ms(0), &round_trip, &limits), Verdict::Answers);
        assert_eq!(watch.look_at(), Some(since + ms(40)), "the wait doubles");
        assert!(watch.began(now, &limits));
        assert_eq!(watch.look_at(), Some(now + ms(20)), "and ends with the next call");
        assert_eq!(watch.look(now + ms(20), None, ms(0), &round_trip, &limits), Verdict::Answers);
        assert_eq!(watch.look_at(), None);
    }
}
