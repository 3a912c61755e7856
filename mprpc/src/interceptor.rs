//! Interceptors: code that runs around every call, at the server or at the caller, such as logging, authentication, metrics,
//! rate limits.

use std::sync::Arc;

use crate::context::Context;
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// Runs around every call. The same trait serves both sides and every kind of method.
///
/// At the server an interceptor runs after routing and before the handler; at the caller it runs around all attempts of the
/// call. It may change the metadata, shorten the deadline, store values for the handler, answer the call itself, and inspect
/// the outcome. When [`Next::run`] returns, a stream has only begun; wrap the [`Body`] to see its messages and its end.
///
/// [`intercept_fn`] makes an interceptor of an `async` function.
pub trait Interceptor: Send + Sync + 'static {
    /// Handles one call. `next.run(context, body)` passes it on.
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>>;
}

/// Makes an interceptor of an `async` function of context, body and [`Next`].
///
/// ```no_run
/// use mprpc::{Body, Context, Next, Status, intercept_fn};
///
/// async fn log(context: Context, body: Body, next: Next) -> Result<Body, Status> {
///     let method = context.method().clone();
///     let outcome = next.run(context, body).await;
///     println!("{method:?}: {}", if outcome.is_ok() { "ok" } else { "failed" });
///     outcome
/// }
///
/// let interceptor = intercept_fn(log);
/// ```
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

/// Interceptors in the order in which they run. Cheap to clone.
pub(crate) type Chain = Arc<[Arc<dyn Interceptor>]>;

/// The end of the chain: the handler, or the transport.
type Terminal = Box<dyn FnOnce(Context, Body) -> BoxFuture<Result<Body, Status>> + Send>;

/// The rest of the chain: the later interceptors, then the handler or the transport. Dropping it without running it stops
/// the call there.
pub struct Next {
    chain: Chain,
    at: usize,
    terminal: Terminal,
}

impl Next {
    /// Creates the `Next` that runs all of `chain`, then `terminal`.
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
