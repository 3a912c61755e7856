//! A call that runs on another thread than its connection: what the two sides share. The executor polls the handler and
//! leaves what it has come to; the connection takes that, within the caller's windows, and says when nobody waits any more.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, Waker};
use std::time::Duration;

use crate::context::Context;
use crate::deadline::Deadline;
use crate::server::call::{RunningCall, Step, expired, not_begun};
use crate::server::shared::Shared;
use crate::status::Status;

/// What connection and executor share of a call.
pub(crate) struct RemoteCall {
    context: Context,
    /// When the call was to be done as it came.
    known_deadline: Deadline,
    stage: AtomicU8,
    /// Microseconds that the call waited for its turn.
    queued_micros: AtomicU32,
    /// Whether the handler has begun, where there are interceptors before it.
    handled: Option<Arc<AtomicBool>>,
    exchange: Mutex<Exchange>,
}

/// The call waits for its turn. Whoever changes that decides whether the handler begins.
const QUEUED: u8 = 0;
/// The handler has begun, or will at once.
const BEGUN: u8 = 1;
/// The connection, or the queue, has given the call up: it never begins.
const WITHDRAWN: u8 = 2;

/// A handler is polled for more messages of its stream while the connection has not taken this much of it.
const UNTAKEN_BYTES_MAX: usize = 64 << 10;
const UNTAKEN_STEPS_MAX: usize = 32;

#[derive(Default)]
struct Exchange {
    /// What the call has come to, until the connection takes it.
    steps: VecDeque<Step>,
    /// Bytes of messages in `steps`.
    bytes: usize,
    /// Wakes the connection for the call.
    connection: Option<Waker>,
    /// Wakes what polls the handler: once there is room in `steps`, or nobody waits any more.
    handler: Option<Waker>,
    is_cancelled: bool,
}

impl RemoteCall {
    /// A call that waits for its turn; `connection` is woken with what it comes to.
    pub(crate) fn new(running: &RunningCall, connection: Waker) -> Arc<RemoteCall> {
        let exchange = Exchange { connection: Some(connection), ..Exchange::default() };
        Arc::new(RemoteCall {
            known_deadline: running.context().deadline(),
            context: running.context().clone(),
            handled: running.handled().cloned(),
            stage: AtomicU8::new(QUEUED),
            queued_micros: AtomicU32::new(0),
            exchange: Mutex::new(exchange),
        })
    }

    /// The call, as its handler knows it.
    pub(crate) fn context(&self) -> &Context {
        &self.context
    }

    /// How long it waited for its turn; zero while it waits.
    pub(crate) fn queued(&self) -> Duration {
        Duration::from_micros(self.queued_micros.load(Ordering::Relaxed).into())
    }

    /// Whether it was given up before its turn came.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == WITHDRAWN
    }

    /// Its turn has come, after this long. False where it was given up.
    pub(super) fn begin(&self, queued: Duration) -> bool {
        self.queued_micros.store(u32::try_from(queued.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.leave_queue(BEGUN)
    }

    fn leave_queue(&self, stage: u8) -> bool {
        self.stage.compare_exchange(QUEUED, stage, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// The queue refuses it.
    pub(super) fn refuse(&self, why: Status) {
        if self.leave_queue(WITHDRAWN) {
            self.deliver(Step::Failed(why));
        }
    }

    /// Leaves what the call has come to for the connection, and wakes that.
    pub(super) fn deliver(&self, step: Step) {
        if let Some(connection) = self.leave(step) {
            connection.wake();
        }
    }

    /// Leaves what the call has come to for the connection, which is to be woken.
    pub(super) fn leave(&self, step: Step) -> Option<Waker> {
        let mut exchange = self.lock();
        if let Step::Message(message) = &step {
            exchange.bytes += message.len();
        }
        exchange.steps.push_back(step);
        exchange.connection.take()
    }

    fn wake_connection(&self) {
        let connection = self.lock().connection.take();
        if let Some(connection) = connection {
            connection.wake();
        }
    }

    /// For the connection: what the call has come to. It is woken by `cx` for what comes later.
    pub(crate) fn poll(&self, cx: &mut task::Context<'_>) -> Poll<Step> {
        let mut exchange = self.lock();
        let Some(step) = exchange.steps.pop_front() else {
            exchange.connection = Some(cx.waker().clone());
            return Poll::Pending;
        };
        if let Step::Message(message) = &step {
            exchange.bytes -= message.len();
        }
        let handler = if exchange.steps.is_empty() { exchange.handler.take() } else { None };
        drop(exchange);
        if let Some(handler) = handler {
            handler.wake();
        }
        Poll::Ready(step)
    }

    /// For the connection: what the call comes to now that its deadline has passed. It is to be cancelled then.
    pub(crate) fn expired(&self) -> Status {
        if self.leave_queue(WITHDRAWN) {
            return not_begun();
        }
        expired(self.handled.as_ref())
    }

    /// For the connection: nobody waits for the call any more.
    pub(crate) fn cancel(&self) {
        if self.leave_queue(WITHDRAWN) {
            return;
        }
        self.context.cancel();
        let mut exchange = self.lock();
        exchange.is_cancelled = true;
        exchange.steps.clear();
        let handler = exchange.handler.take();
        drop(exchange);
        if let Some(handler) = handler {
            handler.wake();
        }
    }

    /// Polls the handler up to the end of the call, or until nobody waits for it. It is not polled while the connection has
    /// too much to take.
    pub(super) fn drive(
        self: &Arc<RemoteCall>,
        running: RunningCall,
        first: Poll<Step>,
        shared: Arc<Shared>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let call = self.clone();
        let mut running = Some(running);
        // The handler may bring it forward, and the connection keeps to it.
        let mut known_deadline = call.known_deadline;
        if let Poll::Ready(step) = first {
            call.deliver(step);
        }
        std::future::poll_fn(move |cx| {
            loop {
                {
                    let mut exchange = call.lock();
                    if exchange.is_cancelled {
                        drop(exchange);
                        if let Some(running) = running.take() {
                            running.cancel(&shared);
                        }
                        return Poll::Ready(());
                    }
                    exchange.handler = Some(cx.waker().clone());
                    if exchange.bytes >= UNTAKEN_BYTES_MAX || exchange.steps.len() >= UNTAKEN_STEPS_MAX {
                        return Poll::Pending;
                    }
                }
                let Some(handler) = running.as_mut() else { return Poll::Ready(()) };
                let Poll::Ready(step) = handler.poll(cx) else {
                    let deadline = call.context.deadline();
                    if std::mem::replace(&mut known_deadline, deadline) != deadline {
                        call.wake_connection();
                    }
                    return Poll::Pending;
                };
                let is_end = step.is_end();
                call.deliver(step);
                if is_end {
                    return Poll::Ready(());
                }
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, Exchange> {
        self.exchange.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
