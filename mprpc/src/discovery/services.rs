//! Everything that stands in a registry, read once: for the command line and the console. Nothing is followed.

use std::time::Duration;

use super::{Target, file};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Every service behind the target with its endpoints, both by name, read once. A list, which is for every service,
/// shows as one service called `*`. Services of the C++ MPRPC have their short name.
///
/// # Errors
/// The registry cannot be read, or not within `timeout`; a ZooKeeper target in a build without the feature `zookeeper`.
pub async fn list_services(target: &Target, timeout: Duration) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    let (done, result) = tokio::sync::oneshot::channel();
    let wanted = target.clone();
    // On the loop that the rest of discovery runs on: the caller's runtime may have neither clock nor sockets.
    crate::net::background().spawn(async move {
        let read = tokio::time::timeout(timeout, read(&wanted));
        let listed = read.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Registry, format!("{wanted} did not answer within {timeout:?}")))
        });
        // Nobody waits for it any more: nothing is lost.
        let _ = done.send(listed);
    });
    let stopped = |_| Error::new(ErrorKind::System, format!("reading {target} was stopped"));
    result.await.map_err(stopped)?
}

async fn read(target: &Target) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    match target {
        Target::List(endpoints) => Ok(vec![("*".into(), endpoints.clone())]),
        Target::File(root) => {
            let path = root.clone();
            let listed = tokio::task::spawn_blocking(move || file::list(&path)).await;
            let listed = listed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            listed.map_err(|error| Error::with_source(ErrorKind::Registry, format!("cannot read {target}"), error))
        }
        #[cfg(feature = "zookeeper")]
        Target::ZooKeeper(ensemble) => super::zookeeper::list(ensemble).await,
        #[cfg(not(feature = "zookeeper"))]
        Target::ZooKeeper(_) => Err(target.without_feature()),
    }
}
