//! ZooKeeper and etcd, as a row stops and starts them.

use crate::etcd::EtcdServer;
use crate::zookeeper::ZooKeeper;

/// A server of a registry. Dropping it stops the server.
pub(crate) trait RegistryServer: Sized {
    const NAME: &'static str;
    const SCHEME: &'static str;

    /// Starts a server that stands alone.
    fn alone() -> Self;

    /// Starts three servers that form a cluster. Each of them serves.
    fn three() -> Vec<Self>;

    /// The address as `host:port`.
    fn address(&self) -> &str;

    /// Whether the server leads its cluster.
    fn is_leader(&self) -> bool;

    /// Stops the server as SIGKILL does.
    fn kill(&mut self);

    /// Starts a stopped server with its data. Returns once it serves.
    fn resume(&mut self);
}

/// The target that names these servers.
pub(crate) fn url<S: RegistryServer>(servers: &[S]) -> String {
    let addresses: Vec<_> = servers.iter().map(S::address).collect();
    format!("{}://{}", S::SCHEME, addresses.join(","))
}

impl RegistryServer for ZooKeeper {
    const NAME: &'static str = "ZooKeeper";
    const SCHEME: &'static str = "zookeeper";

    fn alone() -> ZooKeeper {
        ZooKeeper::own()
    }

    fn three() -> Vec<ZooKeeper> {
        ZooKeeper::ensemble()
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn is_leader(&self) -> bool {
        ZooKeeper::is_leader(self)
    }

    fn kill(&mut self) {
        self.stop();
    }

    fn resume(&mut self) {
        self.start();
    }
}

impl RegistryServer for EtcdServer {
    const NAME: &'static str = "etcd";
    const SCHEME: &'static str = "etcd";

    fn alone() -> EtcdServer {
        EtcdServer::start()
    }

    fn three() -> Vec<EtcdServer> {
        EtcdServer::cluster()
    }

    fn address(&self) -> &str {
        &self.address
    }

    fn is_leader(&self) -> bool {
        EtcdServer::is_leader(self)
    }

    fn kill(&mut self) {
        EtcdServer::kill(self);
    }

    fn resume(&mut self) {
        EtcdServer::resume(self);
    }
}
