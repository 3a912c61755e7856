//! `Subchannel`: one endpoint of a channel, with its connections and its backoff after failures.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use tokio::runtime::{self, Handle};

use super::in_process::{self, InProcess};
use super::multiplexed::{Multiplexed, PendingCall};
use super::one_shot;
use super::options::{ChannelOptions, Connect};
use super::retry_budget::RetryBudget;
use super::transport::{Outgoing, Request, connect_failed, within};
use crate::balancer::{Candidate, Flag, Load, LoadSettings, is_fault};
use crate::deadline::Deadline;
use crate::discovery::membership::Link;
use crate::endpoint::{Endpoint, Protocol};
use crate::net::{Stream, clock};
use crate::service::Body;
use crate::status::{Code, Phase, Ran, Status};

/// One endpoint of a channel.
pub(super) struct Subchannel {
    endpoint: Arc<Endpoint>,
    options: Arc<ChannelOptions>,
    connect: Connect,
    /// Finds the server of this process that serves the endpoint, if there is one.
    direct: InProcess,
    /// One connection for each runtime. A connection lives on its callers' runtime, so that no reply crosses threads.
    connections: ArcSwap<Vec<RuntimeConnection>>,
    /// The endpoint's calls, latency and health. Its flag [`Flag::Failing`] says whether `failures` holds a failure; a pick
    /// reads only the flags.
    load: Arc<Load>,
    retries: Arc<RetryBudget>,
    failures: Mutex<Failures>,
    /// Whether a probe is retrying the failed endpoint.
    probing: AtomicBool,
}

/// A running retry of a failed endpoint. Dropping the probe clears `probing`.
struct Probe(Arc<Subchannel>);

impl Drop for Probe {
    fn drop(&mut self) {
        self.0.probing.store(false, Ordering::Relaxed);
    }
}

/// A call in flight that has no multiplexed connection. Dropping it ends the count.
struct OneInFlight(Arc<Load>);

impl OneInFlight {
    fn new(load: &Arc<Load>) -> OneInFlight {
        load.add_in_flight(1);
        OneInFlight(load.clone())
    }
}

impl Drop for OneInFlight {
    fn drop(&mut self) {
        self.0.add_in_flight(-1);
    }
}

/// The connection of one runtime.
#[derive(Clone)]
struct RuntimeConnection {
    runtime: runtime::Id,
    connection: Option<Arc<Multiplexed>>,
    /// The lock is held while connecting, so that many callers open only one connection.
    connecting: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Failures {
    count: u32,
    paused_until: Option<Deadline>,
    last: Option<Status>,
}

impl RuntimeConnection {
    fn usable(&self) -> Option<&Arc<Multiplexed>> {
        self.connection.as_ref().filter(|connection| connection.takes_calls())
    }
}

impl Subchannel {
    /// `since` is when the channel was created.
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        options: Arc<ChannelOptions>,
        connect: Connect,
        retries: Arc<RetryBudget>,
        since: Instant,
    ) -> Subchannel {
        let ChannelOptions { ejection: ejects, slow_start, .. } = *options;
        let settings = LoadSettings { ejects, slow_start, since: Some(since) };
        Subchannel {
            endpoint,
            options,
            connect,
            direct: InProcess::default(),
            connections: ArcSwap::default(),
            load: Arc::new(Load::new(settings)),
            retries,
            failures: Mutex::default(),
            probing: AtomicBool::new(false),
        }
    }

    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Records what the health service of the endpoint says.
    pub(super) fn set_unhealthy(&self, is_unhealthy: bool) {
        if is_unhealthy {
            self.load.set(Flag::Unhealthy);
        } else if self.load.clear(Flag::Unhealthy) {
            self.load.start_slowly(clock::now());
        }
    }

    /// The endpoint, as a balancing policy sees it.
    pub(super) fn candidate(&self) -> Candidate {
        Candidate { endpoint: self.endpoint.clone(), load: self.load.clone() }
    }

