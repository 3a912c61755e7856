//! Lists every service in etcd once.

use std::collections::BTreeMap;

use super::calls::Etcd;
use super::keys;
use crate::discovery::{EtcdCluster, is_service_name, skip};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Reads every service with its endpoints, in the order of the names.
pub(crate) async fn list(cluster: &EtcdCluster) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    let etcd = Etcd::shared(cluster);
    list_from(&etcd, &cluster.prefix)
        .await
        .map_err(|why| Error::new(ErrorKind::Registry, format!("cannot read {cluster}: {why}")))
}

pub(super) async fn list_from(etcd: &Etcd, prefix: &str) -> Result<Vec<(String, Vec<Endpoint>)>, String> {
    let root = keys::services_prefix(prefix);
    let read = etcd.range(root.clone().into_bytes(), keys::range_end(&root), KEYS_MAX);
    let read = read.await.map_err(|status| status.message().to_owned())?;
    if read.more {
        return Err(format!("it has {} providers, and {KEYS_MAX} are read", read.count));
    }
    let mut services: BTreeMap<String, Vec<Endpoint>> = BTreeMap::new();
    for entry in &read.kvs {
        let key = String::from_utf8_lossy(&entry.key);
        let service = key.strip_prefix(&root).and_then(|rest| rest.split_once('/')).map(|(service, _)| service);
        let Some(service) = service.filter(|service| is_service_name(service)) else { continue };
        let endpoints = services.entry(service.to_owned()).or_default();
        match keys::parse_provider(&keys::service_prefix(prefix, service), entry) {
            Ok(endpoint) => endpoints.push(endpoint),
            Err(why) => skip(&format!("{} {key}", etcd.name), &why),
        }
    }
    Ok(services.into_iter().collect())
}

/// The most providers of all services together.
const KEYS_MAX: i64 = 100_000;
