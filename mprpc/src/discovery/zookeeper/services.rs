//! Lists every service in ZooKeeper once, in both layouts, and changes weights.

use std::collections::BTreeMap;
use std::sync::Arc;

use mprpc_zookeeper::Client;

use super::super::target::Ensemble;
use super::super::weights::WeightChange;
use super::connector::Connector;
use super::folder::{Folder, child_names};
use super::layout;
use super::resolver::parse;
use super::session::{ConnectionState, Session};
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};

/// Reads every service with its endpoints, in the order of the names. A service that only the classic layout has
/// appears under its short name.
pub(in super::super) async fn list(ensemble: &Ensemble) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    let session = connected(ensemble).await?;
    let listed = list_connected(&session.client, &ensemble.chroot).await;
    listed.map_err(|error| Error::new(ErrorKind::Registry, format!("cannot read {ensemble}: {error}")))
}

/// Returns the session, once it is connected.
async fn connected(ensemble: &Ensemble) -> Result<Arc<Session>, Error> {
    let session = Session::shared(ensemble, &Connector::new(ensemble)?);
    let mut links = session.link();
    let decided = links.wait_for(|link| !matches!(link, ConnectionState::Connecting)).await;
    let link = decided.map(|link| link.clone()).unwrap_or(ConnectionState::Connecting);
    let failed = |why: &str| Error::new(ErrorKind::Registry, format!("cannot read {ensemble}: {why}"));
    match link {
        ConnectionState::Up(_) => Ok(session),
        ConnectionState::Down(why) => Err(failed(&why)),
        ConnectionState::Connecting => Err(failed("the session was given up")),
    }
}

/// Changes the weight of the provider at `address` in every service of the native layout. Returns the names of the services.
pub(in super::super) async fn change_weight(
    ensemble: &Ensemble,
    address: &Address,
    change: WeightChange,
) -> Result<Vec<String>, Error> {
    let session = connected(ensemble).await?;
    let changed = change_connected(&session.client, &ensemble.chroot, address, change).await;
    changed.map_err(|error| Error::new(ErrorKind::Registry, format!("cannot change {ensemble}: {error}")))
}

pub(super) async fn change_connected(
    client: &Client,
    chroot: &str,
    address: &Address,
    change: WeightChange,
) -> Result<Vec<String>, mprpc_zookeeper::Error> {
    let mut services = Vec::new();
    for name in child_names(client, &layout::services_path(chroot)).await? {
        let path = format!("{}/{}", layout::service_path(chroot, &name), layout::node_name(address));
        if change_node(client, &path, change).await? {
            services.push(name);
        }
    }
    services.sort();
    Ok(services)
}

/// Changes the weight in a node. Returns whether there is such a node.
async fn change_node(client: &Client, path: &str, change: WeightChange) -> Result<bool, mprpc_zookeeper::Error> {
    use mprpc_zookeeper::Error::{BadVersion, NoNode};
    for _ in 0..RACES_MAX {
        let (data, stat) = match client.get(path).await {
            Ok(found) => found,
            Err(NoNode) => return Ok(false),
            Err(error) => return Err(error),
        };
        let Some(data) = layout::reweighted(&data, change) else { return Ok(false) };
        match client.set(path, &data, Some(stat.version)).await {
            Ok(_) => return Ok(true),
            // Somebody else was faster, or the provider has made its node anew.
            Err(BadVersion | NoNode) => {}
            Err(error) => return Err(error),
        }
    }
    Err(BadVersion)
}

/// How many times others may change a node first.
const RACES_MAX: usize = 8;

async fn list_connected(client: &Client, chroot: &str) -> Result<Vec<(String, Vec<Endpoint>)>, mprpc_zookeeper::Error> {
    let mut services = BTreeMap::new();
    for name in child_names(client, &layout::services_path(chroot)).await? {
        let endpoints = read(client, chroot, &name).await?;
        services.insert(name, endpoints);
    }
    let root = if chroot.is_empty() { "/" } else { chroot };
    for name in child_names(client, root).await? {
        let shown = services.keys().any(|service| layout::short_name(service) == name);
        if shown || !layout::is_classic_service(&name) {
            continue;
        }
        // The native path of this name has no node. Nodes of other programs hold no addresses, so they yield no
        // endpoints.
        let endpoints = read(client, chroot, &name).await?;
        if !endpoints.is_empty() {
            services.insert(name, endpoints);
        }
    }
    Ok(services.into_iter().collect())
}

async fn read(client: &Client, chroot: &str, name: &str) -> Result<Vec<Endpoint>, mprpc_zookeeper::Error> {
    let native = Folder::read_once(client, layout::service_path(chroot, name)).await?;
    let classic = Folder::read_once(client, layout::classic_service_path(chroot, name)).await?;
    Ok(parse(&native, &classic).0)
}
