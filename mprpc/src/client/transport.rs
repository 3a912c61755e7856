//! Calls to frames on one connection: one encoded request, and the two ways to carry it.

use bytes::Bytes;

use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;

/// A call, encoded once, however often it is sent.
#[derive(Clone)]
pub(crate) struct Request {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) metadata: Metadata,
    pub(crate) message: Bytes,
    pub(crate) deadline: Deadline,
    /// Whether bytes are a complete reply, as far as decoding can tell: for peers that do not say where one ends.
    pub(crate) is_reply: fn(&[u8]) -> bool,
}

impl Request {
    /// The name of the service without its package, as classic peers know it.
    pub(crate) fn short_service(&self) -> &'static str {
        let service = self.method.service();
        service.rsplit('.').next().unwrap_or(service)
    }
}
