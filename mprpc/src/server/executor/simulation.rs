//! Simulates overload event by event on the real queue and the real admission, without threads or a clock, for 1,000 seeds.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::{Duration, Instant};

use super::*;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::server::Server;
use crate::server::tests::Probe;

const SEEDS: u64 = 1000;
const DEADLINE: Duration = Duration::from_secs(1);
/// The time that a refusal costs a worker.
const REFUSAL: Duration = Duration::from_micros(10);

/// The rate of one caller, in calls a second, and the priority of its calls.
#[derive(Clone, Copy)]
struct Caller {
    rate: f64,
    priority: Priority,
}

struct Simulation {
    shared: Arc<Shared>,
    route: Route,
    random: fastrand::Rng,
    workers: usize,
    service: Duration,
    begin: Instant,
}

/// What one caller offered within the counted time, and how much of that was answered.
#[derive(Clone, Copy, Debug, Default)]
struct Outcome {
    offered: u32,
    answered: u32,
    longest: Duration,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    Done { caller: usize, came: Duration },
    Comes(usize),
}

impl Simulation {
    fn new(seed: u64, workers: usize, service: Duration) -> Simulation {
        let shared = Server::default().add(Probe).share().unwrap();
        let route = shared.router.route("test.Probe/Echo").unwrap();
        let begin = clock::now();
        {
            // The simulation takes calls out of the queue itself, so the executor must neither start a runner nor end one.
            let mut state = shared.executor.any_core.lock();
            (state.runners, state.runners_allowed) = (usize::MAX / 2, usize::MAX / 2);
            state.stuck_at = begin.checked_add(Duration::from_secs(3600));
            state.is_watched = true;
        }
        Simulation { shared, route, random: fastrand::Rng::with_seed(seed), workers, service, begin }
    }

    /// Simulates `time`, and counts the events after `counted_from`.
    fn run(&mut self, callers: &[Caller], time: Duration, counted_from: Duration) -> Vec<Outcome> {
        let peers: Vec<Arc<Peer>> = (0..callers.len()).map(|_| Arc::new(peer())).collect();
        let mut outcomes = vec![Outcome::default(); callers.len()];
        let mut events: BinaryHeap<_> =
            (0..callers.len()).map(|caller| Reverse((Duration::ZERO, Event::Comes(caller)))).collect();
        let mut free = self.workers;
        let mut debt = Duration::ZERO;
        while let Some(Reverse((now, event))) = events.pop() {
            if now > time {
                break;
            }
            match event {
                Event::Comes(caller) => {
                    let pause = -(1.0 - self.random.f64()).ln() / callers[caller].rate;
                    events.push(Reverse((now + Duration::from_secs_f64(pause), Event::Comes(caller))));
                    outcomes[caller].offered += u32::from(now >= counted_from);
                    let flow = Flow { priority: callers[caller].priority, ..Flow::of(&peers[caller]) };
                    if !self.comes(&peers[caller], flow, caller, now) {
                        debt += REFUSAL;
                    }
                }
                Event::Done { caller, came } => {
                    free += 1;
                    self.route.placement.spread_poll_took(self.service);
                    if now >= counted_from && now - came <= DEADLINE {
                        outcomes[caller].answered += 1;
                        outcomes[caller].longest = outcomes[caller].longest.max(now - came);
                    }
                }
            }
            while free > 0 && self.shared.executor.waiting() > 0 {
                let at = self.begin + now;
                let Some(queued) = self.shared.next_call(RunOn::AnyCore, at) else { break };
                assert!(!queued.call.context().deadline().has_passed(at), "a call begins after its deadline");
                free -= 1;
                let came = queued.arrived - self.begin;
                let done = now + self.service + std::mem::take(&mut debt);
                events.push(Reverse((done, Event::Done { caller: queued.caller as usize, came })));
            }
        }
        outcomes
    }

    /// Offers a call to the server; returns whether the server admits the call.
    fn comes(&self, peer: &Arc<Peer>, flow: Flow, caller: usize, now: Duration) -> bool {
        let now = self.begin + now;
        if self.shared.refuses(&self.route, RunOn::AnyCore, flow, now).is_some() {
            return false;
        }
        let deadline = Deadline::after(now, DEADLINE);
        let context = Context::new(self.route.method.clone(), peer.clone(), deadline, Metadata::new());
        let running = RunningCall::new(&self.shared, &self.route, context);
        let call = RemoteCall::new(&running, Waker::noop().clone());
        let request = Body::Message(crate::Bytes::new());
        let (route, caller) = (self.route.clone(), caller as u64);
        let queued = QueuedCall { call, running, route, request, caller, arrived: now };
        self.shared.run_elsewhere(RunOn::AnyCore, flow, queued, now);
        true
    }
}

fn peer() -> Peer {
    let address = Address::Memory("test".into());
    Peer { address: address.clone(), local: address, identity: None, proxy: None }
}