    /// Whether a call can probably start without waiting, and is wanted here. If most endpoints are bad, only the connection
    /// counts. Reads the clock only if the endpoint is not well.
    #[inline(always)]
    pub(super) fn takes_calls(self: &Arc<Self>, most_are_bad: bool) -> bool {
        self.load.is_well() || self.takes_calls_now(most_are_bad)
    }

    #[inline(never)]
    fn takes_calls_now(self: &Arc<Self>, most_are_bad: bool) -> bool {
        !self.load.is_silent()
            && (most_are_bad || self.load.admits(clock::now()))
            && !self.pauses(clock::now)
            && self.is_well_or_probed()
    }

    /// What this side knows of its connections to the endpoint, on any runtime.
    pub(super) fn link(&self) -> Link {
        if self.connections.load().iter().any(|slot| slot.usable().is_some()) {
            Link::Open
        } else if self.load.has(Flag::Failing) {
            Link::Failing
        } else {
            Link::Closed
        }
    }

    /// Whether the endpoint is in backoff after a failure.
    pub(super) fn pauses(&self, now: impl FnOnce() -> Instant) -> bool {
        self.load.has(Flag::Failing) && self.failures().paused_until.is_some_and(|until| !until.has_passed(now()))
    }

    /// Whether a call need not wait to learn if the endpoint is back. If it must wait, this function starts a probe.
    ///
    /// A classic server sends no greeting, so only a call can tell whether a classic endpoint is back.
    fn is_well_or_probed(self: &Arc<Self>) -> bool {
        if !self.load.has(Flag::Failing) || self.endpoint.protocol == Protocol::Classic {
            return true;
        }
        if !self.probing.swap(true, Ordering::Relaxed) {
            let probe = Probe(self.clone());
            tokio::spawn(async move {
                // `connect` records its result in `failures`.
                let _ = probe.0.connect().await;
            });
        }
        false
    }

    /// The failure that caused the backoff.
    pub(super) fn last_failure(&self) -> Status {
        let unknown = || Status::unavailable("not reachable").with_peer(&self.endpoint.address).with_ran(Ran::No);
        self.failures().last.clone().unwrap_or_else(unknown)
    }

    /// Starts a call on an open connection of this runtime. The error is the failure of the call, or `None` if the
    /// caller must use [`Subchannel::call`] instead.
    #[inline(always)]
    pub(super) fn try_begin(
        &self,
        request: &Outgoing<'_>,
        runtime: runtime::Id,
        waker: &Waker,
    ) -> Result<PendingCall, Option<Status>> {
        if self.direct.server(&self.endpoint, &self.options, request.method, request.message.is_some()).is_some() {
            return Err(None);
        }
        let connections = self.connections.load();
        let slot = connections.iter().find(|slot| slot.runtime == runtime).ok_or(None)?;
        slot.connection.as_ref().ok_or(None)?.try_begin(request, waker)
    }

    /// Makes one call at this endpoint. The deadline of the request bounds the call.
    pub(super) async fn call(self: &Arc<Self>, request: &Request) -> Result<Body, Status> {
        if let Some(server) =
            self.direct.server(&self.endpoint, &self.options, request.method(), request.message.is_some())
        {
            let _in_flight = OneInFlight::new(&self.load);
            if let Some(reply) = self.direct.call(&*server, &self.endpoint.address, &self.options, request).await {
                self.count(&reply, || ());
                return reply;
            }
        }
        match self.endpoint.protocol {
            Protocol::Native | Protocol::Grpc => self.connection(request).await?.call(request).await,
            Protocol::Classic => {
                let _in_flight = OneInFlight::new(&self.load);
                let begun = clock::now();
                let result = one_shot::call(&self.endpoint.address, &self.connect, &self.options, request)
                    .await
                    .map(Body::Message);
                let now = clock::now();
                self.count(&result, || self.load.observe(now, now.saturating_duration_since(begun)));
                match &result {
                    Err(status) if status.phase() == Some(Phase::Connect) => {
                        // A connection attempt that ran into the call's deadline does not prove that the endpoint
                        // failed.
                        if status.code() == Code::Unavailable {
                            self.failed(status);
                        }
                    }
                    _ => self.succeeded(),
                }
                result
            }
        }
    }

