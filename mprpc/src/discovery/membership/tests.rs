//! Tests of `Membership`: single rules under a clock that the test moves, and a property over 10,000 seeds.

use std::collections::BTreeSet;

use super::*;

const HOLD: Duration = Duration::from_secs(10);

fn endpoint(port: u16) -> Endpoint {
    Endpoint::new(Address::Tcp(([10, 0, 0, 1], port).into()))
}

fn current(ports: &[u16]) -> Resolution {
    Resolution::current(ports.iter().map(|port| endpoint(*port)).collect(), "test:registry")
}

fn port(address: &Address) -> u16 {
    match address {
        Address::Tcp(address) => address.port(),
        other => panic!("{other}"),
    }
}

/// A membership, its clock, and what is true of the providers.
struct World {
    membership: Membership,
    now: Instant,
    /// The ports that accept connections.
    alive: BTreeSet<u16>,
    /// The ports to which a connection is open.
    connected: BTreeSet<u16>,
    view: BTreeSet<u16>,
    views: Vec<Instant>,
    probes: usize,
}

impl World {
    fn new(sources: usize, seed: u64) -> World {
        let pending = (0..sources).map(|_| ResolutionState::Pending("being read".into()));
        World {
            membership: Membership::new("test.Who", HOLD, pending, fastrand::Rng::with_seed(seed)),
            now: Instant::now(),
            alive: BTreeSet::new(),
            connected: BTreeSet::new(),
            view: BTreeSet::new(),
            views: Vec::new(),
            probes: 0,
        }
    }

    /// A world in which all of these ports are listed, alive and connected.
    fn with(ports: &[u16]) -> World {
        let mut world = World::new(1, 1);
        world.alive.extend(ports);
        world.connected.extend(ports);
        world.list(&current(ports));
        world
    }

    fn list(&mut self, resolution: &Resolution) {
        self.list_of(0, resolution);
    }

    fn list_of(&mut self, source: usize, resolution: &Resolution) {
        self.membership.update(source, resolution, self.now);
        self.step();
    }

    /// Does what is due now.
    fn step(&mut self) {
        let World { alive, connected, .. } = self;
        let link = |endpoint: &Endpoint| match port(&endpoint.address) {
            port if connected.contains(&port) => Link::Open,
            port if alive.contains(&port) => Link::Closed,
            _ => Link::Failing,
        };
        let to_probe = self.membership.tick(self.now, usize::MAX, link);
        self.probes += to_probe.len();
        for endpoint in to_probe {
            let answers = self.alive.contains(&port(&endpoint.address));
            self.membership.probed(&endpoint.address, answers, self.now);
        }
        if let Some(view) = self.membership.take_view(self.now) {
            self.view = view.endpoints.iter().map(|endpoint| port(&endpoint.address)).collect();
            self.views.push(self.now);
        }
    }

    /// Moves the clock and does on the way what is due.
    fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(next) = self.membership.next_at(self.now).filter(|next| *next <= end) {
            assert!(next >= self.now);
            self.now = next.max(self.now + Duration::from_micros(1));
            self.step();
        }
        self.now = self.now.max(end);
    }

    fn seconds(&mut self, seconds: u64) {
        self.pass(Duration::from_secs(seconds));
    }

    /// Ends a provider, as `kill -9` does.
    fn kill(&mut self, port: u16) {
        self.alive.remove(&port);
        self.connected.remove(&port);
    }

    fn view(&self) -> Vec<u16> {
        self.view.iter().copied().collect()
    }

    fn state(&self) -> ResolutionState {
        self.membership.state(self.view.is_empty())
    }
}

#[test]
fn new_endpoints_and_new_data_count_at_once() {
    let mut world = World::with(&[1, 2]);
    world.seconds(1);
    world.list(&current(&[1, 2, 3]));
    assert_eq!(world.view(), [1, 2, 3]);
    world.seconds(1);
    let drained = Endpoint { weight: 0, ..endpoint(2) };
    world.membership.update(0, &Resolution::current(vec![endpoint(1), drained.clone()], "test"), world.now);
    let view = world.membership.take_view(world.now).unwrap();
    assert!(view.endpoints.contains(&drained), "{view:?}");
}

