//! TLS to ZooKeeper over loopback: the scripted ensemble behind a port that speaks TLS, and what goes wrong there.

use mprpc_zookeeper::Connect;
use tempfile::TempDir;
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;

use super::*;
use crate::discovery::Target;
use crate::limits::Limits;
use crate::net::tls::tests::certificates::{Authority, Issued};
use crate::net::tls::{Acceptor, HandshakeOutcome};
use crate::net::{ByteStream, Stream};
use crate::tls::TlsServer;

/// A folder with an authority, and the certificate that it issued for servers called `localhost`.
struct TestBed {
    folder: TempDir,
    authority: Authority,
    server: Issued,
}

impl TestBed {
    fn new() -> TestBed {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "ca");
        let server = authority.issue("server", &["localhost"]);
        TestBed { folder, authority, server }
    }

    /// The settings of a server that asks for certificates of clients if `is_mutual`.
    fn settings(&self, is_mutual: bool) -> TlsServer {
        let client_ca = is_mutual.then(|| self.authority.file());
        TlsServer {
            certificate: self.server.certificate.clone(),
            key: self.server.key.clone(),
            client_ca,
            ..TlsServer::default()
        }
    }

    /// The options of a target that trusts the authority.
    fn trust(&self) -> String {
        format!("tls.ca={}", self.authority.file().display())
    }
}

/// Serves the ensemble at a port of loopback, by TLS or in plain text. Returns the port.
async fn serve(servers: &Servers, tls: Option<TlsServer>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = tls.map(|settings| Arc::new(Acceptor::new(&settings, &Limits::default()).unwrap()));
    let servers = servers.clone();
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let (servers, acceptor) = (servers.clone(), acceptor.clone());
            tokio::spawn(async move {
                let mut stream = Stream::tcp(stream, peer);
                if let Some(acceptor) = acceptor {
                    let Ok(HandshakeOutcome::Tls(encrypted)) = acceptor.accept(stream).await else { return };
                    stream = encrypted;
                }
                let mut inner = servers.connector("tls").connect("a:2181").await.unwrap();
                // Either side ends the connection as it likes.
                let _ = copy_bidirectional(&mut ByteStream::new(stream).unwrap(), &mut inner).await;
            });
        }
    });
    port
}

fn open(port: u16, options: &str) -> (Arc<dyn Registry>, watch::Receiver<Resolution>) {
    let target: Target = format!("zookeeper://localhost:{port}/apps?{options}").parse().unwrap();
    (target.registry().unwrap(), target.resolver().unwrap().watch(USERS.name))
}

/// Waits in real time.
async fn until(shown: &mut watch::Receiver<Resolution>, is: impl FnMut(&Resolution) -> bool) {
    let waited = timeout(Duration::from_secs(30), shown.wait_for(is)).await.is_ok_and(|shown| shown.is_ok());
    assert!(waited, "it is {:?}", shown.borrow());
}

#[tokio::test]
async fn provider_and_caller_meet_over_tls_with_client_certificates() {
    let bed = TestBed::new();
    let servers = Servers::start();
    let port = serve(&servers, Some(bed.settings(true))).await;
    let own = bed.authority.issue("mprpc", &["mprpc.example"]);
    let (certificate, key) = (own.certificate.display(), own.key.display());
    let options = format!("{}&tls.client_certificate={certificate}&tls.client_key={key}", bed.trust());
    let (registry, mut shown) = open(port, &options);
    let registered = registry.register(Registration::new(&USERS, "127.0.0.1:1".parse().unwrap()));
    until(&mut shown, |resolution| shows(resolution, &["127.0.0.1:1"])).await;
    assert!(servers.node(&node("127.0.0.1:1")).is_some());
    // The session outlives its connection.
    let sessions = servers.sessions();
    servers.cut();
    until(&mut shown, |resolution| matches!(resolution.state, ResolutionState::Stale(_))).await;
    until(&mut shown, |resolution| shows(resolution, &["127.0.0.1:1"])).await;
    assert_eq!(servers.sessions(), sessions);
    registered.withdraw().await;
    until(&mut shown, |resolution| shows(resolution, &[])).await;
}

#[tokio::test]
async fn what_is_wrong_with_tls_is_named_with_the_server() {
    let bed = TestBed::new();
    let servers = Servers::start();
    let other = Authority::new(bed.folder.path(), "other");
    let stranger = other.issue("stranger", &["mprpc.example"]);
    let (plain, tls, mutual) = (
        serve(&servers, None).await,
        serve(&servers, Some(bed.settings(false))).await,
        serve(&servers, Some(bed.settings(true))).await,
    );
    let shows_stranger =
        format!("&tls.client_certificate={}&tls.client_key={}", stranger.certificate.display(), stranger.key.display());
    for (what, port, options, part) in [
        (
            "wrong CA",
            tls,
            format!("tls.ca={}", other.file().display()),
            "has an unknown issuer: none of those in tls.ca",
        ),
        (
            "wrong name",
            tls,
            format!("{}&tls.server_name=zk.example", bed.trust()),
            "the server's certificate is for localhost, not for zk.example",
        ),
        ("no client certificate", mutual, bed.trust(), "requires a client certificate, and got none"),
        (
            "client certificate of a stranger",
            mutual,
            bed.trust() + &shows_stranger,
            "the server does not know the issuer of the client certificate",
        ),
        ("plain text at the port of TLS", plain, bed.trust(), "during the TLS handshake; does it speak TLS?"),
        ("TLS at the port of plain text", tls, String::new(), "before it opened a session: it has no quorum"),
    ] {
        let (_registry, mut shown) = open(port, &options);
        let mut seen = String::new();
        until(&mut shown, |resolution| {
            seen = resolution.state.text().to_owned();
            seen.contains(part)
        })
        .await;
        println!("{what}: {seen}");
        assert!(seen.starts_with(&format!("zookeeper localhost:{port}: since ")), "{what}: {seen}");
    }
    assert!(servers.sessions().is_empty(), "nobody got a session");
}

#[tokio::test]
async fn handshake_that_stalls_is_named_and_ends_within_the_share_of_the_server() {
    let bed = TestBed::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (_registry, mut shown) = open(port, &format!("{}&session_timeout_ms=1000", bed.trust()));
    let stalls =
        |resolution: &Resolution| resolution.state.text().contains("no TLS handshake within 900ms; does it speak TLS?");
    until(&mut shown, stalls).await;
}
