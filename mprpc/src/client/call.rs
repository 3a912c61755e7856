//! One call, from the caller's side: prepared, then awaited or waited for; tried elsewhere where that is safe.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::intercepted::intercepted;
use super::service::{Picked, ServiceEndpoints};
use super::transport::Request;
use crate::codec::Compression;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::interceptor::Chain;
use crate::metadata::Metadata;
use crate::method::{Method, MethodKind};
use crate::net::clock;
use crate::scope;
use crate::service::{Body, BoxFuture};
use crate::status::{Code, Phase, Ran, Status, milliseconds};

/// A prepared call. It starts when it is awaited, or by [`Call::wait`] on a thread without a runtime. Dropping it while
/// it runs cancels it, at the server too; so does dropping the stream that it may have come to.
#[must_use = "a call starts when it is awaited"]
pub struct Call<R> {
    state: State<R>,
}

enum State<R> {
    Prepared(Box<Prepared<R>>),
    Ready(Result<R, Status>),
}

struct Prepared<R> {
    way: Way,
    method: Method,
    body: Body,
    metadata: Metadata,
    /// The first option that cannot be: it is what the call answers with.
    refused: Option<Status>,
    timeout: Option<Duration>,
    /// The call that is being served here, if one is: what is left to it is all that this one has.
    served: Option<Context>,
    is_independent: bool,
    decode: Decode<R>,
}

/// The way of a call to where it is served.
#[derive(Clone)]
pub(super) struct Way {
    pub(super) endpoints: Arc<ServiceEndpoints>,
    pub(super) interceptors: Chain,
    pub(super) wait_for_ready: bool,
    pub(super) compression: Option<Compression>,
    /// Whether bytes are a complete reply, as far as decoding can tell: for peers that do not say where one ends.
    pub(super) is_reply: fn(&[u8]) -> bool,
}

impl Way {
    /// As the channel says; a call may change it.
    pub(super) fn new(endpoints: &Arc<ServiceEndpoints>, interceptors: &Chain, is_reply: fn(&[u8]) -> bool) -> Way {
        let options = endpoints.options();
        Way {
            wait_for_ready: options.wait_for_ready,
            compression: options.compression,
            endpoints: endpoints.clone(),
            interceptors: interceptors.clone(),
            is_reply,
        }
    }
}

/// What makes the reply of what came.
pub(super) type Decode<R> = Box<dyn FnOnce(Body, Context) -> Result<R, Status> + Send>;

/// A reply, and what travelled beside it. See [`Call::with_metadata`].
pub struct Reply<R> {
    /// The reply itself: a message, or a stream of them.
    pub message: R,
    pub(super) context: Context,
}

impl<R> Reply<R> {
    /// What the server sent before the reply.
    pub fn metadata(&self) -> Metadata {
        self.context.reply_metadata().clone()
    }

    /// The call, for what is asked later: its clones go on to know what the server sends behind a stream.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// What the server sent behind the reply: of a stream, once it has ended.
    pub fn trailer(&self) -> Metadata {
        self.context.trailer().clone()
    }
}

impl<R> Call<R> {
    /// A call that is answered already: for fakes of a client.
    pub fn ready(result: Result<R, Status>) -> Call<R> {
        Call { state: State::Ready(result) }
    }

    pub(super) fn prepared(way: Way, method: Method, body: Body, decode: Decode<R>) -> Call<R> {
        let prepared = Prepared {
            way,
            method,
            body,
            metadata: Metadata::new(),
            refused: None,
            timeout: None,
            served: scope::current(),
            is_independent: false,
            decode,
        };
        Call { state: State::Prepared(Box::new(prepared)) }
    }

    fn change(mut self, change: impl FnOnce(&mut Prepared<R>)) -> Call<R> {
        if let State::Prepared(call) = &mut self.state {
            change(call);
        }
        self
    }

    /// The longest the call may take, all attempts together, and of a stream up to its end. The default is that of the
    /// channel for the method; calls with a stream have none, and only their opening is bounded. A call made by a
    /// handler ends with the deadline of the call that it serves, if that is earlier.
    pub fn timeout(self, timeout: Duration) -> Call<R> {
        self.change(|call| call.timeout = Some(timeout))
    }

