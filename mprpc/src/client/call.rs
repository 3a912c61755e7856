//! One call, from the caller's side: prepared, then awaited or waited for; tried elsewhere where that is safe.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, ready};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use super::attempts::{Attempts, expired};
use super::intercepted::intercepted;
use super::multiplexed::PendingCall;
use super::service::ServiceEndpoints;
use crate::codec::Compression;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::interceptor::Chain;
use crate::metadata::Metadata;
use crate::method::{Method, MethodKind};
use crate::net::clock;
use crate::scope;
use crate::service::{Body, BoxFuture};
use crate::status::{Phase, Ran, Status};

/// A prepared call. It starts when it is awaited, or by [`Call::wait`] on a thread without a runtime. Dropping it while
/// it runs cancels it, at the server too; so does dropping the stream that it may have come to.
#[must_use = "a call starts when it is awaited"]
pub struct Call<R> {
    state: State<R>,
}

enum State<R> {
    Prepared(Prepared<R>),
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
        Call { state: State::Prepared(prepared) }
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
            State::Prepared(call) => call,
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
        Call { state: State::Prepared(prepared) }
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
    type IntoFuture = CallFuture<R>;

    fn into_future(self) -> CallFuture<R> {
        CallFuture(match self.state {
            State::Prepared(call) => Stage::Prepared(call),
            State::Ready(result) => Stage::Ready(result),
        })
    }
}

/// A [`Call`] that is awaited. Dropping it cancels the call, at the server too.
///
/// Where a connection is there for it, a unary call is made without a box: the future is all that the caller holds of it.
#[must_use = "a call starts when it is awaited"]
pub struct CallFuture<R>(Stage<R>);

enum Stage<R> {
    Prepared(Prepared<R>),
    /// The request is sent, or will be; nothing but the reply is waited for.
    Sent(PendingCall, Attempts, Decode<R>),
    /// Whatever takes longer.
    Boxed(BoxFuture<Result<R, Status>>),
    Ready(Result<R, Status>),
    Done,
}

// What is in it is moved freely, or stands in a box.
impl<R> Unpin for CallFuture<R> {}

impl<R: Send + 'static> Future for CallFuture<R> {
    type Output = Result<R, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let stage = &mut self.get_mut().0;
        loop {
            match stage {
                Stage::Prepared(_) | Stage::Ready(_) => {}
                Stage::Sent(call, attempts, _) => match ready!(Pin::new(&mut *call).poll(cx)) {
                    Ok(reply) => {
                        let Stage::Sent(_, attempts, decode) = mem::replace(stage, Stage::Done) else { continue };
                        return Poll::Ready(decoded(decode, reply, attempts.into_context()));
                    }
                    Err(status) => attempts.failed(call, status),
                },
                Stage::Boxed(call) => {
                    let result = ready!(call.as_mut().poll(cx));
                    *stage = Stage::Done;
                    return Poll::Ready(result);
                }
                Stage::Done => return Poll::Pending,
            }
            *stage = match mem::replace(stage, Stage::Done) {
                Stage::Prepared(call) => call.start(cx),
                Stage::Sent(_, attempts, decode) => Stage::Boxed(Box::pin(finish(attempts, decode))),
                Stage::Ready(result) => return Poll::Ready(result),
                other => other,
            };
        }
    }
}

/// Makes the attempts that are left.
async fn finish<R>(attempts: Attempts, decode: Decode<R>) -> Result<R, Status> {
    let context = attempts.context().clone();
    decoded(decode, attempts.run().await?, context)
}

fn decoded<R>(decode: Decode<R>, reply: Body, context: Context) -> Result<R, Status> {
    decode(reply, context).map_err(|status| status.with_phase(Phase::Reply))
}

/// A call on the background loop that is cancelled with its future here.
struct AbortOnDrop<R>(JoinHandle<Result<R, Status>>);

impl<R> Future for AbortOnDrop<R> {
    type Output = Result<R, Status>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let joined = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(joined.unwrap_or_else(|_| Err(Status::internal("the background loop ended"))))
    }
}

impl<R> Drop for AbortOnDrop<R> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl<R: Send + 'static> Prepared<R> {
    /// Makes the call on the runtime that this is called on; without one, on the background loop.
    fn start(self, cx: &task::Context<'_>) -> Stage<R> {
        let Ok(runtime) = Handle::try_current() else {
            return Stage::Boxed(Box::pin(AbortOnDrop(crate::net::background().spawn(self.run()))));
        };
        if !self.way.interceptors.is_empty() || self.method.kind != MethodKind::Unary {
            return Stage::Boxed(Box::pin(self.run()));
        }
        let attempts = self.begin().and_then(|Begun { way, context, body, decode, at, by_default }| {
            Ok((Attempts::new(way, context, body, at, by_default)?, decode))
        });
        match attempts {
            Ok((mut attempts, decode)) => match attempts.begin_at_once(runtime.id(), cx.waker()) {
                Some(call) => Stage::Sent(call, attempts, decode),
                None => Stage::Boxed(Box::pin(finish(attempts, decode))),
            },
            Err(status) => Stage::Ready(Err(status)),
        }
    }

    async fn run(self) -> Result<R, Status> {
        let Begun { way, context, body, decode, at, by_default } = self.begin()?;
        let interceptors = way.interceptors.clone();
        if interceptors.is_empty() {
            return finish(Attempts::new(way, context, body, at, by_default)?, decode).await;
        }
        let transmit = move |context, body| -> BoxFuture<_> {
            Box::pin(async move { Attempts::new(way, context, body, at, by_default)?.run().await })
        };
        let reply = intercepted(interceptors, context.clone(), body, transmit).await?;
        decoded(decode, reply, context)
    }
}

impl<R> Prepared<R> {
    /// The call as it is when it begins, now.
    fn begin(self) -> Result<Begun<R>, Status> {
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
        Ok(Begun { way: self.way, context, body: self.body, decode: self.decode, at: now, by_default })
    }

    /// When the call has to be done, and whether nothing but `call_timeout` says so. A call that streams has all the time
    /// it wants unless it is told otherwise.
    fn deadline(&self, now: Instant) -> (Deadline, bool) {
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

/// A call that has begun.
struct Begun<R> {
    way: Way,
    context: Context,
    body: Body,
    decode: Decode<R>,
    at: Instant,
    /// Nothing but `call_timeout` says when it has to be done.
    by_default: bool,
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
