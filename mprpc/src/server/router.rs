//! From the name of a method to the service that serves it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::method::{MethodDescriptor, ServiceDescriptor};
use crate::service::Service;
use crate::status::{Ran, Status};

/// The services of a server.
#[derive(Default)]
pub(crate) struct Router {
    services: Vec<Arc<dyn Service>>,
    /// By `package.Service/Method`, and by `Service/Method` as classic callers say it.
    routes: HashMap<String, Route>,
}

/// One method of one service.
#[derive(Clone)]
pub(crate) struct Route {
    pub(crate) service: Arc<dyn Service>,
    pub(crate) index: usize,
    pub(crate) method: &'static MethodDescriptor,
}

impl Router {
    /// Adds a service. One of the same full name is replaced; of two with the same short name the first keeps it.
    pub(crate) fn add(&mut self, service: Arc<dyn Service>) {
        let descriptor = service.descriptor();
        self.services.retain(|other| other.descriptor().name != descriptor.name);
        for (index, method) in descriptor.methods.iter().enumerate() {
            let route = Route { service: service.clone(), index, method };
            self.routes.insert(method.path.to_owned(), route.clone());
            let short = format!("{}/{}", descriptor.short_name(), method.name);
            let holder = self.routes.entry(short).or_insert_with(|| route.clone());
            if holder.method.service() == descriptor.name {
                *holder = route;
            } else {
                tracing::warn!(
                    service = descriptor.name,
                    method = method.name,
                    served_by = holder.method.service(),
                    "callers that leave out the package reach the service that was added first"
                );
            }
        }
        self.services.push(service);
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
        let service = path.rsplit_once('/').map_or(path, |(service, _)| service);
        let known = self.services.iter().map(|service| service.descriptor());
        let message = match known.clone().find(|known| known.name == service || known.short_name() == service) {
            Some(known) => format!("{} has no such method: {path}", known.name),
            None => format!("no such service: {path}"),
        };
        Err(Status::unimplemented(message).with_ran(Ran::No))
    }
}
