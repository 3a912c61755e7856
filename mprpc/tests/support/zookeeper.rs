//! A real ZooKeeper server for tests: Debian's, on a free port of loopback, with its own data folder.
//!
//! Tests that do not restart the server can use the one that `MPRPC_TEST_ZOOKEEPER` names.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

/// A ZooKeeper server. Dropping this stops the server by its process id, also when the test panics.
pub(crate) struct ZooKeeper {
    /// The address as `host:port`.
    pub(crate) address: String,
    /// The port that speaks TLS, of [`ZooKeeper::with_tls`].
    pub(crate) tls_port: Option<u16>,
    /// `None` if the test did not start the server.
    own: Option<Own>,
}

struct Own {
    folder: PathBuf,
    java: Option<Child>,
}

impl ZooKeeper {
    /// The server that tests share: the one in `MPRPC_TEST_ZOOKEEPER`, or one that runs while any test holds it.
    pub(crate) fn shared() -> Arc<ZooKeeper> {
        static SHARED: Mutex<Weak<ZooKeeper>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(server) = shared.upgrade() {
            return server;
        }
        let server = Arc::new(match std::env::var(ADDRESS_VARIABLE) {
            Ok(address) => ZooKeeper { address, tls_port: None, own: None },
            Err(_) => ZooKeeper::own(),
        });
        *shared = Arc::downgrade(&server);
        server
    }

    /// Starts a server for one test.
    pub(crate) fn own() -> ZooKeeper {
        let mut server = ZooKeeper::stopped();
        server.start();
        server
    }

    /// Prepares a server for one test without starting it. Its address refuses connections.
    pub(crate) fn stopped() -> ZooKeeper {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("mprpc-zookeeper-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        let configuration = format!(
            "tickTime=500\ndataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n\
             4lw.commands.whitelist=*\nmaxClientCnxns=0\n",
            folder.join("data").display()
        );
        std::fs::write(folder.join("zoo.cfg"), configuration).unwrap();
        ZooKeeper { address: format!("127.0.0.1:{port}"), tls_port: None, own: Some(Own { folder, java: None }) }
    }

    /// Starts a server that also has a port that speaks TLS and requires certificates of clients. `identity` is a PEM file
    /// with the server's certificate and key, `ca` one with the issuer of both sides' certificates.
    pub(crate) fn with_tls(identity: &Path, ca: &Path) -> ZooKeeper {
        let mut server = ZooKeeper::stopped();
        let port = free_port();
        server.configure(&format!(
            "secureClientPort={port}\nsecureClientPortAddress=127.0.0.1\n\
             serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory\n\
             ssl.keyStore.location={}\nssl.keyStore.type=PEM\nssl.trustStore.location={}\nssl.trustStore.type=PEM\n\
             ssl.clientAuth=need\n",
            identity.display(),
            ca.display()
        ));
        server.tls_port = Some(port);
        server.start();
        server
    }

    /// Appends to the configuration of a stopped server.
    fn configure(&self, lines: &str) {
        let own = self.own.as_ref().expect("only a server of the test's own is configured");
        let mut configuration = File::options().append(true).open(own.folder.join("zoo.cfg")).unwrap();
        configuration.write_all(lines.as_bytes()).unwrap();
    }

    /// Starts three servers that form an ensemble. Returns once each of them serves.
    pub(crate) fn ensemble() -> Vec<ZooKeeper> {
        let member = |number| format!("server.{number}=127.0.0.1:{}:{}\n", free_port(), free_port());
        let members: String = (1..=3).map(member).collect();
        let mut servers: Vec<ZooKeeper> = (0..3).map(|_| ZooKeeper::stopped()).collect();
        for (server, number) in servers.iter_mut().zip(1..) {
            server.configure(&format!("initLimit=40\nsyncLimit=10\n{members}"));
            let own = server.own.as_mut().expect("a prepared server is the test's own");
            std::fs::create_dir(own.folder.join("data")).unwrap();
            std::fs::write(own.folder.join("data/myid"), format!("{number}")).unwrap();
            own.start();
        }
        servers.iter_mut().for_each(ZooKeeper::wait_until_it_serves);
        servers
    }

