//! The lifetime of a connection: keepalive, idle timeout and maximum age. Decides what is due; knows no frames and
//! ends no calls.

use std::mem;
use std::pin::Pin;
use std::time::{Duration, Instant};

use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::net::connection::Turn;
use crate::net::timer::Timer;
use crate::protocol::{Keepalive, Look, Pace};
use crate::status::{Phase, Status};

/// The timers of one connection.
pub(in crate::server) struct Lifetime {
    keepalive: Keepalive,
    /// The last time at which a call was in flight.
    used_at: Instant,
    /// Whether a call was in flight at the last poll.
    had_calls: bool,
    /// The time at which the connection reaches its maximum age.
    old_at: Option<Instant>,
    /// Set once the caller was asked to leave.
    leaving: Option<Leaving>,
    timer: Timer,
}

/// The caller was asked to leave.
#[derive(Clone, Copy)]
struct Leaving {
    why: Why,
    /// The time at which the server closes the connection.
    until: Deadline,
}

/// Why a caller is asked to leave.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    Idle,
    Age,
    Stop,
}

/// The action that is due.
pub(in crate::server) enum Due {
    Ping,
    /// The caller did not answer the keepalive PING.
    Dead,
    /// Ask the caller to leave, with this reason.
    Leave(Status),
    /// The time for the caller to leave is over.
    Close,
}

impl Lifetime {
    /// Creates the timers of a connection that begins at `now`. `luck`, 0 to 1, is the jitter: the connection's maximum age
    /// is shorter by this share of a tenth of `connection_age_max`.
    pub(in crate::server) fn new(now: Instant, limits: &Limits, luck: f64) -> Lifetime {
        let age_max = limits.connection_age_max;
        let old_at = now.checked_add(age_max.saturating_sub((age_max / 10).mul_f64(luck)));
        Lifetime {
            keepalive: Keepalive::default(),
            used_at: now,
            had_calls: false,
            old_at,
            leaving: None,
            timer: Timer::default(),
        }
    }

    /// Records that bytes arrived.
    pub(in crate::server) fn heard(&mut self) {
        self.keepalive.heard();
    }

    /// Records that a call arrived, which may have ended already.
    pub(in crate::server) fn used(&mut self, now: Instant) {
        self.used_at = now;
    }

    /// Records at `now` that the caller was asked to leave because the server stops.
    pub(in crate::server) fn stop(&mut self, now: Instant, limits: &Limits) {
        let until = Deadline::after(now, limits.drain_timeout);
        if self.leaving.is_none_or(|leaving| until.earlier(leaving.until) == until) {
            self.leaving = Some(Leaving { why: Why::Stop, until });
        }
    }

    /// Whether the caller was asked to leave.
    pub(in crate::server) fn is_leaving(&self) -> bool {
        self.leaving.is_some()
    }

    /// Returns the next action that is due; `None` until the next turn, or until the timer causes a turn.
    pub(in crate::server) fn poll(
        &mut self,
        turn: &mut Turn<'_, '_>,
        calls: usize,
        pace: Pace,
        limits: &Limits,
    ) -> Option<Due> {
        if turn.relieved {
            self.keepalive.heard();
        }
        if mem::replace(&mut self.had_calls, calls > 0) || calls > 0 {
            self.used_at = turn.now;
        }
        if calls > 0 {
            self.keepalive.begin(turn.now, || pace);
        }
        let idle = (calls == 0).then(|| self.used_at.checked_add(idle_timeout(limits))).flatten();
        loop {
            let end = match self.leaving {
                Some(leaving) => leaving.until.instant(),
                None => [idle, self.old_at].into_iter().flatten().min(),
            };
            let look = self.keepalive.look_at();
            let at = [look, end].into_iter().flatten().min()?;
            if at > turn.now && Pin::new(&mut self.timer).poll(turn.cx, at).is_pending() {
                return None;
            }
            let now = turn.now.max(at);
            if look.is_some_and(|look| look <= now) {
                match self.keepalive.look(now, calls > 0, turn.stalled, true, pace) {
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

    /// Begins to leave, and returns the reason as a status.
    fn begin_to_leave(&mut self, now: Instant, is_idle: bool, limits: &Limits) -> Status {
        let (why, text, patience) = if is_idle {
            let text = format!("no call for longer than idle_timeout {:?}", limits.idle_timeout);
            (Why::Idle, text, limits.drain_timeout)
        } else {
            let text = format!("as old as connection_age_max {:?} allows", limits.connection_age_max);
            (Why::Age, text, limits.connection_age_grace)
        };
        self.leaving = Some(Leaving { why, until: Deadline::after(now, patience) });
        Status::unavailable(text)
    }

    /// The status of the calls that are left when the time for the connection to end is over.
    pub(in crate::server) fn outlived(&self, limits: &Limits) -> Status {
        let (grace, drain) = (limits.connection_age_grace, limits.drain_timeout);
        let why = match self.leaving.map(|leaving| leaving.why) {
            Some(Why::Age) => format!("the connection was closed for its age; connection_age_grace {grace:?} was over"),
            Some(Why::Idle) => format!("the connection was idle and is closed; drain_timeout {drain:?} was over"),
            Some(Why::Stop) | None => format!("the server stops; drain_timeout {drain:?} was over"),
        };
        Status::unavailable(why).with_phase(Phase::Handle)
    }
}

/// A tenth longer than the callers' idle timeout. So the caller closes first, and no call can cross the close.
fn idle_timeout(limits: &Limits) -> Duration {
    limits.idle_timeout.saturating_add(limits.idle_timeout / 10)
}
