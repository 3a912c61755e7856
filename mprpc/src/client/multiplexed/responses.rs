//! Turns the responses of a gRPC server into outcomes of calls.

use std::task::Waker;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::http2::Http2;
use super::in_flight::State;
use super::{Shared, unsent};
use crate::net::clock;
use crate::protocol::flow::Windows;
use crate::protocol::http::grpc::{self, MessageDecoder, PREFIX_BYTES};
use crate::protocol::http2::{ErrorCode, Event};
use crate::protocol::{Compressed, Message};
use crate::status::{Code, Phase, Ran, Status};

impl Shared {
    /// Takes every complete frame. Returns how many bytes the next frame still lacks. An error ends the connection.
    pub(super) fn received_http2(&self, wakers: &mut Vec<Waker>, input: &mut BytesMut) -> Result<usize, Status> {
        let now = clock::now();
        let mut guard = self.lock();
        let state = &mut *guard;
        state.heard(now, &self.limits);
        let Some(mut http2) = state.http2.take() else { return Ok(0) };
        let taken = self.take_frames(&mut http2, state, now, wakers, input);
        if !state.greeted && http2.connection.has_settings() {
            state.greeted = true;
            state.round_trip.measured(now.saturating_duration_since(self.opened_at), Duration::ZERO);
            self.greeting.notify_waiters();
        }
        let peer = http2.connection.peer();
        state.peer.in_flight_max = peer.streams_max;
        state.peer.metadata_bytes_max = peer.header_list_bytes_max;
        for id in http2.connection.take_relieved() {
            if let Some(response) = http2.connection.stream(id) {
                state.credited(response.key, 0, wakers);
            }
        }
        if http2.is_starved && http2.has_streams() {
            http2.is_starved = false;
            self.room.notify_waiters();
        }
        state.http2 = Some(http2);
        state.count_queued();
        state.count(&self.load);
        taken
    }

    fn take_frames(
        &self,
        http2: &mut Http2,
        state: &mut State,
        now: Instant,
        wakers: &mut Vec<Waker>,
        input: &mut BytesMut,
    ) -> Result<usize, Status> {
        loop {
            let Http2 { connection, head, .. } = http2;
            let event = connection.next(now, input, &mut state.output, head);
            let event = event.map_err(|violation| {
                connection.go_away(&mut state.output, violation.code, &violation.text);
                let message = format!("the peer broke the protocol: {}", violation.text);
                let status = self.failed(Code::Unavailable, message, Phase::Reply, Ran::Maybe);
                if !connection.has_settings() {
                    state.fault = Some(status.clone());
                }
                status
            })?;
            match event {
                Event::NeedMore(missing) => return Ok(missing),
                Event::Head { id, is_end, is_too_long } => {
                    http2.pings.answered();
                    self.head(http2, state, id, is_end, is_too_long, wakers);
                    http2.head.clear();
                }
                Event::Data { id, bytes, is_end } => {
                    http2.pings.answered();
                    let fed = self.data(http2, state, id, bytes, is_end, wakers);
                    if let Err(status) = fed {
                        self.fail(http2, state, id, status, wakers);
                    } else if is_end {
                        let status = Status::internal("the response has ended without grpc-status");
                        self.fail(http2, state, id, status.with_phase(Phase::Reply), wakers);
                    }
                }
                Event::Trailers { id, is_too_long } => {
                    http2.pings.answered();
                    if is_too_long {
                        self.fail(http2, state, id, self.head_too_long(), wakers);
                    } else {
                        self.end(http2, state, id, wakers);
                    }
                    http2.head.clear();
                }
                Event::Reset { id, code, by_peer } => {
                    if by_peer && code == ErrorCode::RefusedStream as u32 {
                        http2.was_refused();
                    }
                    self.was_reset(state, id, code, by_peer, wakers);
                }
                Event::GoAway { last, code, text } => {
                    let reason = match String::from_utf8_lossy(&text) {
                        text if text.is_empty() => format!("the peer goes away, code {code}"),
                        text => text.into_owned(),
                    };
                    tracing::debug!(peer = %self.address, code, reason, "the peer goes away");
                    let why = Status::unavailable(reason).with_peer(&self.address);
                    for id in http2.connection.ids().into_iter().filter(|id| *id > last) {
                        self.fail(http2, state, id, unsent(&why).with_phase(Phase::Queue), wakers);
                    }
                    state.ended = Some(why);
                }
                Event::Pong => {}
            }
        }
    }

