//! Tests of the registry in etcd against a real etcd server: registering, following, outages, restarts, and moving from one
//! registry to another without a failed call.

#![cfg(feature = "etcd")]
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[cfg(feature = "tls")]
#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/etcd.rs"]
mod etcd;
#[cfg(feature = "zookeeper")]
#[path = "support/zookeeper.rs"]
mod zookeeper;

use std::collections::BTreeMap;
use std::time::Duration;

use mprpc::client::Stub;
use mprpc::discovery::{
    Registered, Registration, RegistrationState, Resolution, ResolutionState, Target, WeightChange, change_weight,
    list_services,
};
use mprpc::well_known::StringValue;
use mprpc::{
    Body, BoxFuture, Channel, ChannelOptions, Codec, Context, Endpoint, Idempotency, Message, MethodDescriptor,
    MethodKind, Server, ServerHandle, Service, ServiceDescriptor, Status,
};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;

use self::etcd::EtcdServer;

static WHO: ServiceDescriptor = ServiceDescriptor {
    name: "test.Who",
    methods: &[MethodDescriptor::new("Am", "test.Who/Am", MethodKind::Unary, Idempotency::NoSideEffects)],
    files: &[],
};

/// How long a test waits for what must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that answers with its name.
struct Who(&'static str);

impl Service for Who {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WHO
    }

    fn call(&self, _: usize, _: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let name = self.0;
        let reply = StringValue { value: name.to_owned(), ..StringValue::default() };
        Box::pin(async move { Ok(Body::Message(reply.encode_to_vec().into())) })
    }
}

fn url(server: &EtcdServer) -> String {
    format!("etcd://{}/apps?lease_ttl_s=2", server.address)
}

fn watch(url: &str) -> watch::Receiver<Resolution> {
    url.parse::<Target>().unwrap().resolver().unwrap().watch(WHO.name)
}

fn register(url: &str, address: &str) -> Registered {
    let registration = Registration::new(&WHO, address.parse().unwrap());
    url.parse::<Target>().unwrap().registry().unwrap().register(registration)
}

async fn shows(watch: &mut watch::Receiver<Resolution>, addresses: &[&str]) {
    let is_shown = |resolution: &Resolution| {
        let shown: Vec<String> = resolution.endpoints.iter().map(Endpoint::to_string).collect();
        shown == addresses && matches!(resolution.state, ResolutionState::Current(_))
    };
    let shown = tokio::time::timeout(PATIENCE, watch.wait_for(is_shown)).await.map(|shown| shown.is_ok());
    assert!(shown.is_ok(), "it shows {:?}", watch.borrow());
}

async fn stands(registered: &Registered) {
    let mut state = registered.state();
    let stands = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
    let reached = tokio::time::timeout(PATIENCE, state.wait_for(stands)).await.is_ok();
    assert!(reached, "it is {:?}", registered.state().borrow());
}

#[tokio::test]
async fn provider_is_listed_until_it_withdraws() {
    let server = EtcdServer::start();
    let url = url(&server);
    let mut watch = watch(&url);
    shows(&mut watch, &[]).await;
    let registered = register(&url, "127.0.0.1:1");
    stands(&registered).await;
    shows(&mut watch, &["127.0.0.1:1"]).await;
    let listed = list_services(&url.parse().unwrap(), PATIENCE).await.unwrap();
    assert_eq!(listed, [("test.Who".to_owned(), vec!["127.0.0.1:1".parse().unwrap()])]);
    // The lease of 2 s is renewed.
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(watch.borrow().endpoints.len(), 1);
    registered.withdraw().await;
    shows(&mut watch, &[]).await;
}

#[tokio::test]
async fn restart_of_the_server_keeps_providers_and_their_callers() {
    let mut server = EtcdServer::stopped();
    let url = url(&server);
    let (registered, mut watch) = (register(&url, "127.0.0.1:1"), watch(&url));
    let waits = |state: &RegistrationState| matches!(state, RegistrationState::Pending(why) if why.contains("since"));
    registered.state().wait_for(waits).await.unwrap();
    server.resume();
    stands(&registered).await;
    shows(&mut watch, &["127.0.0.1:1"]).await;
    server.kill();
    let is_stale = |resolution: &Resolution| matches!(resolution.state, ResolutionState::Stale(_));
    assert_eq!(watch.wait_for(is_stale).await.unwrap().endpoints.len(), 1);
    tokio::time::sleep(Duration::from_secs(3)).await;
    server.resume();
    shows(&mut watch, &["127.0.0.1:1"]).await;
    stands(&registered).await;
}

