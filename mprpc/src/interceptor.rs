//! What sees every call on its way, at the server or at the caller: logging, authentication, metrics, rate limits.

use std::sync::Arc;

use crate::context::Context;
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// What sees every call on its way; the same for both sides and for every kind of method.
///
/// At the server it runs after the method is found and before the handler, at the caller around all attempts of the
/// call. It may change the metadata, shorten the deadline, leave values for the handler, answer the call itself, and look
/// at the outcome. A stream has only begun when [`Next::run`] returns; wrap the [`Body`] to see its messages and its end.
///
/// An `async` function is one, through [`intercept_fn`].
pub trait Interceptor: Send + Sync + 'static {
    /// Sees one call. `next.run(context, body)` passes it on.
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>>;
}

/// An interceptor that is an `async` function of context, body and [`Next`].
pub fn intercept_fn<F, Fut>(f: F) -> impl Interceptor
where
    F: Fn(Context, Body, Next) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Body, Status>> + Send + 'static,
{
    struct FromFn<F>(F);
    impl<F, Fut> Interceptor for FromFn<F>
    where
        F: Fn(Context, Body, Next) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Body, Status>> + Send + 'static,
    {
        fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
            Box::pin((self.0)(context, body, next))
        }
    }
    FromFn(f)
}

/// Interceptors in the order in which they see a call. Cheap to clone.
pub(crate) type Chain = Arc<[Arc<dyn Interceptor>]>;

/// What a call ends in: the handler, or the transport.
type Terminal = Box<dyn FnOnce(Context, Body) -> BoxFuture<Result<Body, Status>> + Send>;

/// The rest of a call's way: the interceptors behind this one, then the handler or the transport. Dropping it without
/// running it keeps the call from getting there.
pub struct Next {
    chain: Chain,
    at: usize,
    terminal: Terminal,
}

impl Next {
    /// The way through all of `chain`.
    pub(crate) fn new(
        chain: Chain,
        terminal: impl FnOnce(Context, Body) -> BoxFuture<Result<Body, Status>> + Send + 'static,
    ) -> Next {
        Next { chain, at: 0, terminal: Box::new(terminal) }
    }

    /// Passes the call on. The answer is one message, or a stream that has begun.
    pub fn run(mut self, context: Context, body: Body) -> BoxFuture<Result<Body, Status>> {
        match self.chain.get(self.at).cloned() {
            Some(interceptor) => {
                self.at += 1;
                interceptor.intercept(context, body, self)
            }
            None => (self.terminal)(context, body),
        }
    }
}
