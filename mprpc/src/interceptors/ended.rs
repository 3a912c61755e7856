//! Reports once how a call ended, streams included: the basis of log lines and metrics.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{self, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::Stream;

use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::net::clock;
use crate::service::{Body, BoxFuture};
use crate::status::{Code, Status};
use crate::streaming::Streaming;

/// The outcome of a call.
#[derive(Debug)]
pub struct Ended<'a> {
    /// The context of the call, as the interceptor saw it.
    pub context: &'a Context,
    /// The status of a failed call; `None` after success. A call that its caller gave up has CANCELLED, or
    /// DEADLINE_EXCEEDED if its deadline has passed.
    pub status: Option<&'a Status>,
    /// The duration of the call; for a stream, until the stream ended.
    pub took: Duration,
    /// The number of messages towards the server.
    pub requests: u64,
    /// The number of messages towards the caller.
    pub replies: u64,
}

impl Ended<'_> {
    /// Returns the code of the status, or OK.
    pub fn code(&self) -> Code {
        self.status.map_or(Code::Ok, Status::code)
    }
}

/// Makes an interceptor that calls `f` once for each call, when the call has ended.
///
/// A call ends when it is answered, fails or is given up; a call with a stream of replies ends when the stream has been
/// read to its end. `f` runs where the call runs, and must neither block nor panic.
///
/// ```no_run
/// use mprpc::interceptors::on_end;
///
/// let log = on_end(|ended| println!("{:?} after {:?}", ended.code(), ended.took));
/// let server = mprpc::Server::default().intercept(log);
/// ```
pub fn on_end(f: impl Fn(&Ended<'_>) + Send + Sync + 'static) -> impl Interceptor {
    struct OnEnd<F>(Arc<F>);
    impl<F: Fn(&Ended<'_>) + Send + Sync + 'static> Interceptor for OnEnd<F> {
        fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
            let f = self.0.clone();
            watch(context, body, next, move |ended| f(ended))
        }
    }
    OnEnd(Arc::new(f))
}

/// Passes one call on and reports its outcome to `tell`.
pub(super) fn watch(
    context: Context,
    body: Body,
    next: Next,
    tell: impl FnOnce(&Ended<'_>) + Send + 'static,
) -> BoxFuture<Result<Body, Status>> {
    let requests = Arc::new(AtomicU64::new(0));
    let mut call = Watched {
        tell: Some(Box::new(tell)),
        context: context.clone(),
        begun: clock::now(),
        requests: requests.clone(),
        replies: 0,
        is_polled: false,
    };
    Box::pin(async move {
        let count = move |message| {
            requests.fetch_add(1, Ordering::Relaxed);
            Ok(message)
        };
        let body = match body {
            Body::Message(message) => Body::Message(count(message)?),
            Body::Stream(stream) => Body::Stream(stream.map(count)),
        };
        match next.run(context, body).await {
            Ok(Body::Message(message)) => {
                call.replies = 1;
                call.end(None);
                Ok(Body::Message(message))
            }
            Ok(Body::Stream(replies)) => Ok(Body::Stream(Streaming::new(WatchedReplies { replies, call }))),
            Err(status) => {
                call.end(Some(&status));
                Err(status)
            }
        }
    })
}

type Tell = Box<dyn FnOnce(&Ended<'_>) + Send>;

/// A call whose end is not reported yet. Dropping it reports that the call was given up.
struct Watched {
    tell: Option<Tell>,
    context: Context,
    begun: Instant,
    requests: Arc<AtomicU64>,
    replies: u64,
    /// Whether the stream of the call is being polled. A drop at this point means that the stream panicked.
    is_polled: bool,
}

impl Watched {
    fn end(&mut self, status: Option<&Status>) {
        let Some(tell) = self.tell.take() else { return };
        tell(&Ended {
            context: &self.context,
            status,
            took: clock::now().saturating_duration_since(self.begun),
            requests: self.requests.load(Ordering::Relaxed),
            replies: self.replies,
        });
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.tell.is_none() {
            return;
        }
        let status = if self.is_polled || std::thread::panicking() {
            Status::internal("panicked")
        } else if self.context.deadline().has_passed(clock::now()) {
            Status::deadline_exceeded("given up at the deadline")
        } else {
            Status::cancelled("given up")
        };
        self.end(Some(&status));
    }
}

/// The stream of replies of a watched call.
struct WatchedReplies {
    replies: Streaming<Bytes>,
    call: Watched,
}

impl Stream for WatchedReplies {
    type Item = Result<Bytes, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<Self::Item>> {
        let WatchedReplies { replies, call } = &mut *self;
        call.is_polled = true;
        let polled = Pin::new(replies).poll_next(cx);
        call.is_polled = false;
        match &polled {
            Poll::Pending => {}
            Poll::Ready(Some(Ok(_))) => call.replies += 1,
            Poll::Ready(Some(Err(status))) => call.end(Some(status)),
            Poll::Ready(None) => call.end(None),
        }
        polled
    }
}
