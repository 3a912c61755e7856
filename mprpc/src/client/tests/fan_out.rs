//! Tests of calls at the same time: partial results, quorums, the first reply, broadcasts and partitions.

use std::collections::BTreeSet;
use std::sync::Mutex;

use super::retries::{Handler, ms, text};
use super::*;
use crate::client::{FanOut, Partitions};

/// The requests that handlers have begun and ended. A request is the time in milliseconds that its handler takes.
#[derive(Clone, Default)]
struct Seen {
    begun: Arc<Mutex<Vec<String>>>,
    ended: Arc<Mutex<Vec<String>>>,
}

/// Serves a handler that takes as many milliseconds as the request says, and fails if the request is no number.
fn serve_timed(network: &Network, address: &'static str, seen: &Seen) {
    let seen = seen.clone();
    let handler = move |_, _: Context, request: String| -> BoxFuture<_> {
        let seen = seen.clone();
        seen.begun.lock().unwrap().push(request.clone());
        Box::pin(async move {
            let Ok(time) = request.parse() else { return Err(Status::not_found(request)) };
            sleep(ms(time)).await;
            seen.ended.lock().unwrap().push(request);
            Ok(address.to_owned())
        })
    };
    network.serve(address, Server::default().add(Handler(handler)));
}

fn one_server() -> (Network, Seen, Stub) {
    let (network, seen) = (Network::from_seed(1), Seen::default());
    serve_timed(&network, A, &seen);
    let stub = Stub::new(network.channel(A), &WHO);
    (network, seen, stub)
}

fn calls(stub: &Stub, requests: &[&str]) -> FanOut<StringValue> {
    FanOut::new(requests.iter().map(|request| stub.unary(AM, &text(request))))
}

