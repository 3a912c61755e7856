//! What a caller sees while its registry fails.

use super::*;
use crate::discovery::entries_skipped;
use crate::endpoint::Protocol;
use tokio::time::sleep;

/// A caller that sees the one provider, `127.0.0.1:1`.
async fn caller_of_one_provider() -> (Servers, Process, watch::Receiver<Resolution>) {
    let servers = Servers::start();
    let caller = Process::start(&servers, "caller");
    servers.put(&node("127.0.0.1:1"), NODE);
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    (servers, caller, shown)
}

#[tokio::test(start_paused = true)]
async fn z02_caller_that_starts_without_zookeeper_says_why_and_recovers_without_a_restart() {
    let servers = Servers::start();
    servers.fault(|faults| faults.down = true);
    let caller = Process::start(&servers, "caller");
    let mut shown = caller.watch();
    let why = until(&mut shown, |r| matches!(&r.state, ResolutionState::Pending(why) if why.contains("since"))).await;
    println!("z02: the reason is known after {why:?}: {:?}", shown.borrow().state);
    let ResolutionState::Pending(why) = shown.borrow().state.clone() else { unreachable!("it was waited for") };
    for part in ["zookeeper a:2181,b:2181,c:2181: since ", "a:2181: connection refused", "c:2181: connection refused"] {
        assert!(why.contains(part), "{why}");
    }
    servers.put(&node("127.0.0.1:1"), NODE);
    sleep(60 * SECOND).await;
    servers.fault(|faults| faults.down = false);
    let took = until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    println!("z02: current {took:?} after ZooKeeper is up");
    assert!(took < TIMEOUT / 3 + SECOND);
}

#[tokio::test(start_paused = true)]
async fn z03_outage_of_an_hour_keeps_the_last_list_and_says_since_when() {
    let servers = Servers::start();
    let (provider, caller) = (Process::start(&servers, "provider"), Process::start(&servers, "caller"));
    let registered = provider.register("127.0.0.1:1");
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    let (stop, recorded) = record(shown.clone());
    servers.fault(|faults| faults.down = true);
    let stale = until(&mut shown, |r| matches!(&r.state, ResolutionState::Stale(why) if why.contains("since"))).await;
    assert!(falls(&registered).await.contains("since"));
    // Three servers are asked in each round. A busy loop shows in the first minute.
    sleep(60 * SECOND).await;
    let attempts = servers.connects().len();
    assert!(attempts < 2 * 3 * 60, "{attempts} attempts in a minute are a busy loop");
    sleep(3540 * SECOND).await;
    let attempts = servers.connects().len();
    servers.fault(|faults| faults.down = false);
    let current = until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    stands(&registered).await;
    println!("z03: stale after {stale:?}, current {current:?} after the return, {attempts} attempts of two processes");
    assert!(attempts < 2 * 3 * 3600, "{attempts} attempts are a busy loop");
    drop(stop);
    assert!(recorded.await.unwrap().iter().all(|resolution| lists(resolution, &["127.0.0.1:1"])));
}

