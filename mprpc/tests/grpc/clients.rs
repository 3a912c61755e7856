//! Clients of other implementations call an mprpc server: grpcio of PyPI, and `@grpc/grpc-js` of npm.

use std::sync::atomic::Ordering;

use mprpc::Compression;

use crate::peer::Peer;
use crate::{Grpc, server};

/// Starts a script of the clients with these arguments.
type Start = fn(&[&str]) -> Peer;

const PYTHON: Start = |arguments| Peer::python("mprpc/tests/grpc/caller.py", arguments);
const NODE: Start = |arguments| Peer::node("mprpc/tests/node/caller.js", arguments);

#[tokio::test]
async fn grpcio_is_served_like_a_native_caller() {
    is_served_like_a_native_caller(PYTHON).await;
}

#[tokio::test]
async fn grpc_js_is_served_like_a_native_caller() {
    is_served_like_a_native_caller(NODE).await;
}

async fn is_served_like_a_native_caller(client: Start) {
    let running = server(&Grpc::default());
    let names: Vec<&str> = Compression::available().iter().map(|algorithm| algorithm.name()).collect();
    let checks = client(&["checks", &running.addresses()[0].to_string(), &names.join(",")]).end();
    assert_eq!(checks.len(), 9 + usize::from(names.contains(&"gzip")), "{checks:?}");
    let stats = running.stats();
    assert!(stats.rejected.is_empty(), "{stats:?}");
    running.stop().await;
}

#[tokio::test]
async fn graceful_stop_under_load_loses_no_call_of_grpcio() {
    graceful_stop_under_load_loses_no_call(PYTHON).await;
}

#[tokio::test]
async fn graceful_stop_under_load_loses_no_call_of_grpc_js() {
    graceful_stop_under_load_loses_no_call(NODE).await;
}

async fn graceful_stop_under_load_loses_no_call(client: Start) {
    let services = [Grpc::default(), Grpc::default()];
    let [first, second] = [&services[0], &services[1]].map(server);
    let addresses = [&first, &second].map(|running| running.addresses()[0].to_string());
    let caller = client(&["load", &addresses[0], &addresses[1]]);
    assert_eq!(caller.line(), "under load");
    first.stop().await;
    let made: u64 = caller.end()[0].parse().unwrap();
    second.stop().await;
    let [of_first, of_second] = services.map(|service| service.slow_ended.load(Ordering::Relaxed));
    assert!(of_first >= 32 && of_second >= 64, "{of_first} and {of_second} calls");
    assert_eq!(of_first + of_second, made, "a call was made twice, or answered and lost");
}
