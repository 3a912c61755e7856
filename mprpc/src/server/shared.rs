//! What all connections of a server share.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use super::router::Router;
use crate::context::Peer;
use crate::limits::Limits;
use crate::net::tls::Acceptor;

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    /// What TCP connections have to begin with, if anything.
    pub(crate) tls: Option<Acceptor>,
    draining: watch::Sender<bool>,
    pub(crate) counters: Counters,
}

/// What is counted. Calls are added once a turn, everything else is rare.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections_open: AtomicU64,
    pub(crate) calls: AtomicU64,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
}

/// What a server has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Calls begun.
    pub calls: u64,
    /// Connections closed for what the peer sent, by what that was: "a TLS hello".
    pub rejected: BTreeMap<&'static str, u64>,
}

impl Shared {
    pub(crate) fn new(router: Router, limits: Limits) -> Shared {
        Shared { router, limits, tls: None, draining: watch::Sender::new(false), counters: Counters::default() }
    }

    /// Tells every connection to go away once its calls in flight are done.
    pub(crate) fn drain(&self) {
        self.draining.send_replace(true);
    }

    /// Returns once the server drains.
    pub(crate) async fn drained(&self) {
        // The sender is in `self`, so the wait ends with the drain alone.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Counts and logs a connection that is closed for what its peer sent.
    pub(crate) fn reject(&self, peer: &Peer, what: &'static str) {
        self.reject_because(peer, what, "");
    }

    /// The same, with what is particular to this one.
    pub(crate) fn reject_because(&self, peer: &Peer, what: &'static str, detail: &str) {
        *self.counters.rejected.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
        tracing::warn!(peer = %peer.address, local = %peer.local, received = what, detail, "connection closed");
    }

    pub(crate) fn stats(&self) -> ServerStats {
        let counters = &self.counters;
        ServerStats {
            connections_accepted: counters.connections_accepted.load(Ordering::Relaxed),
            connections_open: counters.connections_open.load(Ordering::Relaxed),
            calls: counters.calls.load(Ordering::Relaxed),
            rejected: counters.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
