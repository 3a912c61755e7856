//! `ServiceEndpoints`: the endpoints of one service, from which calls pick. A [`Follower`] follows the resolver; a call
//! never waits for a resolver query.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use arc_swap::ArcSwap;
use tokio::runtime;
use tokio::sync::watch;

use super::endpoint_picker::{EndpointPicker, Wanted};
use super::follower::{Discovery, Follower};
use super::latencies::Latencies;
use super::multiplexed::PendingCall;
use super::options::ChannelOptions;
use super::retry_budget::RetryBudget;
use super::subchannel::Subchannel;
use super::subchannels::Subchannels;
use super::throttle::{Throttle, is_overload};
use super::transport::{Outgoing, expired, within};
use crate::balancer::{Flag, Load};
use crate::deadline::Deadline;
use crate::discovery::membership::MemberCounts;
use crate::discovery::{Resolution, ResolutionState, Resolver, ServiceResolution};
use crate::endpoint::{Address, Endpoint};
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;
use crate::net::clock;
use crate::priority::Priority;
use crate::status::{Phase, Ran, Status};

/// The endpoints of one service over one channel.
pub(super) struct ServiceEndpoints {
    service: Box<str>,
    subchannels: Arc<Subchannels>,
    /// Keeps the resolver alive while the service is followed.
    _resolver: Arc<dyn Resolver>,
    /// Which endpoints calls use. `None` if they use all.
    keep: Option<Keep>,
    picker: ArcSwap<EndpointPicker>,
    /// Notifies waiting calls of each new picker.
    changed: watch::Sender<()>,
    counts: Mutex<MemberCounts>,
    throttle: Throttle,
}

/// Whether a channel uses an endpoint.
pub(super) type Keep = Arc<dyn Fn(&Endpoint) -> bool + Send + Sync>;

/// The result of a pick.
pub(super) enum Picked {
    /// The picked subchannel.
    Subchannel(Arc<Subchannel>),
    /// The resolver has no result yet, so the call waits for a change. The text says what the resolver waits for.
    NotYet(Arc<str>),
    /// No subchannel can take the call, for this reason.
    Nowhere(Status),
}

/// The result of an attempt that never waits.
pub(super) enum FirstAttempt {
    /// The call has started on an open connection.
    Begun(PendingCall),
    /// The attempt at this subchannel failed.
    Failed(Arc<Subchannel>, Status),
    /// The subchannel was picked, but the call must wait there, for example for a connection.
    NotReady(Arc<Subchannel>),
    /// The attempt picked no endpoint.
    Nowhere,
}

impl ServiceEndpoints {
    /// Follows the lists of the resolver. `Follower` keeps the picker up to date until the last user of the endpoints is
    /// gone.
    pub(super) fn follow(
        subchannels: Arc<Subchannels>,
        resolver: Arc<dyn Resolver>,
        service: &str,
        discovery: &Discovery,
        keep: Option<Keep>,
    ) -> Arc<ServiceEndpoints> {
        let (follower, usable) = Follower::new(&subchannels, &*resolver, service, discovery);
        let first = EndpointPicker::new(&subchannels, &narrowed(&usable, keep.as_ref()), None);
        let endpoints = Arc::new(ServiceEndpoints {
            service: service.into(),
            subchannels,
            _resolver: resolver,
            keep,
            picker: ArcSwap::from_pointee(first),
            changed: watch::Sender::new(()),
            counts: Mutex::new(follower.counts()),
            throttle: Throttle::default(),
        });
        let followed = Arc::downgrade(&endpoints);
        let publish = move |usable: &Resolution, counts: MemberCounts| {
            followed.upgrade().inspect(|endpoints| endpoints.update(usable, counts)).is_some()
        };
        discovery.runtime.spawn(follower.run(endpoints.changed.subscribe(), publish));
        endpoints
    }

