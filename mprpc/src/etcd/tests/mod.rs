//! Tests of the registry in etcd against a server in memory, over gRPC and the simulated network, under virtual time.

mod fake;
mod login;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use self::fake::FakeEtcd;
use super::calls::Etcd;
use super::{EtcdRegistry, EtcdResolver, services};
use crate::discovery::{
    EtcdLogin, Registered, Registration, RegistrationState, Registry, Resolution, ResolutionState, Resolver,
    WeightChange,
};
use crate::endpoint::Endpoint;
use crate::interceptors::tests::log::Log;
use crate::method::ServiceDescriptor;
use crate::testing::Network;

static WHO: ServiceDescriptor = ServiceDescriptor { name: "test.Who", methods: &[], files: &[] };
const ETCD: &str = "10.0.0.9:2379";
const A: &str = "10.0.0.1:1";
const B: &str = "10.0.0.2:2";

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

struct World {
    network: Network,
    fake: FakeEtcd,
    etcd: Arc<Etcd>,
}

impl World {
    fn new() -> World {
        World::with_login(None)
    }

    fn with_login(login: Option<EtcdLogin>) -> World {
        let network = Network::from_seed(7);
        network.set_delay(Duration::from_millis(1)..=Duration::from_millis(1));
        let fake = FakeEtcd::new();
        network.serve(ETCD, fake.server());
        let etcd = Arc::new(Etcd::over(network.channel(&format!("grpc://{ETCD}")), ETCD, login, Handle::current()));
        World { network, fake, etcd }
    }

    /// Changes the weight of a provider. Returns the names of its services.
    async fn change(&self, address: &str, change: WeightChange) -> Vec<String> {
        services::change_in(&self.etcd, "/apps", &address.parse().unwrap(), change).await.unwrap()
    }

    fn watch(&self) -> watch::Receiver<Resolution> {
        EtcdResolver::over(self.etcd.clone(), "/apps").watch(WHO.name)
    }

    fn register(&self, address: &str) -> Registered {
        self.register_with(&self.etcd, address)
    }

    /// Registers as another process does.
    fn register_elsewhere(&self, address: &str) -> Registered {
        let channel = self.network.channel(&format!("grpc://{ETCD}"));
        self.register_with(&Arc::new(Etcd::over(channel, ETCD, None, Handle::current())), address)
    }

    fn register_with(&self, etcd: &Arc<Etcd>, address: &str) -> Registered {
        let registration = Registration::new(&WHO, address.parse().unwrap());
        EtcdRegistry::over(etcd.clone(), "/apps", seconds(10)).register(registration)
    }
}

#[tokio::test(start_paused = true)]
async fn process_whose_address_another_announces_says_error_unless_it_hands_over() {
    for is_handover in [true, false] {
        let log = Log::begin();
        let world = World::new();
        let taken_over = Arc::new(AtomicBool::new(false));
        let registration = Registration::new(&WHO, A.parse().unwrap()).with_successor(taken_over.clone());
        let first = EtcdRegistry::over(world.etcd.clone(), "/apps", seconds(10)).register(registration);
        stands(&first).await;
        // The next process has the listening sockets before it registers.
        taken_over.store(is_handover, Ordering::Release);
        let second = world.register_elsewhere(A);
        stands(&second).await;
        let who = if is_handover { "the next process" } else { "another process" };
        let says = |state: &RegistrationState| matches!(state, RegistrationState::Pending(why) if why.contains(who));
        tokio::time::timeout(seconds(60), first.state().wait_for(says)).await.unwrap().unwrap();
        let lines = log.with("announces this address");
        let level = if is_handover { tracing::Level::INFO } else { tracing::Level::ERROR };
        assert_eq!(lines.iter().map(|(level, _)| *level).collect::<Vec<_>>(), [level], "{lines:?}");
    }
}

fn key(address: &str) -> String {
    format!("/apps/mprpc/services/test.Who/{address}")
}

async fn shows(watch: &mut watch::Receiver<Resolution>, addresses: &[&str]) -> ResolutionState {
    let is_shown = |resolution: &Resolution| {
        let shown: Vec<String> = resolution.endpoints.iter().map(Endpoint::to_string).collect();
        shown == addresses && !matches!(resolution.state, ResolutionState::Pending(_))
    };
    let shown = tokio::time::timeout(seconds(60), watch.wait_for(is_shown)).await;
    shown.unwrap_or_else(|_| panic!("no {addresses:?}")).unwrap().state.clone()
}

