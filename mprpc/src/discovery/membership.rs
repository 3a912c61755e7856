//! `Membership`: which endpoints of a service calls may use while the lists of its registries change. Pure: time,
//! randomness and what is known of connections come in as arguments.
//!
//! Registries propose, health disposes:
//!
//! | a list | then |
//! |---|---|
//! | names a new endpoint, or new data of one | The endpoint is used at once. |
//! | no longer names an endpoint | The endpoint is *missing*. Calls go on to it for `hold`, unless its connection ends or it refuses connections. |
//! | is empty, or names less than half of the endpoints that it named before | The list is *doubted*. A missing endpoint is used for as long as it accepts connections. |
//! | is [`Stale`](ResolutionState::Stale) or [`Pending`](ResolutionState::Pending) | Nothing becomes missing. |
//!
//! Each registry has its own list and its own doubt. An endpoint is missing when no list names it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Resolution, ResolutionState, merge};
use crate::endpoint::{Address, Endpoint, Protocol};

/// The endpoints of one service.
#[derive(Debug)]
pub(crate) struct Membership {
    service: Arc<str>,
    hold: Duration,
    rng: fastrand::Rng,
    sources: Vec<Source>,
    members: BTreeMap<Address, Member>,
    /// Whether the view differs from the one that was taken last.
    is_changed: bool,
    taken_at: Option<Instant>,
}

/// One list of endpoints.
#[derive(Debug)]
struct Source {
    state: ResolutionState,
    /// Says how old the endpoints are, if they are those of a snapshot.
    snapshot: Option<Arc<str>>,
    doubt: Option<Doubt>,
}

/// A list that is not believed.
#[derive(Debug)]
struct Doubt {
    since: Instant,
    /// How many endpoints of the list were in use when the doubt began.
    size: usize,
    /// How many endpoints the list names now.
    listed: usize,
}

#[derive(Debug)]
struct Member {
    endpoint: Endpoint,
    /// The sources that name the endpoint, a bit for each.
    listed_by: u32,
    /// The sources that name the endpoint or named it when it became missing.
    known_by: u32,
    missing: Option<Missing>,
}

/// An endpoint that no list names any more.
#[derive(Debug)]
struct Missing {
    since: Instant,
    /// Whether calls may use the endpoint.
    is_used: bool,
    was_connected: bool,
    /// Failed probes in a row.
    probes_failed: u32,
    probe_at: Instant,
    is_probing: bool,
}

/// What a channel knows of its connections to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Link {
    /// A connection is open and takes calls.
    Open,
    /// No connection is open, and no attempt has failed lately.
    Closed,
    /// The last attempt to connect failed.
    Failing,
}

/// How many endpoints a [`Membership`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemberCounts {
    /// The endpoints that some list names.
    pub(crate) listed: usize,
    /// The endpoints that no list names and that calls still use.
    pub(crate) held: usize,
}

impl Membership {
    /// Makes a membership without endpoints; `states` has the state of each source.
    pub(crate) fn new(
        service: &str,
        hold: Duration,
        states: impl IntoIterator<Item = ResolutionState>,
        rng: fastrand::Rng,
    ) -> Membership {
        let source = |state| Source { state, snapshot: None, doubt: None };
        Membership {
            service: service.into(),
            hold,
            rng,
            sources: states.into_iter().map(source).take(SOURCES_MAX).collect(),
            members: BTreeMap::new(),
            is_changed: true,
            taken_at: None,
        }
    }

    /// Takes in the list of one source.
    pub(crate) fn update(&mut self, source: usize, resolution: &Resolution, now: Instant) {
        if source >= self.sources.len() {
            return;
        }
        self.is_changed = true;
        let Source { state, snapshot, .. } = &mut self.sources[source];
        *state = match (&resolution.state, &snapshot) {
            (ResolutionState::Pending(why), Some(age)) => ResolutionState::Stale(format!("{why}; {age}").into()),
            (state, _) => state.clone(),
        };
        if !matches!(resolution.state, ResolutionState::Pending(_)) {
            *snapshot = None;
        }
        let bit = 1u32 << source;
        let is_known = |member: &&Member| member.known_by & bit != 0 && member.is_used();
        let known = self.members.values().filter(is_known).count();
        let unlisted_before: Vec<Address> = match resolution.state {
            ResolutionState::Current(_) => self.named_by(bit),
            ResolutionState::Pending(_) | ResolutionState::Stale(_) => Vec::new(),
        };
        for address in &unlisted_before {
            if let Some(member) = self.members.get_mut(address) {
                member.listed_by &= !bit;
            }
        }
        for endpoint in &*resolution.endpoints {
            self.add(endpoint, source);
        }
        for address in unlisted_before {
            let probe_at = now + PROBE_SPREAD.mul_f64(self.rng.f64());
            if let Some(member) = self.members.get_mut(&address)
                && member.listed_by == 0
                && member.missing.is_none()
            {
                member.missing = Some(Missing {
                    since: now,
                    is_used: true,
                    was_connected: false,
                    probes_failed: 0,
                    probe_at,
                    is_probing: false,
                });
            }
        }
        if matches!(resolution.state, ResolutionState::Current(_)) {
            self.judge(source, known, resolution.endpoints.len(), now);
        }
    }