#[tokio::test(start_paused = true)]
async fn all_returns_partial_results_in_the_order_of_the_calls() {
    let (_network, _, stub) = one_server();
    let begin = Instant::now();
    let results = calls(&stub, &["50", "no", "10"]).all().await;
    let results: Vec<_> = results.into_iter().map(|result| result.map(|reply| reply.value)).collect();
    assert_eq!(results[0].as_deref().unwrap(), A);
    assert_eq!(results[1].as_ref().unwrap_err().code(), Code::NotFound);
    assert_eq!(results[2].as_deref().unwrap(), A);
    assert!(begin.elapsed() <= ms(53), "{:?}", begin.elapsed());
    assert!(calls(&stub, &[]).all().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn at_a_time_bounds_the_calls_that_run() {
    let (_network, seen, stub) = one_server();
    let all = calls(&stub, &["100"; 10]).at_a_time(3).all();
    let watch = async {
        sleep(ms(50)).await;
        let first = seen.begun.lock().unwrap().len();
        sleep(ms(100)).await;
        (first, seen.begun.lock().unwrap().len())
    };
    let (results, begun) = tokio::join!(all, watch);
    assert_eq!((results.len(), begun), (10, (3, 6)));
    assert_eq!(calls(&stub, &["1"; 3]).at_a_time(0).all().await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn quorum_returns_with_enough_replies_and_cancels_the_rest() {
    let (_network, seen, stub) = one_server();
    let begin = Instant::now();
    let replies = calls(&stub, &["500", "no", "20", "10"]).quorum(2).await.unwrap();
    assert_eq!(replies.iter().map(|(index, _)| *index).collect::<Vec<_>>(), [3, 2]);
    assert!(begin.elapsed() <= ms(23), "{:?}", begin.elapsed());
    sleep(Duration::from_secs(1)).await;
    assert!(!seen.ended.lock().unwrap().contains(&"500".to_owned()), "the slow call went on");
    assert_eq!(calls(&stub, &["1", "1"]).quorum(0).await.unwrap().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn quorum_fails_as_soon_as_it_is_out_of_reach() {
    let (_network, seen, stub) = one_server();
    let begin = Instant::now();
    let status = calls(&stub, &["10", "no", "500", "nor this"]).quorum(3).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::NotFound, Ran::Maybe));
    assert!(status.message().starts_with("3 of 4 calls cannot succeed: 0 have, 2 failed: NOT_FOUND: no"), "{status}");
    assert!(begin.elapsed() < ms(10), "{:?}", begin.elapsed());
    sleep(Duration::from_secs(1)).await;
    assert!(seen.ended.lock().unwrap().is_empty());
    let status = calls(&stub, &["1"]).quorum(2).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "a quorum of 2 of 1 calls"));
}

#[tokio::test(start_paused = true)]
async fn first_good_reply_wins() {
    let (_network, _, stub) = one_server();
    let begin = Instant::now();
    assert_eq!(calls(&stub, &["no", "300", "20"]).first().await.unwrap().value, A);
    assert!(begin.elapsed() <= ms(23), "{:?}", begin.elapsed());
    assert_eq!(calls(&stub, &["no", "nor this"]).first().await.unwrap_err().code(), Code::NotFound);
    assert_eq!(calls(&stub, &[]).first().await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn timeout_ends_all_calls_together() {
    let (_network, seen, stub) = one_server();
    let begin = Instant::now();
    let results = calls(&stub, &["40"; 5]).at_a_time(1).timeout(ms(100)).all().await;
    assert!(begin.elapsed() <= ms(101), "{:?}", begin.elapsed());
    let ran: Vec<_> = results.iter().map(|result| result.as_ref().map_err(Status::ran).is_ok()).collect();
    assert_eq!(ran, [true, true, false, false, false]);
    for failed in &results[2..] {
        assert_eq!(failed.as_ref().unwrap_err().code(), Code::DeadlineExceeded);
    }
    assert_eq!(results[4].as_ref().unwrap_err().ran(), Ran::No);
    assert!(seen.begun.lock().unwrap().len() <= 4);
    // A shorter timeout of a call stays.
    let call = stub.unary::<_, StringValue>(AM, &text("1000")).timeout(ms(30));
    let begin = Instant::now();
    assert!(FanOut::new([call]).timeout(ms(500)).all().await[0].is_err());
    assert!(begin.elapsed() <= ms(31), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn broadcast_reaches_each_endpoint_once() {
    let world = world(listed(&[A, B, C]));
    world.start_all(&[A, B, C]);
    world.network.set_delay(ms(1)..=ms(1));
    let channel = world.network.host("client").channel(&format!("list:{A},{B},{C}"));
    let each = channel.each_endpoint("test.Who").await.unwrap();
    for _ in 0..3 {
        let calls = each.iter().map(|channel| Stub::new(channel.clone(), &WHO).unary(AM, &text("")));
        let replies = FanOut::<StringValue>::new(calls).all().await;
        let names: BTreeSet<String> = replies.into_iter().map(|reply| reply.unwrap().value).collect();
        assert_eq!(names, [A, B, C].map(str::to_owned).into());
    }
    let none = world
        .network
        .host("client")
        .channel_from_resolver(Arc::new(Scripted(watch::channel(listed(&[])).1)), ChannelOptions::default());
    let status = none.each_endpoint("test.Who").await.unwrap_err();
    assert_eq!(status.message(), "no provider of test.Who is listed in test:registry");
}

#[tokio::test(start_paused = true)]
async fn each_endpoint_shares_the_connections_of_the_channel() {
    let world = world(listed(&[A, B]));
    world.start_all(&[A, B]);
    let channel = world.network.host("client").channel(&format!("list:{A},{B}"));
    let stub = Stub::new(channel.clone(), &WHO);
    for _ in 0..4 {
        stub.unary::<_, StringValue>(AM, &text("")).await.unwrap();
    }
    for channel in channel.each_endpoint("test.Who").await.unwrap() {
        Stub::new(channel, &WHO).unary::<_, StringValue>(AM, &text("")).await.unwrap();
    }
    assert_eq!(world.network.attempts(), 2);
}

#[tokio::test]
async fn partitions_follow_the_tags_of_the_registry() {
    let mut resolution = listed(&[A, B, C]);
    let mut endpoints = resolution.endpoints.to_vec();
    for (endpoint, partition) in endpoints.iter_mut().zip(["0", "1", "1"]) {
        endpoint.tags.insert("partition".to_owned(), partition.to_owned());
    }
    resolution.endpoints = endpoints.into();
    let network = Network::from_seed(1);
    [A, B, C].iter().for_each(|address| serve(&network, address, false));
    let (registry, receiver) = watch::channel(resolution.clone());
    let options = ChannelOptions::default();
    let channel = network.host("client").channel_from_resolver(Arc::new(Scripted(receiver)), options);
    let tagged = |partition: usize| {
        let channel =
            channel.clone().only(move |endpoint| endpoint.tags.get("partition") == Some(&partition.to_string()));
        Stub::new(channel, &WHO)
    };
    let partitions = Partitions::new((0..2).map(tagged)).unwrap();
    let who = async |partition: usize| {
        let stub = partitions.iter().nth(partition).unwrap();
        stub.unary::<_, StringValue>(AM, &text("")).await.map(|reply| reply.value)
    };
    for _ in 0..4 {
        assert_eq!(who(0).await.unwrap(), A);
        assert_ne!(who(1).await.unwrap(), A);
    }
    // A key always has the same partition.
    assert_eq!(partitions.index_of("cuism"), partitions.index_of(b"cuism"));
    // B moves to the other partition.
    let mut changes = partitions.iter().next().unwrap().endpoints_for_test().changes();
    let mut endpoints = resolution.endpoints.to_vec();
    endpoints[1].tags.insert("partition".to_owned(), "0".to_owned());
    registry.send_replace(Resolution { endpoints: endpoints.into(), ..resolution });
    changes.changed().await.unwrap();
    let mut seen = BTreeSet::new();
    // The balancer may prefer one of the two for a while.
    for _ in 0..10_000 {
        seen.insert(who(0).await.unwrap());
        if seen.len() == 2 {
            break;
        }
    }
    assert_eq!(seen, [A, B].map(str::to_owned).into());
    let stub = Stub::new(channel.clone().only(|_| false), &WHO);
    let status = stub.unary::<_, StringValue>(AM, &text("")).await.unwrap_err();
    assert!(status.message().contains("test:registry, as narrowed by the channel"), "{status}");
}
