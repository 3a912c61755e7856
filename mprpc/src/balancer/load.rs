//! `Load`: what a channel knows of one endpoint: its calls in flight, its latency, and the reasons to pass it over. `Fleet`:
//! the loads of one service together. Reads no clock.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

use super::ejection::{Counts, Judgement};

/// The load and the health of one endpoint, as one channel sees them. Every service at the endpoint shares the value.
#[derive(Debug, Default)]
pub struct Load {
    /// The [`Flag`]s that are set; above them the number of connections that do not answer.
    state: AtomicU32,
    in_flight: AtomicU32,
    /// The latency in nanoseconds, in the low 40 bits; above them the second of the last sample.
    latency: AtomicU64,
    /// Answers of the endpoint, and calls that failed there for a reason of the infrastructure.
    answered: AtomicU32,
    failed: AtomicU32,
    /// Both numbers when the current window began.
    answered_before: AtomicU32,
    failed_before: AtomicU32,
    /// The failures since the last answer.
    in_a_row: AtomicU32,
    judgement: Mutex<Judgement>,
    /// The services that list the endpoint.
    fleets: Mutex<Vec<Weak<Fleet>>>,
    settings: LoadSettings,
}

/// How a channel treats its endpoints.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LoadSettings {
    /// Whether endpoints that fail or are slow are ejected.
    pub(crate) ejects: bool,
    /// How long a new endpoint gets fewer calls.
    pub(crate) slow_start: Duration,
    /// When the channel was created. `None`, outside a channel, means the first use of a load in this process.
    pub(crate) since: Option<Instant>,
}

/// A reason to pass over an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// The last attempt to connect failed.
    Failing = 1,
    /// The endpoint fails more, or is slower, than the others.
    Ejected = 2,
    /// The health service of the endpoint says that it does not serve.
    Unhealthy = 4,
    /// The endpoint is new, or comes back, and gets only a part of its calls.
    Starting = 8,
}

/// One connection that does not answer, in [`Load::state`].
const ONE_SILENT: u32 = 1 << 8;
const LATENCY_BITS: u32 = 40;
const LATENCY_MAX: u64 = (1 << LATENCY_BITS) - 1;

impl Load {
    pub(crate) fn new(settings: LoadSettings) -> Load {
        Load { settings, ..Load::default() }
    }

    /// The calls in flight at the endpoint, over all connections of the channel.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// The latency of unary calls in nanoseconds: a moving average that rises fast and falls slowly. It halves with each
    /// second without a reply, so that an endpoint that was slow gets another chance. 0 means unknown.
    ///
    /// `second` is the current time, from [`Load::second`].
    #[inline]
    pub fn latency_ns(&self, second: u32) -> u64 {
        let packed = self.latency.load(Ordering::Relaxed);
        let age = second.wrapping_sub((packed >> LATENCY_BITS) as u32) & SECONDS_MASK;
        (packed & LATENCY_MAX) >> age.min(63)
    }

    /// The latency as it was after the last sample, and the second of that sample.
    #[inline]
    pub(super) fn latency_sample(&self) -> (u64, u32) {
        let packed = self.latency.load(Ordering::Relaxed);
        (packed & LATENCY_MAX, (packed >> LATENCY_BITS) as u32)
    }

    /// A time as [`Load::latency_ns`] takes it: whole seconds since the channel was created.
    #[inline]
    pub fn second(&self, now: Instant) -> u32 {
        let since = self.settings.since.unwrap_or_else(first_use);
        now.saturating_duration_since(since).as_secs() as u32
    }

    /// Whether there is no reason to pass over the endpoint.
    #[inline]
    pub fn is_well(&self) -> bool {
        self.state.load(Ordering::Relaxed) == 0
    }

    /// Adds to the calls in flight, or subtracts from them.
    #[inline]
    pub(crate) fn add_in_flight(&self, calls: i32) {
        self.in_flight.fetch_add(calls as u32, Ordering::Relaxed);
    }

