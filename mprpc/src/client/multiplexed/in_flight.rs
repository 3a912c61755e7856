//! The state of a native connection at the caller's side: the in-flight table, and what waits to be written. Touches no
//! socket and reads no clock.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;

use super::round_trip::RoundTrip;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::inbox::Inbox;
use crate::limits::Limits;
use crate::method::{Method, MethodDescriptor};
use crate::net::SendBuffer;
use crate::protocol::Message;
use crate::protocol::flow::{Flow, Windows};
use crate::protocol::native::{self, Header, Keepalive, Look, PingGuard, Settings, flag, kind};
use crate::status::{Phase, Ran, Status};

/// What callers and the driver of a connection share, under one lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) output: SendBuffer,
    /// Somebody has taken the output and writes it.
    pub(super) writing: bool,
    /// The in-flight table: a call's id on the wire is its place here, plus one.
    pub(super) calls: Slab<InFlight>,
    /// How many of them the peer has not answered yet.
    pub(super) in_flight: usize,
    /// Since when that is none, as far as the driver has seen.
    pub(super) idle_since: Option<Instant>,
    /// Of the last call that was begun: tells calls apart that have the same id, one after the other.
    pub(super) serial: u64,
    /// The number of each method on this connection: of generated ones by the address of the descriptor, of others by
    /// path.
    methods: HashMap<usize, u16>,
    named_methods: HashMap<String, u16>,
    /// Generated methods that were called lately, each at its [`place`]: nearly all calls find their number here.
    recent_methods: [(usize, u16); RECENT_METHODS],
    /// Requests on their way, and replies that have not been read.
    pub(super) sent: Flow,
    pub(super) received: Flow,
    /// Request streams that wait for room in the window of the connection, and in the send buffer.
    pub(super) stalled: VecDeque<(usize, u64)>,
    pub(super) crowded: Vec<Waker>,
    /// How often those were woken: each waits in there once at most.
    pub(super) crowds: u64,
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
    pub(super) round_trip: RoundTrip,
    /// When it was measured last.
    pub(super) measured_at: Option<Instant>,
    /// When something was read last, for as long as the turn may go by that.
    pub(super) read_at: Option<Instant>,
    pub(super) pings: PingGuard,
    /// The value of a PING that is answered once there is room.
    pub(super) owed_pong: Option<u32>,
}

/// A call whose last reply has not come, or has not been taken.
pub(super) struct InFlight {
    pub(super) outcome: Outcome,
    pub(super) deadline: Deadline,
    /// Where its request ends in the stream of bytes.
    pub(super) ends_at: u64,
    /// Its id is free again: the peer has answered, or is gone.
    pub(super) answered: bool,
    pub(super) serial: u64,
    pub(super) begun: Instant,
    /// Where what comes beside the reply is told, if anybody wants to know.
    pub(super) context: Option<Context>,
    /// Of a call that streams; and of one whose reply came as a stream.
    pub(super) streams: Option<Box<Streams>>,
}

/// What is known of the streams of a call.
#[derive(Default)]
pub(super) struct Streams {
    /// Bytes outstanding: of requests sent, and of replies received.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// The stream of replies, where the method has one.
    pub(super) replies: Option<Arc<Inbox>>,
    /// The reply of a method that has one, where it came as a stream of one.
    only: Option<Message>,
    /// What sends the stream of requests, and what its next message costs while it waits to be sent.
    pub(super) pump: Option<Waker>,
    pub(super) waiting: u64,
    /// It stands in `stalled`.
    pub(super) is_stalled: bool,
}

pub(super) enum Outcome {
    Awaited(Option<Waker>),
    /// To be taken by the one who awaits it.
    Known(Result<Answer, Status>),
    /// The stream of replies was handed over, and goes on.
    Streaming,
    /// Nobody waits for it any more.
    Abandoned,
}

/// What came of a call that did not fail.
pub(super) enum Answer {
    Message(Message),
    /// A stream of replies has begun.
    Stream,
}

impl InFlight {
    /// A call that begins.
    #[inline(always)]
    pub(super) fn new(
        deadline: Deadline,
        context: Option<Context>,
        ends_at: u64,
        serial: u64,
        begun: Instant,
        waker: Option<&Waker>,
    ) -> InFlight {
        InFlight {
            outcome: Outcome::Awaited(waker.cloned()),
            deadline,
            ends_at,
            answered: false,
            serial,
            begun,
            context,
            streams: None,
        }
    }

