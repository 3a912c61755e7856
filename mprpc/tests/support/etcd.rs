//! A real etcd server for tests: Debian's, on free ports of loopback, with its own data folder.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// An etcd server. Dropping this stops the server by its process id, also when the test panics.
pub(crate) struct EtcdServer {
    /// The address as `host:port`.
    pub(crate) address: String,
    peer: String,
    /// Further arguments of the program.
    flags: Vec<String>,
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
        EtcdServer {
            address: free(),
            peer: free(),
            flags: Vec::new(),
            folder: tempfile::tempdir().unwrap(),
            process: None,
        }
    }

    /// Starts a server that speaks TLS alone, and asks callers for a certificate of `ca`.
    pub(crate) fn start_with_tls(certificate: &Path, key: &Path, ca: &Path) -> EtcdServer {
        let mut server = EtcdServer::stopped();
        let flag = |name: &str, file: &Path| format!("--{name}={}", file.display());
        let files = [("cert-file", certificate), ("key-file", key), ("trusted-ca-file", ca)];
        server.flags = files.map(|(name, file)| flag(name, file)).into();
        server.flags.push("--client-cert-auth".to_owned());
        server.resume();
        server
    }

    /// Makes a call of etcd's JSON API, in plain text: `post("/v3/auth/enable", "{}")`. Fails the test if etcd refuses it.
    pub(crate) fn post(&self, path: &str, json: &str) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = json.len();
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        stream.write_all((head + json).as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }

    /// Starts the server with the data that it had. Returns once the server listens.
    pub(crate) fn resume(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let scheme = if self.flags.is_empty() { "http" } else { "https" };
        let (client, peer) = (format!("{scheme}://{}", self.address), format!("http://{}", self.peer));
        let process = Command::new("etcd")
            .args(["--name", "test", "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("test={peer}"), "--data-dir"])
            .arg(self.folder.path().join("data"))
            .args(["--heartbeat-interval", "50", "--election-timeout", "250"])
            .args(&self.flags)
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
