//! One call, as its caller sees it: prepared, then awaited or waited for.

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

/// A prepared call. It starts when it is awaited, or by [`Call::wait`] on a thread without a runtime. Dropping it while
/// it runs cancels it, at the server too; so does dropping the stream that it may have come to.
#[must_use = "a call starts when it is awaited"]
pub struct Call<R> {
    state: State<R>,
}

enum State<R> {
    Prepared(PreparedCall, Decode<R>),
    Ready(Result<R, Status>),
}

/// What makes the reply of what came.
enum Decode<R> {
    /// Of that alone.
    Body(fn(Body) -> Result<R, Status>),
    /// Of the context too, where one was kept.
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

    /// How much the call matters. Servers with too much to do refuse sheddable calls first and critical ones last. The calls
    /// that its handler makes inherit the priority.
    pub fn priority(self, priority: Priority) -> Call<R> {
        self.change(|call| {
            // The key and the names keep to the rules of metadata.
            drop(call.metadata.set(Priority::KEY, priority.name()));
        })
    }

    /// How the request is compressed instead of as the channel says. See [`crate::ChannelOptions::compression`].
    pub fn compression(self, compression: Option<Compression>) -> Call<R> {
        self.change(|call| call.call_options.compression = compression)
    }

    /// Whether to wait, within the deadline, while no endpoint can be reached, instead of failing at once.
    pub fn wait_for_ready(self, wait: bool) -> Call<R> {
        self.change(|call| call.call_options.wait_for_ready = wait)
    }
}

impl<R: 'static> Call<R> {
    /// The same call with what travels beside its reply. What [`Call::ready`] made has none.
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

/// That of a call that was never made.
fn no_context() -> Context {
    Context::new(Method::named("", "", MethodKind::Unary), None, Deadline::NONE, Metadata::new())
}

impl<R: Send + 'static> Call<R> {
    /// Makes the call and blocks this thread until it has its answer: for threads without a runtime. The work is done on
    /// mprpc's background loop, so it also answers on a thread that a runtime lent out (`spawn_blocking`); on an event
    /// loop itself it stalls the loop.
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
            // The receiver waits below for as long as this runs.
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

/// A [`Call`] that is awaited. Dropping it cancels the call, at the server too.
///
/// A unary call for which a connection is there needs no box: this is all that the caller holds of it.
#[must_use = "a call starts when it is awaited"]
pub struct CallFuture<R>(Awaited<R>);

/// What is awaited: a call with what makes its reply, or a reply; `None` once it was handed over.
#[expect(clippy::large_enum_variant, reason = "a box for each call costs more than the room where there is no call")]
enum Awaited<R> {
    Running(ReplyFuture, Option<Decode<R>>),
    Ready(Option<Result<R, Status>>),
}

// What is in it may be moved.
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
