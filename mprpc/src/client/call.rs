//! `Call`: a prepared call, which the caller awaits or blocks on.

use std::pin::Pin;
use std::task::{self, Poll, ready};
use std::time::Duration;

use super::call_options::CallOptions;
use super::reply_future::{PreparedCall, ReplyFuture};
use crate::codec::Compression;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::method::{Method, MethodKind};
use crate::priority::Priority;
use crate::service::Body;
use crate::status::{Phase, Ran, Status};

/// A prepared call. The call starts when it is awaited, or when [`Call::wait`] is called on a thread without a
/// runtime. Dropping a running call cancels it, also at the server. Dropping the reply stream of a call cancels the
/// call too.
#[must_use = "a call starts when it is awaited"]
pub struct Call<R> {
    state: State<R>,
}

enum State<R> {
    Prepared(PreparedCall, Decode<R>),
    Ready(Result<R, Status>),
}

/// The function that decodes the reply.
enum Decode<R> {
    /// Decodes the body alone.
    Body(fn(Body) -> Result<R, Status>),
    /// Decodes the body and also receives the call's context, if the call kept one.
    WithContext(Box<dyn FnOnce(Body, Option<Context>) -> Result<R, Status> + Send>),
}

impl<R> Decode<R> {
    fn reply(self, body: Body, context: Option<Context>) -> Result<R, Status> {
        match self {
            Decode::Body(decode) => decode(body),
            Decode::WithContext(decode) => decode(body, context),
        }
    }
}

/// A reply with the metadata that the server sent beside it. See [`Call::with_metadata`].
pub struct Reply<R> {
    /// The reply: a message or a stream of messages.
    pub message: R,
    pub(super) context: Context,
}

impl<R> Reply<R> {
    /// The metadata that the server sent before the reply.
    pub fn metadata(&self) -> Metadata {
        self.context.reply_metadata().clone()
    }

    /// The context of the call. Clones of the context also see the trailer that a server sends after a stream.
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The metadata that the server sent after the reply. The trailer of a stream is complete once the stream has
    /// ended.
    pub fn trailer(&self) -> Metadata {
        self.context.trailer().clone()
    }
}

impl<R> Call<R> {
    /// Creates a call that already has its result, for fakes of a client.
    pub fn ready(result: Result<R, Status>) -> Call<R> {
        Call { state: State::Ready(result) }
    }

    pub(super) fn prepared(
        call_options: CallOptions,
        method: Method,
        body: Body,
        decode: fn(Body) -> Result<R, Status>,
    ) -> Call<R> {
        let decode = Decode::Body(decode);
        Call { state: State::Prepared(PreparedCall::new(call_options, method, body), decode) }
    }

    fn change(mut self, change: impl FnOnce(&mut PreparedCall)) -> Call<R> {
        if let State::Prepared(call, _) = &mut self.state {
            change(call);
        }
        self
    }

    /// Sets the longest time that the call may take. The timeout covers all attempts, and a stream up to its end.
    ///
    /// The default is the channel's timeout for the method, then `call_timeout`. A streaming call has no timeout by
    /// default; `call_timeout` bounds only its opening. A call that a handler makes ends no later than the deadline
    /// of the call that the handler serves.
    pub fn timeout(self, timeout: Duration) -> Call<R> {
        self.change(|call| call.timeout = Some(timeout))
    }

    /// Shortens the timeout of the call to this one, if the call has a longer one or none.
    pub(super) fn within(self, timeout: Duration) -> Call<R> {
        self.change(|call| call.timeout = Some(call.timeout.map_or(timeout, |own| own.min(timeout))))
    }

    /// Makes the call independent of the deadline of the call that the current handler serves. Dropping the
    /// independent call still cancels it, so spawn a task for it.
    pub fn independent(self) -> Call<R> {
        self.change(|call| call.is_independent = true)
    }

    /// Appends metadata that travels with the request. If a pair breaks the rules of [`Metadata`], the call is not
    /// sent and fails with INVALID_ARGUMENT; the status names the first invalid key.
    pub fn metadata(self, key: &str, value: impl Into<Vec<u8>>) -> Call<R> {
        self.change(|call| {
            if let Err(status) = call.metadata.append(key, value) {
                call.refused.get_or_insert(status);
            }
        })
    }

    /// Sets the priority of the call. An overloaded server refuses sheddable calls first and critical calls last.
    /// Calls that the handler makes inherit the priority.
    pub fn priority(self, priority: Priority) -> Call<R> {
        self.change(|call| {
            // The key and the priority names are valid metadata, so `set` cannot fail.
            drop(call.metadata.set(Priority::KEY, priority.name()));
        })
    }

    /// Sets how the request is compressed. Overrides [`crate::ChannelOptions::compression`].
    pub fn compression(self, compression: Option<Compression>) -> Call<R> {
        self.change(|call| call.call_options.compression = compression)
    }

    /// Sets whether the call may run twice. Overrides the `idempotency_level` of the method.
    ///
    /// A call that may run twice is made again if the connection breaks while the call waits for its reply, or if the
    /// handler answers UNAVAILABLE with [`Status::with_retry_after`]. `limits.retry_percent` bounds both.
    pub fn may_run_twice(self, may: bool) -> Call<R> {
        self.change(|call| call.call_options.may_run_twice = Some(may))
    }

