//! A call in flight, as its connection holds it: the call runs on the connection's loop or on another thread.

use std::sync::Arc;
use std::task::{self, Poll};
use std::time::Duration;

use super::call::{RunningCall, Step};
use super::executor::RemoteCall;
use super::memory::Charge;
use super::placement::{MethodPlacement, PollMeter};
use super::shared::Shared;
use crate::context::Context;
use crate::status::Status;

/// A call in flight. Both kinds are polled and cancelled in the same way.
pub(super) enum ServedCall {
    /// The connection polls the handler.
    Here(RunningCall, Arc<MethodPlacement>),
    /// The executor polls the handler. The charge is for reply messages that the caller's window has no room for.
    Elsewhere(Arc<RemoteCall>, Charge),
}

impl ServedCall {
    /// The call, as its handler knows it.
    pub(super) fn context(&self) -> &Context {
        match self {
            ServedCall::Here(call, _) => call.context(),
            ServedCall::Elsewhere(call, _) => call.context(),
        }
    }

    /// How long the call waited for its turn.
    pub(super) fn queued(&self) -> Duration {
        match self {
            ServedCall::Here(..) => Duration::ZERO,
            ServedCall::Elsewhere(call, _) => call.queued(),
        }
    }

    /// Polls the call for its next step. Must not be called after the end of the call.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>, meter: &mut PollMeter) -> Poll<Step> {
        match self {
            ServedCall::Here(call, placement) => meter.measured(placement, || call.poll(cx)),
            ServedCall::Elsewhere(call, _) => call.poll(cx),
        }
    }

    /// Charges the call for so many bytes of its reply stream, for which the caller's window has no room.
    pub(super) fn set_unsent(&mut self, bytes: usize) {
        match self {
            ServedCall::Here(call, _) => call.memory.set_unsent(bytes),
            ServedCall::Elsewhere(_, unsent) => unsent.set_unsent(bytes),
        }
    }

    /// Returns the status of a call whose deadline has passed. The connection must cancel the call afterwards.
    pub(super) fn expired(&self) -> Status {
        match self {
            ServedCall::Here(call, _) => call.expired(),
            ServedCall::Elsewhere(call, _) => call.expired(),
        }
    }

    /// Cancels the call, as nobody waits for it any more. A handler that has begun is dropped, or goes on by itself if its
    /// method runs to completion. Must run on the loop of the connection.
    pub(super) fn cancel(self, shared: &Shared) {
        match self {
            ServedCall::Here(call, _) => call.cancel(shared),
            ServedCall::Elsewhere(call, _) => call.cancel(),
        }
    }
}
