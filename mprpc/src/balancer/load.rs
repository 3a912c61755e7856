//! `Load`: what a channel knows of one endpoint: its calls in flight, its latency, and the reasons to pass it over. `Fleet`:
//! the loads of one service together. Reads no clock.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;

/// The load and the health of one endpoint, as one channel sees them. Every service at the endpoint shares the value.
#[derive(Debug, Default)]
pub struct Load {
    /// The [`Flag`]s that are set; above them the number of connections that do not answer.
    state: AtomicU32,
    in_flight: AtomicU32,
    /// The latency in nanoseconds, in the low 40 bits; above them the second of the last sample.
    latency: AtomicU64,
    /// The services that list the endpoint.
    fleets: Mutex<Vec<Weak<Fleet>>>,
}

/// A reason to pass over an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flag {
    /// The last attempt to connect failed.
    Failing = 1,
}

/// One connection that does not answer, in [`Load::state`].
const ONE_SILENT: u32 = 1 << 8;
const LATENCY_BITS: u32 = 40;
const LATENCY_MAX: u64 = (1 << LATENCY_BITS) - 1;

impl Load {
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

    /// A time as [`Load::latency_ns`] takes it: whole seconds since the first use of a channel in this process.
    #[inline]
    pub fn second(now: Instant) -> u32 {
        now.saturating_duration_since(*epoch()).as_secs() as u32
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
        let second = Load::second(now);
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
        self.state.fetch_or(flag as u32, Ordering::Relaxed);
    }

    /// Clears a flag. Returns whether it was set.
    pub(crate) fn clear(&self, flag: Flag) -> bool {
        self.state.fetch_and(!(flag as u32), Ordering::Relaxed) & flag as u32 != 0
    }

    #[inline]
    pub(crate) fn has(&self, flag: Flag) -> bool {
        self.state.load(Ordering::Relaxed) & flag as u32 != 0
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
        let fleets: Vec<_> = self.fleets().iter().filter_map(Weak::upgrade).filter(|fleet| fleet.lists(self)).collect();
        !fleets.is_empty() && fleets.iter().all(|fleet| fleet.is_well_without(self))
    }

    fn fleets(&self) -> MutexGuard<'_, Vec<Weak<Fleet>>> {
        self.fleets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The loads of all endpoints of one service over one channel.
#[derive(Debug, Default)]
pub(crate) struct Fleet {
    loads: ArcSwap<Vec<Arc<Load>>>,
}

impl Fleet {
    pub(crate) fn new(loads: &[Arc<Load>]) -> Arc<Fleet> {
        let fleet = Arc::new(Fleet::default());
        fleet.replace(loads);
        fleet
    }

    /// Replaces the endpoints of the service.
    pub(crate) fn replace(self: &Arc<Self>, loads: &[Arc<Load>]) {
        self.loads.store(Arc::new(loads.to_vec()));
        loads.iter().for_each(|load| load.join(self));
    }

    /// Whether the service has the endpoint.
    fn lists(&self, load: &Load) -> bool {
        self.loads.load().iter().any(|other| std::ptr::eq(&**other, load))
    }

    /// Whether another endpoint of the service is well.
    fn is_well_without(&self, load: &Load) -> bool {
        self.loads.load().iter().any(|other| !std::ptr::eq(&**other, load) && other.is_well())
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

const SECONDS_MASK: u32 = (1 << (64 - LATENCY_BITS)) - 1;

fn epoch() -> &'static Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    EPOCH.get_or_init(crate::net::clock::now)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn latency_rises_fast_falls_slowly_and_is_forgotten() {
        let (load, now) = (Load::default(), *epoch() + Duration::from_secs(100));
        let at = |seconds: u64| load.latency_ns(Load::second(now + Duration::from_secs(seconds))) / 1_000_000;
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