    /// Lets the call go on where the handler that makes it has run out of time: it inherits no deadline. Dropping it
    /// cancels it all the same, so it belongs into a task of its own.
    pub fn independent(self) -> Call<R> {
        self.change(|call| call.is_independent = true)
    }

    /// Appends metadata that travels with the request. A call with a pair that breaks the rules of [`Metadata`] is not
    /// made: it answers with INVALID_ARGUMENT, which names the first such key.
    pub fn metadata(self, key: &str, value: impl Into<Vec<u8>>) -> Call<R> {
        self.change(|call| {
            if let Err(status) = call.metadata.append(key, value) {
                call.refused.get_or_insert(status);
            }
        })
    }

    /// How the request is compressed instead of as the channel says. See [`crate::ChannelOptions::compression`].
    pub fn compression(self, compression: Option<Compression>) -> Call<R> {
        self.change(|call| call.way.compression = compression)
    }

    /// Whether to wait, within the deadline, while no endpoint can be reached, instead of failing at once.
    pub fn wait_for_ready(self, wait: bool) -> Call<R> {
        self.change(|call| call.way.wait_for_ready = wait)
    }
}

impl<R: 'static> Call<R> {
    /// The same call with what travels beside its reply. What [`Call::ready`] made has none.
    pub fn with_metadata(self) -> Call<Reply<R>> {
        let call = match self.state {
            State::Prepared(call) => *call,
            State::Ready(result) => {
                let method = Method::named("", "", MethodKind::Unary);
                let context = Context::new(method, None, Deadline::NONE, Metadata::new());
                return Call::ready(result.map(|message| Reply { message, context }));
            }
        };
        let decode = call.decode;
        let prepared = Prepared {
            decode: Box::new(move |body, context| Ok(Reply { message: decode(body, context.clone())?, context })),
            way: call.way,
            method: call.method,
            body: call.body,
            metadata: call.metadata,
            timeout: call.timeout,
            served: call.served,
            is_independent: call.is_independent,
            refused: call.refused,
        };
        Call { state: State::Prepared(Box::new(prepared)) }
    }
}

impl<R: Send + 'static> Call<R> {
    /// Makes the call and blocks this thread until it has its answer: for threads without a runtime. The work is done on
    /// mprpc's background loop, so it also answers on a thread that a runtime lent out (`spawn_blocking`); on an event
    /// loop itself it stalls the loop.
    pub fn wait(self) -> Result<R, Status> {
        let call = match self.state {
            State::Ready(result) => return result,
            State::Prepared(call) => call,
        };
        if crate::net::is_background() {
            let message = "Call::wait on mprpc's background loop would wait for itself; await the call";
            return Err(Status::failed_precondition(message).with_ran(Ran::No));
        }
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        crate::net::background().spawn(async move {
            // The receiver waits below for as long as this runs.
            let _ = done.send(call.run().await);
        });
        answer.recv().unwrap_or_else(|_| Err(Status::internal("the background loop ended")))
    }
}

impl<R: Send + 'static> IntoFuture for Call<R> {
    type Output = Result<R, Status>;
    type IntoFuture = BoxFuture<Result<R, Status>>;

    fn into_future(self) -> Self::IntoFuture {
        let call = match self.state {
            State::Ready(result) => return Box::pin(std::future::ready(result)),
            State::Prepared(call) => call,
        };
        if Handle::try_current().is_ok() {
            return Box::pin(call.run());
        }
        Box::pin(async move {
            let answer = AbortOnDrop(crate::net::background().spawn(call.run()));
            answer.await
        })
    }
}

/// A call on the background loop that is cancelled with its future here.
struct AbortOnDrop<R>(tokio::task::JoinHandle<Result<R, Status>>);

impl<R> Future for AbortOnDrop<R> {
    type Output = Result<R, Status>;

