//! Tests of the client with the scripted ensemble, in virtual time.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep, timeout};

use super::{Connector, Ensemble};
use crate::{
    Acl, Auth, Client, Connect, CreateMode, Error, EventKind, Op, OpResult, Options, SessionInfo, State, WatchMode, Why,
};

const SECOND: Duration = Duration::from_secs(1);

fn client(ensemble: &Ensemble, name: &str) -> Client {
    Client::connect_over(ensemble.connector(name), &["a:1", "b:1", "c:1"], options())
}

fn options() -> Options {
    Options { seed: Some(1), ..Options::default() }
}

async fn connected(client: &Client) -> SessionInfo {
    let mut state = client.state();
    let connected = state.wait_for(|state| matches!(state, State::Connected(_) | State::ReadOnly(_))).await.unwrap();
    let (State::Connected(info) | State::ReadOnly(info)) = &*connected else { unreachable!("it was waited for") };
    info.clone()
}

/// Waits for a connection after `old`.
async fn reconnected(client: &Client, old: &SessionInfo) -> SessionInfo {
    let mut state = client.state();
    let is_new = |state: &State| matches!(state, State::Connected(info) if info.connection > old.connection);
    timeout(60 * SECOND, state.wait_for(is_new)).await.unwrap().unwrap();
    connected(client).await
}

#[tokio::test(start_paused = true)]
async fn operations_do_what_they_say() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    client.create_all("/a/b", Acl::ANYONE).await.unwrap();
    let (path, stat) = client.create("/a/b/n-", b"1", CreateMode::EphemeralSequential, Acl::ANYONE).await.unwrap();
    assert_eq!((path.as_str(), stat.ephemeral_owner), ("/a/b/n-0000000000", connected(&client).await.id));
    assert_eq!(client.create("/a", b"", CreateMode::Persistent, Acl::ANYONE).await, Err(Error::NodeExists));
    assert_eq!(client.delete("/a", None).await, Err(Error::NotEmpty));
    assert_eq!(client.get("/x").await, Err(Error::NoNode));
    assert_eq!(client.exists("/x").await, Ok(None));
    assert_eq!(client.set("/a", b"x", Some(7)).await, Err(Error::BadVersion));
    assert_eq!(client.set("/a", b"x", Some(0)).await.unwrap().version, 1);
    assert_eq!(client.get("/a").await.unwrap().0, "x");
    assert_eq!(client.children("/a/b").await.unwrap().0, ["n-0000000000"]);
    client.sync("/a").await.unwrap();
    assert_eq!(client.acl("/a").await.unwrap().0, Acl::ANYONE);
    assert_eq!(client.set_acl("/a", Acl::READ_ONLY, None).await.unwrap().aversion, 1);

    let failed = client.multi(&[Op::delete(&path, None), Op::check("/a", Some(7))]).await.unwrap_err();
    assert_eq!((failed.step, failed.error), (Some(1), Error::BadVersion));
    let done = client.multi(&[
        Op::check("/a", Some(1)),
        Op::delete(&path, None),
        Op::set("/a", b"y", None),
        Op::create("/c", b"", CreateMode::Persistent, Acl::ANYONE),
    ]);
    let done = done.await.unwrap();
    assert!(
        matches!(&done[..], [OpResult::Checked, OpResult::Deleted, OpResult::Set(_), OpResult::Created(path, _)] if path == "/c")
    );
    assert!(matches!(client.get("a").await, Err(Error::BadPath(_))));
}

#[tokio::test(start_paused = true)]
async fn session_outlives_a_lost_connection_and_its_watchers_are_told() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    let first = connected(&client).await;
    client.create("/e", b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    let mut watcher = client.watch("/", WatchMode::Recursive).await.unwrap();
    ensemble.put("/x", b"");
    assert_eq!(watcher.next().await.unwrap().kind, EventKind::Created);
    ensemble.cut();
    ensemble.put("/y", b"");
    let second = reconnected(&client, &first).await;
    assert_eq!(second.id, first.id);
    assert!(ensemble.node("/e").is_some());
    assert_eq!(watcher.next().await.unwrap().kind, EventKind::Missed);
    ensemble.put("/z", b"");
    assert_eq!(&*watcher.next().await.unwrap().path, "/z");
    drop(watcher);
    sleep(SECOND).await;
    client.close().await;
    assert!(ensemble.node("/e").is_none() && ensemble.sessions().is_empty());
}