#[test]
fn removal_is_held_and_then_counts() {
    let mut world = World::with(&[1, 2, 3]);
    world.seconds(1);
    world.list(&current(&[1, 2]));
    world.seconds(9);
    assert_eq!((world.view(), world.membership.counts()), (vec![1, 2, 3], MemberCounts { listed: 2, held: 1 }));
    world.seconds(2);
    assert_eq!((world.view(), world.membership.counts()), (vec![1, 2], MemberCounts { listed: 2, held: 0 }));
    assert_eq!((world.probes, world.membership.next_at(world.now)), (0, None));
}

#[test]
fn removed_provider_whose_connection_ends_leaves_at_once() {
    let mut world = World::with(&[1, 2, 3]);
    world.list(&current(&[1, 2]));
    world.seconds(1);
    world.connected.remove(&3);
    world.pass(LOOK_INTERVAL + VIEW_INTERVAL);
    assert_eq!(world.view(), [1, 2], "GO_AWAY");
    world.seconds(1);
    world.list(&current(&[1, 2, 3]));
    world.seconds(1);
    assert_eq!(world.view(), [1, 2, 3], "it is back");
}

#[test]
fn removed_provider_that_refuses_connections_leaves_at_once() {
    let mut world = World::with(&[1, 2, 3]);
    world.kill(3);
    world.list(&current(&[1, 2]));
    world.pass(VIEW_INTERVAL);
    assert_eq!(world.view(), [1, 2]);
}

#[test]
fn removed_classic_provider_leaves_at_once() {
    let mut world = World::with(&[1, 2]);
    let classic = Endpoint { protocol: Protocol::Classic, ..endpoint(3) };
    world.alive.insert(3);
    world.list(&Resolution::current(vec![endpoint(1), endpoint(2), classic], "test"));
    world.seconds(1);
    assert_eq!(world.view(), [1, 2, 3]);
    world.list(&current(&[1, 2]));
    world.pass(VIEW_INTERVAL);
    assert_eq!(world.view(), [1, 2]);
}

#[test]
fn z11_flapping_provider_never_leaves() {
    let mut world = World::with(&[1, 2, 3]);
    for _ in 0..75 {
        for ports in [&[1, 2][..], &[1, 2, 3]] {
            world.list(&current(ports));
            world.seconds(2);
            assert_eq!(world.view(), [1, 2, 3]);
        }
    }
}

#[test]
fn z09_empty_list_keeps_the_providers_that_answer() {
    let mut world = World::with(&[1, 2, 3]);
    world.kill(2);
    world.connected.remove(&3);
    world.list(&current(&[]));
    assert_eq!(world.view(), [1, 2, 3]);
    assert!(world.state().text().contains("it lists 0 of 3 known providers"), "{:?}", world.state());
    world.seconds(6);
    assert_eq!(world.view(), [1, 3], "2 refuses connections");
    world.seconds(24 * 3600);
    assert_eq!(world.view(), [1, 3]);
    world.list(&current(&[1, 2, 3]));
    world.seconds(1);
    assert_eq!(world.view(), [1, 2, 3]);
    assert_eq!(world.state(), ResolutionState::Current("test:registry".into()));
}

#[test]
fn z09_emptiness_is_accepted_after_failed_probes_and_a_grace() {
    let mut world = World::with(&[1, 2]);
    world.kill(1);
    world.kill(2);
    world.list(&current(&[]));
    world.seconds(4);
    assert!(!world.view().is_empty());
    world.seconds(4);
    assert_eq!(world.view(), [0; 0]);
    assert_eq!(world.state(), ResolutionState::Current("test:registry".into()));
    assert_eq!(world.membership.next_at(world.now), None);
}

#[test]
fn z10_loss_of_more_than_half_is_checked_with_the_providers() {
    let mut world = World::with(&[1, 2, 3, 4, 5]);
    world.kill(5);
    world.list(&current(&[1, 2]));
    world.seconds(60);
    assert_eq!(world.view(), [1, 2, 3, 4]);
    let counts = MemberCounts { listed: 2, held: 2 };
    assert_eq!(world.membership.counts(), counts);
    world.list(&current(&[1, 2, 3]));
    world.seconds(9);
    assert_eq!(world.view(), [1, 2, 3, 4], "the list is believed again, and 4 is held");
    world.seconds(2);
    assert_eq!(world.view(), [1, 2, 3]);
}

