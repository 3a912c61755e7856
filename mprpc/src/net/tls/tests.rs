//! TLS over in-memory streams, under virtual time: the two halves, the handshake, its errors, and changed files.

#[path = "../../../tests/support/certificates.rs"]
pub(crate) mod certificates;

use std::future::poll_fn;
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use self::certificates::{Authority, Issued};
use super::*;
use crate::endpoint::Address;
use crate::error::ErrorKind;
use crate::limits::Limits;
use crate::net::{SendBuffer, Stream};
use crate::protocol::TLS_REFUSAL;
use crate::tls::{PeerIdentity, TlsClient, TlsServer};

/// A folder with a certificate authority, a server certificate for `localhost` and a client certificate.
struct TestBed {
    folder: TempDir,
    authority: Authority,
    server: Issued,
    caller: Issued,
}

impl TestBed {
    fn new() -> TestBed {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new(folder.path(), "ca");
        let server = authority.issue("server", &["localhost", "*.svc.example", "127.0.0.1"]);
        let caller = authority.issue("caller", &["caller.example", "spiffe://example.org/caller"]);
        TestBed { folder, authority, server, caller }
    }

    fn other_authority(&self) -> Authority {
        Authority::new(self.folder.path(), "other")
    }

    fn server(&self) -> TlsServer {
        server_of(&self.server)
    }

    fn client(&self) -> TlsClient {
        TlsClient { ca: self.authority.file(), ..TlsClient::default() }
    }

    fn mutual(&self) -> (TlsServer, TlsClient) {
        let server = TlsServer { client_ca: Some(self.authority.file()), ..self.server() };
        (server, showing(&self.caller, self.client()))
    }
}

fn server_of(issued: &Issued) -> TlsServer {
    TlsServer { certificate: issued.certificate.clone(), key: issued.key.clone(), ..TlsServer::default() }
}

fn showing(issued: &Issued, client: TlsClient) -> TlsClient {
    let (certificate, key) = (issued.certificate.clone(), issued.key.clone());
    TlsClient { client_certificate: Some(certificate), client_key: Some(key), ..client }
}

fn limits() -> Limits {
    Limits { tls_reload_interval: Duration::from_millis(5), ..Limits::default() }
}

fn localhost() -> Address {
    "localhost:1".parse().unwrap()
}

/// Both ends after one handshake over pipes that hold `capacity` bytes: the client's end, then the server's.
async fn shake(
    server: &Acceptor,
    client: &Connector,
    address: &Address,
    capacity: usize,
) -> (io::Result<Stream>, io::Result<HandshakeOutcome>) {
    let (near, far) = Stream::pair(Address::Memory("test".into()), capacity);
    tokio::join!(client.connect(near, address, Duration::from_secs(3)), server.accept(far))
}

async fn pair_of(server: &TlsServer, client: &TlsClient, capacity: usize) -> (Stream, Stream) {
    let (acceptor, connector) = (Acceptor::new(server, &limits()).unwrap(), Connector::new(client, &limits()).unwrap());
    let (near, far) = Stream::pair(Address::Memory("test".into()), capacity);
    let accepted = tokio::sync::Notify::new();
    let caller = async {
        let mut near = connector.connect(near, &localhost(), Duration::from_secs(3)).await.unwrap();
        // A narrow pipe does not hold the server's last handshake bytes, so the client reads them later.
        let mut nothing = BytesMut::new();
        tokio::select! { read = read(&mut near, &mut nothing) => panic!("{read:?}"), () = accepted.notified() => near }
    };
    let server = async {
        let arrival = acceptor.accept(far).await;
        accepted.notify_one();
        arrival
    };
    match tokio::join!(caller, server) {
        (near, Ok(HandshakeOutcome::Tls(far))) => (near, far),
        (_, far) => panic!("no connection: {:?}", far.err()),
    }
}

async fn pair(capacity: usize) -> (Stream, Stream) {
    let world = TestBed::new();
    pair_of(&world.server(), &world.client(), capacity).await
}

