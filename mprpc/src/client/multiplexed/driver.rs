//! `Driver`: drives the client side of a native connection. It reads replies, writes queued output, expires calls and
//! runs the keepalive.

use std::future::poll_fn;
use std::io;
use std::mem;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{self, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::runtime::{Handle, RuntimeFlavor};

use super::in_flight::{InFlight, State};
use super::{Shared, unsent};
use crate::balancer::Silent;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::net::timer::Timer;
use crate::net::{ReadBuffer, Reader, SendBuffer, clock, tls};
use crate::protocol::native::{self, Decoded, Decoder, Header, PREFACE, flag, kind};
use crate::protocol::{Compressed, Message};
use crate::status::{Code, Phase, Ran, Status};

/// The number of reads in one poll, before other tasks of the runtime get their turn.
const READS_PER_POLL: usize = 8;

/// The task that drives one connection.
pub(super) struct Driver {
    shared: Arc<Shared>,
    reader: Reader,
    input: ReadBuffer,
    decoder: Decoder,
    is_http2: bool,
    /// The deadline for the peer's greeting.
    greet_until: Option<Instant>,
    stalled_since: Option<Instant>,
    /// Whether the socket takes no more bytes. The driver still reads what the peer has sent: replies, or the reason
    /// why the peer closed.
    is_unwritable: bool,
    /// Whether the driver yields once before it writes. On a multi-threaded runtime a woken task runs at once; the
    /// yield lets callers fill the buffer first.
    yields: bool,
    yielded: bool,
    wakers: Vec<Waker>,
}

impl Driver {
    /// Creates a driver for the current runtime.
    pub(super) fn new(shared: Arc<Shared>, reader: Reader) -> Driver {
        let is_http2 = shared.lock().http2.is_some();
        Driver {
            reader,
            input: ReadBuffer::default(),
            decoder: Decoder::of(&shared.limits),
            is_http2,
            greet_until: clock::now().checked_add(shared.limits.connect_timeout),
            stalled_since: None,
            is_unwritable: false,
            yields: Handle::current().runtime_flavor() == RuntimeFlavor::MultiThread,
            yielded: false,
            wakers: Vec::new(),
            shared,
        }
    }

    pub(super) async fn run(mut self) {
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
        if !self.is_unwritable
            && let Err(error) = self.write(cx)
        {
            self.is_unwritable = true;
            // `write_timeout` bounds the time for the peer's last bytes.
            self.stalled_since = Some(clock::now());
            self.shared.unwritable(self.lost(&error.to_string()), &mut self.wakers);
            self.wakers.drain(..).for_each(Waker::wake);
        }
        self.expire_and_wait(cx, timer)
    }

    /// Reads once and processes the received frames. Returns whether more bytes may be available.
    fn read(&mut self, cx: &mut task::Context<'_>) -> Result<bool, Status> {
        let mut outcome = Ok(0);
        let is_http2 = self.is_http2;
        let polled = {
            let (shared, decoder, wakers) = (&self.shared, &mut self.decoder, &mut self.wakers);
            self.input.poll_read(cx, &mut self.reader, |_, input| {
                outcome = match is_http2 {
                    true => shared.received_http2(wakers, input),
                    false => shared.received(decoder, wakers, input),
                };
                *outcome.as_ref().unwrap_or(&0)
            })
        };
        self.wakers.drain(..).for_each(Waker::wake);
        outcome?;
        match polled {
            Poll::Pending => Ok(false),
            Poll::Ready(Ok(0)) if self.shared.lock().greeted => Err(self.lost("the peer closed the connection")),
            Poll::Ready(Ok(0)) => {
                Err(self.unwell("closed before it greeted: no mprpc server, or one at its connections_max"))
            }
            Poll::Ready(Ok(_)) => Ok(true),
            Poll::Ready(Err(error)) if tls::is_refusal(&error) => {
                let status = self.shared.failed(Code::Unavailable, error.to_string(), Phase::Connect, Ran::No);
                self.shared.lock().fault = Some(status.clone());
                Err(status)
            }
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
            let (mut state, outcome) = self.shared.flush(state);
            // The peer has taken bytes, so it is alive. A PING would wait behind the remaining output.
            if state.written > before && self.stalled_since.take().is_some() {
                state.heard(clock::now(), &self.shared.limits);
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
            let mut state = self.shared.lock();
            let read_at = state.read_at.take();
            if state.in_flight == 0 && state.ended.is_none() {
                // The frame that ended the last call was read in this turn.
                state.idle_since.get_or_insert_with(|| read_at.unwrap_or_else(clock::now));
            }
            if (state.released || state.ended.is_some()) && state.is_done() {
                drop(state);
                return self.end(self.lost("closed here"));
            }
            let write = self.stalled_since.and_then(|since| since.checked_add(self.shared.limits.write_timeout));
            let greet = self.greet_until.filter(|_| !state.greeted);
            let look = state.keepalive.look_at();
            let silence = state.silence.look_at();
            let idle = state.idle_at(&self.shared.limits).filter(|_| state.ended.is_none());
            let earlier = |a: Option<Instant>, b: Option<Instant>| {
                if let (Some(a), Some(b)) = (a, b) { Some(a.min(b)) } else { a.or(b) }
            };
            let Some(at) = [write, greet, look, silence, idle].into_iter().fold(state.earliest_deadline, earlier)
            else {
                return Poll::Pending;
            };
            drop(state);
            if timer.as_mut().poll(cx, at).is_pending() {
                return Poll::Pending;
            }
            let now = clock::now();
            let passed = |at: Option<Instant>| at.is_some_and(|at| at <= now);
            if passed(write) {
                let bound = self.shared.limits.write_timeout;
                let why = format!("the peer does not read: nothing was taken within write_timeout {bound:?}");
                return self.end(self.lost(&why));
            }
            if passed(greet) {
                let bound = self.shared.limits.connect_timeout;
                let why = format!("connected, and no greeting came within connect_timeout {bound:?}");
                return self.end(self.unwell(&why));
            }
            if passed(look) {
                let stalled = self.stalled_since.is_some();
                let alive = self.shared.lock().peer_is_alive(now, stalled, &self.shared.limits);
                if !alive {
                    let Limits { keepalive_interval, keepalive_timeout, .. } = &self.shared.limits;
                    let why = format!(
                        "no sign of life: silent for keepalive_interval {keepalive_interval:?} or for a whole call, then a \
                         PING was not answered within keepalive_timeout {keepalive_timeout:?}"
                    );
                    return self.end(self.unwell(&why));
                }
            }
            if passed(silence) {
                self.shared.watch_silence(now, &mut self.wakers);
            }
            if passed(idle) {
                let mut state = self.shared.lock();
                if state.is_idle(now, &self.shared.limits) {
                    state.retire(self.shared.idle());
                }
            }
            self.shared.expire(now, &mut self.wakers);
            self.wakers.drain(..).for_each(Waker::wake);
            cx.waker().wake_by_ref();
        }
    }

    fn lost(&self, why: &str) -> Status {
        self.shared.failed(Code::Unavailable, why.to_owned(), Phase::Reply, Ran::Maybe)
    }

    /// Like [`Driver::lost`], but marks the endpoint as faulty, so that calls avoid it for a while.
    fn unwell(&self, why: &str) -> Status {
        let status = self.lost(why);
        self.shared.lock().fault = Some(status.clone());
        status
    }

    fn end(&mut self, why: Status) -> Poll<()> {
        self.shared.disconnect(why, &mut self.wakers);
        self.wakers.drain(..).for_each(Waker::wake);
        Poll::Ready(())
    }
}

impl Drop for Driver {
    /// Fails every remaining call when the runtime stops or the connection ends.
    fn drop(&mut self) {
        let why = self.lost("the runtime that drove the connection was stopped");
        self.shared.disconnect(why, &mut self.wakers);
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl Shared {
    /// Processes every complete frame. Returns how many bytes the next frame still lacks. An error ends the
    /// connection.
    fn received(&self, decoder: &mut Decoder, wakers: &mut Vec<Waker>, input: &mut BytesMut) -> Result<usize, Status> {
        let now = clock::now();
        let mut state = self.lock();
        state.heard(now, &self.limits);
        let missing = self.take_frames_of(&mut state, now, decoder, wakers, input);
        state.count(&self.load);
        missing
    }

    fn take_frames_of(
        &self,
        state: &mut State,
        now: Instant,
        decoder: &mut Decoder,
        wakers: &mut Vec<Waker>,
        input: &mut BytesMut,
    ) -> Result<usize, Status> {
        if !state.greeted {
            let compared = input.len().min(PREFACE.len());
            if input[..compared] != PREFACE[..compared] {
                let message = "the peer does not speak version 1 of the native protocol";
                let status = self.failed(Code::Unavailable, message, Phase::Reply, Ran::Maybe);
                state.fault = Some(status.clone());
                return Err(status);
            }
            if compared < PREFACE.len() {
                return Ok(PREFACE.len() - compared);
            }
            state.greeted = true;
            // The peer's greeting answers ours, so it measures the round trip.
            let way = now.saturating_duration_since(self.opened_at);
            state.round_trip.measured(way, Duration::ZERO);
            self.greeting.notify_waiters();
            drop(input.split_to(PREFACE.len()));
        }
        loop {
            match decoder.decode(input) {
                Decoded::NeedMore(missing) => return Ok(missing),
                // A frame of an unknown kind is skipped, whatever its length.
                Decoded::TooLong(header) if !matches!(header.kind, kind::RESPONSE | kind::DATA) => {}
                Decoded::TooLong(header) => {
                    let (size, max) = (header.length, self.limits.message_bytes_max);
                    let message = format!("a reply of {size} bytes is beyond message_bytes_max {max}");
                    self.reject(state, header, message, wakers);
                }
                Decoded::Frame(header, body) => {
                    self.frame(state, now, header, body, wakers).map_err(|what| {
                        let message = format!("the peer broke the protocol: {what}");
                        self.failed(Code::Unavailable, message, Phase::Reply, Ran::Maybe)
                    })?;
                }
            }
        }
    }

    /// Fails a call whose reply exceeds a limit of this side, although the server knows the limit.
    fn reject(&self, state: &mut State, header: Header, message: String, wakers: &mut Vec<Waker>) {
        let status = self.failed(Code::ResourceExhausted, message, Phase::Reply, Ran::Yes);
        let key = (header.id as usize).wrapping_sub(1);
        if header.kind == kind::RESPONSE && header.has(flag::END) {
            state.complete(key, Err(status), true, wakers);
        } else if state.calls.get(key).is_some_and(InFlight::is_awaited) {
            state.give_up(key, status, wakers);
        }
    }

    /// Processes one frame. The error describes how the peer broke the protocol.
    fn frame(
        &self,
        state: &mut State,
        now: Instant,
        header: Header,
        body: Bytes,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let key = (header.id as usize).wrapping_sub(1);
        match header.kind {
            kind::RESPONSE => self.response(state, now, header, body, wakers)?,
            kind::DATA => {
                let (size, max) = (body.len(), self.limits.message_bytes_max);
                if size > max {
                    let message = format!("a reply of {size} bytes is beyond message_bytes_max {max}");
                    self.reject(state, header, message, wakers);
                    return Ok(());
                }
                let message = Message { bytes: body, compressed: Compressed::of(header) };
                state.reply(key, message, self.windows, wakers)?;
            }
            kind::CREDIT => state.credited(key, header.value.into(), wakers),
            kind::SETTINGS => {
                state.peer.merge(body)?;
                state.wake_pumps(wakers);
            }
            kind::PING => {
                let interval_min = self.limits.ping_interval_min;
                if state.pings.is_one_too_many(clock::now(), interval_min) {
                    return Err(format!("too many PINGs: ping_interval_min {interval_min:?}"));
                }
                state.pong(header.value, self.limits.send_buffer_bytes_max);
            }
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

    /// Processes a RESPONSE frame: metadata before the reply, the reply itself, or the end of a reply stream.
    fn response(
        &self,
        state: &mut State,
        now: Instant,
        header: Header,
        body: Bytes,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), String> {
        let key = (header.id as usize).wrapping_sub(1);
        // The common case: the message of a unary call without metadata.
        let is_plain = header.word == 0 && header.flags == flag::END && body.len() <= self.limits.message_bytes_max;
        let call = state.calls.get(key).filter(|call| is_plain && call.awaits_only_a_message());
        if let Some(begun) = call.map(|call| call.begun) {
            // Replies that were read together travelled equally long, so only the first one is measured.
            if state.measured_at.replace(now) != Some(now) {
                let (elapsed, served) = (now.saturating_duration_since(begun), header.value.into());
                state.round_trip.measured(elapsed, Duration::from_micros(served));
                state.silence.sample(elapsed);
                self.load.observe(now, elapsed);
            }
            let message = Message { bytes: body, compressed: Compressed::No };
            state.answers += 1;
            state.complete(key, Ok(Some(message)), true, wakers);
            return Ok(());
        }
        let (metadata, message) = native::split_body(header, body).ok_or("metadata longer than its frame")?;
        let metadata = metadata.unwrap_or_default();
        if state.calls.get(key).is_some_and(|call| call.answered) {
            return Err(format!("a reply for call {}, which has ended", header.id));
        }
        let (size, max) = (metadata.len(), self.limits.metadata_bytes_max);
        if size > max && header.word == 0 {
            let message = format!("metadata of {size} bytes beside the reply is beyond metadata_bytes_max {max}");
            self.reject(state, header, message, wakers);
            return Ok(());
        }
        let (bytes, most) = (message.len(), self.limits.message_bytes_max);
        if bytes > most && header.word == 0 {
            let message = format!("a reply of {bytes} bytes is beyond message_bytes_max {most}");
            self.reject(state, header, message, wakers);
            return Ok(());
        }
        // An error status is more important than oversized metadata, so the metadata is dropped.
        let metadata = native::decode_metadata(if size > max { Bytes::new() } else { metadata })?;
        let Some(call) = state.calls.get(key) else { return Ok(()) };
        if !header.has(flag::END) {
            if let Some(context) = &call.context {
                *context.reply_metadata() = metadata;
            }
            state.open(key, wakers);
            return Ok(());
        }
        // The end of an abandoned call does not tell how long the server worked on it.
        let is_awaited = call.is_awaited();
        if is_awaited {
            let (elapsed, served) = (now.saturating_duration_since(call.begun), header.value.into());
            state.round_trip.measured(elapsed, Duration::from_micros(served));
        }
        let (trailer, outcome) = if header.word == 0 {
            let message = Message { bytes: message, compressed: Compressed::of(header) };
            (metadata, Ok((!header.has(flag::OPEN)).then_some(message)))
        } else {
            let status = self.refused(header, metadata, &message);
            (status.trailer().clone(), Err(status))
        };
        if let Some(context) = call.context.as_ref().filter(|_| !trailer.is_empty()) {
            *context.trailer() = trailer;
        }
        if is_awaited {
            self.answered(state, now, outcome.as_ref().map(drop));
        }
        state.complete(key, outcome, true, wakers);
        Ok(())
    }

    /// Builds the status that a RESPONSE frame carries.
    fn refused(&self, header: Header, mut metadata: Metadata, body: &[u8]) -> Status {
        let mut status = native::decode_error(header.word, body).with_peer(&self.address);
        if let Some(story) = metadata.value(native::STORY_KEY) {
            status = status.with_story(&String::from_utf8_lossy(story));
            metadata.remove(native::STORY_KEY);
        }
        let status = status.with_trailer(metadata);
        if header.has(flag::NOT_RUN) {
            status.with_phase(Phase::Queue).with_ran(Ran::No)
        } else if header.has(flag::NOT_THE_HANDLERS) {
            status.of_server()
        } else {
            status
        }
    }

    /// Looks whether the peer answers. While it does not, picks pass over the endpoint, and the calls that may be made
    /// elsewhere end here if they can be.
    fn watch_silence(&self, now: Instant, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        if !state.peer_is_silent(now, &self.limits) {
            return;
        }
        if state.silent.is_none() {
            tracing::debug!(peer = %self.address, in_flight = state.in_flight, "the peer does not answer");
            state.silent = Some(Silent::new(&self.load));
        }
        if !self.load.has_alternative() {
            return;
        }
        // A call without a retry left would fail, so it waits here.
        let retries = state.retries.as_ref().map_or(u64::MAX, |retries| retries.left(&self.limits, now));
        let leaving = state.calls.iter().filter(|(_, call)| call.may_leave && call.awaits_only_a_message());
        let leaving = leaving.map(|(key, _)| key).take(usize::try_from(retries).unwrap_or(usize::MAX));
        for key in leaving.collect::<Vec<_>>() {
            let Limits { silence_min, silence_timeout, .. } = &self.limits;
            let message = format!(
                "no sign of life: silent for silence_min {silence_min:?} or longer, then a PING was not answered within \
                 silence_timeout {silence_timeout:?} or longer"
            );
            let status = self.failed(Code::Unavailable, message, Phase::Reply, Ran::Maybe);
            state.give_up(key, status, wakers);
        }
        state.count(&self.load);
    }

    /// Ends the calls whose deadline has passed, here and at the peer.
    fn expire(&self, now: Instant, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        let mut expired = Vec::new();
        let mut is_silent = false;
        let mut earliest: Option<Instant> = None;
        for (key, call) in &state.calls {
            let Some(at) = call.deadline.instant() else { continue };
            if !call.is_awaited() {
                continue;
            }
            if at <= now {
                expired.push((key, call.ends_at, call.awaits_only_a_message()));
                is_silent |= call.ends_at <= state.written && state.heard_at.is_none_or(|heard| heard <= call.begun);
            } else {
                earliest = Some(earliest.map_or(at, |earliest| earliest.min(at)));
            }
        }
        state.earliest_deadline = earliest;
        if is_silent && state.greeted && self.limits.keepalive_timeout < Duration::MAX {
            // Before the calls are cancelled: a gRPC server accepts fewer PINGs without calls.
            state.suspect_peer(now, &self.limits);
        }
        for (key, ends_at, is_unary) in expired {
            let ran = if ends_at <= state.written { Ran::Maybe } else { Ran::No };
            if ran == Ran::Maybe && is_unary {
                self.load.failed(now);
            }
            let status = self.failed(Code::DeadlineExceeded, "no reply within the deadline", Phase::Reply, ran);
            state.give_up(key, status, wakers);
        }
        state.count(&self.load);
    }

    /// Fails the calls whose requests were not completely written, because the socket takes no more bytes.
    fn unwritable(&self, why: Status, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        let written = state.written;
        let unsent = state.calls.iter().filter(|(_, call)| call.ends_at > written);
        for key in unsent.map(|(key, _)| key).collect::<Vec<_>>() {
            state.complete(key, Err(why.clone().with_phase(Phase::Send).with_ran(Ran::No)), true, wakers);
        }
        state.count(&self.load);
        state.retire(why);
    }

    /// Ends the connection. Every call fails with the reason, and its status says whether the peer may have read the
    /// request.
    fn disconnect(&self, why: Status, wakers: &mut Vec<Waker>) {
        let mut state = self.lock();
        if mem::replace(&mut state.disconnected, true) {
            return;
        }
        let why = match &state.ended {
            // The reason in the peer's GO_AWAY says more than the way in which the connection ended.
            Some(said) => {
                self.failed(why.code(), format!("{}: {}", why.message(), said.message()), Phase::Reply, Ran::Maybe)
            }
            None => why,
        };
        let keys: Vec<(usize, u64)> = state.calls.iter().map(|(key, call)| (key, call.ends_at)).collect();
        for (key, ends_at) in keys {
            let status = if ends_at > state.written { unsent(&why) } else { why.clone() };
            state.complete(key, Err(status), true, wakers);
        }
        state.count(&self.load);
        state.silent = None;
        state.ended = Some(why);
        state.output = SendBuffer::default();
        state.wake_pumps(wakers);
        self.writer.shutdown();
        self.room.notify_waiters();
        self.greeting.notify_waiters();
    }
}
