//! Tests of calls over TLS in memory, and of peers that send plain text to a TLS address.

use std::future::poll_fn;
use std::io::ErrorKind;

use bytes::BytesMut;
use tempfile::TempDir;

use super::*;
use crate::interceptors::tests::Log;
use crate::net::SendBuffer;
use crate::net::tls::Connector;
use crate::net::tls::tests::certificates::Authority;
use crate::protocol::classic;
use crate::tls::{TlsClient, TlsServer};

/// A TLS server, and a connector that trusts the server's authority.
struct TestBed {
    shared: Arc<Shared>,
    connector: Connector,
    _folder: TempDir,
}

fn world(mutual: bool) -> TestBed {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let server = authority.issue("server", &["localhost"]);
    let server = TlsServer {
        certificate: server.certificate,
        key: server.key,
        client_ca: mutual.then(|| authority.file()),
        client_optional: false,
    };
    let client = TlsClient { ca: authority.file(), ..TlsClient::default() };
    let shared = Server { tls: Some(server), ..Server::default() }.add(Probe).share().unwrap();
    let connector = Connector::new(&client, &Limits::default()).unwrap();
    TestBed { shared, connector, _folder: folder }
}

impl TestBed {
    /// Opens a connection that the server serves with TLS. Returns the caller's end and the server's task.
    fn open(&self, capacity: usize) -> (Stream, JoinHandle<Close>) {
        let (near, far) = Stream::pair(Address::Memory("test".into()), capacity);
        let shared = self.shared.clone();
        let serving = async move {
            let acceptor = shared.tls.as_ref().unwrap();
            crate::server::tls::serve(far, acceptor, &shared).await
        };
        (near, tokio::spawn(serving))
    }

    async fn connect(&self, capacity: usize) -> (Stream, JoinHandle<Close>) {
        let (near, server) = self.open(capacity);
        let address = "localhost:1".parse().unwrap();
        (self.connector.connect(near, &address, Duration::from_secs(3)).await.unwrap(), server)
    }
}

#[tokio::test(start_paused = true)]
async fn native_calls_work_over_tls() {
    let world = world(false);
    let (stream, server) = world.connect(4096).await;
    let caller = Multiplexed::open(stream, &Address::Memory("test".into()), &Arc::default(), &Limits::default());
    for size in [0, 1, 70_000, 1 << 20] {
        let message = Bytes::from(vec![7; size]);
        assert_eq!(caller.unary(&request("Echo", message.clone())).await.unwrap(), message);
    }
    let (first, second) = (request("Sleep", "first"), request("Echo", "second"));
    let (first, second) = tokio::join!(caller.unary(&first), caller.unary(&second));
    assert_eq!((first.unwrap(), second.unwrap()), ("first".into(), "second".into()));
    drop(caller);
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
}

#[tokio::test(start_paused = true)]
async fn classic_reply_ends_with_tls_close_notify() {
    let world = world(false);
    let (mut stream, server) = world.connect(1000).await;
    let mut output = SendBuffer::default();
    output.push(classic::encode_request("Probe", "Large", b"").freeze());
    output.write_to(&stream.writer).unwrap();
    let mut reply = BytesMut::new();
    while poll_fn(|cx| stream.reader.poll_read(cx, &mut reply)).await.unwrap() > 0 {}
    assert_eq!((reply.len(), server.await.unwrap()), (LARGE_BYTES, Close::Answered));
}

#[tokio::test(start_paused = true)]
async fn reply_without_close_notify_is_not_taken_as_complete() {
    let world = world(false);
    let (mut whole, mut cut) = (0, 0);
    for size in (300..1000).step_by(10) {
        let (mut stream, server) = world.connect(1000).await;
        let mut output = SendBuffer::default();
        output.push(classic::encode_request("Probe", "Echo", &vec![7; size]).freeze());
        while output.write_to(&stream.writer).is_err() || !output.is_empty() {
            poll_fn(|cx| stream.writer.poll_write_ready(cx)).await.unwrap();
        }
        // Reads nothing until the server has given up or has answered.
        let close = server.await.unwrap();
        let mut reply = BytesMut::new();
        let end = loop {
            match poll_fn(|cx| stream.reader.poll_read(cx, &mut reply)).await {
                Ok(1..) => {}
                end => break end,
            }
        };
        match close {
            Close::Answered => assert_eq!((reply.len(), end.unwrap()), (size, 0)),
            other => assert_eq!((other, end.unwrap_err().kind()), (Close::WriteTimeout, ErrorKind::UnexpectedEof)),
        }
        whole += usize::from(close == Close::Answered);
        cut += usize::from(close != Close::Answered && reply.len() == size);
    }
    assert!(whole > 0 && cut > 0, "{whole} whole, {cut} without room for the end alone");
}

