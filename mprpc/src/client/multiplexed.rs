//! The caller's half of a native connection: many calls at a time over one connection, each completed by its reply.
//!
//! Whoever calls on an idle connection writes the request itself. While calls are in flight the driver writes for all,
//! so that many requests leave in one system call; it alone reads.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Instant;

use bytes::{Bytes, BytesMut};
use slab::Slab;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::Notify;

use super::call::within;
use super::transport::Request;
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::method::MethodDescriptor;
use crate::net::connection::{ReadBuffer, Timer};
use crate::net::{Reader, SendBuffer, Stream, Writer, clock};
use crate::protocol::native::{self, Decoded, Decoder, Header, PREFACE, Settings, flag, kind};
use crate::status::{Code, Phase, Ran, Status};

/// Reads in one poll before others on the runtime get their turn.
const READS_PER_POLL: usize = 8;

/// A connection that takes calls. Dropping it closes the connection once its calls are done.
pub(crate) struct Multiplexed {
    shared: Arc<Shared>,
}

struct Shared {
    writer: Writer,
    address: Address,
    limits: Limits,
    state: Mutex<State>,
    /// Told when the send buffer has room again.
    room: Notify,
}

#[derive(Default)]
struct State {
    output: SendBuffer,
    /// Somebody has taken the output and writes it.
    writing: bool,
    /// The in-flight table: a call's id on the wire is its place here, plus one.
    calls: Slab<InFlight>,
    /// The number of each method on this connection, by the address of its descriptor.
    methods: HashMap<usize, u16>,
    peer: Settings,
    /// Why no new call is taken.
    ended: Option<Status>,
    /// The connection itself is gone, not only closed to new calls.
    disconnected: bool,
    /// No handle is left.
    released: bool,
    driver: Option<Waker>,
    /// Bytes ever appended to the output, and ever written or being written: what is between them was not sent.
    queued: u64,
    written: u64,
    /// No call expires before this.
    earliest_deadline: Option<Instant>,
}

/// A call whose last reply has not come, or has not been taken.
struct InFlight {
    outcome: Outcome,
    deadline: Deadline,
    /// Where its request ends in the stream of bytes.
    ends_at: u64,
    /// Its id is free again: the peer has answered, or is gone.
    answered: bool,
}

enum Outcome {
    Awaited(Option<Waker>),
    Known(Result<Bytes, Status>),
    /// Nobody waits for it any more.
    Abandoned,
}

impl Multiplexed {
    /// Greets the peer, and drives the connection on the runtime that this is called on.
    pub(crate) fn open(stream: Stream, address: &Address, limits: &Limits) -> Multiplexed {
        let mut state = State::default();
        state.output.tail().extend_from_slice(&PREFACE);
        Settings::of(limits).encode(state.output.tail());
        state.queued = state.output.len() as u64;
        let shared = Arc::new(Shared {
            writer: stream.writer,
            address: address.clone(),
            limits: limits.clone(),
            state: Mutex::new(state),
            room: Notify::new(),
        });
        let driver = Driver {
            shared: shared.clone(),
            reader: stream.reader,
            input: ReadBuffer::default(),
            decoder: Decoder::of(limits),
            greeted: false,
            stalled_since: None,
            yields: Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread,
            yielded: false,
            wakers: Vec::new(),
        };
        tokio::spawn(driver.run());
        Multiplexed { shared }
    }

    /// Whether new calls may be made on it.
    pub(crate) fn takes_calls(&self) -> bool {
        self.shared.lock().ended.is_none()
    }

    /// Makes one call. Expires with its deadline; dropping the future cancels the call at the server.
    pub(crate) async fn call(&self, request: &Request) -> Result<Bytes, Status> {
        loop {
            match self.shared.begin(request)? {
                Begun::Call(call) => return call.await,
                Begun::NoRoom(room) => {
                    if within(request.deadline, room).await.is_none() {
                        let message = "the send buffer stayed full up to the deadline: the peer does not read";
                        return Err(self.shared.failed(Code::DeadlineExceeded, message, Phase::Send, Ran::No));
                    }
                }
            }
        }
    }
}

