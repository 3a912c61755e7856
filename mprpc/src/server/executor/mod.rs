//! Runs handlers on other threads than the event loop of their connection: on any free core, or on threads that a handler
//! may block. Queued calls wait only briefly, and the queue is fair between callers.

mod fair_queue;
mod remote_call;
#[cfg(test)]
mod simulation;
mod standing_queue;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::{Handle, RuntimeFlavor};

use self::fair_queue::FairQueue;
pub(super) use self::remote_call::RemoteCall;
use self::standing_queue::StandingQueue;
use super::call::{RunningCall, Step, not_begun};
use super::placement::RunOn;
use super::router::Route;
use super::shared::Shared;
use crate::context::Peer;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::method::MethodKind;
use crate::net::HandlerThreads;
use crate::net::clock::{self, BusyTimer};
use crate::priority::Priority;
use crate::service::Body;
use crate::status::Status;

/// Runs the handlers that do not run inline.
pub(crate) struct Executor {
    /// The runtime of the handlers, and how many handlers compute on it at the same time. `None` means that handlers run on
    /// the runtime of their connection.
    threads: Option<(Handle, usize)>,
    any_core: Pool,
    blocking: Pool,
}

/// A call that waits for its turn.
pub(super) struct QueuedCall {
    pub(super) call: Arc<RemoteCall>,
    pub(super) running: RunningCall,
    pub(super) route: Route,
    pub(super) request: Body,
    pub(super) caller: u64,
    pub(super) arrived: Instant,
}

/// The key of the fair queue: the calls of one caller with one priority are a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Flow {
    /// The connection, or a hash of the name in the caller's certificate, or of the address that a trusted proxy names.
    pub(super) caller: u64,
    pub(super) priority: Priority,
}

impl Flow {
    /// Returns the flow of this peer's calls, at normal priority.
    pub(super) fn of(peer: &Arc<Peer>) -> Flow {
        let caller = match &peer.identity {
            Some(identity) => {
                let mut hasher = DefaultHasher::new();
                identity.hash(&mut hasher);
                hasher.finish()
            }
            // No other open connection shares this `Peer`, so its address identifies the connection.
            None => Arc::as_ptr(peer) as u64,
        };
        Flow { caller, priority: Priority::Normal }
    }

    /// Returns the flow of the calls of a caller behind a trusted proxy, at normal priority: one for each IP address.
    pub(super) fn of_forwarded(caller: &Peer) -> Flow {
        let mut hasher = DefaultHasher::new();
        match &caller.address {
            Address::Tcp(address) => address.ip().hash(&mut hasher),
            other => other.hash(&mut hasher),
        }
        Flow { caller: hasher.finish(), priority: Priority::Normal }
    }

    /// Returns the flow for a call with this metadata.
    pub(super) fn with(self, metadata: &Metadata) -> Flow {
        if metadata.is_empty() { self } else { Flow { priority: Priority::of(metadata), ..self } }
    }

    /// The share of a flow, relative to the shares of other flows.
    fn weight(self) -> u64 {
        match self.priority {
            Priority::Critical => 64,
            Priority::Normal => 8,
            Priority::Sheddable => 1,
        }
    }
}

/// A queue of calls for one kind of thread, and the runners that serve the queue.
struct Pool {
    run_on: RunOn,
    state: Mutex<State>,
}

struct State {
    queue: FairQueue<Flow, StandingQueue, QueuedCall>,
    /// Runners at work. Each takes one call after another.
    runners: usize,
    /// How many runners may work: one for each core, and more for a while after all runners were stuck.
    runners_allowed: usize,
    stuck_at: Option<Instant>,
    /// How many calls have ever left the queue.
    taken: u64,
    is_watched: bool,
}

/// A runner yields its thread after this time. `YIELD_AFTER` holds on the runtime of a connection, whose loop has to read;
/// `YIELD_AFTER_ALONE` on the executor's own threads, where the event loops have threads of their own.
const YIELD_AFTER: Duration = Duration::from_micros(200);
const YIELD_AFTER_ALONE: Duration = Duration::from_millis(10);
/// All runners count as stuck if none of them takes a call for this long.
const STUCK_AFTER: Duration = Duration::from_millis(3);
/// How long the pool keeps more runners than cores after the runners were stuck.
const STUCK_MEMORY: Duration = Duration::from_secs(1);