#[tokio::test(start_paused = true)]
async fn native_call_in_plain_text_did_not_run_and_says_why() {
    let world = world(false);
    let (stream, server) = world.open(64 << 10);
    let caller = Multiplexed::open(stream, &Address::Memory("test".into()), &Arc::default(), &Limits::default());
    for _ in 0..2 {
        let status = caller.unary(&request("Echo", "plain")).await.unwrap_err();
        assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::No), "{status}");
        assert!(status.message().contains("speaks TLS"), "{status}");
    }
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
    let stats = world.shared.stats();
    assert_eq!((stats.calls, stats.rejected["plain text where TLS is spoken"]), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn plain_text_peer_is_closed_at_read_timeout() {
    let world = world(false);
    let (stream, server) = world.open(64 << 10);
    stream.writer.try_write(&crate::protocol::native::PREFACE).unwrap();
    let begun = clock::now();
    assert_eq!(server.await.unwrap(), Close::ReadTimeout);
    assert_eq!(clock::now() - begun, Limits::default().read_timeout);
}

#[tokio::test(start_paused = true)]
async fn plain_text_classic_call_is_closed_without_a_reply_and_http_is_told_why() {
    let world = world(false);
    let classic = classic::encode_request("Probe", "Echo", b"x");
    for (bytes, answer, count) in [(&classic[..], "", 1), (b"GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400", 2)] {
        let (mut stream, server) = world.open(64 << 10);
        stream.writer.try_write(bytes).unwrap();
        let mut reply = BytesMut::new();
        while poll_fn(|cx| stream.reader.poll_read(cx, &mut reply)).await.unwrap() > 0 {}
        assert_eq!(reply.get(..answer.len()), Some(answer.as_bytes()));
        assert!(reply.is_empty() == answer.is_empty(), "{reply:?}");
        drop(stream);
        assert_eq!(server.await.unwrap(), Close::Protocol);
        assert_eq!(world.shared.stats().rejected["plain text where TLS is spoken"], count);
    }
    assert_eq!(world.shared.stats().calls, 0);
}

#[tokio::test(start_paused = true)]
async fn call_without_the_required_client_certificate_did_not_run() {
    let world = world(true);
    let (stream, server) = world.connect(64 << 10).await;
    let caller = Multiplexed::open(stream, &Address::Memory("test".into()), &Arc::default(), &Limits::default());
    let status = caller.unary(&request("Echo", "x")).await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::Unavailable, Some(Phase::Connect), Ran::No));
    assert_eq!(status.message(), "the server requires a client certificate, and got none");
    assert!(caller.take_fault().is_some());
    assert!(matches!(server.await.unwrap(), Close::Io(_)));
    let stats = world.shared.stats();
    assert_eq!((stats.calls, stats.rejected["a TLS handshake that failed"]), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn handshake_is_closed_at_tls_handshake_timeout_and_logged() {
    let (log, world) = (Log::begin(), world(false));
    let bound = Limits::default().tls_handshake_timeout;
    // This handshake ends just before the timeout.
    let (near, server) = world.open(64 << 10);
    sleep(bound - Duration::from_millis(1)).await;
    let address = "localhost:1".parse().unwrap();
    let stream = world.connector.connect(near, &address, bound).await.unwrap();
    assert!(log.with("tls_handshake_timeout").is_empty());
    drop(stream);
    server.await.unwrap();
    // This handshake never ends.
    let (_stream, server) = world.open(64 << 10);
    let begun = clock::now();
    server.await.unwrap();
    assert_eq!(clock::now() - begun, bound);
    assert_eq!(world.shared.stats().rejected["no TLS handshake within tls_handshake_timeout"], 1);
    assert_eq!(log.with("detail=tls_handshake_timeout 5s").len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn drain_does_not_wait_for_a_handshake() {
    let world = world(false);
    let (_stream, server) = world.open(64 << 10);
    tokio::task::yield_now().await;
    let begun = clock::now();
    world.shared.drain();
    assert_eq!((server.await.unwrap(), clock::now()), (Close::Done, begun));
}
