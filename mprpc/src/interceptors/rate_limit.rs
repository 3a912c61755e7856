//! Rate limits: a number of calls in a period, for all callers together or for each caller.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::refused;
use super::token::Caller;
use crate::context::Context;
use crate::endpoint::Address;
use crate::interceptor::{Interceptor, Next};
use crate::net::clock;
use crate::service::{Body, BoxFuture};
use crate::status::Status;

/// Lets a number of calls through in a period. Works on both sides.
///
/// It is a token bucket that holds the calls of one period and refills evenly. A call beyond the limit gets
/// RESOURCE_EXHAUSTED and does not run; [`Status::retry_after`] says when to try again. A stream counts once, when it
/// begins.
pub struct RateLimit {
    calls: u32,
    per: Duration,
    key: Option<Box<Key>>,
    buckets: Mutex<Buckets>,
}

type Key = dyn Fn(&Context) -> Option<String> + Send + Sync;

/// The buckets. Each is stored as the instant at which it is full again (the generic cell rate algorithm of ATM).
#[derive(Default)]
struct Buckets {
    by_key: HashMap<String, Instant>,
    /// The bucket of calls without a key, and of calls whose key finds no room.
    shared: Option<Instant>,
    /// The time before which it is useless to look for room again.
    swept_until: Option<Instant>,
}

impl RateLimit {
    /// The maximum number of buckets. While all of them are in use, new callers share one.
    pub const KEYS_MAX: usize = 10_000;

    /// Allows `calls` (at least one) in `per`, for all callers together.
    pub fn new(calls: u32, per: Duration) -> RateLimit {
        RateLimit { calls: calls.max(1), per, key: None, buckets: Mutex::default() }
    }

    /// Limits each caller separately.
    ///
    /// The key is the name of the [`Caller`] if an earlier interceptor left one, else the first name of the TLS
    /// certificate, else the IP address. All callers at a Unix socket count as one.
    pub fn each_caller(self) -> RateLimit {
        self.each(|context| {
            if let Some(caller) = context.value::<Caller>() {
                return Some(format!("name {}", caller.name));
            }
            let peer = context.peer()?;
            if let Some(name) = peer.identity.as_ref().and_then(|identity| identity.names().next()) {
                return Some(format!("certificate {name}"));
            }
            Some(match &peer.address {
                Address::Tcp(address) => address.ip().to_string(),
                other => other.to_string(),
            })
        })
    }

    /// Limits the calls of each key separately. Calls without a key share one bucket.
    pub fn each(self, key: impl Fn(&Context) -> Option<String> + Send + Sync + 'static) -> RateLimit {
        RateLimit { key: Some(Box::new(key)), ..self }
    }

    /// Takes a call out of the bucket of `key`. The error is the time until the bucket has room for the call.
    fn take(&self, key: Option<String>, now: Instant) -> Result<(), Duration> {
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let step = self.per / self.calls;
        let bucket = buckets.bucket(key, now, self.per);
        let full_at = (*bucket).max(now);
        let spent = full_at - now;
        match spent.saturating_add(step).checked_sub(self.per) {
            Some(missing) if !missing.is_zero() => Err(missing),
            _ => {
                // If the clock cannot represent the instant, the call is not counted.
                *bucket = full_at.checked_add(step).unwrap_or(full_at);
                Ok(())
            }
        }
    }
}

impl Buckets {
    fn bucket(&mut self, key: Option<String>, now: Instant, per: Duration) -> &mut Instant {
        let Some(key) = key else { return self.shared.get_or_insert(now) };
        if self.by_key.len() >= RateLimit::KEYS_MAX && !self.by_key.contains_key(&key) && !self.make_room(now, per) {
            return self.shared.get_or_insert(now);
        }
        self.by_key.entry(key).or_insert(now)
    }

    /// Drops the buckets that are full. Returns whether there is room. It scans rarely enough that many callers cost
    /// little.
    fn make_room(&mut self, now: Instant, per: Duration) -> bool {
        if self.swept_until.is_none_or(|until| until <= now) {
            self.swept_until = now.checked_add(per / 16);
            self.by_key.retain(|_, full_at| *full_at > now);
        }
        self.by_key.len() < RateLimit::KEYS_MAX
    }
}

impl Interceptor for RateLimit {
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        let key = self.key.as_ref().and_then(|key| key(&context));
        let Err(wait) = self.take(key, clock::now()) else {
            return next.run(context, body);
        };
        let status = Status::resource_exhausted(format!("more than {} calls in {:?}", self.calls, self.per));
        let status = refused(&context, status.with_retry_after(wait));
        Box::pin(std::future::ready(Err(status)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(begin: Instant, milliseconds: u64) -> Instant {
        begin + Duration::from_millis(milliseconds)
    }

    #[test]
    fn bucket_holds_the_calls_of_one_period_and_refills_evenly() {
        let limit = RateLimit::new(4, Duration::from_secs(1));
        let begin = clock::now();
        for _ in 0..4 {
            limit.take(None, begin).unwrap();
        }
        assert_eq!(limit.take(None, begin), Err(Duration::from_millis(250)));
        assert_eq!(limit.take(None, at(begin, 100)), Err(Duration::from_millis(150)));
        // Refused calls cost nothing.
        limit.take(None, at(begin, 250)).unwrap();
        assert_eq!(limit.take(None, at(begin, 250)), Err(Duration::from_millis(250)));
        // The bucket never holds more than its size, even after a long time without calls.
        let late = at(begin, 1_000_000);
        assert_eq!((0..10).filter(|_| limit.take(None, late).is_ok()).count(), 4);
    }

    #[test]
    fn keys_have_separate_buckets() {
        let limit = RateLimit::new(1, Duration::from_secs(1));
        let now = clock::now();
        limit.take(Some("a".into()), now).unwrap();
        limit.take(Some("b".into()), now).unwrap();
        limit.take(None, now).unwrap();
        limit.take(Some("a".into()), now).unwrap_err();
        limit.take(None, now).unwrap_err();
    }

    #[test]
    fn keys_beyond_the_bound_share_one_bucket_until_others_are_full() {
        let limit = RateLimit::new(1, Duration::from_secs(1));
        let begin = clock::now();
        for key in 0..RateLimit::KEYS_MAX {
            limit.take(Some(key.to_string()), begin).unwrap();
        }
        limit.take(Some("one more".into()), begin).unwrap();
        assert!(limit.take(Some("and another".into()), begin).is_err());
        assert!(limit.take(Some("0".into()), begin).is_err(), "who was there keeps its bucket");
        assert_eq!(limit.buckets.lock().unwrap().by_key.len(), RateLimit::KEYS_MAX);
        limit.take(Some("another".into()), at(begin, 1000)).unwrap();
        limit.take(Some("and one more".into()), at(begin, 1000)).unwrap();
        assert_eq!(limit.buckets.lock().unwrap().by_key.len(), 2);
    }

    #[test]
    fn extremes_do_not_overflow() {
        let now = clock::now();
        let never = RateLimit::new(0, Duration::MAX);
        never.take(None, now).unwrap();
        let unlimited = RateLimit::new(u32::MAX, Duration::ZERO);
        assert!((0..100).all(|_| unlimited.take(None, now).is_ok()));
    }
}