async fn stands(registered: &Registered) {
    let mut state = registered.state();
    let stands = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
    tokio::time::timeout(seconds(60), state.wait_for(stands))
        .await
        .unwrap_or_else(|_| panic!("not registered"))
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn provider_is_listed_until_it_withdraws() {
    let world = World::new();
    let mut watch = world.watch();
    assert_eq!(shows(&mut watch, &[]).await, ResolutionState::Current(format!("etcd {ETCD}{}", key("")).into()));
    let (first, second) = (world.register(A), world.register_elsewhere(B));
    stands(&first).await;
    stands(&second).await;
    shows(&mut watch, &[A, B]).await;
    let listed = services::list_from(&world.etcd, "/apps").await.unwrap();
    assert_eq!(listed, [("test.Who".to_owned(), vec![A.parse().unwrap(), B.parse().unwrap()])]);
    sleep(seconds(100)).await;
    assert_eq!(world.fake.keys().len(), 2, "leases are renewed");
    first.withdraw().await;
    assert_eq!(world.fake.keys().len(), 1);
    shows(&mut watch, &[B]).await;
    drop(second);
    shows(&mut watch, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn lost_lease_is_replaced() {
    let world = World::new();
    let registered = world.register(A);
    stands(&registered).await;
    let before = world.fake.keys();
    world.fake.end_leases();
    assert_eq!(world.fake.keys(), []);
    sleep(seconds(4)).await;
    let after = world.fake.keys();
    assert!(after.len() == 1 && after != before, "{after:?}");
}

#[tokio::test(start_paused = true)]
async fn deleted_key_is_written_again() {
    let world = World::new();
    let registered = world.register(A);
    stands(&registered).await;
    world.fake.delete(&key(A));
    sleep(seconds(4)).await;
    assert_eq!(world.fake.keys().len(), 1);
    registered.withdraw().await;
    assert_eq!(world.fake.keys(), []);
}

#[tokio::test(start_paused = true)]
async fn restarted_provider_replaces_the_key_of_its_earlier_lease() {
    let world = World::new();
    let first = world.register(A);
    stands(&first).await;
    // The first process is killed: nobody renews its lease, and nobody ends it.
    let lost = world.fake.keys()[0].1;
    world.network.partition(&["client"], &[ETCD]);
    let other = world.network.host("restarted");
    let etcd = Arc::new(Etcd::over(other.channel(&format!("grpc://{ETCD}")), ETCD, None, Handle::current()));
    let second = world.register_with(&etcd, A);
    stands(&second).await;
    for _ in 0..300 {
        sleep(Duration::from_millis(100)).await;
        let keys = world.fake.keys();
        assert!(keys.len() == 1 && keys[0].1 != lost, "{keys:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_processes_with_one_address_do_not_fight() {
    let world = World::new();
    let first = world.register(A);
    stands(&first).await;
    let second = world.register_elsewhere(A);
    stands(&second).await;
    let owner = world.fake.keys();
    sleep(seconds(60)).await;
    assert_eq!(world.fake.keys(), owner);
    let state = first.state().borrow().clone();
    assert!(matches!(&state, RegistrationState::Pending(why) if why.contains("another process")), "{state:?}");
    second.withdraw().await;
    sleep(seconds(5)).await;
    stands(&first).await;
    assert_eq!(world.fake.keys().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn outage_keeps_the_list_and_both_sides_recover() {
    let world = World::new();
    let registered = world.register(A);
    let mut watch = world.watch();
    shows(&mut watch, &[A]).await;
    world.fake.set_away(true);
    let stale = |resolution: &Resolution| matches!(&resolution.state, ResolutionState::Stale(_));
    let state = watch.wait_for(stale).await.unwrap().clone();
    assert_eq!(state.endpoints.len(), 1);
    let text = state.state.text().to_owned();
    assert!(text.contains("since") && text.contains("etcdserver: "), "{text}");
    sleep(seconds(60)).await;
    assert_eq!(watch.borrow().endpoints.len(), 1);
    assert_eq!(world.fake.keys(), [], "the lease has ended meanwhile");
    world.fake.set_away(false);
    let begin = Instant::now();
    stands(&registered).await;
    let is_current = |resolution: &Resolution| {
        matches!(resolution.state, ResolutionState::Current(_)) && resolution.endpoints.len() == 1
    };
    watch.wait_for(is_current).await.unwrap();
    assert!(begin.elapsed() <= seconds(11), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn provider_that_starts_during_an_outage_is_shown_within_a_second_of_its_end() {
    // The pauses are random: each world has another moment at which it looks again.
    for _ in 0..20 {
        let world = World::new();
        let mut watch = world.watch();
        shows(&mut watch, &[]).await;
        world.fake.set_away(true);
        sleep(seconds(60)).await;
        let _registered = world.register_elsewhere(A);
        sleep(seconds(20)).await;
        world.fake.set_away(false);
        let begin = Instant::now();
        shows(&mut watch, &[A]).await;
        assert!(begin.elapsed() < seconds(1), "{:?}", begin.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_is_down_at_the_start_is_named() {
    let network = Network::from_seed(7);
    let etcd = Arc::new(Etcd::over(network.channel(&format!("grpc://{ETCD}")), ETCD, None, Handle::current()));
    let world = World { network, fake: FakeEtcd::new(), etcd };
    let (registered, mut watch) = (world.register(A), world.watch());
    let has_failed = |resolution: &Resolution| resolution.state.text().contains("since");
    let state = watch.wait_for(has_failed).await.unwrap().state.clone();
    assert!(matches!(&state, ResolutionState::Pending(why) if why.contains(ETCD)), "{state:?}");
    sleep(seconds(10)).await;
    world.network.serve(ETCD, world.fake.server());
    stands(&registered).await;
    shows(&mut watch, &[A]).await;
}

#[tokio::test(start_paused = true)]
async fn compacted_history_and_a_rebuilt_cluster_are_read_anew() {
    let world = World::new();
    let mut watch = world.watch();
    world.fake.put(&key(A), r#"{"mprpc":1}"#);
    shows(&mut watch, &[A]).await;
    // Changes that the watch does not see are compacted away.
    world.fake.set_mute(true);
    world.fake.put(&key(B), r#"{"mprpc":1}"#);
    world.fake.compact();
    shows(&mut watch, &[A, B]).await;
    world.fake.set_mute(false);
    world.fake.rebuild();
    world.network.cut(ETCD);
    shows(&mut watch, &[]).await;
    world.fake.put(&key(B), r#"{"mprpc":1}"#);
    shows(&mut watch, &[B]).await;
}

#[tokio::test(start_paused = true)]
async fn watch_that_reports_nothing_is_noticed_in_the_end() {
    let world = World::new();
    let mut watch = world.watch();
    shows(&mut watch, &[]).await;
    world.fake.set_mute(true);
    world.fake.put(&key(A), r#"{"mprpc":1}"#);
    let begin = Instant::now();
    watch.wait_for(|resolution| resolution.endpoints.len() == 1).await.unwrap();
    assert!((seconds(200)..seconds(361)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert!(world.fake.ranges() <= 3);
}

#[tokio::test(start_paused = true)]
async fn bad_entries_are_skipped_and_the_others_used() {
    let world = World::new();
    world.fake.put(&key("nonsense"), r#"{"mprpc":1}"#);
    world.fake.put(&key(B), "not json");
    world.fake.put(&key(A), r#"{"mprpc":1,"weight":0}"#);
    let skipped = crate::discovery::entries_skipped();
    let mut watch = world.watch();
    shows(&mut watch, &[A]).await;
    assert!(crate::discovery::entries_skipped() >= skipped + 2);
    assert_eq!(watch.borrow().endpoints[0].weight, 0);
    world.fake.put(&key(B), r#"{"mprpc":1}"#);
    shows(&mut watch, &[A, B]).await;
}

/// Waits until the only provider has this weight.
async fn weighs(watch: &mut watch::Receiver<Resolution>, weight: u32) {
    let has_weight =
        |resolution: &Resolution| resolution.endpoints.len() == 1 && resolution.endpoints[0].weight == weight;
    let reached = tokio::time::timeout(seconds(60), watch.wait_for(has_weight)).await.is_ok();
    assert!(reached, "{:?}", watch.borrow());
}

#[tokio::test(start_paused = true)]
async fn weight_of_an_operator_outlives_the_lease_until_it_is_undrained() {
    let world = World::new();
    let (registered, mut watch) = (world.register(A), world.watch());
    stands(&registered).await;
    let lease = world.fake.keys()[0].1;
    assert_eq!(world.change(A, WeightChange::Drain).await, ["test.Who"]);
    weighs(&mut watch, 0).await;
    assert_eq!(world.fake.keys(), [(key(A), lease)], "the key keeps its lease");
    // The provider sees the weight at its next renewal, and then has to write its key anew.
    sleep(seconds(4)).await;
    world.fake.end_leases();
    weighs(&mut watch, 0).await;
    sleep(seconds(4)).await;
    let after = world.fake.keys();
    assert!(after.len() == 1 && after[0].1 != lease, "{after:?}");
    weighs(&mut watch, 0).await;
    assert_eq!(world.change(A, WeightChange::Undrain).await, ["test.Who"]);
    weighs(&mut watch, Endpoint::WEIGHT_DEFAULT).await;
    assert_eq!(world.change(B, WeightChange::Drain).await, [""; 0], "nobody has this address");
}

#[tokio::test(start_paused = true)]
async fn weight_changes_lose_no_change_of_somebody_else() {
    let world = World::new();
    world.fake.put(&key(A), r#"{"mprpc":1,"zone":"old"}"#);
    world.fake.race(&key(A), r#"{"mprpc":1,"zone":"new"}"#);
    assert_eq!(world.change(A, WeightChange::Set(7)).await, ["test.Who"]);
    let value: serde_json::Value = serde_json::from_str(&world.fake.value(&key(A))).unwrap();
    assert_eq!(value, serde_json::json!({"mprpc": 1, "zone": "new", "weight": 7}));
    // An entry of another program stays as it is.
    world.fake.put(&key(A), "no entry");
    assert_eq!(world.change(A, WeightChange::Drain).await, [""; 0]);
    assert_eq!(world.fake.value(&key(A)), "no entry");
    for _ in 0..9 {
        world.fake.race(&key(B), r#"{"mprpc":1}"#);
    }
    world.fake.put(&key(B), r#"{"mprpc":1}"#);
    let changed = services::change_in(&world.etcd, "/apps", &B.parse().unwrap(), WeightChange::Drain).await;
    let status = changed.unwrap_err();
    assert!(status.message().contains(&key(B)) && status.message().contains("8 times"), "{status}");
}
