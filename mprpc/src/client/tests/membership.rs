//! Tests of channels whose registry has faults: lists that lose providers, flap, are empty or late. Under virtual time.

use super::*;
use crate::discovery::ServiceResolution;
use crate::testing::Host;

fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Each endpoint in its turn, so that a few calls show which endpoints are used.
fn in_turn() -> ChannelOptions {
    ChannelOptions { balancer: Policy::RoundRobin, slow_start: Duration::ZERO, ..ChannelOptions::default() }
}

fn pending() -> Resolution {
    let waits = ResolutionState::Pending("zookeeper 10.0.0.9:2181: connection refused".into());
    Resolution { endpoints: Arc::new([]), state: waits }
}

impl TestBed {
    fn host(&self, address: &str) -> Host {
        self.network.host(address)
    }

    fn list(&self, endpoints: &[&str]) {
        self.registry.send_replace(listed(endpoints));
    }

    /// Who answers `calls` calls, 10 ms apart. None may fail.
    async fn answers(&self, calls: usize) -> Vec<String> {
        let mut names = Vec::new();
        for _ in 0..calls {
            names.push(self.who().await.unwrap());
            sleep(ms(10)).await;
        }
        names.sort();
        names.dedup();
        names
    }
}

#[tokio::test(start_paused = true)]
async fn removal_hold_keeps_calls_on_an_endpoint_that_its_registry_no_longer_lists() {
    let world = world_with(listed(&[A, B]), in_turn());
    world.start_all(&[A, B]);
    assert_eq!(world.answers(10).await, [A, B]);
    world.list(&[A]);
    sleep(seconds(9)).await;
    assert_eq!(world.answers(10).await, [A, B]);
    sleep(seconds(1)).await;
    assert_eq!(world.answers(10).await, [A]);
}

