//! The options of one call, the service that it calls, and its start time. Not its messages.

use std::sync::Arc;
use std::time::Instant;

use super::service::ServiceEndpoints;
use crate::codec::Compression;
use crate::deadline::Deadline;
use crate::interceptor::Chain;

/// The options of one call: the service and the settings taken from the channel.
#[derive(Clone)]
pub(super) struct CallOptions {
    pub(super) service: Arc<BoundService>,
    pub(super) wait_for_ready: bool,
    pub(super) compression: Option<Compression>,
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
            service: service.clone(),
            is_reply,
        }
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
