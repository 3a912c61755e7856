//! One direction of a connection in a simulated network: it decides when the bytes of a pipe arrive. It does not know which
//! hosts are connected.
//!
//! Time is tokio's, so under a paused clock no test waits for a delay. Its timers have a resolution of 1 ms.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock;
use super::pipe::{Arrived, Wire};

/// Bytes that travel together and arrive at the same instant: the TCP payload of one Ethernet frame.
const SEGMENT_BYTES: usize = 1460;

/// The delay and the bandwidth of a simulated connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkConditions {
    /// The time from one end to the other.
    pub(crate) delay: Duration,
    /// The maximum extra delay, drawn anew for each segment.
    pub(crate) jitter: Duration,
    /// The bandwidth. `None` means that only the capacity of the pipe limits it.
    pub(crate) bytes_per_second: Option<u64>,
}

/// Faults that keep bytes from travelling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkFaults {
    /// The network is partitioned: nothing gets from one end to the other.
    pub(crate) parted: bool,
    /// The writing end does not run.
    pub(crate) writer_frozen: bool,
    /// The reading end does not run.
    pub(crate) reader_frozen: bool,
}

impl LinkFaults {
    fn hold(self) -> bool {
        self.parted || self.writer_frozen
    }
}

/// The wire under a pipe of a simulated network.
#[derive(Debug)]
pub(crate) struct SimulatedWire {
    state: Mutex<State>,
    /// Identifies the wire in the trace.
    number: u64,
    trace: Arc<Trace>,
}

#[derive(Debug)]
struct State {
    conditions: LinkConditions,
    faults: LinkFaults,
    rng: fastrand::Rng,
    /// Segments in transit, in order.
    segments: VecDeque<Segment>,
    /// Bytes that have arrived and are not read yet.
    arrived: usize,
    ended: bool,
    /// When the wire has finished sending the earlier bytes.
    busy_until: Instant,
}

#[derive(Debug)]
struct Segment {
    /// The length. 0 marks the end of the stream.
    bytes: usize,
    /// The time of arrival, or `None` while a fault holds the segment back.
    arrives: Option<Instant>,
}

impl SimulatedWire {
    /// A wire that draws its jitter from `rng`.
    pub(crate) fn new(
        conditions: LinkConditions,
        faults: LinkFaults,
        mut rng: fastrand::Rng,
        trace: Arc<Trace>,
    ) -> SimulatedWire {
        let now = clock::now();
        let number = rng.u64(..);
        let state = Mutex::new(State {
            conditions,
            faults,
            rng,
            segments: VecDeque::new(),
            arrived: 0,
            ended: false,
            busy_until: now,
        });
        SimulatedWire { state, number, trace }
    }

    /// Changes the conditions and the faults from now on. The change also applies to segments that a fault holds back now.
    pub(crate) fn change(&self, conditions: LinkConditions, faults: LinkFaults) {
        let now = clock::now();
        let mut state = self.lock();
        state.settle(now);
        if faults.parted && !state.faults.parted {
            // A partition loses the segments in transit. They are sent again when the partition ends.
            state.segments.iter_mut().for_each(|segment| segment.arrives = None);
        }
        state.conditions = conditions;
        state.faults = faults;
        if !faults.hold() {
            state.depart(now);
        }
    }

    /// Drops everything that a frozen writer has written since it froze, as if the writer had not run.
    pub(crate) fn forget_what_is_held(&self) {
        let mut state = self.lock();
        if state.faults.writer_frozen {
            state.segments.retain(|segment| segment.arrives.is_some());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wire for SimulatedWire {
    fn sent(&self, bytes: &[u8]) {
        self.trace.note((self.number, bytes));
        let mut state = self.lock();
        let mut left = bytes.len();
        while left > 0 {
            let bytes = left.min(SEGMENT_BYTES);
            state.segments.push_back(Segment { bytes, arrives: None });
            left -= bytes;
        }
        if !state.faults.hold() {
            state.depart(clock::now());
        }
    }

    fn ended(&self) {
        self.trace.note((self.number, "end"));
        let mut state = self.lock();
        state.segments.push_back(Segment { bytes: 0, arrives: None });
        if !state.faults.hold() {
            state.depart(clock::now());
        }
    }

    fn arrived(&self) -> Arrived {
        let mut state = self.lock();
        if state.faults.reader_frozen {
            return Arrived { bytes: 0, end: false, next: None };
        }
        state.settle(clock::now());
        let next = state.segments.front().and_then(|segment| segment.arrives);
        Arrived { bytes: state.arrived, end: state.ended, next }
    }

    fn taken(&self, bytes: usize) {
        self.lock().arrived -= bytes;
    }
}

impl State {
    /// Counts the segments that have arrived. A segment that arrives early waits for those before it.
    fn settle(&mut self, now: Instant) {
        while let Some(segment) = self.segments.pop_front_if(|next| next.arrives.is_some_and(|at| at <= now)) {
            self.arrived += segment.bytes;
            self.ended |= segment.bytes == 0;
        }
    }

    /// Sets the time of arrival of every segment that has not departed yet.
    fn depart(&mut self, now: Instant) {
        for segment in self.segments.iter_mut().filter(|segment| segment.arrives.is_none()) {
            self.busy_until = self.busy_until.max(now);
            if let Some(speed) = self.conditions.bytes_per_second {
                self.busy_until += Duration::from_secs_f64(segment.bytes as f64 / speed.max(1) as f64);
            }
            let travels = self.conditions.delay + up_to(self.conditions.jitter, &mut self.rng);
            segment.arrives = Some(self.busy_until + travels);
        }
    }
}

/// A random duration of at most `longest`.
pub(crate) fn up_to(longest: Duration, rng: &mut fastrand::Rng) -> Duration {
    Duration::from_nanos(rng.u64(..=u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX)))
}

/// A hash over all events and their times.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Instant,
    hasher: Mutex<DefaultHasher>,
}

impl Trace {
    pub(crate) fn begin() -> Trace {
        // The hasher has no random keys, so every run yields the same fingerprint.
        Trace { begun: clock::now(), hasher: Mutex::new(DefaultHasher::new()) }
    }

    pub(crate) fn note(&self, what: impl Hash) {
        let mut hasher = self.hasher.lock().unwrap_or_else(PoisonError::into_inner);
        (clock::now().saturating_duration_since(self.begun), what).hash(&mut *hasher);
    }

    pub(crate) fn fingerprint(&self) -> u64 {
        self.hasher.lock().unwrap_or_else(PoisonError::into_inner).finish()
    }
}
