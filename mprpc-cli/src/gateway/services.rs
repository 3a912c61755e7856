//! The services that the gateway offers: those of the registry, followed while they come and go, with their schemas. It
//! forwards no calls.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use mprpc::discovery::{Resolution, ResolutionState, Resolver, Target, list_services};
use mprpc::{Channel, ChannelOptions, Config, Endpoint, Error, ErrorKind, Health, Method, RawClient, Status};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::options::{GatewayLimits, GatewayOptions, holds_for_every_service};
use super::provider_schema::{self, channel_to};
use super::schema::{MethodTypes, Schema};
use super::service::Service;

/// The services of a registry.
pub(crate) struct Services {
    registry: Target,
    resolver: Arc<dyn Resolver>,
    options: ChannelOptions,
    channel: Channel,
    /// The services that the command line describes. They are never asked for.
    given: Option<Arc<Schema>>,
    limits: GatewayLimits,
    /// What the server of the gateway reports of the services.
    health: Option<Health>,
    table: RwLock<Table>,
    /// Held while a schema is added to those in the table, so that they keep to `schema_bytes_max` together.
    adding: Mutex<()>,
    /// What a list or a name in DNS has for every service. `None` for a registry.
    everywhere: Option<watch::Receiver<Resolution>>,
    /// Keeps the connections to these endpoints open, as their services are not all known.
    _everywhere: Option<RawClient>,
}

#[derive(Default)]
struct Table {
    services: BTreeMap<String, Arc<Service>>,
    /// How many services of the registry are beyond `services_max`.
    left_out: usize,
}

impl Services {
    /// Creates the table, which is empty until [`Services::read`].
    pub(crate) fn new(
        options: &GatewayOptions,
        given: Option<Schema>,
        health: Option<Health>,
    ) -> Result<Arc<Services>, Error> {
        let channel = options.channel()?;
        let Config { limits, tls, same_process, same_host, .. } = &options.config;
        let resolver = options.registry.resolver()?;
        let is_everywhere = holds_for_every_service(&options.registry);
        Ok(Arc::new(Services {
            registry: options.registry.clone(),
            everywhere: is_everywhere.then(|| resolver.watch(ANY_SERVICE)),
            _everywhere: is_everywhere.then(|| RawClient::new(channel.clone(), ANY_SERVICE)),
            resolver,
            options: ChannelOptions {
                limits: limits.clone(),
                tls: tls.client(),
                same_process: *same_process,
                same_host: *same_host,
                ..ChannelOptions::default()
            },
            channel,
            given: given.map(Arc::new),
            limits: options.limits,
            health,
            table: RwLock::default(),
            adding: Mutex::default(),
        }))
    }

    /// Reads the registry once.
    pub(crate) async fn read(&self) -> Result<(), Error> {
        let listed = match &self.everywhere {
            Some(everywhere) => self.names_of(&self.known(everywhere.clone()).await?).await,
            None => list_services(&self.registry, REGISTRY_TIMEOUT).await?,
        };
        self.take(self.with_given_names(listed));
        Ok(())
    }

    /// Follows the registry and the schemas until it is dropped.
    pub(crate) async fn follow(self: Arc<Self>) {
        let (mut is_readable, mut took) = (true, Duration::ZERO);
        loop {
            self.fetch_schemas().await;
            // A large registry takes long to read, and its servers have other readers.
            tokio::time::sleep(REGISTRY_INTERVAL.max(took * 10)).await;
            let begin = Instant::now();
            let read = self.read().await;
            took = begin.elapsed();
            match &read {
                Ok(()) if !is_readable => tracing::info!(registry = %self.registry, "the registry is readable again"),
                Err(error) if is_readable => {
                    tracing::warn!(%error, "the registry cannot be read; the last known services are kept");
                }
                Ok(()) | Err(_) => {}
            }
            is_readable = read.is_ok();
        }
    }

