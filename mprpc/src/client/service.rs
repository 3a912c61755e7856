//! The endpoints of one service, as calls pick from them. Follows the resolver; is never asked on the path of a call.

use std::sync::Arc;
use std::task::Waker;

use arc_swap::ArcSwap;
use tokio::runtime;
use tokio::sync::watch;

use super::multiplexed::PendingCall;
use super::options::ChannelOptions;
use super::subchannel::Subchannel;
use super::subchannels::Subchannels;
use super::throttle::{Throttle, is_overload};
use super::transport::Outgoing;
use crate::balancer::RoundRobin;
use crate::discovery::{Resolution, ResolutionState, Resolver};
use crate::endpoint::Address;
use crate::metadata::Metadata;
use crate::net::clock;
use crate::priority::Priority;
use crate::status::{Phase, Ran, Status};

/// The endpoints of one service over one channel.
pub(super) struct ServiceEndpoints {
    service: Box<str>,
    subchannels: Arc<Subchannels>,
    /// Keeps the resolver alive while the service is followed.
    _resolver: Arc<dyn Resolver>,
    picker: ArcSwap<Picker>,
    /// Changes with the picker, for those who wait.
    changed: watch::Sender<()>,
    balancer: RoundRobin,
    throttle: Throttle,
}

/// What a pick chooses from: immutable, swapped whole.
struct Picker {
    subchannels: Box<[Arc<Subchannel>]>,
    state: ResolutionState,
}

/// What a pick says.
pub(super) enum Picked {
    /// Call here.
    Subchannel(Arc<Subchannel>),
    /// Nothing is known yet: wait for a change. The text says what is being waited for.
    NotYet(Arc<str>),
    /// There is nowhere to call, and this is why.
    Nowhere(Status),
}

/// What becomes of a call for which nothing is waited.
pub(super) enum FirstAttempt {
    /// It has begun, over a connection that was there.
    Begun(PendingCall),
    /// It was made here, and failed.
    Failed(Arc<Subchannel>, Status),
    /// It is to be made here, and that may take time.
    NotReady(Arc<Subchannel>),
    /// No endpoint was picked.
    Nowhere,
}

impl ServiceEndpoints {
    pub(super) fn follow(
        subchannels: Arc<Subchannels>,
        resolver: Arc<dyn Resolver>,
        service: &str,
        mut resolutions: watch::Receiver<Resolution>,
    ) -> Arc<ServiceEndpoints> {
        let first = Picker::new(&subchannels, &resolutions.borrow_and_update(), &[]);
        let endpoints = Arc::new(ServiceEndpoints {
            service: service.into(),
            subchannels,
            _resolver: resolver,
            picker: ArcSwap::from_pointee(first),
            changed: watch::Sender::new(()),
            balancer: RoundRobin::new(),
            throttle: Throttle::default(),
        });
        let followed = Arc::downgrade(&endpoints);
        let closed = endpoints.changed.subscribe();
        crate::net::background().spawn(async move {
            let mut closed = closed;
            loop {
                tokio::select! {
                    changed = resolutions.changed() => if changed.is_err() { return },
                    // Only the end of the sender ends this loop early; what it publishes is our own doing.
                    changed = closed.changed() => if changed.is_err() { return } else { continue },
                }
                let Some(endpoints) = followed.upgrade() else { return };
                endpoints.update(&resolutions.borrow_and_update());
            }
        });
        endpoints
    }

    fn update(&self, resolution: &Resolution) {
        let last = self.picker.load();
        // An empty list is not believed: the providers that were there are asked, and refuse if they are gone.
        let kept = if resolution.endpoints.is_empty() { &last.subchannels[..] } else { &[] };
        if !kept.is_empty() {
            tracing::warn!(
                service = &*self.service,
                state = ?resolution.state,
                kept = kept.len(),
                "the registry lists no provider; the last known ones are kept for as long as they answer"
            );
        }
        let picker = Picker::new(&self.subchannels, resolution, kept);
        self.picker.store(Arc::new(picker));
        self.changed.send_replace(());
    }

    /// Whether an attempt is made, or why not: servers refuse too many.
    pub(super) fn admit(&self, metadata: &Metadata) -> Result<(), Status> {
        if !self.throttle.is_active() {
            return Ok(());
        }
        let window = self.options().limits.throttle_window;
        self.throttle.admit(&self.service, Priority::of(metadata), window, clock::now(), fastrand::f64())
    }

