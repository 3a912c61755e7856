//! Peers that are there and do not answer: frozen processes, hosts that vanished.

use super::*;
use crate::Limits;

fn patient() -> Duration {
    Duration::from_secs(600)
}

#[tokio::test(start_paused = true)]
async fn peer_that_greets_and_then_is_silent_is_found_within_the_documented_bound() {
    let world = world(listed(&[A]));
    let greeting = crate::protocol::native::PREFACE;
    world.script(A, &[&greeting], false);
    let begin = Instant::now();
    let status = world.call(AM).timeout(patient()).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
    assert!(status.message().contains("keepalive_timeout"), "{status}");
    let limits = Limits::default();
    let bound = 2 * limits.keepalive_interval + limits.keepalive_timeout;
    assert!(begin.elapsed() <= bound + Duration::from_millis(5), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn peer_that_answers_pings_may_take_its_time() {
    let world = world(listed(&[A]));
    world.start_hanging(A);
    let begin = Instant::now();
    let status = world.call(HANG).timeout(patient()).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    // Less the way there and back, which the server is not granted.
    assert!(begin.elapsed() >= patient() - Duration::from_millis(5));
    assert_eq!(world.network.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn peer_that_accepts_and_never_greets_is_passed_over() {
    let world = world(listed(&[A, B]));
    world.script(A, &[], false);
    world.start(B);
    let connect_timeout = Limits::default().connect_timeout;
    let mut slow = 0;
    for _ in 0..50 {
        let begin = Instant::now();
        match world.call(AM).timeout(patient()).await {
            Ok(reply) => assert_eq!(reply.value, B),
            // Only the first call was trusted to it without a greeting, and may have run.
            Err(status) => assert_eq!((status.ran(), slow), (Ran::Maybe, 0), "{status}"),
        }
        assert!(begin.elapsed() <= connect_timeout + Duration::from_millis(5));
        slow += usize::from(begin.elapsed() >= connect_timeout);
        sleep(Duration::from_millis(20)).await;
    }
    assert!(slow <= 2, "{slow} calls waited for a peer that does not greet");
}

#[tokio::test(start_paused = true)]
async fn frozen_peer_is_called_again_once_it_thaws() {
    let world = world(listed(&[A]));
    world.start(A);
    world.network.freeze(A);
    assert!(world.call(AM).timeout(patient()).await.is_err());
    world.network.thaw(A);
    let call = world.call(AM).wait_for_ready(true).timeout(patient());
    assert_eq!(call.await.unwrap().value, A);
}
