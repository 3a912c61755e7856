//! What a handler knows of the call it serves.

use std::sync::Arc;

use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;
use crate::tls::PeerIdentity;

/// What a handler knows of the call it serves.
///
/// When the caller cancels, or its connection is lost, the handler's future is dropped at its next await; what must be
/// undone then belongs into the `Drop` of a value that the handler holds.
#[derive(Debug)]
pub struct Context {
    pub(crate) method: &'static MethodDescriptor,
    pub(crate) peer: Arc<Peer>,
    pub(crate) deadline: Deadline,
    pub(crate) metadata: Metadata,
}

/// The two ends of a connection, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end.
    pub address: Address,
    /// This end.
    pub local: Address,
    /// Who the other end proved to be: the names in the certificate that it showed over TLS. `None` where it showed none.
    pub identity: Option<Arc<PeerIdentity>>,
}

impl Context {
    /// The context of a call that came over no connection: for tests of handlers.
    pub fn new(method: &'static MethodDescriptor, peer: Arc<Peer>, deadline: Deadline, metadata: Metadata) -> Context {
        Context { method, peer, deadline, metadata }
    }

    /// The method that was called.
    pub fn method(&self) -> &'static MethodDescriptor {
        self.method
    }

    /// Who called.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Deadline {
        self.deadline
    }

    /// What travelled beside the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }
}
