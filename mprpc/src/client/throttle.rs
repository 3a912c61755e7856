//! Calls that a channel does not send while servers refuse too many: adaptive throttling. Reads no clock.
//!
//! A call that a server refuses costs the server something, and comes back. So a channel counts what it asks of the servers of
//! a service, and what they accept. Where they accept less than half, it refuses calls itself, with a probability that leaves
//! about twice as many to be sent as are accepted: enough for the servers to choose from, and to see when they are well again.
//!
//! Source: Beyer et al., "Site Reliability Engineering", chapter 21, "Client-side throttling".

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::priority::Priority;
use crate::status::{Code, Phase, Ran, Status};

/// The throttle of one service over one channel.
#[derive(Debug, Default)]
pub(super) struct Throttle {
    /// A server has refused a call lately: what every call asks. Nothing is counted before.
    is_active: AtomicBool,
    counts: Mutex<Counts>,
}

/// What was counted in the window, in slices of it.
#[derive(Debug, Default)]
struct Counts {
    slices: [Slice; SLICES],
    /// The slice that is counted in now, and when it began.
    current: usize,
    begun: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    /// Calls that were made, those that were not sent included.
    requests: u64,
    accepted: u64,
    /// Calls that servers have refused.
    refused: u64,
}

const SLICES: usize = 10;
/// So many calls of a window are sent whatever became of others: a service that is called now and then is not throttled for one
/// refusal.
const FREE_REQUESTS: f64 = 10.0;

impl Throttle {
    /// Whether [`Throttle::admit`] has to be asked.
    pub(super) fn is_active(&self) -> bool {
        self.is_active.load(Ordering::Relaxed)
    }

    /// Counts an attempt at a server; the error is why it is not made. `luck` is a random number from 0 to 1.
    pub(super) fn admit(
        &self,
        service: &str,
        priority: Priority,
        window: Duration,
        now: Instant,
        luck: f64,
    ) -> Result<(), Status> {
        let mut counts = self.lock();
        counts.turn(now, window);
        let Slice { requests, accepted, refused } = counts.all();
        if refused == 0 {
            self.is_active.store(false, Ordering::Relaxed);
            *counts = Counts::default();
            return Ok(());
        }
        let current = counts.current;
        counts.slices[current].requests += 1;
        let sent = requests as f64 - multiple(priority) * accepted as f64 - FREE_REQUESTS;
        if luck * (requests + 1) as f64 >= sent {
            return Ok(());
        }
        let message = format!(
            "throttled here: the servers of {service} have accepted {accepted} of the last {requests} calls, and refused \
             {refused}, within throttle_window {window:?}"
        );
        let status = Status::resource_exhausted(message).with_retry_after(window / SLICES as u32);
        Err(status.with_phase(Phase::Pick).with_ran(Ran::No))
    }

    /// A server has answered an attempt. What is `refused` begins the counting, and was not counted itself where that had not
    /// begun.
    pub(super) fn answered(&self, refused: bool, window: Duration, now: Instant) {
        if !refused && !self.is_active() {
            return;
        }
        let mut counts = self.lock();
        let was_active = self.is_active.swap(true, Ordering::Relaxed);
        counts.turn(now, window);
        let current = counts.current;
        let slice = &mut counts.slices[current];
        slice.requests += u64::from(!was_active);
        slice.refused += u64::from(refused);
        slice.accepted += u64::from(!refused);
    }

