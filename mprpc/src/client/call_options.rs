//! The options of one call, the service that it calls, and when it began. Not its messages.

use std::sync::Arc;
use std::time::Instant;

use super::service::ServiceEndpoints;
use crate::codec::Compression;
use crate::deadline::Deadline;
use crate::interceptor::Chain;

/// The way of a call to where it is served.
#[derive(Clone)]
pub(super) struct CallOptions {
    pub(super) service: Arc<BoundService>,
    pub(super) wait_for_ready: bool,
    pub(super) compression: Option<Compression>,
    /// Whether bytes are a complete reply, as far as decoding can tell: for peers that do not say where one ends.
    pub(super) is_reply: fn(&[u8]) -> bool,
}

impl CallOptions {
    /// As the channel says; a call may change it.
    #[inline]
    pub(super) fn new(service: &Arc<BoundService>, is_reply: fn(&[u8]) -> bool) -> CallOptions {
        let options = service.endpoints.options();
        CallOptions {
            wait_for_ready: options.wait_for_ready,
            compression: options.compression,
            service: service.clone(),
            is_reply,
        }
    }
}

/// What all calls of one client share.
pub(super) struct BoundService {
    pub(super) endpoints: Arc<ServiceEndpoints>,
    pub(super) interceptors: Chain,
}

/// When a call began, and when it has to be done.
#[derive(Clone, Copy)]
pub(super) struct CallStart {
    pub(super) at: Instant,
    pub(super) deadline: Deadline,
    /// Nothing but `call_timeout` says when that is.
    pub(super) by_default: bool,
}
