//! From the name of a method to the service that serves it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::concurrency_limit::ConcurrencyLimit;
use super::placement::MethodPlacement;
use crate::codec::Codec;
use crate::context::Context;
use crate::limits::Limits;
use crate::method::{Method, MethodKind, Placement, ServiceDescriptor};
use crate::service::{Body, BoxFuture, RawService, Service};
use crate::status::{Ran, Status};

/// The services of a server.
pub(crate) struct Router {
    handler_delay_target: Duration,
    services: Vec<Arc<dyn Service>>,
    /// Their full names.
    names: HashSet<&'static str>,
    /// By `package.Service/Method`, and by `Service/Method` as classic callers say it.
    routes: HashMap<String, Route>,
    /// Serves what no service does.
    fallback: Option<Arc<dyn RawService>>,
    /// Of all methods of that together, as nothing is known of any of them.
    fallback_placement: Arc<MethodPlacement>,
    fallback_concurrency: Arc<ConcurrencyLimit>,
}

/// One method of one service.
#[derive(Clone)]
pub(crate) struct Route {
    handler: Handler,
    pub(crate) method: Method,
    /// Its handler goes on when nobody waits for the call any more.
    pub(crate) runs_to_completion: bool,
    /// Where its handler runs.
    pub(crate) placement: Arc<MethodPlacement>,
    /// How many of its calls may wait in their handlers.
    pub(crate) concurrency: Arc<ConcurrencyLimit>,
}

#[derive(Clone)]
enum Handler {
    Service(Arc<dyn Service>, usize),
    Raw(Arc<dyn RawService>),
}

impl Route {
    /// Calls the handler with what came in protobuf.
    pub(crate) fn call(&self, context: Context, request: Body) -> BoxFuture<Result<Body, Status>> {
        match &self.handler {
            Handler::Service(service, index) => service.call(*index, context, request, Codec::Protobuf),
            Handler::Raw(service) => service.call(context, request),
        }
    }
}

impl Router {
    /// One without services, within these limits.
    pub(crate) fn new(limits: &Limits) -> Router {
        Router {
            handler_delay_target: limits.handler_delay_target,
            services: Vec::new(),
            names: HashSet::new(),
            routes: HashMap::new(),
            fallback: None,
            fallback_placement: Arc::default(),
            fallback_concurrency: Arc::new(ConcurrencyLimit::new(limits.handler_delay_target)),
        }
    }

    /// Adds a service. One of the same full name is replaced; of two with the same short name the first keeps it.
    pub(crate) fn add(&mut self, service: Arc<dyn Service>) {
        let descriptor = service.descriptor();
        if !self.names.insert(descriptor.name) {
            self.services.retain(|other| other.descriptor().name != descriptor.name);
        }
        for (index, method) in descriptor.methods.iter().enumerate() {
            let handler = Handler::Service(service.clone(), index);
            let placement = Arc::new(MethodPlacement::new(method.placement));
            let concurrency = Arc::new(ConcurrencyLimit::new(self.handler_delay_target));
            let route = Route { handler, method: method.into(), runs_to_completion: false, placement, concurrency };
            self.routes.insert(method.path.clone().into_owned(), route.clone());
            let short = format!("{}/{}", descriptor.short_name(), method.name);
            let holder = self.routes.entry(short).or_insert_with(|| route.clone());
            if holder.method.service() == descriptor.name {
                *holder = route;
            } else {
                tracing::warn!(
                    service = descriptor.name,
                    method = &*method.name,
                    served_by = holder.method.service(),
                    "callers that leave out the package reach the service that was added first"
                );
            }
        }
        self.services.push(service);
    }

    /// What serves the methods that no service does.
    pub(crate) fn set_fallback(&mut self, fallback: Option<Arc<dyn RawService>>) {
        self.fallback = fallback;
    }

    /// Lets the handler of this method go on when nobody waits for it; false where there is no such method.
    pub(crate) fn run_to_completion(&mut self, path: &str) -> bool {
        let routes = self.routes.values_mut().filter(|route| route.method.path == path);
        routes.map(|route| route.runs_to_completion = true).count() > 0
    }

    /// Where the handlers of this method run, or of all methods of this service; false where there is none.
    pub(crate) fn place(&mut self, path: &str, placement: Placement) -> bool {
        // The two names of a method lead to one measurement.
        let mut placements = HashMap::new();
        let named = |route: &&mut Route| route.method.path == path || route.method.service() == path;
        for route in self.routes.values_mut().filter(named) {
            let new = || Arc::new(MethodPlacement::new(placement));
            route.placement = placements.entry(route.method.path.clone()).or_insert_with(new).clone();
        }
        !placements.is_empty()
    }

    /// The services, in the order they were added.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &'static ServiceDescriptor> {
        self.services.iter().map(|service| service.descriptor())
    }

    /// The method of this path, with or without its package; UNIMPLEMENTED says what there is instead.
    pub(crate) fn route(&self, path: &str) -> Result<Route, Status> {
        if let Some(route) = self.routes.get(path) {
            return Ok(route.clone());
        }
        let (service, name) = path.rsplit_once('/').unwrap_or((path, ""));
        if let Some(fallback) = &self.fallback {
            let method = Method::named(service, name, MethodKind::Bidirectional);
            let placement = self.fallback_placement.clone();
            let handler = Handler::Raw(fallback.clone());
            let concurrency = self.fallback_concurrency.clone();
            return Ok(Route { handler, method, runs_to_completion: false, placement, concurrency });
        }
        let known = self.services.iter().map(|service| service.descriptor());
        let message = match known.clone().find(|known| known.name == service || known.short_name() == service) {
            Some(known) => format!("{} has no such method: {path}", known.name),
            None => format!("no such service: {path}"),
        };
        Err(Status::unimplemented(message).with_ran(Ran::No))
    }
}