#[tokio::test(start_paused = true)]
async fn expired_session_is_followed_by_a_new_one_with_the_same_watches() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    let first = connected(&client).await;
    client.create("/e", b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    let mut watcher = client.watch("/e", WatchMode::Persistent).await.unwrap();
    let begun = Instant::now();
    ensemble.expire(Some("me"));
    assert_ne!(reconnected(&client, &first).await.id, first.id);
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
    assert_eq!(watcher.next().await.unwrap().kind, EventKind::Missed);
    client.create("/e", b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    assert_eq!(watcher.next().await.unwrap().kind, EventKind::Created);
}

#[tokio::test(start_paused = true)]
async fn half_open_connection_is_found_within_a_third_of_the_timeout() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    let first = connected(&client).await;
    let mut longest = Duration::ZERO;
    // Right after the first answer, right before and after the ping at 1,667 ms, and at other times.
    for pause in [0, 1, 1000, 1666, 1667, 1668, 3000, 5001] {
        sleep(Duration::from_millis(pause)).await;
        let before = connected(&client).await;
        ensemble.half_open();
        let begun = Instant::now();
        let mut state = client.state();
        state.wait_for(|state| matches!(state, State::Disconnected(_))).await.unwrap();
        let found = begun.elapsed();
        assert_eq!(reconnected(&client, &before).await.id, first.id);
        // Timers have a resolution of a millisecond.
        assert!(found <= first.timeout / 3 + Duration::from_millis(1), "after {pause} ms: {found:?}");
        assert!(begun.elapsed() <= found + SECOND, "connected again after {:?}", begun.elapsed());
        longest = longest.max(found);
    }
    println!("found after {longest:?} at most");
    assert!(longest >= first.timeout / 3 - Duration::from_millis(10), "the worst time was not met: {longest:?}");
}

