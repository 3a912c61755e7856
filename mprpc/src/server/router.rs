//! Routes the name of a method to the service that serves it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::concurrency_limit::ConcurrencyLimit;
use super::placement::MethodPlacement;
use crate::codec::Codec;
use crate::context::Context;
use crate::limits::Limits;
use crate::method::{Method, MethodDescriptor, MethodKind, Placement, ServiceDescriptor};
use crate::service::{Body, BoxFuture, RawService, Service};
use crate::status::{Ran, Status};

/// The services of a server.
pub(crate) struct Router {
    handler_delay_target: Duration,
    services: Vec<Arc<dyn Service>>,
    /// The full names of `services`.
    names: HashSet<&'static str>,
    /// The full names of the services that the server adds itself.
    built_in: HashSet<&'static str>,
    /// Routes by `package.Service/Method`, and by `Service/Method`, the form that classic callers use.
    routes: HashMap<String, Route>,
    /// Serves the methods that no service has.
    fallback: Option<Arc<dyn RawService>>,
    /// Shared by all methods of the fallback, as the server cannot tell them apart before a call.
    fallback_placement: Arc<MethodPlacement>,
    fallback_concurrency: Arc<ConcurrencyLimit>,
}

/// One method of one service.
#[derive(Clone)]
pub(crate) struct Route {
    handler: Handler,
    /// How the messages of the call are encoded.
    codec: Codec,
    pub(crate) method: Method,
    /// Whether the handler goes on when nobody waits for the call any more.
    pub(crate) runs_to_completion: bool,
    /// Where the handler of the method runs.
    pub(crate) placement: Arc<MethodPlacement>,
    /// How many calls of the method may wait in their handlers.
    pub(crate) concurrency: Arc<ConcurrencyLimit>,
}

#[derive(Clone)]
enum Handler {
    Service(Arc<dyn Service>, usize),
    Raw(Arc<dyn RawService>),
}

impl Route {
    /// The route for messages in this codec.
    pub(crate) fn with_codec(self, codec: Codec) -> Route {
        Route { codec, ..self }
    }

    /// Checks that the handler takes messages in this codec. The error is UNIMPLEMENTED.
    pub(crate) fn check_codec(&self, codec: Codec) -> Result<(), Status> {
        match &self.handler {
            Handler::Raw(service) if codec == Codec::Json && !service.takes_json() => {
                Err(Status::unimplemented("this method passes bytes on, and does not know JSON"))
            }
            _ => Ok(()),
        }
    }

    /// Calls the handler with a request in the codec of the route.
    pub(crate) fn call(&self, context: Context, request: Body) -> BoxFuture<Result<Body, Status>> {
        match &self.handler {
            Handler::Service(service, index) => service.call(*index, context, request, self.codec),
            Handler::Raw(service) => service.call(context, request, self.codec),
        }
    }
}

impl Router {
    /// Returns a router without services.
    pub(crate) fn new(limits: &Limits) -> Router {
        Router {
            handler_delay_target: limits.handler_delay_target,
            services: Vec::new(),
            names: HashSet::new(),
            built_in: HashSet::new(),
            routes: HashMap::new(),
            fallback: None,
            fallback_placement: Arc::default(),
            fallback_concurrency: Arc::new(ConcurrencyLimit::new(limits.handler_delay_target)),
        }
    }

    /// Adds a service. The service replaces one of the same full name. Of two services with the same short name, the first
    /// one keeps the short name.
    pub(crate) fn add(&mut self, service: Arc<dyn Service>) {
        let descriptor = service.descriptor();
        if !self.names.insert(descriptor.name) {
            self.services.retain(|other| other.descriptor().name != descriptor.name);
        }
        for (index, method) in descriptor.methods.iter().enumerate() {
            let route = self.route_of(&service, index, method);
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

    /// Adds a service of mprpc itself, unless the user has added one of the same full name. It is not announced, and has no
    /// short name, so that it never takes the short name of a user's service.
    pub(crate) fn add_built_in(&mut self, service: Arc<dyn Service>) {
        let descriptor = service.descriptor();
        if !self.names.insert(descriptor.name) {
            return;
        }
        self.built_in.insert(descriptor.name);
        for (index, method) in descriptor.methods.iter().enumerate() {
            self.routes.insert(method.path.clone().into_owned(), self.route_of(&service, index, method));
        }
        self.services.push(service);
    }

    fn route_of(&self, service: &Arc<dyn Service>, index: usize, method: &'static MethodDescriptor) -> Route {
        let handler = Handler::Service(service.clone(), index);
        let placement = Arc::new(MethodPlacement::new(method.placement));
        let concurrency = Arc::new(ConcurrencyLimit::new(self.handler_delay_target));
        let codec = Codec::Protobuf;
        Route { handler, codec, method: method.into(), runs_to_completion: false, placement, concurrency }
    }

    /// Sets the service for the methods that no other service has.
    pub(crate) fn set_fallback(&mut self, fallback: Option<Arc<dyn RawService>>) {
        self.fallback = fallback;
    }

    /// Lets the handler of this method go on when nobody waits for the call. Returns false if there is no such method.
    pub(crate) fn run_to_completion(&mut self, path: &str) -> bool {
        let routes = self.routes.values_mut().filter(|route| route.method.path == path);
        routes.map(|route| route.runs_to_completion = true).count() > 0
    }

    /// Places the handlers of this method, or of all methods of this service. Returns false if there is no such method or
    /// service.
    pub(crate) fn place(&mut self, path: &str, placement: Placement) -> bool {
        // A method has two routes, with and without its package; both share one measurement.
        let mut placements = HashMap::new();
        let named = |route: &&mut Route| route.method.path == path || route.method.service() == path;
        for route in self.routes.values_mut().filter(named) {
            let new = || Arc::new(MethodPlacement::new(placement));
            route.placement = placements.entry(route.method.path.clone()).or_insert_with(new).clone();
        }
        !placements.is_empty()
    }

    /// Returns the descriptors of the services, in the order in which they were added.
    pub(crate) fn descriptors(&self) -> impl Iterator<Item = &'static ServiceDescriptor> + Clone {
        self.services.iter().map(|service| service.descriptor())
    }

    /// Returns the descriptors of the services that the user has added.
    pub(crate) fn announced(&self) -> impl Iterator<Item = &'static ServiceDescriptor> {
        self.descriptors().filter(|service| !self.built_in.contains(service.name))
    }

    /// Returns the service for the methods that no other service has.
    pub(crate) fn fallback(&self) -> Option<&dyn RawService> {
        self.fallback.as_deref()
    }

    /// Whether a service has the method of this path, with or without its package. The fallback does not count.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.routes.contains_key(path)
    }

    /// Returns the route of this path, with or without its package. The error is UNIMPLEMENTED and says whether the service
    /// or only the method is unknown.
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
            let codec = Codec::Protobuf;
            return Ok(Route { handler, codec, method, runs_to_completion: false, placement, concurrency });
        }
        let known = self.services.iter().map(|service| service.descriptor());
        let message = match known.clone().find(|known| known.name == service || known.short_name() == service) {
            Some(known) => format!("{} has no such method: {path}", known.name),
            None => format!("no such service: {path}"),
        };
        Err(Status::unimplemented(message).with_ran(Ran::No))
    }
}
