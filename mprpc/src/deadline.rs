//! The instant after which nobody waits for a call any more. Reads no clock: time comes in as an argument.

use std::time::{Duration, Instant};

/// The instant after which nobody waits for a call any more, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// No deadline.
    pub const NONE: Deadline = Deadline(None);

    /// At this instant.
    pub fn at(instant: Instant) -> Deadline {
        Deadline(Some(instant))
    }

    /// `timeout` after `now`; none where the sum is beyond what the clock can hold.
    pub fn after(now: Instant, timeout: Duration) -> Deadline {
        Deadline(now.checked_add(timeout))
    }

    /// The instant, where there is one.
    pub fn instant(self) -> Option<Instant> {
        self.0
    }

    /// What is left at `now`; zero when it has passed; `None` without a deadline.
    pub fn remaining(self, now: Instant) -> Option<Duration> {
        self.0.map(|at| at.saturating_duration_since(now))
    }

    /// Whether it has passed at `now`.
    pub fn has_passed(self, now: Instant) -> bool {
        self.0.is_some_and(|at| at <= now)
    }

    /// The earlier of two.
    pub fn earlier(self, other: Deadline) -> Deadline {
        match (self.0, other.0) {
            (Some(a), Some(b)) => Deadline(Some(a.min(b))),
            (a, b) => Deadline(a.or(b)),
        }
    }
}
