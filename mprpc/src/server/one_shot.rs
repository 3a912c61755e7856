//! The server's half of a classic connection: one request, one reply, the end.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;

use bytes::{Bytes, BytesMut};

use super::call::{RunningCall, Step};
use super::shared::Shared;
use crate::context::{Context, Peer};
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::net::connection::{Close, Turn};
use crate::protocol::classic::{self, Decoded};
use crate::service::Body;
use crate::status::Status;

pub(super) struct OneShot {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    call: Option<RunningCall>,
}

impl OneShot {
    pub(super) fn new(shared: Arc<Shared>, peer: Arc<Peer>) -> OneShot {
        OneShot { shared, peer, call: None }
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
                turn.missing = missing;
                return ControlFlow::Continue(true);
            }
            Decoded::Malformed(why) => {
                self.shared.reject_because(&self.peer, "a malformed request", &why);
                return ControlFlow::Break(Close::Protocol);
            }
            Decoded::Request(request) => request,
        };
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
        match RunningCall::begin(&self.shared, &route, context, Body::Message(request.args)) {
            Ok(call) => self.call = Some(call),
            Err(status) => return self.answer(turn, Err(status)),
        }
        ControlFlow::Continue(false)
    }

    pub(super) fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let Some(call) = &mut self.call else {
            return ControlFlow::Continue(());
        };
        match call.poll(turn.cx) {
            Poll::Pending => ControlFlow::Continue(()),
            Poll::Ready(step) => {
                self.answer(turn, step.into_reply())?;
                ControlFlow::Continue(())
            }
        }
    }

    /// The frame has no room for a status: a call that failed is answered by closing without a byte.
    fn answer(&mut self, turn: &mut Turn<'_, '_>, result: Result<Bytes, Status>) -> ControlFlow<Close, bool> {
        match result {
            Ok(reply) => {
                turn.output.push(reply);
                ControlFlow::Break(Close::Done)
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
        }
    }

    fn drop_surplus(&self, input: &mut BytesMut) {
        if !input.is_empty() {
            tracing::debug!(peer = %self.peer.address, bytes = input.len(), "bytes behind the one request of a connection");
            input.clear();
        }
    }
}

impl Step {
    /// The frame has no room for a stream.
    fn into_reply(self) -> Result<Bytes, Status> {
        match self {
            Step::Reply(reply) => Ok(reply),
            Step::Failed(status) => Err(status),
            Step::Opened | Step::Message(_) | Step::End => {
                Err(Status::unimplemented("classic callers cannot be sent a stream"))
            }
        }
    }
}

impl Drop for OneShot {
    fn drop(&mut self) {
        self.cancel();
    }
}
