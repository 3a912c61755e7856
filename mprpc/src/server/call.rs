//! One call at the server: its handler and its reply stream, polled without letting a panic out.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{self, Poll};

use bytes::Bytes;
use futures_util::Stream;

use super::panic::{Panic, contain};
use super::router::Route;
use super::shared::{RunningOn, Shared};
use crate::context::Context;
use crate::interceptor::Next;
use crate::method::MethodKind;
use crate::net::clock;
use crate::scope::{self, Scoped};
use crate::service::{Body, BoxFuture};
use crate::status::{Phase, Ran, Status};
use crate::streaming::Streaming;

/// A call that has begun. Dropping it drops the handler's future, and keeps a panic in that from getting out too.
pub(super) struct RunningCall {
    work: Work,
    /// Lent out while the handler runs.
    context: Option<Context>,
    /// The handler goes on when nobody waits for it any more.
    runs_to_completion: bool,
    /// Whether the handler has begun, where there are interceptors before it; without them what it returns comes straight
    /// from it.
    handled: Option<Arc<AtomicBool>>,
}

enum Work {
    Handling(BoxFuture<Result<Body, Status>>),
    Replying(Streaming<Bytes>),
    Done,
}

/// What a call has come to.
#[derive(Debug)]
pub(super) enum Step {
    /// The one reply: the call has ended.
    Reply(Bytes),
    /// A stream of replies has begun.
    Opened,
    /// One of its messages.
    Message(Bytes),
    /// The stream ended well, and the call with it.
    End,
    /// The call has failed.
    Failed(Status),
}

impl Step {
    /// Whether the call has ended with it.
    pub(super) fn is_end(&self) -> bool {
        matches!(self, Step::Reply(_) | Step::End | Step::Failed(_))
    }
}

impl RunningCall {
    /// Begins a call. The handler has run no line of its own until the first poll.
    pub(super) fn begin(
        shared: &Shared,
        route: &Route,
        context: Context,
        request: Body,
    ) -> Result<RunningCall, Status> {
        let mut call = RunningCall::new(shared, route, &context, &request)?;
        let handled = call.handled.clone();
        let (work, lent) = (&mut call.work, &mut call.context);
        let begin = || *work = Work::Handling(handling(shared, route, handled, context, request));
        match contain(|| scope::lending(lent, begin)) {
            Ok(()) => Ok(call),
            Err(panic) => Err(panicked(call.context(), panic)),
        }
    }

    /// Begins a call and polls it once, for the price of one: most calls have ended then.
    pub(super) fn begin_and_poll(
        shared: &Shared,
        route: &Route,
        context: Context,
        request: Body,
        cx: &mut task::Context<'_>,
    ) -> Result<(RunningCall, Poll<Step>), Status> {
        let mut call = RunningCall::new(shared, route, &context, &request)?;
        let handled = call.handled.clone();
        let (work, lent) = (&mut call.work, &mut call.context);
        let begin_and_poll = || {
            *work = Work::Handling(handling(shared, route, handled, context, request));
            work.poll(cx)
        };
        let polled = contain(|| scope::lending(lent, begin_and_poll));
        let step = call.step(polled);
        Ok((call, step))
    }

    /// A call that has not begun.
    fn new(shared: &Shared, route: &Route, context: &Context, request: &Body) -> Result<RunningCall, Status> {
        let method = &route.method;
        if method.kind == MethodKind::Unary && matches!(request, Body::Stream(_)) {
            let message = format!("{} takes one message, and a stream was sent", method.path);
            return Err(Status::invalid_argument(message).with_phase(Phase::Queue).with_ran(Ran::No));
        }
        Ok(RunningCall {
            work: Work::Done,
            context: Some(context.clone()),
            runs_to_completion: route.runs_to_completion,
            handled: (!shared.interceptors.is_empty()).then(Arc::<AtomicBool>::default),
        })
    }

    /// The call, as its handler knows it.
    pub(super) fn context(&self) -> &Context {
        self.context.as_ref().expect("it is lent out only while the handler runs")
    }

