//! Service discovery: a `Resolver` reads where services run, a `Registry` announces it, and a `Target` is the URL of
//! either.
//!
//! Discovery is the control plane: it publishes lists of endpoints, and calls never query it.

pub(crate) mod backoff;
mod dns;
mod etcd_cluster;
mod file;
mod list;
pub(crate) mod membership;
mod merge;
#[cfg(any(feature = "zookeeper", feature = "etcd"))]
pub(crate) mod node;
pub(crate) mod outage;
#[cfg(test)]
mod seeds;
mod services;
mod snapshot;
mod target;
mod tls_options;
mod weights;
#[cfg(feature = "zookeeper")]
mod zookeeper;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::watch;

use crate::endpoint::Endpoint;
use crate::method::ServiceDescriptor;

pub use dns::DnsResolver;
pub use etcd_cluster::{EtcdCluster, EtcdLogin};
pub use file::{FileRegistry, FileResolver};
pub(crate) use file::{change_weight as change_file_weight, list as list_file_services};
pub use list::ListResolver;
pub(crate) use merge::{Lists, without_duplicates};
pub use merge::{MergedRegistry, MergedResolver};
pub use services::{change_weight, list_services};
#[cfg(feature = "zookeeper")]
pub(crate) use services::{change_zookeeper_weight, list_zookeeper_services};
pub(crate) use snapshot::SnapshotFolder;
pub use target::{Ensemble, Target};
pub use weights::WeightChange;
#[cfg(feature = "zookeeper")]
pub use zookeeper::{ZooKeeperRegistry, ZooKeeperResolver};

/// Finds out where a service runs, and follows the changes.
pub trait Resolver: Send + Sync + 'static {
    /// Follows the service with this full name, `fixbug.UserServiceRpc`, until the receiver is dropped.
    ///
    /// Never blocks and never fails: [`Resolution::state`] describes any problem, and the watch recovers by itself. The
    /// work runs on [`crate::net::background`]. If the value can never change (a fixed list, or an invalid service
    /// name), the receiver holds that value and [`changed`](watch::Receiver::changed) returns an error.
    fn watch(&self, service: &str) -> watch::Receiver<Resolution>;

    /// Follows the service in each of the registries that this resolver reads, 8 at most. A channel takes the union of
    /// the lists, and doubts each list by itself. By default there is one list, that of [`Resolver::watch`].
    fn watch_each(&self, service: &str) -> Vec<watch::Receiver<Resolution>> {
        vec![self.watch(service)]
    }

    /// A caller could not connect to an endpoint, so the lists may be old. A resolver that polls reads again soon; it
    /// limits how often it does. The default does nothing. Never blocks.
    fn refresh(&self) {}
}

/// Where a service runs, as far as the resolver knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The endpoints, each address once. While the registry is unavailable this is the last good list.
    pub endpoints: Arc<[Endpoint]>,
    /// How current the list is.
    pub state: ResolutionState,
}

impl Resolution {
    /// A resolution without endpoints; `why` says why nothing is known yet.
    pub(crate) fn pending(why: &str) -> Resolution {
        Resolution { endpoints: Arc::default(), state: ResolutionState::Pending(why.into()) }
    }

    /// A resolution with the endpoints that the registry holds at `place`.
    pub(crate) fn current(endpoints: Vec<Endpoint>, place: &str) -> Resolution {
        Resolution { endpoints: endpoints.into(), state: ResolutionState::Current(place.into()) }
    }

    /// Returns this resolution with the failure in its state. The last good list stays, if there is one.
    fn failed(&self, why: &str) -> Resolution {
        let state = match self.state {
            ResolutionState::Pending(_) => ResolutionState::Pending(why.into()),
            ResolutionState::Current(_) | ResolutionState::Stale(_) => ResolutionState::Stale(why.into()),
        };
        Resolution { endpoints: self.endpoints.clone(), state }
    }

    /// Publishes that the registry is unavailable.
    pub(crate) fn publish_failed(sender: &watch::Sender<Resolution>, why: &str) {
        // A separate statement, because the borrow must end before the sender sends.
        let failed = sender.borrow().failed(why);
        failed.publish(sender);
    }

