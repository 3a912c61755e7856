//! Tests of TLS over real sockets: calls in both protocols, authentication of caller and server, replaced certificates, and
//! other TLS implementations. The unit tests beside the code cover bytes and limits.

#![cfg(feature = "tls")]
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]
#![allow(clippy::print_stdout, reason = "a test that skips says so")]

#[path = "support/certificates.rs"]
mod certificates;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use certificates::{Authority, Issued};
use mprpc::codegen::Stub;
use mprpc::well_known::StringValue;
use mprpc::{
    Address, Body, BoxFuture, Channel, ChannelOptions, Code, Codec, Config, Context, Idempotency, Limits, Message,
    MethodDescriptor, MethodKind, Phase, Ran, Server, ServerHandle, Service, ServiceDescriptor, Status, TlsClient,
    TlsConfig, TlsServer,
};
use tempfile::TempDir;

const fn unary(name: &'static str, path: &'static str) -> MethodDescriptor {
    MethodDescriptor::new(name, path, MethodKind::Unary, Idempotency::Unknown)
}

static DOOR: ServiceDescriptor = ServiceDescriptor {
    name: "test.Door",
    methods: &[unary("Echo", "test.Door/Echo"), unary("Who", "test.Door/Who")],
    files: &[],
};

const ECHO: usize = 0;
const WHO: usize = 1;

/// A service that replies with the request (`Echo`) or with the names in the caller's certificate (`Who`).
struct Door;

impl Service for Door {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &DOOR
    }

    fn call(&self, method: usize, cx: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move {
            if method == ECHO {
                return Ok(request);
            }
            let names = cx
                .peer()
                .and_then(|peer| peer.identity.as_ref())
                .map(|identity| identity.names().collect::<Vec<_>>().join(" "));
            Ok(Body::Message(text(&names.unwrap_or("nobody".to_owned())).encode_to_vec().into()))
        })
    }
}

struct TestBed {
    folder: TempDir,
    authority: Authority,
    server: Issued,
}

impl TestBed {
    fn new() -> TestBed {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "ca");
        let server = authority.issue("server", &["localhost", "127.0.0.1"]);
        TestBed { folder, authority, server }
    }

    fn tls(&self) -> TlsServer {
        let Issued { certificate, key } = self.server.clone();
        TlsServer { certificate, key, ..TlsServer::default() }
    }

    fn mutual_tls(&self) -> TlsServer {
        TlsServer { client_ca: Some(self.authority.file()), ..self.tls() }
    }

    fn trusting(&self) -> TlsClient {
        TlsClient { ca: self.authority.file(), ..TlsClient::default() }
    }

    fn showing(&self, own: &Issued) -> TlsClient {
        let (certificate, key) = (own.certificate.clone(), own.key.clone());
        TlsClient { client_certificate: Some(certificate), client_key: Some(key), ..self.trusting() }
    }
}

fn limits() -> Limits {
    Limits {
        tls_reload_interval: Duration::from_millis(5),
        backoff_min: Duration::from_millis(1),
        backoff_max: Duration::from_millis(5),
        attempts_max: 1,
        ..Limits::default()
    }
}

fn start(tls: TlsServer, limits: Limits) -> ServerHandle {
    Server { tls: Some(tls), loops: 1, limits, ..Server::default() }.add(Door).start().unwrap()
}

fn stub(target: &str, tls: Option<TlsClient>) -> Stub {
    let options = ChannelOptions { limits: limits(), tls, ..ChannelOptions::default() };
    Stub::new(Channel::with_options(target, options).unwrap(), &DOOR)
}

fn address(running: &ServerHandle) -> String {
    running.addresses()[0].to_string()
}

/// The server's address with the host name `localhost`.
fn by_name(running: &ServerHandle) -> String {
    address(running).replace("127.0.0.1", "localhost")
}

fn text(value: &str) -> StringValue {
    StringValue { value: value.to_owned(), ..StringValue::default() }
}

fn call(stub: &Stub, method: usize, value: &str) -> Result<String, Status> {
    stub.unary::<_, StringValue>(method, &text(value)).wait().map(|reply| reply.value)
}

