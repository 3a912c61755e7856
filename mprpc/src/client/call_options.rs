//! The options of one call, the service that it calls, and its start time. Not its messages.

use std::sync::Arc;
use std::time::Instant;

use super::service::ServiceEndpoints;
use crate::codec::Compression;
use crate::deadline::Deadline;
use crate::interceptor::Chain;
use crate::method::{MethodDescriptor, MethodKind};
use crate::status::Status;

/// The options of one call: the service and the settings taken from the channel.
#[derive(Clone)]
pub(super) struct CallOptions {
    pub(super) service: Arc<BoundService>,
    pub(super) wait_for_ready: bool,
    pub(super) compression: Option<Compression>,
    /// Whether the call may run twice, if the caller said so. It overrides what the method declares.
    pub(super) may_run_twice: Option<bool>,
    /// Whether the call is hedged, if the caller said so. It overrides the channel's setting.
    pub(super) hedge: Option<bool>,
    /// The hash of the key by which a policy may pick an endpoint.
    pub(super) hash_key: Option<u64>,
    /// Whether bytes decode as a complete reply. Used for peers that do not mark the end of a reply.
    pub(super) is_reply: fn(&[u8]) -> bool,
}

impl CallOptions {
    /// Takes the settings of the channel. Each call may change them.
    #[inline]
    pub(super) fn new(service: &Arc<BoundService>, is_reply: fn(&[u8]) -> bool) -> CallOptions {
        let options = service.endpoints.options();
        CallOptions {
            wait_for_ready: options.wait_for_ready,
            compression: options.compression,
            may_run_twice: None,
            hedge: None,
            hash_key: None,
            service: service.clone(),
            is_reply,
        }
    }

    /// Whether a call of this method may run twice.
    pub(super) fn may_run_twice(&self, method: &MethodDescriptor) -> bool {
        self.may_run_twice.unwrap_or_else(|| method.idempotency.may_run_twice())
    }

    /// Whether the caller or the channel wants a hedge for calls of this method.
    #[inline]
    pub(super) fn wants_hedge(&self, method: &MethodDescriptor) -> bool {
        self.hedge.unwrap_or_else(|| self.service.endpoints.options().hedges(method))
    }

    /// The fault of a call whose caller asked for a hedge that must not be made.
    pub(super) fn hedge_fault(&self, method: &MethodDescriptor) -> Option<Status> {
        if self.hedge != Some(true) {
            return None;
        }
        let why = if method.kind != MethodKind::Unary {
            "only unary calls are hedged"
        } else if !self.may_run_twice(method) {
            "the method sets no idempotency_level, and the call does not set may_run_twice"
        } else {
            return None;
        };
        Some(Status::invalid_argument(format!("hedge of {}: {why}", method.path)))
    }
}

/// A service and the interceptors of its calls, shared by all calls of one client.
pub(super) struct BoundService {
    pub(super) endpoints: Arc<ServiceEndpoints>,
    pub(super) interceptors: Chain,
}

/// The start time and the deadline of a call.
#[derive(Clone, Copy)]
pub(super) struct CallStart {
    pub(super) at: Instant,
    pub(super) deadline: Deadline,
    /// Whether the deadline comes from `call_timeout` alone.
    pub(super) by_default: bool,
}