const fn normal(rate: f64) -> Caller {
    Caller { rate, priority: Priority::Normal }
}

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[tokio::test]
async fn server_answers_nine_tenths_of_its_capacity_at_every_load() {
    let mut longest = Vec::new();
    let (mut all_offered, mut all_answered) = (0.0, 0.0);
    for seed in 0..SEEDS {
        let load = [1.0, 2.0, 5.0, 10.0][seed as usize % 4];
        let (workers, service) = [(2, ms(5)), (4, ms(5)), (2, ms(20))][seed as usize % 3];
        let capacity = workers as f64 / service.as_secs_f64();
        let mut simulation = Simulation::new(seed, workers, service);
        let outcome = simulation.run(&[normal(load * capacity)], ms(1500), ms(500))[0];
        let offered = f64::from(outcome.offered).min(capacity);
        // At a load of exactly the capacity, chance alone decides how long the queue is empty.
        let answered = f64::from(outcome.answered);
        let share = if load == 1.0 { 0.8 } else { 0.9 };
        assert!(answered >= share * offered, "seed {seed}, load {load}: {outcome:?} of {offered}");
        (all_offered, all_answered) = (all_offered + offered, all_answered + f64::from(outcome.answered));
        longest.push(outcome.longest);
    }
    assert!(all_answered >= 0.9 * all_offered, "{all_answered} of {all_offered}");
    longest.sort();
    let p99 = longest[longest.len() * 99 / 100];
    assert!(p99 < ms(150), "{p99:?}");
}

#[tokio::test]
async fn server_refuses_nothing_one_second_after_a_flood() {
    for seed in 0..100 {
        let mut simulation = Simulation::new(seed, 2, ms(5));
        simulation.run(&[normal(4000.0)], ms(1000), ms(0));
        // The queue of the flood is still there. One second later the server refuses nothing any more.
        simulation.begin += ms(1000);
        let outcome = simulation.run(&[normal(200.0)], ms(2000), ms(1000))[0];
        assert!(outcome.answered + 10 >= outcome.offered, "seed {seed}: {outcome:?}");
    }
}

#[tokio::test]
async fn flooding_caller_does_not_take_the_share_of_others() {
    let (mut offered, mut answered) = (0, 0);
    for seed in 0..SEEDS / 4 {
        let mut callers = [normal(0.09 * 400.0); 10];
        callers[9] = normal(10.0 * 400.0);
        let outcomes = Simulation::new(seed, 2, ms(5)).run(&callers, ms(1500), ms(300));
        for outcome in &outcomes[..9] {
            assert!(outcome.answered * 2 > outcome.offered, "seed {seed}: one starves, {outcomes:?}");
            (offered, answered) = (offered + outcome.offered, answered + outcome.answered);
        }
        assert!(outcomes[9].answered > 0, "seed {seed}: the one that floods starves");
    }
    assert!(f64::from(answered) >= 0.95 * f64::from(offered), "{answered} of {offered}");
}

#[tokio::test]
async fn lower_priority_calls_are_refused_first_and_no_priority_starves() {
    let of = |priority| Caller { rate: 400.0, priority };
    let mut answered = [0; 3];
    for seed in 0..SEEDS / 4 {
        let callers = [of(Priority::Critical), of(Priority::Normal), of(Priority::Sheddable)];
        let outcomes = Simulation::new(seed, 2, ms(5)).run(&callers, ms(1500), ms(300));
        for (all, outcome) in answered.iter_mut().zip(&outcomes) {
            *all += outcome.answered;
        }
    }
    let [critical, normal, sheddable] = answered.map(f64::from);
    let all = critical + normal + sheddable;
    assert!(critical > 0.75 * all && normal > 3.0 * sheddable && sheddable > 0.0, "{answered:?}");
}

#[tokio::test]
async fn queue_time_max_bounds_the_wait_of_a_call_and_the_admission_of_later_calls() {
    let simulation = Simulation::new(1, 1, ms(5));
    let limits = &simulation.shared.limits;
    let (peer, max) = (Arc::new(peer()), limits.queue_time_max);
    let flow = Flow::of(&peer);
    assert!(simulation.comes(&peer, flow, 0, ms(0)));
    assert!(simulation.comes(&peer, flow, 0, max));
    assert!(!simulation.comes(&peer, flow, 0, max + ms(1)));
    // The server still admits another caller.
    let other = Arc::new(self::peer());
    assert!(simulation.comes(&other, Flow::of(&other), 1, max + ms(1)));
    // The first call has waited too long and is refused in the queue; the second call still runs.
    let next = || simulation.shared.next_call(RunOn::AnyCore, simulation.begin + max + ms(1)).unwrap().arrived;
    let mut arrived = [next(), next()];
    arrived.sort();
    assert_eq!(arrived, [max, max + ms(1)].map(|at| simulation.begin + at));
    let refused = simulation.shared.overload_status.to_string();
    assert!(refused.contains("queue_time_max 100ms") && refused.contains("queue_time_target 20ms"), "{refused}");
    assert_eq!(simulation.shared.stats().calls_refused, 2);
}

#[tokio::test]
async fn queue_time_target_bounds_a_standing_queue() {
    let simulation = Simulation::new(1, 1, ms(5));
    let (peer, target) = (Arc::new(peer()), simulation.shared.limits.queue_time_target);
    let flow = Flow::of(&peer);
    // Every call waits three times the target, for longer than 100 ms. That wait is shorter than the longest that a call
    // may wait.
    let mut refused_at = Vec::new();
    for at in (0..300).step_by(5) {
        if !simulation.comes(&peer, flow, 0, ms(at)) {
            refused_at.push(at);
        }
        if ms(at) >= 3 * target {
            simulation.shared.next_call(RunOn::AnyCore, simulation.begin + ms(at));
        }
    }
    assert!(refused_at.first().is_some_and(|first| (100..200).contains(first)), "{refused_at:?}");
}
