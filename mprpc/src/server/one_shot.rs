//! The server's half of a classic connection: one request, one reply, the end.

use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};
use std::time::Instant;

use bytes::{Bytes, BytesMut};

use super::call::{RunningCall, Step};
use super::executor::{Flow, QueuedCall, RemoteCall};
use super::memory::{Account, Charge};
use super::placement::{PollMeter, RunOn};
use super::router::Route;
use super::served_call::ServedCall;
use super::shared::Shared;
use crate::context::{Context, Peer};
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::net::connection::{Close, Turn};
use crate::net::timer::Timer;
use crate::protocol::classic::{self, Decoded};
use crate::service::Body;
use crate::status::Status;

pub(super) struct OneShot {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    memory: Arc<Account>,
    call: Option<ServedCall>,
    meter: PollMeter,
    /// Something came behind the request.
    surplus: bool,
    /// What may be the one message of a stream of replies.
    only: Option<Bytes>,
    timer: Timer,
}

impl OneShot {
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>, memory: Arc<Account>, now: Instant) -> OneShot {
        OneShot {
            shared,
            peer,
            memory,
            call: None,
            meter: PollMeter::new(now),
            surplus: false,
            only: None,
            timer: Timer::default(),
        }
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
        let request = Body::Message(request.args);
        let run_on = route.placement.run_on();
        if run_on != RunOn::Loop {
            return self.serve_elsewhere(turn, run_on, call, route, request);
        }
        match call.begin(&self.shared, &route, request) {
            Ok(()) => self.call = Some(ServedCall::Here(call, route.placement)),
            Err(status) => return self.answer(turn, Err(status)),
        }
        ControlFlow::Continue(false)
    }

    /// Has the call wait for its turn on another thread.
    fn serve_elsewhere(
        &mut self,
        turn: &mut Turn<'_, '_>,
        run_on: RunOn,
        running: RunningCall,
        route: Route,
        request: Body,
    ) -> ControlFlow<Close, bool> {
        let flow = Flow::of(&self.peer);
        if let Some(overloaded) = self.shared.refuses(&route, run_on, flow, turn.now) {
            return self.answer(turn, Err(overloaded));
        }
        let call = RemoteCall::new(&running, turn.cx.waker().clone());
        self.call = Some(ServedCall::Elsewhere(call.clone(), Charge::default()));
        let queued = QueuedCall { call, running, route, request, caller: flow.caller, arrived: turn.now };
        self.shared.run_elsewhere(run_on, flow, queued, turn.now);
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
        let polled = call.poll_reply(turn.cx, &mut self.meter, &mut self.only, &mut self.timer);
        let Poll::Ready((reply, has_ended)) = polled else {
            return ControlFlow::Continue(());
        };
        if let Some(call) = self.call.take()
            && !has_ended
        {
            call.cancel(&self.shared);
        }
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

impl ServedCall {
    /// Polls up to the one reply, for which the frame has room; a stream of `only` one message is that too. Says as well
    /// whether the call has ended with it. The frame has no room for a deadline, but an interceptor or the handler may have
    /// set one.
    fn poll_reply(
        &mut self,
        cx: &mut task::Context<'_>,
        meter: &mut PollMeter,
        only: &mut Option<Bytes>,
        timer: &mut Timer,
    ) -> Poll<(Result<Bytes, Status>, bool)> {
        let no_stream = || Err(Status::unimplemented("classic callers cannot be sent a stream"));
        loop {
            let Poll::Ready(step) = self.poll(cx, meter) else {
                let Some(at) = self.context().deadline().instant() else { return Poll::Pending };
                return Pin::new(timer).poll(cx, at).map(|()| (Err(self.expired()), false));
            };
            let is_end = step.is_end();
            let reply = match step {
                Step::Reply(reply) => Ok(reply),
                Step::Failed(status) => Err(status),
                Step::Opened => continue,
                Step::Message(message) if only.is_none() => {
                    *only = Some(message);
                    continue;
                }
                Step::Message(_) => no_stream(),
                Step::End => only.take().map_or_else(no_stream, Ok),
            };
            return Poll::Ready((reply, is_end));
        }
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        self.cancel();
    }
}
