//! The registry in ZooKeeper. Under construction.

use tokio::sync::watch;

use super::{Ensemble, Registered, Registration, Registry, Resolution, Resolver};
use crate::endpoint::Endpoint;
use crate::error::{Error, ErrorKind};

/// Reads the registry in ZooKeeper.
#[derive(Debug)]
pub struct ZooKeeperResolver;

/// Announces in ZooKeeper.
#[derive(Debug)]
pub struct ZooKeeperRegistry;

impl ZooKeeperResolver {
    /// Of this ensemble.
    pub fn new(_ensemble: Ensemble) -> Self {
        Self
    }
}

impl ZooKeeperRegistry {
    /// Of this ensemble.
    pub fn new(_ensemble: Ensemble) -> Self {
        Self
    }
}

impl Resolver for ZooKeeperResolver {
    fn watch(&self, _service: &str) -> watch::Receiver<Resolution> {
        watch::channel(Resolution::pending("zookeeper is under construction")).1
    }
}

impl Registry for ZooKeeperRegistry {
    fn register(&self, _registration: Registration) -> Registered {
        Registered::failed("zookeeper is under construction")
    }
}

pub(super) async fn list(ensemble: &Ensemble) -> Result<Vec<(String, Vec<Endpoint>)>, Error> {
    Err(Error::new(ErrorKind::Registry, format!("{ensemble} is under construction")))
}
