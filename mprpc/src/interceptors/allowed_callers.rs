//! Access control: which callers may call which service, by name. It does not authenticate: other code does this
//! before.

use std::collections::{BTreeMap, BTreeSet};

use super::refused;
use super::token::Caller;
use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// Lets the allowed callers of each service through, by name.
///
/// Any other caller gets PERMISSION_DENIED; a caller without a name gets UNAUTHENTICATED. A service without any rule is
/// closed to everybody.
pub struct AllowedCallers {
    names_of: NamesOf,
    /// The allowed names by service; `None` allows everybody.
    allowed: BTreeMap<String, Option<BTreeSet<String>>>,
}

type NamesOf = Box<dyn Fn(&Context) -> Vec<String> + Send + Sync>;

impl Default for AllowedCallers {
    /// Checks every name that the caller proved to have: the names of its TLS certificate, and the name of the
    /// [`Caller`] that an earlier interceptor left in the context.
    fn default() -> AllowedCallers {
        AllowedCallers::by(|context| {
            let token = context.value::<Caller>().map(|caller| caller.name.clone());
            let identity = context.peer().and_then(|peer| peer.identity.as_ref());
            token.into_iter().chain(identity.iter().flat_map(|identity| identity.names().map(str::to_owned))).collect()
        })
    }
}

impl AllowedCallers {
    /// Checks the names that `names_of` returns. The caller passes if at least one of them is allowed.
    pub fn by(names_of: impl Fn(&Context) -> Vec<String> + Send + Sync + 'static) -> AllowedCallers {
        AllowedCallers { names_of: Box::new(names_of), allowed: BTreeMap::new() }
    }

    /// Also allows these callers to call `service`, `package.Service`.
    pub fn allow<N: Into<String>>(mut self, service: &str, names: impl IntoIterator<Item = N>) -> AllowedCallers {
        let allowed = self.allowed.entry(service.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
        if let Some(allowed) = allowed {
            allowed.extend(names.into_iter().map(Into::into));
        }
        self
    }

    /// Opens `service` to everybody, including callers without a name.
    pub fn allow_everybody(mut self, service: &str) -> AllowedCallers {
        self.allowed.insert(service.to_owned(), None);
        self
    }

    fn check(&self, context: &Context) -> Result<(), Status> {
        let service = context.method().service();
        let allowed = self.allowed.get(service);
        if let Some(None) = allowed {
            return Ok(());
        }
        let names = (self.names_of)(context);
        let Some(first) = names.first() else {
            return Err(Status::unauthenticated(format!("{service} is for callers that prove who they are")));
        };
        match allowed {
            Some(Some(allowed)) if names.iter().any(|name| allowed.contains(name)) => Ok(()),
            _ => Err(Status::permission_denied(format!("{first} may not call {service}"))),
        }
    }
}

impl Interceptor for AllowedCallers {
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        match self.check(&context) {
            Ok(()) => next.run(context, body),
            Err(status) => Box::pin(std::future::ready(Err(refused(&context, status)))),
        }
    }
}
