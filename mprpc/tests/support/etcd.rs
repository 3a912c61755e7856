//! A real etcd server for tests: Debian's, on free ports of loopback, with its own data folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// An etcd server. Dropping this stops the server by its process id, also when the test panics.
pub(crate) struct EtcdServer {
    /// The address as `host:port`.
    pub(crate) address: String,
    peer: String,
    folder: TempDir,
    process: Option<Child>,
}

impl EtcdServer {
    /// Starts a server for one test.
    pub(crate) fn start() -> EtcdServer {
        let mut server = EtcdServer::stopped();
        server.resume();
        server
    }

    /// Prepares a server without starting it. Its address refuses connections.
    pub(crate) fn stopped() -> EtcdServer {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        EtcdServer { address: free(), peer: free(), folder: tempfile::tempdir().unwrap(), process: None }
    }

    /// Starts the server with the data that it had. Returns once the server listens.
    pub(crate) fn resume(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let (client, peer) = (format!("http://{}", self.address), format!("http://{}", self.peer));
        let process = Command::new("etcd")
            .args(["--name", "test", "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}"), "--data-dir"])
            .arg(self.folder.path().join("data"))
            .args(["--heartbeat-interval", "50", "--election-timeout", "250"])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap_or_else(|error| panic!("etcd cannot be started: {error}\n{HELP}")));
        let deadline = Instant::now() + START_PATIENCE;
        while TcpStream::connect(&self.address).is_err() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("etcd on {} does not answer ({ended:?}): {log}\n{HELP}", self.address);
            }
            std::thread::sleep(POLL);
        }
    }

    /// Kills the server. Its data stay.
    pub(crate) fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

impl Drop for EtcdServer {
    fn drop(&mut self) {
        self.kill();
    }
}

const START_PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(20);
const HELP: &str = "`cargo xtask test` installs etcd on Debian and its kin (package etcd-server)";