    /// An attempt came to this.
    pub(super) fn answered<T>(&self, outcome: &Result<T, Status>) {
        let refused = outcome.as_ref().is_err_and(is_overload);
        // What did not reach a server says nothing of how much the servers have to do.
        let reached = outcome.as_ref().map_or_else(|status| status.ran() != Ran::No, |_| true);
        if refused || reached && self.throttle.is_active() {
            self.throttle.answered(refused, self.options().limits.throttle_window, clock::now());
        }
    }

    pub(super) fn options(&self) -> &ChannelOptions {
        self.subchannels.options()
    }

    /// Told of every change from now on.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Begins a call on a connection that is there, at the endpoint that is picked. Never blocks.
    #[inline(always)]
    pub(super) fn try_begin(&self, request: &Outgoing<'_>, runtime: runtime::Id, waker: &Waker) -> FirstAttempt {
        // What is throttled goes the general way.
        if self.throttle.is_active() {
            return FirstAttempt::Nowhere;
        }
        let picker = self.picker.load();
        let serves = |subchannel: &Arc<Subchannel>| subchannel.endpoint().serves(&request.method.name);
        let Some(subchannel) = self.choose(&picker, serves) else { return FirstAttempt::Nowhere };
        match subchannel.try_begin(request, runtime, waker) {
            Ok(call) => FirstAttempt::Begun(call),
            Err(Some(status)) => FirstAttempt::Failed(subchannel.clone(), status),
            Err(None) => FirstAttempt::NotReady(subchannel.clone()),
        }
    }

    /// The one among the endpoints that has this address.
    pub(super) fn subchannel_at(&self, address: &Address) -> Option<Arc<Subchannel>> {
        let picker = self.picker.load();
        picker.subchannels.iter().find(|subchannel| subchannel.endpoint().address == *address).cloned()
    }

    /// The next one that is `wanted` and does not pause.
    #[inline(always)]
    fn choose<'a>(&self, picker: &'a Picker, wanted: impl Fn(&Arc<Subchannel>) -> bool) -> Option<&'a Arc<Subchannel>> {
        let candidates = &picker.subchannels;
        // One that failed is tried again beside the calls, which wait for it only where there is no other.
        let quick = |index: usize| wanted(&candidates[index]) && candidates[index].takes_calls();
        match self.balancer.pick(candidates.len(), quick) {
            Some(index) => Some(&candidates[index]),
            None => self.choose_one_to_wait_for(candidates, &wanted),
        }
    }

    /// The next one that is `wanted` and does not pause, though it failed.
    fn choose_one_to_wait_for<'a>(
        &self,
        candidates: &'a [Arc<Subchannel>],
        wanted: &dyn Fn(&Arc<Subchannel>) -> bool,
    ) -> Option<&'a Arc<Subchannel>> {
        let usable = |index: usize| wanted(&candidates[index]) && !candidates[index].pauses(clock::now);
        self.balancer.pick(candidates.len(), usable).map(|index| &candidates[index])
    }

    /// Chooses where the next call of `method` goes, past those that were `tried`. Never blocks.
    pub(super) fn pick(&self, method: &str, tried: &[Arc<Subchannel>]) -> Picked {
        let picker = self.picker.load();
        let candidates = &picker.subchannels;
        let untried = |subchannel: &Arc<Subchannel>| {
            subchannel.endpoint().serves(method) && !tried.iter().any(|tried| Arc::ptr_eq(tried, subchannel))
        };
        if let Some(subchannel) = self.choose(&picker, untried) {
            return Picked::Subchannel(subchannel.clone());
        }
        if let Some(paused) = candidates.iter().find(|subchannel| untried(subchannel)) {
            return Picked::Nowhere(paused.last_failure());
        }
        match &picker.state {
            ResolutionState::Pending(reason) => Picked::NotYet(reason.clone()),
            ResolutionState::Current(place) | ResolutionState::Stale(place) => {
                let message = format!("no provider of {}/{method} is listed in {place}", self.service);
                Picked::Nowhere(Status::unavailable(message).with_phase(Phase::Pick).with_ran(Ran::No))
            }
        }
    }
}

impl Picker {
    fn new(all: &Subchannels, resolution: &Resolution, kept: &[Arc<Subchannel>]) -> Picker {
        let listed = resolution.endpoints.iter().filter(|endpoint| endpoint.weight > 0);
        let subchannels = kept.iter().cloned().chain(listed.map(|endpoint| all.at(endpoint))).collect();
        Picker { subchannels, state: resolution.state.clone() }
    }
}
