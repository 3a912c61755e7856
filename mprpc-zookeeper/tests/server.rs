//! Tests of the client with a real ZooKeeper server: the scripted ensemble of the unit tests can share a mistake with the
//! client, and the server cannot.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../../mprpc/tests/support/zookeeper.rs"]
mod zookeeper;

use std::time::Duration;

use mprpc_zookeeper::{
    Acl, Auth, Client, CreateMode, Error, EventKind, Op, OpResult, Options, SessionInfo, State, WatchEvent, WatchMode,
    Watcher,
};
use zookeeper::ZooKeeper;

/// How long a test waits for an event before it fails. Far longer than needed, for busy machines.
const PATIENCE: Duration = Duration::from_secs(40);

fn client(server: &ZooKeeper) -> Client {
    client_with(server, Duration::from_secs(2))
}

fn client_with(server: &ZooKeeper, session_timeout: Duration) -> Client {
    let options = Options { session_timeout, operation_timeout: PATIENCE, ..Options::default() };
    Client::connect(&[&server.address], options)
}

/// A path that no other test uses.
async fn place(client: &Client) -> String {
    let path = format!("/test-{:016x}/x", fastrand::u64(..));
    client.create_all(&path, Acl::ANYONE).await.unwrap();
    path
}

async fn connected(client: &Client, after: u64) -> SessionInfo {
    let mut state = client.state();
    let is_new = |state: &State| matches!(state, State::Connected(info) if info.connection > after);
    let state = tokio::time::timeout(PATIENCE, state.wait_for(is_new)).await.unwrap().unwrap().clone();
    let State::Connected(info) = state else { unreachable!("it was waited for") };
    info
}

async fn next(watcher: &mut Watcher) -> WatchEvent {
    tokio::time::timeout(PATIENCE, watcher.next()).await.unwrap().unwrap()
}