    /// Whether the server leads its ensemble.
    pub(crate) fn is_leader(&self) -> bool {
        self.ask("srvr").is_some_and(|answer| answer.contains("Mode: leader"))
    }

    /// Starts the server. Returns once the server answers.
    pub(crate) fn start(&mut self) {
        self.own.as_mut().expect("only a server of the test's own is started").start();
        self.wait_until_it_serves();
    }

    fn wait_until_it_serves(&mut self) {
        let address = self.address.clone();
        let deadline = Instant::now() + START_PATIENCE;
        // A server that has only begun to start answers `ruok` already, and never answers some connections.
        while !self.ask_within("srvr", ANSWER_PATIENCE).is_some_and(|answer| answer.contains("Mode: ")) {
            let own = self.own.as_mut().expect("it was just there");
            let ended = own.java.as_mut().and_then(|java| java.try_wait().unwrap());
            if ended.is_some() || Instant::now() > deadline {
                panic!("ZooKeeper on {address} does not answer ({ended:?}): {}\n{HELP}", own.log());
            }
            std::thread::sleep(POLL);
        }
    }

    /// Stops the server as a power cut would.
    pub(crate) fn stop(&mut self) {
        self.own.as_mut().expect("only a server of the test's own is stopped").stop();
    }

    /// Deletes the data of a stopped server.
    pub(crate) fn wipe(&mut self) {
        let own = self.own.as_ref().expect("only a server of the test's own is wiped");
        std::fs::remove_dir_all(own.folder.join("data")).unwrap();
    }

    /// Sends a four-letter command to the server and returns the answer.
    pub(crate) fn ask(&self, word: &str) -> Option<String> {
        self.ask_within(word, Duration::from_secs(5))
    }

    fn ask_within(&self, word: &str, limit: Duration) -> Option<String> {
        let mut stream = TcpStream::connect(&self.address).ok()?;
        stream.set_read_timeout(Some(limit)).ok()?;
        stream.write_all(word.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        Some(answer)
    }
}

impl Own {
    fn start(&mut self) {
        let missing: Vec<String> = class_path().into_iter().filter(|path| !Path::new(path).exists()).collect();
        assert!(missing.is_empty(), "ZooKeeper is not installed, {} is missing\n{HELP}", missing.join(", "));
        let log = File::create(self.folder.join("log")).unwrap();
        let java = Command::new("java")
            .args(["-Xmx128m", "-XX:TieredStopAtLevel=1", "-Dzookeeper.root.logger=WARN,CONSOLE"])
            .args(["-cp", &class_path().join(":"), "org.apache.zookeeper.server.quorum.QuorumPeerMain"])
            .arg(self.folder.join("zoo.cfg"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn();
        match java {
            Ok(java) => self.java = Some(java),
            Err(error) => panic!("java cannot be started: {error}\n{HELP}"),
        }
    }

    fn stop(&mut self) {
        if let Some(mut java) = self.java.take() {
            let _ = java.kill();
            let _ = java.wait();
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        self.stop();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn class_path() -> Vec<String> {
    let jars = JARS.map(|jar| format!("/usr/share/java/{jar}.jar"));
    std::iter::once("/etc/zookeeper/conf".to_owned()).chain(jars).collect()
}

const ADDRESS_VARIABLE: &str = "MPRPC_TEST_ZOOKEEPER";
const HELP: &str = "`cargo xtask test` installs what the tests need; MPRPC_TEST_ZOOKEEPER=host:port names a server that \
                    most of them can use instead";
const START_PATIENCE: Duration = Duration::from_secs(60);
/// How long a starting server has for an answer before it is asked again.
const ANSWER_PATIENCE: Duration = Duration::from_millis(200);
const POLL: Duration = Duration::from_millis(20);
/// The libraries that Debian's ZooKeeper 3.8 needs, in Debian's folder of Java libraries.
const JARS: [&str; 13] = [
    "zookeeper",
    "zookeeper-jute",
    "slf4j-api",
    "slf4j-log4j12",
    "log4j-1.2",
    "netty-all",
    "netty-codec",
    "commons-cli",
    "metrics-core",
    "snappy-java",
    "jackson-databind",
    "jackson-core",
    "jackson-annotations",
];