    /// Publishes this resolution. It wakes the receivers only if it differs from the previous one.
    pub(crate) fn publish(self, sender: &watch::Sender<Resolution>) {
        sender.send_if_modified(|shown| {
            let differs = *shown != self;
            *shown = self;
            differs
        });
    }
}

/// What a channel knows of one service: see [`Channel::resolutions`](crate::Channel::resolutions).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceResolution {
    /// The full name of the service.
    pub service: String,
    /// How current the endpoints are.
    pub state: ResolutionState,
    /// The endpoints that a registry lists.
    pub listed: usize,
    /// The endpoints that no registry lists any more and that calls still use: see
    /// [`Limits::removal_hold`](crate::Limits::removal_hold).
    pub held: usize,
    /// Of the listed and the held endpoints, those that get calls. The others are drained, outside the subset or the
    /// [`Channel::only`](crate::Channel::only) of the channel, or bad for one of the reasons below. An endpoint can have several.
    pub usable: usize,
    /// The endpoints that are ejected because they failed more or were slower than the others. An ejection that is over counts
    /// until the next pick.
    pub ejected: usize,
    /// The endpoints that do not answer over an open connection.
    pub frozen: usize,
    /// The endpoints to which the last attempt to connect failed.
    pub unreachable: usize,
    /// The endpoints whose health service says that they do not serve, or does not answer.
    pub unhealthy: usize,
    /// Whether most endpoints are bad, so that ejected and unhealthy ones get calls nevertheless.
    pub panics: bool,
}

/// How current a list of endpoints is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolutionState {
    /// Nothing is known yet. The text says what the resolver waits for: `zookeeper 127.0.0.1:2181: connection refused`.
    Pending(Arc<str>),
    /// The list is what the registry holds. The text names the place that was read, for errors about an empty list:
    /// `file:/run/mprpc/fixbug.UserServiceRpc`.
    Current(Arc<str>),
    /// The registry is unavailable, and the list is the last good one. The text says since when and why.
    Stale(Arc<str>),
}

impl ResolutionState {
    /// The text of the state.
    pub fn text(&self) -> &str {
        match self {
            ResolutionState::Pending(text) | ResolutionState::Current(text) | ResolutionState::Stale(text) => text,
        }
    }
}

/// Announces where a service runs.
pub trait Registry: Send + Sync + 'static {
    /// Announces the provider until the returned value is withdrawn or dropped. The registry restores the announcement
    /// after every outage.
    ///
    /// Never blocks and never fails: [`Registered::state`] describes any problem.
    fn register(&self, registration: Registration) -> Registered;
}

/// An announcement to make: a service and the endpoint of its provider.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The service that the provider serves.
    pub service: &'static ServiceDescriptor,
    /// The endpoint at which callers reach the provider.
    pub endpoint: Endpoint,
    /// Whether the next process is taking over the endpoint, as [`Registration::is_taken_over`] says.
    taken_over: Arc<AtomicBool>,
}

impl Registration {
    /// Makes a registration that no other process takes over.
    pub fn new(service: &'static ServiceDescriptor, endpoint: Endpoint) -> Registration {
        Registration { service, endpoint, taken_over: Arc::default() }
    }

    /// The same registration, which the next process takes over once `taken_over` is true.
    pub(crate) fn with_successor(self, taken_over: Arc<AtomicBool>) -> Registration {
        Registration { taken_over, ..self }
    }

    /// Whether the next process is taking over the endpoint ([`Server::handover`](crate::Server::handover)). That process
    /// announces the same endpoint, and a registry lets it.
    pub fn is_taken_over(&self) -> bool {
        self.taken_over.load(Ordering::Acquire)
    }
}

/// The progress of an announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// The provider is not announced yet. The text says what the registry waits for.
    Pending(Arc<str>),
    /// The provider is announced. The text names the place of the announcement.
    Registered(Arc<str>),
    /// The announcement is withdrawn.
    Withdrawn,
}