#[tokio::test]
async fn every_operation_is_understood() {
    let server = ZooKeeper::shared();
    let client = client(&server);
    let place = place(&client).await;
    let at = |name: &str| format!("{place}/{name}");
    let session = connected(&client, 0).await;
    assert_eq!(session.timeout, Duration::from_secs(2));

    let (path, stat) = client.create(&at("p"), b"1", CreateMode::Persistent, Acl::ANYONE).await.unwrap();
    assert_eq!((path, stat.ephemeral_owner, stat.data_length), (at("p"), 0, 1));
    let (path, stat) = client.create(&at("e"), b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    assert_eq!((path, stat.ephemeral_owner), (at("e"), session.id));
    let (path, _) = client.create(&at("s-"), b"", CreateMode::EphemeralSequential, Acl::ANYONE).await.unwrap();
    assert_eq!(path, at("s-0000000002"));
    let (path, _) = client.create(&at("s-"), b"", CreateMode::PersistentSequential, Acl::ANYONE).await.unwrap();
    assert_eq!(path, at("s-0000000003"));
    let (_, stat) = client.create(&at("c"), b"", CreateMode::Container, Acl::ANYONE).await.unwrap();
    assert_eq!(stat.ephemeral_owner, 0);
    // The server knows times to live only if it is configured so.
    let ttl = CreateMode::PersistentTtl(Duration::from_secs(60));
    assert_eq!(client.create(&at("t"), b"", ttl, Acl::ANYONE).await, Err(Error::Unimplemented));

    assert_eq!(client.create(&at("p"), b"", CreateMode::Persistent, Acl::ANYONE).await, Err(Error::NodeExists));
    assert_eq!(client.create(&at("x/y"), b"", CreateMode::Persistent, Acl::ANYONE).await, Err(Error::NoNode));
    let child = client.create(&at("e/y"), b"", CreateMode::Persistent, Acl::ANYONE).await;
    assert_eq!(child, Err(Error::NoChildrenForEphemerals));
    assert_eq!(client.delete(&place, None).await, Err(Error::NotEmpty));
    assert_eq!(client.delete(&at("x"), None).await, Err(Error::NoNode));
    assert_eq!(client.exists(&at("x")).await, Ok(None));
    assert_eq!(client.exists(&at("p")).await.unwrap().unwrap().version, 0);
    assert_eq!(client.set(&at("p"), b"two", Some(0)).await.unwrap().version, 1);
    assert_eq!(client.set(&at("p"), b"two", Some(0)).await, Err(Error::BadVersion));
    assert_eq!(client.get(&at("p")).await.unwrap().0, "two");
    let (mut children, stat) = client.children(&place).await.unwrap();
    children.sort();
    assert_eq!(children, ["c", "e", "p", "s-0000000002", "s-0000000003"]);
    assert_eq!(stat.children, 5);
    client.sync(&place).await.unwrap();
    client.delete(&at("p"), Some(1)).await.unwrap();
}

#[tokio::test]
async fn transactions_are_done_as_a_whole_or_not_at_all() {
    let server = ZooKeeper::shared();
    let client = client(&server);
    let place = place(&client).await;
    let at = |name: &str| format!("{place}/{name}");
    client.create(&at("a"), b"1", CreateMode::Persistent, Acl::ANYONE).await.unwrap();
    let failed = client.multi(&[
        Op::create(&at("b"), b"", CreateMode::Ephemeral, Acl::ANYONE),
        Op::check(&at("a"), Some(7)),
        Op::delete(&at("a"), None),
    ]);
    let failed = failed.await.unwrap_err();
    assert_eq!((failed.step, failed.error), (Some(1), Error::BadVersion));
    assert_eq!(client.children(&place).await.unwrap().0, ["a"]);
    let done = client.multi(&[
        Op::check(&at("a"), Some(0)),
        Op::set(&at("a"), b"2", Some(0)),
        Op::delete(&at("a"), Some(1)),
        Op::create(&at("a"), b"3", CreateMode::Ephemeral, Acl::ANYONE),
        Op::create(&at("c"), b"", CreateMode::Container, Acl::ANYONE),
    ]);
    let done = done.await.unwrap();
    let [OpResult::Checked, OpResult::Set(set), OpResult::Deleted, OpResult::Created(a, _), OpResult::Created(c, _)] =
        &done[..]
    else {
        panic!("{done:?}")
    };
    assert_eq!((set.version, a, c), (1, &at("a"), &at("c")));
    let owner = client.exists(&at("a")).await.unwrap().unwrap().ephemeral_owner;
    assert_eq!(owner, connected(&client, 0).await.id);
}

#[tokio::test]
async fn watches_report_what_their_mode_says() {
    let server = ZooKeeper::shared();
    let (client, writer) = (client(&server), client(&server));
    let place = place(&writer).await;
    let at = |name: &str| format!("{place}/{name}");
    let mut node = client.watch(&at("a"), WatchMode::Persistent).await.unwrap();
    let mut tree = client.watch(&place, WatchMode::Recursive).await.unwrap();
    let conflict = client.watch(&place, WatchMode::Persistent).await.unwrap_err();
    assert_eq!(conflict, Error::WatchModeConflict);
    writer.create(&at("a"), b"", CreateMode::Persistent, Acl::ANYONE).await.unwrap();
    writer.set(&at("a"), b"1", None).await.unwrap();
    writer.create(&at("a/b"), b"", CreateMode::Persistent, Acl::ANYONE).await.unwrap();
    writer.delete(&at("a/b"), None).await.unwrap();
    writer.delete(&at("a"), None).await.unwrap();
    use EventKind::{ChildrenChanged, Created, DataChanged, Deleted};
    for kind in [Created, DataChanged, ChildrenChanged, ChildrenChanged, Deleted] {
        assert_eq!(next(&mut node).await, WatchEvent { kind, path: at("a").into() });
    }
    for (kind, path) in [(Created, "a"), (DataChanged, "a"), (Created, "a/b"), (Deleted, "a/b"), (Deleted, "a")] {
        assert_eq!(next(&mut tree).await, WatchEvent { kind, path: at(path).into() });
    }

    // A watch that is gone can be set in the other mode.
    drop(node);
    let mut node = client.watch(&at("a"), WatchMode::Recursive).await.unwrap();
    writer.create(&at("a"), b"", CreateMode::Persistent, Acl::ANYONE).await.unwrap();
    assert_eq!(next(&mut node).await, WatchEvent { kind: Created, path: at("a").into() });
}

#[tokio::test]
async fn access_control_lists_are_kept_and_credentials_pass_them() {
    let server = ZooKeeper::shared();
    let (owner, stranger) = (client(&server), client(&server));
    let place = place(&owner).await;
    let path = format!("{place}/mine");
    connected(&owner, 0).await;
    owner.authenticate(Auth::digest("me", "secret")).await.unwrap();
    owner.create(&path, b"x", CreateMode::Persistent, Acl::CREATOR).await.unwrap();
    assert_eq!(stranger.get(&path).await, Err(Error::NoAuth));
    let (acls, stat) = owner.acl(&path).await.unwrap();
    assert_eq!((acls.len(), &*acls[0].scheme, acls[0].id.split(':').next()), (1, "digest", Some("me")));
    owner.set_acl(&path, Acl::READ_ONLY, Some(stat.aversion)).await.unwrap();
    assert_eq!(stranger.get(&path).await.unwrap().0, "x");
    assert_eq!(stranger.set(&path, b"", None).await, Err(Error::NoAuth));
    let options = Options { auths: vec![Auth::digest("me", "secret")], ..Options::default() };
    let again = Client::connect(&[&server.address], options);
    assert_eq!(again.set(&path, b"", None).await, Err(Error::NoAuth), "the list says read only");
    again.set_acl(&path, Acl::ANYONE, None).await.unwrap_err();
}

#[tokio::test]
async fn closed_client_takes_its_ephemeral_nodes_with_it_at_once() {
    let server = ZooKeeper::shared();
    let (client, other) = (client(&server), client(&server));
    let path = format!("{}/e", place(&client).await);
    client.create(&path, b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    client.close().await;
    assert_eq!(other.exists(&path).await, Ok(None));
    assert!(matches!(client.get(&path).await, Err(Error::NotSent(_))));
}

#[tokio::test]
async fn server_that_restarts_gets_its_clients_back_with_sessions_and_watches() {
    let mut server = ZooKeeper::own();
    // A start takes longer than two seconds on a busy machine, and the server counts the time from an early step of it.
    let client = client_with(&server, Duration::from_secs(8));
    let place = place(&client).await;
    let first = connected(&client, 0).await;
    let path = format!("{place}/e");
    client.create(&path, b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    let mut node = client.watch(&path, WatchMode::Persistent).await.unwrap();
    let mut tree = client.watch(&place, WatchMode::Recursive).await.unwrap();
    server.stop();
    server.start();
    let second = connected(&client, first.connection).await;
    assert_eq!(second.id, first.id);
    assert_eq!(next(&mut node).await.kind, EventKind::Missed);
    assert_eq!(next(&mut tree).await.kind, EventKind::Missed);
    assert_eq!(client.exists(&path).await.unwrap().unwrap().ephemeral_owner, first.id);
    client.set(&path, b"1", None).await.unwrap();
    assert_eq!(next(&mut node).await, WatchEvent { kind: EventKind::DataChanged, path: path.as_str().into() });
    assert_eq!(next(&mut tree).await, WatchEvent { kind: EventKind::DataChanged, path: path.as_str().into() });

    // All data is lost: transactions begin anew, so the server refuses the client until that accepts older data.
    server.stop();
    server.wipe();
    server.start();
    let third = connected(&client, second.connection).await;
    assert_ne!(third.id, first.id);
    assert_eq!(client.exists(&path).await, Ok(None));
}
