//! Limits how many calls of one method may wait in their handlers at the same time. There is no limit until more calls only
//! add latency. Reads no clock.
//!
//! Handlers that wait for a database or another service have their queue in that service, where this server cannot see it.
//! The sign of such a queue is that calls take longer while their throughput does not grow. But calls also take longer
//! because callers make different calls, or because the service is slow today, and then a limit helps nobody. So the limit
//! begins as an experiment: calls beyond what the throughput explains are refused for a short time. The limit stays only if
//! as many calls end as before. Otherwise the limit is lifted, and the next experiment comes later.
//!
//! Numbers and comparisons with other algorithms: docs/adr/0011.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::priority::Priority;

/// The limit of one method. All connections of a server share it.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimit {
    /// Whether calls may be refused at all. Every call reads this.
    is_limiting: AtomicBool,
    state: Mutex<State>,
}

/// A call in its handler, as [`ConcurrencyLimit::begun`] has counted it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Admitted {
    caller: u64,
    begun: Instant,
    /// Whether this is one of the first calls, which measure how long a call takes.
    is_first: bool,
}

#[derive(Debug)]
struct State {
    mode: Mode,
    /// The origin of all times in seconds.
    epoch: Option<Instant>,
    /// How much longer than usual calls may take, in seconds.
    delay_target: f64,
    in_flight: u32,
    by_caller: HashMap<u64, u32>,
    /// How many calls may be in flight; infinite while there is no limit.
    limit: f64,
    /// How long a call takes without a queue, in seconds; 0 until that is known.
    usual: f64,
    window: Window,
    /// The best throughput, and the throughput of the previous window, in calls a second.
    best_rate: f64,
    last_rate: f64,
    /// The values before the experiment, for comparison.
    compared_rate: f64,
    compared_latency: f64,
    last_latency: f64,
    last_end: f64,
    /// The calls in flight when calls began to take long, and the number of calls that have ended since.
    growth: Option<(f64, f64)>,
    first_begun: u32,
    first_ended: u32,
    first_seconds: f64,
    next_trial: f64,
    pause: f64,
    limit_before_probe: f64,
    calm_windows: u32,
    held_windows: u32,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// There is no limit.
    Open,
    /// A limit is being tried. First the calls in flight shrink to what callers within their share may fill. Then, in
    /// `Settling`, the calls that waited behind them end.
    Draining,
    Settling {
        since: f64,
    },
    Trial,
    /// The limit is known to cost no throughput.
    Held,
    /// Twice the limit takes effect, and `Probe` then measures it: the service that calls wait for may have become faster.
    Doubling,
    Probe,
}

/// What is counted between two decisions.
#[derive(Clone, Copy, Debug, Default)]
struct Window {
    begun: f64,
    in_flight: f64,
    ended: f64,
    in_time: f64,
    seconds: f64,
    has_refused: bool,
}

/// The first calls of a method measure how long a call takes. The first calls to end would only be the short ones.
const FIRST_CALLS: u32 = 16;
/// The shortest window, and the fewest calls in a window.
const WINDOW_SECONDS_MIN: f64 = 0.05;
const WINDOW_CALLS_MIN: f64 = 32.0;
/// The lowest limit.
const LIMIT_MIN: f64 = 8.0;
/// An experiment succeeds if at least this share of the throughput is left.
const RATE_KEPT_MIN: f64 = 0.8;
/// The limit is lifted after so many windows in a row without a refusal: about 3 s, because a caller that was refused throttles
/// its calls for `throttle_window`.
const CALM_WINDOWS: u32 = 50;
/// Twice the limit is tried after so many windows.
const WINDOWS_PER_PROBE: u32 = 10;
const PAUSE_SECONDS_MIN: f64 = 1.0;
const PAUSE_SECONDS_MAX: f64 = 64.0;
/// How much of the limit callers over their share may fill, and callers within their share.
const OVER_SHARE: f64 = 0.6;
const WITHIN_SHARE: f64 = 1.25;

impl ConcurrencyLimit {
    /// Creates a limit that does not apply until calls take `delay_target` longer than usual.
    pub(crate) fn new(delay_target: Duration) -> ConcurrencyLimit {
        let state = State {
            mode: Mode::Open,
            epoch: None,
            delay_target: delay_target.as_secs_f64(),
            in_flight: 0,
            by_caller: HashMap::new(),
            limit: f64::INFINITY,
            usual: 0.0,
            window: Window::default(),
            best_rate: 0.0,
            last_rate: 0.0,
            compared_rate: 0.0,
            compared_latency: 0.0,
            last_latency: 0.0,
            last_end: 0.0,
            growth: None,
            first_begun: 0,
            first_ended: 0,
            first_seconds: 0.0,
            next_trial: 0.0,
            pause: PAUSE_SECONDS_MIN,
            limit_before_probe: f64::INFINITY,
            calm_windows: 0,
            held_windows: 0,
        };
        ConcurrencyLimit { is_limiting: AtomicBool::new(false), state: Mutex::new(state) }
    }