    /// Takes the endpoints of a snapshot, because no source has a list yet; `age` says how old they are.
    pub(crate) fn restore(&mut self, endpoints: Vec<Endpoint>, age: &str, now: Instant) {
        let Some(Source { state, snapshot, .. }) = self.sources.first_mut() else { return };
        *snapshot = Some(age.into());
        let pending = Resolution { endpoints: endpoints.into(), state: state.clone() };
        self.update(0, &pending, now);
    }

    /// Reports how a probe of a missing endpoint ended.
    pub(crate) fn probed(&mut self, address: &Address, is_answered: bool, now: Instant) {
        let pause = self.probe_interval();
        let jitter = 0.5 + self.rng.f64();
        let Some(missing) = self.members.get_mut(address).and_then(|member| member.missing.as_mut()) else { return };
        missing.is_probing = false;
        if is_answered {
            self.is_changed |= !missing.is_used;
            (missing.is_used, missing.probes_failed) = (true, 0);
            missing.probe_at = now + pause.mul_f64(jitter);
        } else {
            missing.probes_failed += 1;
            missing.probe_at = now + PROBE_RETRY.mul_f64(jitter);
        }
    }

    /// Lets time pass: missing endpoints leave. Returns the endpoints to probe now, at most `probes_max`; `link` says what
    /// the channel knows of an endpoint.
    pub(crate) fn tick(
        &mut self,
        now: Instant,
        probes_max: usize,
        mut link: impl FnMut(&Endpoint) -> Link,
    ) -> Vec<Endpoint> {
        self.expire_doubts(now);
        let doubted = self.doubted();
        let empty_until =
            self.sources.iter().filter_map(|source| Some(source.doubt.as_ref()?.since + EMPTY_GRACE)).max();
        let is_hopeful = |member: &Member| {
            member.is_used() && member.missing.as_ref().is_none_or(|missing| missing.probes_failed < PROBES_MAX)
        };
        let may_go = self.members.values().any(is_hopeful) || empty_until.is_none_or(|until| now >= until);
        let interval = self.probe_interval();
        let (mut to_probe, mut gone) = (Vec::new(), Vec::new());
        for (address, member) in &mut self.members {
            let Some(missing) = &mut member.missing else { continue };
            let was_used = missing.is_used;
            if member.known_by & doubted == 0 {
                missing.notice(link(&member.endpoint), member.endpoint.protocol);
                if now >= missing.since + self.hold {
                    gone.push(address.clone());
                }
            } else if missing.probes_failed >= PROBES_MAX && may_go {
                tracing::info!(service = &*self.service, %address, "removed: no registry lists it, and it does not answer");
                gone.push(address.clone());
            } else if now >= missing.probe_at && !missing.is_probing {
                if link(&member.endpoint) == Link::Open {
                    missing.probes_failed = 0;
                    missing.probe_at = now + interval.mul_f64(0.5 + self.rng.f64());
                } else if to_probe.len() < probes_max {
                    missing.is_probing = true;
                    to_probe.push(member.endpoint.clone());
                }
            }
            self.is_changed |= was_used != missing.is_used;
        }
        for address in gone {
            let was_used = self.members.remove(&address).is_some_and(|member| member.is_used());
            self.is_changed |= was_used;
        }
        self.end_empty_doubts();
        to_probe
    }