    /// Replaces the picker by one of these endpoints.
    pub(super) fn update(&self, usable: &Resolution, counts: MemberCounts) {
        let usable = narrowed(usable, self.keep.as_ref());
        let picker = EndpointPicker::new(&self.subchannels, &usable, Some(&self.picker.load()));
        self.picker.store(Arc::new(picker));
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner) = counts;
        self.changed.send_replace(());
    }

    /// How current the endpoints are, how many there are, and how many of them are bad.
    pub(super) fn resolution(&self) -> ServiceResolution {
        let MemberCounts { listed, held } = *self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let picker = self.picker.load();
        let loads: Vec<Arc<Load>> = picker.subchannels.iter().map(|subchannel| subchannel.candidate().load).collect();
        let count = |is_counted: &dyn Fn(&Load) -> bool| loads.iter().filter(|load| is_counted(load)).count();
        ServiceResolution {
            service: self.service.to_string(),
            state: picker.state.clone(),
            listed,
            held,
            usable: count(&Load::is_well_but_for_the_start),
            ejected: count(&|load| load.has(Flag::Ejected)),
            frozen: count(&Load::is_silent),
            unreachable: count(&|load| load.has(Flag::Failing)),
            unhealthy: count(&|load| load.has(Flag::Unhealthy)),
            panics: picker.panics(),
        }
    }

    /// Decides whether an attempt may be sent. The error says that servers refuse too many calls.
    pub(super) fn admit(&self, metadata: &Metadata) -> Result<(), Status> {
        if !self.throttle.is_active() {
            return Ok(());
        }
        let window = self.options().limits.throttle_window;
        self.throttle.admit(&self.service, Priority::of(metadata), window, clock::now(), fastrand::f64())
    }

    /// Reports the outcome of an attempt to the throttle.
    pub(super) fn answered<T>(&self, outcome: &Result<T, Status>) {
        let refused = outcome.as_ref().is_err_and(is_overload);
        // An attempt that reached no server says nothing about the load of the servers.
        let reached = outcome.as_ref().map_or_else(|status| status.ran() != Ran::No, |_| true);
        if refused || reached && self.throttle.is_active() {
            self.throttle.answered(refused, self.options().limits.throttle_window, clock::now());
        }
    }

    pub(super) fn options(&self) -> &ChannelOptions {
        self.subchannels.options()
    }

    /// The budget of retries and hedges, which all services of the channel share.
    #[inline(always)]
    pub(super) fn retries(&self) -> &RetryBudget {
        &self.subchannels.retries
    }

    /// The latencies of a method whose calls are hedged. `None` if too many methods are.
    pub(super) fn latencies(&self, method: &MethodDescriptor) -> Option<Arc<Latencies>> {
        self.subchannels.latencies.of(&method.path, self.options().limits.methods_max)
    }

    /// Whether a call at `now` finds an endpoint.
    #[cfg(feature = "bench")]
    pub(super) fn picks_at(&self, method: &str, now: std::time::Instant) -> bool {
        let wanted = Wanted { method, tried: &[], hash_key: None, now: Some(now) };
        self.picker.load().pick(&wanted).is_some()
    }

    #[cfg(test)]
    pub(super) fn subchannels(&self) -> Vec<Arc<Subchannel>> {
        self.picker.load().subchannels.to_vec()
    }

    /// The calls in flight at each endpoint.
    #[cfg(test)]
    pub(super) fn in_flight(&self) -> Vec<u32> {
        self.picker.load().subchannels.iter().map(|subchannel| subchannel.candidate().load.in_flight()).collect()
    }

    /// Returns a receiver that is notified of every later change of the endpoints.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Starts a call on an open connection of the picked endpoint. Never blocks.
    #[inline(always)]
    pub(super) fn try_begin(
        &self,
        request: &Outgoing<'_>,
        hash_key: Option<u64>,
        runtime: runtime::Id,
        waker: &Waker,
    ) -> FirstAttempt {
        // While the throttle is active, `Attempts` makes the call and asks the throttle.
        if self.throttle.is_active() {
            return FirstAttempt::Nowhere;
        }
        let picker = self.picker.load();
        let wanted = Wanted { method: &request.method.name, tried: &[], hash_key, now: Some(request.now) };
        let Some(subchannel) = picker.pick(&wanted) else { return FirstAttempt::Nowhere };
        match subchannel.try_begin(request, runtime, waker) {
            Ok(call) => FirstAttempt::Begun(call),
            Err(Some(status)) => FirstAttempt::Failed(subchannel.clone(), status),
            Err(None) => FirstAttempt::NotReady(subchannel.clone()),
        }
    }

    /// Returns the subchannel with this address.
    pub(super) fn subchannel_at(&self, address: &Address) -> Option<Arc<Subchannel>> {
        let picker = self.picker.load();
        picker.subchannels.iter().find(|subchannel| subchannel.endpoint().address == *address).cloned()
    }

    /// Picks a subchannel for the next attempt at `method` and skips those in `tried`. `hash_key` is the key of the call. Never
    /// blocks.
    #[inline]
    pub(super) fn pick(&self, method: &str, hash_key: Option<u64>, tried: &[Arc<Subchannel>]) -> Picked {
        let picker = self.picker.load();
        let wanted = Wanted { method, tried, hash_key, now: None };
        if let Some(subchannel) = picker.pick(&wanted) {
            return Picked::Subchannel(subchannel.clone());
        }
        if let Some(paused) = picker.subchannels.iter().find(|subchannel| wanted.admits(subchannel)) {
            return Picked::Nowhere(paused.last_failure());
        }
        match &picker.state {
            ResolutionState::Pending(reason) => Picked::NotYet(reason.clone()),
            ResolutionState::Current(place) | ResolutionState::Stale(place) => {
                Picked::Nowhere(no_provider(&format!("{}/{method}", self.service), place))
            }
        }
    }

    /// Returns the addresses of all endpoints. Waits for the first answer of the registry, up to `call_timeout`.
    pub(super) async fn listed(&self) -> Result<Vec<Address>, Status> {
        let patience = Deadline::after(clock::now(), self.options().limits.call_timeout);
        let mut changes = self.changes();
        loop {
            let picker = self.picker.load_full();
            let addresses = picker.subchannels.iter().map(|subchannel| subchannel.endpoint().address.clone());
            match &picker.state {
                _ if !picker.subchannels.is_empty() => return Ok(addresses.collect()),
                ResolutionState::Pending(reason) => {
                    if within(patience, changes.changed()).await.is_none() {
                        let message = format!("where {} runs is not known: {reason}", self.service);
                        return Err(expired(message, Phase::Resolve));
                    }
                }
                ResolutionState::Current(place) | ResolutionState::Stale(place) => {
                    return Err(no_provider(&self.service, place));
                }
            }
        }
    }
}

/// The endpoints that the channel uses. What the registry has listed is doubted before that, as a whole.
fn narrowed<'a>(all: &'a Resolution, keep: Option<&Keep>) -> Cow<'a, Resolution> {
    let Some(keep) = keep else { return Cow::Borrowed(all) };
    let endpoints = all.endpoints.iter().filter(|endpoint| keep(endpoint)).cloned().collect();
    // An error about an empty list says that there may be endpoints elsewhere.
    let state = match &all.state {
        ResolutionState::Current(place) => {
            ResolutionState::Current(format!("{place}, as narrowed by the channel").into())
        }
        state => state.clone(),
    };
    Cow::Owned(Resolution { endpoints, state })
}

fn no_provider(of: &str, place: &str) -> Status {
    let message = format!("no provider of {of} is listed in {place}");
    Status::unavailable(message).with_phase(Phase::Pick).with_ran(Ran::No)
}