    /// Returns the service of this name.
    ///
    /// # Errors
    /// UNIMPLEMENTED if the registry does not list the service.
    pub(crate) fn find(&self, name: &str, method: &str) -> Result<Arc<Service>, Status> {
        let table = self.table();
        if let Some(service) = table.services.get(name) {
            return Ok(service.clone());
        }
        if let Some(everywhere) = &self.everywhere {
            // Any caller can invent a name, so nothing is kept or asked for it.
            let service = Service::new(&self.channel, name);
            let Resolution { endpoints, state } = everywhere.borrow().clone();
            service.listed(Some(endpoints.to_vec()));
            let why = match state {
                ResolutionState::Pending(why) => Status::unavailable(why.to_string()),
                ResolutionState::Current(_) | ResolutionState::Stale(_) => {
                    Status::unimplemented("their reflection does not list the service")
                }
            };
            service.answered(Err(why), Instant::now());
            return Ok(service);
        }
        let mut message = format!("no such service: {name}/{method}");
        if table.left_out > 0 {
            let (left_out, max) = (table.left_out, self.limits.services_max);
            message += &format!(" ({left_out} services of the registry are beyond services_max {max})");
        }
        Err(Status::unimplemented(message))
    }

    /// Returns the types of a method, if they are known already.
    pub(crate) fn known_types(&self, service: &Service, method: &str) -> Option<MethodTypes> {
        match self.given_for(&service.name) {
            Some((given, name)) => given.method(name, method),
            None => service.types(method),
        }
    }

    /// Returns the types of a method. Asks a provider for them if they are unknown and nobody was asked lately.
    pub(crate) async fn types(self: &Arc<Self>, service: &Arc<Service>, method: &str) -> Result<MethodTypes, Status> {
        if let Some(types) = self.known_types(service, method) {
            return Ok(types);
        }
        if self.given_for(&service.name).is_some() {
            let name = &service.name;
            return Err(Status::unimplemented(format!("{name} has no such method: {name}/{method}")));
        }
        if service.may_ask(Instant::now()) {
            let (services, asked) = (self.clone(), service.clone());
            // The question goes on if this caller leaves, because other callers wait for the answer too.
            let asking = tokio::spawn(async move { services.ask(&asked).await });
            // An error says that the runtime ends.
            drop(asking.await);
        }
        service.types(method).ok_or_else(|| service.no_types(method))
    }

    /// The services that are offered, with their methods as far as these are known.
    pub(crate) fn list(&self) -> BTreeMap<String, Vec<Method>> {
        let methods = |service: &Service| match self.given_for(&service.name) {
            Some((given, name)) => given.methods(name),
            None => service.schema().map(|schema| schema.methods(&service.name)).unwrap_or_default(),
        };
        self.table().services.values().map(|service| (service.name.clone(), methods(service))).collect()
    }

    /// The number of services that are offered.
    pub(crate) fn count(&self) -> usize {
        self.table().services.len()
    }

    /// The schemas that are known, those of the command line first.
    pub(crate) fn schemas(&self) -> Vec<Arc<Schema>> {
        let table = self.table();
        let fetched = table.services.values().filter_map(|service| service.schema());
        self.given.iter().cloned().chain(fetched).collect()
    }

