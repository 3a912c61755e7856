//! Follows the providers of a service in etcd: reads the keys, and watches them from the revision that it has read.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::calls::{Etcd, PAUSE_MAX};
use super::keys;
use crate::codec::etcd_messages::{KeyValue, WatchResponse, event};
use crate::discovery::backoff::Backoff;
use crate::discovery::outage::Outage;
use crate::discovery::{EtcdCluster, Resolution, Resolver, invalid_service_name, is_service_name, skip};
use crate::endpoint::Endpoint;
use crate::error::Error;
use crate::net::clock;
use crate::status::Status;

/// A resolver that reads etcd.
pub(crate) struct EtcdResolver {
    etcd: Arc<Etcd>,
    prefix: String,
}

impl EtcdResolver {
    pub(crate) fn new(cluster: &EtcdCluster) -> Result<EtcdResolver, Error> {
        Ok(EtcdResolver::over(Etcd::shared(cluster)?, &cluster.prefix))
    }

    pub(super) fn over(etcd: Arc<Etcd>, prefix: &str) -> EtcdResolver {
        EtcdResolver { etcd, prefix: prefix.to_owned() }
    }
}

impl Resolver for EtcdResolver {
    fn watch(&self, service: &str) -> watch::Receiver<Resolution> {
        if !is_service_name(service) {
            return watch::channel(Resolution::pending(&invalid_service_name(service))).1;
        }
        let prefix = keys::service_prefix(&self.prefix, service);
        let place = format!("{}{prefix}", self.etcd.name);
        let (sender, receiver) = watch::channel(Resolution::pending(&format!("reading {place}")));
        let reader = Reader {
            etcd: self.etcd.clone(),
            prefix,
            place,
            entries: BTreeMap::new(),
            told_bad: HashSet::new(),
            outage: Outage::default(),
        };
        self.etcd.runtime.spawn(reader.follow(sender));
        receiver
    }
}

/// The keys of one service.
struct Reader {
    etcd: Arc<Etcd>,
    prefix: String,
    place: String,
    /// The endpoints by key.
    entries: BTreeMap<Vec<u8>, Endpoint>,
    /// The bad entries that the log has named.
    told_bad: HashSet<Vec<u8>>,
    outage: Outage,
}

impl Reader {
    /// Publishes the endpoints until nobody listens.
    async fn follow(mut self, sender: watch::Sender<Resolution>) {
        let mut backoff = Backoff::up_to(PAUSE_MAX);
        loop {
            let begun = clock::now();
            let ended = tokio::select! {
                () = sender.closed() => return,
                ended = self.read_and_watch(&sender) => ended,
            };
            if let Err(status) = ended {
                let why = self.outage.failed(&self.place, status.message(), SystemTime::now());
                Resolution::publish_failed(&sender, &format!("{}: {why}", self.place));
            }
            // A watch that ends soon after its begin keeps the backoff, so that no server is asked in a busy loop.
            if clock::now().saturating_duration_since(begun) >= WATCH_LIFE_MIN {
                backoff.reset();
            }
            tokio::select! {
                () = sender.closed() => return,
                () = tokio::time::sleep(backoff.next(fastrand::f64())) => {}
            }
        }
    }

    /// Reads all keys, and follows them until they must be read again (`Ok`) or a call fails.
    ///
    /// A watch is never resumed: what another server or a rebuilt cluster says begins with a new list.
    async fn read_and_watch(&mut self, sender: &watch::Sender<Resolution>) -> Result<(), Status> {
        let (key, range_end) = (self.prefix.clone().into_bytes(), keys::range_end(&self.prefix));
        let listed = self.etcd.range(key.clone(), range_end.clone(), PROVIDERS_MAX).await?;
        if listed.more {
            tracing::warn!("{} has {} providers; {PROVIDERS_MAX} are used", self.place, listed.count);
        }
        self.entries.clear();
        self.told_bad.retain(|key| listed.kvs.iter().any(|entry| entry.key == *key));
        listed.kvs.iter().for_each(|entry| self.add(entry));
        let next = listed.header.revision + 1;
        let mut watch = self.etcd.watch(key, range_end, next).await?;
        self.outage.over(&self.place);
        self.publish(sender);
        let read_again = tokio::time::sleep(READ_INTERVAL.mul_f64(0.8 + 0.4 * fastrand::f64()));
        tokio::pin!(read_again);
        loop {
            let response = tokio::select! {
                response = watch.next() => response?,
                () = &mut read_again => return Ok(()),
            };
            if response.canceled {
                // The revision is compacted away: the list is all there is.
                return match response.compact_revision {
                    0 => Err(Status::unavailable(format!("the watch is cancelled: {}", response.cancel_reason))),
                    _ => Ok(()),
                };
            }
            self.apply(&response);
            self.publish(sender);
        }
    }

    fn apply(&mut self, response: &WatchResponse) {
        for event in &response.events {
            if event.r#type == event::EventType::DELETE {
                self.entries.remove(&event.kv.key);
                self.told_bad.remove(&event.kv.key);
            } else {
                self.add(&event.kv);
            }
        }
    }

    /// Adds an entry, or skips it, counts it and logs it once.
    fn add(&mut self, entry: &KeyValue) {
        match keys::parse_provider(&self.prefix, entry) {
            Ok(endpoint) => {
                self.told_bad.remove(&entry.key);
                self.entries.insert(entry.key.clone(), endpoint);
            }
            Err(why) => {
                self.entries.remove(&entry.key);
                if self.told_bad.len() < PROVIDERS_MAX as usize && self.told_bad.insert(entry.key.clone()) {
                    skip(&format!("{} {}", self.etcd.name, String::from_utf8_lossy(&entry.key)), &why);
                }
            }
        }
    }

    fn publish(&self, sender: &watch::Sender<Resolution>) {
        Resolution::current(self.entries.values().cloned().collect(), &self.place).publish(sender);
    }
}

/// A watch that lasts for so long has not failed at once.
const WATCH_LIFE_MIN: Duration = Duration::from_secs(5);
/// The most providers of a service.
const PROVIDERS_MAX: i64 = 10_000;
/// The mean interval at which all keys are read again, in case a proxy has lost a watch without a word. Each is between
/// four and six minutes.
const READ_INTERVAL: Duration = Duration::from_secs(300);
