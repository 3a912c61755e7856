//! Tests of calls between a provider and a caller with a real ZooKeeper: an outage of ZooKeeper fails no call.

#![cfg(feature = "zookeeper")]
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[path = "support/echo.rs"]
mod echo;
#[path = "support/zookeeper.rs"]
mod zookeeper;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use echo::{AT_ONCE, ECHO, Echo};
use mprpc::codegen::Stub;
use mprpc::well_known::StringValue;
use mprpc::{Channel, Server, ServerHandle, Status};
use zookeeper::ZooKeeper;

/// How long a test waits for an event before it fails. Far longer than needed, for busy machines.
const PATIENCE: Duration = Duration::from_secs(40);

fn provider(registry: &str) -> ServerHandle {
    Server { registry: Some(registry.to_owned()), loops: 1, ..Server::default() }.add(Echo).start().unwrap()
}

async fn call(stub: &Stub) -> Result<(), Status> {
    let text = StringValue { value: "x".to_owned(), ..StringValue::default() };
    let reply: StringValue = stub.unary(AT_ONCE, &text).await?;
    assert_eq!(reply.value, "x");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_zookeeper_restarts() {
    let mut server = ZooKeeper::own();
    let registry = format!("zookeeper://{}/calls?classic=true", server.address);
    let running = provider(&registry);
    tokio::time::timeout(PATIENCE, running.registered()).await.unwrap();
    let stub = Stub::new(Channel::new(&registry).unwrap(), &ECHO);
    call(&stub).await.unwrap();

    let done = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let calling = tokio::spawn({
        let (stub, done, calls) = (stub.clone(), done.clone(), calls.clone());
        async move {
            while !done.load(Ordering::Relaxed) {
                call(&stub).await?;
                calls.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<(), Status>(())
        }
    });
    for wipe in [false, true] {
        server.stop();
        if wipe {
            server.wipe();
        }
        server.start();
        tokio::time::timeout(PATIENCE, running.registered()).await.unwrap();
        // A new caller finds the provider through the registry alone.
        call(&Stub::new(Channel::new(&registry).unwrap(), &ECHO)).await.unwrap();
    }
    done.store(true, Ordering::Relaxed);
    calling.await.unwrap().unwrap();
    assert!(calls.load(Ordering::Relaxed) > 100);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn caller_and_provider_start_without_zookeeper_and_meet_when_it_starts() {
    let mut server = ZooKeeper::stopped();
    let registry = format!("zookeeper://{}/late", server.address);
    let running = provider(&registry);
    let direct = Stub::new(Channel::new(&running.addresses()[0].to_string()).unwrap(), &ECHO);
    call(&direct).await.expect("a provider serves while its registry is away");

    let text = StringValue { value: "late".to_owned(), ..StringValue::default() };
    let stub = Stub::new(Channel::new(&registry).unwrap(), &ECHO);
    let expired = stub.unary::<_, StringValue>(AT_ONCE, &text).timeout(Duration::from_millis(300)).await.unwrap_err();
    assert!(expired.to_string().starts_with("DEADLINE_EXCEEDED: where test.Echo runs is not known"), "{expired}");
    let waiting = stub.unary::<_, StringValue>(AT_ONCE, &text).timeout(PATIENCE).wait_for_ready(true);
    let waiting = tokio::spawn(waiting.into_future());
    server.start();
    assert_eq!(waiting.await.unwrap().unwrap().value, "late");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_fails_while_the_leader_of_an_ensemble_is_killed_and_every_provider_stays_registered() {
    let mut servers = ZooKeeper::ensemble();
    let addresses: Vec<&str> = servers.iter().map(|server| server.address.as_str()).collect();
    let registry = format!("zookeeper://{}/calls?session_timeout_ms=8000", addresses.join(","));
    let providers: Vec<ServerHandle> = (0..3).map(|_| provider(&registry)).collect();
    for running in &providers {
        tokio::time::timeout(PATIENCE, running.registered()).await.unwrap();
    }
    let stub = Stub::new(Channel::new(&registry).unwrap(), &ECHO);
    let done = Arc::new(AtomicBool::new(false));
    let calling = tokio::spawn({
        let done = done.clone();
        async move {
            let mut calls = 0;
            while !done.load(Ordering::Relaxed) {
                call(&stub).await?;
                calls += 1;
            }
            Ok::<usize, Status>(calls)
        }
    });
    let leader = servers.iter().position(ZooKeeper::is_leader).unwrap();
    servers[leader].stop();
    let begun = std::time::Instant::now();
    while !servers.iter().any(ZooKeeper::is_leader) {
        assert!(begun.elapsed() < PATIENCE, "no other server leads");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    for running in &providers {
        tokio::time::timeout(PATIENCE, running.registered()).await.unwrap();
    }
    let target = registry.parse().unwrap();
    let listed = loop {
        match mprpc::discovery::list_services(&target, PATIENCE).await {
            Ok(services) => break services,
            Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let endpoints: Vec<usize> =
        listed.iter().filter(|(name, _)| name == ECHO.name).map(|(_, endpoints)| endpoints.len()).collect();
    assert_eq!(endpoints, [3]);
    // A new caller finds the providers through the registry alone.
    call(&Stub::new(Channel::new(&registry).unwrap(), &ECHO)).await.unwrap();
    done.store(true, Ordering::Relaxed);
    assert!(calling.await.unwrap().unwrap() > 100);
    for running in providers {
        running.stop().await;
    }
}
