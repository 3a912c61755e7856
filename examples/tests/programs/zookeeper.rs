//! Provider and caller on a real ZooKeeper, configured with the keys of the C++ MPRPC.

use std::time::{Duration, Instant};

use mprpc::discovery::list_services;
use mprpc::net::background;
use mprpc_zookeeper::{Client, Options};

use self::server::ZooKeeper;
use crate::every_client::GREETER_PROVIDER;
use crate::program::*;

#[path = "../../../mprpc/tests/support/zookeeper.rs"]
mod server;

#[test]
fn callers_find_providers_in_zookeeper_for_as_long_as_they_run() {
    let zookeeper = ZooKeeper::own();
    let (ip, port) = zookeeper.address.split_once(':').unwrap();
    let folder = Folder::new();
    let keys = format!("rpcserverip = 127.0.0.1\nrpcserverport = 0\nzookeeperip = {ip}\nzookeeperport = {port}\n");
    let conf = folder.conf(&(keys + "demo = true\n"));
    let (users, address) = Program::registered(USER_PROVIDER, &conf);
    let short_session =
        format!("{conf} --registry=zookeeper://{}?classic=true&session_timeout_ms=1000", zookeeper.address);
    let (mut friends, _) = Program::registered(FRIEND_PROVIDER, &short_session);
    // The address is listed in the layout of mprpc, and in that of the C++ programs.
    assert_eq!(listed(&zookeeper, "fixbug.UserServiceRpc"), [&*address]);
    assert_eq!(node(&zookeeper, "/UserServiceRpc/Login"), Some(address));
    for caller in [USER_CALLER, FRIEND_CALLER] {
        let (succeeded, output) = run(caller, &conf);
        assert!(succeeded, "{output}");
    }

    users.terminate();
    let begin = Instant::now();
    eventually("the provider is gone from the registry", || listed(&zookeeper, "fixbug.UserServiceRpc").is_empty());
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(node(&zookeeper, "/UserServiceRpc/Login"), None);

    // The first provider is killed, and another one takes its place before the session of the first has ended.
    friends.process.kill().unwrap();
    let (_friends, address) = Program::registered(FRIEND_PROVIDER, &short_session);
    eventually("exactly the second provider stands", || listed(&zookeeper, "fixbug.FriendServiceRpc") == [&*address]);
    let path = "/FriendServiceRpc/GetFriendsList";
    eventually("and the C++ programs find it", || node(&zookeeper, path).as_ref() == Some(&address));
    let (succeeded, output) = run(FRIEND_CALLER, &conf);
    assert!(succeeded, "{output}");
}

#[test]
fn restart_in_place_over_zookeeper_logs_no_error() {
    let zookeeper = ZooKeeper::own();
    let folder = Folder::new();
    let handover = folder.path("handover.sock").display().to_string();
    let flags = format!("--handover={handover} --registry=zookeeper://{}", zookeeper.address);
    let (mut running, at) = Program::registered(GREETER_PROVIDER, &flags);
    for _ in 0..3 {
        let (next, address) = Program::registered(GREETER_PROVIDER, &flags);
        assert_eq!(address, at);
        eventually("the process before ends", || !running.is_running());
        assert_eq!(running.process.wait().unwrap().code(), Some(0), "{}", running.log());
        assert!(!running.log().contains("ERROR"), "{}", running.log());
        assert_eq!(listed(&zookeeper, "hello.Greeter"), [&*at]);
        running = next;
    }
}

/// The listed addresses of a service.
fn listed(zookeeper: &ZooKeeper, service: &str) -> Vec<String> {
    let target = format!("zookeeper://{}", zookeeper.address).parse().unwrap();
    let all = background().block_on(list_services(&target, PATIENCE)).unwrap();
    let endpoints = all.iter().filter(|(name, _)| name == service).flat_map(|(_, endpoints)| endpoints);
    endpoints.map(ToString::to_string).collect()
}

/// The content of a node, if the node exists.
fn node(zookeeper: &ZooKeeper, path: &str) -> Option<String> {
    let data = background().block_on(async {
        let client = Client::connect(&[&zookeeper.address], Options::default());
        client.get(path).await
    });
    data.ok().map(|(data, _)| String::from_utf8(data.to_vec()).unwrap())
}