#[test]
fn z10_removals_one_by_one_are_doubted_from_half_on() {
    let mut world = World::with(&[1, 2, 3, 4, 5, 6]);
    for last in (2..6).rev() {
        world.list(&current(&(1..=last).collect::<Vec<_>>()));
        world.seconds(1);
    }
    world.seconds(60);
    assert_eq!(world.view(), [1, 2, 3, 4, 5, 6], "4 of 6 within the hold are too many");
}

#[test]
fn list_that_names_some_is_believed_in_the_end() {
    let mut world = World::with(&[1, 2, 3, 4, 5]);
    world.list(&current(&[1]));
    world.pass(DOUBT_MAX - Duration::from_secs(1));
    assert_eq!(world.view(), [1, 2, 3, 4, 5]);
    world.pass(HOLD + Duration::from_secs(2));
    assert_eq!(world.view(), [1]);
}

#[test]
fn stale_and_pending_lists_remove_nothing() {
    let mut world = World::with(&[1, 2, 3]);
    let short = Resolution { state: ResolutionState::Stale("away".into()), ..current(&[1]) };
    world.list(&short);
    world.list(&Resolution::pending("away"));
    world.seconds(100);
    assert_eq!(world.view(), [1, 2, 3]);
}

#[test]
fn z12_updates_are_coalesced() {
    let mut world = World::with(&(1..=200).collect::<Vec<_>>());
    let mut listed: Vec<u16> = (1..=200).collect();
    // 200 providers restart within a minute, each at a new address.
    for index in 0..200u16 {
        listed[usize::from(index)] = 1000 + index;
        world.alive.insert(1000 + index);
        world.list(&current(&listed));
        world.kill(index + 1);
        world.pass(Duration::from_millis(10));
        listed.sort_by_key(|port| *port < 1000);
        listed.sort_by_key(|port| *port >= 1000);
        world.list(&current(&listed));
        world.pass(Duration::from_millis(290));
        assert!(world.view.len() >= 199, "{}", world.view.len());
    }
    let shortest = world.views.windows(2).map(|pair| pair[1] - pair[0]).min().unwrap();
    assert!(shortest >= VIEW_INTERVAL, "{shortest:?}");
    assert!(world.views.len() <= 601, "{}", world.views.len());
}

#[test]
fn z25_emptiness_of_one_source_does_not_remove_the_endpoints_of_the_other() {
    let mut world = World::new(2, 1);
    world.alive.extend(1..=6);
    world.list_of(0, &current(&[1, 2, 3]));
    world.list_of(1, &current(&[3, 4, 5, 6]));
    world.seconds(1);
    assert_eq!(world.view(), [1, 2, 3, 4, 5, 6]);
    world.list_of(0, &current(&[]));
    world.kill(2);
    world.seconds(60);
    assert_eq!(world.view(), [1, 3, 4, 5, 6], "1 answers a probe, 3 is listed by the other source");
    world.list_of(1, &Resolution { state: ResolutionState::Stale("etcd away".into()), ..current(&[3, 4, 5, 6]) });
    world.seconds(60);
    assert_eq!(world.view(), [1, 3, 4, 5, 6]);
    assert!(world.state().text().contains("etcd away"), "{:?}", world.state());
}

#[test]
fn view_of_several_sources_waits_for_all_while_it_is_empty() {
    let mut world = World::new(2, 1);
    world.list_of(0, &current(&[]));
    assert!(matches!(world.state(), ResolutionState::Pending(_)), "{:?}", world.state());
    world.list_of(1, &current(&[1]));
    assert!(matches!(world.state(), ResolutionState::Current(_)), "{:?}", world.state());
}

