//! Tests of balancing and ejection over a simulated network: slow, failing and new endpoints.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::frozen::{Outcomes, drive, failures, ms, percentile};
use super::*;
use crate::client::health_check;
use crate::server::Health;

/// How a server answers, changed while it runs.
#[derive(Clone, Default)]
pub(super) struct Behaviour {
    pub(super) delay_ms: Arc<AtomicU64>,
    pub(super) fails: Arc<AtomicBool>,
}

/// A service that answers with its own name, after its delay.
struct Behaving(String, Behaviour);

impl Service for Behaving {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WHO
    }

    fn call(&self, _: usize, _: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let (name, behaviour) = (self.0.clone(), self.1.clone());
        Box::pin(async move {
            sleep(ms(behaviour.delay_ms.load(Ordering::Relaxed))).await;
            if behaviour.fails.load(Ordering::Relaxed) {
                return Err(Status::internal("a bug"));
            }
            Ok(Body::Message(crate::codec::protobuf::encode(&StringValue { value: name, ..StringValue::default() })?))
        })
    }
}

/// Servers that each take two milliseconds for a call.
pub(super) fn behaving(addresses: &[&str], protocol: &str, options: ChannelOptions) -> (TestBed, Vec<Behaviour>) {
    let endpoints: Vec<String> = addresses.iter().map(|address| format!("{protocol}{address}")).collect();
    let world = world_with(listed(&endpoints.iter().map(String::as_str).collect::<Vec<_>>()), options);
    let behaviours = addresses.iter().map(|address| start(&world, address)).collect();
    (world, behaviours)
}

pub(super) fn start(world: &TestBed, address: &str) -> Behaviour {
    let behaviour = Behaviour::default();
    behaviour.delay_ms.store(2, Ordering::Relaxed);
    world.network.serve(address, Server::default().add(Behaving(address.to_owned(), behaviour.clone())));
    behaviour
}

pub(super) fn answered_by<'a>(outcomes: &'a Outcomes, name: &'a str) -> impl Iterator<Item = usize> + 'a {
    let named = outcomes.iter().enumerate().filter(move |(_, (reply, _))| reply.as_ref().is_ok_and(|own| own == name));
    named.map(|(index, _)| index)
}

pub(super) fn with(balancer: Policy) -> ChannelOptions {
    ChannelOptions { balancer, ..ChannelOptions::default() }
}

#[tokio::test(start_paused = true)]
async fn provider_ten_times_slower_does_not_slow_the_99th_percentile() {
    for protocol in ["", "grpc://"] {
        let (world, behaviours) = behaving(&[A, B, C], protocol, ChannelOptions::default());
        let before = drive(&world, AM, 2_000, ms(1)).await;
        behaviours[0].delay_ms.store(20, Ordering::Relaxed);
        drive(&world, AM, 2_000, ms(1)).await;
        let after = drive(&world, AM, 5_000, ms(1)).await;
        assert!(failures(&after).is_empty());
        let (before, slow) = (percentile(&before[100..].to_vec(), 0.99), percentile(&after, 0.99));
        assert!(slow <= 2 * before, "{protocol} {before:?} became {slow:?}");
        behaviours[0].delay_ms.store(2, Ordering::Relaxed);
        drive(&world, AM, 800, ms(10)).await;
        let again = drive(&world, AM, 3_000, ms(1)).await;
        let share = answered_by(&again, A).count();
        assert!((700..1_300).contains(&share), "{protocol} it is noticed that the provider is fast again: {share}");
    }
}