#[test]
fn grpcs_is_an_element_of_a_list_and_insists_on_tls() {
    let bed = TestBed::new();
    let running = start(bed.tls(), limits());
    for target in
        [format!("grpcs://{}", address(&running)), format!("list: grpcs://{0},grpcs://{0}", address(&running))]
    {
        assert_eq!(call(&stub(&target, Some(bed.trusting())), ECHO, "secure").unwrap(), "secure", "{target}");
        let error = Channel::new(&target).err().unwrap().to_string();
        assert!(error.contains("needs TLS: set ChannelOptions::tls"), "{error}");
    }
    let error = Channel::new("list:127.0.0.1:1,grpcs://127.0.0.1").err().unwrap().to_string();
    assert!(error.contains("has no port") || error.contains("needs TLS"), "{error}");
}

/// Waits until the server has counted `count` rejections. The server counts a connection at its end, maybe after the reply.
fn wait_for_rejected(running: &ServerHandle, what: &str, count: u64) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while running.stats().rejected.get(what) != Some(&count) {
        assert!(Instant::now() < deadline, "{:?}", running.stats());
        std::thread::yield_now();
    }
}

/// Makes a call that fails to connect. Returns the message of its status.
fn refusal(stub: &Stub) -> String {
    let status = call(stub, ECHO, "x").unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::Unavailable, Some(Phase::Connect), Ran::No));
    status.message().to_owned()
}

#[test]
fn native_and_classic_calls_work_over_tls_by_name_and_by_address() {
    let bed = TestBed::new();
    let running = start(bed.tls(), limits());
    for target in [by_name(&running), address(&running)] {
        for target in [target.clone(), format!("classic:{target}")] {
            let stub = stub(&target, Some(bed.trusting()));
            for _ in 0..3 {
                assert_eq!(call(&stub, ECHO, "hello").unwrap(), "hello", "{target}");
            }
        }
    }
    let stats = running.stats();
    assert_eq!((stats.calls, stats.connections_accepted, stats.rejected.len()), (12, 2 + 6, 0));
}

#[test]
fn large_messages_come_back_whole_over_tls() {
    let bed = TestBed::new();
    let running = start(bed.tls(), limits());
    let large: String = (0..6 << 20).map(|at| char::from(b'a' + (at % 23) as u8)).collect();
    for target in [by_name(&running), format!("classic:{}", by_name(&running))] {
        let stub = stub(&target, Some(bed.trusting()));
        assert!(call(&stub, ECHO, &large).unwrap() == large, "{target}");
    }
}

#[test]
fn handler_sees_the_callers_identity() {
    let bed = TestBed::new();
    let caller = bed.authority.issue("billing", &["billing.example", "spiffe://example.org/billing"]);
    let running = start(bed.mutual_tls(), limits());
    for target in [address(&running), format!("classic:{}", address(&running))] {
        let stub = stub(&target, Some(bed.showing(&caller)));
        for _ in 0..2 {
            // The second classic connection resumes the TLS session of the first, and its caller keeps the same identity.
            assert_eq!(call(&stub, WHO, "").unwrap(), "billing billing.example spiffe://example.org/billing");
        }
    }
    let open = start(TlsServer { client_optional: true, ..bed.mutual_tls() }, limits());
    assert_eq!(call(&stub(&address(&open), Some(bed.trusting())), WHO, "").unwrap(), "nobody");
}

#[test]
fn caller_without_valid_certificate_is_refused_before_any_call_runs() {
    let bed = TestBed::new();
    let running = start(bed.mutual_tls(), limits());
    let other = Authority::new(bed.folder.path(), "other");
    let stranger = other.issue("stranger", &["stranger.example"]);
    for (tls, expected) in [
        (bed.trusting(), "the server requires a client certificate, and got none"),
        (bed.showing(&stranger), "the server does not know the issuer of the client certificate"),
    ] {
        for target in [address(&running), format!("classic:{}", address(&running))] {
            assert_eq!(refusal(&stub(&target, Some(tls.clone()))), expected, "{target}");
        }
    }
    wait_for_rejected(&running, "a TLS handshake that failed", 4);
    assert_eq!(running.stats().calls, 0);
}

#[test]
fn server_with_wrong_certificate_is_not_called() {
    let bed = TestBed::new();
    let running = start(bed.tls(), limits());
    let named = TlsClient { server_name: Some("db.example".to_owned()), ..bed.trusting() };
    let other = Authority::new(bed.folder.path(), "other");
    for (tls, expected) in [
        (named, "the server's certificate is for localhost, 127.0.0.1, not for db.example"),
        (
            TlsClient { ca: other.file(), ..TlsClient::default() },
            "the server's certificate has an unknown issuer: none of those in tls.ca signed it",
        ),
    ] {
        for target in [address(&running), format!("classic:{}", address(&running))] {
            assert_eq!(refusal(&stub(&target, Some(tls.clone()))), expected, "{target}");
        }
    }
    let Issued { certificate, key } = bed.authority.issue_expired("expired", &["127.0.0.1"]);
    let expired = start(TlsServer { certificate, key, ..TlsServer::default() }, limits());
    let why = refusal(&stub(&address(&expired), Some(bed.trusting())));
    assert!(why.starts_with("the server's certificate has expired, "), "{why}");
}

