//! The server's half of an HTTP/1.1 connection: one request after the other. The next request is taken once the response to
//! the request before is complete.

mod replies;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use self::replies::Replies;
use super::calls::{Calls, Due, Lifetime, ReplyWriter};
use super::memory::Account;
use super::shared::Shared;
use super::web::{AfterHead, DISCARDED_BYTES_MAX, Exchange, Head, HttpMethod, HttpVersion, Start, WebFields, broken};
use crate::context::Peer;
use crate::metadata::Metadata;
use crate::net::clock;
use crate::net::connection::{Close, Turn};
use crate::protocol::Pace;
use crate::protocol::flow::Windows;
use crate::protocol::http::date::encode_date;
use crate::protocol::http1::{
    self, BodyDecoder, BodyLength, CONTINUE, Decoded, HeadDecoder, ResponseEncoder, Violation,
};
use crate::status::{Phase, Status};

/// The state of an HTTP/1.1 connection.
pub(super) struct Http1 {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    calls: Calls,
    lifetime: Lifetime,
    heads: HeadDecoder,
    current: Option<Current>,
    /// The id of the last request.
    last_id: u32,
    /// The bytes that have arrived and cannot be taken yet: the next request, or more of a stream than fits its window.
    left_over: usize,
    /// Whether the head of a request is incomplete.
    is_inside_a_head: bool,
}

/// A request and its response.
struct Current {
    id: u32,
    exchange: Exchange,
    /// `None` once the body has arrived.
    body: Option<BodyDecoder>,
    encoder: ResponseEncoder,
    /// Whether the body is too long to be taken only so that the next request can follow.
    is_long: bool,
    /// Whether the peer waits for an answer before it sends the body.
    awaits_continue: bool,
    /// Whether the head of the response is sent, and whether the whole response is.
    has_head: bool,
    is_answered: bool,
    /// Whether too much of the body came after the response.
    is_beyond: bool,
}

/// The connection reads so many bytes that it cannot take yet. So it learns that the peer is gone, even if the peer has sent
/// its next request before.
const LEFT_OVER_BYTES_MAX: usize = 64 << 10;

/// HTTP/1.1 has no PING. The system probes the peer instead: see `Turn::probes_peer`.
const NO_KEEPALIVE: Pace = Pace { interval: Duration::MAX, timeout: Duration::MAX };

