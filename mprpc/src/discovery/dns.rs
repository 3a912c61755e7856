//! The addresses behind a host name, looked up again and again: headless services of Kubernetes, and names with many
//! records. Nobody can register there.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};

use super::backoff::Backoff;
use super::outage::Outage;
use super::{Resolution, Resolver};
use crate::endpoint::{Address, Endpoint};
use crate::net::{self, clock};

/// A resolver that returns the addresses of a host name, for every service.
///
/// It looks the name up every 10 s, and soon after a caller could not connect to an address, at most once a second. The
/// system's resolver says nothing of the time for which an answer is valid, so the interval is fixed; a random part keeps
/// callers from asking in step. A failed lookup keeps the last addresses: an answer without addresses is such a failure,
/// because a name that does not exist looks the same.
pub struct DnsResolver {
    shared: Arc<Shared>,
}

struct Shared {
    /// What the addresses have in common. Its own address is the name.
    endpoint: Endpoint,
    lookup: Lookup,
    runtime: Handle,
    refresh: Notify,
    /// The running lookups. They serve every service, and end with the last watch.
    running: Mutex<Weak<watch::Sender<Resolution>>>,
}

/// Asks for the addresses of a host name.
type Lookup = Box<dyn Fn(String, u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> + Send + Sync>;

impl DnsResolver {
    /// Makes a resolver for an endpoint whose address is a host name and a port. Any other endpoint is returned as it is.
    pub fn new(endpoint: Endpoint) -> DnsResolver {
        let lookup: Lookup = Box::new(|host, port| Box::pin(async move { net::lookup(&host, port).await }));
        DnsResolver::over(endpoint, lookup, net::background().clone())
    }

    fn over(endpoint: Endpoint, lookup: Lookup, runtime: Handle) -> DnsResolver {
        let shared = Shared { endpoint, lookup, runtime, refresh: Notify::new(), running: Mutex::default() };
        DnsResolver { shared: Arc::new(shared) }
    }
}

impl DnsResolver {
    /// Looks the name up once.
    pub(crate) async fn read(&self) -> io::Result<Vec<Endpoint>> {
        self.shared.endpoints().await
    }
}

impl Resolver for DnsResolver {
    fn watch(&self, _service: &str) -> watch::Receiver<Resolution> {
        let mut running = self.shared.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = running.upgrade() {
            return sender.subscribe();
        }
        let name = &self.shared.endpoint.address;
        let (sender, receiver) = watch::channel(Resolution::pending(&format!("looking up dns:{name}")));
        let sender = Arc::new(sender);
        *running = Arc::downgrade(&sender);
        self.shared.runtime.spawn(self.shared.clone().follow(sender));
        receiver
    }

    fn refresh(&self) {
        self.shared.refresh.notify_one();
    }
}

impl Shared {
    /// Looks the name up until nobody listens.
    async fn follow(self: Arc<Self>, sender: Arc<watch::Sender<Resolution>>) {
        let place = format!("dns:{}", self.endpoint);
        let mut outage = Outage::default();
        let mut backoff = Backoff::default();
        loop {
            let asked = clock::now();
            let pause = match self.endpoints().await {
                Ok(endpoints) => {
                    outage.over(&place);
                    backoff.reset();
                    Resolution::current(endpoints, &place).publish(&sender);
                    INTERVAL.mul_f64(0.8 + 0.4 * fastrand::f64())
                }
                Err(error) => {
                    let why = outage.failed(&place, &error.to_string(), SystemTime::now());
                    Resolution::publish_failed(&sender, &format!("{place}: {why}"));
                    backoff.next(fastrand::f64()).max(RETRY_MIN)
                }
            };
            tokio::select! {
                () = sender.closed() => if self.ends(&sender) { return },
                () = tokio::time::sleep(pause) => {}
                () = self.refreshed(asked) => {}
            }
        }
    }

    /// Returns once a caller asks for a new lookup and enough time has passed since the last one.
    async fn refreshed(&self, asked: Instant) {
        self.refresh.notified().await;
        let jitter = REFRESH_JITTER.mul_f64(fastrand::f64());
        tokio::time::sleep_until((asked + REFRESH_INTERVAL + jitter).into()).await;
    }

    /// Whether nobody listens. No watch can begin in between.
    fn ends(&self, sender: &watch::Sender<Resolution>) -> bool {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let ends = sender.receiver_count() == 0;
        if ends {
            *running = Weak::new();
        }
        ends
    }

    async fn endpoints(&self) -> io::Result<Vec<Endpoint>> {
        let Address::Host(host, port) = &self.endpoint.address else { return Ok(vec![self.endpoint.clone()]) };
        let lookup = tokio::time::timeout(LOOKUP_TIMEOUT, (self.lookup)(host.clone(), *port));
        let no_answer = |_| io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {LOOKUP_TIMEOUT:?}"));
        let mut addresses = lookup.await.map_err(no_answer)??;
        // A host with addresses of both families counts once: the system puts the family first that it would use.
        if let Some(first) = addresses.first().map(SocketAddr::is_ipv4) {
            addresses.retain(|address| address.is_ipv4() == first);
        }
        addresses.sort();
        addresses.dedup();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        if addresses.len() > ADDRESSES_MAX {
            tracing::warn!("dns:{} has {} addresses; {ADDRESSES_MAX} are used", self.endpoint, addresses.len());
            addresses.truncate(ADDRESSES_MAX);
        }
        let endpoint = |address| Endpoint { address: Address::Tcp(address), ..self.endpoint.clone() };
        Ok(addresses.into_iter().map(endpoint).collect())
    }
}

/// The mean interval of lookups. Each is between 8 s and 12 s.
const INTERVAL: Duration = Duration::from_secs(10);
/// The shortest pause after a failed lookup; otherwise the pause is that of [`Backoff`].
const RETRY_MIN: Duration = Duration::from_millis(100);
/// The shortest interval of lookups that callers ask for, and a random addition to it.
const REFRESH_INTERVAL: Duration = Duration::from_secs(1);
const REFRESH_JITTER: Duration = Duration::from_millis(200);
/// How long a lookup may take.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The most addresses of a name.
const ADDRESSES_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::Instant;

    type Answer = Arc<Mutex<io::Result<Vec<&'static str>>>>;

    /// A resolver whose answers the test sets, and the times of its lookups.
    fn scripted(first: &[&'static str]) -> (DnsResolver, Answer, Arc<Mutex<Vec<Instant>>>) {
        let answer: Answer = Arc::new(Mutex::new(Ok(first.to_vec())));
        let lookups = Arc::new(Mutex::new(Vec::new()));
        let (answers, times) = (answer.clone(), lookups.clone());
        let lookup: Lookup = Box::new(move |host, port| {
            assert_eq!((host.as_str(), port), ("users.example", 8000));
            times.lock().unwrap().push(Instant::now());
            let answer = match &*answers.lock().unwrap() {
                Ok(addresses) => Ok(addresses.iter().map(|text| text.parse().unwrap()).collect()),
                Err(error) => Err(io::Error::new(error.kind(), error.to_string())),
            };
            Box::pin(async move { answer })
        });
        let endpoint = "grpc://users.example:8000".parse().unwrap();
        (DnsResolver::over(endpoint, lookup, Handle::current()), answer, lookups)
    }

    fn shown(resolution: &Resolution) -> Vec<String> {
        resolution.endpoints.iter().map(Endpoint::to_string).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn name_is_looked_up_again_and_a_failure_keeps_the_addresses() {
        let (resolver, answer, lookups) = scripted(&["10.0.0.2:8000", "10.0.0.1:8000", "[::1]:8000"]);
        let mut watch = resolver.watch("test.Who");
        watch.changed().await.unwrap();
        assert_eq!(shown(&watch.borrow_and_update()), ["grpc://10.0.0.1:8000", "grpc://10.0.0.2:8000"]);
        let second = resolver.watch("test.Other");
        assert_eq!(shown(&second.borrow()).len(), 2);
        *answer.lock().unwrap() = Ok(vec!["10.0.0.3:8000"]);
        let begin = Instant::now();
        watch.changed().await.unwrap();
        assert_eq!(shown(&watch.borrow_and_update()), ["grpc://10.0.0.3:8000"]);
        assert!((8..=12).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
        for failure in [Err(io::Error::other("no such name")), Ok(vec![])] {
            *answer.lock().unwrap() = failure;
            watch.changed().await.unwrap();
            let resolution = watch.borrow_and_update().clone();
            assert_eq!(shown(&resolution), ["grpc://10.0.0.3:8000"]);
            assert!(matches!(&resolution.state, super::super::ResolutionState::Stale(_)), "{resolution:?}");
        }
        drop((watch, second));
        tokio::time::sleep(Duration::from_secs(20)).await;
        let ended = lookups.lock().unwrap().len();
        tokio::time::sleep(Duration::from_secs(100)).await;
        assert_eq!(lookups.lock().unwrap().len(), ended, "nobody listens");
        *answer.lock().unwrap() = Ok(vec!["10.0.0.4:8000"]);
        let mut watch = resolver.watch("test.Who");
        watch.changed().await.unwrap();
        assert_eq!(shown(&watch.borrow()), ["grpc://10.0.0.4:8000"]);
    }

    #[tokio::test(start_paused = true)]
    async fn failed_connects_ask_for_a_lookup_at_most_once_a_second() {
        let (resolver, answer, lookups) = scripted(&["10.0.0.1:8000"]);
        let mut watch = resolver.watch("test.Who");
        watch.changed().await.unwrap();
        tokio::time::sleep(Duration::from_secs(2)).await;
        *answer.lock().unwrap() = Ok(vec!["10.0.0.2:8000"]);
        let begin = Instant::now();
        resolver.refresh();
        watch.changed().await.unwrap();
        assert!(begin.elapsed() < Duration::from_millis(300), "{:?}", begin.elapsed());
        let before = lookups.lock().unwrap().len();
        for _ in 0..1000 {
            resolver.refresh();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let asked = lookups.lock().unwrap().len() - before;
        assert!((8..=10).contains(&asked), "{asked} lookups in 10 s");
    }

    #[tokio::test]
    async fn system_resolves_localhost() {
        let endpoint = "localhost:8000".parse().unwrap();
        let mut watch = DnsResolver::new(endpoint).watch("test.Who");
        watch.changed().await.unwrap();
        let shown = shown(&watch.borrow());
        assert!(shown == ["127.0.0.1:8000"] || shown == ["[::1]:8000"], "{shown:?}");
    }
}
