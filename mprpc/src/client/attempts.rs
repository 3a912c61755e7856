//! `Attempts`: makes the attempts of one call, at one endpoint after another, while a retry is safe and the deadline
//! allows.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call_options::{CallOptions, CallStart};
use super::service::{Picked, ServiceEndpoints};
use super::subchannel::Subchannel;
use super::transport::{Request, expired, within};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::method::MethodKind;
use crate::net::clock;
use crate::service::Body;
use crate::status::{Code, Phase, Ran, Status, milliseconds};

/// A started call and the state of its attempts.
pub(super) struct Attempts {
    endpoints: Arc<ServiceEndpoints>,
    wait_for_ready: bool,
    request: Request,
    begun: Instant,
    progress: Progress,
    next: NextAttempt,
}

/// The next step of a call.
pub(super) enum NextAttempt {
    /// Pick an endpoint.
    Pick,
    /// Make an attempt at this subchannel.
    At(Arc<Subchannel>),
    /// The first attempt failed, at this subchannel, if the subchannel is still known.
    Failed(Option<Arc<Subchannel>>, Status),
}

impl Attempts {
    /// Continues a started call with the step `next`.
    pub(super) fn new(
        call_options: CallOptions,
        context: Context,
        body: Body,
        begun: CallStart,
        next: NextAttempt,
    ) -> Result<Attempts, Status> {
        let CallStart { at, mut by_default, .. } = begun;
        let options = call_options.service.endpoints.options();
        let max = options.limits.message_bytes_max;
        if let Body::Message(message) = &body
            && message.len() > max
        {
            let message = format!("a message of {} bytes is beyond message_bytes_max {max}", message.len());
            return Err(Status::resource_exhausted(message).with_phase(Phase::Send).with_ran(Ran::No));
        }
        let mut opening = context.deadline();
        if context.method().kind != MethodKind::Unary {
            opening = opening.earlier(Deadline::after(clock::now(), options.limits.call_timeout));
            by_default = opening != context.deadline();
        }
        let mut request = Request::new(context, body, opening, call_options.is_reply);
        request.compression = call_options.compression;
        let call_timeout = by_default.then_some(options.limits.call_timeout);
        let attempt = usize::from(matches!(next, NextAttempt::Failed(..)));
        let progress = Progress { call_timeout, attempt, ..Progress::default() };
        Ok(Attempts {
            wait_for_ready: call_options.wait_for_ready,
            endpoints: call_options.service.endpoints.clone(),
            request,
            begun: at,
            progress,
            next,
        })
    }

    /// Makes the attempts until one succeeds or the call fails.
    pub(super) async fn run(mut self) -> Result<Body, Status> {
        match self.reply().await {
            Ok(Body::Message(message)) => Ok(Body::Message(message)),
            Ok(Body::Stream(replies)) => Ok(Body::Stream(replies.map_err(move |status| self.with_story(status)))),
            Err(status) => Err(self.with_story(status)),
        }
    }

    fn with_story(&self, status: Status) -> Status {
        self.progress.with_story(status, &self.request, self.begun)
    }