    /// Takes a sample of the latency. A slower reply counts half, so that a peak is seen at once. A faster one counts an
    /// eighth.
    #[inline]
    pub(crate) fn observe(&self, now: Instant, elapsed: Duration) {
        let second = self.second(now);
        let packed = self.latency.load(Ordering::Relaxed);
        if (packed >> LATENCY_BITS) as u32 != second & SECONDS_MASK {
            self.judge_latency(second, now);
        }
        let last = self.latency_ns(second);
        let sample = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX).clamp(1, LATENCY_MAX);
        let next = if last == 0 {
            sample
        } else if sample > last {
            last + (sample - last).div_ceil(2)
        } else {
            last - (last - sample) / 8
        };
        let stamp = u64::from(second & SECONDS_MASK) << LATENCY_BITS;
        self.latency.store(stamp | next, Ordering::Relaxed);
    }

    pub(crate) fn set(&self, flag: Flag) {
        if self.state.fetch_or(flag as u32, Ordering::Relaxed) & flag as u32 == 0 {
            self.live_fleets().iter().for_each(|fleet| fleet.count_the_bad());
        }
    }

    /// Clears a flag. Returns whether it was set.
    pub(crate) fn clear(&self, flag: Flag) -> bool {
        let was_set = self.state.fetch_and(!(flag as u32), Ordering::Relaxed) & flag as u32 != 0;
        if was_set {
            self.live_fleets().iter().for_each(|fleet| fleet.count_the_bad());
        }
        was_set
    }

    /// Counts answers of the endpoint: replies, and errors of the application.
    #[inline]
    pub(crate) fn answered(&self, calls: u32) {
        self.answered.fetch_add(calls, Ordering::Relaxed);
        if self.in_a_row.load(Ordering::Relaxed) != 0 {
            self.in_a_row.store(0, Ordering::Relaxed);
        }
    }

    /// Counts a call that failed for a reason of the infrastructure, and ejects the endpoint if it fails more than the others.
    pub(crate) fn failed(&self, now: Instant) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        let in_a_row = self.in_a_row.fetch_add(1, Ordering::Relaxed) + 1;
        if !self.settings.ejects {
            return;
        }
        let (own, fleets) = (self.counts(), self.live_fleets());
        let others = fleets.iter().flat_map(|fleet| fleet.others_of(self)).map(|other| other.counts()).sum();
        let mut judgement = self.judgement();
        judgement.has_answered(self.answered.load(Ordering::Relaxed));
        if let Some(kept) = judgement.begins_window(now) {
            forget(&self.answered, &self.answered_before, kept);
            forget(&self.failed, &self.failed_before, kept);
        }
        if !self.has(Flag::Ejected) && judgement.is_failing(own, in_a_row, others) {
            self.eject(judgement, &fleets, now, "it fails more than the others");
        }
    }

    /// Ejects the endpoint if it has been much slower than the others for some seconds.
    #[inline(never)]
    fn judge_latency(&self, second: u32, now: Instant) {
        if !self.settings.ejects {
            return;
        }
        let fleets = self.live_fleets();
        let latencies = fleets.iter().flat_map(|fleet| fleet.others_of(self)).map(|other| other.latency_ns(second));
        let others: Vec<u64> = latencies.filter(|latency| *latency > 0).collect();
        let mut judgement = self.judgement();
        if judgement.is_slow(self.latency_ns(second), others) && !self.has(Flag::Ejected) {
            self.eject(judgement, &fleets, now, "it is slower than the others");
        }
    }

    fn eject(&self, mut judgement: MutexGuard<'_, Judgement>, fleets: &[Arc<Fleet>], now: Instant, why: &str) {
        if fleets.is_empty() || !fleets.iter().all(|fleet| fleet.may_eject()) {
            return;
        }
        let pause = judgement.eject(now, fastrand::f64());
        drop(judgement);
        tracing::warn!(in_a_row = self.in_a_row.load(Ordering::Relaxed), ?pause, "an endpoint is ejected: {why}");
        self.set(Flag::Ejected);
    }

    /// Whether the endpoint takes a call now, as far as ejection, health checks and slow start have a say.
    pub(crate) fn admits(&self, now: Instant) -> bool {
        if self.has(Flag::Unhealthy) {
            return false;
        }
        if self.has(Flag::Ejected) {
            let mut judgement = self.judgement();
            if !judgement.comes_back(now, self.answered.load(Ordering::Relaxed)) {
                return false;
            }
            drop(judgement);
            self.in_a_row.store(0, Ordering::Relaxed);
            self.clear(Flag::Ejected);
            self.start_slowly(now);
        }
        if self.has(Flag::Starting) {
            let share = self.judgement().started_share(now, self.settings.slow_start);
            if share < 1.0 {
                return fastrand::f64() < share;
            }
            self.clear(Flag::Starting);
        }
        true
    }

    /// Gives the endpoint fewer calls for `slow_start`.
    pub(crate) fn start_slowly(&self, now: Instant) {
        if !self.settings.slow_start.is_zero() {
            self.judgement().starts(now);
            self.set(Flag::Starting);
        }
    }

    /// The outcomes of the current window.
    fn counts(&self) -> Counts {
        let since = |now: &AtomicU32, before: &AtomicU32| {
            u64::from(now.load(Ordering::Relaxed).wrapping_sub(before.load(Ordering::Relaxed)))
        };
        let failed = since(&self.failed, &self.failed_before);
        Counts { failed, all: failed + since(&self.answered, &self.answered_before) }
    }

    fn judgement(&self) -> MutexGuard<'_, Judgement> {
        self.judgement.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.state.load(Ordering::Relaxed) & flag as u32 != 0
    }

    /// Whether only slow start passes over the endpoint.
    pub(crate) fn is_well_but_for_the_start(&self) -> bool {
        self.state.load(Ordering::Relaxed) & !(Flag::Starting as u32) == 0
    }

    /// Whether a connection to the endpoint does not answer.
    pub(crate) fn is_silent(&self) -> bool {
        self.state.load(Ordering::Relaxed) >= ONE_SILENT
    }

    /// Makes the endpoint one of a service.
    pub(crate) fn join(&self, fleet: &Arc<Fleet>) {
        let mut fleets = self.fleets();
        fleets.retain(|other| other.strong_count() > 0);
        if !fleets.iter().any(|other| other.as_ptr() == Arc::as_ptr(fleet)) {
            fleets.push(Arc::downgrade(fleet));
        }
    }

    /// Whether each service at the endpoint has another endpoint that is well.
    pub(crate) fn has_alternative(&self) -> bool {
        let fleets = self.live_fleets();
        !fleets.is_empty() && fleets.iter().all(|fleet| fleet.is_well_without(self))
    }

    /// The services that still list the endpoint.
    fn live_fleets(&self) -> Vec<Arc<Fleet>> {
        self.fleets().iter().filter_map(Weak::upgrade).filter(|fleet| fleet.lists(self)).collect()
    }

    fn fleets(&self) -> MutexGuard<'_, Vec<Weak<Fleet>>> {
        self.fleets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loads of all endpoints of one service over one channel.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    loads: ArcSwap<Vec<Arc<Load>>>,
    /// Whether most endpoints are not well.
    panics: AtomicBool,
}