#[test]
fn plain_text_caller_of_a_tls_server_fails_with_the_reason() {
    let bed = TestBed::new();
    let running = start(bed.tls(), limits());
    let status = call(&stub(&address(&running), None), ECHO, "x").unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No), "{status}");
    assert!(status.message().contains("this address speaks TLS"), "{status}");
    let status = call(&stub(&format!("classic:{}", address(&running)), None), ECHO, "x").unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    wait_for_rejected(&running, "plain text where TLS is spoken", 2);
    assert_eq!(running.stats().calls, 1);
}

#[test]
fn tls_caller_of_a_plain_text_server_fails_with_the_reason() {
    let bed = TestBed::new();
    let running = Server { loops: 1, ..Server::default() }.add(Door).start().unwrap();
    for target in [address(&running), format!("classic:{}", address(&running))] {
        assert_eq!(refusal(&stub(&target, Some(bed.trusting()))), "the peer does not speak TLS");
    }
    wait_for_rejected(&running, "a TLS hello", 2);
}

#[test]
fn unix_sockets_stay_plain() {
    let bed = TestBed::new();
    let path = format!("unix:{}", bed.folder.path().join("door.sock").display());
    let listen = vec![path.parse().unwrap()];
    let running = Server { listen, tls: Some(bed.tls()), loops: 1, ..Server::default() }.add(Door).start().unwrap();
    assert_eq!(call(&stub(&path, None), ECHO, "plain").unwrap(), "plain");
    assert_eq!(call(&stub(&path, Some(bed.trusting())), ECHO, "plain too").unwrap(), "plain too");
    assert_eq!(running.stats().calls, 2);
}

#[test]
fn stalled_handshakes_time_out_and_do_not_delay_other_callers() {
    let bed = TestBed::new();
    let limits = Limits { tls_handshake_timeout: Duration::from_millis(500), ..limits() };
    let running = start(bed.tls(), limits);
    let begun = Instant::now();
    let mut stalled: Vec<TcpStream> = (0..20).map(|_| TcpStream::connect(address(&running)).unwrap()).collect();
    stalled[1].write_all(b"\x16\x03\x01\x02\x00").unwrap();
    // The stalled handshakes and this call share one loop.
    assert_eq!(call(&stub(&address(&running), Some(bed.trusting())), ECHO, "through").unwrap(), "through");
    for stalled in &mut stalled {
        // A peer that began its handshake gets an alert before the connection ends.
        let mut alert = Vec::new();
        let _ = stalled.read_to_end(&mut alert);
        assert!(matches!(alert[..], [] | [0x15, ..]), "{alert:?}");
    }
    assert!(begun.elapsed() >= Duration::from_millis(500));
    wait_for_rejected(&running, "no TLS handshake within tls_handshake_timeout", 20);
}

#[test]
fn certificates_are_replaced_under_load_without_a_failed_call() {
    let bed = TestBed::new();
    let running = start(bed.tls(), limits());
    let done = Arc::new(AtomicBool::new(false));
    let target = by_name(&running);
    // A native caller keeps its connection. A classic caller opens a connection for each call.
    let callers: Vec<_> = [target.clone(), format!("classic:{target}"), format!("classic:{target}")]
        .into_iter()
        .map(|target| {
            let (stub, done) = (stub(&target, Some(bed.trusting())), done.clone());
            let calls = Arc::new(AtomicUsize::new(0));
            let counted = calls.clone();
            let caller = std::thread::spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    call(&stub, ECHO, "x")?;
                    counted.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Status>(())
            });
            (caller, calls)
        })
        .collect();
    for round in 0..4 {
        let own = format!("round-{round}.example");
        bed.server.become_like(&bed.authority.issue(&own, &["localhost", &own]));
        // Only the new certificate is valid for this name.
        let named = TlsClient { server_name: Some(own), ..bed.trusting() };
        let stub = stub(&format!("classic:{target}"), Some(named));
        let deadline = Instant::now() + Duration::from_secs(20);
        while let Err(status) = call(&stub, ECHO, "new") {
            assert!(Instant::now() < deadline, "{status}");
        }
        for (caller, calls) in &callers {
            let more = calls.load(Ordering::Relaxed) + 20;
            while calls.load(Ordering::Relaxed) < more && !caller.is_finished() {
                assert!(Instant::now() < deadline, "a caller makes no calls any more");
                std::thread::yield_now();
            }
        }
    }
    done.store(true, Ordering::Relaxed);
    for (caller, _) in callers {
        caller.join().unwrap().unwrap();
    }
}

