//! Propagation along a chain of services: the trace, the request id and the caller's name pass on; other metadata does
//! not.

use super::all::{All, client, joined};
use super::*;
use crate::Server;
use crate::client::RawClient;
use crate::interceptor::intercept_fn;
use crate::testing::Network;

/// The metadata that the handler of each hop saw.
type Seen = Arc<Mutex<Vec<Metadata>>>;

#[derive(Clone, Copy, PartialEq)]
enum Calls {
    /// The handler calls the next hop itself.
    Itself,
    /// A task that the handler spawned calls the next hop.
    Spawned,
    /// The handler's stream of replies calls the next hop when it is read, after the handler has returned.
    WhileReplying,
}

fn hop(seen: &Seen, next: Option<RawClient>, calls: Calls) -> All {
    let seen = seen.clone();
    All::new(move |context, _| {
        seen.lock().unwrap().push(context.metadata().clone());
        let next = next.clone();
        async move {
            let Some(next) = next else { return Ok(message()) };
            let call =
                move || async move { joined(next.call("Down", MethodKind::ServerStreaming, message()).await?).await };
            let reply = match calls {
                Calls::Itself => call().await?,
                Calls::Spawned => crate::net::spawn(async move { call().await }).await.unwrap()?,
                Calls::WhileReplying => {
                    let late = futures_util::stream::once(async move { call().await });
                    return Ok(Body::Stream(Streaming::new(late)));
                }
            };
            Ok(Body::Stream(Streaming::of([reply])))
        }
    })
}

/// Returns the metadata that three hops saw of a call with these pairs.
async fn through_three(calls: Calls, traced: bool, pairs: &[(&str, &str)]) -> Vec<Metadata> {
    let (network, seen) = (Network::from_seed(3), Seen::default());
    let mut next = None;
    for number in (1..=3).rev() {
        let address = format!("10.0.0.{number}:1");
        let mut server = Server::default().add(hop(&seen, next, calls));
        if traced {
            server = server.intercept(Trace);
        }
        network.serve(&address, server);
        next = Some(client(network.host("hops").channel(&address)));
    }
    let mut call = next.unwrap().call("Down", MethodKind::ServerStreaming, message());
    for (key, value) in pairs {
        call = call.metadata(key, *value);
    }
    joined(call.await.unwrap()).await.unwrap();
    seen.lock().unwrap().clone()
}

const CAME: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const PAIRS: [(&str, &str); 6] = [
    ("traceparent", CAME),
    ("tracestate", "vendor=1"),
    ("x-request-id", "r-7"),
    ("x-caller", "shop"),
    ("authorization", "Bearer s3cret"),
    ("tenant", "blue"),
];

#[tokio::test(start_paused = true)]
async fn trace_request_id_and_name_propagate_over_three_hops_but_secrets_do_not() {
    for calls in [Calls::Itself, Calls::Spawned, Calls::WhileReplying] {
        let hops = through_three(calls, false, &PAIRS).await;
        assert_eq!(hops.len(), 3);
        for (number, metadata) in hops.iter().enumerate() {
            for (key, value) in &PAIRS[..4] {
                assert_eq!(metadata.text(key), Some(*value), "hop {number}");
            }
            for (key, value) in &PAIRS[4..] {
                assert_eq!(metadata.text(key), (number == 0).then_some(*value), "hop {number}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn traced_hops_share_one_trace_with_a_span_each() {
    for calls in [Calls::Itself, Calls::Spawned, Calls::WhileReplying] {
        for (pairs, trace) in [(&PAIRS[..], Some(&CAME[..35])), (&[], None)] {
            let hops = through_three(calls, true, pairs).await;
            let parents: Vec<&str> = hops.iter().map(|metadata| metadata.text("traceparent").unwrap()).collect();
            let trace = trace.unwrap_or(&parents[0][..35]);
            let mut spans: Vec<&str> = parents.iter().map(|parent| &parent[36..52]).collect();
            assert!(parents.iter().all(|parent| parent.starts_with(trace)), "{parents:?}");
            spans.push(&CAME[36..52]);
            spans.sort_unstable();
            spans.dedup();
            assert_eq!(spans.len(), 4, "{parents:?}");
            let ids: Vec<_> = hops.iter().map(|metadata| metadata.text("x-request-id").unwrap()).collect();
            assert!(ids.iter().all(|id| *id == ids[0] && !id.is_empty()), "{ids:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_of_an_interceptor_propagates_unless_the_call_sets_its_own() {
    let (network, seen) = (Network::from_seed(3), Seen::default());
    network.serve("10.0.0.2:1", Server::default().add(hop(&seen, None, Calls::Itself)));
    let next = client(network.channel("10.0.0.2:1"));
    let handler = All::new(move |_, _| {
        let next = next.clone();
        async move {
            next.unary("One", "").await?;
            next.unary("One", "").metadata("x-caller", "another").await.map(Body::Message)
        }
    });
    let names = intercept_fn(|mut context: Context, body, next: Next| async move {
        context.metadata_mut().set("x-caller", "front")?;
        next.run(context, body).await
    });
    network.serve("10.0.0.1:1", Server::default().add(handler).intercept(names));
    client(network.channel("10.0.0.1:1")).unary("One", "").await.unwrap();
    let seen = seen.lock().unwrap();
    let names: Vec<_> = seen.iter().map(|metadata| metadata.text("x-caller").unwrap()).collect();
    assert_eq!(names, ["front", "another"]);
    assert!(seen.iter().all(|metadata| metadata.len() == 1), "{seen:?}");
}