/// An endpoint is compared with so many others at most.
const COMPARED_MAX: usize = 32;

impl Fleet {
    #[cfg(test)]
    fn new(loads: &[Arc<Load>]) -> Arc<Fleet> {
        let fleet = Arc::new(Fleet::default());
        fleet.replace(loads);
        fleet
    }

    /// Replaces the endpoints of the service.
    pub(crate) fn replace(self: &Arc<Self>, loads: &[Arc<Load>]) {
        self.loads.store(Arc::new(loads.to_vec()));
        loads.iter().for_each(|load| load.join(self));
        self.count_the_bad();
    }

    /// Panic mode: most endpoints are not well, so that ejection and health checks count no more. The few that are well could
    /// not carry all calls.
    #[inline]
    pub(crate) fn panics(&self) -> bool {
        self.panics.load(Ordering::Relaxed)
    }

    /// Decides on panic mode after a change.
    fn count_the_bad(&self) {
        let loads = self.loads.load();
        let judged = Flag::Ejected as u32 | Flag::Unhealthy as u32;
        let states = || loads.iter().map(|load| load.state.load(Ordering::Relaxed));
        let bad = states().filter(|state| state & !(Flag::Starting as u32) != 0).count();
        let panics = 2 * bad > loads.len() && states().any(|state| state & judged != 0);
        if self.panics.swap(panics, Ordering::Relaxed) != panics && panics {
            tracing::warn!(bad, endpoints = loads.len(), "most endpoints are bad, so that all of them get calls");
        }
    }

