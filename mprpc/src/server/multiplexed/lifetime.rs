//! What ends a native connection that nobody broke: a caller without a sign of life, no call for too long, its age. Says
//! when it is time for what; knows no frames and ends no calls.

use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::net::connection::Turn;
use crate::net::timer::Timer;
use crate::protocol::native::{Keepalive, Look, Pace};
use crate::status::Status;

/// How long a connection lives.
pub(super) struct Lifetime {
    keepalive: Keepalive,
    /// When a call was in flight last.
    used_at: Instant,
    /// When it is old.
    old_at: Option<Instant>,
    /// The caller was asked to go; when the connection is closed if it has not gone by then.
    leaving: Option<Deadline>,
    timer: Timer,
}

/// What it is time for.
pub(super) enum Due {
    Ping,
    /// The caller gave no sign of life.
    Dead,
    /// The caller is to be asked to go, and this is why.
    Leave(Status),
    /// It had the time to.
    Close,
}

impl Lifetime {
    /// Of a connection that begins at `now`. `luck`, 0 to 1, says how much of a tenth of `connection_age_max` it is spared.
    pub(super) fn new(now: Instant, limits: &Limits, luck: f64) -> Lifetime {
        let age_max = limits.connection_age_max;
        let old_at = now.checked_add(age_max.saturating_sub((age_max / 10).mul_f64(luck)));
        Lifetime { keepalive: Keepalive::default(), used_at: now, old_at, leaving: None, timer: Timer::default() }
    }

    /// Bytes came.
    pub(super) fn heard(&mut self) {
        self.keepalive.heard();
    }

    /// A call came, and may have ended already.
    pub(super) fn used(&mut self, now: Instant) {
        self.used_at = now;
    }

    /// The caller is asked to go, and the connection closed at `until`.
    pub(super) fn leave(&mut self, until: Deadline) {
        self.leaving = Some(until);
    }

    /// Whether the caller was asked to go.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// What it is time for, one after the other; `None` until the next turn, or until the timer brings one.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_, '_>, calls: usize, pace: Pace, limits: &Limits) -> Option<Due> {
        if turn.relieved {
            self.keepalive.heard();
        }
        if calls > 0 {
            self.used_at = turn.now;
            self.keepalive.begin(turn.now, || pace);
        }
        let idle = (calls == 0).then(|| self.used_at.checked_add(idle_timeout(limits))).flatten();
        loop {
            let end = match self.leaving {
                Some(until) => until.instant(),
                None => [idle, self.old_at].into_iter().flatten().min(),
            };
            let look = self.keepalive.look_at();
            let at = [look, end].into_iter().flatten().min()?;
            if at > turn.now && Pin::new(&mut self.timer).poll(turn.cx, at).is_pending() {
                return None;
            }
            let now = turn.now.max(at);
            if look.is_some_and(|look| look <= now) {
                match self.keepalive.look(now, calls > 0, turn.stalled, pace) {
                    Look::Well => continue,
                    Look::Ping => return Some(Due::Ping),
                    Look::Dead => return Some(Due::Dead),
                }
            }
            if self.is_leaving() {
                return Some(Due::Close);
            }
            return Some(Due::Leave(self.begin_to_leave(now, end == idle, limits)));
        }
    }

    /// Says why.
    fn begin_to_leave(&mut self, now: Instant, is_idle: bool, limits: &Limits) -> Status {
        let (why, patience) = if is_idle {
            let why = format!("no call for longer than idle_timeout {:?}", limits.idle_timeout);
            (why, limits.drain_timeout)
        } else {
            (
                format!("as old as connection_age_max {:?} allows", limits.connection_age_max),
                limits.connection_age_grace,
            )
        };
        self.leave(Deadline::after(now, patience));
        Status::unavailable(why)
    }
}

/// A tenth more than what holds for callers, so that it is the caller who closes: then nothing can cross.
fn idle_timeout(limits: &Limits) -> Duration {
    limits.idle_timeout.saturating_add(limits.idle_timeout / 10)
}