    /// Makes one attempt after another. A failed call returns the status of its last attempt.
    async fn reply(&mut self) -> Result<Body, Status> {
        let Attempts { endpoints, wait_for_ready, request, progress, next, .. } = self;
        let (wait_for_ready, limits) = (*wait_for_ready, &endpoints.options().limits);
        let patience = request.opening;
        let mut tried = Vec::new();
        let mut last: Option<Status> = None;
        let mut attempts_left = limits.attempts_max.max(1);
        let mut changes = None;
        loop {
            let (subchannel, outcome) = match mem::replace(next, NextAttempt::Pick) {
                NextAttempt::Failed(subchannel, status) => {
                    let outcome = Err(status);
                    endpoints.answered(&outcome);
                    (subchannel, outcome)
                }
                NextAttempt::At(subchannel) => match endpoints.admit(request.context.metadata()) {
                    Ok(()) => {
                        progress.attempt += 1;
                        let outcome = subchannel.call(request).await;
                        endpoints.answered(&outcome);
                        (Some(subchannel), outcome)
                    }
                    Err(status) if !wait_for_ready => return Err(last.unwrap_or(status)),
                    Err(status) => {
                        if within(patience, tokio::time::sleep(limits.backoff_min)).await.is_none() {
                            return Err(expired(format!("no server has accepted the call: {status}"), Phase::Pick));
                        }
                        continue;
                    }
                },
                NextAttempt::Pick => {
                    match (endpoints.pick(&request.method().name, &tried), &mut changes) {
                        (Picked::Subchannel(subchannel), _) => *next = NextAttempt::At(subchannel),
                        (Picked::Nowhere(status), _) if !wait_for_ready => return Err(last.unwrap_or(status)),
                        // Subscribes and then picks again, so that the call misses no change in between.
                        (_, None) => changes = Some(endpoints.changes()),
                        (Picked::NotYet(reason), Some(changes)) => {
                            let since = clock::now();
                            let changed = within(patience, changes.changed()).await;
                            progress.resolving += clock::now().saturating_duration_since(since);
                            if changed.is_none() {
                                let service = request.method().service();
                                let message = format!("where {service} runs is not known: {reason}");
                                return Err(expired(message, Phase::Resolve));
                            }
                        }
                        (Picked::Nowhere(status), Some(changes)) => {
                            let status = last.take().unwrap_or(status);
                            tried.clear();
                            attempts_left = limits.attempts_max.max(1);
                            let pause = tokio::time::sleep(limits.backoff_min);
                            let paused = within(patience, async {
                                tokio::select! { _ = changes.changed() => {}, () = pause => {} }
                            });
                            if paused.await.is_none() {
                                let message = format!("no endpoint could be reached: {status}");
                                return Err(expired(message, Phase::Connect));
                            }
                            last = Some(status);
                        }
                    }
                    continue;
                }
            };
            let status = match (outcome, &last) {
                (Ok(reply), _) => return Ok(reply),
                // The earlier failure says more than the expired deadline.
                (Err(status), Some(last))
                    if (status.code(), status.phase()) == (Code::DeadlineExceeded, Some(Phase::Connect)) =>
                {
                    return Err(expired(format!("no endpoint could be reached: {last}"), Phase::Connect));
                }
                (Err(status), _) => status,
            };
            progress.may_have_run |= status.ran() == Ran::Maybe;
            attempts_left -= 1;
            progress.attempts_max = (attempts_left == 0).then_some(limits.attempts_max);
            if attempts_left == 0 && !wait_for_ready || !may_be_made_again(&status, request) {
                return Err(status);
            }
            if attempts_left == 0 {
                // The pause prevents a connection storm when an endpoint accepts and closes every connection.
                if within(patience, tokio::time::sleep(limits.backoff_min)).await.is_none() {
                    return Err(expired(format!("no endpoint has answered: {status}"), Phase::Connect));
                }
                attempts_left = limits.attempts_max.max(1);
            }
            // Skips an endpoint that cannot be connected to or that has no room. An endpoint whose connection was
            // lost is tried again.
            if status.phase() == Some(Phase::Connect) || status.code() == Code::ResourceExhausted {
                tried.extend(subchannel);
            }
            last = Some(status);
        }
    }
}

/// The progress of a call. `Progress` writes the caller's part of the status story.
#[derive(Default)]
struct Progress {
    attempt: usize,
    /// Whether an attempt before the last one may have run.
    may_have_run: bool,
    resolving: Duration,
    /// The attempt limit, if the call reached it.
    attempts_max: Option<usize>,
    /// The value of `call_timeout`, if it sets the deadline.
    call_timeout: Option<Duration>,
}

impl Progress {
    /// Adds the caller's story to the status of a failed call. A status from the handler itself needs no story.
    fn with_story(&self, status: Status, request: &Request, begun: Instant) -> Status {
        let status = if self.may_have_run && status.ran() == Ran::No { status.with_ran(Ran::Maybe) } else { status };
        if status.is_from_handler() && status.story().is_none() {
            return status;
        }
        let elapsed = clock::now().saturating_duration_since(begun);
        let mut part = request.method().path.to_string();
        if let Some(peer) = status.peer() {
            part += &format!(" at {peer}");
        }
        part += ": ";
        match self.attempts_max {
            Some(max) => part += &format!("attempt {} (attempts_max {max}), ", self.attempt),
            None if self.attempt > 1 => part += &format!("attempt {}, ", self.attempt),
            None => {}
        }
        for (what, time) in [("resolve", self.resolving), ("connect", request.connecting())] {
            if time >= Duration::from_micros(100) {
                part += &format!("{what} {}, ", milliseconds(time));
            }
        }
        let phase = status.phase().map_or("handle", Phase::name);
        part += &format!("failed in {phase} after {}", milliseconds(elapsed));
        if let Some(call_timeout) = self.call_timeout.filter(|_| status.code() == Code::DeadlineExceeded) {
            part += &format!(" (call_timeout {call_timeout:?})");
        }
        status.with_callers_part(&part, elapsed)
    }
}

/// Whether another attempt is safe and may succeed.
fn may_be_made_again(status: &Status, request: &Request) -> bool {
    if !request.can_be_sent() {
        return false;
    }
    match status.ran() {
        Ran::No if status.code() == Code::ResourceExhausted => status.phase() == Some(Phase::Queue),
        Ran::No => status.code() == Code::Unavailable,
        Ran::Maybe => status.code() == Code::Unavailable && request.method().idempotency.may_run_twice(),
        Ran::Yes => false,
    }
}
