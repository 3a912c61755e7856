//! `Judgement`: when an endpoint is ejected because it fails more, or is slower, than the others, and for how long. Reads no
//! clock and knows no endpoint.

use std::iter::Sum;
use std::time::{Duration, Instant};

use crate::status::Code;

/// What is remembered about one endpoint between its failures.
#[derive(Debug, Default)]
pub(super) struct Judgement {
    /// When the window of the outcomes began.
    window: Option<Instant>,
    /// The ejections, each soon after the one before.
    ejections: u32,
    /// The end of the current ejection, or of the last one.
    until: Option<Instant>,
    /// The answers of the endpoint when it came back. Until it has given enough more, one failure ejects it again.
    answered: Option<u32>,
    /// The seconds in a row in which the endpoint was slow.
    slow_seconds: u32,
    /// When the slow start began.
    started: Option<Instant>,
}

/// The outcomes of calls.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) failed: u64,
    pub(super) all: u64,
}

impl Sum for Counts {
    fn sum<I: Iterator<Item = Counts>>(counts: I) -> Counts {
        counts.fold(Counts::default(), |sum, more| Counts { failed: sum.failed + more.failed, all: sum.all + more.all })
    }
}

impl Counts {
    fn share(self) -> f64 {
        if self.all == 0 { 0.0 } else { self.failed as f64 / self.all as f64 }
    }
}

/// So many failures in a row eject an endpoint.
const IN_A_ROW: u32 = 5;
/// So many failures of a window eject an endpoint, if they are this share of its calls.
const FAILURES_MIN: u64 = 10;
const FAILED_SHARE_MIN: f64 = 0.1;
/// The share of failures has to be so many times that of the other endpoints.
const TIMES_OTHERS: f64 = 2.0;
/// An endpoint is slow if its latency is so many times the median of the others, and so much more.
const SLOW_TIMES: u64 = 5;
const SLOW_BY_NS: u64 = 50_000_000;
/// So many slow seconds in a row eject an endpoint.
const SLOW_SECONDS: u32 = 3;
const WINDOW: Duration = Duration::from_secs(1);
/// The first ejection. Each one doubles it.
const EJECTION_MIN: Duration = Duration::from_secs(2);
const EJECTION_MAX: Duration = Duration::from_secs(60);
/// So many answers after an ejection end its probation.
const PROBATION_ANSWERS: u32 = 20;
/// The share of its calls that an endpoint gets at the beginning of its slow start.
const STARTED_SHARE_MIN: f64 = 0.1;

/// Whether a failed call speaks against its endpoint: an error of the infrastructure, not of the application.
pub(crate) fn is_fault(code: Code) -> bool {
    matches!(code, Code::Unavailable | Code::Internal | Code::Unknown | Code::DeadlineExceeded | Code::DataLoss)
}

impl Judgement {
    /// Whether the window of the outcomes is over, so that another one begins. The outcomes before it then count less: one in
    /// `kept`. Half of them are kept while failures go on, so that the counts never all begin at zero together.
    pub(super) fn begins_window(&mut self, now: Instant) -> Option<u32> {
        let age = self.window.map_or(Duration::MAX, |begun| now.saturating_duration_since(begun));
        if age < WINDOW {
            return None;
        }
        self.window = Some(now);
        Some(if age < 2 * WINDOW { 2 } else { u32::MAX })
    }

    /// Whether the endpoint is ejected after a failure: the last of `in_a_row`, with the outcomes of its window and those of
    /// the other endpoints. If the others fail too, the fault is not the endpoint's.
    pub(super) fn is_failing(&self, own: Counts, in_a_row: u32, others: Counts) -> bool {
        let is_on_probation = self.answered.is_some();
        let is_bad =
            is_on_probation || in_a_row >= IN_A_ROW || own.failed >= FAILURES_MIN && own.share() >= FAILED_SHARE_MIN;
        // A row of failures says more than the window, in which the endpoint may have been well for long.
        let share = if in_a_row >= 2 * IN_A_ROW { 1.0 } else { own.share() };
        is_bad && share > TIMES_OTHERS * others.share()
    }

    /// Whether the endpoint, with this latency in nanoseconds, has been slower than the others for long enough. Called once a
    /// second.
    pub(super) fn is_slow(&mut self, own: u64, mut others: Vec<u64>) -> bool {
        others.sort_unstable();
        let usual = others.get(others.len() / 2).copied();
        let is_slow = usual.is_some_and(|usual| own >= usual.saturating_mul(SLOW_TIMES) && own - usual >= SLOW_BY_NS);
        self.slow_seconds = if is_slow { self.slow_seconds + 1 } else { 0 };
        let is_on_probation = self.answered.is_some();
        self.slow_seconds >= if is_on_probation { 1 } else { SLOW_SECONDS }
    }

