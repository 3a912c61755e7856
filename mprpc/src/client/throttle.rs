//! `Throttle`: adaptive throttling. A channel sends fewer calls while servers refuse too many. Reads no clock.
//!
//! A refused call still costs the server something, and the caller may retry it. Therefore a channel counts the calls
//! that the servers of a service receive and accept. If the servers accept less than half, the channel refuses calls
//! itself, with a probability that lets about twice as many calls pass as the servers accept. That is enough for the
//! servers to choose from, and enough to notice when they recover.
//!
//! The counting begins with the first refusal, and the channel refuses nothing in the first tenth of the window after that:
//! one endpoint that was frozen refuses all calls that waited there at once, before any other endpoint has answered a call that
//! counts.
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
    /// Whether a server refused a call recently. Every call reads this flag; the throttle counts only while it is
    /// set.
    is_active: AtomicBool,
    counts: Mutex<Counts>,
}

/// The counts of the window, in slices of time.
#[derive(Debug, Default)]
struct Counts {
    slices: [Slice; SLICES],
    /// The current slice and its start time.
    current: usize,
    begun: Option<Instant>,
    /// When the counting began.
    since: Option<Instant>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    /// Attempted calls, including calls that the throttle did not send.
    requests: u64,
    accepted: u64,
    /// Calls that servers refused.
    refused: u64,
}

const SLICES: usize = 10;
/// The number of calls in a window that are always sent, so that one refusal does not throttle a rarely called
/// service.
const FREE_REQUESTS: f64 = 10.0;

impl Throttle {
    /// Whether the caller must ask [`Throttle::admit`].
    pub(super) fn is_active(&self) -> bool {
        self.is_active.load(Ordering::Relaxed)
    }

    /// Counts an attempt and decides whether it is sent. The error is the reason not to send it. `luck` is a random
    /// number from 0 to 1.
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
        let counted_for = counts.since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since));
        if counted_for < window / SLICES as u32 || luck * (requests + 1) as f64 >= sent {
            return Ok(());
        }
        let message = format!(
            "throttled here: the servers of {service} have accepted {accepted} of the last {requests} calls, and refused \
             {refused}, within throttle_window {window:?}"
        );
        let status = Status::resource_exhausted(message).with_retry_after(window / SLICES as u32);
        Err(status.with_phase(Phase::Pick).with_ran(Ran::No))
    }

    /// Records the answer of a server to an attempt. The first refusal starts the counting and counts its own
    /// request, because `admit` did not count it.
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

/// Whether an overloaded server refused the call. Such a status carries a retry delay.
pub(super) fn is_overload(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted
        && status.ran() == Ran::No
        && status.phase() == Some(Phase::Queue)
        && status.retry_after().is_some()
}

/// How many calls are sent for each accepted call. Sheddable calls are throttled first.
fn multiple(priority: Priority) -> f64 {
    match priority {
        Priority::Sheddable => 1.5,
        Priority::Normal => 2.0,
        Priority::Critical => 4.0,
    }
}

impl Counts {
    /// Forgets counts that are older than the window.
    fn turn(&mut self, now: Instant, window: Duration) {
        let slice = (window / SLICES as u32).max(Duration::from_millis(1));
        let begun = *self.begun.get_or_insert(now);
        self.since.get_or_insert(now);
        let elapsed = now.saturating_duration_since(begun);
        if elapsed >= window {
            *self = Counts { begun: Some(now), since: Some(now), ..Counts::default() };
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

    /// Makes calls at an even rate to servers with a `capacity` of calls per second. Returns how many calls were sent
    /// and accepted in second `from`.
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
                // The servers accept calls evenly over the second.
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
    fn throttle_sends_about_twice_as_many_calls_as_servers_accept() {
        let throttle = Throttle::default();
        let (sent, accepted) = play(&throttle, Instant::now(), 4000, |_| 400, 5);
        assert!(accepted >= 380, "{accepted}");
        assert!((700..1000).contains(&sent), "{sent}");
    }

    #[test]
    fn throttle_ends_once_the_servers_accept_again() {
        let throttle = Throttle::default();
        let begin = Instant::now();
        let (sent, accepted) = play(&throttle, begin, 2000, |second| if second < 3 { 100 } else { 2000 }, 6);
        assert_eq!((sent, accepted), (2000, 2000));
        assert!(!throttle.is_active());
    }

    #[test]
    fn refusal_is_remembered_for_throttle_window_and_the_error_names_it() {
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
    fn burst_of_refusals_by_one_endpoint_throttles_no_call() {
        let (throttle, begin) = (Throttle::default(), Instant::now());
        let at = |millis| begin + Duration::from_millis(millis);
        // An endpoint was frozen for 100 ms and refuses what has waited there. Each call is made again at another endpoint.
        for _ in 0..30 {
            throttle.answered(true, WINDOW, begin);
            throttle.admit("a.S", Priority::Sheddable, WINDOW, begin, 0.0).unwrap();
        }
        // The other endpoints answer within 5 ms.
        for millis in 0..1000 {
            throttle.admit("a.S", Priority::Normal, WINDOW, at(millis), 0.0).unwrap();
            if millis >= 5 {
                throttle.answered(false, WINDOW, at(millis));
            }
        }
    }

    #[test]
    fn few_refusals_throttle_no_call_and_sheddable_calls_are_throttled_first() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..5 {
            throttle.answered(true, WINDOW, now);
            assert!(throttle.admit("a.S", Priority::Sheddable, WINDOW, now, 0.0).is_ok());
        }
        let now = now + WINDOW / SLICES as u32;
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
