//! Tests of servers and callers in one process over connections in memory, which behave like sockets.
//!
//! Tests of direct calls, without a connection, are in same_process.rs.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[path = "support/echo.rs"]
mod echo;

use std::time::Duration;

use echo::{AT_ONCE, ECHO, Echo, SLOW};
use mprpc::balancer::Policy;
use mprpc::codegen::Stub;
use mprpc::well_known::StringValue;
use mprpc::{Call, Channel, ChannelOptions, Code, Limits, Phase, Ran, Server, ServerHandle};

fn serve(name: &str) -> ServerHandle {
    Server { listen: vec![name.parse().unwrap()], ..Server::default() }.add(Echo).serve().unwrap()
}

fn stub(target: &str) -> Stub {
    let options = ChannelOptions { same_process: false, balancer: Policy::RoundRobin, ..ChannelOptions::default() };
    Stub::new(Channel::with_options(target, options).unwrap(), &ECHO)
}

fn call(stub: &Stub, method: usize, value: &str) -> Call<StringValue> {
    stub.unary(method, &StringValue { value: value.to_owned(), ..StringValue::default() })
}

#[tokio::test]
async fn names_in_a_list_are_called_in_turn() {
    let (one, two) = (serve("memory:list/one"), serve("memory:list/two"));
    let stub = stub("list:memory:list/one,classic:memory:list/two");
    for _ in 0..10 {
        assert_eq!(call(&stub, AT_ONCE, "x").await.unwrap().value, "x");
    }
    assert_eq!((one.stats().calls, two.stats().calls), (5, 5));
}

#[tokio::test]
async fn name_is_in_use_until_its_server_stops() {
    let first = serve("memory:taken");
    let second = Server { listen: vec!["memory:taken".parse().unwrap()], ..Server::default() };
    let error = second.serve().err().unwrap().to_string();
    assert!(error.contains("cannot listen on memory:taken") && error.contains("in use"), "{error}");
    first.stop().await;
    let second = serve("memory:taken");
    assert_eq!(call(&stub("memory:taken"), AT_ONCE, "x").await.unwrap().value, "x");
    assert_eq!(second.stats().calls, 1);
}

#[tokio::test]
async fn call_to_a_name_without_server_is_refused() {
    for target in ["memory:nobody", "classic:memory:nobody"] {
        let status = call(&stub(target), AT_ONCE, "x").await.unwrap_err();
        assert_eq!((status.code(), status.phase(), status.ran()), (Code::Unavailable, Some(Phase::Connect), Ran::No));
        assert!(status.message().contains("refused"), "{status}");
        assert_eq!(status.peer(), Some("memory:nobody"));
    }
}

#[tokio::test]
async fn stopped_server_finishes_its_calls_and_refuses_new_ones() {
    let running = serve("memory:stops");
    let stub = stub("memory:stops");
    let slow = tokio::spawn(call(&stub, SLOW, "slow").into_future());
    while running.stats().calls == 0 {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    assert_eq!(slow.await.unwrap().unwrap().value, "slow");
    let status = call(&stub, AT_ONCE, "x").await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No), "{status}");
}

#[tokio::test]
async fn dropped_server_fails_its_in_flight_calls() {
    let running = serve("memory:dropped");
    let stub = stub("memory:dropped");
    let slow = tokio::spawn(call(&stub, SLOW, "slow").into_future());
    while running.stats().calls == 0 {
        tokio::task::yield_now().await;
    }
    drop(running);
    let status = slow.await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
}

/// The messages are far larger than a pipe holds, so both sides have to wait for each other.
#[tokio::test]
async fn messages_larger_than_a_pipe_come_back_whole() {
    let _running = serve("memory:large");
    for target in ["memory:large", "classic:memory:large"] {
        let large = "x".repeat(8 << 20);
        let reply = call(&stub(target), AT_ONCE, &large).await.unwrap();
        assert!(reply.value == large, "the reply has {} bytes", reply.value.len());
    }
}

#[test]
fn loops_and_threads_of_one_process_call_each_other() {
    let limits = Limits { drain_timeout: Duration::from_secs(5), ..Limits::default() };
    let server = Server { listen: vec!["memory:loops".parse().unwrap()], loops: 2, limits, ..Server::default() };
    let running = server.add(Echo).start().unwrap();
    let callers: Vec<_> = (0..4)
        .map(|caller| {
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                let stub = stub("memory:loops");
                for number in 0..200 {
                    let text = format!("{caller} {number}");
                    let reply = if number % 2 == 0 {
                        runtime.block_on(call(&stub, AT_ONCE, &text).into_future())
                    } else {
                        call(&stub, AT_ONCE, &text).wait()
                    };
                    assert_eq!(reply.unwrap().value, text);
                }
            })
        })
        .collect();
    callers.into_iter().for_each(|caller| caller.join().unwrap());
    assert_eq!(running.stats().calls, 800);
}

#[tokio::test]
async fn memory_name_is_not_announced() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Some(format!("file:{}", folder.path().display()));
    let listen = vec!["memory:announced".parse().unwrap()];
    let server = Server { listen: listen.clone(), registry: registry.clone(), ..Server::default() };
    let error = server.add(Echo).serve().err().unwrap().to_string();
    assert!(error.contains("memory:announced cannot be announced") && error.contains("advertise"), "{error}");
    let advertise = Some("10.1.2.3:80".parse().unwrap());
    Server { listen, registry, advertise, ..Server::default() }.add(Echo).serve().unwrap();
}