    /// When [`tick`](Membership::tick) or [`take_view`](Membership::take_view) has something to do again, if nothing
    /// happens until then.
    pub(crate) fn next_at(&self, now: Instant) -> Option<Instant> {
        let doubted = self.doubted();
        let missing = self.members.values().filter_map(|member| Some((member, member.missing.as_ref()?)));
        let next = missing.filter_map(|(member, missing)| {
            if member.known_by & doubted == 0 {
                let leaves = missing.since + self.hold;
                return Some(if missing.is_used { leaves.min(now + LOOK_INTERVAL) } else { leaves });
            }
            // A running probe reports by itself. An endpoint that may not go yet is probed again.
            (!missing.is_probing).then(|| missing.probe_at.max(now + LOOK_INTERVAL.min(PROBE_RETRY)))
        });
        let view_at = self.is_changed.then(|| self.view_at().unwrap_or(now));
        next.chain(view_at).min()
    }

    /// Returns the endpoints that calls may use and how current they are, if that has changed and the last view was taken
    /// at least [`VIEW_INTERVAL`] ago.
    pub(crate) fn take_view(&mut self, now: Instant) -> Option<Resolution> {
        if !self.is_changed || self.view_at().is_some_and(|at| now < at) {
            return None;
        }
        (self.is_changed, self.taken_at) = (false, Some(now));
        let used = self.members.values().filter(|member| member.is_used());
        let endpoints: Arc<[Endpoint]> = used.map(|member| member.endpoint.clone()).collect();
        let state = self.state(endpoints.is_empty());
        Some(Resolution { endpoints, state })
    }

    /// Every endpoint, including the ones that calls may not use until their `hold` is over.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Endpoint> {
        self.members.values().map(|member| &member.endpoint)
    }

    /// Whether a source has a list, however old.
    pub(crate) fn has_list(&self) -> bool {
        self.sources.iter().any(|source| !matches!(source.state, ResolutionState::Pending(_)))
    }

    /// Whether every endpoint in use is one that a current list names.
    pub(crate) fn is_believed(&self) -> bool {
        let is_current =
            |source: &Source| matches!(source.state, ResolutionState::Current(_)) && source.doubt.is_none();
        self.sources.iter().all(is_current)
    }

    pub(crate) fn counts(&self) -> MemberCounts {
        let listed = self.members.values().filter(|member| member.missing.is_none()).count();
        let used = self.members.values().filter(|member| member.is_used()).count();
        MemberCounts { listed, held: used - listed }
    }

    /// The state of all sources together. A doubted list counts as stale.
    fn state(&self, is_empty: bool) -> ResolutionState {
        let states = self.sources.iter().map(|source| match (&source.state, &source.doubt) {
            (ResolutionState::Current(place), Some(Doubt { size, listed, .. })) => ResolutionState::Stale(
                format!("{place}: it lists {listed} of {size} known providers; the others are kept while they answer")
                    .into(),
            ),
            (state, _) => state.clone(),
        });
        merge::state(states, is_empty)
    }

    /// Adds an endpoint, or takes its new data. The first of several sources counts.
    fn add(&mut self, endpoint: &Endpoint, source: usize) {
        let bit = 1u32 << source;
        let member = self.members.entry(endpoint.address.clone()).or_insert_with(|| Member {
            endpoint: endpoint.clone(),
            listed_by: 0,
            known_by: 0,
            missing: None,
        });
        if member.listed_by & (bit - 1) == 0 && member.endpoint != *endpoint {
            member.endpoint = endpoint.clone();
        }
        member.listed_by |= bit;
        member.known_by |= bit;
        member.missing = None;
    }

    /// The addresses that the source with this bit names.
    fn named_by(&self, bit: u32) -> Vec<Address> {
        let named = self.members.iter().filter(|(_, member)| member.listed_by & bit != 0);
        named.map(|(address, _)| address.clone()).collect()
    }

    /// Decides whether a list of `listed` endpoints is believed; `known` endpoints of the source were in use before.
    fn judge(&mut self, source: usize, known: usize, listed: usize, now: Instant) {
        let bit = 1u32 << source;
        let Source { state, doubt, .. } = &mut self.sources[source];
        let was_doubted = doubt.is_some();
        let size = doubt.as_ref().map_or(known, |doubt| doubt.size);
        if listed * SHARE < size {
            if !was_doubted {
                tracing::warn!(
                    service = &*self.service,
                    registry = ?state,
                    listed,
                    known,
                    "the registry has lost most providers; those that still answer are kept"
                );
            }
            let since = doubt.as_ref().map_or(now, |doubt| doubt.since);
            *doubt = Some(Doubt { since, size, listed });
            return;
        }
        *doubt = None;
        for member in
            self.members.values_mut().filter(|member| member.listed_by & bit == 0 && member.known_by & bit != 0)
        {
            match &mut member.missing {
                // What was doubted until now is missing from now on.
                Some(missing) if was_doubted => missing.since = now,
                Some(_) => {}
                None => member.known_by &= !bit,
            }
        }
        if was_doubted {
            tracing::info!(service = &*self.service, listed, "the registry lists most providers again");
        }
    }

    /// The sources whose lists are doubted, a bit for each.
    fn doubted(&self) -> u32 {
        let bits = self.sources.iter().enumerate().filter(|(_, source)| source.doubt.is_some());
        bits.fold(0, |bits, (index, _)| bits | 1 << index)
    }

    /// Believes the lists that name some endpoints and have been doubted for `DOUBT_MAX`.
    fn expire_doubts(&mut self, now: Instant) {
        let mut expired = 0;
        for (index, source) in self.sources.iter_mut().enumerate() {
            if source.doubt.as_ref().is_some_and(|doubt| doubt.listed > 0 && now >= doubt.since + DOUBT_MAX) {
                (source.doubt, expired) = (None, expired | 1u32 << index);
            }
        }
        if expired == 0 {
            return;
        }
        self.is_changed = true;
        for member in self.members.values_mut().filter(|member| member.known_by & expired != 0) {
            if let Some(missing) = &mut member.missing {
                missing.since = now;
            }
        }
    }

    /// Ends the doubts that no missing endpoint is left of.
    fn end_empty_doubts(&mut self) {
        let missing = self.members.values().filter(|member| member.missing.is_some());
        let of_missing = missing.fold(0, |bits, member| bits | member.known_by);
        for (index, source) in self.sources.iter_mut().enumerate() {
            if source.doubt.is_some() && of_missing & 1 << index == 0 {
                source.doubt = None;
                self.is_changed = true;
            }
        }
    }

    /// The mean interval of probes of an endpoint that answers. It grows with the number of missing endpoints, so that a
    /// large fleet is not probed all the time.
    fn probe_interval(&self) -> Duration {
        let missing = self.members.values().filter(|member| member.missing.is_some()).count();
        PROBE_INTERVAL.mul_f64((missing as f64 / PROBED_AT_FULL_RATE as f64).max(1.0))
    }

    /// The earliest time for the next view.
    fn view_at(&self) -> Option<Instant> {
        Some(self.taken_at? + VIEW_INTERVAL)
    }
}