    /// Whether another endpoint may be ejected: at most half of them, and never the last one.
    fn may_eject(&self) -> bool {
        let loads = self.loads.load();
        let ejected = loads.iter().filter(|load| load.has(Flag::Ejected)).count();
        2 * (ejected + 1) <= loads.len()
    }

    /// The other endpoints of the service, or a random part of them.
    fn others_of(&self, load: &Load) -> Vec<Arc<Load>> {
        let loads = self.loads.load();
        let from = fastrand::usize(..loads.len().max(1));
        let others = loads[from.min(loads.len())..].iter().chain(&loads[..from.min(loads.len())]);
        others.filter(|other| !std::ptr::eq(&***other, load)).take(COMPARED_MAX).cloned().collect()
    }

    /// Whether the service has the endpoint.
    fn lists(&self, load: &Load) -> bool {
        self.loads.load().iter().any(|other| std::ptr::eq(&**other, load))
    }

    /// Whether another endpoint of the service is well.
    fn is_well_without(&self, load: &Load) -> bool {
        self.loads.load().iter().any(|other| !std::ptr::eq(&**other, load) && other.is_well_but_for_the_start())
    }
}

/// A connection that does not answer. The endpoint is passed over until the value is dropped.
#[derive(Debug)]
pub(crate) struct Silent(Arc<Load>);

impl Silent {
    pub(crate) fn new(load: &Arc<Load>) -> Silent {
        load.state.fetch_add(ONE_SILENT, Ordering::Relaxed);
        Silent(load.clone())
    }
}

impl Drop for Silent {
    fn drop(&mut self) {
        self.0.state.fetch_sub(ONE_SILENT, Ordering::Relaxed);
    }
}

/// Keeps one `kept`-th of what was counted since `before`.
fn forget(counter: &AtomicU32, before: &AtomicU32, kept: u32) {
    let now = counter.load(Ordering::Relaxed);
    before.store(now.wrapping_sub(now.wrapping_sub(before.load(Ordering::Relaxed)) / kept), Ordering::Relaxed);
}

const SECONDS_MASK: u32 = (1 << (64 - LATENCY_BITS)) - 1;

#[cold]
fn first_use() -> Instant {
    static FIRST_USE: OnceLock<Instant> = OnceLock::new();
    *FIRST_USE.get_or_init(crate::net::clock::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn latency_rises_fast_falls_slowly_and_is_forgotten() {
        let (load, now) = (Load::default(), first_use() + Duration::from_secs(100));
        let at = |seconds: u64| load.latency_ns(load.second(now + Duration::from_secs(seconds))) / 1_000_000;
        load.observe(now, ms(10));
        assert_eq!(at(0), 10);
        load.observe(now, ms(110));
        assert_eq!(at(0), 60);
        load.observe(now, ms(12));
        assert_eq!(at(0), 54);
        assert_eq!((at(1), at(2), at(3), at(200)), (27, 13, 6, 0));
        load.observe(now, Duration::MAX);
        load.observe(now, Duration::MAX);
        assert!(at(0) > 500_000, "a long time does not overflow: {}", at(0));
    }

    #[test]
    fn endpoint_is_well_again_after_every_reason_is_gone() {
        let load = Arc::new(Load::default());
        let (first, second) = (Silent::new(&load), Silent::new(&load));
        load.set(Flag::Failing);
        assert!(load.is_silent() && !load.is_well());
        drop(first);
        assert!(load.is_silent());
        drop(second);
        assert!(!load.is_silent() && !load.is_well());
        assert!(load.clear(Flag::Failing) && load.is_well());
        assert!(!load.clear(Flag::Failing));
    }

    #[test]
    fn alternative_exists_only_if_every_service_has_one() {
        let loads: Vec<Arc<Load>> = (0..3).map(|_| Arc::default()).collect();
        assert!(!loads[0].has_alternative(), "no service is known");
        let both = Fleet::new(&loads[..2]);
        assert!(loads[0].has_alternative());
        let alone = Fleet::new(&loads[..1]);
        assert!(!loads[0].has_alternative());
        alone.replace(&loads[1..]);
        assert!(loads[0].has_alternative(), "the service has left the endpoint");
        loads[1].set(Flag::Failing);
        assert!(!loads[0].has_alternative());
        drop((both, alone));
        assert!(!loads[0].has_alternative());
    }
}