#[test]
fn tls_configuration_keys_reach_server_and_caller() {
    let bed = TestBed::new();
    let caller = bed.authority.issue("from-conf", &["caller.example"]);
    let tls = TlsConfig {
        certificate: Some(bed.server.certificate.clone()),
        key: Some(bed.server.key.clone()),
        client_ca: Some(bed.authority.file()),
        ca: Some(bed.authority.file()),
        client_certificate: Some(caller.certificate),
        client_key: Some(caller.key),
        ..TlsConfig::default()
    };
    let config = Config { tls, ..Config::default() };
    let running = Server::new(&config).add(Door).start().unwrap();
    let config = Config { registry: Some(format!("list:{}", address(&running))), ..config };
    let stub = Stub::new(Channel::from_config(&config).unwrap(), &DOOR);
    assert_eq!(call(&stub, WHO, "").unwrap(), "from-conf caller.example");

    let half = TlsConfig { key: None, ..config.tls.clone() };
    let error =
        Server::new(&Config { tls: half, registry: None, ..config }).add(Door).start().err().unwrap().to_string();
    assert!(error.contains("tls.certificate is set and tls.key is not"), "{error}");
}

/// Encodes a classic call of `Echo`. Returns the bytes of the request and of the expected reply.
fn classic_call() -> (Vec<u8>, Vec<u8>) {
    let message = text("from elsewhere").encode_to_vec();
    let header = [&[10, 4][..], b"Door", &[18, 4], b"Echo", &[24, message.len() as u8]].concat();
    ([&(header.len() as u32).to_le_bytes()[..], &header, &message].concat(), message)
}

fn port(running: &ServerHandle) -> String {
    let Address::Tcp(address) = &running.addresses()[0] else { panic!("no TCP address") };
    address.port().to_string()
}

/// Runs a program with `input` and returns its output. If the program is not installed, prints this and returns `None`.
fn output(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let Ok(mut child) = command.spawn() else {
        println!("skipped: {program} is not installed");
        return None;
    };
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(output.stdout)
}

/// A program that sends its input over TLS and prints the reply up to TLS close_notify. Any other end is an error.
const PYTHON: &str = "
import socket, ssl, sys
port, ca, certificate, key = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
context.load_cert_chain(certificate, key)
with socket.create_connection(('127.0.0.1', int(port)), timeout=30) as plain:
    with context.wrap_socket(plain, server_hostname='localhost', suppress_ragged_eofs=False) as tls:
        tls.sendall(sys.stdin.buffer.read())
        while received := tls.recv(4096):
            sys.stdout.buffer.write(received)
";

#[test]
fn python_client_calls_over_tls() {
    if !Command::new("python3").args(["-c", "import ssl"]).status().is_ok_and(|status| status.success()) {
        return println!("skipped: python3 with ssl is not installed");
    }
    let bed = TestBed::new();
    let running = start(bed.mutual_tls(), limits());
    let own = bed.authority.issue("python", &["python.example"]);
    let paths = [bed.authority.file(), own.certificate, own.key].map(PathBuf::into_os_string);
    let paths = paths.map(|path| path.into_string().unwrap());
    let (request, reply) = classic_call();
    let arguments = ["-c", PYTHON, &port(&running), &paths[0], &paths[1], &paths[2]];
    assert_eq!(output("python3", &arguments, &request).unwrap(), reply);
    assert_eq!(running.stats().calls, 1);
}

#[test]
fn openssl_client_calls_over_both_tls_versions() {
    let bed = TestBed::new();
    let running = start(bed.tls(), limits());
    let (request, reply) = classic_call();
    let ca = bed.authority.file();
    for version in ["-tls1_2", "-tls1_3"] {
        let target = address(&running);
        let arguments = ["s_client", "-quiet", "-verify_return_error", "-verify_hostname", "localhost", version];
        let arguments = [&arguments[..], &["-connect", &target, "-CAfile", ca.to_str().unwrap()]].concat();
        let Some(answer) = output("openssl", &arguments, &request) else { return };
        assert_eq!(answer, reply, "{version}");
    }
    assert_eq!(running.stats().calls, 2);
}
