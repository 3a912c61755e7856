//! The state that all connections of a server share.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use tokio::sync::watch;

use super::cors::Cors;
use super::executor::Executor;
use super::health::Health;
use super::memory::MemoryBudget;
use super::openapi::OpenApi;
use super::proxies::TrustedProxies;
use super::rest::RestRules;
use super::router::Router;
use crate::codec::Compression;
use crate::context::Peer;
use crate::interceptor::Chain;
use crate::limits::Limits;
use crate::net::HandlerThreads;
use crate::net::memory_limit;
use crate::net::tls::Acceptor;
use crate::status::{Code, Phase, Ran, Status};

/// The state that all connections of a server share.
pub(crate) struct Shared {
    pub(crate) router: Router,
    pub(crate) limits: Limits,
    pub(crate) interceptors: Chain,
    /// How to compress replies, where the caller accepts the algorithm.
    pub(crate) compression: Option<Compression>,
    /// The web pages of other origins that may call the server.
    pub(super) cors: Cors,
    /// The HTTP paths of methods. `None` if no method has one.
    pub(super) rest: Option<Arc<RestRules>>,
    /// Whether pages show the comments and the messages of the `.proto` files.
    pub(super) shows_schema: bool,
    /// The page at `/openapi.json`.
    pub(super) openapi: OpenApi,
    /// The page at `/`. The first request makes it.
    pub(super) index: OnceLock<Bytes>,
    /// The TLS acceptor of TCP connections. `None` means plain text.
    pub(crate) tls: Option<Acceptor>,
    /// The peers that may act for others.
    pub(super) proxies: TrustedProxies,
    /// What the server reports of itself. `None` reports nothing.
    pub(super) health: Option<Health>,
    draining: watch::Sender<bool>,
    /// A copy of `draining` that is cheap to read every turn.
    is_draining: AtomicBool,
    pub(crate) counters: Counters,
    /// Runs the handlers that do not run inline.
    pub(crate) executor: Executor,
    /// Whether calls that would wait too long are refused.
    pub(crate) is_protected: bool,
    /// The status of a call refused for overload.
    pub(super) overload_status: Status,
    pub(crate) memory: Arc<MemoryBudget>,
    /// The number of handlers that run to completion although nobody waits for them.
    running_on: watch::Sender<usize>,
}

/// Counts a handler that runs to completion without a waiting caller, until this is dropped.
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

/// The counters of a server. Calls are added once a turn; all other events are rare.
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
    /// Counts a call that the caller gave up, or whose caller was lost.
    pub(crate) fn given_up(&self) {
        self.cancelled.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call refused because the server is overloaded.
    pub(crate) fn refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that failed. CANCELLED counts as given up by the caller, which is no failure.
    pub(crate) fn ended(&self, status: &Status) {
        match status.code() {
            Code::Cancelled => self.given_up(),
            _ => drop(self.failed.fetch_add(1, Ordering::Relaxed)),
        }
    }
}

/// The counters of a server since its start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerStats {
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections open now.
    pub connections_open: u64,
    /// Calls that began, and calls that were refused.
    pub calls: u64,
    /// Calls that ended with a status other than OK and CANCELLED.
    pub calls_failed: u64,
    /// Calls that the caller gave up, that were lost with the caller's connection, or that ended with CANCELLED.
    pub calls_cancelled: u64,
    /// Calls that were refused because the server was overloaded. `calls_failed` includes them.
    pub calls_refused: u64,
    /// Calls that wait now to run on another thread than the event loop.
    pub calls_waiting: u64,
    /// Connections closed because of what the peer sent or did not do in time, by reason, for example "a TLS hello".
    /// Refused connections have the reason "connections_max reached".
    pub rejected: BTreeMap<&'static str, u64>,
    /// Bytes of memory held for callers, as [`Limits::memory_bytes_max`] counts them.
    pub memory_bytes: u64,
    /// The highest value that `memory_bytes` has had.
    pub memory_bytes_peak: u64,
    /// How often the server paused a connection's reads to save memory.
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
            cors: Cors::default(),
            rest: None,
            shows_schema: false,
            openapi: OpenApi::default(),
            index: OnceLock::new(),
            tls: None,
            proxies: TrustedProxies::default(),
            health: None,
            draining: watch::Sender::new(false),
            is_draining: AtomicBool::new(false),
            counters: Counters::default(),
            running_on: watch::Sender::new(0),
        }
    }

    /// Adds interceptors, and how to compress replies.
    pub(crate) fn with(self, interceptors: Chain, compression: Option<Compression>) -> Shared {
        Shared { interceptors, compression, ..self }
    }

    /// Returns once all handlers that run to completion without a waiting caller have ended.
    pub(crate) async fn ran_to_completion(&self) {
        // `self` owns the sender, so the wait ends only with the last handler.
        let _ = self.running_on.subscribe().wait_for(|count| *count == 0).await;
    }

    /// Tells every connection to go away once its calls in flight are done, and ends the watches of the server's health.
    pub(crate) fn drain(&self) {
        if let Some(health) = &self.health {
            health.ended();
        }
        self.is_draining.store(true, Ordering::Release);
        self.draining.send_replace(true);
    }

    /// Whether the server drains.
    pub(crate) fn is_draining(&self) -> bool {
        self.is_draining.load(Ordering::Acquire)
    }

    /// Returns once the server drains.
    pub(crate) async fn drained(&self) {
        // `self` owns the sender, so the wait ends only with the drain.
        let _ = self.draining.subscribe().wait_for(|draining| *draining).await;
    }

    /// Counts and logs a connection that is closed because of what its peer sent.
    pub(crate) fn reject(&self, peer: &Peer, what: &'static str) {
        self.reject_because(peer, what, "");
    }

    /// Counts and logs a closed connection, with a detail that only the log shows.
    pub(crate) fn reject_because(&self, peer: &Peer, what: &'static str, detail: &str) {
        *self.counters.rejected.lock().unwrap_or_else(PoisonError::into_inner).entry(what).or_default() += 1;
        let proxy = peer.proxy_address();
        tracing::warn!(peer = %peer.address, proxy, local = %peer.local, received = what, detail, "connection closed");
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

/// Creates the status of calls that are refused because others wait too long.
fn overload_status(limits: &Limits) -> Status {
    let message = format!(
        "the server is overloaded: more calls wait, or for longer, than queue_calls_max {}, queue_time_max {:?}, \
         queue_time_target {:?} and handler_delay_target {:?} allow",
        limits.queue_calls_max, limits.queue_time_max, limits.queue_time_target, limits.handler_delay_target
    );
    let status = Status::resource_exhausted(message).with_retry_after(limits.queue_time_max);
    status.with_phase(Phase::Queue).with_ran(Ran::No)
}