    /// Whether the caller must ask [`ConcurrencyLimit::refuses`].
    pub(crate) fn is_limiting(&self) -> bool {
        self.is_limiting.load(Ordering::Relaxed)
    }

    /// Whether a new call is refused. Callers with more than their share in flight are refused before others, and calls of
    /// lower priority before calls of higher priority.
    pub(crate) fn refuses(&self, caller: u64, priority: Priority, now: Instant) -> bool {
        let mut state = self.lock();
        if state.mode == Mode::Open {
            return false;
        }
        let callers = state.by_caller.len().max(1) as f64;
        let share = (1.5 * state.limit / callers).max(4.0);
        let own = f64::from(state.by_caller.get(&caller).copied().unwrap_or_default());
        let by_share = if own >= share { OVER_SHARE } else { WITHIN_SHARE };
        let by_priority = match priority {
            Priority::Critical => 1.0,
            Priority::Normal => 0.9,
            Priority::Sheddable => 0.75,
        };
        let refused = f64::from(state.in_flight) >= state.limit * by_share * by_priority;
        if refused {
            state.window.has_refused = true;
            let now = state.seconds(now);
            state.look(now);
            self.publish(&state);
        }
        refused
    }

    /// Counts a call that waits in its handler. Each needs a later [`ConcurrencyLimit::ended`].
    pub(crate) fn begun(&self, caller: u64, now: Instant) -> Admitted {
        let mut state = self.lock();
        let seconds = state.seconds(now);
        if state.in_flight == 0 && seconds - state.last_end > 1.0 {
            // What was measured before an idle time says nothing about now.
            state.open();
            state.begin_window(seconds);
            self.publish(&state);
        }
        state.in_flight += 1;
        *state.by_caller.entry(caller).or_default() += 1;
        let is_first = state.first_begun < FIRST_CALLS;
        state.first_begun += u32::from(is_first);
        Admitted { caller, begun: now, is_first }
    }

    /// Counts the end of a call. `in_time` is false if the caller gave up or the deadline passed.
    pub(crate) fn ended(&self, place: Admitted, in_time: bool, now: Instant) {
        let mut state = self.lock();
        state.in_flight = state.in_flight.saturating_sub(1);
        if let Some(own) = state.by_caller.get_mut(&place.caller) {
            *own -= 1;
            if *own == 0 {
                state.by_caller.remove(&place.caller);
            }
        }
        let took = now.saturating_duration_since(place.begun).as_secs_f64();
        let now = state.seconds(now);
        state.last_end = now;
        if place.is_first {
            state.first_ended += 1;
            state.first_seconds += took;
            if state.first_ended == FIRST_CALLS {
                state.usual = state.first_seconds / f64::from(FIRST_CALLS);
                return state.begin_window(now);
            }
        }
        // Nothing is known, and nothing limited, until the first calls have ended.
        if state.first_ended < FIRST_CALLS {
            return;
        }
        state.window.ended += 1.0;
        state.window.seconds += took;
        state.window.in_time += f64::from(u8::from(in_time));
        state.look(now);
        self.publish(&state);
    }