    fn poll(mut self: std::pin::Pin<&mut Self>, cx: &mut std::task::Context<'_>) -> std::task::Poll<Self::Output> {
        let joined = std::task::ready!(std::pin::Pin::new(&mut self.0).poll(cx));
        std::task::Poll::Ready(joined.unwrap_or_else(|_| Err(Status::internal("the background loop ended"))))
    }
}

impl<R> Drop for AbortOnDrop<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<R> Prepared<R> {
    async fn run(self) -> Result<R, Status> {
        if let Some(status) = self.refused {
            return Err(status.with_phase(Phase::Send).with_ran(Ran::No));
        }
        let now = clock::now();
        let (deadline, by_default) = self.deadline(now);
        if deadline.has_passed(now) {
            let message = "the deadline of the call that is being served has passed";
            return Err(expired(message.to_owned(), Phase::Send));
        }
        let metadata = match &self.served {
            Some(served) => inherited(self.metadata, served.metadata()),
            None => self.metadata,
        };
        let context = Context::new(self.method, None, deadline, metadata);
        let way = self.way;
        let interceptors = way.interceptors.clone();
        let reply = if interceptors.is_empty() {
            transmit(&way, context.clone(), self.body, by_default, now).await?
        } else {
            let transmit = move |context, body| -> BoxFuture<_> {
                Box::pin(async move { transmit(&way, context, body, by_default, now).await })
            };
            intercepted(interceptors, context.clone(), self.body, transmit).await?
        };
        (self.decode)(reply, context).map_err(|status| status.with_phase(Phase::Reply))
    }

    /// When the call has to be done, and whether nothing but `call_timeout` says so. A call that streams has all the time
    /// it wants unless it is told otherwise.
    fn deadline(&self, now: std::time::Instant) -> (Deadline, bool) {
        let options = self.way.endpoints.options();
        let chosen = self.timeout.or_else(|| options.timeout_of(&self.method));
        let by_default = chosen.is_none() && self.method.kind == MethodKind::Unary;
        let timeout = chosen.or_else(|| by_default.then_some(options.limits.call_timeout));
        let own = timeout.map_or(Deadline::NONE, |timeout| Deadline::after(now, timeout));
        match &self.served {
            Some(served) if !self.is_independent => {
                let earlier = own.earlier(served.deadline());
                (earlier, by_default && earlier == own)
            }
            _ => (own, by_default),
        }
    }
}

/// What passes on through a chain of calls, unless the call says otherwise itself.
fn inherited(mut own: Metadata, served: &Metadata) -> Metadata {
    let passed_on = served.passed_on();
    for key in Metadata::PASSED_ON.iter().filter(|key| passed_on.value(key).is_some()) {
        if own.value(key).is_none() {
            passed_on.values(key).for_each(|value| drop(own.append(key, value)));
        }
    }
    own
}

/// Makes the call, which began at `begun`, at an endpoint, and at others where that is safe. Its deadline is
/// `call_timeout`, or was chosen.
async fn transmit(
    way: &Way,
    context: Context,
    body: Body,
    mut by_default: bool,
    begun: std::time::Instant,
) -> Result<Body, Status> {
    let options = way.endpoints.options();
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
    let mut request = Request::new(context, body, opening, way.is_reply);
    request.compression = way.compression;
    let call_timeout = by_default.then_some(options.limits.call_timeout);
    let mut progress = Progress { call_timeout, ..Progress::default() };
    let reply = attempts(&way.endpoints, &request, way.wait_for_ready, &mut progress).await;
    match reply {
        Ok(Body::Message(message)) => Ok(Body::Message(message)),
        Ok(Body::Stream(replies)) => {
            Ok(Body::Stream(replies.map_err(move |status| progress.tell(status, &request, begun))))
        }
        Err(status) => Err(progress.tell(status, &request, begun)),
    }
}

/// How far a call has come: the caller's part of its story.
#[derive(Default)]
struct Progress {
    attempt: usize,
    /// An attempt before the last may have run.
    may_have_run: bool,
    resolving: Duration,
    /// It was given up after so many.
    attempts_max: Option<usize>,
    /// The deadline is that of calls which do not say one.
    call_timeout: Option<Duration>,
}