    /// Ejects the endpoint at `now`. Returns for how long: each ejection soon after another one takes twice as long. `luck`,
    /// from 0 to 1, makes it up to a quarter longer, so that not all callers come back together.
    pub(super) fn eject(&mut self, now: Instant, luck: f64) -> Duration {
        let last = ejection(self.ejections);
        if self.until.is_some_and(|until| now.saturating_duration_since(until) > last) {
            self.ejections = 0;
        }
        self.ejections += 1;
        let pause = ejection(self.ejections).mul_f64(1.0 + luck / 4.0);
        (self.until, self.answered, self.slow_seconds) = (now.checked_add(pause), None, 0);
        pause
    }

    /// Whether the ejection is over. The endpoint has given `answered` answers so far.
    pub(super) fn comes_back(&mut self, now: Instant, answered: u32) -> bool {
        let is_over = self.until.is_none_or(|until| until <= now);
        if is_over {
            self.answered = Some(answered);
        }
        is_over
    }

    /// Ends the probation if the endpoint has given enough answers.
    pub(super) fn has_answered(&mut self, answered: u32) {
        if self.answered.is_some_and(|before| answered.wrapping_sub(before) >= PROBATION_ANSWERS) {
            self.answered = None;
        }
    }

    /// The slow start begins.
    pub(super) fn starts(&mut self, now: Instant) {
        self.started = Some(now);
    }

    /// The share of its calls that the endpoint gets: 1 after the slow start.
    pub(super) fn started_share(&self, now: Instant, slow_start: Duration) -> f64 {
        let Some(started) = self.started else { return 1.0 };
        let elapsed = now.saturating_duration_since(started);
        if elapsed >= slow_start {
            return 1.0;
        }
        STARTED_SHARE_MIN.max(elapsed.as_secs_f64() / slow_start.as_secs_f64())
    }
}

/// How long the ejection with this number takes; the first one is 1.
fn ejection(number: u32) -> Duration {
    let doublings = number.saturating_sub(1).min(16);
    (EJECTION_MIN * (1 << doublings)).min(EJECTION_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::clock;

    fn counts(failed: u64, all: u64) -> Counts {
        Counts { failed, all }
    }

    #[test]
    fn endpoint_that_fails_more_than_the_others_is_ejected() {
        let judgement = Judgement::default();
        let well = counts(0, 1_000);
        assert!(judgement.is_failing(counts(5, 500), 5, well), "five in a row");
        assert!(!judgement.is_failing(counts(4, 500), 4, well));
        assert!(judgement.is_failing(counts(30, 100), 1, well), "every third");
        assert!(!judgement.is_failing(counts(9, 200), 1, well), "too few, and too small a share");
        assert!(!judgement.is_failing(counts(30, 100), 5, counts(300, 1_000)), "all of them fail");
        assert!(!judgement.is_failing(counts(100, 100), 100, counts(1_000, 1_000)));
    }

    #[test]
    fn ejections_grow_and_are_forgotten() {
        let (mut judgement, mut now) = (Judgement::default(), clock::now());
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(judgement.eject(now, 0.0).as_secs(), seconds);
            assert!(!judgement.comes_back(now, 7));
            now += Duration::from_secs(seconds);
            assert!(judgement.comes_back(now, 7));
            assert!(judgement.is_failing(counts(1, 100), 1, counts(0, 100)), "one failure is enough on probation");
        }
        judgement.has_answered(26);
        assert!(judgement.is_failing(counts(1, 100), 1, counts(0, 100)));
        judgement.has_answered(27);
        assert!(!judgement.is_failing(counts(1, 100), 1, counts(0, 100)));
        now += Duration::from_secs(61);
        assert_eq!(judgement.eject(now, 1.0), Duration::from_millis(2_500));
    }

    #[test]
    fn slow_endpoint_is_ejected_after_three_seconds() {
        let mut judgement = Judgement::default();
        let ms = 1_000_000;
        let others = || vec![10 * ms, 20 * ms, 400 * ms];
        assert!(!judgement.is_slow(200 * ms, others()) && !judgement.is_slow(200 * ms, others()));
        assert!(judgement.is_slow(200 * ms, others()));
        assert!(!judgement.is_slow(90 * ms, others()), "less than five times the median");
        for _ in 0..5 {
            assert!(!judgement.is_slow(40 * ms, vec![ms; 3]), "a little slower");
            assert!(!judgement.is_slow(400 * ms, vec![]), "nobody to compare with");
        }
    }

    #[test]
    fn calls_of_a_starting_endpoint_grow_from_a_tenth() {
        let (mut judgement, now) = (Judgement::default(), clock::now());
        let slow_start = Duration::from_secs(10);
        assert_eq!(judgement.started_share(now, slow_start), 1.0);
        judgement.starts(now);
        assert_eq!(judgement.started_share(now, slow_start), 0.1);
        assert_eq!(judgement.started_share(now + Duration::from_secs(5), slow_start), 0.5);
        assert_eq!(judgement.started_share(now + slow_start, slow_start), 1.0);
    }
}