    fn publish(&self, state: &State) {
        self.is_limiting.store(state.mode != Mode::Open, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn seconds(&mut self, now: Instant) -> f64 {
        let epoch = *self.epoch.get_or_insert(now);
        now.saturating_duration_since(epoch).as_secs_f64()
    }

    fn begin_window(&mut self, now: f64) {
        self.window = Window { begun: now, in_flight: self.in_flight.into(), ..Window::default() };
    }

    fn open(&mut self) {
        (self.mode, self.limit, self.growth) = (Mode::Open, f64::INFINITY, None);
    }

    /// The calls in flight at this rate with a short queue, by Little's law.
    fn wanted_limit(&self, rate: f64) -> f64 {
        (rate * self.short_latency()).max(LIMIT_MIN)
    }

    /// How long a call takes with a short queue.
    fn short_latency(&self) -> f64 {
        1.25 * self.usual + self.delay_target / 2.0
    }

    fn begin_trial(&mut self, rate: f64, latency: f64) {
        (self.mode, self.growth, self.calm_windows) = (Mode::Draining, None, 0);
        (self.compared_rate, self.compared_latency) = (rate, latency);
        self.limit = self.wanted_limit(rate);
    }

    /// Whether the window is over.
    fn is_due(&self, now: f64) -> bool {
        let age = now - self.window.begun;
        match self.mode {
            Mode::Open => {
                age >= WINDOW_SECONDS_MIN.max(self.last_latency.min(1.0)) && self.window.ended >= WINDOW_CALLS_MIN
            }
            Mode::Draining | Mode::Settling { .. } => age >= 0.005,
            Mode::Doubling => age >= self.last_latency.clamp(0.02, 1.0),
            Mode::Trial | Mode::Held | Mode::Probe => {
                let calls = WINDOW_CALLS_MIN / self.compared_rate.max(1.0);
                age >= WINDOW_SECONDS_MIN.max(calls).max(2.0 * self.short_latency()).min(2.0)
            }
        }
    }

    /// Ends the window if it is over, and acts on its counts.
    fn look(&mut self, now: f64) {
        if !self.is_due(now) {
            return;
        }
        let Window { begun, ended, in_time, seconds, .. } = self.window;
        let rate = in_time / (now - begun).max(1e-6);
        let latency = seconds / ended.max(1.0);
        self.last_latency = latency;
        let is_long = latency > 2.0 * self.usual + self.delay_target;
        match self.mode {
            Mode::Open => self.look_for_a_queue(now, rate, latency, is_long),
            Mode::Draining => {
                // Two seconds are enough: a call that is still in flight then does not end because of a limit.
                if f64::from(self.in_flight) > self.limit * WITHIN_SHARE && now - begun < 2.0 {
                    return;
                }
                self.mode = Mode::Settling { since: now };
                return;
            }
            Mode::Settling { since } => {
                if now - since < self.short_latency() {
                    return;
                }
                self.mode = Mode::Trial;
            }
            Mode::Trial => self.judge_trial(now, rate, latency),
            Mode::Held => self.hold(rate, latency, is_long),
            Mode::Doubling => self.mode = Mode::Probe,
            Mode::Probe => {
                if rate > 1.25 * self.compared_rate {
                    // The limit was too low, so the next doubling comes soon.
                    self.usual = self.usual.max(self.compared_latency.min(latency));
                    self.held_windows = WINDOWS_PER_PROBE;
                } else {
                    self.limit = self.limit_before_probe;
                    self.held_windows = 0;
                }
                self.mode = Mode::Held;
            }
        }
        self.begin_window(now);
    }

    fn look_for_a_queue(&mut self, now: f64, rate: f64, latency: f64, is_long: bool) {
        if latency < self.usual {
            self.usual = latency;
        } else {
            self.usual += (latency - self.usual) * 0.002;
        }
        self.best_rate = rate.max(0.98 * self.best_rate);
        if is_long {
            let (in_flight, ended) = self.growth.unwrap_or((self.window.in_flight, 0.0));
            let ended = ended + self.window.ended;
            self.growth = Some((in_flight, ended));
            // More calls arrive than end, by more than chance explains.
            let grows = f64::from(self.in_flight) - in_flight > 0.01 * ended + 2.0 * (2.0 * ended).sqrt();
            let is_flat = rate >= 0.8 * self.best_rate && rate <= 1.15 * self.last_rate;
            let late = (self.window.ended - self.window.in_time) / self.window.ended.max(1.0);
            if now >= self.next_trial && (grows && is_flat || late > 0.2) {
                self.begin_trial(rate.max(self.last_rate), latency);
            }
        } else {
            self.growth = None;
        }
        self.last_rate = rate;
    }

    fn judge_trial(&mut self, now: f64, rate: f64, latency: f64) {
        if !self.window.has_refused {
            // The load went away, or callers throttle themselves for a while after refusals. The experiment goes on until the
            // limit is reached or is not needed any more.
            self.calm_windows += 1;
            if self.calm_windows >= CALM_WINDOWS {
                self.open();
            }
        } else if rate >= RATE_KEPT_MIN * self.compared_rate {
            (self.mode, self.pause) = (Mode::Held, PAUSE_SECONDS_MIN);
            (self.calm_windows, self.held_windows) = (0, 0);
        } else {
            // Calls take this long even without a queue.
            self.usual = self.compared_latency.max(latency);
            self.next_trial = now + self.pause;
            self.pause = (self.pause * 2.0).min(PAUSE_SECONDS_MAX);
            self.open();
        }
    }

    fn hold(&mut self, rate: f64, latency: f64, is_long: bool) {
        self.held_windows += 1;
        self.calm_windows = if self.window.has_refused { 0 } else { self.calm_windows + 1 };
        if self.calm_windows >= CALM_WINDOWS {
            return self.open();
        }
        if !self.window.has_refused || self.window.ended == 0.0 {
            return;
        }
        self.usual = self.usual.min(latency);
        if !is_long {
            // Calls may take longer than `short_latency` without a queue, for example where handlers wait for a core. A limit that
            // followed the throughput alone would shrink then, and the throughput with it.
            let in_use = (rate * latency).min(self.limit);
            self.limit += 0.3 * (self.wanted_limit(rate).max(in_use) - self.limit);
            if self.held_windows >= WINDOWS_PER_PROBE {
                self.held_windows = 0;
                (self.compared_rate, self.compared_latency) = (rate, latency);
                self.limit_before_probe = self.limit;
                self.limit *= 2.0;
                self.mode = Mode::Doubling;
            }
        } else if self.held_windows > 2 {
            // During the first windows, calls that a probe has admitted are still in flight.
            self.begin_trial(rate, latency);
        }
    }
}

#[cfg(test)]
mod tests;
