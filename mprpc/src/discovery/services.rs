//! Lists everything in a registry once, for the command line and the console. It does not follow changes.

use std::time::Duration;

use super::{Target, file};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Reads every service behind the target once, with its endpoints, in the order of the names.
///
/// A list, which holds for every service, appears as one service called `*`. Services of the C++ MPRPC have their short
/// name.
///
/// # Errors
/// The registry cannot be read, or does not answer within `timeout`; or the target is ZooKeeper in a build without the
/// feature `zookeeper`.
pub async fn list_services(target: &Target, timeout: Duration) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    let (done, result) = tokio::sync::oneshot::channel();
    let wanted = target.clone();
    // Runs on the background event loop, as the rest of discovery does: the caller's runtime may have no timers or
    // sockets.
    crate::net::background().spawn(async move {
        let read = tokio::time::timeout(timeout, read(&wanted));
        let listed = read.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Registry, format!("{wanted} did not answer within {timeout:?}")))
        });
        // Sending fails only if the caller no longer waits; nothing is lost then.
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
