//! `Attempts`: makes the attempts of one call, at one endpoint after another, while a retry is safe and the deadline
//! allows.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::call_options::{CallOptions, CallStart};
use super::hedge::Hedge;
use super::service::{Picked, ServiceEndpoints};
use super::subchannel::Subchannel;
use super::throttle::is_overload;
use super::transport::{Request, expired, within};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::limits::Limits;
use crate::method::MethodKind;
use crate::net::clock;
use crate::service::Body;
use crate::status::{Code, Phase, Ran, Status, milliseconds};

/// A started call and the state of its attempts.
pub(super) struct Attempts {
    endpoints: Arc<ServiceEndpoints>,
    wait_for_ready: bool,
    may_run_twice: bool,
    /// Whether the call belongs to a call that was made again further up the chain. It is then not made again itself,
    /// unless it certainly did not run.
    is_repeat: bool,
    /// `None` if the call is not hedged, or once it has had its hedge.
    hedge: Option<Hedge>,
    request: Request,
    begun: Instant,
    progress: Progress,
    failed: FailedAttempts,
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
        let method = context.method();
        let (may_run_twice, is_repeat) = (call_options.may_run_twice(method), context.attempt() > 1);
        let is_hedged = may_run_twice && !is_repeat && method.kind == MethodKind::Unary;
        let endpoints = call_options.service.endpoints.clone();
        let latencies = (is_hedged && call_options.wants_hedge(method)).then(|| endpoints.latencies(method)).flatten();
        let mut opening = context.deadline();
        if context.method().kind != MethodKind::Unary {
            opening = opening.earlier(Deadline::after(clock::now(), options.limits.call_timeout));
            by_default = opening != context.deadline();
        }
        let mut request = Request::new(context, body, opening, call_options.is_reply);
        (request.compression, request.hash_key) = (call_options.compression, call_options.hash_key);
        request.may_leave = may_run_twice && !is_repeat;
        let call_timeout = by_default.then_some(options.limits.call_timeout);
        let attempt = usize::from(matches!(next, NextAttempt::Failed(..)));
        let progress = Progress { call_timeout, attempt, ..Progress::default() };
        Ok(Attempts {
            wait_for_ready: call_options.wait_for_ready,
            may_run_twice,
            is_repeat,
            hedge: latencies.map(|latencies| Hedge::new(latencies, endpoints.clone())),
            endpoints,
            request,
            begun: at,
            progress,
            failed: FailedAttempts::default(),
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
        let endpoints = self.endpoints.clone();
        let (wait_for_ready, limits) = (self.wait_for_ready, &endpoints.options().limits);
        let patience = self.request.opening;
        let mut last: Option<Status> = None;
        let mut changes = None;
        loop {
            let (subchannel, outcome) = match mem::replace(&mut self.next, NextAttempt::Pick) {
                NextAttempt::Failed(subchannel, status) => (subchannel, Err(status)),
                NextAttempt::At(subchannel) => match endpoints.admit(self.request.context.metadata()) {
                    Ok(()) => {
                        let outcome = self.attempt(&subchannel).await;
                        (Some(subchannel), outcome)
                    }
                    Err(status) if !wait_for_ready => return Err(last.unwrap_or(status)),
                    Err(status) => {
                        let pause = limits.backoff_min.max(status.retry_after().unwrap_or_default());
                        if within(patience, tokio::time::sleep(pause)).await.is_none() {
                            return Err(expired(format!("no server has accepted the call: {status}"), Phase::Pick));
                        }
                        continue;
                    }
                },
                NextAttempt::Pick => {
                    let (method, hash_key) = (&self.request.method().name, self.request.hash_key);
                    match (endpoints.pick(method, hash_key, &self.failed.avoided()), &mut changes) {
                        (Picked::Subchannel(subchannel), _) => self.next = NextAttempt::At(subchannel),
                        (Picked::Nowhere(_), _) if !self.failed.lost.is_empty() => self.failed.lost.clear(),
                        (Picked::Nowhere(status), _) if !wait_for_ready => return Err(last.unwrap_or(status)),
                        // Subscribes and then picks again, so that the call misses no change in between.
                        (_, None) => changes = Some(endpoints.changes()),
                        (Picked::NotYet(reason), Some(changes)) => {
                            let since = clock::now();
                            let changed = within(patience, changes.changed()).await;
                            self.progress.resolving += clock::now().saturating_duration_since(since);
                            if changed.is_none() {
                                let service = self.request.method().service();
                                let message = format!("where {service} runs is not known: {reason}");
                                return Err(expired(message, Phase::Resolve));
                            }
                        }
                        (Picked::Nowhere(status), Some(changes)) => {
                            let status = last.take().unwrap_or(status);
                            let pause = tokio::time::sleep(self.failed.pause(limits));
                            self.failed = FailedAttempts::default();
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
            endpoints.answered(&outcome);
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
            let status = self.prepare_retry(status, limits).await?;
            self.failed.add(subchannel, &status);
            last = Some(status);
        }
    }

    /// Makes one attempt, and its hedge if the call is hedged.
    async fn attempt(&mut self, subchannel: &Arc<Subchannel>) -> Result<Body, Status> {
        self.progress.attempt += 1;
        let Some(hedge) = &self.hedge else { return subchannel.call(&self.request).await };
        let hedged = hedge.call(subchannel, &self.request, &self.failed.avoided()).await;
        if let Some(second) = hedged.second {
            self.progress.attempt += 1;
            self.progress.was_hedged = true;
            self.progress.may_have_run |= hedged.may_have_run;
            self.request.context.set_attempt(self.request.context.attempt() + 1);
            self.failed.lost.push(second);
            self.hedge = None;
        }
        hedged.outcome
    }

    /// Decides whether a call whose attempt failed may have another attempt, and waits until then. Returns the status of the
    /// attempt. The error is the status of the call, if there is no other attempt.
    async fn prepare_retry(&mut self, status: Status, limits: &Limits) -> Result<Status, Status> {
        let patience = self.request.opening;
        self.progress.may_have_run |= status.ran() == Ran::Maybe;
        self.failed.count += 1;
        let is_last = self.failed.count >= limits.attempts_max;
        self.progress.attempts_max = is_last.then_some(limits.attempts_max);
        let retry = Retry::of(&status, &self.request, self.may_run_twice);
        let Some(retry) = retry.filter(|_| !is_last || self.wait_for_ready) else { return Err(status) };
        if retry.repeats && self.is_repeat {
            self.progress.stopped = Some("no retry of a retry".to_owned());
            return Err(status);
        }
        if patience.remaining(clock::now()).is_some_and(|remaining| remaining <= retry.pause) {
            self.progress.stopped = Some(format!("the server wants a pause of {:?} before a retry", retry.pause));
            return Err(status);
        }
        while retry.is_charged && !self.endpoints.retries().take(limits, clock::now()) {
            let Limits { retry_percent, retries_min, retry_window, .. } = limits;
            let used =
                format!("retry_percent {retry_percent} and retries_min {retries_min} of {retry_window:?} used up");
            self.progress.stopped = Some(used);
            if retry.repeats || !self.wait_for_ready {
                return Err(status);
            }
            if within(patience, tokio::time::sleep(limits.backoff_min)).await.is_none() {
                return Err(expired(format!("no endpoint has accepted the call: {status}"), Phase::Pick));
            }
        }
        self.progress.stopped = None;
        if retry.repeats {
            self.request.context.set_attempt(self.request.context.attempt() + 1);
        }
        if retry.pause > Duration::ZERO {
            // The pause ends before the deadline.
            tokio::time::sleep(retry.pause).await;
        }
        if is_last {
            // The pause prevents a connection storm when an endpoint accepts and closes every connection.
            if within(patience, tokio::time::sleep(self.failed.pause(limits))).await.is_none() {
                return Err(expired(format!("no endpoint has answered: {status}"), Phase::Connect));
            }
            self.failed.count = 0;
        }
        Ok(status)
    }
}

/// The attempts of a call that failed since the call last waited for an endpoint.
#[derive(Default)]
struct FailedAttempts {
    count: usize,
    /// Endpoints without a connection or without room. The call does not go back to them.
    tried: Vec<Arc<Subchannel>>,
    /// Endpoints that lost the call. The call goes back to them if there is no other endpoint.
    lost: Vec<Arc<Subchannel>>,
    /// The time before which the overloaded ones of `tried` want no other attempt.
    refused_until: Option<Instant>,
}

impl FailedAttempts {
    fn avoided(&self) -> Vec<Arc<Subchannel>> {
        [&self.tried[..], &self.lost].concat()
    }

    /// Takes note of the endpoint at which an attempt failed.
    fn add(&mut self, subchannel: Option<Arc<Subchannel>>, status: &Status) {
        if is_overload(status) {
            let until = status.retry_after().and_then(|pause| clock::now().checked_add(pause));
            self.refused_until = self.refused_until.max(until);
        }
        let is_closed = status.phase() == Some(Phase::Connect) || status.code() == Code::ResourceExhausted;
        if is_closed { &mut self.tried } else { &mut self.lost }.extend(subchannel);
    }

    /// The pause of a call that waits for an endpoint.
    fn pause(&self, limits: &Limits) -> Duration {
        let refused = self.refused_until.map(|until| until.saturating_duration_since(clock::now()));
        limits.backoff_min.max(refused.unwrap_or_default())
    }
}

/// The progress of a call. `Progress` writes the caller's part of the status story.
#[derive(Default)]
struct Progress {
    attempt: usize,
    /// Whether an attempt before the last one may have run.
    may_have_run: bool,
    was_hedged: bool,
    /// Why a call that might succeed is not made again.
    stopped: Option<String>,
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
        let mut notes: Vec<String> = self.attempts_max.map(|max| format!("attempts_max {max}")).into_iter().collect();
        notes.extend(self.was_hedged.then(|| "hedged".to_owned()));
        notes.extend(self.stopped.clone());
        match notes.is_empty() {
            false => part += &format!("attempt {} ({}), ", self.attempt, notes.join(", ")),
            true if self.attempt > 1 => part += &format!("attempt {}, ", self.attempt),
            true => {}
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

/// How a failed call is made again.
#[derive(Clone, Copy)]
struct Retry {
    /// Whether the handler may run for the second time.
    repeats: bool,
    /// Whether the retry counts in the budget of the channel.
    is_charged: bool,
    /// How long the server wants the caller to wait.
    pause: Duration,
}

impl Retry {
    /// Returns how the call is made again. `None` if another attempt is not safe or could not succeed.
    fn of(status: &Status, request: &Request, may_run_twice: bool) -> Option<Retry> {
        if !request.can_be_sent() {
            return None;
        }
        let (is_unavailable, pause) = (status.code() == Code::Unavailable, status.retry_after());
        let elsewhere = Retry { repeats: false, is_charged: false, pause: Duration::ZERO };
        let again = Retry { repeats: true, is_charged: true, pause: pause.unwrap_or_default() };
        match status.ran() {
            Ran::No if is_unavailable => Some(elsewhere),
            Ran::No if status.code() == Code::ResourceExhausted && status.phase() == Some(Phase::Queue) => {
                Some(Retry { is_charged: is_overload(status), ..elsewhere })
            }
            Ran::Maybe if is_unavailable && may_run_twice => Some(again),
            // The handler asks for a retry.
            Ran::Yes if is_unavailable && may_run_twice && pause.is_some() => Some(again),
            _ => None,
        }
    }
}