impl Executor {
    /// Creates an executor that runs handlers on `threads`, or on the runtime of each connection.
    pub(crate) fn new(threads: Option<&HandlerThreads>, limits: &Limits) -> Executor {
        Executor {
            threads: threads.map(|threads| (threads.handle().clone(), threads.at_a_time())),
            any_core: Pool::new(RunOn::AnyCore, 0),
            blocking: Pool::new(RunOn::BlockingThread, limits.blocking_threads_max),
        }
    }

    fn pool(&self, run_on: RunOn) -> &Pool {
        if run_on == RunOn::BlockingThread { &self.blocking } else { &self.any_core }
    }

    /// The runtime of the handlers. Call this on the runtime of the connection or of the handler.
    fn runtime(&self) -> Handle {
        self.threads.as_ref().map_or_else(Handle::current, |(runtime, _)| runtime.clone())
    }

    /// How many handlers compute at the same time, unless all of them are stuck.
    fn runners_wanted(&self) -> usize {
        match &self.threads {
            Some((_, at_a_time)) => *at_a_time,
            None => cores_of(&Handle::current()),
        }
    }

    /// The number of calls that wait for their turn.
    pub(crate) fn waiting(&self) -> usize {
        self.any_core.lock().queue.len() + self.blocking.lock().queue.len()
    }
}

impl Shared {
    /// Returns why a new call of this flow is refused; `None` admits the call. A call is refused while earlier calls wait
    /// too long, for their turn or in their handlers.
    #[inline]
    pub(super) fn refuses(&self, route: &Route, run_on: RunOn, flow: Flow, now: Instant) -> Option<Status> {
        if run_on == RunOn::Loop && !route.concurrency.is_limiting() || !self.is_protected {
            return None;
        }
        self.refuses_under_load(route, run_on, flow, now)
    }

    #[cold]
    fn refuses_under_load(&self, route: &Route, run_on: RunOn, flow: Flow, now: Instant) -> Option<Status> {
        let is_refused = route.concurrency.is_limiting()
            && route.method.kind == MethodKind::Unary
            && route.concurrency.refuses(flow.caller, flow.priority, now);
        let waits_too_long =
            || run_on != RunOn::Loop && self.executor.pool(run_on).waits_too_long(route, flow, self, now);
        if !is_refused && !waits_too_long() {
            return None;
        }
        self.counters.refused();
        Some(self.overload_status.clone())
    }

    /// Queues a call for a thread that is not an event loop's. Must run on the runtime of the connection.
    pub(super) fn run_elsewhere(self: &Arc<Shared>, run_on: RunOn, flow: Flow, queued: QueuedCall, now: Instant) {
        let executor = &self.executor;
        let pool = executor.pool(run_on);
        let mut state = pool.lock();
        let waiting = state.queue.flow(flow, flow.weight());
        if waiting.front().is_none() {
            waiting.state.began(now, queued.route.placement.expected(), &self.limits);
        }
        state.queue.push(flow, flow.weight(), queued);
        let (runs, watches) = pool.admit_runner(&mut state, executor, now);
        drop(state);
        if runs {
            self.spawn_runner(run_on);
        }
        if watches {
            executor.runtime().spawn(watch(self.clone(), run_on));
        }
    }

    fn spawn_runner(self: &Arc<Shared>, run_on: RunOn) {
        let (shared, runtime) = (self.clone(), self.executor.runtime());
        if run_on == RunOn::BlockingThread {
            let runs = runtime.clone();
            runtime.spawn_blocking(move || {
                while let Some(queued) = shared.next_call(run_on, clock::now()) {
                    queued.run_blocking(&shared, &runs);
                }
            });
        } else {
            // Tokio's cooperative budget must not make a handler yield because of handlers that the runner polled before.
            runtime.spawn(tokio::task::unconstrained(run(shared)));
        }
    }

