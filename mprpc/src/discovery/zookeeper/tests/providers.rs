//! What a provider does while its registry fails.

use super::super::super::weights::WeightChange;
use super::super::services::change_connected;
use super::*;
use crate::interceptors::tests::log::Log;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::time::sleep;

fn owner(servers: &Servers, address: &str) -> Option<i64> {
    servers.node(&node(address)).map(|(_, owner)| owner)
}

#[tokio::test(start_paused = true)]
async fn z05_provider_whose_session_expires_registers_again() {
    let servers = Servers::start();
    let provider = Process::start(&servers, "provider");
    let registered = provider.register("127.0.0.1:1");
    stands(&registered).await;
    let old = provider.id().await;
    servers.expire(Some("provider"));
    assert_eq!(owner(&servers, "127.0.0.1:1"), None);
    let took = eventually(|| owner(&servers, "127.0.0.1:1").is_some()).await;
    println!("z05: registered again {took:?} after the session expired");
    assert!(took < 250 * MS, "{took:?}");
    stands(&registered).await;
    assert_ne!(owner(&servers, "127.0.0.1:1"), Some(old));
}

#[tokio::test(start_paused = true)]
async fn z06_node_of_the_expired_session_is_replaced_before_the_servers_remove_it() {
    let servers = Servers::start();
    // Answers take time, so that providers that replace each other's node do not stop the clock.
    servers.fault(|faults| (faults.reap_delay, faults.latency) = (30 * SECOND, MS));
    let (provider, other) = (Process::start(&servers, "provider"), Process::start(&servers, "other"));
    let (registered, others) = (provider.register_in("127.0.0.1:1", true), other.register_in("127.0.0.1:2", true));
    stands(&registered).await;
    stands(&others).await;
    eventually(|| servers.node(LOGIN).is_some()).await;
    let old = provider.id().await;
    servers.expire(Some("provider"));
    assert_eq!(owner(&servers, "127.0.0.1:1"), Some(old), "the servers delay the removal");
    let took = eventually(|| owner(&servers, "127.0.0.1:1").is_some_and(|owner| owner != old)).await;
    println!("z06: the own old node is replaced {took:?} after the session expired, 30 s before its removal");
    assert!(took < 250 * MS, "{took:?}");
    for _ in 0..60 {
        sleep(SECOND).await;
        assert_eq!(owner(&servers, "127.0.0.1:1"), Some(provider.id().await), "the late removal hit the new node");
        assert_eq!(owner(&servers, "127.0.0.1:2"), Some(other.id().await));
    }
    // Whoever owned the classic node, no live owner lost it to the other.
    let live = [provider.id().await, other.id().await];
    assert!(servers.deletions().iter().all(|deletion| !live.contains(&deletion.owner)), "{:?}", servers.deletions());
}

#[tokio::test(start_paused = true)]
async fn z07_node_that_an_operator_deletes_comes_back_at_once_or_by_the_next_check() {
    let servers = Servers::start();
    let provider = Process::start(&servers, "provider");
    let registered = provider.register_in("127.0.0.1:1", true);
    stands(&registered).await;
    for drop_events in [false, true] {
        servers.fault(|faults| faults.drop_events = drop_events);
        sleep(SECOND).await;
        servers.delete(&node("127.0.0.1:1"));
        servers.delete(LOGIN);
        let took = eventually(|| owner(&servers, "127.0.0.1:1").is_some() && servers.node(LOGIN).is_some()).await;
        println!(
            "z07: the node is back after {took:?}, {}",
            if drop_events { "without an event" } else { "by its event" }
        );
        assert!(took <= if drop_events { 10 * SECOND } else { 2 * MS }, "{took:?}");
    }
    // The whole path goes.
    servers.delete("/apps");
    eventually(|| owner(&servers, "127.0.0.1:1").is_some()).await;
    stands(&registered).await;
}

#[tokio::test(start_paused = true)]
async fn z08_provider_killed_and_restarted_at_its_address_has_one_node_that_lasts() {
    let servers = Servers::start();
    let (killed, caller) = (Process::start(&servers, "killed"), Process::start(&servers, "caller"));
    let first = killed.register_in("127.0.0.1:1", true);
    stands(&first).await;
    eventually(|| servers.node(LOGIN).is_some()).await;
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    let (stop, recorded) = record(shown.clone());
    let old = killed.id().await;
    servers.fault(|faults| faults.partitioned.extend(["killed".into()]));
    sleep(SECOND).await;
    let next = Process::start(&servers, "next");
    let second = next.register_in("127.0.0.1:1", true);
    let took = stands(&second).await;
    println!("z08: the restarted provider stands after {took:?}");
    assert!(took < 100 * MS && servers.sessions().contains(&old), "the old session has not ended yet");
    let new = next.id().await;
    for _ in 0..30 {
        assert_eq!(owner(&servers, "127.0.0.1:1"), Some(new));
        assert_eq!(servers.children(FOLDER), ["127.0.0.1:1"]);
        sleep(SECOND).await;
    }
    assert!(!servers.sessions().contains(&old));
    assert_eq!(servers.node(LOGIN).unwrap().1, new);
    drop(stop);
    assert!(recorded.await.unwrap().iter().all(|resolution| lists(resolution, &["127.0.0.1:1"])));
}

