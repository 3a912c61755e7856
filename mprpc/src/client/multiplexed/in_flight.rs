//! `State`: the in-flight calls and the queued output of a client connection. Touches no socket and reads no clock.

use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::Bytes;
use slab::Slab;

use super::super::retry_budget::RetryBudget;
use super::http2::Http2;
use super::round_trip::RoundTrip;
use super::silence::{SilenceWatch, Verdict};
use crate::balancer::{Load, Silent};
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

/// The state that callers and the driver of a connection share under one lock.
#[derive(Default)]
pub(super) struct State {
    pub(super) output: SendBuffer,
    /// Whether a caller or the driver has taken the output and is writing it.
    pub(super) writing: bool,
    /// The wire of a connection that speaks gRPC; `None` for the native protocol. The fields below that name frames and
    /// method numbers belong to the native protocol.
    pub(super) http2: Option<Box<Http2>>,
    /// The in-flight calls. The native id of a call is its key in this table plus one.
    pub(super) calls: Slab<InFlight>,
    /// The number of calls that the peer has not answered yet.
    pub(super) in_flight: usize,
    /// The time since which no call is in flight, as far as the driver has seen.
    pub(super) idle_since: Option<Instant>,
    /// The serial number of the latest call. It distinguishes successive calls with the same id.
    pub(super) serial: u64,
    /// Method numbers on this connection, by the address of the generated descriptor. `named_methods` holds all other
    /// methods by path.
    methods: HashMap<usize, u16>,
    named_methods: HashMap<String, u16>,
    /// The recently called generated methods, each at its [`place`]. Nearly all calls find their number here.
    recent_methods: [(usize, u16); RECENT_METHODS],
    /// Flow control of request streams (`sent`) and of reply streams (`received`).
    pub(super) sent: Flow,
    pub(super) received: Flow,
    /// Request streams that wait: `stalled` for room in the connection window, `crowded` for room in the send buffer.
    pub(super) stalled: VecDeque<(usize, u64)>,
    pub(super) crowded: Vec<Waker>,
    /// How often `crowded` was woken. Each pump waits in `crowded` at most once.
    pub(super) crowds: u64,
    pub(super) peer: Settings,
    /// The reason why the connection takes no new calls.
    pub(super) ended: Option<Status>,
    /// Whether the connection is lost, not only closed to new calls.
    pub(super) disconnected: bool,
    /// Whether the last `Multiplexed` handle is dropped.
    pub(super) released: bool,
    pub(super) driver: Option<Waker>,
    /// Total bytes appended to the output (`queued`), and total bytes written or being written (`written`). The bytes
    /// between the two were not sent.
    pub(super) queued: u64,
    pub(super) written: u64,
    /// A lower bound of the next deadline: no call expires before it.
    pub(super) earliest_deadline: Option<Instant>,
    /// Whether the peer has sent its greeting.
    pub(super) greeted: bool,
    /// The reason for which the endpoint is at fault: it sent no greeting, or did not answer the keepalive.
    pub(super) fault: Option<Status>,
    pub(super) keepalive: Keepalive,
    pub(super) round_trip: RoundTrip,
    pub(super) silence: SilenceWatch,
    /// The budget of the channel, which bounds how many calls leave a peer that does not answer.
    pub(super) retries: Option<Arc<RetryBudget>>,
    /// Takes the endpoint out of picks while the peer does not answer.
    pub(super) silent: Option<Silent>,
    /// The in-flight calls that `Load` counts.
    counted: usize,
    /// Answers that `Load` does not count yet.
    pub(super) answers: u32,
    /// The time of the last round-trip measurement.
    pub(super) measured_at: Option<Instant>,
    /// The time of the last read in the current turn of the driver.
    pub(super) read_at: Option<Instant>,
    /// The time of the last read, and the value of `written` at that time.
    pub(super) heard_at: Option<Instant>,
    pub(super) written_when_heard: u64,
    pub(super) pings: PingGuard,
    /// The value of a PING that waits for room in the send buffer to be answered.
    pub(super) owed_pong: Option<u32>,
}