#[tokio::test(start_paused = true)]
async fn z04_change_that_happens_while_the_connection_is_lost_is_read_after_it() {
    let (servers, _caller, mut shown) = caller_of_one_provider().await;
    sleep(SECOND).await;
    servers.fault(|faults| faults.drop_events = true);
    servers.cut();
    servers.put(&node("127.0.0.1:2"), NODE);
    servers.delete(&node("127.0.0.1:1"));
    let took = until(&mut shown, |r| shows(r, &["127.0.0.1:2"])).await;
    println!("z04: the change is known {took:?} after the connection was lost");
    assert!(took < 250 * MS, "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn z04_event_that_is_lost_on_a_good_connection_is_found_by_the_next_listing() {
    let servers = Servers::start();
    let caller = Process::start(&servers, "caller");
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &[])).await;
    servers.fault(|faults| faults.drop_events = true);
    servers.put(&node("127.0.0.1:1"), NODE);
    let took = until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    println!("z04: a lost event is made up for after {took:?}");
    assert!(took <= 61 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn z05_caller_whose_session_expires_loses_no_endpoint_and_no_later_change() {
    let (servers, caller, mut shown) = caller_of_one_provider().await;
    let (stop, recorded) = record(shown.clone());
    let old = caller.id().await;
    servers.expire(Some("caller"));
    until(&mut shown, |r| matches!(r.state, ResolutionState::Stale(_))).await;
    let took = until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    println!("z05: the list is current again {took:?} after the session expired");
    assert_ne!(caller.id().await, old);
    drop(stop);
    assert!(recorded.await.unwrap().iter().all(|resolution| lists(resolution, &["127.0.0.1:1"])));
    sleep(SECOND).await;
    servers.put(&node("127.0.0.1:2"), NODE);
    let took = until(&mut shown, |r| shows(r, &["127.0.0.1:1", "127.0.0.1:2"])).await;
    assert!(took < 150 * MS, "the watch was not set again: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn z09_list_that_is_empty_by_mistake_is_shown_as_what_the_registry_holds_and_comes_back() {
    let (servers, _caller, mut shown) = caller_of_one_provider().await;
    servers.fault(|faults| faults.empty_lists = true);
    servers.cut();
    // The channel does not believe it, and keeps calling the last endpoints.
    until(&mut shown, |r| shows(r, &[])).await;
    servers.fault(|faults| faults.empty_lists = false);
    servers.cut();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
}

#[tokio::test(start_paused = true)]
async fn z12_two_hundred_changes_cause_few_reads_of_the_list() {
    let (servers, _caller, mut shown) = caller_of_one_provider().await;
    let (stop, recorded) = record(shown.clone());
    for port in 1000..1200 {
        servers.put(&node(&format!("127.0.0.1:{port}")), NODE);
        sleep(10 * MS).await;
        servers.delete(&node(&format!("127.0.0.1:{}", port - 1)));
    }
    until(&mut shown, |r| shows(r, &["127.0.0.1:1", "127.0.0.1:1199"])).await;
    drop(stop);
    let lists = recorded.await.unwrap();
    println!("z12: {} lists were published for 400 changes in 2 s", lists.len());
    assert!(lists.len() <= 22, "{}", lists.len());
    assert!(lists.iter().all(|resolution| !resolution.endpoints.is_empty()));
}

#[tokio::test(start_paused = true)]
async fn z15_entry_that_cannot_be_read_is_skipped_and_counted_and_the_others_are_used() {
    let servers = Servers::start();
    let caller = Process::start(&servers, "caller");
    let before = entries_skipped();
    servers.put(&node("nonsense"), NODE);
    servers.put(&node("127.0.0.1:2"), b"\xff\xfe");
    servers.put(&node("no.such.host.example:3"), NODE);
    servers.put(&node("127.0.0.1:4"), NODE);
    let mut shown = caller.watch();
    // A name is looked up at each connect, so a host without an address costs one attempt and no entry.
    until(&mut shown, |r| shows(r, &["127.0.0.1:4", "no.such.host.example:3"])).await;
    assert!(entries_skipped() - before >= 2);
}

#[tokio::test(start_paused = true)]
async fn z20_session_survives_a_server_that_takes_five_seconds_for_each_answer_and_a_storm_of_events() {
    let servers = Servers::start();
    servers.fault(|faults| faults.latency = 5 * SECOND);
    let options = Options { session_timeout: TIMEOUT, seed: Some(1), ..Options::default() };
    let one = Ensemble { servers: vec!["a:2181".into()], ..ensemble(false) };
    let session = Session::start(&one, servers.connector("caller"), options, &Handle::current());
    let caller = Process { name: "caller".into(), session };
    let mut shown = caller.watch();
    // The first handshake has no answer within 500 ms, and the second one has.
    let (id, connects) = (caller.id().await, servers.connects().len());
    until(&mut shown, |r| shows(r, &[])).await;
    for port in 1..=5000 {
        servers.put(&node("127.0.0.1:1"), NODE);
        if port % 100 == 0 {
            sleep(SECOND).await;
        }
    }
    let took = until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    println!("z20: the list is known {took:?} after 5,000 events");
    assert_eq!((caller.id().await, servers.connects().len()), (id, connects), "the session did not last");
}

#[tokio::test(start_paused = true)]
async fn z21_half_open_connection_is_found_and_the_session_goes_on_at_another_server() {
    let servers = Servers::start();
    let (provider, caller) = (Process::start(&servers, "provider"), Process::start(&servers, "caller"));
    let registered = provider.register("127.0.0.1:1");
    stands(&registered).await;
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    let owner = servers.node(&node("127.0.0.1:1")).unwrap().1;
    let (stop, recorded) = record(shown.clone());
    servers.half_open();
    let found = until(&mut shown, |r| matches!(r.state, ResolutionState::Stale(_))).await;
    // Two of the three are replaced meanwhile.
    servers.fault(|faults| faults.servers_down.extend(["a:2181".into(), "b:2181".into()]));
    let again = until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    println!("z21: the half-open connection is found after {found:?}, and another is used {again:?} later");
    assert!(found <= TIMEOUT / 3 + MS && again < SECOND, "{found:?} {again:?}");
    stands(&registered).await;
    assert_eq!(servers.node(&node("127.0.0.1:1")).unwrap().1, owner, "the session went on");
    drop(stop);
    assert!(recorded.await.unwrap().iter().all(|resolution| lists(resolution, &["127.0.0.1:1"])));
}

#[tokio::test(start_paused = true)]
async fn z23_path_that_may_not_be_read_is_a_clear_error_without_a_busy_loop() {
    let servers = Servers::start();
    servers.put(&node("127.0.0.1:1"), NODE);
    servers.fault(|faults| faults.no_auth.extend([FOLDER.into()]));
    let caller = Process::start(&servers, "caller");
    let mut shown = caller.watch();
    until(
        &mut shown,
        |r| matches!(&r.state, ResolutionState::Pending(why) if why.contains("NOAUTH") && why.contains(FOLDER)),
    )
    .await;
    let before = servers.requests();
    sleep(600 * SECOND).await;
    let requests = servers.requests() - before;
    println!("z23: {requests} requests in ten minutes");
    assert!(requests < 600 * 2, "{requests}");
    servers.fault(|faults| faults.no_auth.clear());
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
}

#[tokio::test(start_paused = true)]
async fn z26_callers_find_providers_of_the_classic_layout() {
    let servers = Servers::start();
    let caller = Process::start(&servers, "caller");
    servers.put(LOGIN, b"127.0.0.1:9000");
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["classic:127.0.0.1:9000"])).await;
    assert_eq!(shown.borrow().endpoints[0].protocol, Protocol::Classic);
    assert!(shown.borrow().endpoints[0].serves("Login") && !shown.borrow().endpoints[0].serves("Register"));
}
