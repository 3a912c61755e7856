//! Lists every service in etcd once, and changes weights.

use std::collections::BTreeMap;

use super::calls::Etcd;
use super::keys;
use crate::codec::etcd_messages::KeyValue;
use crate::discovery::node::{node_name, reweighted};
use crate::discovery::{EtcdCluster, WeightChange, skip};
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};
use crate::status::Status;

/// Reads every service with its endpoints, in the order of the names.
pub(crate) async fn list(cluster: &EtcdCluster) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    let etcd = Etcd::shared(cluster)?;
    list_from(&etcd, &cluster.prefix).await.map_err(|status| failed("read", cluster, &status))
}

/// Changes the weight of the provider at `address` in every service. Returns the names of the services.
pub(crate) async fn change_weight(
    cluster: &EtcdCluster,
    address: &Address,
    change: WeightChange,
) -> Result<Vec<String>, Error> {
    let etcd = Etcd::shared(cluster)?;
    let changed = change_in(&etcd, &cluster.prefix, address, change).await;
    changed.map_err(|status| failed("change", cluster, &status))
}

fn failed(what: &str, cluster: &EtcdCluster, status: &Status) -> Error {
    Error::new(ErrorKind::Registry, format!("cannot {what} {cluster}: {}", status.message()))
}

pub(super) async fn list_from(etcd: &Etcd, prefix: &str) -> Result<Vec<(String, Vec<Endpoint>)>, Status> {
    let root = keys::services_prefix(prefix);
    let mut services: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for entry in &read_all(etcd, &root).await? {
        let Some((service, _)) = keys::parse_key(&root, entry) else { continue };
        let endpoints = services.entry(service.to_owned()).or_default();
        match keys::parse_provider(&keys::service_prefix(prefix, service), entry) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) => skip(&format!("{} {}", etcd.name, String::from_utf8_lossy(&entry.key)), &why),
        }
    }
    Ok(services.into_iter().collect())
}

pub(super) async fn change_in(
    etcd: &Etcd,
    prefix: &str,
    address: &Address,
    change: WeightChange,
) -> Result<Vec<String>, Status> {
    let (root, wanted) = (keys::services_prefix(prefix), node_name(address));
    let mut services = Vec::new();
    for entry in read_all(etcd, &root).await? {
        let Some((service, node)) = keys::parse_key(&root, &entry) else { continue };
        let service = service.to_owned();
        if node == wanted && change_entry(etcd, entry, change).await? {
            services.push(service);
        }
    }
    services.sort();
    Ok(services)
}

/// Changes the weight in an entry. Returns whether there still is such an entry.
async fn change_entry(etcd: &Etcd, mut entry: KeyValue, change: WeightChange) -> Result<bool, Status> {
    for _ in 0..RACES_MAX {
        let Some(value) = reweighted(&entry.value, change) else { return Ok(false) };
        if etcd.replace(&entry, value).await? {
            return Ok(true);
        }
        // Somebody else was faster, or the provider has written its key anew.
        let found = etcd.range(entry.key, Vec::new(), 1).await?;
        let Some(next) = found.kvs.into_iter().next() else { return Ok(false) };
        entry = next;
    }
    let key = String::from_utf8_lossy(&entry.key);
    Err(Status::aborted(format!("others have changed {key} {RACES_MAX} times meanwhile")))
}

/// Reads the keys of all providers.
async fn read_all(etcd: &Etcd, root: &str) -> Result<Vec<KeyValue>, Status> {
    let read = etcd.range(root.as_bytes().to_vec(), keys::range_end(root), KEYS_MAX).await?;
    if read.more {
        let why = format!("it has {} providers, and {KEYS_MAX} are read", read.count);
        return Err(Status::resource_exhausted(why));
    }
    Ok(read.kvs)
}

/// The most providers of all services together.
const KEYS_MAX: i64 = 100_000;
/// How many times others may change an entry first.
const RACES_MAX: usize = 8;