    /// The schema of the command line that describes the service, and its name there. A service of C++ callers has no package
    /// in its name.
    fn given_for<'a>(&'a self, service: &'a str) -> Option<(&'a Schema, &'a str)> {
        let given = self.given.as_deref()?;
        Some((given, given.full_name(service)?))
    }

    /// The endpoints of a list or of a name in DNS. Waits for the first answer of DNS.
    async fn known(&self, mut everywhere: watch::Receiver<Resolution>) -> Result<Vec<Endpoint>, Error> {
        let is_known = |resolution: &Resolution| !matches!(resolution.state, ResolutionState::Pending(_));
        let waited = tokio::time::timeout(REGISTRY_TIMEOUT, everywhere.wait_for(is_known)).await;
        let is_known = waited.is_ok_and(|known| known.is_ok());
        let resolution = everywhere.borrow().clone();
        if !is_known {
            let why = resolution.state.text();
            return Err(Error::new(ErrorKind::Registry, format!("cannot read {}: {why}", self.registry)));
        }
        Ok(resolution.endpoints.to_vec())
    }

    /// The services at endpoints that count for every service: what their reflection names.
    async fn names_of(&self, endpoints: &[Endpoint]) -> Vec<(String, Vec<Endpoint>)> {
        let channel = channel_to(&self.resolver, ANY_SERVICE, &self.options);
        // Without reflection, only the names of the command line are known.
        let names = provider_schema::list(&channel).await.unwrap_or_default();
        let given = self.given.iter().flat_map(|given| given.services().map(str::to_owned).collect::<Vec<_>>());
        let names: BTreeSet<String> = names.into_iter().chain(given).collect();
        names.into_iter().map(|name| (name, endpoints.to_vec())).collect()
    }

    /// Adds the full names of services that the registry lists without their package, as C++ providers register.
    fn with_given_names(&self, mut listed: Vec<(String, Vec<Endpoint>)>) -> Vec<(String, Vec<Endpoint>)> {
        let known: BTreeSet<String> = listed.iter().map(|(name, _)| name.clone()).collect();
        let full = listed.iter().filter_map(|(name, endpoints)| {
            let (_, full) = self.given_for(name)?;
            (!known.contains(full)).then(|| (full.to_owned(), endpoints.clone()))
        });
        let full: Vec<_> = full.collect();
        listed.extend(full);
        listed
    }

    /// Takes what the registry lists. Services that are not listed any more stay until others need their places.
    fn take(&self, listed: Vec<(String, Vec<Endpoint>)>) {
        let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
        let names: BTreeSet<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
        for service in table.services.values().filter(|service| !names.contains(&*service.name)) {
            service.listed(None);
        }
        let before = std::mem::take(&mut table.left_out);
        for (name, endpoints) in listed {
            if let Some(service) = table.services.get(&name) {
                service.listed(Some(endpoints));
            } else if self.has_room(&mut table) {
                tracing::info!(service = name, providers = endpoints.len(), "a service is offered");
                let service = Service::new(&self.channel, &name);
                service.listed(Some(endpoints));
                table.services.insert(name, service);
            } else {
                table.left_out += 1;
            }
        }
        if table.left_out > 0 && table.left_out != before {
            let (left_out, services_max) = (table.left_out, self.limits.services_max);
            tracing::warn!(left_out, services_max, "services of the registry are beyond services_max");
        }
        drop(table);
        self.report_health();
    }

    /// Reports which services have a provider.
    pub(crate) fn report_health(&self) {
        let Some(health) = &self.health else { return };
        let table = self.table();
        for name in self.given().into_iter().flat_map(Schema::services) {
            if !table.services.contains_key(name) {
                health.set_serving(name, false);
            }
        }
        for service in table.services.values() {
            health.set_serving(&service.name, service.has_provider());
        }
    }

    /// The schema of the command line.
    pub(crate) fn given(&self) -> Option<&Schema> {
        self.given.as_deref()
    }

    /// Whether there is a place for another service, perhaps that of one that is not listed any more.
    fn has_room(&self, table: &mut Table) -> bool {
        if table.services.len() < self.limits.services_max {
            return true;
        }
        let gone = table.services.values().find(|service| !service.is_listed()).map(|service| service.name.clone());
        gone.and_then(|name| table.services.remove(&name)).is_some()
    }

    /// Asks for the schema of each service whose providers have changed.
    async fn fetch_schemas(self: &Arc<Self>) {
        let mut waiting: Vec<Arc<Service>> = self.table().services.values().cloned().collect();
        waiting.retain(|service| {
            service.was_not_asked() && service.has_provider() && self.given_for(&service.name).is_none()
        });
        let mut asking = JoinSet::new();
        for service in waiting {
            if asking.len() >= SCHEMAS_AT_ONCE {
                asking.join_next().await;
            }
            let services = self.clone();
            asking.spawn(async move { services.ask(&service).await });
        }
        asking.join_all().await;
    }

    /// Asks a provider for the schema of the service, unless one was asked lately.
    async fn ask(&self, service: &Service) {
        let _one_at_a_time = service.asking.lock().await;
        if !service.may_ask(Instant::now()) {
            return;
        }
        let channel = channel_to(&self.resolver, &service.name, &self.options);
        let fetched = provider_schema::fetch(&channel, &service.name, self.limits.schema_bytes_max).await;
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = fetched.and_then(|schema| self.check_room(service, schema));
        if let Err(status) = &kept {
            tracing::info!(service = service.name, why = status.message(), "the service has no schema here");
        }
        service.answered(kept, Instant::now());
    }

    /// Checks that the schema fits beside those of the other services.
    fn check_room(&self, service: &Service, schema: Schema) -> Result<Schema, Status> {
        let (max, name, bytes) = (self.limits.schema_bytes_max, &service.name, schema.bytes());
        let table = self.table();
        let others = table.services.values().filter(|other| other.name != *name).filter_map(|other| other.schema());
        let total = others.map(|schema| schema.bytes()).sum::<usize>();
        if total + bytes <= max {
            return Ok(schema);
        }
        let message =
            format!("{bytes} bytes of .proto files of {name} beside {total} are beyond schema_bytes_max {max}");
        Err(Status::resource_exhausted(message))
    }

    fn table(&self) -> RwLockReadGuard<'_, Table> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The service that stands for all, where endpoints count for every service.
