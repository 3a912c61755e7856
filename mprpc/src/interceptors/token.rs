//! Bearer tokens (RFC 6750): the caller's side adds one to each call, the server's side asks for one.

use std::hint::black_box;
use std::sync::Arc;

use super::refused;
use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::metadata::Metadata;
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// Who called, as an interceptor that authenticates found out. It leaves this in the context, where handlers and later
/// interceptors find it: `context.value::<Caller>()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name that the caller proved to have.
    pub name: String,
}

/// Adds `authorization: Bearer TOKEN` to each call of a channel. A call that has an `authorization` of its own keeps it.
///
/// Whoever can read the connection can read the token. It goes to the called server and does not pass on from there.
pub struct BearerToken {
    token: Box<dyn Fn() -> BoxFuture<Result<String, Status>> + Send + Sync>,
}

impl BearerToken {
    /// Asks `token` for the token of each call; so it can be renewed. What that awaits counts against the deadline of the
    /// call, and its failure is that of the call, which then is not made.
    pub fn new<F, Fut>(token: F) -> BearerToken
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, Status>> + Send + 'static,
    {
        BearerToken { token: Box::new(move || Box::pin(token())) }
    }

    /// Always this token.
    pub fn fixed(token: impl Into<String>) -> BearerToken {
        let token = token.into();
        BearerToken::new(move || std::future::ready(Ok(token.clone())))
    }
}

impl Interceptor for BearerToken {
    fn intercept(&self, mut context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        if context.metadata().value(KEY).is_some() {
            return next.run(context, body);
        }
        let token = (self.token)();
        Box::pin(async move {
            let added = match token.await {
                Ok(token) => context.metadata_mut().append(KEY, format!("{SCHEME} {token}")),
                Err(status) => Err(status),
            };
            match added {
                Ok(()) => next.run(context, body).await,
                Err(status) => Err(refused(&context, status)),
            }
        })
    }
}

/// Lets a call through only with a bearer token that is known, and leaves the [`Caller`] to whom it belongs in the
/// context. Any other call is answered with UNAUTHENTICATED, and is not told what was wrong with its token.
///
/// Classic callers have no metadata, and so no token: they are refused.
pub struct RequireToken {
    check: Arc<Check>,
}

type Check = dyn Fn(String) -> BoxFuture<Result<Option<Caller>, Status>> + Send + Sync;

impl RequireToken {
    /// Asks `check` to whom a token belongs: `None` to nobody. An error is the answer to the call: UNAVAILABLE where
    /// whoever knows the tokens cannot be asked.
    pub fn new<F, Fut>(check: F) -> RequireToken
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Caller>, Status>> + Send + 'static,
    {
        RequireToken { check: Arc::new(move |token| Box::pin(check(token))) }
    }

    /// Knows these tokens, each with the name of the caller that has it. How long the check takes tells nothing of them
    /// but their lengths.
    pub fn one_of<T, N>(tokens: impl IntoIterator<Item = (T, N)>) -> RequireToken
    where
        T: Into<String>,
        N: Into<String>,
    {
        let tokens = tokens.into_iter().map(|(token, name)| (token.into(), Caller { name: name.into() }));
        let tokens: Vec<(String, Caller)> = tokens.filter(|(token, _)| !token.is_empty()).collect();
        RequireToken::new(move |shown| {
            let mut found = None;
            for (token, caller) in &tokens {
                // No way out of the loop: it takes the same time wherever the token stands.
                if is_same(token.as_bytes(), shown.as_bytes()) {
                    found = Some(caller.clone());
                }
            }
            std::future::ready(Ok(found))
        })
    }
}

impl Interceptor for RequireToken {
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        let checked = token(context.metadata()).map(|token| (self.check)(token.to_owned()));
        Box::pin(async move {
            let caller = match checked {
                Some(checked) => checked.await,
                None => Ok(None),
            };
            let status = match caller {
                Ok(Some(caller)) => {
                    context.insert(caller);
                    return next.run(context, body).await;
                }
                Ok(None) => Status::unauthenticated("this call needs a valid bearer token"),
                Err(status) => status,
            };
            Err(refused(&context, status))
        })
    }
}

/// The one bearer token; `None` also where there are several, as one of them would be somebody else's.
fn token(metadata: &Metadata) -> Option<&str> {
    let mut values = metadata.values(KEY);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

/// Whether they are the same, in a time that depends on their lengths alone.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    black_box(a.iter().zip(b).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)))) == 0
}

const KEY: &str = "authorization";
const SCHEME: &str = "Bearer";
