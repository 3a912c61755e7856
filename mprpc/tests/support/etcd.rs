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
    name: String,
    peer: String,
    /// The servers that form a cluster with this one, itself included, as etcd's option `--initial-cluster` wants them.
    members: String,
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
        let mut server = EtcdServer::member(1);
        server.members = server.as_member();
        server
    }

    /// Starts three servers that form a cluster. Returns once each of them serves.
    pub(crate) fn cluster() -> Vec<EtcdServer> {
        let mut servers: Vec<EtcdServer> = (1..=3).map(EtcdServer::member).collect();
        let members: Vec<String> = servers.iter().map(EtcdServer::as_member).collect();
        for server in &mut servers {
            server.members = members.join(",");
            server.spawn();
        }
        servers.iter_mut().for_each(EtcdServer::wait_until_it_serves);
        servers
    }

    fn member(number: u32) -> EtcdServer {
        let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
        EtcdServer {
            address: free(),
            name: format!("test{number}"),
            peer: free(),
            members: String::new(),
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
        let answer = self.ask(&format!("POST {path}"), json).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{path}: {answer}");
    }

    fn as_member(&self) -> String {
        format!("{}=http://{}", self.name, self.peer)
    }

    /// Starts the server with the data that it had. Returns once the server serves.
    pub(crate) fn resume(&mut self) {
        self.spawn();
        self.wait_until_it_serves();
    }

    fn spawn(&mut self) {
        let log = File::options().create(true).append(true).open(self.folder.path().join("log")).unwrap();
        let scheme = if self.flags.is_empty() { "http" } else { "https" };
        let (client, peer) = (format!("{scheme}://{}", self.address), format!("http://{}", self.peer));
        let process = Command::new("etcd")
            .args(["--name", &self.name, "--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &self.members, "--data-dir"])
            .arg(self.folder.path().join("data"))
            .args(["--heartbeat-interval", "50", "--election-timeout", "250"])
            .args(&self.flags)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap_or_else(|error| panic!("etcd cannot be started: {error}\n{HELP}")));
    }

    fn wait_until_it_serves(&mut self) {
        let deadline = Instant::now() + START_PATIENCE;
        while !self.serves() {
            let ended = self.process.as_mut().and_then(|process| process.try_wait().unwrap());
            if ended.is_some() || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
                panic!("etcd on {} does not answer ({ended:?}): {log}\n{HELP}", self.address);
            }
            std::thread::sleep(POLL);
        }
    }

    fn serves(&self) -> bool {
        if !self.flags.is_empty() {
            // Its health is told over TLS alone.
            return TcpStream::connect(&self.address).is_ok();
        }
        self.ask("GET /health", "").is_ok_and(|answer| answer.contains(r#""health":"true""#))
    }

    /// Whether the server leads its cluster.
    pub(crate) fn is_leader(&self) -> bool {
        let Ok(answer) = self.ask("POST /v3/maintenance/status", "{}") else { return false };
        let number = |name: &str| {
            let (_, rest) = answer.split_once(&format!("\"{name}\":\""))?;
            Some(rest.split_once('"')?.0)
        };
        number("leader").is_some_and(|leader| number("member_id") == Some(leader))
    }

    /// Asks by HTTP in plain text. Returns the answer with its head.
    fn ask(&self, what: &str, json: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        let head =
            format!("{what} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", json.len());
        stream.write_all((head + json).as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
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
