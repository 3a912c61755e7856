//! Tests of panic mode, in which most endpoints are bad and all of them get calls, and of the counts of bad endpoints.

use std::sync::atomic::Ordering;

use super::balancing::{answered_by, behaving, start, with};
use super::frozen::{drive, failures, ms, three};
use super::*;
use crate::client::health_check;
use crate::discovery::ServiceResolution;
use crate::server::Health;

fn counts(stub: &Stub) -> ServiceResolution {
    stub.endpoints_for_test().resolution()
}

#[tokio::test(start_paused = true)]
async fn ejected_providers_are_called_again_once_most_are_bad() {
    let all = [A, B, C, "10.0.0.4:4"];
    let (world, behaviours) = behaving(&all, "", with(Policy::RoundRobin));
    drive(&world, AM, 500, ms(1)).await;
    for behaviour in &behaviours[..2] {
        behaviour.fails.store(true, Ordering::Relaxed);
        drive(&world, AM, 200, ms(1)).await;
        behaviour.fails.store(false, Ordering::Relaxed);
    }
    // The two are well again, and stay ejected for 2 s at least.
    let half = drive(&world, AM, 200, ms(1)).await;
    for address in [A, B] {
        assert_eq!(answered_by(&half, address).count(), 0, "{address} is ejected");
    }
    let ServiceResolution { usable, ejected, unreachable, panics, .. } = counts(&world.stub);
    assert_eq!((usable, ejected, unreachable, panics), (2, 2, 0, false));
    world.network.kill(C);
    let most = drive(&world, AM, 300, ms(1)).await;
    for address in [A, B, all[3]] {
        let share = answered_by(&most, address).count();
        // The one that is not ejected also gets the turns of the one that is gone.
        assert!((70..=160).contains(&share), "{address} has got {share} calls of 300");
    }
    let ServiceResolution { listed, usable, ejected, unreachable, panics, .. } = counts(&world.stub);
    assert_eq!((listed, usable, ejected, unreachable, panics), (4, 1, 2, 1, true));
    // With the third one back, the ejections count again.
    start(&world, C);
    drive(&world, AM, 300, ms(1)).await;
    assert!(!counts(&world.stub).panics);
}

#[tokio::test(start_paused = true)]
async fn providers_that_do_not_serve_are_called_once_most_do_not() {
    let network = Network::from_seed(7);
    let names = [A, B, C];
    let healths: Vec<Health> = names
        .iter()
        .map(|name| {
            let health = Health::default();
            let server = Server { health: Some(health.clone()), ..Server::default() };
            network.serve(name, server.add(Who { name: (*name).to_owned(), hangs: false }));
            health
        })
        .collect();
    let (registry, receiver) = watch::channel(listed(&names));
    let channel = network.host("client").channel_from_resolver(Arc::new(Scripted(receiver)), with(Policy::RoundRobin));
    let world = TestBed { network, registry, stub: Stub::new(channel, &WHO) };
    for subchannel in world.stub.endpoints_for_test().subchannels() {
        // A channel does this on the background loop.
        tokio::spawn(health_check::run(Arc::downgrade(&subchannel), ms(100)));
    }
    for (unhealthy, panics, called) in [(1, false, 2), (2, true, 3), (3, true, 3)] {
        healths[unhealthy - 1].set_serving("", false);
        sleep(ms(500)).await;
        let outcomes = drive(&world, AM, 300, ms(1)).await;
        assert!(failures(&outcomes).is_empty());
        let got = names.iter().filter(|name| answered_by(&outcomes, name).count() > 70).count();
        let shown = counts(&world.stub);
        assert_eq!((shown.unhealthy, shown.panics, got), (unhealthy, panics, called));
    }
}

#[tokio::test(start_paused = true)]
async fn frozen_provider_is_counted_until_it_answers() {
    let world = three("").await;
    assert_eq!((counts(&world.stub).usable, counts(&world.stub).frozen), (3, 0));
    world.network.freeze(A);
    drive(&world, HANG_SAFELY, 200, ms(1)).await;
    assert_eq!((counts(&world.stub).usable, counts(&world.stub).frozen), (2, 1));
    world.network.thaw(A);
    drive(&world, HANG_SAFELY, 200, ms(10)).await;
    assert_eq!((counts(&world.stub).usable, counts(&world.stub).frozen), (3, 0));
}
