//! Lists everything in a registry once, and changes weights, for the command line and the console. It does not follow changes.

use std::time::Duration;

use super::Target;
use super::weights::WeightChange;
use crate::endpoint::{Address, Endpoint};
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
    let wanted = target.clone();
    on_background(target, "reading", timeout, async move { wanted.read_services().await }).await
}

/// Reads every service in ZooKeeper once.
#[cfg(feature = "zookeeper")]
pub(crate) async fn list_zookeeper_services(ensemble: &super::Ensemble) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    super::zookeeper::list(ensemble).await
}

/// Changes the weight of a provider in ZooKeeper.
#[cfg(feature = "zookeeper")]
pub(crate) async fn change_zookeeper_weight(
    ensemble: &super::Ensemble,
    address: &Address,
    change: WeightChange,
) -> Result<Vec<String>, Error> {
    super::zookeeper::change_weight(ensemble, address, change).await
}

/// Changes the weight of the provider at `address`, in every service that it serves. Returns the names of these services.
///
/// Entries of the classic layout in ZooKeeper hold no weight: C++ callers go on calling a drained provider, and a provider
/// that has no other entry cannot be changed. A merged target changes the provider in all its registries.
///
/// # Errors
/// The registry cannot be read or written, or does not answer within `timeout`; no service has a provider at `address`; or the
/// target, or a part of it, is a list or DNS, or needs a feature that the build lacks.
pub async fn change_weight(
    target: &Target,
    address: &Address,
    change: WeightChange,
    timeout: Duration,
) -> Result<Vec<String>, Error> {
    let (wanted, at) = (target.clone(), address.clone());
    let changed = async move { wanted.change_weight(&at, change).await };
    let services = on_background(target, "changing", timeout, changed).await?;
    if services.is_empty() {
        return Err(Error::new(ErrorKind::Registry, format!("{target} has no entry of {address} with a weight")));
    }
    Ok(services)
}

/// Runs `work` on the background event loop, as the rest of discovery does: the caller's runtime may have no timers or sockets.
/// `doing` says in an error what the work is.
async fn on_background<T: Send + 'static>(
    target: &Target,
    doing: &str,
    timeout: Duration,
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    let (done, result) = tokio::sync::oneshot::channel();
    let wanted = target.clone();
    crate::net::background().spawn(async move {
        let ended = tokio::time::timeout(timeout, work).await.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Registry, format!("{wanted} did not answer within {timeout:?}")))
        });
        // Sending fails only if the caller no longer waits; nothing is lost then.
        let _ = done.send(ended);
    });
    let stopped = |_| Error::new(ErrorKind::System, format!("{doing} {target} was stopped"));
    result.await.map_err(stopped)?
}
