//! Where services run: reading it (Resolver), announcing it (Registry), and the URL that names either.
//!
//! The control plane: it publishes lists of endpoints, and is never asked on the path of a call.

use std::sync::Arc;

use tokio::sync::watch;

use crate::endpoint::Endpoint;
use crate::method::ServiceDescriptor;

/// Follows where a service runs.
pub trait Resolver: Send + Sync + 'static {
    /// Follows the service of this full name, `fixbug.UserServiceRpc`, until the receiver is dropped.
    ///
    /// Never blocks and never fails: what is wrong stands in [`Resolution::state`], and the watch recovers by itself.
    /// The work is done on [`crate::net::background`].
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
