//! One service behind the gateway: its client, what the registry lists of it, and its schema. It asks nobody.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use mprpc::{Channel, Code, Endpoint, MethodKind, Protocol, RawClient, Status};
use tokio::time::Instant;

use super::schema::{MethodTypes, Schema};

/// One service.
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) client: RawClient,
    /// Held while a provider is asked for the schema, so that one question at a time is on its way.
    pub(crate) asking: tokio::sync::Mutex<()>,
    state: RwLock<State>,
}

#[derive(Default)]
struct State {
    endpoints: Vec<Endpoint>,
    /// Whether the registry listed the service when it was last read.
    is_listed: bool,
    schema: Option<Arc<Schema>>,
    /// When the last question for the schema had its outcome. `None` if the providers have changed since.
    asked: Option<Instant>,
    /// Why there is no schema.
    failure: Option<Status>,
}

impl Service {
    /// Creates a service of which nothing is known yet. Its client follows the registry from now on.
    pub(crate) fn new(channel: &Channel, name: &str) -> Arc<Service> {
        Arc::new(Service {
            name: name.to_owned(),
            client: RawClient::new(channel.clone(), name),
            asking: tokio::sync::Mutex::default(),
            state: RwLock::default(),
        })
    }

    /// Takes what the registry lists: endpoints, or that the service is not there any more.
    pub(crate) fn listed(&self, endpoints: Option<Vec<Endpoint>>) {
        let mut state = self.state_mut();
        state.is_listed = endpoints.is_some();
        let endpoints = endpoints.unwrap_or_default();
        if state.endpoints != endpoints {
            state.endpoints = endpoints;
            // New providers may have a new schema.
            state.asked = None;
        }
    }

    pub(crate) fn is_listed(&self) -> bool {
        self.state().is_listed
    }

    /// Whether the registry lists a provider.
    pub(crate) fn has_provider(&self) -> bool {
        !self.state().endpoints.is_empty()
    }

    /// The kind that every method of the service can be called as, although the schema is not known. A server of gRPC takes
    /// each request as a stream; a native one does not.
    pub(crate) fn kind_of_all(&self) -> Option<MethodKind> {
        let state = self.state();
        let are_grpc = state.endpoints.iter().all(|endpoint| endpoint.protocol == Protocol::Grpc);
        (are_grpc && !state.endpoints.is_empty()).then_some(MethodKind::Bidirectional)
    }

    pub(crate) fn schema(&self) -> Option<Arc<Schema>> {
        self.state().schema.clone()
    }

    /// The types of a method, if the schema is known and has the method.
    pub(crate) fn types(&self, method: &str) -> Option<MethodTypes> {
        self.state().schema.as_ref()?.method(&self.name, method)
    }

    /// Whether nobody was asked for the schema since the providers have changed.
    pub(crate) fn was_not_asked(&self) -> bool {
        self.state().asked.is_none()
    }

    /// Whether the providers may be asked for the schema again.
    pub(crate) fn may_ask(&self, now: Instant) -> bool {
        let state = self.state();
        let is_away = state.failure.as_ref().is_some_and(is_away);
        let interval = if is_away { UNAVAILABLE_INTERVAL } else { SCHEMA_INTERVAL };
        state.asked.is_none_or(|asked| now.duration_since(asked) >= interval)
    }

    /// Takes the outcome of a question for the schema. A failure does not replace a schema.
    pub(crate) fn answered(&self, outcome: Result<Schema, Status>, now: Instant) {
        let mut state = self.state_mut();
        state.asked = Some(now);
        match outcome {
            Ok(schema) => (state.schema, state.failure) = (Some(Arc::new(schema)), None),
            Err(status) if state.schema.is_none() => state.failure = Some(status),
            Err(_) => {}
        }
    }

    /// Why a call in JSON of this method is impossible.
    pub(crate) fn no_types(&self, method: &str) -> Status {
        let name = &self.name;
        let state = self.state();
        if state.schema.is_some() {
            return Status::unimplemented(format!("{name} has no such method: {name}/{method}"));
        }
        let Some(why) = &state.failure else {
            return Status::unimplemented(format!("the schema of {name} is not known"));
        };
        let message = format!("JSON needs the schema of {name}, which its providers do not tell: {}", why.message());
        match why.code() {
            Code::ResourceExhausted => Status::resource_exhausted(message),
            _ if is_away(why) => Status::unavailable(message),
            _ => {
                Status::unimplemented(format!("{message}; turn reflection on there, or start the gateway with --proto"))
            }
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the failure says that no provider has answered.
fn is_away(failure: &Status) -> bool {
    matches!(failure.code(), Code::Unavailable | Code::DeadlineExceeded)
}

/// The shortest time between two questions for the schema of a service.
const SCHEMA_INTERVAL: Duration = Duration::from_secs(5);
/// The same after a question that no provider has answered.
const UNAVAILABLE_INTERVAL: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests {
    use super::*;

    fn service(endpoints: &[&str]) -> Arc<Service> {
        let service = Service::new(&Channel::new("127.0.0.1:1").unwrap(), "a.B");
        service.listed(Some(endpoints.iter().map(|endpoint| endpoint.parse().unwrap()).collect()));
        service
    }

    #[test]
    fn only_servers_of_grpc_take_every_request_as_a_stream() {
        assert_eq!(service(&["grpc://a:1", "grpc://b:1"]).kind_of_all(), Some(MethodKind::Bidirectional));
        for others in [&[][..], &["grpc://a:1", "b:1"], &["classic:a:1"]] {
            assert_eq!(service(others).kind_of_all(), None, "{others:?}");
        }
    }

    #[test]
    fn providers_are_asked_at_a_bounded_rate_and_at_once_when_they_change() {
        let (service, now) = (service(&["a:1"]), Instant::now());
        assert!(service.was_not_asked() && service.may_ask(now));
        service.answered(Err(Status::unimplemented("no reflection")), now);
        assert!(!service.may_ask(now + SCHEMA_INTERVAL / 2) && service.may_ask(now + SCHEMA_INTERVAL));
        service.answered(Err(Status::unavailable("gone")), now);
        assert!(!service.may_ask(now) && service.may_ask(now + UNAVAILABLE_INTERVAL));
        service.listed(Some(vec!["a:1".parse().unwrap()]));
        assert!(!service.may_ask(now));
        service.listed(Some(vec!["a:2".parse().unwrap()]));
        assert!(service.was_not_asked() && service.may_ask(now));
    }

    #[test]
    fn missing_schema_has_its_reason_and_its_code() {
        let (service, now) = (service(&["a:1"]), Instant::now());
        for (failure, code, part) in [
            (Status::unimplemented("no such service"), Code::Unimplemented, "--proto"),
            (Status::not_found("no file"), Code::Unimplemented, "no file"),
            (Status::unavailable("refused"), Code::Unavailable, "refused"),
            (Status::resource_exhausted("beyond schema_bytes_max"), Code::ResourceExhausted, "schema_bytes_max"),
        ] {
            service.answered(Err(failure), now);
            let status = service.no_types("Do");
            assert_eq!(status.code(), code);
            assert!(status.message().contains(part) && status.message().contains("a.B"), "{status}");
        }
    }
}
