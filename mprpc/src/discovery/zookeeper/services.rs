//! Lists every service in ZooKeeper once, in both layouts.

use std::collections::BTreeMap;

use super::super::target::Ensemble;
use super::layout;
use super::resolver::{child_names, read};
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
    let client = match link {
        ConnectionState::Up(connected) => connected.client,
        ConnectionState::Down(why) => return Err(failed(&why)),
        ConnectionState::Connecting => return Err(failed("the session was given up")),
    };
    list_connected(&client, &ensemble.chroot).await.map_err(|error| failed(&error.to_string()))
}

async fn list_connected(
    client: &zookeeper_client::Client,
    chroot: &str,
) -> Result<Vec<(String, Vec<Endpoint>)>, zookeeper_client::Error> {
    let mut services = BTreeMap::new();
    for name in child_names(client, &layout::services_path(chroot)).await? {
        let (native, classic) = (layout::service_path(chroot, &name), layout::classic_service_path(chroot, &name));
        let (endpoints, _) = read(client, &native, &classic).await?;
        services.insert(name, endpoints);
    }
    let root = if chroot.is_empty() { "/" } else { chroot };
    for name in child_names(client, root).await? {
        let shown = services.keys().any(|service| layout::short_name(service) == name);
        if shown || !layout::is_classic_service(&name) {
            continue;
        }
        // This native path has no node. Nodes of other programs hold no addresses, so they yield no endpoints.
        let native = layout::service_path(chroot, &name);
        let (endpoints, _) = read(client, &native, &layout::classic_service_path(chroot, &name)).await?;
        if !endpoints.is_empty() {
            services.insert(name, endpoints);
        }
    }
    Ok(services.into_iter().collect())
}