/// A call whose last reply has not arrived or has not been taken.
pub(super) struct InFlight {
    pub(super) outcome: Outcome,
    pub(super) deadline: Deadline,
    /// The position in the output byte stream where the request ends.
    pub(super) ends_at: u64,
    /// Whether the call may be ended here and made elsewhere while the peer does not answer.
    pub(super) may_leave: bool,
    /// Whether the id is free again, because the peer has answered or the connection is lost.
    pub(super) answered: bool,
    pub(super) serial: u64,
    /// The HTTP/2 stream of the call; 0 in the native protocol.
    pub(super) stream: u32,
    pub(super) begun: Instant,
    /// Receives reply metadata and trailer, if the caller asked for them.
    pub(super) context: Option<Context>,
    /// The streams of a streaming call, or of a call whose only reply arrived as a stream.
    pub(super) streams: Option<Box<Streams>>,
}

/// The state of the streams of a call.
#[derive(Default)]
pub(super) struct Streams {
    /// Outstanding bytes: of the requests sent, and of the replies received.
    pub(super) sent: u64,
    pub(super) received: u64,
    /// The reply stream, if the method has one.
    pub(super) replies: Option<Arc<Inbox>>,
    /// The only reply of a method without a reply stream, if it arrived as a stream of one message.
    only: Option<Message>,
    /// The waker of the pump, and the cost of its next message while the message waits.
    pub(super) pump: Option<Waker>,
    pub(super) waiting: u64,
    /// Whether the call is in `stalled`.
    pub(super) is_stalled: bool,
}

pub(super) enum Outcome {
    Awaited(Option<Waker>),
    /// The outcome, until the caller takes it.
    Known(Result<Answer, Status>),
    /// The caller has taken the reply stream, and the stream continues.
    Streaming,
    /// No caller waits for the call any more.
    Abandoned,
}

/// The reply of a successful call.
pub(super) enum Answer {
    Message(Message),
    /// A reply stream has started.
    Stream,
}