impl Drop for Multiplexed {
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.released = true;
        state.wake_driver();
    }
}

/// What became of the attempt to begin a call.
enum Begun<'a> {
    Call(PendingCall),
    /// The send buffer is full: try again when this is told.
    NoRoom(tokio::sync::futures::Notified<'a>),
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, code: Code, message: impl Into<std::borrow::Cow<'static, str>>, phase: Phase, ran: Ran) -> Status {
        Status::new(code, message).with_phase(phase).with_peer(&self.address).with_ran(ran)
    }

    fn begin<'a>(self: &'a Arc<Self>, request: &Request) -> Result<Begun<'a>, Status> {
        let now = clock::now();
        if request.deadline.has_passed(now) {
            let message = "the deadline passed before the call was sent";
            return Err(self.failed(Code::DeadlineExceeded, message, Phase::Send, Ran::No));
        }
        let mut state = self.lock();
        if let Some(why) = &state.ended {
            return Err(why.clone().with_phase(Phase::Send).with_ran(Ran::No));
        }
        let in_flight_max = self.limits.in_flight_max.min(state.peer.in_flight_max as usize);
        if state.calls.len() >= in_flight_max {
            let message = format!("{in_flight_max} calls in flight: in_flight_max {in_flight_max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Queue, Ran::No));
        }
        let (size, max) = (request.message.len(), state.peer.message_bytes_max as usize);
        if size > max {
            let message = format!("a message of {size} bytes is beyond the peer's message_bytes_max {max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Send, Ran::No));
        }
        let metadata =
            if request.metadata.is_empty() { Bytes::new() } else { native::encode_metadata(&request.metadata) };
        let (size, max) = (metadata.len(), self.limits.metadata_bytes_max.min(state.peer.metadata_bytes_max as usize));
        if size > max {
            let message = format!("metadata of {size} bytes is beyond metadata_bytes_max {max}");
            return Err(self.failed(Code::ResourceExhausted, message, Phase::Send, Ran::No));
        }
        if state.output.len() > self.limits.send_buffer_bytes_max {
            return Ok(Begun::NoRoom(self.room.notified()));
        }
        let idle = state.calls.is_empty() && state.output.is_empty() && !state.writing;
        let method = state.method_number(request.method);
        let deadline = request.deadline;
        let call = InFlight { outcome: Outcome::Awaited(None), deadline, ends_at: 0, answered: false };
        let key = state.calls.insert(call);
        state.request(key, method, request, &metadata, now);
        if state.expects(deadline) {
            state.wake_driver();
        }
        let call = PendingCall { shared: self.clone(), key, taken: false };
        if idle {
            // Why the socket takes nothing any more is the driver's to find.
            let (mut state, _) = self.flush(state);
            if !state.output.is_empty() {
                state.wake_driver();
            }
        } else {
            state.wake_driver();
        }
        Ok(Begun::Call(call))
    }

    /// Writes what waits, without holding the lock. What the socket does not take is the driver's to write.
    fn flush<'a>(&'a self, mut state: MutexGuard<'a, State>) -> (MutexGuard<'a, State>, io::Result<()>) {
        state.writing = true;
        let mut output = mem::take(&mut state.output);
        // Counted before they are written: if the connection is lost meanwhile, the peer may have read them.
        state.written += output.len() as u64;
        drop(state);
        let mut outcome = Ok(());
        while !output.is_empty() && outcome.is_ok() {
            outcome = output.write_to(&self.writer).map(drop);
        }
        let mut state = self.lock();
        state.writing = false;
        state.written -= output.len() as u64;
        output.append(&mut state.output);
        state.output = output;
        if state.output.len() <= self.limits.send_buffer_bytes_max {
            self.room.notify_waiters();
        }
        (state, outcome)
    }
}

impl State {
    fn wake_driver(&mut self) {
        if let Some(driver) = self.driver.take() {
            driver.wake();
        }
    }

    /// Everything is written, the last CANCEL too, and nobody waits for a reply.
    fn is_done(&self) -> bool {
        let mut outcomes = self.calls.iter().map(|(_, call)| &call.outcome);
        self.output.is_empty() && !self.writing && outcomes.all(|outcome| matches!(outcome, Outcome::Abandoned))
    }