/// The errors of the client and the server after a handshake that fails.
async fn failure(server: &TlsServer, client: &TlsClient, address: &Address) -> (String, String) {
    let (acceptor, connector) = (Acceptor::new(server, &limits()).unwrap(), Connector::new(client, &limits()).unwrap());
    let begun = Instant::now();
    let (near, far) = shake(&acceptor, &connector, address, 64 << 10).await;
    assert_eq!(begun.elapsed(), Duration::ZERO, "neither waits for the other to go");
    let Err(near) = near else { panic!("the caller has a connection") };
    let Err(far) = far else { panic!("the server has a connection") };
    (near.to_string(), far.to_string())
}

async fn read(stream: &mut Stream, buffer: &mut BytesMut) -> io::Result<usize> {
    poll_fn(|cx| stream.reader.poll_read(cx, buffer)).await
}

/// Reads `length` bytes.
async fn read_all(stream: &mut Stream, length: usize) -> BytesMut {
    let mut bytes = BytesMut::new();
    while bytes.len() < length {
        assert_ne!(read(stream, &mut bytes).await.unwrap(), 0);
    }
    bytes
}

/// Writes everything, in the same way as the connection drivers.
async fn write(stream: &Stream, parts: &[Bytes]) {
    let mut output = SendBuffer::default();
    parts.iter().for_each(|part| output.push(part.clone()));
    poll_fn(|cx| {
        while !output.is_empty() {
            match output.write_to(&stream.writer) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    ready!(stream.writer.poll_write_ready(cx)).unwrap();
                }
                Err(error) => panic!("{error}"),
            }
        }
        Poll::Ready(())
    })
    .await;
}

fn pattern(length: usize) -> Bytes {
    (0..length).map(|at| (at % 251) as u8).collect::<Vec<_>>().into()
}

#[tokio::test(start_paused = true)]
async fn large_and_small_parts_arrive_whole_both_ways_through_narrow_pipes() {
    let (mut near, mut far) = pair(100).await;
    let parts = [pattern(1), pattern(16), pattern(70_000), pattern(5), pattern(300_000), pattern(1)];
    let whole = parts.concat();
    let (_, received) = tokio::join!(write(&near, &parts), read_all(&mut far, whole.len()));
    assert!(received == whole);
    let back = [received.freeze()];
    let (_, returned) = tokio::join!(write(&far, &back), read_all(&mut near, whole.len()));
    assert!(returned == whole);
}

