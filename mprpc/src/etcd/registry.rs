//! Keeps providers in etcd: a key with a lease, renewed while the provider lives, restored when it is gone.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::{oneshot, watch};

use super::calls::{Etcd, PAUSE_MAX, keep_alive_request};
use super::keys;
use crate::discovery::backoff::Backoff;
use crate::discovery::node::{is_node, node_data};
use crate::discovery::outage::Outage;
use crate::discovery::{
    EtcdCluster, Registered, Registration, RegistrationState, Registry, invalid_service_name, is_service_name,
};
use crate::error::Error;
use crate::net::clock;
use crate::status::{Code, Status};

/// A registry that announces providers in etcd.
pub(crate) struct EtcdRegistry {
    etcd: Arc<Etcd>,
    prefix: String,
    lease_ttl: Duration,
}

impl EtcdRegistry {
    pub(crate) fn new(cluster: &EtcdCluster) -> Result<EtcdRegistry, Error> {
        Ok(EtcdRegistry::over(Etcd::shared(cluster)?, &cluster.prefix, cluster.lease_ttl))
    }

    pub(super) fn over(etcd: Arc<Etcd>, prefix: &str, lease_ttl: Duration) -> EtcdRegistry {
        EtcdRegistry { etcd, prefix: prefix.to_owned(), lease_ttl }
    }
}

impl Registry for EtcdRegistry {
    fn register(&self, registration: Registration) -> Registered {
        let service = registration.service.name;
        if !is_service_name(service) {
            return Registered::failed(&invalid_service_name(service));
        }
        let key = keys::provider_key(&self.prefix, service, &registration.endpoint.address);
        let place = format!("{}{key}", self.etcd.name);
        let (sender, state) = watch::channel(RegistrationState::Pending(format!("writing {place}").into()));
        let (withdraw, withdrawn) = oneshot::channel();
        let announcement = Announcement {
            etcd: self.etcd.clone(),
            key,
            value: node_data(&registration.endpoint),
            place,
            lease_ttl: self.lease_ttl,
            lease: None,
            has_stood: false,
            outage: Outage::default(),
            state: sender,
            registration,
        };
        self.etcd.runtime.spawn(announcement.keep(withdrawn));
        Registered::new(state, withdraw)
    }
}

/// A provider's key.
struct Announcement {
    registration: Registration,
    etcd: Arc<Etcd>,
    key: String,
    value: Vec<u8>,
    place: String,
    lease_ttl: Duration,
    lease: Option<Lease>,
    /// Whether the key was ever written.
    has_stood: bool,
    outage: Outage,
    state: watch::Sender<RegistrationState>,
}

#[derive(Clone, Copy)]
struct Lease {
    id: i64,
    /// How long the lease lives without a renewal. The server decides.
    ttl: Duration,
}

impl Announcement {
    /// Keeps the key until it is withdrawn.
    async fn keep(mut self, mut withdrawn: oneshot::Receiver<()>) {
        let mut backoff = Backoff::up_to(PAUSE_MAX);
        loop {
            let begun = clock::now();
            let status = tokio::select! {
                // A message and a dropped sender both withdraw the announcement.
                _ = &mut withdrawn => break,
                Err(status) = self.stand() => status,
            };
            let why = self.outage.failed(&self.place, status.message(), SystemTime::now());
            RegistrationState::Pending(format!("{}: {why}", self.place).into()).publish(&self.state);
            if clock::now().saturating_duration_since(begun) >= self.lease_ttl {
                backoff.reset();
            }
            tokio::select! {
                _ = &mut withdrawn => break,
                () = tokio::time::sleep(backoff.next(fastrand::f64())) => {}
            }
        }
        self.withdraw().await;
        self.state.send_replace(RegistrationState::Withdrawn);
    }

    /// Writes the key and keeps its lease alive. Returns only with the failure of a call.
    async fn stand(&mut self) -> Result<Infallible, Status> {
        loop {
            let lease = match self.lease {
                Some(lease) => lease,
                None => self.grant().await?,
            };
            let mut renewals = self.etcd.keep_alive(lease.id).await?;
            loop {
                // A server that does not answer in time leaves room for an attempt at another one.
                let renewed = tokio::time::timeout(lease.ttl / 3, renewals.next()).await;
                let renewed = renewed.map_err(|_| Status::unavailable("the lease is not renewed in time"))??;
                if renewed.TTL <= 0 {
                    tracing::warn!("{}: the lease has expired, a new one is taken", self.place);
                    self.lease = None;
                    break;
                }
                self.write(lease).await?;
                tokio::time::sleep((lease.ttl / 3).mul_f64(0.7 + 0.3 * fastrand::f64())).await;
                renewals.send(keep_alive_request(lease.id)).await?;
            }
        }
    }

    async fn grant(&mut self) -> Result<Lease, Status> {
        let seconds = i64::try_from(self.lease_ttl.as_secs()).unwrap_or(i64::MAX);
        let granted = self.etcd.grant(seconds).await?;
        let lease = Lease { id: granted.ID, ttl: Duration::from_secs(granted.TTL.max(1).unsigned_abs()) };
        self.lease = Some(lease);
        Ok(lease)
    }

    /// Writes the key if it is not there, or is of an earlier lease of this address.
    ///
    /// At the first registration a key of another lease belongs to an earlier life of this provider, because only this
    /// process could bind the address. Later it belongs to another process, which has the same address by mistake.
    async fn write(&mut self, lease: Lease) -> Result<(), Status> {
        let found = self.etcd.range(self.key.clone().into_bytes(), Vec::new(), 1).await?;
        match found.kvs.into_iter().next() {
            // An operator may have changed the weight. A key that is written anew has it too.
            Some(entry) if entry.lease == lease.id => {
                if is_node(&entry.value) {
                    self.value = entry.value;
                }
            }
            Some(_) if self.has_stood => {
                let is_taken_over = self.registration.is_taken_over();
                let who = if is_taken_over { "the next" } else { "another" };
                let why = format!("{}: {who} process announces this address", self.place);
                match RegistrationState::Pending(why.as_str().into()).publish(&self.state) {
                    true if is_taken_over => tracing::info!("{why}; it takes over from this one"),
                    true => tracing::error!("{why}"),
                    false => {}
                }
                return Ok(());
            }
            Some(_) | None => {
                self.etcd.put(self.key.clone().into_bytes(), self.value.clone(), lease.id).await?;
            }
        }
        self.has_stood = true;
        self.outage.over(&self.place);
        RegistrationState::Registered(self.place.as_str().into()).publish(&self.state);
        Ok(())
    }

    /// Ends the lease and with it the key. A lease that cannot be ended expires by itself.
    async fn withdraw(&mut self) {
        let Some(lease) = self.lease.take() else { return };
        let mut backoff = Backoff::default();
        let revoked = async {
            loop {
                match self.etcd.revoke(lease.id).await {
                    Ok(_) => return,
                    Err(status) if status.code() == Code::NotFound => return,
                    Err(_) => tokio::time::sleep(backoff.next(fastrand::f64())).await,
                }
            }
        };
        if tokio::time::timeout(lease.ttl, revoked).await.is_err() {
            tracing::warn!("{}: etcd does not answer; the key goes with its lease", self.place);
        }
    }
}