impl InFlight {
    /// Creates the entry of a call that starts.
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
            may_leave: false,
            answered: false,
            serial,
            stream: 0,
            begun,
            context,
            streams: None,
        }
    }

    /// Returns the streams of the call and creates them if needed. A unary call has none at first.
    pub(super) fn streams(&mut self) -> &mut Streams {
        self.streams.get_or_insert_default()
    }

    fn take_pump(&mut self) -> Option<Waker> {
        self.streams.as_mut().and_then(|streams| streams.pump.take())
    }

    /// The reply stream, if the method has one.
    pub(super) fn replies(&self) -> Option<&Arc<Inbox>> {
        self.streams.as_ref().and_then(|streams| streams.replies.as_ref())
    }

    /// Whether the caller still waits for a reply or for more of a reply stream.
    pub(super) fn is_awaited(&self) -> bool {
        match self.outcome {
            Outcome::Awaited(_) | Outcome::Streaming => !self.answered,
            Outcome::Known(Ok(Answer::Stream)) => !self.answered,
            Outcome::Known(_) | Outcome::Abandoned => false,
        }
    }

    /// Whether the call is unary, not answered and not abandoned.
    pub(super) fn awaits_only_a_message(&self) -> bool {
        self.streams.is_none() && !self.answered && matches!(self.outcome, Outcome::Awaited(_))
    }

    /// Sets the outcome of a call with one reply. The waker of the waiting caller goes to `wakers`.
    #[inline(always)]
    fn answer(&mut self, reply: Result<Option<Message>, Status>, wakers: &mut Vec<Waker>) {
        if let Outcome::Awaited(waker) = &mut self.outcome {
            wakers.extend(waker.take());
            let missing = || Status::internal("the server sent no reply").with_phase(Phase::Reply);
            let reply = reply.and_then(|reply| reply.ok_or_else(missing));
            self.outcome = Outcome::Known(reply.map(Answer::Message));
        }
    }

    /// Hands the caller the reply stream, which has started.
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

    /// Whether all output is written, including the last CANCEL, and no caller waits for a reply.
    pub(super) fn is_done(&self) -> bool {
        let mut outcomes = self.calls.iter().map(|(_, call)| &call.outcome);
        self.output.is_empty() && !self.writing && outcomes.all(|outcome| matches!(outcome, Outcome::Abandoned))
    }

    /// Returns the number of a method that was introduced on this connection.
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

    /// Assigns a number to a method and queues a METHOD frame. Returns `None` if `methods_max` methods have numbers.
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

    /// Queues a REQUEST frame with a message and the flags of the message, or with the start of a request stream.
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

    /// Records a deadline. Returns whether the driver's timer must fire earlier.
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

    /// The result of the greeting, or `None` while it is unknown.
    pub(super) fn greeting(&self) -> Option<Result<(), Status>> {
        let ended = |why: &Status| Err(why.clone().with_phase(Phase::Connect).with_ran(Ran::No));
        if self.greeted { Some(Ok(())) } else { self.ended.as_ref().map(ended) }
    }

    /// Records the start of a call. Returns whether the keepalive starts now, so that the driver must set its timer.
    pub(super) fn used(&mut self, now: Instant, limits: &Limits) -> bool {
        self.in_flight += 1;
        self.idle_since = None;
        // Both start, so no `||`.
        self.silence.began(now, limits) | self.keepalive.begin(now, || self.peer.pace(limits))
    }

    /// Brings the number of in-flight calls, and that of new answers, to the load of the endpoint.
    #[inline]
    pub(super) fn count(&mut self, load: &Load) {
        if self.answers > 0 {
            load.answered(mem::take(&mut self.answers));
        }
        if self.counted != self.in_flight {
            load.add_in_flight(self.in_flight as i32 - self.counted as i32);
            self.counted = self.in_flight;
        }
    }

    /// Bytes have come from the peer.
    #[inline(always)]
    pub(super) fn heard(&mut self, now: Instant, limits: &Limits) {
        (self.read_at, self.heard_at) = (Some(now), Some(now));
        self.written_when_heard = self.written;
        self.keepalive.heard();
        if self.silence.heard(now, limits) {
            self.silent = None;
        }
    }

    /// Since when the oldest unary call in flight waits for any sign of the peer.
    fn waiting_since(&self) -> Option<Instant> {
        let calls = self.calls.iter().filter(|(_, call)| call.awaits_only_a_message());
        let oldest = calls.map(|(_, call)| call.begun).min()?;
        Some(self.heard_at.map_or(oldest, |heard| heard.max(oldest)))
    }

    /// Looks whether the peer is silent, and sends a PING if it may be. Returns whether the peer does not answer.
    pub(super) fn peer_is_silent(&mut self, now: Instant, limits: &Limits) -> bool {
        let since = self.waiting_since();
        // The PING waits behind what was written before it.
        let way = Duration::from_micros(self.queued.saturating_sub(self.written_when_heard) / BYTES_PER_US);
        match (self.silence.look(now, since, way, &self.round_trip, limits), since) {
            (Verdict::Silent, _) => return true,
            (Verdict::Suspected, Some(since)) => {
                let (accepted, pace) = (self.peer.ping_interval(), self.peer.pace(limits));
                let asked_at = if !self.greeted {
                    // The peer owes its greeting, so there is no need for a PING.
                    Some(now)
                } else if self.may_ping(now) {
                    let asked_at = self.keepalive.ask(now, accepted, pace);
                    if asked_at == Some(now) {
                        self.ping(now);
                    }
                    asked_at
                } else {
                    None
                };
                match asked_at {
                    Some(at) => self.silence.asked(at, since, &self.round_trip, limits),
                    None => self.silence.may_not_ask(now, limits),
                }
            }
            _ => {}
        }
        false
    }

    /// Runs the keepalive check at `now` and queues a PING if one is due. Returns false if the last PING was not
    /// answered. `stalled` says that the peer has not taken queued bytes.
    pub(super) fn peer_is_alive(&mut self, now: Instant, stalled: bool, limits: &Limits) -> bool {
        let (in_flight, may_ping) = (self.in_flight > 0, self.may_ping(now));
        let look = self.keepalive.look(now, in_flight, stalled, may_ping, self.peer.pace(limits));
        if look == Look::Ping {
            self.ping(now);
        }
        look != Look::Dead
    }

    /// Sends a PING, as nothing came from the peer while a call waited until its deadline, unless a PING came too soon.
    pub(super) fn suspect_peer(&mut self, now: Instant, limits: &Limits) {
        if self.keepalive.suspect(now, self.may_ping(now), self.peer.pace(limits)) {
            self.ping(now);
        }
    }

    /// Whether the peer accepts a PING now. A native peer has told its interval, which the pace keeps.
    fn may_ping(&self, now: Instant) -> bool {
        self.http2.as_ref().is_none_or(|http2| http2.pings.may_ping(now))
    }

    fn ping(&mut self, now: Instant) {
        match &mut self.http2 {
            Some(http2) => http2.ping(now, &mut self.output),
            None => native::encode_frame(self.output.tail(), Header { kind: kind::PING, ..Header::default() }, &[]),
        }
        self.count_queued();
    }

    /// Answers a PING. While the send buffer is full, only the last PING waits for its answer, so that a peer that
    /// sends PINGs and does not read costs no more memory.
    ///
    /// The driver still reads from such a peer. Otherwise two sides with full buffers would wait for each other.
    pub(super) fn pong(&mut self, value: u32, send_buffer_bytes_max: usize) {
        if self.output.len() > send_buffer_bytes_max {
            self.owed_pong = Some(value);
        } else {
            self.frame(Header { kind: kind::PONG, value, ..Header::default() }, &[]);
        }
    }

    /// Stops taking new calls. The connection ends once nothing is left to do.
    pub(super) fn retire(&mut self, why: Status) {
        self.ended.get_or_insert(why);
    }

    /// Whether no call was in flight for `idle_timeout`.
    #[inline(always)]
    pub(super) fn is_idle(&self, now: Instant, limits: &Limits) -> bool {
        self.idle_at(limits).is_some_and(|at| at <= now)
    }

    /// The time at which the connection has been idle for `idle_timeout`.
    #[inline(always)]
    pub(super) fn idle_at(&self, limits: &Limits) -> Option<Instant> {
        self.idle_since?.checked_add(limits.idle_timeout)
    }

    /// Counts the bytes that were appended to the output.
    pub(super) fn count_queued(&mut self) {
        self.queued = self.written + self.output.len() as u64;
    }

    /// Queues a message of a request stream, or the end of the stream.
    pub(super) fn data(&mut self, key: usize, message: Option<Message>) {
        if let Some(http2) = &mut self.http2 {
            let stream = self.calls[key].stream;
            match message {
                Some(message) => http2.send(stream, message, false, &mut self.output),
                None => http2.end(stream, &mut self.output),
            }
            return self.count_queued();
        }
        let flags = message.as_ref().map_or(flag::OPEN | flag::END, Message::flags);
        let message = message.map(|message| message.bytes).unwrap_or_default();
        let header = Header { kind: kind::DATA, flags, id: key as u32 + 1, ..Header::default() };
        native::encode_head(self.output.tail(), header, &[], message.len());
        self.queued += (native::HEADER_BYTES + message.len()) as u64;
        self.output.push(message);
    }

    /// Cancels a call: queues a CANCEL frame unless the peer has answered, and abandons the outcome.
    pub(super) fn cancel(&mut self, key: usize, code: u16) {
        let call = &mut self.calls[key];
        call.outcome = Outcome::Abandoned;
        let pump = call.take_pump();
        if call.answered {
            self.calls.remove(key);
        } else if let Some(http2) = &mut self.http2 {
            // Nothing more comes of a stream that was reset.
            http2.cancel(call.stream, &mut self.output);
            self.in_flight -= 1;
            self.calls.remove(key);
            self.count_queued();
        } else {
            self.frame(Header { kind: kind::CANCEL, word: code, id: key as u32 + 1, ..Header::default() }, &[]);
        }
        if let Some(pump) = pump {
            pump.wake();
        }
        self.wake_driver();
    }

    /// Starts the reply stream of a call, after reply metadata or the first message arrived.
    pub(super) fn open(&mut self, key: usize, wakers: &mut Vec<Waker>) {
        if let Some(call) = self.calls.get_mut(key).filter(|call| call.replies().is_some()) {
            call.open(wakers);
        }
    }

    /// Adds a message to a reply stream. The error describes how the peer broke the protocol.
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
            // A peer that does not know the method kind, such as a proxy, sends a single reply as a stream of one
            // message.
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

    /// Records credit: the peer has read `bytes` of a request stream.
    pub(super) fn credited(&mut self, key: usize, bytes: u64, wakers: &mut Vec<Waker>) {
        let Some(call) = self.calls.get_mut(key) else { return };
        self.sent.credited(&mut call.streams().sent, bytes);
        wakers.extend(call.take_pump());
        self.wake_stalled(wakers);
    }

    /// Wakes the stalled request streams that fit in the connection window, in order of arrival.
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
                // A stream that waits for its own window is woken by its own credit.
                streams.is_stalled = false;
            }
            self.stalled.pop_front();
        }
    }

    /// Ends a call with `outcome` and adds its wakers to `wakers`. If the peer has `answered`, the id becomes free. A
    /// reply stream ends with or without a last message.
    ///
    /// The function is inlined because nearly all calls have no streams and return a message. Little of it is left
    /// then.
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

    /// Ends the streams of a call. [`State::complete`] calls this function.
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
            // The reader of a reply stream sees its end, unless the call fails before the stream starts.
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

    /// Fails a call that the peer has not answered yet, and queues a CANCEL frame.
    pub(super) fn give_up(&mut self, key: usize, status: Status, wakers: &mut Vec<Waker>) {
        if let Some(http2) = &mut self.http2 {
            http2.cancel(self.calls[key].stream, &mut self.output);
            self.count_queued();
            return self.complete(key, Err(status), true, wakers);
        }
        let header = Header { kind: kind::CANCEL, word: status.code() as u16, id: key as u32 + 1, ..Header::default() };
        self.frame(header, &[]);
        self.complete(key, Err(status), false, wakers);
    }

    /// Takes the wakers of the pumps that wait for room in the send buffer.
    pub(super) fn take_crowded(&mut self) -> Vec<Waker> {
        self.crowds += 1;
        mem::take(&mut self.crowded)
    }

    /// Wakes all pumps, because there may be room or nothing left to wait for.
    pub(super) fn wake_pumps(&mut self, wakers: &mut Vec<Waker>) {
        wakers.extend(self.take_crowded());
        wakers.extend(self.calls.iter_mut().filter_map(|(_, call)| call.take_pump()));
    }
}

fn address(descriptor: &'static MethodDescriptor) -> usize {
    std::ptr::from_ref(descriptor) as usize
}

/// The index of a method in `recent_methods`. The methods of one service are adjacent in memory, so that they get
/// different indexes.
fn place(address: usize) -> usize {
    address / size_of::<MethodDescriptor>() % RECENT_METHODS
}

const RECENT_METHODS: usize = 8;

/// A slow way takes so many bytes in a microsecond: 64 Mbit/s.
const BYTES_PER_US: u64 = 8;

/// The deadline field of a REQUEST in microseconds: at least 1, because 0 means no deadline. More than 71 minutes
/// exceeds the field; such a call gets the largest value and does not expire at the server.
fn remaining_us(granted: Duration) -> u32 {
    let seconds = u32::try_from(granted.as_secs()).unwrap_or(u32::MAX);
    seconds.saturating_mul(1_000_000).saturating_add(granted.subsec_micros()).max(1)
}