impl Http1 {
    /// Creates the state of a connection that begins at `now`.
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>, memory: Arc<Account>, now: Instant) -> Http1 {
        Http1 {
            calls: Calls::new(shared.clone(), peer.clone(), memory, now),
            lifetime: Lifetime::new(now, &shared.limits, fastrand::f64()),
            heads: HeadDecoder::new(&shared.limits),
            current: None,
            last_id: 0,
            left_over: 0,
            is_inside_a_head: false,
            shared,
            peer,
        }
    }

    /// Tells a peer that came in plain text to a TLS address why it is not served.
    pub(super) fn refuse_plain_text(turn: &mut Turn<'_, '_>) {
        let text = "This address speaks TLS, and the request came in plain text. The URL begins with https.";
        send_violation(turn, &Violation { status: 400, text: text.into() });
    }

    /// Bytes that have arrived and belong to no call yet, and those of request streams that nobody has read.
    #[inline]
    pub(super) fn held_bytes(&self) -> usize {
        self.calls.unread_bytes() + self.current.as_ref().map_or(0, |current| current.exchange.held_bytes())
    }

    /// The number of parked calls, and the unread bytes of their request streams.
    #[cfg(any(test, fuzzing))]
    pub(super) fn held(&self) -> (usize, u64) {
        (self.calls.len(), self.calls.unread_bytes() as u64)
    }

    /// Whether the connection may read. It reads during a call too, to learn that the peer is gone.
    #[inline]
    pub(super) fn may_read(&self) -> bool {
        self.left_over <= LEFT_OVER_BYTES_MAX || self.takes_input()
    }

    /// Whether bytes that arrive can be taken.
    fn takes_input(&self) -> bool {
        match &self.current {
            Some(current) => {
                current.body.is_some() && self.calls.unread_bytes() <= self.shared.limits.stream_window_bytes
            }
            None => true,
        }
    }

    /// Takes requests. Returns whether a request is incomplete.
    pub(super) fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        self.calls.begin_turn();
        let taken = self.take(turn, input);
        self.calls.end_turn(turn.now);
        match taken {
            Ok(taken) => taken,
            Err(violation) => ControlFlow::Break(self.violated(turn, &violation)),
        }
    }

    fn take(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> Result<ControlFlow<Close, bool>, Violation> {
        self.left_over = 0;
        loop {
            if let ControlFlow::Break(close) = self.finish() {
                return Ok(ControlFlow::Break(close));
            }
            let is_full = turn.output.len() > self.shared.limits.send_buffer_bytes_max;
            if is_full || self.calls.is_paused() || !self.takes_input() {
                self.left_over = input.len();
                turn.paused = is_full || self.calls.is_paused() || self.left_over > LEFT_OVER_BYTES_MAX;
                return Ok(ControlFlow::Continue(false));
            }
            let Some(current) = &mut self.current else {
                let Some(head) = self.heads.decode(input)? else {
                    self.is_inside_a_head = !input.is_empty();
                    return Ok(ControlFlow::Continue(self.is_inside_a_head));
                };
                self.is_inside_a_head = false;
                self.lifetime.used(turn.now);
                self.request(turn, head);
                continue;
            };
            let Some(body) = &mut current.body else { continue };
            match body.decode(input)? {
                Decoded::NeedMore => {
                    current.exchange.compact();
                    let is_due = current.is_answered || current.exchange.is_incomplete();
                    return Ok(ControlFlow::Continue(is_due || !input.is_empty()));
                }
                Decoded::Data(bytes) => self.data(turn, bytes),
                Decoded::End(_) => {
                    current.body = None;
                    self.body_ended(turn);
                }
            }
        }
    }

    /// Takes the head of a request.
    fn request(&mut self, turn: &mut Turn<'_, '_>, head: http1::Head) {
        self.last_id = self.last_id.wrapping_add(1);
        let id = self.last_id;
        let (mut fields, mut metadata) = (WebFields::default(), Metadata::new());
        for (name, value) in head.fields.iter() {
            fields.take_or_append(&mut metadata, name, value);
        }
        let (content_length, is_long) = match head.body {
            BodyLength::Length(length) => (Some(length), length > DISCARDED_BYTES_MAX),
            BodyLength::Chunked => (None, false),
        };
        let request = Head {
            version: HttpVersion::Http1,
            method: HttpMethod::of(head.method().as_bytes()),
            path: head.path(),
            query: head.query(),
            fields,
            metadata,
            content_length,
            is_too_long: false,
            message_bytes_max: self.shared.limits.message_bytes_max.min(self.calls.memory().connection_bytes_max()),
        };
        let mut exchange = Exchange::new(&self.shared, request, turn.now);
        if exchange.is_call() {
            self.calls.arrived();
        }
        let after_head = exchange.after_head();
        self.current = Some(Current {
            id,
            exchange,
            body: Some(BodyDecoder::new(head.body, &self.shared.limits)),
            encoder: ResponseEncoder::new(&head),
            is_long,
            awaits_continue: head.expects_continue,
            has_head: false,
            is_answered: false,
            is_beyond: false,
        });
        let begun = match after_head {
            AfterHead::Answer => return self.replies(turn).answer(id),
            AfterHead::Stream(start) => self.begin_stream(turn, id, start),
            AfterHead::Body => self.calls.check_room(),
        };
        if let Err(status) = begun {
            return self.replies(turn).refuse(id, status);
        }
        if let Some(current) = self.current.as_mut().filter(|current| current.awaits_continue && !current.is_answered) {
            current.awaits_continue = false;
            turn.output.tail().extend_from_slice(CONTINUE);
        }
    }

    fn begin_stream(&mut self, turn: &mut Turn<'_, '_>, id: u32, start: Start) -> Result<(), Status> {
        let Http1 { shared, calls, current, lifetime, .. } = self;
        let mut replies = Replies { output: turn.output, current, shared, is_leaving: lifetime.is_leaving() };
        let window = shared.limits.stream_window_bytes as u64;
        start.begin_stream(id, calls, turn.now, false, window, &mut replies)
    }

    fn replies<'a>(&'a mut self, turn: &'a mut Turn<'_, '_>) -> Replies<'a> {
        let Http1 { shared, current, lifetime, .. } = self;
        Replies { output: turn.output, current, shared, is_leaving: lifetime.is_leaving() }
    }

    /// Takes a part of the body.
    fn data(&mut self, turn: &mut Turn<'_, '_>, bytes: Bytes) {
        let Http1 { current: Some(current), calls, .. } = self else { return };
        let id = current.id;
        if current.is_answered {
            current.is_beyond = current.exchange.discards(bytes.len());
            return;
        }
        let taken = current.exchange.received(bytes, |message| {
            // The call may have ended already.
            let _ = calls.request(id, Some(message), false, Windows::UNBOUNDED);
            Ok(())
        });
        let taken = match taken {
            Ok(_) if calls.is_shedding() && current.exchange.held_bytes() > 0 => Err(calls.memory().refusal()),
            taken => taken.map(drop),
        };
        if let Err(status) = taken {
            self.fail(turn, id, broken(status));
        }
    }

    /// Takes the end of the body.
    fn body_ended(&mut self, turn: &mut Turn<'_, '_>) {
        let Http1 { current: Some(current), calls, .. } = self else { return };
        if current.is_answered {
            return;
        }
        let id = current.id;
        let started = match current.exchange.ended() {
            Ok(Some(start)) => self.begin(turn, id, start),
            Ok(None) => {
                // The call may have ended already.
                let _ = calls.request(id, None, true, Windows::UNBOUNDED);
                Ok(())
            }
            Err(status) => Err(broken(status)),
        };
        if let Err(status) = started {
            self.fail(turn, id, status);
        }
    }

    fn begin(&mut self, turn: &mut Turn<'_, '_>, id: u32, start: Start) -> Result<(), Status> {
        let Http1 { shared, calls, current, lifetime, .. } = self;
        let mut replies = Replies { output: turn.output, current, shared, is_leaving: lifetime.is_leaving() };
        start.begin(id, calls, turn.now, shared.limits.message_bytes_max, &mut replies)
    }

    /// Fails the current call, whether or not it has begun.
    fn fail(&mut self, turn: &mut Turn<'_, '_>, id: u32, status: Status) {
        self.calls.cancel(id, status.clone());
        self.replies(turn).refuse(id, status);
    }

    /// Makes room for the next request, once the response is sent and the request has arrived.
    fn finish(&mut self) -> ControlFlow<Close> {
        let Some(current) = self.current.as_ref().filter(|current| current.is_answered) else {
            return ControlFlow::Continue(());
        };
        let is_over = current.body.is_none();
        if !current.encoder.keep_alive || current.is_beyond || self.lifetime.is_leaving() {
            return ControlFlow::Break(Close::Done);
        }
        if is_over {
            self.current = None;
        }
        ControlFlow::Continue(())
    }

    /// Answers a request that breaks the rules of HTTP/1.1.
    fn violated(&mut self, turn: &mut Turn<'_, '_>, violation: &Violation) -> Close {
        self.shared.reject_because(&self.peer, "a malformed HTTP request", &violation.text);
        let has_head = self.current.as_ref().is_some_and(|current| current.has_head);
        if let Some(current) = &self.current {
            let why = Status::cancelled("the body of the request is malformed").with_phase(Phase::Handle);
            if self.calls.cancel(current.id, why.clone()) {
                self.shared.counters.ended(&why);
            }
        }
        if !has_head {
            send_violation(turn, violation);
        }
        Close::Protocol
    }

    /// Polls the call, and does what the connection's lifetime makes due.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let Http1 { shared, calls, current, lifetime, .. } = self;
        let mut replies = Replies { output: turn.output, current, shared, is_leaving: lifetime.is_leaving() };
        calls.poll(turn.cx, turn.now, &mut replies);
        turn.paused = replies.is_full();
        self.finish()?;
        turn.paused |= self.left_over > 0 && self.takes_input();
        let requests = usize::from(self.current.is_some());
        while let Some(due) = self.lifetime.poll(turn, requests, NO_KEEPALIVE, &self.shared.limits) {
            match due {
                Due::Leave(_) => self.leave_if_idle()?,
                Due::Close => {
                    self.cut_off(turn);
                    return ControlFlow::Break(Close::Done);
                }
                Due::Ping | Due::Dead => {}
            }
        }
        ControlFlow::Continue(())
    }

    /// Fails the call that is left, as its time to finish is over.
    fn cut_off(&mut self, turn: &mut Turn<'_, '_>) {
        if let Some(id) = self.current.as_ref().filter(|current| !current.is_answered).map(|current| current.id) {
            let why = self.lifetime.outlived(&self.shared.limits);
            self.fail(turn, id, why);
        }
    }

    /// Closes the connection after the response to the current request, or at once if there is none.
    pub(super) fn go_away(&mut self, now: Instant) -> ControlFlow<Close> {
        self.lifetime.stop(now, &self.shared.limits);
        self.leave_if_idle()
    }

    fn leave_if_idle(&self) -> ControlFlow<Close> {
        match &self.current {
            None if self.is_inside_a_head => ControlFlow::Continue(()),
            // Many peers, such as browsers, keep an idle connection after the server has ended its direction.
            None => ControlFlow::Break(Close::Idle),
            Some(current) if current.is_answered => ControlFlow::Break(Close::Done),
            Some(_) => ControlFlow::Continue(()),
        }
    }
}

fn send_violation(turn: &mut Turn<'_, '_>, violation: &Violation) {
    http1::encode_violation(turn.output.tail(), violation, &encode_date(clock::unix_seconds()));
}
