//! The service `grpc.health.v1.Health`, and the state that it reports. It does not find out whether a service is healthy.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use futures_util::stream;
use tokio::sync::watch;

use crate::codec::health::health_check_response::ServingStatus;
use crate::codec::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use crate::codec::{BUILT_IN_FILES, Codec, either};
use crate::context::Context;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, Placement, ServiceDescriptor};
use crate::service::{Body, BoxFuture, Service};
use crate::status::Status;
use crate::streaming::Streaming;

/// The state of a server and its services, as the service `grpc.health.v1.Health` reports it.
///
/// A server reports each of its services, and itself under the empty name: SERVING from its start, NOT_SERVING from the
/// beginning of its graceful shutdown. [`Health::set_serving`] changes one of them in between. Clones share the state. Use
/// one `Health` for one server.
///
/// ```no_run
/// # use mprpc::{Error, Health, Server, Service};
/// # fn serve(service: impl Service) -> Result<(), Error> {
/// let health = Health::default();
/// health.set_serving("shop.Cart", false); // until the cache is warm
/// let server = Server { health: Some(health.clone()), ..Server::default() }.add(service);
/// std::thread::spawn(move || health.set_serving("shop.Cart", true));
/// server.run()
/// # }
/// ```
#[derive(Clone)]
pub struct Health(Arc<watch::Sender<State>>);

struct State {
    phase: Phase,
    /// Whether each service serves, as far as its user says.
    services: BTreeMap<String, bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// The server has not started.
    Starting,
    Serving,
    /// The server begins to stop and still serves.
    Stopping,
    /// The server takes no new calls, so every watch ends.
    Ended,
}

impl State {
    fn status(&self, service: &str) -> Option<ServingStatus> {
        let is_serving = *self.services.get(service)? && self.phase == Phase::Serving;
        Some(if is_serving { ServingStatus::SERVING } else { ServingStatus::NOT_SERVING })
    }
}

impl Default for Health {
    fn default() -> Health {
        Health(Arc::new(watch::Sender::new(State { phase: Phase::Starting, services: BTreeMap::new() })))
    }
}

impl fmt::Debug for Health {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let State { phase, services } = &*self.0.borrow();
        f.debug_struct("Health").field("phase", phase).field("services", services).finish()
    }
}

impl Health {
    /// Sets whether a service, by its full name, is reported as SERVING or as NOT_SERVING. The empty name stands for the
    /// whole server; it does not change what is reported of single services. A name that the server does not serve is
    /// reported from now on too, for servers with a [`fallback`](crate::Server::fallback).
    ///
    /// The registry lists a service only while it and the whole server are SERVING. Calls of the service still run. Before the start of the server and during its graceful shutdown everything is
    /// NOT_SERVING.
    pub fn set_serving(&self, service: &str, is_serving: bool) {
        self.0.send_if_modified(|state| state.services.insert(service.to_owned(), is_serving) != Some(is_serving));
    }

    /// Notes that a server with these services accepts calls.
    pub(super) fn started<'a>(&self, services: impl Iterator<Item = &'a str>) {
        self.0.send_modify(|state| {
            state.phase = Phase::Serving;
            for service in services.chain([""]) {
                state.services.entry(service.to_owned()).or_insert(true);
            }
        });
    }

    /// Notes that the server begins to stop.
    pub(super) fn stopping(&self) {
        self.0.send_modify(|state| state.phase = Phase::Stopping);
    }

    /// Notes that the server takes no more calls.
    pub(super) fn ended(&self) {
        self.0.send_modify(|state| state.phase = Phase::Ended);
    }

    /// Returns once the service and the whole server are ready, or once one of them is not. A graceful shutdown changes
    /// nothing here.
    pub(super) async fn until_ready(&self, service: &str, is_ready: bool) {
        let serves = |state: &State, name: &str| state.services.get(name).copied().unwrap_or(true);
        let ready = |state: &State| state.phase != Phase::Starting && serves(state, service) && serves(state, "");
        // `self` owns the sender, so the wait ends only with the change.
        let _ = self.0.subscribe().wait_for(|state| ready(state) == is_ready).await;
    }

    /// Whether the whole server is reported as SERVING.
    pub(super) fn is_serving(&self) -> bool {
        self.0.borrow().status("") == Some(ServingStatus::SERVING)
    }

    fn check(&self, request: &HealthCheckRequest) -> Result<HealthCheckResponse, Status> {
        let Some(status) = self.0.borrow().status(&request.service) else {
            return Err(Status::not_found(format!("no such service: {}", request.service)));
        };
        Ok(response(status))
    }

    fn list(&self) -> HealthListResponse {
        let state = self.0.borrow();
        let status = |name: &String| Some((name.clone(), response(state.status(name)?)));
        HealthListResponse { statuses: state.services.keys().filter_map(status).collect(), ..Default::default() }
    }

    /// Returns the state of a service now and after each change. Changes that follow each other faster than the reader
    /// reads become one. The stream ends with the server.
    fn watch(&self, request: HealthCheckRequest) -> Streaming<HealthCheckResponse> {
        let watched = (self.0.subscribe(), None);
        Streaming::new(stream::unfold(watched, move |(mut states, sent)| {
            let service = request.service.clone();
            async move {
                loop {
                    let (status, phase) = {
                        let state = states.borrow_and_update();
                        (state.status(&service).unwrap_or(ServingStatus::SERVICE_UNKNOWN), state.phase)
                    };
                    if sent != Some(status) {
                        return Some((Ok(response(status)), (states, Some(status))));
                    }
                    if phase == Phase::Ended || states.changed().await.is_err() {
                        return None;
                    }
                }
            }
        }))
    }
}

fn response(status: ServingStatus) -> HealthCheckResponse {
    HealthCheckResponse { status: status.into(), ..Default::default() }
}

/// The service.
pub(super) struct HealthService(pub(super) Health);

impl Service for HealthService {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &HEALTH
    }

    fn call(&self, method: usize, _: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(std::future::ready(self.answer(method, request, codec)))
    }
}

impl HealthService {
    fn answer(&self, method: usize, request: Body, codec: Codec) -> Result<Body, Status> {
        let request = request.into_message()?;
        match method {
            CHECK => {
                let reply = self.0.check(&either::decode(&request, codec)?)?;
                either::encode(&reply, codec).map(Body::Message)
            }
            LIST => {
                either::decode::<HealthListRequest>(&request, codec)?;
                either::encode(&self.0.list(), codec).map(Body::Message)
            }
            _ => {
                let replies = self.0.watch(either::decode(&request, codec)?);
                Ok(Body::Stream(replies.map(move |reply| either::encode(&reply, codec))))
            }
        }
    }
}

const CHECK: usize = 0;
const LIST: usize = 1;

const fn method(name: &'static str, path: &'static str, kind: MethodKind) -> MethodDescriptor {
    MethodDescriptor::new(name, path, kind, Idempotency::NoSideEffects).placed(Placement::Inline)
}

static HEALTH: ServiceDescriptor = ServiceDescriptor {
    name: "grpc.health.v1.Health",
    methods: &[
        method("Check", "grpc.health.v1.Health/Check", MethodKind::Unary),
        method("List", "grpc.health.v1.Health/List", MethodKind::Unary),
        method("Watch", "grpc.health.v1.Health/Watch", MethodKind::ServerStreaming),
    ],
    files: BUILT_IN_FILES,
};
