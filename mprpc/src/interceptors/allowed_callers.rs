//! Who may call which service, by name. Not who the caller is: that is found out before.

use std::collections::{BTreeMap, BTreeSet};

use super::refused;
use super::token::Caller;
use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// Lets callers through by name, for each service those that are allowed. Anybody else is answered with
/// PERMISSION_DENIED, a caller without a name with UNAUTHENTICATED. A service of which nothing was said is closed to all.
pub struct AllowedCallers {
    names_of: NamesOf,
    /// By service; `None` allows everybody.
    allowed: BTreeMap<String, Option<BTreeSet<String>>>,
}

type NamesOf = Box<dyn Fn(&Context) -> Vec<String> + Send + Sync>;

impl Default for AllowedCallers {
    /// By every name that the caller proved to have: those of the certificate that it showed over TLS, and that of the
    /// [`Caller`] which an interceptor before this one left in the context.
    fn default() -> AllowedCallers {
        AllowedCallers::by(|context| {
            let token = context.value::<Caller>().map(|caller| caller.name.clone());
            let identity = context.peer().and_then(|peer| peer.identity.as_ref());
            token.into_iter().chain(identity.iter().flat_map(|identity| identity.names().map(str::to_owned))).collect()
        })
    }
}

impl AllowedCallers {
    /// By the names that `names_of` gives, of which one that is allowed is enough.
    pub fn by(names_of: impl Fn(&Context) -> Vec<String> + Send + Sync + 'static) -> AllowedCallers {
        AllowedCallers { names_of: Box::new(names_of), allowed: BTreeMap::new() }
    }

    /// Allows these callers, beside those that are allowed already, to call `service`, `package.Service`.
    pub fn allow<N: Into<String>>(mut self, service: &str, names: impl IntoIterator<Item = N>) -> AllowedCallers {
        let allowed = self.allowed.entry(service.to_owned()).or_insert_with(|| Some(BTreeSet::new()));
        if let Some(allowed) = allowed {
            allowed.extend(names.into_iter().map(Into::into));
        }
        self
    }

    /// Opens `service` to everybody, also to callers without a name.
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
