//! The state of a native connection at the caller's side: the in-flight table, and what waits to be written. Touches no
//! socket and reads no clock.

use std::collections::HashMap;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;

use crate::client::transport::Request;
use crate::deadline::Deadline;
use crate::method::MethodDescriptor;
use crate::net::SendBuffer;
use crate::protocol::native::{self, Header, Settings, flag, kind};
use crate::status::{Phase, Ran, Status};

/// What callers and the driver of a connection share, under one lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) output: SendBuffer,
    /// Somebody has taken the output and writes it.
    pub(super) writing: bool,
    /// The in-flight table: a call's id on the wire is its place here, plus one.
    pub(super) calls: Slab<InFlight>,
    /// The number of each method on this connection, by the address of its descriptor.
    pub(super) methods: HashMap<usize, u16>,
    pub(super) peer: Settings,
    /// Why no new call is taken.
    pub(super) ended: Option<Status>,
    /// The connection itself is gone, not only closed to new calls.
    pub(super) disconnected: bool,
    /// No handle is left.
    pub(super) released: bool,
    pub(super) driver: Option<Waker>,
    /// Bytes ever appended to the output, and ever written or being written: what is between them was not sent.
    pub(super) queued: u64,
    pub(super) written: u64,
    /// No call expires before this.
    pub(super) earliest_deadline: Option<Instant>,
    /// The peer has greeted.
    pub(super) greeted: bool,
    /// The endpoint is to blame for the end of the connection: it did not greet, or gave no sign of life.
    pub(super) fault: Option<Status>,
    pub(super) keepalive: Keepalive,
}

/// A call whose last reply has not come, or has not been taken.
pub(super) struct InFlight {
    pub(super) outcome: Outcome,
    pub(super) deadline: Deadline,
    /// Where its request ends in the stream of bytes.
    pub(super) ends_at: u64,
    /// Its id is free again: the peer has answered, or is gone.
    pub(super) answered: bool,
}

pub(super) enum Outcome {
    Awaited(Option<Waker>),
    Known(Result<Bytes, Status>),
    /// Nobody waits for it any more.
    Abandoned,
}

/// Whether the peer of calls in flight is alive: asked for at intervals, not at each read.
#[derive(Default)]
pub(super) struct Keepalive {
    /// When to look next; `None` while no call is in flight.
    pub(super) look_at: Option<Instant>,
    /// Something came since the last look.
    pub(super) heard: bool,
    /// A PING was sent at the last look.
    pinged: bool,
}

impl State {
    pub(super) fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Everything is written, the last CANCEL too, and nobody waits for a reply.
    pub(super) fn is_done(&self) -> bool {
        let mut outcomes = self.calls.iter().map(|(_, call)| &call.outcome);
        self.output.is_empty() && !self.writing && outcomes.all(|outcome| matches!(outcome, Outcome::Abandoned))
    }

    /// The number of a method, given by a METHOD frame at its first call. 65,536 methods are more than a service has.
    pub(super) fn method_number(&mut self, method: &'static MethodDescriptor) -> u16 {
        let next = self.methods.len() as u16;
        let place = std::ptr::from_ref(method) as usize;
        match self.methods.get(&place) {
            Some(number) => *number,
            None => {
                self.methods.insert(place, next);
                let header = Header { kind: kind::METHOD, word: next, ..Header::default() };
                self.frame(header, method.path.as_bytes());
                next
            }
        }
    }

    pub(super) fn request(&mut self, key: usize, method: u16, request: &Request, metadata: &[u8], now: Instant) {
        let mut length = request.message.len();
        let mut flags = flag::END;
        if !metadata.is_empty() {
            flags |= flag::METADATA;
            length += size_of::<u32>() + metadata.len();
        }
        let header = Header {
            length: native::wire_length(length),
            kind: kind::REQUEST,
            flags,
            word: method,
            id: key as u32 + 1,
            value: remaining_ms(request.deadline, now),
        };
        let before = self.output.len();
        let tail = self.output.tail();
        tail.extend_from_slice(&header.encode());
        if !metadata.is_empty() {
            tail.extend_from_slice(&native::wire_length(metadata.len()).to_le_bytes());
            tail.extend_from_slice(metadata);
        }
        self.output.push(request.message.clone());
        self.queued += (self.output.len() - before) as u64;
        self.calls[key].ends_at = self.queued;
    }

    pub(super) fn frame(&mut self, header: Header, body: &[u8]) {
        native::encode_frame(self.output.tail(), header, body);
        self.queued += (native::HEADER_BYTES + body.len()) as u64;
    }

    /// Notes a deadline; whether the driver's timer has to fire earlier for it.
    pub(super) fn expects(&mut self, deadline: Deadline) -> bool {
        let Some(at) = deadline.instant() else {
            return false;
        };
        let earlier = self.earliest_deadline.is_none_or(|earliest| at < earliest);
        if earlier {
            self.earliest_deadline = Some(at);
        }
        earlier
    }

    /// Whether the peer has greeted, once that is known.
    pub(super) fn greeting(&self) -> Option<Result<(), Status>> {
        let ended = |why: &Status| Err(why.clone().with_phase(Phase::Connect).with_ran(Ran::No));
        if self.greeted { Some(Ok(())) } else { self.ended.as_ref().map(ended) }
    }

    /// Looks after the peer from now on, if nobody does; whether the driver's timer has to be set for it.
    pub(super) fn looks_after_the_peer(&mut self, now: Instant, interval: Duration) -> bool {
        let begins = self.keepalive.look_at.is_none();
        if begins {
            self.keepalive = Keepalive { look_at: now.checked_add(interval), heard: false, pinged: false };
        }
        begins
    }

    /// The look at `now`: sends a PING where nothing came, and returns false where nothing came after that either.
    pub(super) fn peer_is_alive(&mut self, now: Instant, interval: Duration, timeout: Duration) -> bool {
        if self.calls.is_empty() {
            self.keepalive.look_at = None;
            return true;
        }
        let heard = std::mem::take(&mut self.keepalive.heard);
        if !heard && self.keepalive.pinged {
            return false;
        }
        self.keepalive.pinged = !heard;
        self.keepalive.look_at = now.checked_add(if heard { interval } else { timeout });
        if !heard {
            self.frame(Header { kind: kind::PING, ..Header::default() }, &[]);
        }
        true
    }

    /// The outcome of a call that is awaited; hands its waker over. Frees the id when the peer has `answered`.
    pub(super) fn complete(
        &mut self,
        key: usize,
        outcome: Result<Bytes, Status>,
        answered: bool,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(call) = self.calls.get_mut(key) else {
            return;
        };
        call.answered |= answered;
        match &mut call.outcome {
            Outcome::Awaited(waker) => {
                wakers.extend(waker.take());
                call.outcome = Outcome::Known(outcome);
            }
            Outcome::Known(_) => {}
            Outcome::Abandoned if call.answered => {
                self.calls.remove(key);
            }
            Outcome::Abandoned => {}
        }
    }
}

fn remaining_ms(deadline: Deadline, now: Instant) -> u32 {
    let Some(remaining) = deadline.remaining(now) else {
        return 0;
    };
    // Rounded up, and at least 1: 0 means that there is no deadline.
    u32::try_from(remaining.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX).max(1)
}
