//! The server's half of a classic connection: one request, one reply, the end.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};

use bytes::{Bytes, BytesMut};

use super::call::{RunningCall, Step};
use super::memory::Account;
use super::shared::Shared;
use crate::context::{Context, Peer};
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::net::connection::{Close, Timer, Turn};
use crate::protocol::classic::{self, Decoded};
use crate::service::Body;
use crate::status::Status;

pub(super) struct OneShot {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    memory: Arc<Account>,
    call: Option<RunningCall>,
    /// Something came behind the request.
    surplus: bool,
    /// What may be the one message of a stream of replies.
    only: Option<Bytes>,
    timer: Timer,
}

impl OneShot {
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>, memory: Arc<Account>) -> OneShot {
        OneShot { shared, peer, memory, call: None, surplus: false, only: None, timer: Timer::default() }
    }

    /// Whether a request has come and its reply is still due.
    pub(super) fn is_answering(&self) -> bool {
        self.call.is_some()
    }

    /// Takes the request; whether it is still incomplete.
    pub(super) fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        if self.call.is_some() {
            self.drop_surplus(input);
            return ControlFlow::Continue(false);
        }
        let request = match classic::decode_request(input, &self.shared.limits) {
            Decoded::NeedMore(missing) => {
                self.check_size(input.len() + missing)?;
                turn.missing = missing;
                return ControlFlow::Continue(true);
            }
            Decoded::Malformed(why) => {
                self.shared.reject_because(&self.peer, "a malformed request", &why);
                return ControlFlow::Break(Close::Protocol);
            }
            Decoded::Request(request) => request,
        };
        self.check_size(request.args.len())?;
        self.drop_surplus(input);
        let path = format!("{}/{}", request.service, request.method);
        let route = match self.shared.router.route(&path) {
            Ok(route) => route,
            Err(status) => {
                self.shared.reject_because(&self.peer, "a call of an unknown method", status.message());
                return ControlFlow::Break(Close::Protocol);
            }
        };
        self.shared.counters.calls.fetch_add(1, Ordering::Relaxed);
        let context = Context::new(route.method.clone(), self.peer.clone(), Deadline::NONE, Metadata::new());
        let mut call = RunningCall::new(&self.shared, &route, context);
        call.memory = self.memory.charge_call(request.args.len(), call.context());
        match call.begin(&self.shared, &route, Body::Message(request.args)) {
            Ok(()) => self.call = Some(call),
            Err(status) => return self.answer(turn, Err(status)),
        }
        ControlFlow::Continue(false)
    }

    /// Closes where the request could never fit: the caller cannot be told why.
    fn check_size(&self, size: usize) -> ControlFlow<Close> {
        let max = self.memory.connection_bytes_max();
        if size <= max {
            return ControlFlow::Continue(());
        }
        let detail = format!("{size} bytes are beyond connection_memory_bytes_max {max}");
        self.shared.reject_because(&self.peer, "a request that never fits into memory", &detail);
        ControlFlow::Break(Close::Protocol)
    }

    pub(super) fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let Some(call) = &mut self.call else {
            return ControlFlow::Continue(());
        };
        let Poll::Ready(reply) = call.poll_reply(turn.cx, &mut self.only, &mut self.timer) else {
            return ControlFlow::Continue(());
        };
        if let Some(unfinished) = self.call.take_if(|call| !call.has_ended()) {
            unfinished.cancel(&self.shared);
        }
        self.call = None;
        self.answer(turn, reply)?;
        ControlFlow::Continue(())
    }

    /// The frame has no room for a status: a call that failed is answered by closing without a byte.
    fn answer(&mut self, turn: &mut Turn<'_, '_>, result: Result<Bytes, Status>) -> ControlFlow<Close, bool> {
        match result {
            Ok(reply) => {
                turn.output.push(reply);
                // There is nothing unread that would turn the close into an RST, and destroy the reply.
                ControlFlow::Break(if self.surplus { Close::Done } else { Close::Answered })
            }
            Err(status) => {
                self.shared.counters.ended(&status);
                self.shared.reject_because(&self.peer, "a call that failed", &status.to_string());
                ControlFlow::Break(Close::Protocol)
            }
        }
    }

    /// The caller is gone.
    fn cancel(&mut self) {
        if let Some(call) = self.call.take() {
            call.cancel(&self.shared);
            self.shared.counters.given_up();
        }
    }

    fn drop_surplus(&mut self, input: &mut BytesMut) {
        if !input.is_empty() {
            tracing::debug!(peer = %self.peer.address, bytes = input.len(), "bytes behind the one request of a connection");
            self.surplus = true;
            input.clear();
        }
    }
}

impl RunningCall {
    /// Polls up to the one reply, for which the frame has room; a stream of `only` one message is that too. The frame has
    /// none for a deadline, but an interceptor or the handler may have set one.
    fn poll_reply(
        &mut self,
        cx: &mut task::Context<'_>,
        only: &mut Option<Bytes>,
        timer: &mut Timer,
    ) -> Poll<Result<Bytes, Status>> {
        let no_stream = || Err(Status::unimplemented("classic callers cannot be sent a stream"));
        loop {
            let Poll::Ready(step) = self.poll(cx) else {
                let Some(at) = self.context().deadline().instant() else { return Poll::Pending };
                return Pin::new(timer).poll(cx, at).map(|()| Err(self.expired()));
            };
            return Poll::Ready(match step {
                Step::Reply(reply) => Ok(reply),
                Step::Failed(status) => Err(status),
                Step::Opened => continue,
                Step::Message(message) if only.is_none() => {
                    *only = Some(message);
                    continue;
                }
                Step::Message(_) => no_stream(),
                Step::End => only.take().map_or_else(no_stream, Ok),
            });
        }
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        self.cancel();
    }
}