    /// The number of a method, given by a METHOD frame at its first call. 65,536 methods are more than a service has.
    fn method_number(&mut self, method: &'static MethodDescriptor) -> u16 {
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

    fn request(&mut self, key: usize, method: u16, request: &Request, metadata: &[u8], now: Instant) {
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

    fn frame(&mut self, header: Header, body: &[u8]) {
        native::encode_frame(self.output.tail(), header, body);
        self.queued += (native::HEADER_BYTES + body.len()) as u64;
    }

    /// Notes a deadline; whether the driver's timer has to fire earlier for it.
    fn expects(&mut self, deadline: Deadline) -> bool {
        let Some(at) = deadline.instant() else {
            return false;
        };
        let earlier = self.earliest_deadline.is_none_or(|earliest| at < earliest);
        if earlier {
            self.earliest_deadline = Some(at);
        }
        earlier
    }

    /// The outcome of a call that is awaited; hands its waker over. Frees the id when the peer has `answered`.
    fn complete(&mut self, key: usize, outcome: Result<Bytes, Status>, answered: bool, wakers: &mut Vec<Waker>) {
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

/// A call that was begun; its outcome. Dropping it cancels the call.
struct PendingCall {
    shared: Arc<Shared>,
    key: usize,
    taken: bool,
}

impl Future for PendingCall {
    type Output = Result<Bytes, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let shared = self.shared.clone();
        let mut state = shared.lock();
        let call = &mut state.calls[self.key];
        match mem::replace(&mut call.outcome, Outcome::Abandoned) {
            Outcome::Known(outcome) => {
                self.taken = true;
                if call.answered {
                    state.calls.remove(self.key);
                }
                if state.ended.is_some() {
                    state.wake_driver();
                }
                Poll::Ready(outcome)
            }
            Outcome::Awaited(_) | Outcome::Abandoned => {
                call.outcome = Outcome::Awaited(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        if self.taken {
            return;
        }
        let mut state = self.shared.lock();
        let call = &mut state.calls[self.key];
        let known = matches!(call.outcome, Outcome::Known(_));
        call.outcome = Outcome::Abandoned;
        if call.answered {
            state.calls.remove(self.key);
        } else if !known {
            let header = Header {
                kind: kind::CANCEL,
                word: Code::Cancelled as u16,
                id: self.key as u32 + 1,
                ..Header::default()
            };
            state.frame(header, &[]);
        }
        state.wake_driver();
    }
}

/// Reads replies, writes what callers leave to it, expires calls. One task for each connection.
struct Driver {
    shared: Arc<Shared>,
    reader: Reader,
    input: ReadBuffer,
    decoder: Decoder,
    greeted: bool,
    stalled_since: Option<Instant>,
    /// On a runtime of several threads a task that is woken runs at once; yielding first lets callers fill the buffer.
    yields: bool,
    yielded: bool,
    wakers: Vec<Waker>,
}

impl Driver {
    async fn run(mut self) {
        let mut timer = pin!(Timer::default());
        poll_fn(|cx| self.poll(cx, timer.as_mut())).await;
    }

    fn poll(&mut self, cx: &mut task::Context<'_>, timer: Pin<&mut Timer>) -> Poll<()> {
        self.shared.lock().driver = Some(cx.waker().clone());
        for read in 0..=READS_PER_POLL {
            match self.read(cx) {
                Ok(true) if read == READS_PER_POLL => cx.waker().wake_by_ref(),
                Ok(true) => continue,
                Ok(false) => {}
                Err(why) => return self.end(why),
            }
            break;
        }
        if let Err(error) = self.write(cx) {
            return self.end(self.lost(&error.to_string()));
        }
        self.expire_and_wait(cx, timer)
    }

    /// Reads once and completes what came; whether there may be more.
    fn read(&mut self, cx: &mut task::Context<'_>) -> Result<bool, Status> {
        let mut outcome = Ok(0);
        let polled = {
            let (shared, decoder, greeted, wakers) =
                (&self.shared, &mut self.decoder, &mut self.greeted, &mut self.wakers);
            self.input.poll_read(cx, &mut self.reader, |_, input| {
                outcome = shared.received(decoder, greeted, wakers, input);
            })
        };
        self.wakers.drain(..).for_each(Waker::wake);
        self.input.expect(outcome?);
        match polled {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) if !self.greeted => Err(self.lost("closed before it greeted: is it an mprpc server?")),
            Poll::Ready(Ok(0)) => Err(self.lost("the peer closed the connection")),
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(error)) => Err(self.lost(&error.to_string())),
        }
    }

    fn write(&mut self, cx: &mut task::Context<'_>) -> io::Result<()> {
        loop {
            let state = self.shared.lock();
            if state.output.is_empty() || state.writing {
                self.stalled_since = None;
                self.yielded = false;
                return Ok(());
            }
            if self.yields && !self.yielded && state.calls.len() > 1 {
                self.yielded = true;
                cx.waker().wake_by_ref();
                return Ok(());
            }
            let before = state.written;
            let (state, outcome) = self.shared.flush(state);
            if state.written > before {
                self.stalled_since = None;
            }
            drop(state);
            match outcome {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if self.shared.writer.poll_write_ready(cx)?.is_pending() {
                        self.stalled_since.get_or_insert_with(clock::now);
                        return Ok(());
                    }
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn expire_and_wait(&mut self, cx: &mut task::Context<'_>, mut timer: Pin<&mut Timer>) -> Poll<()> {
        loop {
            let state = self.shared.lock();
            if (state.released || state.ended.is_some()) && state.is_done() {
                drop(state);
                return self.end(self.lost("closed here"));
            }
            let write = self.stalled_since.and_then(|since| since.checked_add(self.shared.limits.write_timeout));
            let Some(at) = [state.earliest_deadline, write].into_iter().flatten().min() else {
                return Poll::Pending;
            };
            drop(state);
            if timer.as_mut().poll(cx, at).is_pending() {
                return Poll::Pending;
            }
            let now = clock::now();
            if write.is_some_and(|write| write <= now) {
                return self.end(self.lost("the peer does not read: nothing was taken within write_timeout"));
            }
            self.shared.expire(now, &mut self.wakers);
            self.wakers.drain(..).for_each(Waker::wake);
            cx.waker().wake_by_ref();
        }
    }

    fn lost(&self, why: &str) -> Status {
        self.shared.failed(Code::Unavailable, why.to_owned(), Phase::Reply, Ran::Maybe)
    }

    fn end(&mut self, why: Status) -> Poll<()> {
        self.shared.disconnect(why, &mut self.wakers);
        self.wakers.drain(..).for_each(Waker::wake);
        Poll::Ready(())
    }
}

impl Drop for Driver {
    /// The runtime stopped, or the connection ended: nothing is left waiting.
    fn drop(&mut self) {
        let why = self.lost("the runtime that drove the connection was stopped");
        self.shared.disconnect(why, &mut self.wakers);
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl Shared {
    /// Takes every complete frame; how many bytes the next is short of. The error ends the connection.
    fn received(
        &self,
        decoder: &mut Decoder,
        greeted: &mut bool,
        wakers: &mut Vec<Waker>,
        input: &mut BytesMut,
    ) -> Result<usize, Status> {
        if !*greeted {
            let compared = input.len().min(PREFACE.len());
            if input[..compared] != PREFACE[..compared] {
                let message = "the peer does not speak version 1 of the native protocol";
                return Err(self.failed(Code::Unavailable, message, Phase::Reply, Ran::Maybe));
            }
            if compared < PREFACE.len() {
                return Ok(PREFACE.len() - compared);
            }
            *greeted = true;
            drop(input.split_to(PREFACE.len()));
        }
        let mut state = self.lock();
        loop {
            match decoder.decode(input) {
                Decoded::NeedMore(missing) => return Ok(missing),
                // A frame of an unknown kind is skipped, however long.
                Decoded::TooLong(header) if header.kind != kind::RESPONSE => {}
                Decoded::TooLong(header) => {
                    let (size, max) = (header.length, self.limits.message_bytes_max);
                    let message = format!("a reply of {size} bytes is beyond message_bytes_max {max}");
                    let status = self.failed(Code::ResourceExhausted, message, Phase::Reply, Ran::Yes);
                    state.complete((header.id as usize).wrapping_sub(1), Err(status), true, wakers);
                }
                Decoded::Frame(header, body) => self.frame(&mut state, header, body, wakers)?,
            }
        }
    }

    fn frame(&self, state: &mut State, header: Header, body: Bytes, wakers: &mut Vec<Waker>) -> Result<(), Status> {
        let broken = |what: &str| {
            let message = format!("the peer broke the protocol: {what}");
            Err(self.failed(Code::Unavailable, message, Phase::Reply, Ran::Maybe))
        };
        match header.kind {
            kind::RESPONSE => {
                let Some((_metadata, message)) = native::split_body(header, body) else {
                    return broken("metadata longer than its frame");
                };
                let outcome = if header.word == 0 { Ok(message) } else { Err(self.refused(header, &message)) };
                state.complete((header.id as usize).wrapping_sub(1), outcome, true, wakers);
            }
            kind::SETTINGS => {
                if let Err(what) = state.peer.merge(body) {
                    return broken(what);
                }
            }
            kind::PING => state.frame(Header { kind: kind::PONG, value: header.value, ..Header::default() }, &[]),
            kind::GO_AWAY => {
                let reason = String::from_utf8_lossy(&body).into_owned();
                let code = u8::try_from(header.word).map_or(Code::Unknown, Code::from_number);
                tracing::debug!(peer = %self.address, %code, reason, "the peer goes away");
                state.ended = Some(Status::unavailable(reason).with_peer(&self.address));
            }
            _ => {}
        }
        Ok(())
    }

    /// The status that a RESPONSE carries.
    fn refused(&self, header: Header, body: &[u8]) -> Status {
        let status = native::decode_error(header.word, body).with_peer(&self.address);
        if header.has(flag::NOT_RUN) { status.with_phase(Phase::Queue).with_ran(Ran::No) } else { status }
    }

    /// Ends the calls whose deadline has passed, here and at the peer.
    fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        let mut expired = Vec::new();
        let mut earliest: Option<Instant> = None;
        for (key, call) in &state.calls {
            let Some(at) = call.deadline.instant() else { continue };
            if !matches!(call.outcome, Outcome::Awaited(_)) {
                continue;
            }
            if at <= now {
                expired.push((key, call.ends_at));
            } else {
                earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
            }
        }
        state.earliest_deadline = earliest;
        for (key, ends_at) in expired {
            let ran = if ends_at <= state.written { Ran::Maybe } else { Ran::No };
            let status = self.failed(Code::DeadlineExceeded, "no reply within the deadline", Phase::Reply, ran);
            let header =
                Header { kind: kind::CANCEL, word: status.code() as u16, id: key as u32 + 1, ..Header::default() };
            state.frame(header, &[]);
            state.complete(key, Err(status), false, wakers);
        }
    }

    /// The connection is gone: every call learns why, and whether its request can have been read.
    fn disconnect(&self, why: Status, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        if mem::replace(&mut state.disconnected, true) {
            return;
        }
        let why = match &state.ended {
            // What the peer said in its GO_AWAY says more than how the connection ended.
            Some(said) => {
                self.failed(why.code(), format!("{}: {}", why.message(), said.message()), Phase::Reply, Ran::Maybe)
            }
            None => why,
        };
        let keys: Vec<(usize, u64)> = state.calls.iter().map(|(key, call)| (key, call.ends_at)).collect();
        for (key, ends_at) in keys {
            let unsent = ends_at > state.written;
            let status = if unsent { why.clone().with_phase(Phase::Send).with_ran(Ran::No) } else { why.clone() };
            state.complete(key, Err(status), true, wakers);
        }
        state.ended = Some(why);
        state.output = SendBuffer::default();
        self.writer.shutdown();
        self.room.notify_waiters();
    }
}