impl Progress {
    /// The status of a call that failed, with what is known here of its way. What a handler answered of its own accord
    /// needs no story.
    fn tell(&self, status: Status, request: &Request, begun: std::time::Instant) -> Status {
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

/// Makes the call at one endpoint after the other, for as long as that is safe, within the deadline. The status is that of the
/// last attempt.
async fn attempts(
    endpoints: &ServiceEndpoints,
    request: &Request,
    wait_for_ready: bool,
    progress: &mut Progress,
) -> Result<Body, Status> {
    let patience = request.opening;
    let mut tried = Vec::new();
    let mut last: Option<Status> = None;
    let mut attempts_left = endpoints.options().limits.attempts_max.max(1);
    let mut changes = None;
    loop {
        let picked = endpoints.pick(&request.method().name, &tried);
        let subchannel = match (picked, &mut changes) {
            (Picked::Subchannel(subchannel), _) => subchannel,
            (Picked::Nowhere(status), _) if !wait_for_ready => return Err(last.unwrap_or(status)),
            // Looks once more after it has begun to listen, so that no change falls in between.
            (_, None) => {
                changes = Some(endpoints.changes());
                continue;
            }
            (Picked::NotYet(reason), Some(changes)) => {
                let since = clock::now();
                let changed = within(patience, changes.changed()).await;
                progress.resolving += clock::now().saturating_duration_since(since);
                if changed.is_none() {
                    let message = format!("where {} runs is not known: {reason}", request.method().service());
                    return Err(expired(message, Phase::Resolve));
                }
                continue;
            }
            (Picked::Nowhere(status), Some(changes)) => {
                let status = last.take().unwrap_or(status);
                tried.clear();
                attempts_left = endpoints.options().limits.attempts_max.max(1);
                let pause = tokio::time::sleep(endpoints.options().limits.backoff_min);
                let paused = within(patience, async {
                    tokio::select! { _ = changes.changed() => {}, () = pause => {} }
                });
                if paused.await.is_none() {
                    return Err(expired(format!("no endpoint could be reached: {status}"), Phase::Connect));
                }
                last = Some(status);
                continue;
            }
        };
        progress.attempt += 1;
        let status = match (subchannel.call(request).await, &last) {
            (Ok(reply), _) => return Ok(reply),
            // What failed before says more than that the time is up.
            (Err(status), Some(last))
                if (status.code(), status.phase()) == (Code::DeadlineExceeded, Some(Phase::Connect)) =>
            {
                return Err(expired(format!("no endpoint could be reached: {last}"), Phase::Connect));
            }
            (Err(status), _) => status,
        };
        progress.may_have_run |= status.ran() == Ran::Maybe;
        attempts_left -= 1;
        progress.attempts_max = (attempts_left == 0).then_some(endpoints.options().limits.attempts_max);
        if attempts_left == 0 && !wait_for_ready || !may_be_made_again(&status, request) {
            return Err(status);
        }
        if attempts_left == 0 {
            // An endpoint that accepts and closes is no reason to connect without end.
            let limits = &endpoints.options().limits;
            if within(patience, tokio::time::sleep(limits.backoff_min)).await.is_none() {
                return Err(expired(format!("no endpoint has answered: {status}"), Phase::Connect));
            }
            attempts_left = limits.attempts_max.max(1);
        }
        // A connection that turned out to be gone is opened anew; an endpoint that cannot be connected to is passed over.
        if status.phase() == Some(Phase::Connect) || status.code() == Code::ResourceExhausted {
            tried.push(subchannel);
        }
        last = Some(status);
    }
}

/// Whether the failure says that another attempt is safe, and may help.
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

fn expired(message: String, phase: Phase) -> Status {
    Status::deadline_exceeded(message).with_phase(phase).with_ran(Ran::No)
}

/// The output, or `None` when the deadline passed first.
pub(super) async fn within<F: Future>(deadline: Deadline, future: F) -> Option<F::Output> {
    match deadline.instant() {
        Some(at) => timeout_at(at.into(), future).await.ok(),
        None => Some(future.await),
    }
}
