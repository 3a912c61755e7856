//! One call, from the caller's side: prepared, then awaited or waited for; tried elsewhere where that is safe.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use buffa::{Message, MessageName};
use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::service::{Picked, ServiceEndpoints};
use super::transport::Request;
use crate::codec::protobuf;
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;
use crate::net::clock;
use crate::scope;
use crate::service::BoxFuture;
use crate::status::{Code, Phase, Ran, Status};

/// A prepared call. It starts when it is awaited, or by [`Call::wait`] on a thread without a runtime. Dropping it while
/// it runs cancels it, at the server too.
#[must_use = "a call starts when it is awaited"]
pub struct Call<R> {
    state: State<R>,
}

enum State<R> {
    Prepared(Prepared<R>),
    Ready(Result<R, Status>),
}

struct Prepared<R> {
    endpoints: Arc<ServiceEndpoints>,
    method: &'static MethodDescriptor,
    message: Bytes,
    metadata: Metadata,
    /// The first option that cannot be: it is what the call answers with.
    refused: Option<Status>,
    timeout: Option<Duration>,
    /// What is left to the call that is being served here, if one is.
    inherited: Deadline,
    wait_for_ready: Option<bool>,
    decode: fn(&[u8]) -> Result<R, Status>,
    is_reply: fn(&[u8]) -> bool,
    _reply: PhantomData<fn() -> R>,
}

impl<R> Call<R> {
    /// A call that is answered already: for fakes of a client.
    pub fn ready(result: Result<R, Status>) -> Call<R> {
        Call { state: State::Ready(result) }
    }

    pub(super) fn prepared(
        endpoints: Arc<ServiceEndpoints>,
        method: &'static MethodDescriptor,
        message: Bytes,
    ) -> Call<R>
    where
        R: Message + MessageName,
    {
        let prepared = Prepared {
            endpoints,
            method,
            message,
            metadata: Metadata::new(),
            refused: None,
            timeout: None,
            inherited: scope::deadline(),
            wait_for_ready: None,
            decode: protobuf::decode::<R>,
            is_reply: |bytes| protobuf::decode::<R>(bytes).is_ok(),
            _reply: PhantomData,
        };
        Call { state: State::Prepared(prepared) }
    }

    /// The longest the call may take, all attempts together; the default is `limits.call_timeout` of the channel. A call
    /// made by a handler ends with the deadline of the call that it serves, if that is earlier.
    pub fn timeout(mut self, timeout: Duration) -> Call<R> {
        if let State::Prepared(call) = &mut self.state {
            call.timeout = Some(timeout);
        }
        self
    }

    /// Lets the call go on where the handler that makes it has run out of time: it inherits no deadline. Dropping it
    /// cancels it all the same, so it belongs into a task of its own.
    pub fn independent(mut self) -> Call<R> {
        if let State::Prepared(call) = &mut self.state {
            call.inherited = Deadline::NONE;
        }
        self
    }

    /// Appends metadata that travels with the request. A call with a pair that breaks the rules of [`Metadata`] is not
    /// made: it answers with INVALID_ARGUMENT, which names the first such key.
    pub fn metadata(mut self, key: &str, value: impl Into<Vec<u8>>) -> Call<R> {
        if let State::Prepared(call) = &mut self.state
            && let Err(status) = call.metadata.append(key, value)
        {
            call.refused.get_or_insert(status);
        }
        self
    }

    /// Whether to wait, within the deadline, while no endpoint can be reached, instead of failing at once.
    pub fn wait_for_ready(mut self, wait: bool) -> Call<R> {
        if let State::Prepared(call) = &mut self.state {
            call.wait_for_ready = Some(wait);
        }
        self
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
        let options = self.endpoints.options();
        let max = options.limits.message_bytes_max;
        if self.message.len() > max {
            let size = self.message.len();
            let message = format!("a message of {size} bytes is beyond message_bytes_max {max}");
            return Err(Status::resource_exhausted(message).with_phase(Phase::Send).with_ran(Ran::No));
        }
        let timeout = self.timeout.unwrap_or(options.limits.call_timeout);
        let now = clock::now();
        if self.inherited.has_passed(now) {
            let message = "the deadline of the call that is being served has passed";
            return Err(expired(message.to_owned(), Phase::Send));
        }
        let request = Request {
            method: self.method,
            metadata: self.metadata,
            message: self.message,
            deadline: Deadline::after(now, timeout).earlier(self.inherited),
            is_reply: self.is_reply,
        };
        let wait_for_ready = self.wait_for_ready.unwrap_or(options.wait_for_ready);
        let mut may_have_run = false;
        let reply = attempts(&self.endpoints, &request, wait_for_ready, &mut may_have_run).await;
        let reply = reply.map_err(|status| match status.ran() {
            Ran::No if may_have_run => status.with_ran(Ran::Maybe),
            _ => status,
        })?;
        (self.decode)(&reply).map_err(|status| {
            Status::internal(format!("the reply does not decode: {}", status.message())).with_phase(Phase::Reply)
        })
    }
}

/// Makes the call at one endpoint after the other, for as long as that is safe, within the deadline. Notes whether any
/// attempt may have run: the status is that of the last one.
async fn attempts(
    endpoints: &ServiceEndpoints,
    request: &Request,
    wait_for_ready: bool,
    may_have_run: &mut bool,
) -> Result<Bytes, Status> {
    let mut tried = Vec::new();
    let mut last: Option<Status> = None;
    let mut attempts_left = endpoints.options().limits.attempts_max.max(1);
    let mut changes = None;
    loop {
        let picked = endpoints.pick(request.method.name, &tried);
        let subchannel = match (picked, &mut changes) {
            (Picked::Subchannel(subchannel), _) => subchannel,
            (Picked::Nowhere(status), _) if !wait_for_ready => return Err(last.unwrap_or(status)),
            // Looks once more after it has begun to listen, so that no change falls in between.
            (_, None) => {
                changes = Some(endpoints.changes());
                continue;
            }
            (Picked::NotYet(reason), Some(changes)) => {
                let changed = within(request.deadline, changes.changed()).await;
                if changed.is_none() {
                    let message = format!("where {} runs is not known: {reason}", request.method.service());
                    return Err(expired(message, Phase::Resolve));
                }
                continue;
            }
            (Picked::Nowhere(status), Some(changes)) => {
                let status = last.take().unwrap_or(status);
                tried.clear();
                attempts_left = endpoints.options().limits.attempts_max.max(1);
                let pause = tokio::time::sleep(endpoints.options().limits.backoff_min);
                let paused = within(request.deadline, async {
                    tokio::select! { _ = changes.changed() => {}, () = pause => {} }
                });
                if paused.await.is_none() {
                    return Err(expired(format!("no endpoint could be reached: {status}"), Phase::Connect));
                }
                last = Some(status);
                continue;
            }
        };
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
        *may_have_run |= status.ran() != Ran::No;
        attempts_left -= 1;
        if attempts_left == 0 && !wait_for_ready || !may_be_made_again(&status, request.method) {
            return Err(status);
        }
        if attempts_left == 0 {
            // An endpoint that accepts and closes is no reason to connect without end.
            let limits = &endpoints.options().limits;
            if within(request.deadline, tokio::time::sleep(limits.backoff_min)).await.is_none() {
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
fn may_be_made_again(status: &Status, method: &MethodDescriptor) -> bool {
    match status.ran() {
        Ran::No if status.code() == Code::ResourceExhausted => status.phase() == Some(Phase::Queue),
        Ran::No => status.code() == Code::Unavailable,
        Ran::Maybe => status.code() == Code::Unavailable && method.idempotency.may_run_twice(),
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