    /// Its streams. A unary call has none until it is asked for them.
    pub(super) fn streams(&mut self) -> &mut Streams {
        self.streams.get_or_insert_default()
    }

    fn take_pump(&mut self) -> Option<Waker> {
        self.streams.as_mut().and_then(|streams| streams.pump.take())
    }

    /// The stream of replies, where the method has one.
    pub(super) fn replies(&self) -> Option<&Arc<Inbox>> {
        self.streams.as_ref().and_then(|streams| streams.replies.as_ref())
    }

    /// Whether its caller still waits for something to come.
    pub(super) fn is_awaited(&self) -> bool {
        match self.outcome {
            Outcome::Awaited(_) | Outcome::Streaming => !self.answered,
            Outcome::Known(Ok(Answer::Stream)) => !self.answered,
            Outcome::Known(_) | Outcome::Abandoned => false,
        }
    }

    /// Whether it is a unary call that was not answered and not given up.
    pub(super) fn awaits_only_a_message(&self) -> bool {
        self.streams.is_none() && !self.answered && matches!(self.outcome, Outcome::Awaited(_))
    }

    /// The one reply is there, or why there is none; whoever waits for it is to be woken.
    #[inline(always)]
    fn answer(&mut self, reply: Result<Option<Message>, Status>, wakers: &mut Vec<Waker>) {
        if let Outcome::Awaited(waker) = &mut self.outcome {
            wakers.extend(waker.take());
            let missing = || Status::internal("the server sent no reply").with_phase(Phase::Reply);
            let reply = reply.and_then(|reply| reply.ok_or_else(missing));
            self.outcome = Outcome::Known(reply.map(Answer::Message));
        }
    }

    /// The stream of replies has begun.
    fn open(&mut self, wakers: &mut Vec<Waker>) {
        if let Outcome::Awaited(waker) = &mut self.outcome {
            wakers.extend(waker.take());
            self.outcome = Outcome::Known(Ok(Answer::Stream));
        }
    }
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

    /// The number of a method that was introduced.
    #[inline(always)]
    pub(super) fn method_number(&mut self, method: &Method) -> Option<u16> {
        let Some(descriptor) = method.as_static() else {
            return self.named_methods.get(&*method.path).copied();
        };
        let address = address(descriptor);
        let recent = &mut self.recent_methods[place(address)];
        if recent.0 != address {
            *recent = (address, *self.methods.get(&address)?);
        }
        Some(recent.1)
    }

    /// Gives it a number, by a METHOD frame; `None` where there are `methods_max` already.
    pub(super) fn introduce(&mut self, method: &Method, methods_max: usize) -> Option<u16> {
        let next = self.methods.len() + self.named_methods.len();
        let next = u16::try_from(next).ok().filter(|_| next < methods_max)?;
        match method.as_static() {
            Some(descriptor) => self.methods.insert(address(descriptor), next),
            None => self.named_methods.insert(method.path.clone().into_owned(), next),
        };
        self.frame(Header { kind: kind::METHOD, word: next, ..Header::default() }, method.path.as_bytes());
        Some(next)
    }

