//! The server's half of a native connection: many calls at a time, each answered when it is ready.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll, ready};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::future::{AbortHandle, Abortable};
use futures_util::stream::FuturesUnordered;
use tokio::time::{Sleep, sleep_until};

use super::call::RunningCall;
use super::router::Route;
use super::shared::Shared;
use crate::context::{Context, Peer};
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::net::SendBuffer;
use crate::net::connection::{Close, Turn};
use crate::protocol::native::{self, Decoded, Decoder, Header, PREFACE, Settings, flag, kind};
use crate::status::{Code, Ran, Status};

pub(super) struct Multiplexed {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    decoder: Decoder,
    /// The caller has greeted.
    greeted: bool,
    /// The greeting of this side was sent.
    introduced: bool,
    /// What the caller accepts.
    caller: Settings,
    /// By the number that the caller gave it. A method that there is not is refused at each call.
    methods: Vec<Result<Route, Status>>,
    /// Calls whose handler was not ready at once.
    parked: FuturesUnordered<Parked>,
    /// What cancels a parked call, by its id.
    cancels: HashMap<u32, AbortHandle>,
    /// New calls are refused, for this reason.
    going_away: Option<&'static str>,
}

/// A call whose handler was not ready at once.
struct Parked {
    id: u32,
    begun: Instant,
    call: Abortable<RunningCall>,
    /// Fires at the deadline, also where no CANCEL comes.
    expires: Option<Pin<Box<Sleep>>>,
}

/// What the peer did against the protocol; it gets to read it.
type Violation = String;