#[tokio::test(start_paused = true)]
async fn session_survives_answers_that_take_half_of_its_timeout() {
    let ensemble = Ensemble::start();
    ensemble.fault(|faults| faults.latency = 5 * SECOND);
    let one = Client::connect_over(ensemble.connector("me"), &["a:1"], options());
    let first = connected(&one).await;
    sleep(120 * SECOND).await;
    assert_eq!(connected(&one).await, first);
    one.create("/e", b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn operations_end_by_their_deadline_and_say_whether_they_were_sent() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    let first = connected(&client).await;
    ensemble.fault(|faults| faults.lose_answers_of_writes = true);
    let lost = client.create("/a", b"", CreateMode::Persistent, Acl::ANYONE).await.unwrap_err();
    assert_eq!(lost, Error::Lost(Why::Disconnected));
    assert!(ensemble.node("/a").is_some(), "the write was done");
    ensemble.fault(|faults| faults.lose_answers_of_writes = false);
    reconnected(&client, &first).await;

    ensemble.fault(|faults| faults.down = true);
    sleep(SECOND).await;
    let begun = Instant::now();
    let unsent = client.create("/b", b"", CreateMode::Persistent, Acl::ANYONE).await.unwrap_err();
    assert_eq!((unsent, begun.elapsed().as_secs()), (Error::NotSent(Why::Deadline), 10));
    let waiting = client.create("/c", b"", CreateMode::Persistent, Acl::ANYONE);
    ensemble.fault(|faults| faults.down = false);
    waiting.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn servers_that_are_down_are_passed_over_and_named_when_all_are() {
    let ensemble = Ensemble::start();
    ensemble.fault(|faults| faults.servers_down.extend(["a:1".into(), "c:1".into()]));
    let client = client(&ensemble, "me");
    assert_eq!(&*connected(&client).await.server, "b:1");
    ensemble.fault(|faults| faults.down = true);
    let mut state = client.state();
    let names_all =
        |state: &State| matches!(state, State::Disconnected(why) if why.matches("connection refused").count() == 3);
    state.wait_for(names_all).await.unwrap();
}

/// Connects to a server that has just started: it takes the first connection and never answers.
struct JustStarted {
    ensemble: Connector,
    swallowed: Mutex<Option<DuplexStream>>,
}

impl Connect for JustStarted {
    type Stream = DuplexStream;

    async fn connect(&self, server: &str) -> io::Result<DuplexStream> {
        if self.swallowed.lock().unwrap().is_some() {
            return self.ensemble.connect(server).await;
        }
        let (near, far) = tokio::io::duplex(1 << 10);
        *self.swallowed.lock().unwrap() = Some(far);
        Ok(near)
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_has_just_started_and_never_answers_is_tried_again_soon() {
    let ensemble = Ensemble::start();
    let connector = JustStarted { ensemble: ensemble.connector("me"), swallowed: Mutex::default() };
    let begun = Instant::now();
    let client = Client::connect_over(connector, &["a:1"], options());
    connected(&client).await;
    assert!(begun.elapsed() < SECOND, "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn client_cut_off_for_longer_than_its_timeout_gets_a_new_session() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    let first = connected(&client).await;
    client.create("/e", b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    ensemble.fault(|faults| faults.partitioned.extend(["me".into()]));
    sleep(first.timeout / 6 - Duration::from_millis(10)).await;
    ensemble.fault(|faults| faults.partitioned.clear());
    sleep(3 * SECOND).await;
    assert_eq!(connected(&client).await, first, "a short partition breaks no connection");
    ensemble.fault(|faults| faults.partitioned.extend(["me".into()]));
    sleep(30 * SECOND).await;
    assert!(ensemble.node("/e").is_none());
    ensemble.fault(|faults| faults.partitioned.clear());
    assert_ne!(reconnected(&client, &first).await.id, first.id);
}

#[tokio::test(start_paused = true)]
async fn rolled_back_ensemble_gets_its_clients_back() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    client.create_all("/a/b/c", Acl::ANYONE).await.unwrap();
    let first = connected(&client).await;
    ensemble.roll_back(None);
    let begun = Instant::now();
    let second = reconnected(&client, &first).await;
    assert_ne!(second.id, first.id);
    assert!(begun.elapsed() < first.timeout * 2, "{:?}", begun.elapsed());
    client.create_all("/a/b", Acl::ANYONE).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn credentials_are_sent_again_at_each_connect_and_refused_ones_end_with_an_error() {
    let ensemble = Ensemble::start();
    let options = Options { auths: vec![Auth::digest("a", "1")], ..options() };
    let client = Client::connect_over(ensemble.connector("me"), &["a:1"], options);
    let first = connected(&client).await;
    client.authenticate(Auth::digest("b", "2")).await.unwrap();
    ensemble.cut();
    reconnected(&client, &first).await;
    client.sync("/").await.unwrap();
    assert_eq!(ensemble.credentials(), [b"a:1", b"b:2", b"a:1", b"b:2"]);

    let again = connected(&client).await;
    ensemble.fault(|faults| faults.refuse_credentials = true);
    assert_eq!(client.authenticate(Auth::digest("c", "3")).await, Err(Error::AuthFailed));
    // The first ones are refused now as well: the client tries again and again, and never in a busy loop.
    sleep(60 * SECOND).await;
    let attempts = ensemble.connects().len();
    assert!((10..60).contains(&attempts), "{attempts} attempts in a minute");
    assert!(matches!(&*client.state().borrow(), State::Disconnected(why) if why.contains("refused the credentials")));
    ensemble.fault(|faults| faults.refuse_credentials = false);
    reconnected(&client, &again).await;
}

#[tokio::test(start_paused = true)]
async fn read_only_server_serves_reads_until_another_takes_writes() {
    let ensemble = Ensemble::start();
    ensemble.put("/a", b"x");
    ensemble.fault(|faults| faults.read_only = true);
    let options = Options { read_only: true, ..options() };
    let client = Client::connect_over(ensemble.connector("me"), &["a:1"], options);
    connected(&client).await;
    assert!(matches!(*client.state().borrow(), State::ReadOnly(_)));
    assert_eq!(client.get("/a").await.unwrap().0, "x");
    assert_eq!(client.delete("/a", None).await, Err(Error::NotReadOnly));
    ensemble.fault(|faults| faults.read_only = false);
    let mut state = client.state();
    timeout(70 * SECOND, state.wait_for(|state| matches!(state, State::Connected(_)))).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn watcher_that_is_not_read_keeps_a_bounded_number_of_events() {
    let ensemble = Ensemble::start();
    let options = Options { watch_events_max: 10, ..options() };
    let client = Client::connect_over(ensemble.connector("me"), &["a:1"], options);
    let mut watcher = client.watch("/a", WatchMode::Persistent).await.unwrap();
    for _ in 0..15 {
        ensemble.put("/a", b"");
    }
    client.sync("/a").await.unwrap();
    let kinds: Vec<EventKind> = std::iter::from_fn(|| watcher.try_next()).map(|event| event.kind).collect();
    assert_eq!((kinds.len(), kinds[0]), (5, EventKind::Missed));
}

#[tokio::test(start_paused = true)]
async fn dropped_client_ends_its_session() {
    let ensemble = Ensemble::start();
    let client = client(&ensemble, "me");
    client.create("/e", b"", CreateMode::Ephemeral, Acl::ANYONE).await.unwrap();
    let other = client.clone();
    drop(client);
    other.get("/e").await.unwrap();
    drop(other);
    sleep(Duration::from_millis(1)).await;
    assert!(ensemble.sessions().is_empty() && ensemble.node("/e").is_none());
}