impl Member {
    fn is_used(&self) -> bool {
        self.missing.as_ref().is_none_or(|missing| missing.is_used)
    }
}

impl Missing {
    /// Takes in what the channel knows of the endpoint. A provider that stops gracefully sends GO_AWAY or closes its
    /// connections, and then refuses new ones.
    fn notice(&mut self, link: Link, protocol: Protocol) {
        match link {
            Link::Open => self.was_connected = true,
            Link::Closed if !self.was_connected => {}
            Link::Closed | Link::Failing => self.is_used = false,
        }
        // A classic call has a connection of its own, and no frame that says GO_AWAY.
        self.is_used &= protocol != Protocol::Classic;
    }
}

/// A list is doubted if it names less than one in `SHARE` of the endpoints that it named before.
const SHARE: usize = 2;
/// How long a list that names some endpoints can be doubted. An empty list is doubted for as long as an endpoint answers.
const DOUBT_MAX: Duration = Duration::from_secs(600);
/// Failed probes in a row after which an endpoint of a doubted list leaves.
const PROBES_MAX: u32 = 3;
/// How long the last endpoints stay after a list became empty, even if their probes fail.
const EMPTY_GRACE: Duration = Duration::from_secs(5);
/// The first probe comes at a random time within this interval, because all callers lose the list at the same time.
const PROBE_SPREAD: Duration = Duration::from_secs(1);
/// The mean interval of probes of an endpoint that answers. Each interval is between half and one and a half of it.
const PROBE_INTERVAL: Duration = Duration::from_secs(5);
/// The most missing endpoints for which that interval holds.
const PROBED_AT_FULL_RATE: usize = 50;
/// The same for an endpoint whose last probe failed.
const PROBE_RETRY: Duration = Duration::from_secs(1);
/// How often the connections of missing endpoints are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
/// The shortest interval of two views.
pub(crate) const VIEW_INTERVAL: Duration = Duration::from_millis(100);
/// The most sources of one membership.
pub(crate) const SOURCES_MAX: usize = 8;

#[cfg(test)]
mod tests;