    /// Takes the next call that is still wanted; `None` ends the runner.
    fn next_call(&self, run_on: RunOn, now: Instant) -> Option<QueuedCall> {
        let limits = &self.limits;
        loop {
            let mut state = self.executor.pool(run_on).lock();
            let queued = if state.runners > state.runners_allowed { None } else { state.take(now, limits) };
            let Some(queued) = queued else {
                state.runners -= 1;
                return None;
            };
            drop(state);
            if queued.call.is_withdrawn() {
                continue;
            }
            let waited = queued.waited(now);
            if queued.call.context().deadline().has_passed(now) {
                queued.call.refuse(not_begun());
            } else if self.is_protected && waited > queued.longest(limits) {
                self.counters.refused();
                queued.call.refuse(self.overload_status.clone());
            } else if queued.call.begin(waited) {
                return Some(queued);
            }
        }
    }
}

impl Pool {
    fn new(run_on: RunOn, runners_allowed: usize) -> Pool {
        let state =
            State { queue: FairQueue::new(), runners: 0, runners_allowed, stuck_at: None, taken: 0, is_watched: false };
        Pool { run_on, state: Mutex::new(state) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a new call of this flow would wait too long.
    fn waits_too_long(&self, route: &Route, flow: Flow, shared: &Shared, now: Instant) -> bool {
        let mut state = self.lock();
        let is_full = state.queue.len() >= shared.limits.queue_calls_max;
        let waiting = state.queue.flow(flow, flow.weight());
        let oldest = waiting.front().map(|front| front.waited(now));
        is_full || oldest.is_some_and(|age| age > waiting.state.bound(route.placement.expected(), &shared.limits))
    }

    /// Returns, after a call was queued, whether one more runner begins, and whether a task begins to watch for stuck
    /// runners.
    fn admit_runner(&self, state: &mut State, executor: &Executor, now: Instant) -> (bool, bool) {
        if self.run_on == RunOn::AnyCore {
            let was_stuck = state.stuck_at.is_some_and(|at| now.saturating_duration_since(at) < STUCK_MEMORY);
            if !was_stuck {
                state.runners_allowed = executor.runners_wanted();
            }
        }
        if state.runners < state.runners_allowed {
            state.runners += 1;
            return (true, false);
        }
        let watches = self.run_on == RunOn::AnyCore && !std::mem::replace(&mut state.is_watched, true);
        (false, watches)
    }
}

impl State {
    fn take(&mut self, now: Instant, limits: &Limits) -> Option<QueuedCall> {
        self.taken += 1;
        let cost = |queued: &QueuedCall, standing: &StandingQueue| {
            let is_run = !queued.call.is_withdrawn() && queued.waited(now) <= queued.longest(limits);
            let nanos = if is_run { queued.route.placement.expected().as_nanos() as u64 } else { 1 };
            // A flow whose queue stands offers more than its share, so its calls cost twice as much: other flows come
            // first.
            if standing.stands() { nanos * 2 } else { nanos }
        };
        self.queue.pop(|standing, queued| {
            standing.left(queued.waited(now), now, queued.route.placement.expected(), limits);
            cost(queued, standing)
        })
    }
}

/// How many handlers compute at the same time on this runtime.
fn cores_of(runtime: &Handle) -> usize {
    match runtime.runtime_flavor() {
        RuntimeFlavor::CurrentThread => 1,
        _ => runtime.metrics().num_workers(),
    }
}

/// Runs one call after another until no call waits.
async fn run(shared: Arc<Shared>) {
    let mut now = clock::now();
    let mut yielded_at = now;
    let yield_after = if shared.executor.threads.is_some() { YIELD_AFTER_ALONE } else { YIELD_AFTER };
    let mut ended = EndedCalls { wakers: Vec::new(), since: now };
    while let Some(queued) = shared.next_call(RunOn::AnyCore, now) {
        ended.wake_before(&queued, now);
        now = queued.run(&shared, &mut ended, now);
        if now.saturating_duration_since(yielded_at) >= yield_after {
            tokio::task::yield_now().await;
            now = clock::now();
            yielded_at = now;
        }
    }
}

/// The wakers of connections whose calls a runner has ended. A wake-up costs about 5 us, so the runner delays the wake-ups:
/// a connection that is woken for several calls writes their replies together.
struct EndedCalls {
    wakers: Vec<Waker>,
    /// When the first of the calls ended.
    since: Instant,
}

/// The longest time that a reply waits for other replies. The reply also waits no longer than a quarter of the time that
/// the next call has waited, as far as the runner can foresee.
const REPLY_DELAY_MAX: Duration = Duration::from_micros(500);

impl EndedCalls {
    fn push(&mut self, waker: Option<Waker>, now: Instant) {
        if self.wakers.is_empty() {
            self.since = now;
        }
        self.wakers.extend(waker);
    }

    /// Wakes the connections if running the next call would delay their replies too long.
    fn wake_before(&mut self, next: &QueuedCall, now: Instant) {
        if self.wakers.is_empty() {
            return;
        }
        let delay_max = (next.waited(now) / 4).min(REPLY_DELAY_MAX);
        if now.saturating_duration_since(self.since) + next.route.placement.expected() > delay_max {
            self.wake();
        }
    }

    fn wake(&mut self) {
        self.wakers.drain(..).for_each(Waker::wake);
    }
}

impl Drop for EndedCalls {
    fn drop(&mut self) {
        self.wake();
    }
}

/// Watches the runners while calls wait. If no runner takes a call, the running handlers compute for long: one more runner
/// lets the operating system share the cores among all handlers.
async fn watch(shared: Arc<Shared>, run_on: RunOn) {
    let pool = shared.executor.pool(run_on);
    let runtime = shared.executor.runtime();
    let runners_max = runtime.metrics().num_workers();
    loop {
        let before = pool.lock().taken;
        tokio::time::sleep(STUCK_AFTER).await;
        let mut state = pool.lock();
        if state.queue.len() == 0 {
            state.is_watched = false;
            return;
        }
        if state.taken != before || state.runners >= runners_max {
            continue;
        }
        state.stuck_at = Some(clock::now());
        state.runners += 1;
        state.runners_allowed = state.runners_allowed.max(state.runners);
        drop(state);
        shared.spawn_runner(run_on);
    }
}

impl QueuedCall {
    fn waited(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.arrived)
    }

    /// The longest time that the call may wait.
    fn longest(&self, limits: &Limits) -> Duration {
        standing_queue::longest(self.route.placement.expected(), limits)
    }

    /// Begins the handler and polls it once; a handler that is pending then goes on as a task of its own. Returns the time
    /// after the poll.
    fn run(self, shared: &Arc<Shared>, ended: &mut EndedCalls, now: Instant) -> Instant {
        let QueuedCall { call, mut running, route, request, caller, .. } = self;
        // The task of a pending handler polls the handler once more, with the waker that the handler keeps.
        let mut cx = task::Context::from_waker(Waker::noop());
        let timer = BusyTimer::start(now);
        let polled = running.begin_and_poll(shared, &route, request, &mut cx);
        let end = clock::now();
        route.placement.spread_poll_took(timer.busy(end));
        match polled {
            Poll::Ready(step) if step.is_end() => ended.push(call.leave(step), end),
            polled => {
                running.waits(&route, caller, end);
                drop(Handle::current().spawn(call.drive(running, polled, shared.clone())));
            }
        }
        end
    }

    /// Runs the handler to its end on this thread.
    fn run_blocking(self, shared: &Arc<Shared>, runtime: &Handle) {
        let QueuedCall { call, mut running, route, request, .. } = self;
        let begun = clock::now();
        match running.begin(shared, &route, request) {
            Ok(()) => runtime.block_on(call.drive(running, Poll::Pending, shared.clone())),
            Err(status) => call.deliver(Step::Failed(status)),
        }
        route.placement.spread_poll_took(clock::now().saturating_duration_since(begun));
    }
}