impl RegistrationState {
    /// Publishes this state. It wakes the receivers only if it differs from the previous one. Returns whether it does.
    pub(crate) fn publish(self, sender: &watch::Sender<RegistrationState>) -> bool {
        sender.send_if_modified(|shown| {
            let differs = *shown != self;
            *shown = self;
            differs
        })
    }
}

/// An announcement in force. Dropping it withdraws the announcement without waiting.
#[derive(Debug)]
pub struct Registered {
    state: watch::Receiver<RegistrationState>,
    /// If this sender sends or is dropped, the task that keeps the announcement withdraws it and publishes `Withdrawn`.
    withdraw: tokio::sync::oneshot::Sender<()>,
}

impl Registered {
    /// Makes the handle of an announcement, for implementations of [`Registry`].
    ///
    /// The task behind the announcement publishes its progress into `state`. It withdraws the announcement when the
    /// receiver of `withdraw` completes: with a message, or because the sender was dropped.
    pub fn new(state: watch::Receiver<RegistrationState>, withdraw: tokio::sync::oneshot::Sender<()>) -> Registered {
        Registered { state, withdraw }
    }

    /// The handle of an announcement that cannot be made; `why` is its state until it is withdrawn.
    pub(crate) fn failed(why: &str) -> Registered {
        let (sender, state) = watch::channel(RegistrationState::Pending(why.into()));
        let (withdraw, withdrawn) = tokio::sync::oneshot::channel();
        crate::net::background().spawn(async move {
            let _ = withdrawn.await;
            sender.send_replace(RegistrationState::Withdrawn);
        });
        Registered { state, withdraw }
    }

    /// Follows the progress of the announcement.
    pub fn state(&self) -> watch::Receiver<RegistrationState> {
        self.state.clone()
    }

    /// Withdraws the announcement, and returns once the registry no longer shows it or the task behind it has ended.
    ///
    /// The wait has no limit if the registry does not answer: add a timeout.
    pub async fn withdraw(self) {
        let Registered { mut state, withdraw } = self;
        let _ = withdraw.send(());
        let _ = state.wait_for(|state| *state == RegistrationState::Withdrawn).await;
    }
}

/// Returns how many registry entries this process has skipped because this build could not read them.
///
/// An entry is counted and logged once for as long as a watch sees it.
pub fn entries_skipped() -> u64 {
    ENTRIES_SKIPPED.load(Ordering::Relaxed)
}

/// Counts and logs an entry that cannot be read. The other entries stay in use.
pub(crate) fn skip(place: &str, why: &str) {
    ENTRIES_SKIPPED.fetch_add(1, Ordering::Relaxed);
    tracing::warn!("skipped the registry entry {place}: {why}");
}

static ENTRIES_SKIPPED: AtomicU64 = AtomicU64::new(0);

/// Why a service cannot have this name.
pub(crate) fn invalid_service_name(name: &str) -> String {
    format!("'{name}' is no name of a service; it would be package.Service")
}

/// Whether `name` is a valid full name of a service. Only valid names become part of a path.
pub(crate) fn is_service_name(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    name.len() <= SERVICE_NAME_BYTES_MAX && name.split('.').all(part)
}

/// The longest name of a service in bytes. File names are limited to 255 bytes.
const SERVICE_NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_escape_their_folder_are_rejected() {
        for name in ["fixbug.UserServiceRpc", "UserServiceRpc", "a.b_c.D1"] {
            assert!(is_service_name(name), "{name}");
        }
        for name in ["", ".", "..", "a..b", "a/b", "../a", ".hidden", "a b", &"a".repeat(256)] {
            assert!(!is_service_name(name), "{name}");
        }
    }

    #[test]
    fn failure_keeps_the_last_good_list_or_stays_pending_without_one() {
        let pending = Resolution::pending("first").failed("second");
        assert_eq!(pending.state, ResolutionState::Pending("second".into()));
        let endpoint: Endpoint = "127.0.0.1:1".parse().unwrap();
        let stale = Resolution::current(vec![endpoint.clone()], "place").failed("gone");
        assert_eq!((&stale.endpoints[..], stale.state), (&[endpoint][..], ResolutionState::Stale("gone".into())));
    }
}