    /// Sends a request: its message and the flags of that, or the begin of a stream.
    #[inline(always)]
    pub(super) fn request(
        &mut self,
        key: usize,
        method: u16,
        message: Option<(&Bytes, u8)>,
        metadata: &[u8],
        granted: Option<Duration>,
    ) {
        let flags = message.map_or(flag::OPEN, |(_, flags)| flag::END | flags);
        let size = message.map_or(0, |(bytes, _)| bytes.len());
        let value = granted.map_or(0, remaining_us);
        let header =
            Header { kind: kind::REQUEST, flags, word: method, id: key as u32 + 1, value, ..Header::default() };
        let before = self.output.len();
        native::encode_head(self.output.tail(), header, metadata, size);
        if let Some((message, _)) = message {
            self.output.push_shared(message);
        }
        self.queued += (self.output.len() - before) as u64;
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

    /// A call begins; whether the peer is looked after from now on, and the driver's timer has to be set for it.
    pub(super) fn used(&mut self, now: Instant, limits: &Limits) -> bool {
        self.in_flight += 1;
        self.idle_since = None;
        self.keepalive.begin(now, || self.peer.pace(limits))
    }

    /// The look after the peer at `now`: sends a PING where that is due; false where the last was not answered. Bytes may
    /// be `stalled` that it does not take.
    pub(super) fn peer_is_alive(&mut self, now: Instant, stalled: bool, limits: &Limits) -> bool {
        let look = self.keepalive.look(now, self.in_flight > 0, stalled, self.peer.pace(limits));
        if look == Look::Ping {
            self.frame(Header { kind: kind::PING, ..Header::default() }, &[]);
        }
        look != Look::Dead
    }

    /// Answers a PING. While the send buffer is full only the last one waits: a peer that asks and does not read gets no
    /// more memory for that. It is read from all the same, or two sides that are full would wait for each other.
    pub(super) fn pong(&mut self, value: u32, send_buffer_bytes_max: usize) {
        if self.output.len() > send_buffer_bytes_max {
            self.owed_pong = Some(value);
        } else {
            self.frame(Header { kind: kind::PONG, value, ..Header::default() }, &[]);
        }
    }

    /// Takes no new calls from now on; ends once nothing is left to do.
    pub(super) fn retire(&mut self, why: Status) {
        self.ended.get_or_insert(why);
    }

    /// Whether no call was in flight for `idle_timeout`.
    #[inline(always)]
    pub(super) fn is_idle(&self, now: Instant, limits: &Limits) -> bool {
        self.idle_at(limits).is_some_and(|at| at <= now)
    }

    /// When that is.
    #[inline(always)]
    pub(super) fn idle_at(&self, limits: &Limits) -> Option<Instant> {
        self.idle_since?.checked_add(limits.idle_timeout)
    }

    /// A message of a request stream, or its end.
    pub(super) fn data(&mut self, key: usize, message: Option<Message>) {
        let flags = message.as_ref().map_or(flag::OPEN | flag::END, Message::flags);
        let message = message.map(|message| message.bytes).unwrap_or_default();
        let header = Header { kind: kind::DATA, flags, id: key as u32 + 1, ..Header::default() };
        native::encode_head(self.output.tail(), header, &[], message.len());
        self.queued += (native::HEADER_BYTES + message.len()) as u64;
        self.output.push(message);
    }

    /// Tells the peer that nobody waits for a call any more, and forgets who did.
    pub(super) fn cancel(&mut self, key: usize, code: u16) {
        let call = &mut self.calls[key];
        call.outcome = Outcome::Abandoned;
        let pump = call.take_pump();
        if call.answered {
            self.calls.remove(key);
        } else {
            self.frame(Header { kind: kind::CANCEL, word: code, id: key as u32 + 1, ..Header::default() }, &[]);
        }
        if let Some(pump) = pump {
            pump.wake();
        }
        self.wake_driver();
    }

    /// A stream of replies has begun, or what stands before a reply came.
    pub(super) fn open(&mut self, key: usize, wakers: &mut Vec<Waker>) {
        if let Some(call) = self.calls.get_mut(key).filter(|call| call.replies().is_some()) {
            call.open(wakers);
        }
    }

    /// A message of a stream of replies. The error is what the peer did against the protocol.
    pub(super) fn reply(
        &mut self,
        key: usize,
        message: Message,
        windows: Windows,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let Some(call) = self.calls.get_mut(key) else { return Ok(()) };
        if call.answered {
            return Err(format!("a message for call {}, which has ended", key + 1));
        }
        let Some(replies) = call.replies().cloned() else {
            // A peer that does not know the kind of the method, as a proxy, sends its reply as a stream of one.
            if call.streams().only.replace(message).is_some() && call.is_awaited() {
                let status = Status::internal("several messages where one was expected").with_phase(Phase::Reply);
                self.give_up(key, status, wakers);
            }
            return Ok(());
        };
        let cost = message.cost();
        let received = &mut call.streams().received;
        self.received.check(*received, cost, windows)?;
        self.received.sent(received, cost);
        call.open(wakers);
        wakers.extend(replies.push(message).1);
        Ok(())
    }

    /// The peer has read this much of a stream of requests.
    pub(super) fn credited(&mut self, key: usize, bytes: u64, wakers: &mut Vec<Waker>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        self.sent.credited(&mut call.streams().sent, bytes);
        wakers.extend(call.take_pump());
        self.wake_stalled(wakers);
    }

    /// Room in the window of the connection goes to those who wait for it, first come, first served.
    fn wake_stalled(&mut self, wakers: &mut Vec<Waker>) {
        let windows = self.peer.windows();
        while let Some((key, serial)) = self.stalled.front() {
            let call = self.calls.get_mut(*key).filter(|call| call.serial == *serial);
            if let Some(streams) = call.and_then(|call| call.streams.as_mut()) {
                if self.sent.admits(streams.sent, streams.waiting, windows) {
                    wakers.extend(streams.pump.take());
                } else if streams.sent + streams.waiting <= windows.stream {
                    return;
                }
                // What waits for its own window is woken by its credit.
                streams.is_stalled = false;
            }
            self.stalled.pop_front();
        }
    }

    /// A call has ended, well or not; hands over who waits for it. Frees the id when the peer has `answered`. A stream
    /// ends with a last message, or without.
    ///
    /// Inlined, as nearly all calls have no streams, and their outcome is a message: of this little is left then.
    #[inline(always)]
    pub(super) fn complete(
        &mut self,
        key: usize,
        outcome: Result<Option<Message>, Status>,
        answered: bool,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(call) = self.calls.get_mut(key) else { return };
        if answered && !mem::replace(&mut call.answered, true) {
            self.in_flight -= 1;
        }
        call.deadline = Deadline::NONE;
        if call.streams.is_none() {
            call.answer(outcome, wakers);
        } else {
            self.end_streams(key, outcome, wakers);
        }
        let call = &self.calls[key];
        if call.answered && matches!(call.outcome, Outcome::Abandoned) {
            self.calls.remove(key);
        }
        if answered && !self.stalled.is_empty() {
            self.wake_stalled(wakers);
        }
    }

    /// The same, as far as it is about the streams of a call that has some.
    fn end_streams(&mut self, key: usize, outcome: Result<Option<Message>, Status>, wakers: &mut Vec<Waker>) {
        let call = &mut self.calls[key];
        let Some(streams) = &mut call.streams else { return };
        if call.answered {
            self.sent.ended(&mut streams.sent);
            self.received.ended(&mut streams.received);
        }
        wakers.extend(streams.pump.take());
        let Some(replies) = streams.replies.clone() else {
            let only = streams.only.take();
            return call.answer(outcome.map(|reply| reply.or(only)), wakers);
        };
        match call.outcome {
            Outcome::Abandoned => return,
            // A stream of replies ends where it is read, unless it fails before it has begun.
            Outcome::Awaited(_) if outcome.is_err() => return call.answer(outcome, wakers),
            _ => {}
        }
        let end = outcome.map(|last| {
            if let Some(message) = last {
                wakers.extend(replies.push(message).1);
            }
        });
        wakers.extend(replies.end(end));
        call.open(wakers);
        if matches!(call.outcome, Outcome::Streaming) {
            call.outcome = Outcome::Abandoned;
        }
    }

    /// Fails a call whose peer still has to answer.
    pub(super) fn give_up(&mut self, key: usize, status: Status, wakers: &mut Vec<Waker>) {
        let header = Header { kind: kind::CANCEL, word: status.code() as u16, id: key as u32 + 1, ..Header::default() };
        self.frame(header, &[]);
        self.complete(key, Err(status), false, wakers);
    }

    /// Those who wait for room in the send buffer.
    pub(super) fn take_crowded(&mut self) -> Vec<Waker> {
        self.crowds += 1;
        mem::take(&mut self.crowded)
    }

    /// Wakes the streams of requests: there may be room, or nothing to wait for.
    pub(super) fn wake_pumps(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.take_crowded());
        wakers.extend(self.calls.iter_mut().filter_map(|(_, call)| call.take_pump()));
    }
}

fn address(descriptor: &'static MethodDescriptor) -> usize {
    std::ptr::from_ref(descriptor) as usize
}

/// Where a method is looked for first. The methods of a service, which stand side by side in memory, have places of
/// their own.
fn place(address: usize) -> usize {
    address / size_of::<MethodDescriptor>() % RECENT_METHODS
}

const RECENT_METHODS: usize = 8;

/// Time as a REQUEST says it: at least 1, as 0 means that there is no deadline. What is beyond 71 minutes is as much as
/// the field can say, and does not expire at the server.
fn remaining_us(granted: Duration) -> u32 {
    let seconds = u32::try_from(granted.as_secs()).unwrap_or(u32::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(granted.subsec_micros()).max(1)
}
