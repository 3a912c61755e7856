//! A call that runs on another thread than its connection: the state that both sides share. The executor polls the handler
//! and stores the resulting steps. The connection takes the steps, within the caller's windows, and cancels the call when
//! nobody waits for it.

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

/// The state of a call that the connection and the executor share.
pub(crate) struct RemoteCall {
    context: Context,
    /// The deadline of the call when it arrived.
    known_deadline: Deadline,
    stage: AtomicU8,
    /// Microseconds that the call waited for its turn.
    queued_micros: AtomicU32,
    /// Whether the handler has begun. `None` without interceptors.
    handled: Option<Arc<AtomicBool>>,
    exchange: Mutex<Exchange>,
}

/// The call waits for its turn. The thread that moves the stage on decides whether the handler begins.
const QUEUED: u8 = 0;
/// The handler has begun or begins now.
const BEGUN: u8 = 1;
/// The connection or the queue has given up the call; the handler never begins.
const WITHDRAWN: u8 = 2;

/// The handler is not polled for more stream messages while the connection has not taken this much.
const UNTAKEN_BYTES_MAX: usize = 64 << 10;
const UNTAKEN_STEPS_MAX: usize = 32;

#[derive(Default)]
struct Exchange {
    /// The steps that the connection has not taken yet.
    steps: VecDeque<Step>,
    /// Bytes of messages in `steps`.
    bytes: usize,
    /// Wakes the connection for the call.
    connection: Option<Waker>,
    /// Wakes the task that polls the handler, once `steps` has room or nobody waits for the call any more.
    handler: Option<Waker>,
    is_cancelled: bool,
}

impl RemoteCall {
    /// Creates a call that waits for its turn. Each step of the call wakes `connection`.
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

    /// How long the call waited for its turn; zero while the call waits.
    pub(crate) fn queued(&self) -> Duration {
        Duration::from_micros(self.queued_micros.load(Ordering::Relaxed).into())
    }

    /// Whether the call was given up before its turn came.
    pub(super) fn is_withdrawn(&self) -> bool {
        self.stage.load(Ordering::Relaxed) == WITHDRAWN
    }

    /// Begins the call after it waited for `queued`. Returns false if the call was given up.
    pub(super) fn begin(&self, queued: Duration) -> bool {
        self.queued_micros.store(u32::try_from(queued.as_micros()).unwrap_or(u32::MAX), Ordering::Relaxed);
        self.leave_queue(BEGUN)
    }

    fn leave_queue(&self, stage: u8) -> bool {
        self.stage.compare_exchange(QUEUED, stage, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    /// Fails the call with `why`, unless the call has left the queue already.
    pub(super) fn refuse(&self, why: Status) {
        if self.leave_queue(WITHDRAWN) {
            self.deliver(Step::Failed(why));
        }
    }

    /// Stores a step for the connection, and wakes the connection.
    pub(super) fn deliver(&self, step: Step) {
        if let Some(connection) = self.leave(step) {
            connection.wake();
        }
    }

    /// Stores a step for the connection. Returns the waker of the connection, which the caller must wake.
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

    /// For the connection: takes the next step. Without a step, the next one wakes the waker of `cx`.
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

    /// For the connection: returns the status of a call whose deadline has passed. The connection must cancel the call
    /// afterwards.
    pub(crate) fn expired(&self) -> Status {
        if self.leave_queue(WITHDRAWN) {
            return not_begun();
        }
        expired(self.handled.as_ref())
    }

    /// For the connection: cancels the call, as nobody waits for it any more.
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

    /// Polls the handler until the call ends or is cancelled. Does not poll while the connection has too many steps to
    /// take.
    pub(super) fn drive(
        self: &Arc<RemoteCall>,
        running: RunningCall,
        first: Poll<Step>,
        shared: Arc<Shared>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let call = self.clone();
        let mut running = Some(running);
        // The handler may bring the deadline forward; the connection is then woken, as the connection enforces the
        // deadline.
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
