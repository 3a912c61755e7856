//! Lists everything in a registry once, for the command line and the console. It does not follow changes.

use std::time::Duration;

use super::Target;
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Reads every service behind the target once, with its endpoints, in the order of the names.
///
/// A list and DNS, which hold for every service, appear as one service called `*`. A merged target has the services of all
/// its registries. Services of the C++ MPRPC have their short
/// name.
///
/// # Errors
/// The registry cannot be read, or does not answer within `timeout`; or the build lacks the feature that the target needs.
pub async fn list_services(target: &Target, timeout: Duration) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    let (done, result) = tokio::sync::oneshot::channel();
    let wanted = target.clone();
    // Runs on the background event loop, as the rest of discovery does: the caller's runtime may have no timers or
    // sockets.
    crate::net::background().spawn(async move {
        let read = tokio::time::timeout(timeout, wanted.read_services());
        let listed = read.await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Registry, format!("{wanted} did not answer within {timeout:?}")))
        });
        // Sending fails only if the caller no longer waits; nothing is lost then.
        let _ = done.send(listed);
    });
    let stopped = |_| Error::new(ErrorKind::System, format!("reading {target} was stopped"));
    result.await.map_err(stopped)?
}

/// Reads every service in ZooKeeper once.
#[cfg(feature = "zookeeper")]
pub(crate) async fn list_zookeeper_services(ensemble: &super::Ensemble) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    super::zookeeper::list(ensemble).await
}