#[tokio::test(start_paused = true)]
async fn provider_that_answers_errors_at_once_is_seen_by_less_than_one_call_in_a_hundred() {
    for (protocol, policy) in [("", Policy::LeastLoaded), ("grpc://", Policy::LeastLoaded), ("", Policy::RoundRobin)] {
        let (world, behaviours) = behaving(&[A, B, C], protocol, with(policy.clone()));
        drive(&world, AM, 500, ms(1)).await;
        behaviours[0].fails.store(true, Ordering::Relaxed);
        behaviours[0].delay_ms.store(0, Ordering::Relaxed);
        let first = drive(&world, AM, 2_000, ms(1)).await;
        let after = drive(&world, AM, 5_000, ms(1)).await;
        assert!(failures(&first).len() < 40, "{protocol} {policy:?} {}", failures(&first).len());
        assert!(failures(&after).len() < 10, "{protocol} {policy:?} {}", failures(&after).len());
        behaviours[0].fails.store(false, Ordering::Relaxed);
        drive(&world, AM, 500, ms(100)).await;
        let again = drive(&world, AM, 300, ms(10)).await;
        assert!(failures(&again).is_empty() && answered_by(&again, A).count() > 50, "{protocol} {policy:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn slow_provider_is_ejected_under_round_robin() {
    let (world, behaviours) = behaving(&[A, B, C], "", with(Policy::RoundRobin));
    drive(&world, AM, 500, ms(1)).await;
    behaviours[0].delay_ms.store(200, Ordering::Relaxed);
    drive(&world, AM, 3_700, ms(1)).await;
    let after = drive(&world, AM, 1_000, ms(1)).await;
    assert!(answered_by(&after, A).count() < 20, "{}", answered_by(&after, A).count());
}

#[tokio::test(start_paused = true)]
async fn errors_of_the_application_and_errors_of_all_eject_nobody() {
    let (world, behaviours) = behaving(&[A, B, C], "", ChannelOptions::default());
    behaviours.iter().for_each(|behaviour| behaviour.fails.store(true, Ordering::Relaxed));
    let failed = drive(&world, AM, 3_000, ms(1)).await;
    for address in [A, B, C] {
        let share = failures(&failed).iter().filter(|status| status.peer() == Some(address)).count();
        assert!(share > 500, "{address} has got {share} calls");
    }
}

#[tokio::test(start_paused = true)]
async fn at_most_half_of_the_providers_are_ejected() {
    let all = [A, B, C, "10.0.0.4:4"];
    let (world, behaviours) = behaving(&all, "", with(Policy::RoundRobin));
    drive(&world, AM, 500, ms(1)).await;
    // One after the other starts to fail.
    for behaviour in &behaviours[..3] {
        behaviour.fails.store(true, Ordering::Relaxed);
        drive(&world, AM, 300, ms(1)).await;
    }
    let after = drive(&world, AM, 1_000, ms(1)).await;
    let failed = failures(&after);
    assert!(failed.len() > 300, "the third one is not ejected: {}", failed.len());
    assert!(failed.iter().all(|status| status.peer() == Some(C)), "the first two are");
}

#[tokio::test(start_paused = true)]
async fn new_provider_starts_slowly_and_the_first_ones_at_once() {
    let (world, _) = behaving(&[A, B], "", ChannelOptions::default());
    let first = drive(&world, AM, 1_000, ms(1)).await;
    assert!(answered_by(&first, A).count() > 400);
    start(&world, C);
    world.registry.send_replace(listed(&[A, B, C]));
    let early = drive(&world, AM, 1_000, ms(1)).await;
    drive(&world, AM, 950, ms(10)).await;
    let late = drive(&world, AM, 1_000, ms(1)).await;
    let (early, late) = (answered_by(&early, C).count(), answered_by(&late, C).count());
    assert!((10..120).contains(&early) && late > 250, "{early} calls in the first second, {late} later");
}

#[tokio::test(start_paused = true)]
async fn calls_with_one_key_go_to_one_endpoint() {
    let (world, _) = behaving(&[A, B, C], "", with(Policy::Hash));
    let mut homes = HashMap::new();
    for key in 0..60 {
        for _ in 0..3 {
            let home = world.call(AM).hash_key(format!("user-{key}")).await.unwrap().value;
            assert_eq!(homes.entry(key).or_insert_with(|| home.clone()), &home);
        }
    }
    let mut counts = HashMap::new();
    homes.values().for_each(|home| *counts.entry(home.clone()).or_insert(0) += 1);
    assert!(counts.len() == 3 && counts.values().all(|count| *count > 8), "{counts:?}");
    // The first call of a connection waits, and takes the general path.
    world.network.kill(A);
    for (key, home) in homes.iter().filter(|(_, home)| *home != A) {
        assert_eq!(world.call(AM).hash_key(format!("user-{key}")).await.unwrap().value, *home);
    }
}

#[tokio::test(start_paused = true)]
async fn provider_that_does_not_serve_gets_no_calls_until_it_serves() {
    let (network, health) = (Network::from_seed(7), Health::default());
    let names = [A, B, C];
    let server = |name: &str| Server::default().add(Who { name: name.to_owned(), hangs: false });
    network.serve(A, Server { health: Some(health.clone()), ..server(A) });
    names[1..].iter().for_each(|name| drop(network.serve(name, server(name))));
    let (_registry, receiver) = watch::channel(listed(&names));
    let channel = network.host("client").channel_from_resolver(Arc::new(Scripted(receiver)), ChannelOptions::default());
    let stub = Stub::new(channel, &WHO);
    let interval = Duration::from_secs(1);
    for subchannel in stub.endpoints_for_test().subchannels() {
        // A channel does this on the background loop.
        tokio::spawn(health_check::run(Arc::downgrade(&subchannel), interval));
    }
    for serves in [true, false, true] {
        health.set_serving("", serves);
        sleep(3 * interval).await;
        sleep(ChannelOptions::default().slow_start).await;
        let mut from_a = 0;
        for _ in 0..300 {
            let reply = stub.unary::<_, StringValue>(AM, &StringValue::default()).await.unwrap();
            from_a += usize::from(reply.value == A);
        }
        assert_eq!(from_a > 50, serves, "{from_a}");
        assert!(serves || from_a == 0, "{from_a}");
    }
}

#[tokio::test(start_paused = true)]
async fn channel_with_a_subset_connects_to_no_more_endpoints() {
    let options = ChannelOptions { subset_max: Some(2), ..ChannelOptions::default() };
    let (world, _) = behaving(&[A, B, C, "10.0.0.4:4", "10.0.0.5:5"], "", options);
    assert!(failures(&drive(&world, AM, 500, ms(1)).await).is_empty());
    assert_eq!(world.network.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn calls_in_flight_are_counted_and_none_is_left_over() {
    for protocol in ["", "grpc://", "classic:"] {
        let (world, behaviours) = behaving(&[A, B], protocol, ChannelOptions::default());
        behaviours[1].delay_ms.store(60_000, Ordering::Relaxed);
        // Half of the calls end at their deadline, some are dropped by their callers.
        for _ in 0..20 {
            let call = world.call(AM).timeout(ms(100)).into_future();
            drop(tokio::time::timeout(ms(fastrand::u64(1..200)), call).await);
        }
        sleep(Duration::from_secs(100)).await;
        assert_eq!(world.stub.endpoints_for_test().in_flight(), [0, 0], "{protocol}");
        let two = [world.call(AM).timeout(ms(1_000)), world.call(AM).timeout(ms(1_000))];
        let [one, other] = two.map(|call| tokio::spawn(call.into_future()));
        sleep(ms(1)).await;
        assert_eq!(world.stub.endpoints_for_test().in_flight().iter().sum::<u32>(), 2, "{protocol}");
        drop((one.await, other.await));
    }
}