#[tokio::test(start_paused = true)]
async fn bytes_count_as_written_only_once_their_ciphertext_has_left() {
    let (near, mut far) = pair(64).await;
    let message = pattern(1000);
    let mut output = SendBuffer::default();
    output.push(message.clone());
    // The pipe takes only a part of the record. One byte stays uncounted, so that the writer waits until the rest can
    // leave.
    while let Err(error) = output.write_to(&near.writer) {
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
    assert_eq!(output.len(), 1);
    assert_eq!(output.write_to(&near.writer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    let rest = async {
        while !output.is_empty() {
            poll_fn(|cx| near.writer.poll_write_ready(cx)).await.unwrap();
            let _ = output.write_to(&near.writer);
        }
    };
    let ((), received) = tokio::join!(rest, read_all(&mut far, message.len()));
    assert_eq!(received, message);
}

#[tokio::test(start_paused = true)]
async fn one_byte_that_does_not_fit_is_sent_once() {
    let (near, mut far) = pair(16).await;
    let mut output = SendBuffer::default();
    output.push(Bytes::from_static(b"a"));
    assert_eq!(output.write_to(&near.writer).unwrap_err().kind(), io::ErrorKind::WouldBlock);
    output.push(Bytes::from_static(b"bc"));
    let sent = async {
        while !output.is_empty() {
            poll_fn(|cx| near.writer.poll_write_ready(cx)).await.unwrap();
            let _ = output.write_to(&near.writer);
        }
    };
    let ((), received) = tokio::join!(sent, read_all(&mut far, 3));
    assert_eq!(received, "abc");
}

#[tokio::test(start_paused = true)]
async fn small_parts_of_one_turn_leave_as_one_record() {
    let (near, far) = pair(64 << 10).await;
    let mut output = SendBuffer::default();
    // Larger parts are held by reference and not copied, so this is one vectored write of three parts.
    for length in [20, 5000, 16] {
        output.push(pattern(length));
    }
    output.write_to(&near.writer).unwrap();
    assert!(output.is_empty());
    let Reader::Tls(TlsReader { inner, .. }) = far.reader else { panic!("not TLS") };
    let mut inner = *inner;
    let mut records = BytesMut::new();
    let length = 5036 + 22;
    while records.len() < length {
        poll_fn(|cx| inner.poll_read(cx, &mut records)).await.unwrap();
    }
    assert_eq!((records.len(), &records[..3]), (length, &[0x17, 3, 3][..]));
}

#[tokio::test(start_paused = true)]
async fn announced_end_is_clean_and_any_other_end_is_an_error() {
    let (near, mut far) = pair(64 << 10).await;
    write(&near, &[pattern(10)]).await;
    drop(near);
    let mut bytes = BytesMut::new();
    assert_eq!(read(&mut far, &mut bytes).await.unwrap(), 10);
    assert_eq!(read(&mut far, &mut bytes).await.unwrap(), 0);
    assert_eq!(read(&mut far, &mut bytes).await.unwrap(), 0);

    let (near, mut far) = pair(64 << 10).await;
    write(&near, &[pattern(10)]).await;
    let Writer::Tls(writer) = &near.writer else { panic!("not TLS") };
    writer.0.writer.shutdown();
    let mut bytes = BytesMut::new();
    assert_eq!(read(&mut far, &mut bytes).await.unwrap(), 10);
    let error = read(&mut far, &mut bytes).await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    assert!(error.to_string().starts_with("cut short"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn writer_announces_the_end_even_through_a_full_pipe() {
    let (near, mut far) = pair(22 + 10).await;
    write(&near, &[pattern(10)]).await;
    let finish = poll_fn(|cx| near.writer.poll_finish(cx));
    tokio::pin!(finish);
    assert!(futures_util::poll!(&mut finish).is_pending());
    let mut bytes = BytesMut::new();
    assert_eq!(read(&mut far, &mut bytes).await.unwrap(), 10);
    finish.await.unwrap();
    assert_eq!(read(&mut far, &mut bytes).await.unwrap(), 0);
}

/// Uses a socket, because one read of a socket returns more than one read of a pipe.
#[tokio::test]
async fn forged_bytes_are_an_error_and_leave_nothing_in_the_buffer() {
    let world = TestBed::new();
    let acceptor = Acceptor::new(&world.server(), &limits()).unwrap();
    let connector = Connector::new(&world.client(), &limits()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (near, far) = tokio::join!(tokio::net::TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
    let address = listener.local_addr().unwrap();
    let (far, caller) = far.unwrap();
    let (near, far) = (Stream::tcp(near.unwrap(), address), Stream::tcp(far, caller));
    let address = near.peer.address.clone();
    let (near, far) = tokio::join!(connector.connect(near, &address, Duration::from_secs(3)), acceptor.accept(far));
    let (Ok(near), Ok(HandshakeOutcome::Tls(mut far))) = (near, far) else { panic!("no connection") };
    let Writer::Tls(writer) = &near.writer else { panic!("not TLS") };
    let mut forged = Vec::new();
    {
        let mut state = writer.0.lock();
        // The reader decrypts the first record before it meets the fault behind the second.
        for _ in 0..2 {
            state.tls.writer().write_all(&pattern(5000)).unwrap();
            state.tls.write_tls(&mut forged).unwrap();
        }
    }
    forged.extend_from_slice(&[0x17, 3, 3, 0, 30]);
    forged.extend_from_slice(&[7; 30]);
    assert_eq!(writer.0.writer.try_write(&forged).unwrap(), forged.len());
    let mut bytes = BytesMut::from("before");
    let error = read(&mut far, &mut bytes).await.unwrap_err();
    assert_eq!((error.kind(), &bytes[..]), (io::ErrorKind::InvalidData, &b"before"[..]));
}

#[tokio::test(start_paused = true)]
async fn both_sides_learn_the_names_of_the_other() {
    let world = TestBed::new();
    let (server, client) = world.mutual();
    let (near, far) = pair_of(&server, &client, 64 << 10).await;
    let server = PeerIdentity {
        common_name: Some("server".to_owned()),
        dns_names: vec!["localhost".to_owned(), "*.svc.example".to_owned()],
        uris: Vec::new(),
    };
    assert_eq!(near.peer.identity.as_deref(), Some(&server));
    let caller = PeerIdentity {
        common_name: Some("caller".to_owned()),
        dns_names: vec!["caller.example".to_owned()],
        uris: vec!["spiffe://example.org/caller".to_owned()],
    };
    assert_eq!(far.peer.identity.as_deref(), Some(&caller));
}

#[tokio::test(start_paused = true)]
async fn server_certificate_is_checked_for_issuer_name_and_date() {
    let world = TestBed::new();
    let other = world.other_authority();
    let trusting_other = TlsClient { ca: other.file(), ..TlsClient::default() };
    let (caller, server) = failure(&world.server(), &trusting_other, &localhost()).await;
    assert_eq!(caller, "the server's certificate has an unknown issuer: none of those in tls.ca signed it");
    assert_eq!(server, "the caller does not know the issuer of the server's certificate");

    let (caller, _) = failure(&world.server(), &world.client(), &"db.example:1".parse().unwrap()).await;
    assert_eq!(caller, "the server's certificate is for localhost, *.svc.example, 127.0.0.1, not for db.example");
    let (caller, _) = failure(&world.server(), &world.client(), &"127.0.0.2:1".parse().unwrap()).await;
    assert!(caller.ends_with("not for 127.0.0.2"), "{caller}");
    let named = TlsClient { server_name: Some("a.b.svc.example".to_owned()), ..world.client() };
    let (caller, _) = failure(&world.server(), &named, &localhost()).await;
    assert!(caller.ends_with("not for a.b.svc.example"), "{caller}");

    let expired = world.authority.issue_expired("expired", &["localhost"]);
    let (caller, server) = failure(&server_of(&expired), &world.client(), &localhost()).await;
    assert!(caller.starts_with("the server's certificate has expired, "), "{caller}");
    assert_eq!(server, "the caller says that the server's certificate has expired");
}

#[tokio::test(start_paused = true)]
async fn client_connects_by_ip_address_and_by_configured_server_name() {
    let world = TestBed::new();
    let acceptor = Acceptor::new(&world.server(), &limits()).unwrap();
    let chosen = TlsClient { server_name: Some("a.svc.example".to_owned()), ..world.client() };
    for (client, address) in [(world.client(), "127.0.0.1:1"), (chosen, "db.example:1")] {
        let connector = Connector::new(&client, &limits()).unwrap();
        let (near, _) = shake(&acceptor, &connector, &address.parse().unwrap(), 64 << 10).await;
        near.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn caller_without_the_required_certificate_is_refused_and_learns_why() {
    let world = TestBed::new();
    let (server, _) = world.mutual();
    let stranger = world.other_authority().issue("stranger", &["stranger.example"]);
    let late = world.authority.issue_expired("late", &["late.example"]);
    for (client, caller_says, server_says) in [
        (
            world.client(),
            "the server requires a client certificate, and got none",
            "the caller has shown no certificate, and one is required",
        ),
        (
            showing(&stranger, world.client()),
            "the server does not know the issuer of the client certificate",
            "the caller's certificate has an unknown issuer: none of those in tls.client_ca signed it",
        ),
        (
            showing(&late, world.client()),
            "the server says that the client certificate has expired",
            "the caller's certificate has expired",
        ),
    ] {
        let acceptor = Acceptor::new(&server, &limits()).unwrap();
        let connector = Connector::new(&client, &limits()).unwrap();
        let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
        // In TLS 1.3 the client finishes first. It learns the result with its first read.
        let caller = async {
            let mut near = connector.connect(near, &localhost(), Duration::from_secs(3)).await.unwrap();
            read(&mut near, &mut BytesMut::new()).await.unwrap_err()
        };
        let (error, arrival) = tokio::join!(caller, acceptor.accept(far));
        assert_eq!((error.to_string().as_str(), is_refusal(&error)), (caller_says, true));
        let Err(error) = arrival else { panic!("the server has a connection") };
        assert!(error.to_string().starts_with(server_says), "{error}");
    }
}

#[tokio::test(start_paused = true)]
async fn caller_without_a_certificate_is_accepted_if_certificates_are_optional() {
    let world = TestBed::new();
    let (server, client) = world.mutual();
    let server = TlsServer { client_optional: true, ..server };
    let (_near, far) = pair_of(&server, &world.client(), 64 << 10).await;
    assert_eq!(far.peer.identity, None);
    let (_near, far) = pair_of(&server, &client, 64 << 10).await;
    assert!(far.peer.identity.as_ref().unwrap().has_name("spiffe://example.org/caller"));
}

#[tokio::test(start_paused = true)]
async fn error_names_a_peer_that_does_not_speak_tls() {
    let world = TestBed::new();
    let connector = Connector::new(&world.client(), &limits()).unwrap();
    let silence: &[u8] = b"";
    for (answer, expected) in [
        (&TLS_REFUSAL[..], "the peer does not speak TLS"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "the peer does not speak TLS"),
        (b"\x89MPRPC\n\x01", "the peer does not speak TLS"),
        (silence, "the peer closed the connection during the TLS handshake; does it speak TLS?"),
    ] {
        let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
        if !answer.is_empty() {
            far.writer.try_write(answer).unwrap();
        }
        drop(far.writer);
        let error = connector.connect(near, &localhost(), Duration::from_secs(3)).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let (near, _far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
    let begun = Instant::now();
    let error = connector.connect(near, &localhost(), Duration::from_secs(3)).await.unwrap_err();
    assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, Duration::from_secs(3)));
}

#[tokio::test(start_paused = true)]
async fn server_waits_for_a_handshake_up_to_tls_handshake_timeout() {
    let world = TestBed::new();
    let limits = Limits { tls_handshake_timeout: Duration::from_secs(2), ..limits() };
    let acceptor = Acceptor::new(&world.server(), &limits).unwrap();
    for beginning in [&b""[..], b"\x16", b"\x16\x03\x01\x02\x00\x01\x00"] {
        let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
        if !beginning.is_empty() {
            near.writer.try_write(beginning).unwrap();
        }
        let begun = Instant::now();
        let Err(error) = acceptor.accept(far).await else { panic!("the server has a connection") };
        assert_eq!((error.kind(), begun.elapsed()), (io::ErrorKind::TimedOut, Duration::from_secs(2)));
    }
}

#[tokio::test(start_paused = true)]
async fn plain_text_stays_unread_and_a_peer_that_leaves_is_no_error() {
    let world = TestBed::new();
    let acceptor = Acceptor::new(&world.server(), &limits()).unwrap();
    let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
    near.writer.try_write(b"plain").unwrap();
    let Ok(HandshakeOutcome::Plain(mut far)) = acceptor.accept(far).await else { panic!("not plain") };
    assert_eq!(read_all(&mut far, 5).await, "plain");
    let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
    drop(near);
    assert!(matches!(acceptor.accept(far).await, Ok(HandshakeOutcome::Gone)));
}

#[tokio::test(start_paused = true)]
async fn bytes_that_arrive_with_the_end_of_the_handshake_are_kept() {
    let world = TestBed::new();
    let acceptor = Acceptor::new(&world.server(), &limits()).unwrap();
    let connector = Connector::new(&world.client(), &limits()).unwrap();
    let (near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
    let caller = async {
        let near = connector.connect(near, &localhost(), Duration::from_secs(3)).await.unwrap();
        write(&near, &[pattern(30_000)]).await;
        near
    };
    let (_near, far) = tokio::join!(caller, async {
        // The acceptor looks only after all bytes have arrived.
        sleep(Duration::from_millis(1)).await;
        acceptor.accept(far).await
    });
    let Ok(HandshakeOutcome::Tls(mut far)) = far else { panic!("no connection") };
    assert_eq!(read_all(&mut far, 30_000).await, pattern(30_000));
}

/// The server's names as the client sees them, and the client's names as the server sees them.
async fn met(acceptor: &Acceptor, connector: &Connector) -> (PeerIdentity, Option<PeerIdentity>) {
    let (near, far) = shake(acceptor, connector, &localhost(), 64 << 10).await;
    let Ok(HandshakeOutcome::Tls(far)) = far else { panic!("no connection: {:?}", far.err()) };
    let near = near.unwrap().peer.identity.as_deref().unwrap().clone();
    (near, far.peer.identity.as_deref().cloned())
}

#[tokio::test]
async fn new_connections_use_changed_files_after_tls_reload_interval() {
    let world = TestBed::new();
    let (server, client) = world.mutual();
    let (acceptor, connector) =
        (Acceptor::new(&server, &limits()).unwrap(), Connector::new(&client, &limits()).unwrap());
    let hourly = Limits { tls_reload_interval: Duration::from_secs(3600), ..Limits::default() };
    let seldom = (Acceptor::new(&server, &hourly).unwrap(), Connector::new(&client, &hourly).unwrap());
    let (server_seen, caller_seen) = met(&acceptor, &connector).await;
    assert!(server_seen.has_name("server") && caller_seen.unwrap().has_name("caller"));
    world.server.become_like(&world.authority.issue("second server", &["localhost"]));
    world.caller.become_like(&world.authority.issue("second caller", &["caller.example"]));
    let (server_seen, caller_seen) = met(&seldom.0, &seldom.1).await;
    assert!(server_seen.has_name("server") && caller_seen.unwrap().has_name("caller"), "an hour has not passed");
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let (server, caller) = met(&acceptor, &connector).await;
        if server.has_name("second server") && caller.unwrap().has_name("second caller") {
            break;
        }
        assert!(Instant::now() < deadline, "the new files are not in force");
        sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn errors_name_unusable_files() {
    let world = TestBed::new();
    let write = |name: &str, contents: &[u8]| {
        let path = world.folder.path().join(name);
        std::fs::write(&path, contents).unwrap();
        path
    };
    let (good, none) = (&world.server, Path::new("").to_owned());
    let long = write("long.pem", &vec![b'x'; (1 << 20) + 1]);
    let empty = write("empty.pem", b"no PEM");
    let server = |certificate: &Path, key: &Path| {
        let settings = TlsServer { certificate: certificate.to_owned(), key: key.to_owned(), ..TlsServer::default() };
        Acceptor::new(&settings, &limits()).err().unwrap()
    };
    for (error, part) in [
        (server(&none, &good.key), "tls.certificate is not set"),
        (server(&good.certificate, &none), "tls.certificate is set and tls.key is not"),
        (server(Path::new("/nowhere.pem"), &good.key), "/nowhere.pem: No such file"),
        (server(&long, &good.key), "long.pem: longer than 1048576 bytes"),
        (server(&empty, &good.key), "empty.pem: there is no certificate in it"),
        (server(&good.certificate, &empty), "empty.pem: there is no private key in it"),
        (server(&good.certificate, &world.caller.key), "is not the key of the certificate in"),
    ] {
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.to_string().contains(part), "{error}");
    }
    let optional = TlsServer { client_optional: true, ..world.server() };
    let error = Acceptor::new(&optional, &limits()).err().unwrap().to_string();
    assert!(error.contains("tls.client_optional is set and tls.client_ca is not"), "{error}");
    let half = TlsClient { client_key: Some(good.key.clone()), ..world.client() };
    for (client, part) in [
        (TlsClient::default(), "tls.ca is not set"),
        (TlsClient { ca: empty.clone(), ..TlsClient::default() }, "empty.pem: there is no certificate in it"),
        (half, "tls.client_certificate is not set"),
        (TlsClient { server_name: Some("a b".to_owned()), ..world.client() }, "'a b' is no name"),
    ] {
        let error = Connector::new(&client, &limits()).err().unwrap().to_string();
        assert!(error.contains(part), "{error}");
    }
}