    /// Counts the outcome of a call without a multiplexed connection. `observe` takes the latency of a successful call.
    fn count(&self, outcome: &Result<Body, Status>, observe: impl FnOnce()) {
        match outcome {
            Ok(_) => {
                self.load.answered(1);
                observe();
            }
            Err(status) if status.ran() == Ran::No => {}
            Err(status) if is_fault(status.code()) => self.load.failed(clock::now()),
            Err(_) => self.load.answered(1),
        }
    }

    /// Returns the open connection of this runtime, or opens one.
    async fn connection(self: &Arc<Self>, request: &Request) -> Result<Arc<Multiplexed>, Status> {
        if let Some(connection) = self.runtime_connection().usable() {
            return Ok(connection.clone());
        }
        let since = clock::now();
        let connected = within(request.opening, self.connect()).await;
        request.waited_for_connection(clock::now().saturating_duration_since(since));
        connected.unwrap_or_else(|| {
            let status = Status::deadline_exceeded("the deadline passed while connecting");
            Err(status.with_phase(Phase::Connect).with_peer(&self.endpoint.address).with_ran(Ran::No))
        })
    }

    /// Connects in a separate task. The task outlives a call with a short deadline, so that it reaches a slow
    /// endpoint or records a failure.
    async fn connect(self: &Arc<Self>) -> Result<Arc<Multiplexed>, Status> {
        let connecting = self.runtime_connection().connecting.lock_owned().await;
        let slot = self.runtime_connection();
        if let Some(connection) = slot.usable() {
            if connection.has_greeted() {
                // The failure came from the connection of another runtime, which may have no caller left to retry.
                self.succeeded();
            }
            return Ok(connection.clone());
        }
        if let Some(why) = slot.connection.as_ref().and_then(|connection| connection.take_fault()) {
            self.failed(&why.with_phase(Phase::Connect).with_ran(Ran::No));
        }
        if self.pauses(clock::now) {
            return Err(self.last_failure());
        }
        let subchannel = self.clone();
        let opened = tokio::spawn(async move {
            let _connecting = connecting;
            subchannel.open(slot).await
        });
        opened
            .await
            .unwrap_or_else(|_| Err(Status::unavailable("the runtime was stopped while connecting").with_ran(Ran::No)))
    }

    /// Opens a connection. A healthy endpoint receives calls as soon as it is connected.
    ///
    /// An endpoint that failed must send its greeting first, because the kernel accepts connections for a frozen
    /// process.
    async fn open(&self, slot: RuntimeConnection) -> Result<Arc<Multiplexed>, Status> {
        let failed_before = self.load.has(Flag::Failing);
        let since = clock::now();
        let opened = in_process::open(&self.endpoint, &self.options, &self.connect).await;
        let opened = match opened.and_then(Stream::for_many_writes) {
            Ok(stream) => {
                let (address, load, limits) = (&self.endpoint.address, &self.load, &self.options.limits);
                let connection = match self.endpoint.protocol {
                    Protocol::Grpc => Multiplexed::open_grpc(stream, address, load, limits, self.options.tls.is_some()),
                    Protocol::Native | Protocol::Classic => Multiplexed::open(stream, address, load, limits),
                };
                let connection = Arc::new(connection.with_retries(self.retries.clone()));
                connection.opened_within(clock::now().saturating_duration_since(since));
                let greeted = if failed_before { connection.greeted().await } else { Ok(()) };
                greeted.map(|()| connection)
            }
            Err(error) => Err(connect_failed(&self.endpoint.address, &error)),
        };
        match &opened {
            Ok(connection) => {
                self.succeeded();
                self.store(RuntimeConnection { connection: Some(connection.clone()), ..slot });
            }
            Err(status) => self.failed(status),
        }
        opened
    }