    fn head_too_long(&self) -> Status {
        let max = self.limits.http_head_bytes_max;
        let message = format!("the head of the response is beyond http_head_bytes_max {max}");
        Status::resource_exhausted(message).with_phase(Phase::Reply).with_ran(Ran::Yes)
    }

    /// Takes the head of a response.
    fn head(
        &self,
        http2: &mut Http2,
        state: &mut State,
        id: u32,
        is_end: bool,
        is_too_long: bool,
        wakers: &mut Vec<Waker>,
    ) {
        if is_too_long {
            return self.fail(http2, state, id, self.head_too_long(), wakers);
        }
        let head = http2.head.fields;
        if (100..200).contains(&head.http_status) && !is_end {
            return;
        }
        if head.http_status != 200 || !head.is_grpc {
            let status = if let Some(code) = head.code.filter(|code| *code != Code::Ok) {
                http2.head.take_status(code, &self.address)
            } else {
                let message = format!("no gRPC response, but one with the HTTP status {}", head.http_status);
                Status::new(grpc::code_of_http_status(head.http_status), message).with_phase(Phase::Reply)
            };
            return self.fail(http2, state, id, status, wakers);
        }
        if is_end {
            return self.end(http2, state, id, wakers);
        }
        let encoding = match head.encoding {
            Some(Err(())) => {
                let status = Status::internal("the response is compressed in a way that this side has not offered");
                return self.fail(http2, state, id, status.with_phase(Phase::Reply), wakers);
            }
            Some(Ok(algorithm)) => Some(algorithm),
            None => None,
        };
        http2.connection.final_head_arrived(id);
        let message_bytes_max = http2.message_bytes_max;
        let Some(response) = http2.connection.stream(id) else { return };
        let flags = if encoding.is_some() { grpc::flag::COMPRESSED } else { 0 };
        response.encoding = encoding;
        response.messages = Some(MessageDecoder::new(flags, message_bytes_max));
        let (key, is_stream) = (response.key, response.is_stream);
        if let Some(metadata) = http2.head.take_metadata()
            && let Some(context) = state.calls.get(key).and_then(|call| call.context.as_ref())
        {
            *context.reply_metadata() = metadata;
        }
        if is_stream {
            state.open(key, wakers);
        }
    }

    /// Takes a part of a response's body. The error fails the call.
    fn data(
        &self,
        http2: &mut Http2,
        state: &mut State,
        id: u32,
        mut bytes: Bytes,
        is_end: bool,
        wakers: &mut Vec<Waker>,
    ) -> Result<(), Status> {
        let Some(response) = http2.connection.stream(id) else { return Ok(()) };
        let Some(decoder) = &mut response.messages else {
            return Err(self.failed(Code::Internal, "a body without a head", Phase::Reply, Ran::Maybe));
        };
        let mut early = 0;
        while !bytes.is_empty() {
            let before = bytes.len() as u64;
            let message = decoder
                .decode(&mut bytes)
                .map_err(|status| self.failed(status.code(), status.message().to_owned(), Phase::Reply, Ran::Yes))?;
            let Some(message) = message else {
                early += before;
                break;
            };
            let compressed = match response.encoding {
                Some(algorithm) if message.is_compressed() => Compressed::By(algorithm),
                _ => Compressed::No,
            };
            let wire_bytes = (message.bytes.len() + PREFIX_BYTES) as u64;
            let message = Message { bytes: message.bytes, compressed };
            if response.is_stream {
                response.unread.arrived(message.cost(), wire_bytes);
                let key = response.key;
                let pushed = state.reply(key, message, Windows::UNBOUNDED, wakers);
                pushed.map_err(|what| self.failed(Code::Internal, what, Phase::Reply, Ran::Yes))?;
            } else if response.only.replace(message).is_some() {
                let status = Status::internal("several messages where one was expected");
                return Err(status.with_phase(Phase::Reply).with_peer(&self.address));
            } else {
                early += before - bytes.len() as u64;
            }
        }
        if is_end {
            return decoder.end().map_err(|status| status.with_phase(Phase::Reply).with_peer(&self.address));
        }
        if early > 0 {
            if response.is_stream {
                response.unread.granted_early(early);
            }
            http2.connection.grant(id, early, &mut state.output);
        }
        Ok(())
    }

