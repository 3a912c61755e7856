//! A call that has not ended, as its connection holds it: served here, or on another thread.

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

/// A call that has not ended. Both kinds are polled and cancelled in the same way.
pub(super) enum ServedCall {
    /// The connection polls the handler.
    Here(RunningCall, Arc<MethodPlacement>),
    /// The executor does. The charge is that of replies which the caller has no room for.
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

    /// How long it waited for its turn.
    pub(super) fn queued(&self) -> Duration {
        match self {
            ServedCall::Here(..) => Duration::ZERO,
            ServedCall::Elsewhere(call, _) => call.queued(),
        }
    }

    /// What it has come to. Not to be polled again after its end.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>, meter: &mut PollMeter) -> Poll<Step> {
        match self {
            ServedCall::Here(call, placement) => meter.measured(placement, || call.poll(cx)),
            ServedCall::Elsewhere(call, _) => call.poll(cx),
        }
    }

    /// The call holds so many bytes of its reply stream, which the caller has no room for.
    pub(super) fn set_unsent(&mut self, bytes: usize) {
        match self {
            ServedCall::Here(call, _) => call.memory.set_unsent(bytes),
            ServedCall::Elsewhere(_, unsent) => unsent.set_unsent(bytes),
        }
    }

    /// What it comes to now that its deadline has passed. It is to be cancelled then.
    pub(super) fn expired(&self) -> Status {
        match self {
            ServedCall::Here(call, _) => call.expired(),
            ServedCall::Elsewhere(call, _) => call.expired(),
        }
    }

    /// Nobody waits for it any more. A handler that has begun is dropped, or goes on by itself where its method runs to
    /// completion. Must run on the loop of the connection.
    pub(super) fn cancel(self, shared: &Shared) {
        match self {
            ServedCall::Here(call, _) => call.cancel(shared),
            ServedCall::Elsewhere(call, _) => call.cancel(),
        }
    }
}
