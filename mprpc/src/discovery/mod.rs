//! Where services run: reading it (Resolver), announcing it (Registry), and the URL that names either.
//!
//! The control plane: it publishes lists of endpoints, and is never asked on the path of a call.

mod backoff;
mod file;
mod list;
mod merge;
mod outage;
mod services;
mod target;
#[cfg(feature = "zookeeper")]
mod zookeeper;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::endpoint::Endpoint;
use crate::method::ServiceDescriptor;

pub use file::{FileRegistry, FileResolver};
pub use list::ListResolver;
pub use services::list_services;
pub use target::{Ensemble, Target};
#[cfg(feature = "zookeeper")]
pub use zookeeper::{ZooKeeperRegistry, ZooKeeperResolver};

/// Follows where a service runs.
pub trait Resolver: Send + Sync + 'static {
    /// Follows the service of this full name, `fixbug.UserServiceRpc`, until the receiver is dropped.
    ///
    /// Never blocks and never fails: what is wrong stands in [`Resolution::state`], and the watch recovers by itself.
    /// The work is done on [`crate::net::background`]. Where nothing can change any more (a fixed list, a name that no
    /// service can have) the receiver shows its value and [`changed`](watch::Receiver::changed) fails.
    fn watch(&self, service: &str) -> watch::Receiver<Resolution>;
}

/// Where a service runs, as far as is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resolution {
    /// The endpoints, without duplicates of an address. The last good list where the registry is away.
    pub endpoints: Arc<[Endpoint]>,
    /// How far the list can be believed.
    pub state: ResolutionState,
}

impl Resolution {
    /// Nothing is known yet, and why.
    fn pending(why: &str) -> Resolution {
        Resolution { endpoints: Arc::default(), state: ResolutionState::Pending(why.into()) }
    }

    /// What the registry holds in this place.
    fn current(endpoints: Vec<Endpoint>, place: &str) -> Resolution {
        Resolution { endpoints: endpoints.into(), state: ResolutionState::Current(place.into()) }
    }

    /// The registry is away: the last good list stays, where there was one.
    fn failed(&self, why: &str) -> Resolution {
        let state = match self.state {
            ResolutionState::Pending(_) => ResolutionState::Pending(why.into()),
            ResolutionState::Current(_) | ResolutionState::Stale(_) => ResolutionState::Stale(why.into()),
        };
        Resolution { endpoints: self.endpoints.clone(), state }
    }

    /// Shows that the registry is away.
    fn publish_failed(sender: &watch::Sender<Resolution>, why: &str) {
        // On a line of its own: what is borrowed must be given back before something is sent.
        let failed = sender.borrow().failed(why);
        failed.publish(sender);
    }

    /// Shows it to those who watch; they are woken only where it says something else than before.
    fn publish(self, sender: &watch::Sender<Resolution>) {
        sender.send_if_modified(|shown| {
            let differs = *shown != self;
            *shown = self;
            differs
        });
    }
}

/// How far a list of endpoints can be believed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ResolutionState {
    /// Nothing is known yet; the text says what is being waited for, "zookeeper 127.0.0.1:2181: connection refused".
    Pending(Arc<str>),
    /// It is what the registry holds. The text names the place that was read, for errors about an empty list:
    /// `file:/run/mprpc/fixbug.UserServiceRpc`.
    Current(Arc<str>),
    /// The registry is away; the list is the last good one. The text says since when and why.
    Stale(Arc<str>),
}

/// Announces where a service runs.
pub trait Registry: Send + Sync + 'static {
    /// Announces until the returned value is withdrawn or dropped; keeps at it through every outage of the registry.
    ///
    /// Never blocks and never fails: see [`Registered::state`].
    fn register(&self, registration: Registration) -> Registered;
}

/// What a provider announces.
#[derive(Clone, Debug)]
pub struct Registration {
    /// The service.
    pub service: &'static ServiceDescriptor,
    /// Where and how it can be reached.
    pub endpoint: Endpoint,
}

/// How far an announcement has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RegistrationState {
    /// Not yet announced; the text says what is being waited for.
    Pending(Arc<str>),
    /// Announced; the text is the place it stands in.
    Registered(Arc<str>),
    /// Withdrawn.
    Withdrawn,
}

/// An announcement that stands. Dropping it withdraws it without waiting.
#[derive(Debug)]
pub struct Registered {
    state: watch::Receiver<RegistrationState>,
    /// Dropped or sent to: the task that keeps the announcement withdraws it and publishes `Withdrawn`.
    withdraw: tokio::sync::oneshot::Sender<()>,
}

impl Registered {
    /// For registries: the task behind an announcement publishes into the watch, and withdraws when `withdraw`'s other
    /// end is sent to or dropped.
    pub fn new(state: watch::Receiver<RegistrationState>, withdraw: tokio::sync::oneshot::Sender<()>) -> Registered {
        Registered { state, withdraw }
    }

    /// An announcement that cannot be made, and why.
    fn failed(why: &str) -> Registered {
        let (sender, state) = watch::channel(RegistrationState::Pending(why.into()));
        let (withdraw, withdrawn) = tokio::sync::oneshot::channel();
        crate::net::background().spawn(async move {
            let _ = withdrawn.await;
            sender.send_replace(RegistrationState::Withdrawn);
        });
        Registered { state, withdraw }
    }

    /// How far it has come.
    pub fn state(&self) -> watch::Receiver<RegistrationState> {
        self.state.clone()
    }

    /// Withdraws, and returns once the registry no longer shows it (or the task behind it has ended). Unbounded where
    /// the registry does not answer: give it a timeout.
    pub async fn withdraw(self) {
        let Registered { mut state, withdraw } = self;
        let _ = withdraw.send(());
        let _ = state.wait_for(|state| *state == RegistrationState::Withdrawn).await;
    }
}

/// How many registry entries were skipped because this build could not read them, since the process began. Each is
/// counted once for as long as a watch sees it, and logged.
pub fn entries_skipped() -> u64 {
    ENTRIES_SKIPPED.load(Ordering::Relaxed)
}

/// Counts and logs an entry that cannot be read; the others serve.
fn skip(place: &str, why: &str) {
    ENTRIES_SKIPPED.fetch_add(1, Ordering::Relaxed);
    tracing::warn!("skipped the registry entry {place}: {why}");
}

static ENTRIES_SKIPPED: AtomicU64 = AtomicU64::new(0);

/// Whether a service can have this full name. Nothing else gets near a path.
fn is_service_name(name: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    name.len() <= SERVICE_NAME_BYTES_MAX && name.split('.').all(part)
}

/// The longest name of a service; a file name has 255 bytes.
const SERVICE_NAME_BYTES_MAX: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_their_folder_are_no_services() {
        for name in ["fixbug.UserServiceRpc", "UserServiceRpc", "a.b_c.D1"] {
            assert!(is_service_name(name), "{name}");
        }
        for name in ["", ".", "..", "a..b", "a/b", "../a", ".hidden", "a b", &"a".repeat(256)] {
            assert!(!is_service_name(name), "{name}");
        }
    }

    #[test]
    fn a_failure_keeps_the_last_good_list_and_is_pending_where_there_was_none() {
        let pending = Resolution::pending("first").failed("second");
        assert_eq!(pending.state, ResolutionState::Pending("second".into()));
        let endpoint: Endpoint = "127.0.0.1:1".parse().unwrap();
        let stale = Resolution::current(vec![endpoint.clone()], "place").failed("gone");
        assert_eq!((&stale.endpoints[..], stale.state), (&[endpoint][..], ResolutionState::Stale("gone".into())));
    }
}