/// What a registry does wrong, and for how long: its answers are a fault, whatever they are.
fn fault(rng: &mut fastrand::Rng, good: &[u16]) -> (Resolution, Duration) {
    let seconds = Duration::from_secs_f64;
    let stale = || ResolutionState::Stale("away".into());
    match rng.u8(..5) {
        0 => (Resolution { state: stale(), ..current(good) }, seconds(rng.f64() * 300.0)),
        1 => (Resolution { state: stale(), ..current(&[]) }, seconds(rng.f64() * 300.0)),
        2 => (current(&[]), seconds(rng.f64() * 300.0)),
        // Loses more than half, for any time below DOUBT_MAX.
        3 => {
            let mut left = good.to_vec();
            rng.shuffle(&mut left);
            left.truncate(rng.usize(..good.len().div_ceil(2).max(1)));
            (current(&left), seconds(rng.f64() * 300.0))
        }
        // Loses some, for less than the hold.
        _ => {
            let mut left = good.to_vec();
            rng.shuffle(&mut left);
            left.truncate(rng.usize(good.len().div_ceil(2)..=good.len()));
            (current(&left), seconds(rng.f64() * 9.0))
        }
    }
}

#[test]
fn faults_of_a_registry_never_take_a_living_provider_from_callers_for_ten_thousand_seeds() {
    crate::discovery::seeds::run(&[], 10_000, play_faults);
}

/// Plays a random history of a fleet and the faults of its registries.
fn play_faults(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let sources = 1 + rng.usize(..2);
    let mut world = World::new(sources, seed);
    // Each provider is registered in one of the sources, or in both.
    let mut registered: Vec<BTreeSet<u16>> = vec![BTreeSet::new(); sources];
    let mut next_port = 1;
    let mut start = |world: &mut World, registered: &mut [BTreeSet<u16>], rng: &mut fastrand::Rng| {
        world.alive.insert(next_port);
        let place = rng.usize(..=sources);
        for (index, list) in registered.iter_mut().enumerate() {
            if place == sources || place == index {
                list.insert(next_port);
            }
        }
        next_port += 1;
    };
    for _ in 0..rng.usize(1..8) {
        start(&mut world, &mut registered, &mut rng);
    }
    let good = |registered: &[BTreeSet<u16>], source: usize| registered[source].iter().copied().collect::<Vec<_>>();
    for source in 0..sources {
        world.list_of(source, &current(&good(&registered, source)));
    }
    for _ in 0..rng.usize(1..8) {
        // The registry works, and the fleet changes.
        match rng.u8(..4) {
            0 => start(&mut world, &mut registered, &mut rng),
            // A provider stops: it withdraws, and its connections end.
            1 => {
                if let Some(stopped) = rng.choice(world.alive.clone()) {
                    registered.iter_mut().for_each(|list| list.retain(|port| *port != stopped));
                    world.kill(stopped);
                }
            }
            // Calls open connections, and idle ones close.
            2 => world.connected = world.alive.iter().copied().filter(|_| rng.bool()).collect(),
            _ => {}
        }
        for source in 0..sources {
            world.list_of(source, &current(&good(&registered, source)));
        }
        world.pass(VIEW_INTERVAL);
        // Then it has a fault.
        let source = rng.usize(..sources);
        let (answer, time) = fault(&mut rng, &good(&registered, source));
        // A connection that ends by itself while its provider is missing counts as a provider that has stopped.
        world.list_of(source, &answer);
        world.pass(time);
        let missing: Vec<&u16> = world.alive.difference(&world.view).collect();
        assert!(missing.is_empty(), "seed {seed}: {missing:?} live and are not used after {answer:?} for {time:?}");
    }
    // When the registry works again, its list counts.
    for source in 0..sources {
        world.list_of(source, &current(&good(&registered, source)));
    }
    world.pass(DOUBT_MAX + HOLD);
    assert_eq!(world.view, world.alive, "seed {seed}");
    assert_eq!(world.membership.next_at(world.now), None, "seed {seed}");
    let shortest = world.views.windows(2).map(|pair| pair[1] - pair[0]).min();
    assert!(shortest.is_none_or(|shortest| shortest >= VIEW_INTERVAL), "seed {seed}: {shortest:?}");
}