const ANY_SERVICE: &str = "*";
/// The shortest time between two readings of the registry.
const REGISTRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a registry may take to answer.
const REGISTRY_TIMEOUT: Duration = Duration::from_secs(5);
/// How many providers are asked for schemas at the same time.
const SCHEMAS_AT_ONCE: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn services(flags: &[&str]) -> Arc<Services> {
        let words: Vec<String> = ["-r", "file:/no/folder"].iter().chain(flags).map(|word| (*word).to_owned()).collect();
        let options = GatewayOptions::parse(&words, []).unwrap();
        let given = Schema::read(&options.protos, &options.includes, &options.descriptor_sets).unwrap();
        Services::new(&options, given, None).unwrap()
    }

    fn listed(names: &[&str]) -> Vec<(String, Vec<Endpoint>)> {
        names.iter().map(|name| ((*name).to_owned(), vec!["classic:127.0.0.1:1".parse().unwrap()])).collect()
    }

    #[test]
    fn classic_service_without_its_package_is_offered_under_its_full_name_too() {
        let proto = format!("{}/../examples/proto/user.proto", env!("CARGO_MANIFEST_DIR"));
        let services = services(&["--proto", &proto]);
        services.take(services.with_given_names(listed(&["UserServiceRpc", "Other"])));
        let offered: Vec<_> = services.list().into_iter().map(|(name, methods)| (name, methods.len())).collect();
        let expected = [("Other", 0), ("UserServiceRpc", 2), ("fixbug.UserServiceRpc", 2)];
        assert_eq!(offered, expected.map(|(name, methods)| (name.to_owned(), methods)));
        let service = services.find("fixbug.UserServiceRpc", "Login").unwrap();
        assert!(services.known_types(&service, "Login").is_some());
    }

    #[test]
    fn service_that_is_not_listed_any_more_stays_until_another_needs_its_place() {
        let services = services(&["--services-max=1"]);
        services.take(listed(&["a.A"]));
        services.take(Vec::new());
        assert!(services.find("a.A", "Do").is_ok());
        services.take(listed(&["b.B", "c.C"]));
        assert!(services.find("b.B", "Do").is_ok());
        for name in ["a.A", "c.C"] {
            let Err(status) = services.find(name, "Do") else { panic!("{name} is offered") };
            assert!(status.message().contains("beyond services_max 1"), "{status}");
        }
    }
}