#[tokio::test]
async fn weight_of_a_provider_changes_and_its_lease_stays() {
    let server = EtcdServer::start();
    let url = url(&server);
    let (target, address): (Target, _) = (url.parse().unwrap(), "127.0.0.1:1".parse().unwrap());
    let error = change_weight(&target, &address, WeightChange::Drain, PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("no entry of 127.0.0.1:1"), "{error}");
    let (registered, mut watch) = (register(&url, "127.0.0.1:1"), watch(&url));
    stands(&registered).await;
    for (change, weight) in [(WeightChange::Drain, 0), (WeightChange::Undrain, 100), (WeightChange::Set(7), 7)] {
        let services = change_weight(&target, &address, change, PATIENCE).await.unwrap();
        assert_eq!(services, ["test.Who"]);
        let has_weight = |resolution: &Resolution| resolution.endpoints.iter().all(|known| known.weight == weight);
        tokio::time::timeout(PATIENCE, watch.wait_for(has_weight)).await.unwrap().unwrap();
    }
    registered.withdraw().await;
    shows(&mut watch, &[]).await;
}

#[tokio::test]
async fn user_logs_in_and_again_after_the_server_has_forgotten_its_tokens() {
    let mut server = EtcdServer::start();
    for (path, json) in [
        ("user/add", r#"{"name":"root","password":"root"}"#),
        ("user/grant", r#"{"user":"root","role":"root"}"#),
        ("user/add", r#"{"name":"mprpc","password":"secret"}"#),
        ("role/add", r#"{"name":"apps"}"#),
        // The keys from /apps/ up to /apps0, in base64.
        ("role/grant", r#"{"name":"apps","perm":{"permType":"READWRITE","key":"L2FwcHMv","range_end":"L2FwcHMw"}}"#),
        ("user/grant", r#"{"user":"mprpc","role":"apps"}"#),
        ("enable", "{}"),
    ] {
        server.post(&format!("/v3/auth/{path}"), json);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, password: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, password).unwrap();
        path.display().to_string()
    };
    let with_login = |login: &str| format!("{}&user=mprpc&password_file={login}", url(&server));
    let (right, wrong) = (with_login(&file("right", "secret\n")), with_login(&file("wrong", "guess")));

    let error = list_services(&wrong.parse().unwrap(), PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains(&server.address) && error.contains("login of user 'mprpc'"), "{error}");
    let error = list_services(&url(&server).parse().unwrap(), PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("the target has no user and password_file"), "{error}");
    let elsewhere = right.replace("/apps?", "/other?");
    let error = list_services(&elsewhere.parse().unwrap(), PATIENCE).await.unwrap_err().to_string();
    assert!(error.contains("user 'mprpc': etcdserver: permission denied"), "{error}");

    let (registered, mut watch) = (register(&right, "127.0.0.1:1"), watch(&right));
    stands(&registered).await;
    shows(&mut watch, &["127.0.0.1:1"]).await;
    // etcd keeps tokens in memory.
    server.kill();
    let is_stale = |resolution: &Resolution| matches!(resolution.state, ResolutionState::Stale(_));
    tokio::time::timeout(PATIENCE, watch.wait_for(is_stale)).await.unwrap().unwrap();
    server.resume();
    shows(&mut watch, &["127.0.0.1:1"]).await;
    stands(&registered).await;
    registered.withdraw().await;
    shows(&mut watch, &[]).await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn servers_are_called_over_tls_with_a_client_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificates::Authority::new(folder.path(), "ca");
    let other = certificates::Authority::new(folder.path(), "other");
    let own = authority.issue("etcd", &["127.0.0.1", "etcd.example"]);
    let caller = authority.issue("mprpc", &[]);
    let server = EtcdServer::start_with_tls(&own.certificate, &own.key, &authority.file());
    let at = |options: String| format!("etcd://{}/apps?lease_ttl_s=2&{options}", server.address);
    let pair =
        format!("tls.client_certificate={}&tls.client_key={}", caller.certificate.display(), caller.key.display());
    let ca = format!("tls.ca={}", authority.file().display());
    for (options, part) in [
        (format!("tls.ca={}&{pair}", other.file().display()), "unknown issuer"),
        (ca.clone(), "certificate"),
        (pair.clone(), "tls.ca is not set"),
        (format!("{ca}&{pair}&tls.server_name=db.example"), "not for db.example"),
        (format!("tls.ca={}/missing.pem", folder.path().display()), "missing.pem"),
    ] {
        let target: Target = at(options).parse().unwrap();
        let error = list_services(&target, PATIENCE).await.unwrap_err().to_string();
        assert!(error.contains(part) && error.contains(&server.address), "{part}: {error}");
    }
    let url = at(format!("{ca}&{pair}&tls.server_name=etcd.example"));
    let (registered, mut watch) = (register(&url, "127.0.0.1:1"), watch(&url));
    stands(&registered).await;
    shows(&mut watch, &["127.0.0.1:1"]).await;
    registered.withdraw().await;
    shows(&mut watch, &[]).await;
}

fn unregistered() -> Server {
    Server { listen: vec!["127.0.0.1:0".parse().unwrap()], loops: 1, ..Server::default() }
}

async fn serve(url: &str, name: &'static str) -> ServerHandle {
    let running = Server { registry: Some(url.into()), ..unregistered() }.add(Who(name)).start().unwrap();
    tokio::time::timeout(PATIENCE, running.registered()).await.unwrap();
    running
}

/// Calls of a task of its own, one every millisecond.
struct Calls {
    stop: oneshot::Sender<()>,
    running: JoinHandle<BTreeMap<String, usize>>,
}

impl Calls {
    /// Starts to call. A failed call fails the test.
    fn start(target: &str) -> Calls {
        let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
        let caller = Stub::new(Channel::with_options(target, options).unwrap(), &WHO);
        let (stop, mut stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let mut answers = BTreeMap::new();
            while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
                let reply: StringValue = caller.unary(0, &StringValue::default()).await.unwrap();
                *answers.entry(reply.value).or_default() += 1;
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            answers
        });
        Calls { stop, running }
    }

    /// Stops calling. Returns how many calls each provider has answered.
    async fn stop(self) -> BTreeMap<String, usize> {
        self.stop.send(()).unwrap();
        self.running.await.unwrap()
    }
}

async fn pause(milliseconds: u64) {
    tokio::time::sleep(Duration::from_millis(milliseconds)).await;
}

#[tokio::test]
async fn outage_costs_no_call_and_a_new_provider_is_called_soon_after() {
    let mut etcd = EtcdServer::start();
    let url = url(&etcd);
    let (first, second) = (serve(&url, "first").await, serve(&url, "second").await);
    let calls = Calls::start(&url);
    pause(500).await;
    etcd.kill();
    pause(3_000).await;
    // Ends as a killed process does.
    drop(second);
    pause(500).await;
    let third = Server { registry: Some(url.clone()), ..unregistered() }.add(Who("third")).start().unwrap();
    etcd.resume();
    tokio::time::timeout(PATIENCE, third.registered()).await.unwrap();
    tokio::time::timeout(PATIENCE, first.registered()).await.unwrap();
    pause(6_000).await;
    let answers = calls.stop().await;
    assert!(["first", "second", "third"].iter().all(|name| answers.contains_key(*name)), "{answers:?}");
}

#[tokio::test]
async fn no_call_fails_while_the_leader_of_a_cluster_is_killed_and_every_provider_stays_registered() {
    let mut cluster = EtcdServer::cluster();
    let addresses: Vec<&str> = cluster.iter().map(|server| server.address.as_str()).collect();
    let url = format!("etcd://{}/apps?lease_ttl_s=2", addresses.join(","));
    let _providers = [serve(&url, "first").await, serve(&url, "second").await];
    let calls = Calls::start(&url);
    pause(300).await;
    let leader = cluster.iter().position(EtcdServer::is_leader).unwrap();
    cluster[leader].kill();
    let third = Server { registry: Some(url.clone()), ..unregistered() }.add(Who("third")).start().unwrap();
    tokio::time::timeout(PATIENCE, third.registered()).await.unwrap();
    // A key whose lease nobody renews is gone by then.
    pause(6_000).await;
    let listed = list_services(&url.parse().unwrap(), PATIENCE).await.unwrap();
    assert_eq!((listed.len(), listed[0].1.len()), (1, 3), "{listed:?}");
    let answers = calls.stop().await;
    assert!(["first", "second", "third"].iter().all(|name| answers.contains_key(*name)), "{answers:?}");
}

#[cfg(feature = "zookeeper")]
#[tokio::test]
async fn move_from_zookeeper_to_etcd_costs_no_call() {
    let (zookeeper, etcd) = (zookeeper::ZooKeeper::shared(), EtcdServer::start());
    let old = format!("zookeeper://{}/test-{:016x}", zookeeper.address, fastrand::u64(..));
    let new = url(&etcd);
    let both = format!("merge:{old}+{new}");
    let mut providers = vec![serve(&old, "old").await, serve(&old, "old").await];
    let calls = Calls::start(&old);
    pause(300).await;
    // Callers first: they find what is in either registry.
    let calls_of_both = Calls::start(&both);
    pause(300).await;
    roll(&mut providers, &both, "both").await;
    pause(1_000).await;
    let answers = calls.stop().await;
    assert!(answers.contains_key("old") && answers.contains_key("both"), "{answers:?}");
    // Everything is in etcd now.
    let calls_of_new = Calls::start(&new);
    pause(300).await;
    calls_of_both.stop().await;
    roll(&mut providers, &new, "new").await;
    pause(1_000).await;
    let answers = calls_of_new.stop().await;
    assert!(answers.contains_key("both") && answers.contains_key("new"), "{answers:?}");
    for provider in providers {
        provider.stop().await;
    }
    assert_eq!(list_services(&new.parse().unwrap(), PATIENCE).await.unwrap(), []);
}

/// Replaces every provider by one that registers at `url`.
#[cfg(feature = "zookeeper")]
async fn roll(providers: &mut [ServerHandle], url: &str, name: &'static str) {
    for provider in providers {
        let replaced = std::mem::replace(provider, serve(url, name).await);
        replaced.stop().await;
    }
}