impl Multiplexed {
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>) -> Multiplexed {
        Multiplexed {
            decoder: Decoder::of(&shared.limits),
            peer,
            greeted: false,
            introduced: false,
            caller: Settings::default(),
            methods: Vec::new(),
            parked: FuturesUnordered::new(),
            cancels: HashMap::new(),
            going_away: None,
            shared,
        }
    }

    /// Takes every complete frame; whether one is incomplete.
    pub(super) fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        if !self.greeted {
            if input.len() < PREFACE.len() {
                return ControlFlow::Continue(true);
            }
            self.greet(turn, &input.split_to(PREFACE.len()))?;
        }
        let mut calls = 0;
        let taken = loop {
            turn.paused = turn.output.len() > self.shared.limits.send_buffer_bytes_max;
            if turn.paused {
                break Ok(());
            }
            match self.decoder.decode(input) {
                Decoded::NeedMore(missing) => {
                    turn.missing = missing;
                    break Ok(());
                }
                Decoded::TooLong(header) => {
                    if let Err(violation) = self.refuse_too_long(turn.output, header) {
                        break Err(violation);
                    }
                }
                Decoded::Frame(header, body) => {
                    calls += u64::from(header.kind == kind::REQUEST);
                    if let Err(violation) = self.frame(turn, header, body) {
                        break Err(violation);
                    }
                }
            }
        };
        self.shared.counters.calls.fetch_add(calls, Ordering::Relaxed);
        if let Err(violation) = taken {
            self.shared.reject_because(&self.peer, "a protocol error", &violation);
            go_away(turn.output, &Status::internal(violation));
            return ControlFlow::Break(Close::Protocol);
        }
        ControlFlow::Continue(!turn.paused && self.decoder.is_inside_a_frame(input))
    }

    fn greet(&mut self, turn: &mut Turn<'_, '_>, preface: &[u8]) -> ControlFlow<Close> {
        self.introduce(turn.output);
        if preface != PREFACE {
            let version = preface[native::MAGIC_BYTES];
            self.shared.reject_because(&self.peer, "an unknown version of the protocol", &version.to_string());
            go_away(turn.output, &Status::unimplemented(format!("version {version}; this server speaks version 1")));
            return ControlFlow::Break(Close::Protocol);
        }
        self.greeted = true;
        ControlFlow::Continue(())
    }

    /// Preface and SETTINGS, before anything else that this side sends.
    fn introduce(&mut self, output: &mut SendBuffer) {
        if !std::mem::replace(&mut self.introduced, true) {
            output.tail().extend_from_slice(&PREFACE);
            Settings::of(&self.shared.limits).encode(output.tail());
        }
    }

    fn frame(&mut self, turn: &mut Turn<'_, '_>, header: Header, body: Bytes) -> Result<(), Violation> {
        match header.kind {
            kind::REQUEST => self.request(turn, header, body),
            kind::METHOD => self.method(header, &body),
            kind::CANCEL => {
                if let Some(cancel) = self.cancels.get(&header.id) {
                    cancel.abort();
                }
                Ok(())
            }
            kind::PING => {
                let pong = Header { kind: kind::PONG, value: header.value, ..Header::default() };
                native::encode_frame(turn.output.tail(), pong, &[]);
                Ok(())
            }
            kind::SETTINGS => self.caller.merge(body).map_err(str::to_owned),
            // PONG and GO_AWAY ask nothing of a server; kinds of later versions are skipped.
            _ => Ok(()),
        }
    }

    fn method(&mut self, header: Header, path: &[u8]) -> Result<(), Violation> {
        let limits = &self.shared.limits;
        if usize::from(header.word) != self.methods.len() {
            return Err(format!("method number {} where {} is next", header.word, self.methods.len()));
        }
        if self.methods.len() >= limits.methods_max {
            return Err(format!("more methods than methods_max {}", limits.methods_max));
        }
        if path.len() > limits.method_path_bytes_max {
            let max = limits.method_path_bytes_max;
            return Err(format!("a method path of {} bytes is beyond method_path_bytes_max {max}", path.len()));
        }
        let path = std::str::from_utf8(path).map_err(|_| "a method path is not UTF-8".to_owned())?;
        self.methods.push(self.shared.router.route(path));
        Ok(())
    }

    fn request(&mut self, turn: &mut Turn<'_, '_>, header: Header, body: Bytes) -> Result<(), Violation> {
        if header.id == 0 || self.cancels.contains_key(&header.id) {
            return Err(format!("call id {} is 0 or in use", header.id));
        }
        let Some((metadata, message)) = native::split_body(header, body) else {
            return Err("metadata longer than its frame".to_owned());
        };
        match self.begin(turn.now, header, metadata, message) {
            Ok(mut call) => match call.poll(turn.cx) {
                Poll::Ready(result) => self.respond(turn.output, header.id, 0, result),
                Poll::Pending => self.park(turn.now, header.id, call),
            },
            Err(status) => self.respond(turn.output, header.id, 0, Err(status)),
        }
        Ok(())
    }

    /// Begins the call, or says why it does not.
    fn begin(&self, now: Instant, header: Header, metadata: Bytes, message: Bytes) -> Result<RunningCall, Status> {
        let limits = &self.shared.limits;
        if let Some(why) = self.going_away {
            return refused(Status::unavailable(why));
        }
        if self.parked.len() >= limits.in_flight_max {
            let max = limits.in_flight_max;
            return refused(Status::resource_exhausted(format!("{max} calls in flight: in_flight_max {max}")));
        }
        if message.len() > limits.message_bytes_max {
            return refused(too_long("a message", message.len(), "message_bytes_max", limits.message_bytes_max));
        }
        if metadata.len() > limits.metadata_bytes_max {
            return refused(too_long("metadata", metadata.len(), "metadata_bytes_max", limits.metadata_bytes_max));
        }
        if header.has(flag::OPEN) || !header.has(flag::END) {
            return refused(Status::unimplemented("streams are not served by this version"));
        }
        if header.has(flag::COMPRESSED) {
            return refused(Status::unimplemented("compression is not served by this version"));
        }
        let route = match self.methods.get(usize::from(header.word)) {
            Some(Ok(route)) => route,
            Some(Err(status)) => return Err(status.clone()),
            None => return refused(Status::invalid_argument(format!("method number {} was not given", header.word))),
        };
        let metadata = if metadata.is_empty() {
            Metadata::new()
        } else {
            native::decode_metadata(metadata).map_err(|what| Status::invalid_argument(what).with_ran(Ran::No))?
        };
        let deadline = match header.value {
            0 => Deadline::NONE,
            milliseconds => Deadline::after(now, Duration::from_millis(milliseconds.into())),
        };
        let context = Context { method: route.method, peer: self.peer.clone(), deadline, metadata };
        RunningCall::begin(route, context, message)
    }

    fn park(&mut self, begun: Instant, id: u32, call: RunningCall) {
        let (cancel, registration) = AbortHandle::new_pair();
        self.cancels.insert(id, cancel);
        let expires = call.deadline().instant().map(|at| Box::pin(sleep_until(at.into())));
        self.parked.push(Parked { id, begun, call: Abortable::new(call, registration), expires });
    }

    /// Polls parked calls.
    pub(super) fn poll(&mut self, turn: &mut Turn<'_, '_>) {
        while !self.parked.is_empty() {
            turn.paused = turn.output.len() > self.shared.limits.send_buffer_bytes_max;
            if turn.paused {
                return;
            }
            let Poll::Ready(Some((id, begun, result))) = self.parked.poll_next_unpin(turn.cx) else {
                return;
            };
            self.cancels.remove(&id);
            let spent = turn.now.saturating_duration_since(begun).as_micros();
            self.respond(turn.output, id, u32::try_from(spent).unwrap_or(u32::MAX), result);
        }
    }

    /// No new calls, for this reason. The caller closes the connection once it has its last reply.
    pub(super) fn go_away(&mut self, turn: &mut Turn<'_, '_>, why: &'static str) {
        self.going_away = Some(why);
        self.introduce(turn.output);
        go_away(turn.output, &Status::unavailable(why));
    }

    fn refuse_too_long(&self, output: &mut SendBuffer, header: Header) -> Result<(), Violation> {
        let limits = &self.shared.limits;
        let (length, max) = (header.length as usize, limits.message_bytes_max);
        match header.kind {
            kind::REQUEST => {}
            kind::SETTINGS | kind::METHOD => {
                return Err(format!("a frame of kind {} with {length} bytes", header.kind));
            }
            _ => return Ok(()),
        }
        let status = too_long("a message", length, "message_bytes_max", max).with_ran(Ran::No);
        self.respond(output, header.id, 0, Err(status));
        Ok(())
    }

    fn respond(&self, output: &mut SendBuffer, id: u32, spent: u32, result: Result<Bytes, Status>) {
        let result = result.and_then(|reply| {
            let max = self.shared.limits.message_bytes_max.min(self.caller.message_bytes_max as usize);
            if reply.len() <= max {
                Ok(reply)
            } else {
                Err(too_long("the reply", reply.len(), "message_bytes_max", max))
            }
        });
        let mut header = Header { kind: kind::RESPONSE, flags: flag::END, id, value: spent, ..Header::default() };
        let body = match result {
            Ok(reply) => reply,
            Err(status) => {
                // A handler that fails with OK has failed all the same.
                header.word = if status.code() == Code::Ok { Code::Unknown } else { status.code() } as u16;
                if status.ran() == Ran::No {
                    header.flags |= flag::NOT_RUN;
                }
                native::encode_error(&status)
            }
        };
        header.length = native::wire_length(body.len());
        output.tail().extend_from_slice(&header.encode());
        output.push(body);
    }
}

/// The handler has not run and will not.
fn refused<T>(status: Status) -> Result<T, Status> {
    Err(status.with_ran(Ran::No))
}

fn too_long(what: &str, length: usize, limit: &str, max: usize) -> Status {
    Status::resource_exhausted(format!("{what} of {length} bytes is beyond {limit} {max}"))
}

fn go_away(output: &mut SendBuffer, why: &Status) {
    let header = Header { kind: kind::GO_AWAY, word: why.code() as u16, ..Header::default() };
    native::encode_frame(output.tail(), header, why.message().as_bytes());
}

impl Future for Parked {
    type Output = (u32, Instant, Result<Bytes, Status>);

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let result = match Pin::new(&mut self.call).poll(cx) {
            Poll::Ready(Ok(result)) => result,
            Poll::Ready(Err(_aborted)) => Err(Status::cancelled("cancelled by the caller")),
            Poll::Pending => {
                let Some(expires) = &mut self.expires else { return Poll::Pending };
                ready!(expires.as_mut().poll(cx));
                Err(Status::deadline_exceeded("the handler did not finish within the deadline"))
            }
        };
        Poll::Ready((self.id, self.begun, result))
    }
}
