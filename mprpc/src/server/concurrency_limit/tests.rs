//! Tests the limit against a model of the resource that handlers wait for: places held for a time each, under virtual time.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use super::*;

const SECOND: u64 = 1_000_000_000;
const DEADLINE: u64 = SECOND;

/// A resource that calls wait for, and the load of its callers.
struct Model<'a> {
    /// How many calls are served at the same time; `None` means all.
    places: Option<usize>,
    /// How long a call takes, in nanoseconds, at a given time.
    takes: &'a dyn Fn(&mut fastrand::Rng, u64) -> u64,
    /// Calls a second of each caller, at a given time.
    rates: &'a dyn Fn(usize, u64) -> f64,
    callers: usize,
    seconds: u64,
    /// Only calls that begin after this time count.
    counted_from: u64,
    /// The deadline of calls, in nanoseconds.
    deadline: u64,
    priority: Priority,
}

/// 20 places of 5 ms serve 4,000 calls a second; one caller makes twice as many.
const TWENTY_PLACES: Model<'static> = Model {
    places: Some(20),
    takes: &five_ms,
    rates: &|_, _| 8000.0,
    callers: 1,
    seconds: 6,
    counted_from: 3 * SECOND,
    deadline: DEADLINE,
    priority: Priority::Critical,
};

#[derive(Default)]
struct Outcome {
    offered: Vec<u64>,
    answered: Vec<u64>,
    refused: u64,
    latencies: Vec<u64>,
    /// The length of each experiment, from its begin to its verdict.
    trials: Vec<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Served(usize),
    Expires(usize),
    Comes(usize),
}

impl Model<'_> {
    fn run(&self, limit: &ConcurrencyLimit, seed: u64) -> Outcome {
        let mut random = fastrand::Rng::with_seed(seed);
        let begin = Instant::now();
        let at = |nanos: u64| begin + Duration::from_nanos(nanos);
        let mut outcome =
            Outcome { offered: vec![0; self.callers], answered: vec![0; self.callers], ..Outcome::default() };
        let mut events = BinaryHeap::new();
        let (mut free, mut waiting) = (self.places, VecDeque::new());
        // Caller, begin, place. The place is `None` once the call has ended for its caller.
        let mut calls: Vec<(usize, u64, Option<Admitted>)> = Vec::new();
        let mut trial_began = None;
        (0..self.callers).for_each(|caller| events.push(Reverse((0, Event::Comes(caller)))));
        while let Some(Reverse((now, event))) = events.pop() {
            if now > self.seconds * SECOND {
                break;
            }
            match event {
                Event::Comes(caller) => {
                    let rate = (self.rates)(caller, now).max(0.001);
                    let pause = (-(1.0 - random.f64()).ln() / rate * SECOND as f64) as u64;
                    events.push(Reverse((now + pause.max(1), Event::Comes(caller))));
                    let counts = u64::from(now >= self.counted_from);
                    outcome.offered[caller] += counts;
                    if limit.is_limiting() && limit.refuses(caller as u64, self.priority, at(now)) {
                        outcome.refused += counts;
                        continue;
                    }
                    let call = calls.len();
                    calls.push((caller, now, Some(limit.begun(caller as u64, at(now)))));
                    events.push(Reverse((now + self.deadline, Event::Expires(call))));
                    waiting.push_back(call);
                }
                Event::Served(call) => {
                    if let Some(free) = &mut free {
                        *free += 1;
                    }
                    let (caller, begun, place) = calls[call];
                    if let Some(place) = place {
                        calls[call].2 = None;
                        limit.ended(place, true, at(now));
                        if begun >= self.counted_from {
                            outcome.answered[caller] += 1;
                            outcome.latencies.push(now - begun);
                        }
                    }
                }
                Event::Expires(call) => {
                    if let Some(place) = calls[call].2.take() {
                        limit.ended(place, false, at(now));
                    }
                }
            }
            match limit.lock().mode {
                Mode::Draining | Mode::Settling { .. } | Mode::Trial => {
                    trial_began.get_or_insert(now);
                }
                _ => outcome.trials.extend(trial_began.take().map(|began| now - began)),
            }
            while free != Some(0) {
                let Some(call) = waiting.pop_front() else { break };
                // The call of a caller that gave up has left the queue.
                if calls[call].2.is_none() {
                    continue;
                }
                if let Some(free) = &mut free {
                    *free -= 1;
                }
                events.push(Reverse((now + (self.takes)(&mut random, now), Event::Served(call))));
            }
        }
        outcome.latencies.sort_unstable();
        outcome
    }
}