    /// Takes the trailers of a response.
    fn end(&self, http2: &mut Http2, state: &mut State, id: u32, wakers: &mut Vec<Waker>) {
        let Some(response) = http2.connection.finish(id, &mut state.output) else { return };
        http2.was_answered();
        let context = state.calls.get(response.key).and_then(|call| call.context.clone());
        let outcome = match http2.head.fields.code {
            Some(Code::Ok) => {
                if let Some(metadata) = http2.head.take_metadata()
                    && let Some(context) = context
                {
                    *context.trailer() = metadata;
                }
                self.sample(state, response.key);
                match response.messages.as_ref().map(MessageDecoder::end) {
                    Some(Err(status)) => Err(status.with_phase(Phase::Reply).with_peer(&self.address)),
                    _ => Ok(response.only),
                }
            }
            Some(code) => {
                let status = http2.head.take_status(code, &self.address);
                if let Some(context) = context.filter(|_| !status.trailer().is_empty()) {
                    *context.trailer() = status.trailer().clone();
                }
                Err(status)
            }
            None => {
                let status = Status::internal("the response has ended without grpc-status");
                Err(status.with_phase(Phase::Reply).with_peer(&self.address))
            }
        };
        let now = state.heard_at.unwrap_or(self.opened_at);
        self.answered(state, now, outcome.as_ref().map(drop));
        state.complete(response.key, outcome, true, wakers);
    }

    /// Takes the latency of an answered unary call as a sample. Replies that were read together count once.
    fn sample(&self, state: &mut State, key: usize) {
        let Some(call) = state.calls.get(key).filter(|call| call.awaits_only_a_message()) else { return };
        let Some(now) = state.heard_at.filter(|now| state.measured_at != Some(*now)) else { return };
        let elapsed = now.saturating_duration_since(call.begun);
        state.measured_at = Some(now);
        state.silence.sample(elapsed);
        self.load.observe(now, elapsed);
    }

    /// Fails a call, and resets its stream if the peer has not ended it.
    fn fail(&self, http2: &mut Http2, state: &mut State, id: u32, status: Status, wakers: &mut Vec<Waker>) {
        let Some(response) = http2.connection.finish(id, &mut state.output) else { return };
        let now = state.heard_at.unwrap_or(self.opened_at);
        self.answered(state, now, Err(&status));
        state.complete(response.key, Err(status.with_peer(&self.address)), true, wakers);
    }

    /// Fails the call whose stream was reset, by the peer or because the peer broke the rules of HTTP/2.
    fn was_reset(&self, state: &mut State, id: u32, code: u32, by_peer: bool, wakers: &mut Vec<Waker>) {
        let Some((key, _)) = state.calls.iter().find(|(_, call)| call.stream == id && !call.answered) else { return };
        let status = if !by_peer {
            self.failed(Code::Internal, "the peer broke the protocol of the stream", Phase::Reply, Ran::Maybe)
        } else if code == ErrorCode::RefusedStream as u32 {
            self.failed(Code::Unavailable, "the peer refused the stream", Phase::Queue, Ran::No)
        } else {
            let message = format!("the peer reset the stream, code {code}");
            self.failed(grpc::code_of_reset(code), message, Phase::Reply, Ran::Maybe)
        };
        state.complete(key, Err(status), true, wakers);
    }
}
