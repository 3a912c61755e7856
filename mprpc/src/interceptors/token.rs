//! Bearer tokens (RFC 6750): the caller's side adds a token to each call, and the server's side requires one.

use std::hint::black_box;
use std::sync::Arc;

use super::refused;
use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::metadata::Metadata;
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// The authenticated caller, as an interceptor identified it.
///
/// The interceptor puts this into the context. Handlers and later interceptors read it with
/// `context.value::<Caller>()`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name that the caller proved to have.
    pub name: String,
}

/// Adds `authorization: Bearer TOKEN` to each call of a channel. A call that already has `authorization` keeps its own.
///
/// Anybody who can read the connection can read the token. The token reaches the called server and is not passed on
/// from there.
pub struct BearerToken {
    token: Box<dyn Fn() -> BoxFuture<Result<String, Status>> + Send + Sync>,
}

impl BearerToken {
    /// Calls `token` for the token of each call, so that the token can be renewed.
    ///
    /// The time that `token` takes counts against the deadline of the call. If `token` fails, the call fails with its
    /// status and is not sent.
    pub fn new<F, Fut>(token: F) -> BearerToken
    where
        F: Fn() -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<String, Status>> + Send + 'static,
    {
        BearerToken { token: Box::new(move || Box::pin(token())) }
    }

    /// Adds the same token to each call.
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

/// Lets a call through only with a known bearer token, and leaves the token's [`Caller`] in the context.
///
/// Any other call gets UNAUTHENTICATED, without a hint at what is wrong with its token. Classic callers have no
/// metadata and so no token: they are refused.
pub struct RequireToken {
    check: Arc<Check>,
}

type Check = dyn Fn(String) -> BoxFuture<Result<Option<Caller>, Status>> + Send + Sync;

impl RequireToken {
    /// Calls `check` for the owner of a token; `None` means that nobody owns it.
    ///
    /// An error is the reply to the call, for example UNAVAILABLE if the token service cannot be reached.
    pub fn new<F, Fut>(check: F) -> RequireToken
    where
        F: Fn(String) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Option<Caller>, Status>> + Send + 'static,
    {
        RequireToken { check: Arc::new(move |token| Box::pin(check(token))) }
    }

    /// Accepts these tokens, each with the name of its caller. The duration of the check reveals only the lengths of
    /// the tokens.
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
                // The loop has no early exit, so that it takes the same time for every position of the token.
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

/// Returns the bearer token; `None` if there are several, because one of them would be somebody else's.
fn token(metadata: &Metadata) -> Option<&str> {
    let mut values = metadata.values(KEY);
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = std::str::from_utf8(value).ok()?.split_once(' ')?;
    (scheme.eq_ignore_ascii_case(SCHEME) && !token.is_empty()).then_some(token)
}

/// Whether `a` and `b` are equal, in a time that depends only on their lengths.
fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    black_box(a.iter().zip(b).fold(0, |difference, (a, b)| black_box(difference | (a ^ b)))) == 0
}

const KEY: &str = "authorization";
const SCHEME: &str = "Bearer";