#[tokio::test(start_paused = true)]
async fn z16_dead_provider_that_stays_listed_delays_no_call_and_is_tried_again_with_backoff() {
    let world = world_with(listed(&[A, B, C]), in_turn());
    world.start_all(&[A, B, C]);
    assert_eq!(world.answers(9).await, [A, B, C]);
    world.network.kill(B);
    // The end of the connection arrives.
    sleep(ms(100)).await;
    let (attempts, begin) = (world.network.attempts(), Instant::now());
    // The session of the dead provider lasts for another ten seconds.
    assert_eq!(world.answers(1_000).await, [A, C]);
    assert!(begin.elapsed() < seconds(10) + ms(50), "calls waited: {:?}", begin.elapsed());
    let attempts = world.network.attempts() - attempts;
    assert!((3..50).contains(&attempts), "{attempts} attempts to connect");
    world.start(B);
    let begin = Instant::now();
    while world.who().await.unwrap() != B {
        sleep(ms(10)).await;
    }
    assert!(begin.elapsed() <= seconds(5), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn z17_removed_provider_finishes_its_calls_and_then_loses_its_connection() {
    let world = world_with(listed(&[A, B]), in_turn());
    world.start_hanging(A);
    world.start_hanging(B);
    assert_eq!(world.answers(10).await, [A, B]);
    let hanging: Vec<_> = (0..2).map(|_| world.call(HANG).timeout(seconds(30)).into_future()).collect();
    let begin = Instant::now();
    let hanging = tokio::spawn(futures_util::future::join_all(hanging));
    sleep(seconds(1)).await;
    world.list(&[A]);
    sleep(seconds(12)).await;
    assert_eq!(world.answers(10).await, [A]);
    assert_eq!(world.host(B).stats().connections_open, 1, "its call still runs");
    for ended in hanging.await.unwrap() {
        assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
    }
    assert!(begin.elapsed() > seconds(29), "{:?}", begin.elapsed());
    sleep(seconds(1)).await;
    assert_eq!((world.host(A).stats().connections_open, world.host(B).stats().connections_open), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn z11_flapping_provider_keeps_its_connection() {
    let world = world_with(listed(&[A, B]), in_turn());
    world.start_all(&[A, B]);
    for _ in 0..75 {
        for endpoints in [&[A][..], &[A, B]] {
            world.list(endpoints);
            sleep(seconds(2)).await;
            world.answers(4).await;
        }
    }
    assert_eq!(world.network.attempts(), 2);
    assert_eq!(world.host(B).stats().connections_accepted, 1);
}

#[tokio::test(start_paused = true)]
async fn provider_that_withdraws_and_stops_costs_no_call() {
    for seed in 0..20 {
        let world = world_from(seed, listed(&[A, B, C]), in_turn());
        world.network.set_delay(ms(1)..=ms(20));
        world.start_all(&[A, B, C]);
        let stop = async {
            sleep(ms(500)).await;
            world.list(&[A, C]);
            world.host(B).stop().await;
            sleep(seconds(1)).await;
            world.start(B);
            world.list(&[A, B, C]);
        };
        let (answers, ()) = tokio::join!(world.answers(300), stop);
        assert_eq!(answers, [A, B, C], "seed {seed}");
        assert_eq!(world.answers(9).await, [A, B, C], "seed {seed}");
        assert!(world.network.attempts() <= 6, "seed {seed}: {}", world.network.attempts());
    }
}

#[tokio::test(start_paused = true)]
async fn z09_empty_list_keeps_living_providers_and_forgets_dead_ones() {
    let world = world_with(listed(&[A, B, C]), in_turn());
    world.start_all(&[A, B, C]);
    assert_eq!(world.answers(10).await, [A, B, C]);
    world.list(&[]);
    world.network.kill(B);
    let begin = Instant::now();
    while begin.elapsed() < seconds(60) {
        world.answers(10).await;
    }
    assert_eq!(world.answers(10).await, [A, C]);
    world.network.kill(A);
    world.network.kill(C);
    sleep(seconds(1)).await;
    let status = world.who().await.unwrap_err();
    assert_eq!((status.code(), status.phase()), (Code::Unavailable, Some(Phase::Connect)), "{status}");
    sleep(seconds(30)).await;
    let status = world.who().await.unwrap_err();
    assert!(status.message().contains("no provider of test.Who/Am is listed in test:registry"), "{status}");
    world.start(C);
    world.list(&[C]);
    assert_eq!(world.call(AM).wait_for_ready(true).await.unwrap().value, C);
}

#[tokio::test(start_paused = true)]
async fn z10_list_that_loses_most_is_checked_by_callers_without_connections_too() {
    let world = world_with(listed(&[A, B, C]), in_turn());
    world.start_all(&[A, C]);
    world.list(&[B]);
    sleep(seconds(60)).await;
    assert_eq!(world.answers(10).await, [A, C], "B is listed and dead, A and C live");
}

/// A resolver that reads several registries.
struct Several(Vec<watch::Receiver<Resolution>>);

impl Resolver for Several {
    fn watch(&self, _service: &str) -> watch::Receiver<Resolution> {
        self.0[0].clone()
    }

    fn watch_each(&self, _service: &str) -> Vec<watch::Receiver<Resolution>> {
        self.0.clone()
    }
}

#[tokio::test(start_paused = true)]
async fn z25_channel_takes_the_union_of_its_registries() {
    let network = Network::from_seed(7);
    for address in [A, B, C] {
        serve(&network, address, false);
    }
    let (first, first_list) = watch::channel(listed(&[A]));
    let (second, second_list) = watch::channel(pending());
    let several = Several(vec![first_list, second_list]);
    let channel = network.host("client").channel_from_resolver(Arc::new(several), in_turn());
    let world = TestBed { network, registry: first, stub: Stub::new(channel.clone(), &WHO) };
    assert_eq!(world.answers(10).await, [A], "the second registry is down at the start");
    second.send_replace(listed(&[B, C]));
    sleep(seconds(1)).await;
    assert_eq!(world.answers(10).await, [A, B, C]);
    world.list(&[]);
    sleep(seconds(60)).await;
    assert_eq!(world.answers(10).await, [A, B, C]);
    let [resolution] = &channel.resolutions()[..] else { panic!("{:?}", channel.resolutions()) };
    assert_eq!((resolution.listed, resolution.held), (2, 1));
    assert!(
        matches!(&resolution.state, ResolutionState::Stale(text) if text.contains("lists 0 of 1")),
        "{resolution:?}"
    );
}

fn with_snapshots(folder: &std::path::Path) -> ChannelOptions {
    ChannelOptions { snapshot_folder: Some(folder.to_owned()), ..in_turn() }
}

#[tokio::test(start_paused = true)]
async fn z01_channel_that_starts_without_its_registry_uses_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let world = world_with(listed(&[A, B]), with_snapshots(folder.path()));
    world.start_all(&[A, B]);
    assert_eq!(world.answers(10).await, [A, B]);
    drop(world);

    let world = world_with(pending(), with_snapshots(folder.path()));
    world.start(B);
    let begin = Instant::now();
    assert_eq!(world.who().await.unwrap(), B);
    assert_eq!(begin.elapsed(), ms(300), "the registry has this long to answer");
    let state = world.stub.endpoints_for_test().resolution().state;
    let ResolutionState::Stale(text) = state else { panic!("{state:?}") };
    assert!(text.contains("10.0.0.9:2181: connection refused; the endpoints are those of"), "{text}");
    let since = ResolutionState::Pending("zookeeper 10.0.0.9:2181: no answer since 16:40:03 UTC".into());
    world.registry.send_replace(Resolution { endpoints: Arc::new([]), state: since });
    sleep(seconds(1)).await;
    let state = world.stub.endpoints_for_test().resolution().state;
    assert!(
        matches!(&state, ResolutionState::Stale(text) if text.contains("UTC; the endpoints are those of")),
        "{state:?}"
    );
    world.start(C);
    world.list(&[B, C]);
    sleep(seconds(20)).await;
    assert_eq!(world.answers(10).await, [B, C]);
    let counts = ServiceResolution {
        service: "test.Who".into(),
        state: ResolutionState::Current("test:registry".into()),
        listed: 2,
        held: 0,
        usable: 2,
        ejected: 0,
        frozen: 0,
        unreachable: 0,
        unhealthy: 0,
        panics: false,
    };
    assert_eq!(world.stub.endpoints_for_test().resolution(), counts);
}

#[tokio::test(start_paused = true)]
async fn snapshot_is_not_read_if_the_registry_answers_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let world = world_with(listed(&[A]), with_snapshots(folder.path()));
    world.start(A);
    world.who().await.unwrap();
    drop(world);
    let world = world_with(pending(), with_snapshots(folder.path()));
    world.start_all(&[A, B]);
    sleep(ms(100)).await;
    world.list(&[B]);
    sleep(seconds(1)).await;
    assert_eq!(world.answers(10).await, [B]);
}

#[tokio::test(start_paused = true)]
async fn empty_or_doubted_list_does_not_replace_the_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let world = world_with(listed(&[A, B, C]), with_snapshots(folder.path()));
    world.start_all(&[A, B, C]);
    world.answers(3).await;
    for endpoints in [&[A][..], &[]] {
        world.list(endpoints);
        sleep(seconds(1)).await;
    }
    drop(world);
    let world = world_with(pending(), with_snapshots(folder.path()));
    world.start_all(&[A, B, C]);
    assert_eq!(world.answers(10).await, [A, B, C]);
}

#[tokio::test(start_paused = true)]
async fn z02_call_without_registry_and_snapshot_says_what_it_waits_for() {
    let folder = tempfile::tempdir().unwrap();
    let world = world_with(pending(), with_snapshots(folder.path()));
    world.start(A);
    let status = world.call(AM).timeout(seconds(2)).await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::DeadlineExceeded, Some(Phase::Resolve), Ran::No));
    assert!(status.message().contains("10.0.0.9:2181: connection refused"), "{status}");
    world.list(&[A]);
    assert_eq!(world.who().await.unwrap(), A, "no restart is needed");
}
