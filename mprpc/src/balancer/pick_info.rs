//! `PickInfo`: what a picker knows of the call and of the endpoints.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use super::load::Load;
use crate::endpoint::Endpoint;
use crate::net::clock;

/// One endpoint of a list, and its load.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// Address, weight, zone, version and tags. The weight is at least 1.
    pub endpoint: Arc<Endpoint>,
    /// The calls in flight and the latency of the endpoint.
    pub load: Arc<Load>,
}

impl Candidate {
    /// Creates a candidate without calls, for tests of a policy.
    pub fn new(endpoint: Endpoint) -> Candidate {
        Candidate { endpoint: Arc::new(endpoint), load: Arc::default() }
    }
}

/// What a picker knows of one call and of the endpoints at this moment.
pub struct PickInfo<'a> {
    candidates: &'a [Candidate],
    hash_key: Option<u64>,
    now: Option<Instant>,
    /// Whether `check` has a say about endpoints that are well.
    is_filtered: bool,
    check: &'a dyn Fn(usize) -> bool,
}

impl<'a> PickInfo<'a> {
    /// Creates the information for a call without a key. Every endpoint that is well may be used. For tests of a policy.
    pub fn new(candidates: &'a [Candidate]) -> PickInfo<'a> {
        PickInfo { candidates, hash_key: None, now: None, is_filtered: false, check: &|_| false }
    }

    /// Sets the key of the call, for tests of a policy. See [`Call::hash_key`](crate::Call::hash_key).
    pub fn with_hash_key(self, key: impl AsRef<[u8]>) -> PickInfo<'a> {
        PickInfo { hash_key: Some(super::hash_of(key)), ..self }
    }

    pub(crate) fn of_call(candidates: &'a [Candidate], hash_key: Option<u64>, now: Option<Instant>) -> PickInfo<'a> {
        PickInfo { hash_key, now, ..PickInfo::new(candidates) }
    }

    /// Asks `check` about every endpoint that is not well, and about all others too if `is_filtered`.
    pub(crate) fn checked_by(self, is_filtered: bool, check: &'a dyn Fn(usize) -> bool) -> PickInfo<'a> {
        PickInfo { is_filtered, check, ..self }
    }

    /// How many endpoints there are.
    #[inline(always)]
    pub fn len(&self) -> usize {
        self.candidates.len()
    }

    /// Whether there is no endpoint.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty()
    }

    /// Whether the call may go to the endpoint: it serves the method, an earlier attempt of the call has not failed there, and
    /// it is well. A new endpoint says no to a part of the calls (slow start), so ask once for each endpoint and call.
    #[inline(always)]
    pub fn may_use(&self, index: usize) -> bool {
        self.usable(index).is_some()
    }

    /// The load of an endpoint that the call may use.
    #[inline(always)]
    pub(super) fn usable(&self, index: usize) -> Option<&'a Load> {
        let load = &*self.candidates.get(index)?.load;
        (load.is_well() && !self.is_filtered || (self.check)(index)).then_some(load)
    }

    /// The key of the call, hashed. `None` if the caller set none.
    #[inline(always)]
    pub fn hash_key(&self) -> Option<u64> {
        self.hash_key
    }

    /// The calls in flight at an endpoint.
    #[inline(always)]
    pub fn in_flight(&self, index: usize) -> u32 {
        self.candidates.get(index).map_or(0, |candidate| candidate.load.in_flight())
    }

    /// The latency of an endpoint in nanoseconds, as of [`PickInfo::second`]; see [`Load::latency_ns`]. 0 means unknown.
    #[inline(always)]
    pub fn latency_ns(&self, index: usize, second: u32) -> u64 {
        self.candidates.get(index).map_or(0, |candidate| candidate.load.latency_ns(second))
    }

    /// The time of the pick, as [`PickInfo::latency_ns`] takes it.
    #[inline(always)]
    pub fn second(&self) -> u32 {
        let now = self.now.unwrap_or_else(clock::now);
        self.candidates.first().map_or(0, |candidate| candidate.load.second(now))
    }
}

impl fmt::Debug for PickInfo<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let PickInfo { candidates, hash_key, .. } = self;
        f.debug_struct("PickInfo").field("candidates", candidates).field("hash_key", hash_key).finish_non_exhaustive()
    }
}