impl Outcome {
    fn p99_ms(&self) -> u64 {
        self.latencies[self.latencies.len() * 99 / 100] / 1_000_000
    }

    fn answered_per_second(&self, seconds: u64) -> f64 {
        self.answered.iter().sum::<u64>() as f64 / seconds as f64
    }
}

fn limit() -> ConcurrencyLimit {
    ConcurrencyLimit::new(Duration::from_millis(50))
}

/// Returns about 5 ms.
fn five_ms(random: &mut fastrand::Rng, _: u64) -> u64 {
    random.u64(4_000_000..6_000_000)
}

#[test]
fn limited_resource_stays_busy_at_every_load_and_calls_wait_briefly() {
    for (load, seed) in [(0.5, 1), (1.0, 2), (2.0, 3), (5.0, 4)] {
        let outcome = Model { rates: &|_, _| 4000.0 * load, ..TWENTY_PLACES }.run(&limit(), seed);
        let (good, p99) = (outcome.answered_per_second(3), outcome.p99_ms());
        assert!(good >= 0.9 * 4000.0 * f64::min(load, 1.0), "{load}: {good}");
        assert!(p99 < 150, "{load}: p99 {p99} ms");
    }
}

#[test]
fn varying_latency_without_a_queue_causes_almost_no_refusals() {
    // From 1 ms to 2 s, log-uniform.
    let takes = |random: &mut fastrand::Rng, _| (1e6 * 2000f64.powf(random.f64())) as u64;
    for seed in 0..3 {
        let rates = |_: usize, now: u64| if (now / SECOND).is_multiple_of(2) { 100.0 } else { 1500.0 };
        let model = Model {
            places: None,
            takes: &takes,
            rates: &rates,
            seconds: 10,
            counted_from: 0,
            deadline: 5 * SECOND,
            ..TWENTY_PLACES
        };
        let outcome = model.run(&limit(), seed);
        assert!(outcome.refused * 50 < outcome.offered[0], "{} of {}", outcome.refused, outcome.offered[0]);
    }
}

#[test]
fn calls_parked_for_seconds_are_not_limited() {
    let rates = |_: usize, now: u64| if now < SECOND / 10 { 20_000.0 } else { 100.0 };
    let model = Model {
        places: None,
        takes: &|_, _| 5 * SECOND,
        rates: &rates,
        seconds: 12,
        counted_from: 0,
        deadline: 60 * SECOND,
        ..TWENTY_PLACES
    };
    let outcome = model.run(&limit(), 1);
    assert_eq!((outcome.refused, outcome.answered[0] > 1500), (0, true));
}

#[test]
fn limit_is_lifted_after_overload() {
    let rates = |_: usize, now: u64| if now < 4 * SECOND { 8000.0 } else { 2000.0 };
    let model = Model { rates: &rates, seconds: 8, counted_from: 5 * SECOND, ..TWENTY_PLACES };
    let limit = limit();
    let outcome = model.run(&limit, 7);
    assert_eq!((outcome.refused, limit.is_limiting()), (0, false));
}

#[test]
fn flooding_caller_leaves_others_their_share() {
    let rates = |caller: usize, _: u64| if caller == 0 { 40_000.0 } else { 0.08 * 4000.0 };
    let model = Model { rates: &rates, callers: 10, seconds: 5, counted_from: 2 * SECOND, ..TWENTY_PLACES };
    let outcome = model.run(&limit(), 5);
    let (offered, answered) = (outcome.offered[1..].iter().sum::<u64>(), outcome.answered[1..].iter().sum::<u64>());
    assert!(answered as f64 >= 0.95 * offered as f64, "{answered} of {offered}");
}

#[test]
fn handler_delay_target_sets_the_added_latency_under_overload() {
    let p99 = |target| TWENTY_PLACES.run(&ConcurrencyLimit::new(Duration::from_millis(target)), 3).p99_ms();
    let (short, long) = (p99(50), p99(200));
    assert!((10..100).contains(&short) && (100..400).contains(&long), "{short} and {long} ms");
}

#[test]
fn trial_ends_soon_while_callers_within_their_share_fill_the_limit() {
    for priority in [Priority::Critical, Priority::Normal] {
        for seed in 0..3 {
            let limit = limit();
            let model = Model { rates: &|_, _| 800.0, callers: 10, seconds: 4, priority, ..TWENTY_PLACES };
            let outcome = model.run(&limit, seed);
            let longest = outcome.trials.iter().max().expect("a trial is begun and judged") / 1_000_000;
            assert!(longest < 300, "seed {seed}, {priority}: {longest} ms");
            assert!(limit.is_limiting(), "seed {seed}, {priority}: the trial was lifted");
        }
    }
}