    /// Sets whether the call is hedged. Overrides [`crate::ChannelOptions::hedge`].
    ///
    /// If the reply takes longer than 95 % of the calls of the method took, a second attempt starts at another endpoint.
    /// The first reply wins and cancels the other attempt. No hedge starts before 100 hedged calls of the method were
    /// measured, and none beyond `limits.retry_percent`. Only unary calls that may run twice are hedged; `hedge(true)` of
    /// another call fails with INVALID_ARGUMENT.
    pub fn hedge(self, hedge: bool) -> Call<R> {
        self.change(|call| call.call_options.hedge = Some(hedge))
    }

    /// Sets the key by which [`Policy::Hash`](crate::balancer::Policy::Hash) picks an endpoint: calls with the same key go to
    /// the same one. Other built-in policies ignore it.
    pub fn hash_key(self, key: impl AsRef<[u8]>) -> Call<R> {
        let hash = crate::balancer::hash_of(key);
        self.change(|call| call.call_options.hash_key = Some(hash))
    }

    /// Sets whether the call waits, within its deadline, while no endpoint is reachable. Otherwise the call fails at
    /// once.
    pub fn wait_for_ready(self, wait: bool) -> Call<R> {
        self.change(|call| call.call_options.wait_for_ready = wait)
    }
}

impl<R: 'static> Call<R> {
    /// Makes the call return its reply together with reply metadata and trailer. A call from [`Call::ready`] has
    /// neither.
    pub fn with_metadata(self) -> Call<Reply<R>> {
        match self.state {
            State::Prepared(mut call, decode) => {
                call.keeps_context = true;
                let decode = move |body, context: Option<Context>| {
                    let message = decode.reply(body, context.clone())?;
                    Ok(Reply { message, context: context.unwrap_or_else(no_context) })
                };
                Call { state: State::Prepared(call, Decode::WithContext(Box::new(decode))) }
            }
            State::Ready(result) => Call::ready(result.map(|message| Reply { message, context: no_context() })),
        }
    }
}

/// The context of a call that was never sent.
fn no_context() -> Context {
    Context::new(Method::named("", "", MethodKind::Unary), None, Deadline::NONE, Metadata::new())
}

impl<R: Send + 'static> Call<R> {
    /// Makes the call and blocks this thread until the reply arrives. Use it on threads without a runtime.
    ///
    /// mprpc's background loop does the work, so `wait` also works on a blocking thread of a runtime
    /// (`spawn_blocking`). On an event loop, `wait` stalls the loop. On the background loop itself, `wait` fails with
    /// FAILED_PRECONDITION.
    pub fn wait(self) -> Result<R, Status> {
        let (call, decode) = match self.state {
            State::Ready(result) => return result,
            State::Prepared(call, decode) => (call, decode),
        };
        if crate::net::is_background() {
            let message = "Call::wait on mprpc's background loop would wait for itself; await the call";
            return Err(Status::failed_precondition(message).with_ran(Ran::No));
        }
        let (done, answer) = std::sync::mpsc::sync_channel(1);
        crate::net::background().spawn(async move {
            // The receiver below outlives this task, so `send` cannot fail.
            let _ = done.send(call.run().await);
        });
        decoded(decode, answer.recv().unwrap_or_else(|_| Err(Status::internal("the background loop ended"))))
    }
}

impl<R: Send + 'static> IntoFuture for Call<R> {
    type Output = Result<R, Status>;
    type IntoFuture = CallFuture<R>;

    fn into_future(self) -> CallFuture<R> {
        CallFuture(match self.state {
            State::Prepared(call, decode) => Awaited::Running(ReplyFuture::new(call), Some(decode)),
            State::Ready(result) => Awaited::Ready(Some(result)),
        })
    }
}

/// A [`Call`] that is awaited. Dropping the future cancels the call, also at the server.
///
/// A unary call over an open connection needs no box: `CallFuture` is all the memory that the caller holds for the
/// call.
#[must_use = "a call starts when it is awaited"]
pub struct CallFuture<R>(Awaited<R>);

/// The awaited call with its decoder, or a ready result. `None` means that the result was already returned.
#[expect(clippy::large_enum_variant, reason = "a box for each call costs more than the room where there is no call")]
enum Awaited<R> {
    Running(ReplyFuture, Option<Decode<R>>),
    Ready(Option<Result<R, Status>>),
}

// `CallFuture` holds no self-references, so it is `Unpin` for every `R`.
impl<R> Unpin for CallFuture<R> {}

impl<R: Send + 'static> Future for CallFuture<R> {
    type Output = Result<R, Status>;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Self::Output> {
        let awaited = &mut self.get_mut().0;
        let result = match awaited {
            Awaited::Running(call, decode) => {
                let outcome = ready!(Pin::new(call).poll(cx));
                let decode = decode.take();
                *awaited = Awaited::Ready(None);
                decode.map(|decode| decoded(decode, outcome))
            }
            Awaited::Ready(result) => result.take(),
        };
        Poll::Ready(result.unwrap_or_else(|| Err(Status::internal("a call was polled after its end"))))
    }
}

fn decoded<R>(decode: Decode<R>, outcome: Result<(Body, Option<Context>), Status>) -> Result<R, Status> {
    let (reply, context) = outcome?;
    decode.reply(reply, context).map_err(|status| status.with_phase(Phase::Reply))
}