    fn lock(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a server has refused a call because it has too much to do: it says so, and when to come again.
pub(super) fn is_overload(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
        && status.ran() == Ran::No
        && status.phase() == Some(Phase::Queue)
        && status.retry_after().is_some()
}

/// How many calls are sent for each that is accepted. Sheddable calls are throttled first.
fn multiple(priority: Priority) -> f64 {
    match priority {
        Priority::Sheddable => 1.5,
        Priority::Normal => 2.0,
        Priority::Critical => 4.0,
    }
}

impl Counts {
    /// Forgets what is older than the window.
    fn turn(&mut self, now: Instant, window: Duration) {
        let slice = (window / SLICES as u32).max(Duration::from_millis(1));
        let begun = *self.begun.get_or_insert(now);
        let elapsed = now.saturating_duration_since(begun);
        if elapsed >= window {
            *self = Counts { begun: Some(now), ..Counts::default() };
            return;
        }
        let passed = (elapsed.as_nanos() / slice.as_nanos()) as u32;
        for _ in 0..passed {
            self.current = (self.current + 1) % SLICES;
            self.slices[self.current] = Slice::default();
        }
        self.begun = Some(begun + slice * passed);
    }

    fn all(&self) -> Slice {
        self.slices.iter().fold(Slice::default(), |all, slice| Slice {
            requests: all.requests + slice.requests,
            accepted: all.accepted + slice.accepted,
            refused: all.refused + slice.refused,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOW: Duration = Duration::from_secs(2);

    /// Calls at an even rate to servers that accept so many a second; how many were sent and accepted in the second after `from`.
    fn play(throttle: &Throttle, begin: Instant, rate: u32, capacity: impl Fn(u32) -> u32, from: u32) -> (u32, u32) {
        let mut random = fastrand::Rng::with_seed(u64::from(rate + from));
        let (mut sent, mut accepted) = (0, 0);
        for second in 0..=from {
            let (mut sent_now, mut accepted_now) = (0, 0);
            for call in 0..rate {
                let now = begin + Duration::from_secs(second.into()) + Duration::from_secs(1) * call / rate;
                let admitted = throttle.admit("a.S", Priority::Normal, WINDOW, now, random.f64());
                if throttle.is_active() && admitted.is_err() {
                    continue;
                }
                sent_now += 1;
                // Evenly over the second.
                let is_accepted =
                    u64::from(accepted_now + 1) * u64::from(rate) <= u64::from(capacity(second)) * u64::from(call + 1);
                accepted_now += u32::from(is_accepted);
                throttle.answered(!is_accepted, WINDOW, now);
            }
            (sent, accepted) = (sent_now, accepted_now);
        }
        (sent, accepted)
    }

    #[test]
    fn refused_calls_are_sent_about_twice_as_often_as_they_are_accepted() {
        let throttle = Throttle::default();
        let (sent, accepted) = play(&throttle, Instant::now(), 4000, |_| 400, 5);
        assert!(accepted >= 380, "{accepted}");
        assert!((700..1000).contains(&sent), "{sent}");
    }

    #[test]
    fn nothing_is_throttled_once_the_servers_accept_again() {
        let throttle = Throttle::default();
        let begin = Instant::now();
        let (sent, accepted) = play(&throttle, begin, 2000, |second| if second < 3 { 100 } else { 2000 }, 6);
        assert_eq!((sent, accepted), (2000, 2000));
        assert!(!throttle.is_active());
    }

    #[test]
    fn throttle_window_is_how_long_a_refusal_is_remembered_and_named_in_the_error() {
        let (throttle, begin) = (Throttle::default(), Instant::now());
        for _ in 0..100 {
            throttle.answered(true, WINDOW, begin);
        }
        for _ in 0..100 {
            drop(throttle.admit("a.S", Priority::Critical, WINDOW, begin, 1.0));
        }
        let late = begin + WINDOW - Duration::from_millis(1);
        let status = throttle.admit("a.S", Priority::Critical, WINDOW, late, 0.0).unwrap_err();
        assert!(status.message().contains("throttle_window 2s") && status.message().contains("a.S"), "{status}");
        assert!(status.retry_after().is_some());
        assert!(throttle.admit("a.S", Priority::Critical, WINDOW, begin + WINDOW, 0.0).is_ok());
        assert!(!throttle.is_active());
    }

    #[test]
    fn few_refusals_throttle_nobody_and_sheddable_calls_are_throttled_first() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..5 {
            throttle.answered(true, WINDOW, now);
            assert!(throttle.admit("a.S", Priority::Sheddable, WINDOW, now, 0.0).is_ok());
        }
        for _ in 0..100 {
            throttle.admit("a.S", Priority::Critical, WINDOW, now, 1.0).unwrap();
            throttle.answered(false, WINDOW, now);
            throttle.admit("a.S", Priority::Critical, WINDOW, now, 1.0).unwrap();
            throttle.answered(true, WINDOW, now);
        }
        let chance = |priority| {
            let refused = |luck: &i32| throttle.admit("a.S", priority, WINDOW, now, f64::from(*luck) / 100.0).is_err();
            (0..100).filter(refused).count()
        };
        assert!(chance(Priority::Sheddable) > 10);
        assert_eq!(chance(Priority::Critical), 0);
    }
}
