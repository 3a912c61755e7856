//! Changes the weight of a provider in a registry, from outside of the provider: an operator takes it out of service, puts it
//! back, or gives it more or fewer calls.
//!
//! The weight is a part of the provider's own entry, so it goes with the provider. The provider takes note of it, and writes it
//! again if it has to make its entry anew. A provider that starts again begins with its own weight.

use std::time::Duration;

use super::{Target, file};
use crate::endpoint::{Address, Endpoint};
use crate::error::{Error, ErrorKind};

/// What becomes of the weight of a provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightChange {
    /// Takes the provider out of service: callers send it no new calls. The weight that it had is remembered.
    Drain,
    /// Gives a drained provider its weight back. Changes nothing for other providers.
    Undrain,
    /// Sets the weight. 0 takes the provider out of service.
    Set(u32),
}

/// The weight in an entry, and the weight that it had before it was drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weights {
    pub(super) weight: u32,
    pub(super) undrained: Option<u32>,
}

impl WeightChange {
    pub(super) fn apply(self, before: Weights) -> Weights {
        match self {
            WeightChange::Drain if before.weight > 0 => Weights { weight: 0, undrained: Some(before.weight) },
            WeightChange::Undrain if before.weight == 0 => {
                Weights { weight: before.undrained.unwrap_or(Endpoint::WEIGHT_DEFAULT), undrained: None }
            }
            WeightChange::Drain | WeightChange::Undrain => before,
            WeightChange::Set(weight) => Weights { weight, undrained: None },
        }
    }
}

/// Changes the weight of the provider at `address`, in every service that it serves. Returns the names of these services.
///
/// Entries of the classic layout in ZooKeeper hold no weight: C++ callers go on calling a drained provider, and a provider
/// that has no other entry cannot be changed.
///
/// # Errors
/// The registry cannot be read or written, or does not answer within `timeout`; no service has a provider at `address`; or the
/// target is a list, or ZooKeeper in a build without the feature `zookeeper`.
pub async fn change_weight(
    target: &Target,
    address: &Address,
    change: WeightChange,
    timeout: Duration,
) -> Result<Vec<String>, Error> {
    let (done, result) = tokio::sync::oneshot::channel();
    let (wanted, at) = (target.clone(), address.clone());
    // Runs on the background event loop, as the rest of discovery does.
    crate::net::background().spawn(async move {
        let changed = tokio::time::timeout(timeout, write(&wanted, &at, change)).await;
        let changed = changed.unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Registry, format!("{wanted} did not answer within {timeout:?}")))
        });
        // Sending fails only if the caller no longer waits.
        let _ = done.send(changed);
    });
    let stopped = |_| Error::new(ErrorKind::System, format!("changing {target} was stopped"));
    let services = result.await.map_err(stopped)??;
    if services.is_empty() {
        return Err(Error::new(ErrorKind::Registry, format!("{target} has no entry of {address} with a weight")));
    }
    Ok(services)
}

async fn write(target: &Target, address: &Address, change: WeightChange) -> Result<Vec<String>, Error> {
    match target {
        Target::File(root) => {
            let (path, address) = (root.clone(), address.clone());
            let changed = tokio::task::spawn_blocking(move || file::change_weight(&path, &address, change)).await;
            let changed = changed.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            changed.map_err(|error| Error::with_source(ErrorKind::Registry, format!("cannot change {target}"), error))
        }
        #[cfg(feature = "zookeeper")]
        Target::ZooKeeper(ensemble) => super::zookeeper::change_weight(ensemble, address, change).await,
        #[cfg(not(feature = "zookeeper"))]
        Target::ZooKeeper(_) => Err(target.without_feature()),
        other => Err(Error::new(ErrorKind::Registry, format!("the weights of '{other}' cannot be changed"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn drained_provider_gets_its_weight_back() {
        let weights = |weight, undrained| Weights { weight, undrained };
        for (before, change, after) in [
            (weights(70, None), WeightChange::Drain, weights(0, Some(70))),
            (weights(0, Some(70)), WeightChange::Drain, weights(0, Some(70))),
            (weights(0, Some(70)), WeightChange::Undrain, weights(70, None)),
            (weights(0, None), WeightChange::Undrain, weights(100, None)),
            (weights(70, None), WeightChange::Undrain, weights(70, None)),
            (weights(0, Some(70)), WeightChange::Set(5), weights(5, None)),
            (weights(70, None), WeightChange::Set(0), weights(0, None)),
        ] {
            assert_eq!(change.apply(before), after, "{before:?} {change:?}");
        }
    }
}