    /// Returns the `RuntimeConnection` of this runtime, or an empty one.
    fn runtime_connection(&self) -> RuntimeConnection {
        let runtime = Handle::current().id();
        let find = |connections: &[RuntimeConnection]| connections.iter().find(|slot| slot.runtime == runtime).cloned();
        if let Some(slot) = find(&self.connections.load()) {
            return slot;
        }
        let empty = RuntimeConnection { runtime, connection: None, connecting: Arc::default() };
        self.connections.rcu(|connections| {
            // The connections of a stopped runtime are no longer usable, so this filter removes them.
            let live = connections.iter().filter(|slot| slot.connection.is_none() || slot.usable().is_some());
            let other = find(connections).is_none().then_some(&empty);
            live.chain(other).cloned().collect::<Vec<_>>()
        });
        find(&self.connections.load()).unwrap_or(empty)
    }

    /// Replaces the connection of the runtime.
    fn store(&self, slot: RuntimeConnection) {
        self.connections.rcu(|connections| {
            let others = connections.iter().filter(|other| other.runtime != slot.runtime);
            others.chain([&slot]).cloned().collect::<Vec<_>>()
        });
    }

    fn succeeded(&self) {
        if self.load.clear(Flag::Failing) {
            *self.failures() = Failures::default();
        }
    }

    /// Records a failure and starts a backoff: exponential, with full jitter.
    fn failed(&self, status: &Status) {
        let mut failures = self.failures();
        let longest = backoff(failures.count, self.options.limits.backoff_min, self.options.limits.backoff_max);
        failures.count = failures.count.saturating_add(1);
        failures.paused_until = Some(Deadline::after(clock::now(), longest.mul_f64(fastrand::f64())));
        failures.last = Some(status.clone());
        self.load.set(Flag::Failing);
    }

    fn failures(&self) -> MutexGuard<'_, Failures> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The longest backoff when `failures` failures came before this one.
fn backoff(failures: u32, min: Duration, max: Duration) -> Duration {
    min.saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX)).min(max)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::endpoint::Address;
    use crate::net::Stream;
    use crate::protocol::native::PREFACE;

    #[tokio::test(start_paused = true)]
    async fn failure_on_one_runtime_does_not_block_another_with_a_live_connection() {
        let peers = Arc::new(Mutex::new(Vec::new()));
        let kept = peers.clone();
        let connect: Connect = Arc::new(move |_| {
            let (near, far) = Stream::pair(Address::Memory("test".into()), 4096);
            far.writer.try_write(&PREFACE).unwrap();
            kept.lock().unwrap().push(far);
            Box::pin(async move { Ok(near) })
        });
        let endpoint = Arc::new(Endpoint::new(Address::Memory("test".into())));
        let retries = Arc::new(RetryBudget::new(clock::now()));
        let subchannel = Arc::new(Subchannel::new(endpoint, Arc::default(), connect, retries, clock::now()));
        subchannel.connect().await.unwrap().greeted().await.unwrap();
        // Another runtime would record this failure.
        subchannel.failed(&Status::unavailable("refused there"));
        assert!(!subchannel.is_well_or_probed());
        while subchannel.probing.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        assert!(subchannel.is_well_or_probed());
        assert_eq!(peers.lock().unwrap().len(), 1);
    }

    #[test]
    fn backoff_doubles_up_to_its_bound() {
        let (min, max) = (Duration::from_millis(50), Duration::from_secs(5));
        assert_eq!(backoff(0, min, max), min);
        assert_eq!(backoff(3, min, max), Duration::from_millis(400));
        assert_eq!(backoff(40, min, max), max);
    }
}
