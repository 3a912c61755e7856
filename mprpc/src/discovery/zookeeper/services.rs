//! Lists every service in ZooKeeper once, in both layouts.

use std::collections::BTreeMap;

use mprpc_zookeeper::Client;

use super::super::target::Ensemble;
use super::folder::{Folder, child_names};
use super::layout;
use super::resolver::parse;
use super::session::{ConnectionState, Session};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Reads every service with its endpoints, in the order of the names. A service that only the classic layout has
/// appears under its short name.
pub(in super::super) async fn list(ensemble: &Ensemble) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    let session = Session::shared(ensemble);
    let mut links = session.link();
    let decided = links.wait_for(|link| !matches!(link, ConnectionState::Connecting)).await;
    let link = decided.map(|link| link.clone()).unwrap_or(ConnectionState::Connecting);
    let failed = |why: &str| Error::new(ErrorKind::Registry, format!("cannot read {ensemble}: {why}"));
    match link {
        ConnectionState::Up(_) => {}
        ConnectionState::Down(why) => return Err(failed(&why)),
        ConnectionState::Connecting => return Err(failed("the session was given up")),
    }
    list_connected(&session.client, &ensemble.chroot).await.map_err(|error| failed(&error.to_string()))
}

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
