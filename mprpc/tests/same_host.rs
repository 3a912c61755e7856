//! Tests of providers with a Unix socket beside their address: when callers on the same host use the socket.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[cfg(feature = "tls")]
#[path = "support/certificates.rs"]
mod certificates;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mprpc::discovery::{Resolution, ResolutionState, Resolver};
use mprpc::{
    Body, BoxFuture, Channel, ChannelOptions, Codec, Context, Endpoint, Idempotency, MethodDescriptor, MethodKind,
    RawClient, Server, ServerHandle, Service, ServiceDescriptor, Status,
};
use tempfile::TempDir;
use tokio::sync::watch;

static WAY: ServiceDescriptor = ServiceDescriptor {
    name: "test.Way",
    methods: &[MethodDescriptor::new("Here", "test.Way/Here", MethodKind::Unary, Idempotency::Unknown)],
    files: &[],
};

/// A service that replies with the address of its caller.
struct Way;

impl Service for Way {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WAY
    }

    fn call(&self, _: usize, cx: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let address = cx.peer().unwrap().address.to_string();
        Box::pin(std::future::ready(Ok(Body::Message(address.into()))))
    }
}

struct TestBed {
    folder: TempDir,
    running: ServerHandle,
    address: String,
}

impl TestBed {
    async fn of(folder: TempDir, server: Server) -> TestBed {
        let registry = Some(format!("file:{}", folder.path().join("registry").display()));
        let server = Server { registry, unix_folder: Some(folder.path().join("sockets")), ..server };
        let running = server.add(Way).serve().unwrap();
        running.registered().await;
        let address = running.addresses()[0].to_string();
        TestBed { folder, running, address }
    }

    async fn new() -> TestBed {
        TestBed::of(tempfile::tempdir().unwrap(), Server::default()).await
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("sockets").join(format!("{}.sock", self.address.replace(':', "-")))
    }

    /// The provider's entry in the registry.
    fn entry(&self) -> String {
        let folder = self.folder.path().join("registry/test.Way");
        let file = std::fs::read_dir(folder).unwrap().next().unwrap().unwrap();
        std::fs::read_to_string(file.path()).unwrap()
    }

    /// Calls from a new channel. Returns the caller's address as the provider sees it.
    async fn way(&self, options: ChannelOptions) -> String {
        let registry = format!("file:{}", self.folder.path().join("registry").display());
        call(&RawClient::new(Channel::with_options(&registry, options).unwrap(), "test.Way")).await
    }
}

/// Options under which a caller behaves like another process on this host.
fn elsewhere() -> ChannelOptions {
    ChannelOptions { same_process: false, ..ChannelOptions::default() }
}

async fn call(client: &RawClient) -> String {
    String::from_utf8(client.unary("Here", "").await.unwrap().into()).unwrap()
}

/// A resolver with one endpoint that never changes.
struct Fixed(Endpoint);

impl Resolver for Fixed {
    fn watch(&self, _: &str) -> watch::Receiver<Resolution> {
        let state = ResolutionState::Current("here".into());
        watch::channel(Resolution { endpoints: vec![self.0.clone()].into(), state }).1
    }
}

#[tokio::test]
async fn caller_on_the_same_host_uses_the_socket_from_the_registry() {
    let bed = TestBed::new().await;
    let socket = format!("unix:{}", bed.socket().canonicalize().unwrap().display());
    let listening: Vec<_> = bed.running.addresses().iter().map(ToString::to_string).collect();
    assert_eq!(listening, [&*bed.address, &*socket]);
    let (entry, path) = (bed.entry(), socket.strip_prefix("unix:").unwrap());
    assert!(entry.contains(&format!("address = {}\n", bed.address)), "{entry}");
    assert!(entry.contains(&format!("unix = {path}\nhost = ")), "{entry}");
    assert_eq!(bed.way(elsewhere()).await, socket);
    // A caller that has only the TCP address uses TCP.
    let client = RawClient::new(Channel::with_options(&bed.address, elsewhere()).unwrap(), "test.Way");
    assert!(call(&client).await.starts_with("127.0.0.1:"));
    assert_eq!(bed.running.stats().connections_accepted, 2);
}

#[tokio::test]
async fn caller_with_same_host_false_uses_tcp() {
    let bed = TestBed::new().await;
    let way = bed.way(ChannelOptions { same_host: false, ..elsewhere() }).await;
    assert!(way.starts_with("127.0.0.1:"), "{way}");
}

