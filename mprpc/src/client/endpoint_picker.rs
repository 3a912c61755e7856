//! `EndpointPicker`: an immutable list of subchannels, and the choice among them. The policy is a `Balancer`; this file knows
//! which endpoints a call may use.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use super::subchannel::Subchannel;
use super::subchannels::Subchannels;
use crate::balancer::{Candidate, Fleet, PickInfo, Picker, subset};
use crate::discovery::{Resolution, ResolutionState};
use crate::endpoint::Endpoint;
use crate::net::clock;

/// An immutable snapshot of the endpoints of one service. Each update of the resolver replaces the whole picker.
pub(super) struct EndpointPicker {
    pub(super) subchannels: Box<[Arc<Subchannel>]>,
    /// The same endpoints, as the policy sees them.
    candidates: Box<[Candidate]>,
    picker: Box<dyn Picker>,
    /// Lets each endpoint know the others. Successive pickers share it.
    fleet: Arc<Fleet>,
    /// Whether an endpoint serves only some methods.
    is_partial: bool,
    pub(super) state: ResolutionState,
}

/// What a call asks of an endpoint.
#[derive(Clone, Copy)]
pub(super) struct Wanted<'a> {
    pub(super) method: &'a str,
    /// The subchannels that earlier attempts have tried.
    pub(super) tried: &'a [Arc<Subchannel>],
    pub(super) hash_key: Option<u64>,
    /// The time of the pick, if the caller has read the clock.
    pub(super) now: Option<Instant>,
}

impl Wanted<'_> {
    pub(super) fn admits(&self, subchannel: &Arc<Subchannel>) -> bool {
        subchannel.endpoint().serves(self.method) && !self.tried.iter().any(|tried| Arc::ptr_eq(tried, subchannel))
    }
}

impl EndpointPicker {
    /// Makes the picker of a resolution, after the picker `last`.
    pub(super) fn new(all: &Subchannels, resolution: &Resolution, last: Option<&EndpointPicker>) -> EndpointPicker {
        let listed: Vec<&Endpoint> = resolution.endpoints.iter().filter(|endpoint| endpoint.weight > 0).collect();
        let listed = subset(listed, all.options().subset_max, all.caller());
        let subchannels: Box<[_]> = listed.into_iter().map(|endpoint| all.at(endpoint)).collect();
        let candidates: Box<[Candidate]> = subchannels.iter().map(|subchannel| subchannel.candidate()).collect();
        if let Some(last) = last.filter(|last| !last.subchannels.is_empty()) {
            let known: HashSet<_> = last.subchannels.iter().map(|subchannel| &subchannel.endpoint().address).collect();
            let is_new = |candidate: &&Candidate| !known.contains(&candidate.endpoint.address);
            candidates.iter().filter(is_new).for_each(|candidate| candidate.load.start_slowly(clock::now()));
        }
        let fleet = last.map_or_else(Arc::default, |last| last.fleet.clone());
        fleet.replace(&candidates.iter().map(|candidate| candidate.load.clone()).collect::<Vec<_>>());
        EndpointPicker {
            is_partial: candidates.iter().any(|candidate| !candidate.endpoint.methods.is_empty()),
            picker: all.balancer().picker(&candidates),
            subchannels,
            candidates,
            fleet,
            state: resolution.state.clone(),
        }
    }

    /// Whether most endpoints are bad, so that ejection and health checks do not count.
    pub(super) fn panics(&self) -> bool {
        self.fleet.panics()
    }

    /// Picks a subchannel by the policy of the channel. Never blocks.
    #[inline(always)]
    pub(super) fn pick(&self, wanted: &Wanted<'_>) -> Option<&Arc<Subchannel>> {
        let is_usable = |index: usize| {
            let subchannel = &self.subchannels[index];
            wanted.admits(subchannel) && subchannel.takes_calls(self.fleet.panics())
        };
        let is_filtered = self.is_partial || !wanted.tried.is_empty();
        let info = PickInfo::of_call(&self.candidates, wanted.hash_key, wanted.now).checked_by(is_filtered, &is_usable);
        match self.picker.pick(&info).and_then(|index| self.subchannels.get(index)) {
            Some(subchannel) => Some(subchannel),
            None => self.pick_anyway(wanted),
        }
    }

    /// Picks a subchannel if none is well: one that is not well, rather than one that does not answer, rather than one that
    /// has failed and is not in backoff.
    #[inline(never)]
    fn pick_anyway(&self, wanted: &Wanted<'_>) -> Option<&Arc<Subchannel>> {
        let takes_calls = |index: usize| {
            let subchannel = &self.subchannels[index];
            wanted.admits(subchannel) && subchannel.takes_calls(true)
        };
        // A background probe retries a failed subchannel. A call waits for the probe only if no other subchannel is left.
        let may_wait = |index: usize| {
            let subchannel = &self.subchannels[index];
            wanted.admits(subchannel) && !subchannel.pauses(clock::now)
        };
        let checks: [&dyn Fn(usize) -> bool; 2] = [&takes_calls, &may_wait];
        let info = || PickInfo::of_call(&self.candidates, wanted.hash_key, wanted.now);
        let picked = checks.into_iter().find_map(|check| self.picker.pick(&info().checked_by(true, check)));
        picked.and_then(|index| self.subchannels.get(index))
    }
}
