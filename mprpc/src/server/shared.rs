//! What all connections of a server share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::watch;

use super::executor::Executor;
use super::memory::MemoryBudget;
use super::router::Router;
use crate::codec::Compression;
use crate::context::Peer;
use crate::interceptor::Chain;
use crate::limits::Limits;
use crate::net::HandlerThreads;
use crate::net::memory_limit;
use crate::net::tls::Acceptor;
use crate::status::{Code, Phase, Ran, Status};

/// What all connections of a server share.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) interceptors: Chain,
    /// How replies are compressed, where the caller accepts it.
    pub(crate) compression: Option<Compression>,
    /// What TCP connections have to begin with, if anything.
    pub(crate) tls: Option<Acceptor>,
    draining: watch::Sender<bool>,
    /// The same, where it is asked for every turn.
    is_draining: AtomicBool,
    pub(crate) counters: Counters,
    /// Runs the handlers that do not run inline.
    pub(crate) executor: Executor,
    /// Whether calls are refused that would wait for too long.
    pub(crate) is_protected: bool,
    /// What such a call answers with.
    pub(super) overload_status: Status,
    pub(crate) memory: Arc<MemoryBudget>,
    /// Handlers that run to completion though nobody waits for them.
    running_on: watch::Sender<usize>,
}

/// A handler that runs to completion, for as long as it does.
pub(crate) struct DetachedCall(watch::Sender<usize>);

impl DetachedCall {
    pub(crate) fn new(shared: &Shared) -> DetachedCall {
        shared.running_on.send_modify(|count| *count += 1);
        DetachedCall(shared.running_on.clone())
    }
}

impl Drop for DetachedCall {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}

/// What is counted. Calls are added once a turn, everything else is rare.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) connections_accepted: AtomicU64,
    pub(crate) connections_open: AtomicU64,
    pub(crate) calls: AtomicU64,
    failed: AtomicU64,
    cancelled: AtomicU64,
    refused: AtomicU64,
    rejected: Mutex<BTreeMap<&'static str, u64>>,
}

impl Counters {
    /// The caller gave a call up, or was lost.
    pub(crate) fn given_up(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// A call was refused because the server has too much to do.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// A call did not end well. One that the caller gave up is nobody's failure.
    pub(crate) fn ended(&self, status: &Status) {
        match status.code() {
            Code::Cancelled => self.given_up(),
            _ => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// What a server has counted since it started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Calls begun, and those that were refused.
    pub calls: u64,
    /// Calls that ended with a status other than CANCELLED.
    pub calls_failed: u64,
    /// Calls that the caller gave up, or lost with its connection, or that ended with CANCELLED.
    pub calls_cancelled: u64,
    /// Calls that were refused because the server had too much to do. They are counted in `calls_failed` too.
    pub calls_refused: u64,
    /// Calls that wait now for their turn to run on another thread than the event loop.
    pub calls_waiting: u64,
    /// Connections closed for what the peer sent or did not do in time, by what that was: "a TLS hello". And those that
    /// were refused: "connections_max reached".
    pub rejected: BTreeMap<&'static str, u64>,
    /// Bytes of memory held for callers, as [`Limits::memory_bytes_max`] counts them.
    pub memory_bytes: u64,
    /// The most of these at a time.
    pub memory_bytes_peak: u64,
    /// How often a connection was not read from for the sake of memory.
    pub memory_pauses: u64,
}

impl Shared {
    pub(crate) fn new(router: Router, limits: Limits, threads: Option<&HandlerThreads>) -> Shared {
        let limits = limits.derived(memory_limit());
        Shared {
            memory: MemoryBudget::new(&limits),
            router,
            executor: Executor::new(threads, &limits),
            is_protected: true,
            overload_status: overload_status(&limits),
            limits,
            interceptors: Chain::from([]),
            compression: None,
            tls: None,
            draining: watch::Sender::new(false),
            is_draining: AtomicBool::new(false),
            counters: Counters::default(),
            running_on: watch::Sender::new(0),
        }
    }

    /// The same, with what sees every call before its handler, and how its reply is compressed.
    pub(crate) fn with(self, interceptors: Chain, compression: Option<Compression>) -> Shared {
        Shared { interceptors, compression, ..self }
    }

    /// Returns once no handler runs on that nobody waits for.
    pub(crate) async fn ran_to_completion(&self) {
        // The sender is in `self`, so the wait ends with the last handler alone.
        let _ = self.running_on.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Tells every connection to go away once its calls in flight are done.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
        self.draining.send_replace(true);
    }

    /// Whether it was told to.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
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
            calls_failed: counters.failed.load(Ordering::Relaxed),
            calls_cancelled: counters.cancelled.load(Ordering::Relaxed),
            calls_refused: counters.refused.load(Ordering::Relaxed),
            calls_waiting: self.executor.waiting() as u64,
            rejected: counters.rejected.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            memory_bytes: self.memory.held() as u64,
            memory_bytes_peak: self.memory.peak() as u64,
            memory_pauses: self.memory.pauses(),
        }
    }
}

/// What a call answers with that is refused because others wait for too long.
fn overload_status(limits: &Limits) -> Status {
    let message = format!(
        "the server is overloaded: more calls wait, or for longer, than queue_calls_max {}, queue_time_max {:?}, \
         queue_time_target {:?} and handler_delay_target {:?} allow",
        limits.queue_calls_max, limits.queue_time_max, limits.queue_time_target, limits.handler_delay_target
    );
    let status = Status::resource_exhausted(message).with_retry_after(limits.queue_time_max);
    status.with_phase(Phase::Queue).with_ran(Ran::No)
}