    /// Whether it has come to its end, and is not to be polled again.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.work, Work::Done)
    }

    /// What a call comes to whose deadline has passed.
    pub(super) fn expired(&self) -> Status {
        match &self.handled {
            Some(handled) if !handled.load(Ordering::Acquire) => not_begun(),
            _ => {
                let message = "the handler did not finish within the deadline";
                Status::deadline_exceeded(message).with_phase(Phase::Handle)
            }
        }
    }

    /// Polls the handler, then its stream. A panic in them is the call's failure: INTERNAL, and a line in the log with
    /// its backtrace. Not to be polled again after its end.
    pub(super) fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Step> {
        let (work, context) = (&mut self.work, &mut self.context);
        let polled = contain(|| scope::lending(context, || work.poll(cx)));
        self.step(polled)
    }

    fn step(&mut self, polled: Result<Poll<Progress>, Panic>) -> Poll<Step> {
        Poll::Ready(match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Progress::Streamed(Some(Ok(message))))) => Step::Message(message),
            Ok(Poll::Ready(Progress::Streamed(Some(Err(status))))) => Step::Failed(status.into_answer()),
            Ok(Poll::Ready(Progress::Streamed(None))) => Step::End,
            Ok(Poll::Ready(Progress::Returned(Ok(Body::Message(reply))))) => Step::Reply(reply),
            Ok(Poll::Ready(Progress::Returned(Ok(Body::Stream(stream))))) => {
                if self.context().method().kind == MethodKind::Unary {
                    return Poll::Ready(Step::Failed(Status::internal("a stream where one message was expected")));
                }
                self.work = Work::Replying(stream);
                Step::Opened
            }
            // It ran, whatever the failed call says whose status it passes on: the caller must not make this one again.
            Ok(Poll::Ready(Progress::Returned(Err(status)))) if self.handled.is_none() => {
                Step::Failed(status.into_answer())
            }
            Ok(Poll::Ready(Progress::Returned(Err(status)))) => Step::Failed(status),
            Err(panic) => {
                self.drop_contained();
                Step::Failed(panicked(self.context(), panic))
            }
        })
    }

    fn drop_contained(&mut self) {
        if let Work::Done = self.work {
            return;
        }
        let (work, context) = (mem::replace(&mut self.work, Work::Done), &mut self.context);
        if let Err(panic) = contain(|| scope::lending(context, || drop(work))) {
            panicked(self.context(), panic);
        }
    }

    /// Nobody waits for it any more: the handler is dropped, or goes on by itself where its method runs to completion.
    /// Must run on the loop of the connection.
    pub(super) fn cancel(mut self, shared: &Shared) {
        self.context().cancel();
        if !self.runs_to_completion || !matches!(self.work, Work::Handling(_)) {
            return;
        }
        let running = RunningOn::new(shared);
        // Without a runtime this is the end of the process, and nothing runs on.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        runtime.spawn(async move {
            let _running = running;
            let step = std::future::poll_fn(|cx| self.poll(cx)).await;
            if let Step::Failed(status) = step {
                tracing::info!(method = %self.context().method().path, %status, "a method that nobody waited for any more failed");
            }
        });
    }
}

impl Work {
    /// Only where panics are contained: what the handler leaves behind is dropped here.
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<Progress> {
        let progress = task::ready!(match self {
            Work::Handling(future) => future.as_mut().poll(cx).map(Progress::Returned),
            Work::Replying(stream) => Pin::new(stream).poll_next(cx).map(Progress::Streamed),
            Work::Done => Poll::Ready(Progress::Streamed(None)),
        });
        match progress {
            Progress::Streamed(Some(Ok(_))) => {}
            _ => *self = Work::Done,
        }
        Poll::Ready(progress)
    }
}

enum Progress {
    Returned(Result<Body, Status>),
    Streamed(Option<Result<Bytes, Status>>),
}

/// The handler's future, behind the interceptors where there are any.
fn handling(
    shared: &Shared,
    route: &Route,
    handled: Option<Arc<AtomicBool>>,
    context: Context,
    request: Body,
) -> BoxFuture<Result<Body, Status>> {
    let Some(handled) = handled else {
        return route.call(context, request);
    };
    let route = route.clone();
    let handle = move |context, request| handle(route, &handled, context, request);
    Next::new(shared.interceptors.clone(), handle).run(context, request)
}

/// The handler, behind the interceptors.
fn handle(route: Route, handled: &AtomicBool, context: Context, request: Body) -> BoxFuture<Result<Body, Status>> {
    if context.deadline().has_passed(clock::now()) {
        return Box::pin(std::future::ready(Err(not_begun())));
    }
    handled.store(true, Ordering::Release);
    // What the handler calls inherits what the interceptors have added, also while its stream is read.
    let handler = Scoped::of(context.clone(), route.call(context.clone(), request));
    Box::pin(async move {
        match handler.await {
            Ok(Body::Stream(replies)) => Ok(Body::Stream(Streaming::new(Scoped::of(context, replies)))),
            Ok(reply) => Ok(reply),
            Err(status) => Err(status.into_answer()),
        }
    })
}

fn not_begun() -> Status {
    let status = Status::deadline_exceeded("the deadline passed before the handler began");
    status.with_phase(Phase::Queue).with_ran(Ran::No)
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.drop_contained();
    }
}

/// Says so in the log, and makes the answer.
fn panicked(context: &Context, panic: Panic) -> Status {
    let backtrace = panic.backtrace.map(|trace| trace.to_string()).unwrap_or_default();
    tracing::error!(method = %context.method().path, panic = panic.message, backtrace, "a handler panicked");
    Status::internal("the handler panicked").with_phase(Phase::Handle)
}
