//! Tests of the registry on a real ZooKeeper: both layouts, and the loss and return of sessions, nodes, providers and the
//! server. The unit tests beside the code cover decisions that need no server.

#![cfg(feature = "zookeeper")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and its figures are printed"
)]

#[path = "support/provider.rs"]
mod provider;
#[path = "support/zookeeper.rs"]
mod zookeeper;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use mprpc::Protocol;
use mprpc::discovery::{
    Registered, Registration, RegistrationState, Resolution, ResolutionState, Target, entries_skipped, list_services,
};
use mprpc_zookeeper::{Acl, Client, CreateMode, Options};
use provider::{PATIENCE, Provider, USERS, shows, until};
use tokio::sync::{oneshot, watch};
use zookeeper::ZooKeeper;

#[test]
fn provider_process() {
    provider::run_if_asked();
}

#[tokio::test]
async fn provider_is_registered_in_both_layouts_until_it_withdraws() {
    let place = Place::new(ZooKeeper::shared()).await;
    let mut shown = place.watch();
    until(&mut shown, "an empty list", |r| matches!(r.state, ResolutionState::Current(_)) && shows(r, &[])).await;
    let registered = place.register("127.0.0.1:8000", true);
    stands(&registered).await;
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;

    let (data, stat) = place.client.get(&place.native("127.0.0.1:8000")).await.unwrap();
    assert_eq!(String::from_utf8(data.to_vec()).unwrap(), r#"{"mprpc":1,"protocols":["native"],"weight":100}"#);
    assert_ne!(stat.ephemeral_owner, 0);
    for method in ["Login", "Register"] {
        let path = place.classic(method);
        let (data, stat) = eventually("the classic node", || place.client.get(&path)).await;
        assert_eq!(String::from_utf8(data.to_vec()).unwrap(), "127.0.0.1:8000");
        assert_ne!(stat.ephemeral_owner, 0);
        let (acls, _) = place.client.acl(&path).await.unwrap();
        assert_eq!((acls.len(), &*acls[0].scheme, &*acls[0].id), (1, "world", "anyone"));
    }
    let (data, stat) = place.client.get(&format!("{}/UserServiceRpc", place.chroot)).await.unwrap();
    assert_eq!((data.len(), stat.ephemeral_owner), (0, 0));
    let services = list_services(&place.target(false), PATIENCE).await.unwrap();
    assert_eq!(services.len(), 1);
    assert_eq!((services[0].0.as_str(), services[0].1[0].protocol), (USERS.name, Protocol::Native));

    let mut state = registered.state();
    registered.withdraw().await;
    assert_eq!(*state.borrow_and_update(), RegistrationState::Withdrawn);
    for path in [place.native("127.0.0.1:8000"), place.classic("Login"), place.classic("Register")] {
        assert!(place.client.exists(&path).await.unwrap().is_none(), "{path} was left");
    }
    until(&mut shown, "an empty list", |r| shows(r, &[])).await;
}

#[tokio::test]
async fn classic_providers_are_found_with_the_methods_of_their_nodes() {
    let place = Place::new(ZooKeeper::shared()).await;
    let mut shown = place.watch();
    place
        .client
        .create(&format!("{}/UserServiceRpc", place.chroot), b"", CreateMode::Persistent, Acl::ANYONE)
        .await
        .unwrap();
    place.client.create(&place.classic("Login"), b"127.0.0.1:9000", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    place
        .client
        .create(&place.classic("Register"), b"127.0.0.1:9001", CreateMode::Ephemeral, Acl::ANYONE)
        .await
        .unwrap();
    until(&mut shown, "both", |r| shows(r, &["classic:127.0.0.1:9000", "classic:127.0.0.1:9001"])).await;
    assert!(shown.borrow().endpoints[0].serves("Login") && !shown.borrow().endpoints[0].serves("Register"));

    let services = list_services(&place.target(false), PATIENCE).await.unwrap();
    assert_eq!((services.len(), services[0].0.as_str(), services[0].1.len()), (1, "UserServiceRpc", 2));

    // An address that is registered in both layouts is native.
    let _registered = place.register("127.0.0.1:9000", false);
    until(&mut shown, "one of each", |r| shows(r, &["127.0.0.1:9000", "classic:127.0.0.1:9001"])).await;
}

#[tokio::test]
async fn classic_node_stays_with_its_live_owner_and_is_taken_over_after_its_end() {
    let place = Place::new(ZooKeeper::shared()).await;
    let first = Provider::start(&place.url(true), "127.0.0.1:8001");
    let login = place.classic("Login");
    let (data, _) = eventually("the first's node", || place.client.get(&login)).await;
    assert_eq!(data, "127.0.0.1:8001");
    let second = place.register("127.0.0.1:8002", true);
    stands(&second).await;
    let mut shown = place.watch();
    until(&mut shown, "both", |r| shows(r, &["127.0.0.1:8001", "127.0.0.1:8002"])).await;
    assert_eq!(place.client.get(&login).await.unwrap().0, "127.0.0.1:8001");

    first.kill();
    until(&mut shown, "the second", |r| shows(r, &["127.0.0.1:8002"])).await;
    eventually("the second's node", || async {
        match place.client.get(&login).await {
            Ok((data, _)) if data == "127.0.0.1:8002" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test]
async fn node_deleted_by_an_operator_comes_back() {
    let place = Place::new(ZooKeeper::shared()).await;
    let registered = place.register("127.0.0.1:8000", true);
    stands(&registered).await;
    for path in [place.native("127.0.0.1:8000"), place.classic("Login")] {
        let (_, before) = eventually("the node", || place.client.get(&path)).await;
        place.client.delete(&path, None).await.unwrap();
        eventually("the node again", || async {
            match place.client.get(&path).await {
                Ok((_, stat)) if stat.czxid != before.czxid => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    let mut shown = place.watch();
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
}

#[tokio::test]
async fn provider_with_expired_session_registers_again() {
    let place = Place::new(ZooKeeper::shared()).await;
    let mut shown = place.watch();
    let frozen = Provider::start(&place.url(true), "127.0.0.1:8000");
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
    let path = place.native("127.0.0.1:8000");
    let (_, before) = place.client.get(&path).await.unwrap();
    frozen.freeze();
    until(&mut shown, "an empty list", |r| shows(r, &[])).await;
    frozen.thaw();
    let took = until(&mut shown, "it again", |r| shows(r, &["127.0.0.1:8000"])).await;
    println!("registered again {took:?} after it could run again");
    let (_, after) = place.client.get(&path).await.unwrap();
    assert_ne!(before.ephemeral_owner, after.ephemeral_owner);
    eventually("the classic node again", || place.client.get(&place.classic("Login"))).await;
}

#[tokio::test]
async fn provider_killed_and_restarted_at_once_has_one_registration() {
    let place = Place::new(ZooKeeper::shared()).await;
    let path = place.native("127.0.0.1:8000");
    let login = place.classic("Login");
    let mut shown = place.watch();
    let killed = Provider::start(&place.url(true), "127.0.0.1:8000");
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
    let old = place.client.get(&path).await.unwrap().1.ephemeral_owner;
    killed.kill();
    let _next = Provider::start(&place.url(true), "127.0.0.1:8000");
    let new = place.client.get(&path).await.unwrap().1.ephemeral_owner;
    assert_ne!(old, new, "it took the node of the session that ends for its own");
    println!("the old session at the restart: {}", if place.has_session(old) { "alive" } else { "gone" });

    eventually("the end of the old session", || async { (!place.has_session(old)).then_some(()).ok_or("alive") }).await;
    assert_eq!(place.client.get(&path).await.unwrap().1.ephemeral_owner, new);
    eventually("the classic node", || async {
        match place.client.get(&login).await {
            Ok((_, stat)) if stat.ephemeral_owner == new => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let folder = place.native("");
    assert_eq!(place.client.children(folder.trim_end_matches('/')).await.unwrap().0.len(), 1);
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
}

#[tokio::test]
async fn terminated_provider_withdraws_at_once() {
    let place = Place::new(ZooKeeper::shared()).await;
    let mut shown = place.watch();
    let provider = Provider::start(&place.url(true), "127.0.0.1:8000");
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
    provider.terminate();
    let took = until(&mut shown, "an empty list", |r| shows(r, &[])).await;
    println!("withdrawn {took:?} after SIGTERM");
    // The time is below the session timeout, so the provider withdrew the node and the session did not expire.
    assert!(took < Duration::from_millis(1500), "{took:?}");
}

#[tokio::test]
async fn invalid_nodes_are_skipped_and_counted() {
    let place = Place::new(ZooKeeper::shared()).await;
    let before = entries_skipped();
    let registered = place.register("127.0.0.1:8000", true);
    stands(&registered).await;
    let good = br#"{"mprpc":1}"#;
    for (name, data) in
        [("nonsense", &good[..]), ("127.0.0.1:1", b"garbage"), ("127.0.0.1:2", b"{\"mprpc\":9}"), ("127.0.0.1:3", good)]
    {
        place.client.create(&place.native(name), data, CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    }
    place.client.create(&place.classic("Logout"), b"not an address", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    let mut shown = place.watch();
    until(&mut shown, "the good ones", |r| shows(r, &["127.0.0.1:3", "127.0.0.1:8000"])).await;
    eventually("the count", || async {
        let skipped = entries_skipped() - before;
        (skipped >= 4).then_some(()).ok_or(skipped)
    })
    .await;

    // An operator takes an endpoint out of use by setting its weight to 0.
    place.client.set(&place.native("127.0.0.1:3"), br#"{"mprpc":1,"weight":0}"#, None).await.unwrap();
    until(&mut shown, "its weight", |r| r.endpoints.iter().any(|endpoint| endpoint.weight == 0)).await;
}

#[tokio::test]
async fn watches_of_one_service_share_a_session_that_outlives_each_of_them() {
    let place = Place::new(ZooKeeper::shared()).await;
    let (mut first, second) = (place.watch(), place.watch());
    until(&mut first, "an empty list", |r| matches!(r.state, ResolutionState::Current(_))).await;
    drop(second);
    for address in ["127.0.0.1:8000", "127.0.0.1:8001"] {
        let registered = place.register(address, false);
        until(&mut first, "it", |r| shows(r, &[address])).await;
        drop(registered);
        until(&mut first, "an empty list", |r| shows(r, &[])).await;
    }
}

// Uses two threads: starting a server blocks one, while the other records the resolutions.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zookeeper_restart_empties_no_list_and_keeps_providers_registered() {
    let mut server = ZooKeeper::own();
    let place = Place::at(&server.address);
    let registered = place.register("127.0.0.1:8000", true);
    let mut state = registered.state();
    stands(&registered).await;
    let mut shown = place.watch();
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
    let (stop, stopped) = oneshot::channel();
    let seen = record(shown.clone(), stopped);

    server.stop();
    let stale = until(&mut shown, "stale", |r| matches!(r.state, ResolutionState::Stale(_))).await;
    println!("stale {stale:?} after the server went: {:?}", shown.borrow().state);
    refused(&mut state).await;
    server.start();
    let current = until(&mut shown, "current", |r| matches!(r.state, ResolutionState::Current(_))).await;
    println!("current again {current:?} after the server answered");
    stands(&registered).await;
    stop.send(()).unwrap();
    let lists = seen.await.unwrap();
    assert!(!lists.is_empty());
    assert!(lists.iter().all(|list| shows(list, &["127.0.0.1:8000"])), "{lists:?}");

    // The server is away until the session expires by the client's own clock, and returns without data. The client then
    // creates a new session and registers again.
    server.stop();
    server.wipe();
    until(
        &mut shown,
        "the end of the session",
        |r| matches!(&r.state, ResolutionState::Stale(why) if why.contains("refused")),
    )
    .await;
    assert!(shows(&shown.borrow(), &["127.0.0.1:8000"]));
    server.start();
    until(&mut shown, "current", |r| matches!(r.state, ResolutionState::Current(_)) && r.endpoints.len() == 1).await;
    stands(&registered).await;
    drop(registered);
    until(&mut shown, "an empty list", |r| shows(r, &[])).await;
}

#[tokio::test]
async fn clients_wait_for_a_zookeeper_that_is_down_at_the_start() {
    let mut server = ZooKeeper::stopped();
    let place = Place::at(&server.address);
    let registered = place.register("127.0.0.1:8000", false);
    let mut shown = place.watch();
    let why = format!("zookeeper {}: since ", server.address);
    let is_refused = |state: &str| state.starts_with(&why) && state.contains("connection refused");
    until(&mut shown, "the reason", |r| matches!(&r.state, ResolutionState::Pending(why) if is_refused(why))).await;
    refused(&mut registered.state()).await;
    let error = list_services(&place.target(false), PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("connection refused"), "{error}");

    server.start();
    stands(&registered).await;
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
}

/// The part of a server that belongs to one test: a chroot that nothing else uses.
struct Place<Client> {
    address: String,
    chroot: String,
    /// The test's own session, which reads and changes nodes.
    client: Client,
    _server: Option<Arc<ZooKeeper>>,
}

impl Place<Client> {
    async fn new(server: Arc<ZooKeeper>) -> Place<Client> {
        let chroot = format!("/test-{:016x}/apps", fastrand::u64(..));
        let client = Client::connect(&[&server.address], Options::default());
        client.create_all(&chroot, Acl::ANYONE).await.unwrap();
        Place { address: server.address.clone(), chroot, client, _server: Some(server) }
    }

    /// Whether the server still has the session `id`.
    fn has_session(&self, id: i64) -> bool {
        let dump = self._server.as_ref().unwrap().ask("dump").unwrap();
        dump.contains(&format!("0x{id:x}"))
    }
}

impl Place<()> {
    /// Chooses a chroot that does not exist yet. Providers create it.
    fn at(address: &str) -> Place<()> {
        let chroot = format!("/test-{:016x}/apps", fastrand::u64(..));
        Place { address: address.into(), chroot, client: (), _server: None }
    }
}

impl<Client> Place<Client> {
    fn url(&self, classic: bool) -> String {
        format!("zookeeper://{}{}?classic={classic}&session_timeout_ms=2000", self.address, self.chroot)
    }

    fn target(&self, classic: bool) -> Target {
        self.url(classic).parse().unwrap()
    }

    fn watch(&self) -> watch::Receiver<Resolution> {
        self.target(false).resolver().unwrap().watch(USERS.name)
    }

    fn register(&self, address: &str, classic: bool) -> Registered {
        let registration = Registration::new(&USERS, address.parse().unwrap());
        self.target(classic).registry().unwrap().register(registration)
    }

    fn native(&self, name: &str) -> String {
        format!("{}/mprpc/services/{}/{name}", self.chroot, USERS.name)
    }

    fn classic(&self, method: &str) -> String {
        format!("{}/UserServiceRpc/{method}", self.chroot)
    }
}

async fn stands(registered: &Registered) {
    let mut state = registered.state();
    let wanted = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
    let reached = tokio::time::timeout(PATIENCE, state.wait_for(wanted)).await.is_ok();
    assert!(reached, "it is {:?}", registered.state().borrow());
}

async fn refused(state: &mut watch::Receiver<RegistrationState>) {
    let wanted = |state: &RegistrationState| matches!(state, RegistrationState::Pending(why) if why.contains("since"));
    let reached = tokio::time::timeout(PATIENCE, state.wait_for(wanted)).await.is_ok();
    assert!(reached, "it is {:?}", state.borrow());
}

/// Retries `try_it` until it succeeds. Panics after `PATIENCE`.
async fn eventually<T, E: std::fmt::Debug, F: Future<Output = Result<T, E>>>(what: &str, try_it: impl Fn() -> F) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match try_it().await {
            Ok(value) => return value,
            Err(error) => assert!(tokio::time::Instant::now() < deadline, "not {what} within {PATIENCE:?}: {error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Records every resolution until `stopped` fires.
fn record(
    mut shown: watch::Receiver<Resolution>,
    mut stopped: oneshot::Receiver<()>,
) -> tokio::task::JoinHandle<Vec<Resolution>> {
    tokio::spawn(async move {
        let mut seen = Vec::new();
        loop {
            tokio::select! {
                _ = &mut stopped => return seen,
                changed = shown.changed() => changed.unwrap(),
            }
            seen.push(shown.borrow_and_update().clone());
        }
    })
}
