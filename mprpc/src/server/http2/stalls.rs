//! Exchanges that wait for the caller: a request for the rest of its message, and the reply of a call that has ended for
//! room in the caller's windows. Ends those that wait too long.

use std::mem;
use std::pin::Pin;
use std::time::Instant;

use super::{Exchange, Http2};
use crate::limits::Limits;
use crate::net::connection::Turn;
use crate::net::timer::Timer;
use crate::protocol::http2::ErrorCode;
use crate::server::call::not_begun;
use crate::status::{Phase, Ran, Status};

/// When to look for exchanges that wait too long.
#[derive(Default)]
pub(super) struct Stalls {
    /// Exchanges that have begun to wait in this turn. Most of them wait no more when the turn ends.
    fresh: Vec<u32>,
    /// No exchange stalls before this time.
    next: Option<Instant>,
    /// The last time at which the windows had room for something that had waited.
    relieved_at: Option<Instant>,
    timer: Timer,
}

impl Stalls {
    /// The exchange has begun to wait.
    #[inline]
    pub(super) fn begins(&mut self, id: u32) {
        self.fresh.push(id);
    }

    /// The windows had room for a part of what waits on the stream of `exchange`, if the stream is still there.
    pub(super) fn relieved(&mut self, now: Instant, limits: &Limits, exchange: Option<&mut Exchange>) {
        self.relieved_at = Some(now);
        if let Some(stalls_at) = exchange.and_then(|exchange| exchange.stalls_at.as_mut()) {
            *stalls_at = now.checked_add(limits.write_timeout).unwrap_or(*stalls_at);
        }
    }

    fn note(&mut self, stalls_at: Option<Instant>) {
        self.next = [self.next, stalls_at].into_iter().flatten().min();
    }
}

impl Http2 {
    /// Ends the exchanges that have waited too long: refuses requests, and resets the streams of replies.
    pub(super) fn end_stalled(&mut self, turn: &mut Turn<'_, '_>) {
        let mut fresh = mem::take(&mut self.stalls.fresh);
        fresh.drain(..).for_each(|id| self.watch(turn.now, id));
        self.stalls.fresh = fresh;
        while let Some(next) = self.stalls.next {
            if next > turn.now && Pin::new(&mut self.stalls.timer).poll(turn.cx, next).is_pending() {
                return;
            }
            let now = turn.now.max(next);
            self.stalls.next = None;
            for id in self.connection.as_ref().map(|connection| connection.ids()).unwrap_or_default() {
                self.end_if_stalled(turn, now, id);
            }
        }
    }

    /// Sets the time at which the exchange stalls, if it still waits.
    fn watch(&mut self, now: Instant, id: u32) {
        let Some(connection) = &mut self.connection else { return };
        let is_reply = connection.pending_bytes(id) > 0 && !self.calls.contains(id);
        let Some(exchange) = connection.stream(id) else { return };
        if exchange.waits().is_some() {
            exchange.goes_on(&mut self.calls, now, &self.shared.limits);
        } else if is_reply {
            exchange.stalls_at = now.checked_add(self.shared.limits.write_timeout);
        }
        self.stalls.note(exchange.stalls_at);
    }

    fn end_if_stalled(&mut self, turn: &mut Turn<'_, '_>, now: Instant, id: u32) {
        let Some(connection) = &mut self.connection else { return };
        let is_window_closed = connection.is_window_closed(id);
        let Some(exchange) = connection.stream(id) else { return };
        let Some(stalls_at) = exchange.stalls_at else { return };
        let limits = &self.shared.limits;
        if let Some((deadline, _)) = exchange.waits() {
            let is_expired = deadline.has_passed(now);
            if stalls_at > now {
                return self.stalls.note(Some(stalls_at));
            }
            let late = format!("the rest of the request did not arrive within read_timeout {:?}", limits.read_timeout);
            let late = Status::cancelled(late).with_phase(Phase::Queue).with_ran(Ran::No);
            return self.refuse(turn.output, id, if is_expired { not_begun() } else { late });
        }
        // A stream whose own window has room waits for its turn, as long as other streams go on.
        let relieved_at = self.stalls.relieved_at.filter(|_| !is_window_closed);
        let patience = relieved_at.and_then(|at| at.checked_add(limits.write_timeout));
        let stalls_at = patience.map_or(stalls_at, |patience| patience.max(stalls_at));
        if stalls_at > now {
            return self.stalls.note(Some(stalls_at));
        }
        tracing::debug!(peer = %self.peer.address, "the windows had no room for a reply within write_timeout");
        connection.reset(id, ErrorCode::Cancel, turn.output);
    }
}