#[tokio::test]
async fn caller_falls_back_to_tcp_if_the_socket_is_unreachable() {
    let bed = TestBed::new().await;
    let path = bed.socket();
    // The socket is missing, as for a container on the same host with another file system.
    std::fs::rename(&path, path.with_extension("away")).unwrap();
    assert!(bed.way(elsewhere()).await.starts_with("127.0.0.1:"));
    // Nobody listens at the socket, as after a provider was killed.
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(bed.way(elsewhere()).await.starts_with("127.0.0.1:"));
    // An open connection stays on TCP. The next connection tries the socket again.
    std::fs::rename(path.with_extension("away"), &path).unwrap();
    assert!(bed.way(elsewhere()).await.starts_with("unix:"));
}

#[tokio::test]
async fn caller_ignores_the_socket_of_another_host() {
    let bed = TestBed::new().await;
    let host = bed.entry().lines().find_map(|line| line.strip_prefix("host = ").map(str::to_owned)).unwrap();
    for (host, way) in [(host, "unix:"), ("another".to_owned(), "127.0.0.1:")] {
        let unix = Some(mprpc::UnixSocket { path: bed.socket(), host });
        let endpoint = Endpoint { unix, ..Endpoint::new(bed.address.parse().unwrap()) };
        let client = RawClient::new(Channel::from_resolver(Arc::new(Fixed(endpoint)), elsewhere()), "test.Way");
        let came = call(&client).await;
        assert!(came.starts_with(way), "{came}");
    }
}

#[tokio::test]
async fn server_takes_over_a_stale_socket_and_removes_its_own_at_stop() {
    let TestBed { folder, running, address } = TestBed::new().await;
    running.stop().await;
    let sockets = folder.path().join("sockets");
    assert_eq!(std::fs::read_dir(&sockets).unwrap().count(), 0);
    let stale = sockets.join(format!("{}.sock", address.replace(':', "-")));
    drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
    let server = Server { listen: vec![address.parse().unwrap()], ..Server::default() };
    let bed = TestBed::of(folder, server).await;
    assert!(bed.way(elsewhere()).await.starts_with("unix:"));
}

#[tokio::test]
async fn socket_needs_a_registry_and_an_unusable_folder_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let sockets = folder.path().join("sockets");
    let running = Server { unix_folder: Some(sockets.clone()), ..Server::default() }.add(Way).serve().unwrap();
    assert_eq!((running.addresses().len(), sockets.exists()), (1, false), "nobody would be told");

    std::fs::write(&sockets, "a file").unwrap();
    let registry = Some(format!("file:{}", folder.path().join("registry").display()));
    let server = Server { unix_folder: Some(sockets), registry, ..Server::default() };
    let error = server.add(Way).serve().err().unwrap().to_string();
    assert!(error.contains("unix_folder") && error.contains("cannot create it"), "{error}");
}

#[test]
fn configuration_keys_control_socket_folder_and_same_host() {
    let arguments = ["program", "--unix-folder=/run/sockets", "--same-host=false", "--same-process=false"];
    let read = |_: &Path| -> Result<Vec<u8>, mprpc::Error> { Ok(Vec::new()) };
    let config = mprpc::Config::from_sources(&[], arguments.map(Into::into), [], read).unwrap();
    assert_eq!(Server::new(&config).unix_folder.as_deref(), Some(Path::new("/run/sockets")));
    assert_eq!((config.same_host, config.same_process), (false, false));
    let default = mprpc::Config::default();
    assert_eq!((default.same_host, default.same_process, default.unix_folder), (true, true, None));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn same_host_sockets_do_not_bypass_tls_of_either_side() {
    let folder = tempfile::tempdir().unwrap();
    let authority = certificates::Authority::new(folder.path(), "ca");
    let issued = authority.issue("server", &["127.0.0.1"]);
    let tls =
        mprpc::TlsServer { certificate: issued.certificate, key: issued.key, client_ca: None, client_optional: false };
    let secure = TestBed::of(tempfile::tempdir().unwrap(), Server { tls: Some(tls), ..Server::default() }).await;
    assert!(!secure.socket().exists() && !secure.entry().contains("unix"), "{}", secure.entry());

    let tls = mprpc::TlsClient { ca: authority.file(), client_certificate: None, client_key: None, server_name: None };
    let options = ChannelOptions { tls: Some(tls), ..elsewhere() };
    assert!(secure.way(options.clone()).await.starts_with("127.0.0.1:"));

    // A caller with TLS does not use the Unix socket of a server without TLS.
    let plain = TestBed::new().await;
    let registry = format!("file:{}", plain.folder.path().join("registry").display());
    let client = RawClient::new(Channel::with_options(&registry, options).unwrap(), "test.Way");
    client.unary("Here", mprpc::Bytes::new()).await.unwrap_err();
    assert_eq!(plain.running.stats().calls, 0);
}
