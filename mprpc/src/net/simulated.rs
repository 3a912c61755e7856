//! One direction of a connection of a simulated network: when the bytes of a pipe arrive. Not who is connected to whom.
//!
//! Time is tokio's, so that under a paused clock no test waits for a delay; its timers have a resolution of 1 ms.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock;
use super::pipe::{Arrived, Wire};

/// Bytes that travel together and arrive at one instant: what an Ethernet frame holds of a TCP stream.
const SEGMENT_BYTES: usize = 1460;

/// How bytes travel.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkConditions {
    /// From one end to the other.
    pub(crate) delay: Duration,
    /// Up to this much more, drawn anew for each segment.
    pub(crate) jitter: Duration,
    /// `None`: as many at a time as the pipe holds.
    pub(crate) bytes_per_second: Option<u64>,
}

/// What keeps bytes from travelling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct LinkFaults {
    /// Nothing gets from one end to the other.
    pub(crate) parted: bool,
    /// The end that writes does not run.
    pub(crate) writer_frozen: bool,
    /// The end that reads does not run.
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
    /// Which one it is, in the trace.
    number: u64,
    trace: Arc<Trace>,
}

#[derive(Debug)]
struct State {
    conditions: LinkConditions,
    faults: LinkFaults,
    rng: fastrand::Rng,
    /// On their way, in order.
    segments: VecDeque<Segment>,
    /// Bytes that are there, and not read yet.
    arrived: usize,
    ended: bool,
    /// The wire carries the bytes before until then.
    busy_until: Instant,
}

#[derive(Debug)]
struct Segment {
    /// 0 is the end of the stream.
    bytes: usize,
    /// `None` while something keeps it from travelling.
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

    /// From now on bytes travel so, also those that are kept from travelling now.
    pub(crate) fn change(&self, conditions: LinkConditions, faults: LinkFaults) {
        let now = clock::now();
        let mut state = self.lock();
        state.settle(now);
        if faults.parted && !state.faults.parted {
            // What is under way is lost, and sent once more when the way is open again.
            state.segments.iter_mut().for_each(|segment| segment.arrives = None);
        }
        state.conditions = conditions;
        state.faults = faults;
        if !faults.hold() {
            state.depart(now);
        }
    }

    /// What a frozen writer has written since it froze was never written: it did not run.
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
    /// Takes in what has arrived. What came before those in front of it waits for them.
    fn settle(&mut self, now: Instant) {
        while let Some(segment) = self.segments.pop_front_if(|next| next.arrives.is_some_and(|at| at <= now)) {
            self.arrived += segment.bytes;
            self.ended |= segment.bytes == 0;
        }
    }

    /// Sends what has not departed yet on its way.
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

/// A time from none to this one.
pub(crate) fn up_to(longest: Duration, rng: &mut fastrand::Rng) -> Duration {
    Duration::from_nanos(rng.u64(..=u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX)))
}

/// What happened, and when, as one number.
#[derive(Debug)]
pub(crate) struct Trace {
    begun: Instant,
    hasher: Mutex<DefaultHasher>,
}

impl Trace {
    pub(crate) fn begin() -> Trace {
        // Without random keys: the same in every run.
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