#[tokio::test(start_paused = true)]
async fn process_whose_address_another_announces_says_error_unless_it_hands_over() {
    for is_handover in [true, false] {
        let log = Log::begin();
        let servers = Servers::start();
        let (old, next) = (Process::start(&servers, "old"), Process::start(&servers, "next"));
        let taken_over = Arc::new(AtomicBool::new(false));
        let registration = Registration::new(&USERS, "127.0.0.1:1".parse().unwrap()).with_successor(taken_over.clone());
        let first = ZooKeeperRegistry::over(ensemble(true), old.session.clone()).register(registration);
        stands(&first).await;
        eventually(|| servers.node(LOGIN).is_some()).await;
        // The next process has the listening sockets before it registers.
        taken_over.store(is_handover, Ordering::Release);
        let second = next.register_in("127.0.0.1:1", true);
        stands(&second).await;
        let who = if is_handover { "the next" } else { "another" };
        assert!(falls(&first).await.contains(&format!("{who} process announces this address")));
        sleep(30 * SECOND).await;
        first.withdraw().await;
        assert_eq!(
            owner(&servers, "127.0.0.1:1"),
            Some(next.id().await),
            "the stop takes nothing from the next process"
        );
        let loud = log.lines().into_iter().filter(|(level, _)| *level <= tracing::Level::WARN).count();
        assert_eq!(
            (loud, log.with("announces this address").len()),
            (usize::from(!is_handover), 1),
            "{:?}",
            log.lines()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn z18_provider_that_stops_is_withdrawn_from_every_caller_before_its_session_ends() {
    let servers = Servers::start();
    let (provider, caller) = (Process::start(&servers, "provider"), Process::start(&servers, "caller"));
    let registered = provider.register_in("127.0.0.1:1", true);
    stands(&registered).await;
    eventually(|| servers.node(LOGIN).is_some()).await;
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    sleep(SECOND).await;
    registered.withdraw().await;
    assert!(servers.node(LOGIN).is_none() && owner(&servers, "127.0.0.1:1").is_none());
    let took = until(&mut shown, |r| shows(r, &[])).await;
    println!("z18: a caller knows {took:?} after the withdrawal");
    assert!(took < 150 * MS, "{took:?}");
    assert!(servers.sessions().contains(&provider.id().await));
}

#[tokio::test(start_paused = true)]
async fn z18_provider_that_stops_while_zookeeper_is_away_withdraws_after_its_return() {
    let servers = Servers::start();
    let provider = Process::start(&servers, "provider");
    let registered = provider.register("127.0.0.1:1");
    stands(&registered).await;
    servers.fault(|faults| faults.down = true);
    let withdrawing = tokio::spawn(registered.withdraw());
    sleep(30 * SECOND).await;
    assert!(!withdrawing.is_finished() && owner(&servers, "127.0.0.1:1").is_some());
    servers.fault(|faults| faults.down = false);
    timeout(PATIENCE, withdrawing).await.unwrap().unwrap();
    assert_eq!(owner(&servers, "127.0.0.1:1"), None);
}

#[tokio::test(start_paused = true)]
async fn z19_provider_that_is_not_ready_leaves_and_returns_on_the_same_session() {
    let servers = Servers::start();
    let provider = Process::start(&servers, "provider");
    let id = provider.id().await;
    sleep(60 * SECOND).await;
    assert_eq!(owner(&servers, "127.0.0.1:1"), None, "nothing is registered before it is asked for");
    for _ in 0..3 {
        let registered = provider.register("127.0.0.1:1");
        stands(&registered).await;
        assert_eq!(owner(&servers, "127.0.0.1:1"), Some(id));
        registered.withdraw().await;
        assert_eq!(owner(&servers, "127.0.0.1:1"), None);
    }
    assert_eq!(servers.sessions(), [id]);
}

#[tokio::test(start_paused = true)]
async fn z22_provider_registers_again_in_an_ensemble_that_was_rolled_back_or_built_anew() {
    let servers = Servers::start();
    let old = servers.snapshot();
    let (provider, caller) = (Process::start(&servers, "provider"), Process::start(&servers, "caller"));
    let registered = provider.register_in("127.0.0.1:1", true);
    stands(&registered).await;
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    let with_node = servers.snapshot();
    for (what, snapshot) in
        [("rolled back", Some(old)), ("built anew", None), ("with the node of a lost session", Some(with_node))]
    {
        let lost = provider.id().await;
        sleep(60 * SECOND).await;
        servers.roll_back(snapshot);
        falls(&registered).await;
        let took = stands(&registered).await;
        println!("z22: {what}: registered again after {took:?}");
        assert!(took < 2 * TIMEOUT, "{took:?}");
        until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
        assert_ne!(owner(&servers, "127.0.0.1:1"), Some(lost));
    }
}

#[tokio::test(start_paused = true)]
async fn z23_path_that_may_not_be_written_is_a_clear_error_without_a_busy_loop() {
    let servers = Servers::start();
    servers.fault(|faults| faults.no_auth.extend(["/apps".into()]));
    let provider = Process::start(&servers, "provider");
    let registered = provider.register_in("127.0.0.1:1", true);
    let why = falls(&registered).await;
    assert!(why.contains("NOAUTH") && why.contains(&node("127.0.0.1:1")), "{why}");
    let before = servers.requests();
    sleep(600 * SECOND).await;
    let requests = servers.requests() - before;
    println!("z23: {requests} requests in ten minutes");
    assert!(requests < 600 * 2, "{requests}");
    servers.fault(|faults| faults.no_auth.clear());
    stands(&registered).await;
}

#[tokio::test(start_paused = true)]
async fn z24_provider_that_stood_still_for_a_minute_checks_before_it_says_that_it_is_registered() {
    let servers = Servers::start();
    let (provider, caller) = (Process::start(&servers, "provider"), Process::start(&servers, "caller"));
    let registered = provider.register("127.0.0.1:1");
    stands(&registered).await;
    let mut shown = caller.watch();
    until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    let old = provider.id().await;
    servers.fault(|faults| faults.partitioned.extend(["provider".into()]));
    until(&mut shown, |r| shows(r, &[])).await;
    tokio::time::advance(60 * SECOND).await;
    let mut state = registered.state();
    // Until the answers come, the provider cannot know whether its node is there.
    servers.fault(|faults| (faults.partitioned, faults.latency) = (Default::default(), 10 * MS));
    falls(&registered).await;
    let stood = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
    timeout(PATIENCE, state.wait_for(stood)).await.unwrap().unwrap();
    assert!(owner(&servers, "127.0.0.1:1").is_some_and(|owner| owner != old), "it said so too early");
    let took = until(&mut shown, |r| shows(r, &["127.0.0.1:1"])).await;
    println!("z24: a caller sees it {took:?} after it is registered again");
}

#[tokio::test(start_paused = true)]
async fn z26_provider_writes_the_classic_layout_for_callers_in_cpp() {
    let servers = Servers::start();
    let provider = Process::start(&servers, "provider");
    let registered = provider.register_in("127.0.0.1:1", true);
    stands(&registered).await;
    for path in [LOGIN, "/apps/UserServiceRpc/Register"] {
        eventually(|| servers.node(path).is_some()).await;
        assert_eq!(servers.node(path).unwrap(), ("127.0.0.1:1".into(), provider.id().await));
    }
    assert_eq!(servers.node("/apps/UserServiceRpc").unwrap(), (Default::default(), 0));
    assert_eq!(provider.name, "provider");
}

#[tokio::test(start_paused = true)]
async fn weight_of_an_operator_lasts_through_checks_and_sessions_and_classic_nodes_stay() {
    let servers = Servers::start();
    let (provider, operator) = (Process::start(&servers, "provider"), Process::start(&servers, "operator"));
    let registered = provider.register_in("127.0.0.1:1", true);
    stands(&registered).await;
    let mut shown = operator.watch();
    until(&mut shown, |resolution| shows(resolution, &["127.0.0.1:1"])).await;
    let classic = servers.node(LOGIN);
    operator.id().await;
    let change = async |change| {
        let address = "127.0.0.1:1".parse().unwrap();
        change_connected(&operator.session.client, "/apps", &address, change).await.unwrap()
    };
    let weight = |resolution: &Resolution, weight: u32| {
        shows(resolution, &["127.0.0.1:1"]) && resolution.endpoints[0].weight == weight
    };
    assert_eq!(change(WeightChange::Drain).await, [USERS.name]);
    let took = until(&mut shown, |resolution| weight(resolution, 0)).await;
    println!("a drained provider is known {took:?} later");
    // Several checks of the provider, and two sessions.
    sleep(60 * SECOND).await;
    for _ in 0..2 {
        assert!(weight(&shown.borrow(), 0));
        let old = provider.id().await;
        servers.expire(Some("provider"));
        eventually(|| owner(&servers, "127.0.0.1:1").is_some_and(|owner| owner != old)).await;
        stands(&registered).await;
        until(&mut shown, |resolution| weight(resolution, 0)).await;
    }
    assert_eq!(change(WeightChange::Undrain).await, [USERS.name]);
    until(&mut shown, |resolution| weight(resolution, 100)).await;
    eventually(|| servers.node(LOGIN).is_some()).await;
    assert_eq!(servers.node(LOGIN).map(|(data, _)| data), classic.map(|(data, _)| data));
    let nobody = "127.0.0.1:2".parse().unwrap();
    let changed = change_connected(&operator.session.client, "/apps", &nobody, WeightChange::Drain).await;
    assert_eq!(changed.unwrap(), [""; 0]);
}
