//! Tests of trusted proxies: PROXY headers in front of every protocol, `x-forwarded-for`, and peers that forge them.

use std::sync::Mutex;

use tokio::time::Instant;

use super::http::{Ask, answer};
use super::http2::Caller;
use super::limits::ms;
use super::raw::{Peer, native_calls, rejection};
use super::*;
use crate::interceptor::intercept_fn;
use crate::interceptors::RateLimit;
use crate::interceptors::tests::Log;
use crate::method::Placement;
use crate::protocol::classic;
use crate::protocol::proxy::tests::v2;
use crate::server::incoming::serve_accepted;

/// The address of the trusted proxy, and of a peer that is not trusted.
const PROXY: &str = "10.0.0.9:40000";
const STRANGER: &str = "203.0.113.66:40000";

const V1: &[u8] = b"PROXY TCP4 192.0.2.7 10.0.0.1 56324 8000\r\n";

/// A header of version 2 with the same source as `V1`, and two TLVs.
fn v2_header() -> Vec<u8> {
    let addresses = [192, 0, 2, 7, 10, 0, 0, 1, 0xdc, 0x04, 0x1f, 0x40];
    v2(0x21, 0x11, &[&addresses[..], &[0x04, 0, 2, 1, 2], &[0xe0, 0, 0]].concat())
}

/// A server behind the proxies in 10.0.0.0/8. It records the peer of each call.
struct TestBed {
    shared: Arc<Shared>,
    peers: Arc<Mutex<Vec<Arc<crate::Peer>>>>,
}

fn server() -> Server {
    Server { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Server::default() }
}

fn bed(server: Server) -> TestBed {
    let peers = Arc::new(Mutex::new(Vec::new()));
    let record = peers.clone();
    let recorder = intercept_fn(move |context: Context, body, next: crate::Next| {
        record.lock().unwrap().push(Arc::new(context.peer().unwrap().clone()));
        next.run(context, body)
    });
    TestBed { shared: server.add(Probe).intercept(recorder).share().unwrap(), peers }
}

impl TestBed {
    /// Connects from this address.
    fn connect(&self, from: &str) -> Peer {
        let (near, far) = Stream::pair(from.parse().unwrap(), 1 << 20);
        let server = tokio::spawn(serve_accepted(far, self.shared.clone()));
        Peer { reader: near.reader, writer: near.writer, server, shared: self.shared.clone() }
    }

    /// The callers and their proxies so far, each as `address via address`.
    fn callers(&self) -> Vec<String> {
        let name = |peer: &Arc<crate::Peer>| {
            let proxy = peer.proxy.as_ref().map(|proxy| format!(" via {}", proxy.address)).unwrap_or_default();
            format!("{}{proxy}", peer.address)
        };
        self.peers.lock().unwrap().drain(..).map(|peer| name(&peer)).collect()
    }

    /// The caller of the only call.
    fn caller(&self) -> String {
        let callers = self.callers();
        assert_eq!(callers.len(), 1, "{callers:?} {:?}", self.shared.stats());
        callers.into_iter().next().unwrap()
    }

    /// Sends a header and one call by HTTP/1.1 with this `x-forwarded-for`. Returns the caller.
    async fn ask(&self, from: &str, header: &[u8], forwarded: &[&str]) -> String {
        let mut peer = self.connect(from);
        let ask = forwarded.iter().fold(echo(), |ask, value| ask.with("X-Forwarded-For", value));
        peer.send(&[header, &ask.http1()].concat());
        assert_eq!(answer(&mut peer, &mut BytesMut::new(), false).await.text(), "x");
        self.caller()
    }
}

fn echo() -> Ask {
    Ask::post("/test.Probe/Echo", "application/json", "x")
}

/// The bytes of a gRPC call.
async fn grpc_call() -> Vec<u8> {
    let (near, mut far) = Stream::pair(PROXY.parse().unwrap(), 1 << 20);
    let server = tokio::spawn(std::future::ready(Close::Done));
    let shared = bed(Server::default()).shared;
    let mut caller = Caller::of(Peer { reader: near.reader, writer: near.writer, server, shared });
    caller.greet(&[]);
    caller.call_with("Echo", &[], b"x");
    let mut bytes = BytesMut::new();
    std::future::poll_fn(|cx| far.reader.poll_read(cx, &mut bytes)).await.unwrap();
    bytes.to_vec()
}

/// One call in each protocol.
async fn calls() -> [Vec<u8>; 4] {
    [
        native_calls(&[(1, "Echo", b"x")]).to_vec(),
        classic::encode_request("Probe", "Echo", b"x").to_vec(),
        echo().http1(),
        grpc_call().await,
    ]
}

/// Sends the pieces, and returns the caller of the call in them.
async fn caller_of_pieces<'a>(bed: &TestBed, pieces: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut peer = bed.connect(PROXY);
    for piece in pieces {
        peer.send(piece);
        tokio::task::yield_now().await;
    }
    let mut reply = BytesMut::new();
    while timeout(ms(1), peer.read_some(&mut reply)).await.is_ok_and(|read| read > 0) {}
    bed.caller()
}

#[tokio::test(start_paused = true)]
async fn every_protocol_follows_a_proxy_header_that_comes_byte_by_byte() {
    let bed = bed(server());
    for header in [V1, &v2_header()] {
        for call in calls().await {
            let whole = [header, &call].concat();
            let expected = format!("192.0.2.7:56324 via {PROXY}");
            assert_eq!(caller_of_pieces(&bed, whole.chunks(1)).await, expected, "{call:?}");
            assert_eq!(caller_of_pieces(&bed, [&whole[..]]).await, expected, "{call:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn proxy_header_split_anywhere_is_read() {
    let bed = bed(server());
    for header in [V1, &v2_header()] {
        let whole = [header, &echo().http1()].concat();
        for cut in 1..header.len() + 8 {
            let (first, second) = whole.split_at(cut);
            let caller = caller_of_pieces(&bed, [first, second]).await;
            assert_eq!(caller, format!("192.0.2.7:56324 via {PROXY}"), "cut at {cut}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn trusted_proxy_may_connect_without_a_header_unless_one_is_required() {
    let bed_of = |header_required| bed(Server { proxy_header_required: header_required, ..server() });
    let free = bed_of(false);
    for call in calls().await {
        assert_eq!(caller_of_pieces(&free, call.chunks(1)).await, PROXY, "{call:?}");
    }
    for call in calls().await {
        let strict = bed_of(true);
        let peer = strict.connect(PROXY);
        peer.send(&call);
        let (bytes, close, shared) = peer.read_to_end().await;
        assert_eq!((bytes.len(), close), (0, Close::Protocol));
        assert_eq!((rejection(&shared), shared.stats().calls), ("no PROXY header from a trusted proxy", 0));
        assert_eq!(strict.ask(STRANGER, b"", &[]).await, STRANGER, "others have none");
    }
    assert_eq!(bed_of(true).ask(PROXY, V1, &[]).await, format!("192.0.2.7:56324 via {PROXY}"));
}

#[tokio::test(start_paused = true)]
async fn header_that_names_no_source_leaves_the_address_of_the_proxy() {
    let bed = bed(server());
    assert_eq!(bed.ask(PROXY, &v2(0x20, 0x00, b""), &[]).await, PROXY);
    for header in [&b"PROXY UNKNOWN\r\n"[..], &v2(0x21, 0x00, b""), &v2(0x21, 0x12, &[7; 12])] {
        assert_eq!(bed.ask(PROXY, header, &[]).await, format!("{PROXY} via {PROXY}"));
    }
    let mut paths = [0; 216];
    paths[..8].copy_from_slice(b"/run/app");
    assert_eq!(bed.ask(PROXY, &v2(0x21, 0x31, &paths), &[]).await, format!("unix:/run/app via {PROXY}"));
}

#[tokio::test(start_paused = true)]
async fn header_of_an_untrusted_peer_is_refused() {
    let log = Log::begin();
    for (server, from) in [(server(), STRANGER), (Server::default(), PROXY), (server(), "unix:/run/mprpc.sock")] {
        for header in [V1, &v2_header()] {
            let bed = bed(Server { trusted_proxies: server.trusted_proxies.clone(), ..Server::default() });
            let peer = bed.connect(from);
            peer.send(&[header, &echo().http1()].concat());
            let (bytes, close, shared) = peer.read_to_end().await;
            assert_eq!((bytes.len(), close, shared.stats().calls), (0, Close::Protocol, 0));
            assert!(rejection(&shared).contains("not in trusted_proxies"), "{}", rejection(&shared));
        }
    }
    assert_eq!(log.with(&format!("peer={STRANGER}")).len(), 2, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn second_header_is_refused() {
    let (log, bed) = (Log::begin(), bed(server()));
    let peer = bed.connect(PROXY);
    peer.send(&[V1, V1, &echo().http1()].concat());
    let (_, close, shared) = peer.read_to_end().await;
    assert_eq!((close, shared.stats().calls), (Close::Protocol, 0));
    assert!(rejection(&shared).contains("or a second one"));
    let line = format!("connection closed peer=192.0.2.7:56324 proxy={PROXY}");
    assert_eq!(log.with(&line).len(), 1, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn damaged_header_closes_the_connection_and_is_counted() {
    let log = Log::begin();
    for (header, fault) in [
        (&b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n"[..], "wrong fields"),
        (b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n", "CR LF"),
        (&[b'x'; 120], "without an end in 107 bytes"),
        (&v2(0x22, 0x11, &[0; 12]), "version and command 0x22"),
        (&v2(0x21, 0x11, &[0; 4]), "4 bytes do not hold addresses"),
    ] {
        let header = if header[0] == b'x' { [b"PROXY ", header].concat() } else { header.to_vec() };
        let bed = bed(server());
        let peer = bed.connect(PROXY);
        peer.send(&[&header, &echo().http1()[..]].concat());
        let (bytes, close, shared) = peer.read_to_end().await;
        assert_eq!((bytes.len(), close, shared.stats().calls), (0, Close::Protocol, 0), "{fault}");
        assert_eq!(rejection(&shared), "a broken PROXY header");
        assert_eq!(log.with(fault).len(), 1, "{fault}: {:?}", log.lines());
    }
}

#[tokio::test(start_paused = true)]
async fn incomplete_header_is_closed_at_first_byte_timeout_or_at_the_end() {
    let (log, bound) = (Log::begin(), Limits::default().first_byte_timeout);
    for header in [V1, &v2_header()] {
        for length in [1, 13, header.len() - 1] {
            let bed = bed(server());
            let peer = bed.connect(PROXY);
            peer.send(&header[..length]);
            let begun = Instant::now();
            let (bytes, close, shared) = peer.read_to_end().await;
            assert_eq!((bytes.len(), close, begun.elapsed()), (0, Close::Protocol, bound));
            assert_eq!(rejection(&shared), "a broken PROXY header");
            let peer = bed.connect(PROXY);
            peer.send(&header[..length]);
            drop((peer.writer, peer.reader));
            assert_eq!(peer.server.await.unwrap(), Close::PeerClosed);
            assert_eq!(shared.stats().rejected["a broken PROXY header"], 2);
        }
    }
    assert_eq!(log.with("bytes of it within first_byte_timeout 10s").len(), 6, "{:?}", log.lines());
    assert_eq!(log.with("the connection ended behind 13 bytes of it").len(), 2, "{:?}", log.lines());
}

#[tokio::test(start_paused = true)]
async fn header_does_not_prolong_first_byte_timeout() {
    let bound = Limits::default().first_byte_timeout;
    for wait in [None, Some(bound - ms(1))] {
        let bed = bed(server());
        let peer = bed.connect(PROXY);
        let begun = Instant::now();
        if let Some(wait) = wait {
            sleep(wait).await;
            peer.send(V1);
        }
        let (_, close, shared) = peer.read_to_end().await;
        assert_eq!((close, begun.elapsed()), (Close::FirstByteTimeout, bound));
        assert_eq!(rejection(&shared), "nothing within first_byte_timeout");
    }
    // A connect and close, as load balancers check health, is no fault.
    let bed = bed(server());
    let peer = bed.connect(PROXY);
    drop((peer.writer, peer.reader));
    assert_eq!(peer.server.await.unwrap(), Close::PeerClosed);
    assert!(bed.shared.stats().rejected.is_empty());
}

#[tokio::test(start_paused = true)]
async fn proxy_header_bytes_max_bounds_the_tlvs() {
    let (log, max) = (Log::begin(), 200);
    let padded = |bytes: usize| {
        let header = v2_header();
        v2(0x21, 0x11, &[&header[16..], &vec![0; bytes - header.len()]].concat())
    };
    let bed_of_max = || bed(Server { limits: Limits { proxy_header_bytes_max: max, ..Limits::default() }, ..server() });
    assert_eq!(bed_of_max().ask(PROXY, &padded(max), &[]).await, format!("192.0.2.7:56324 via {PROXY}"));
    let bed = bed_of_max();
    let peer = bed.connect(PROXY);
    peer.send(&padded(max + 1)[..16]);
    let (_, close, shared) = peer.read_to_end().await;
    assert_eq!((close, rejection(&shared)), (Close::Protocol, "a broken PROXY header"));
    assert_eq!(log.with("201 bytes; proxy_header_bytes_max 200").len(), 1, "{:?}", log.lines());
    // Version 1 needs no such limit.
    let bed = bed_of_max();
    let small = Limits { proxy_header_bytes_max: 1, ..Limits::default() };
    assert_eq!(bed.ask(PROXY, V1, &[]).await, format!("192.0.2.7:56324 via {PROXY}"));
    let bed = self::bed(Server { limits: small, ..server() });
    assert_eq!(bed.ask(PROXY, V1, &[]).await, format!("192.0.2.7:56324 via {PROXY}"));
}

#[tokio::test(start_paused = true)]
async fn drain_does_not_wait_for_a_proxy_header() {
    let bed = bed(server());
    let peer = bed.connect(PROXY);
    peer.send(&V1[..20]);
    sleep(ms(1)).await;
    let begun = Instant::now();
    bed.shared.drain();
    assert_eq!((peer.server.await.unwrap(), begun.elapsed()), (Close::Done, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn unix_sockets_are_trusted_only_by_name() {
    let socket = "unix:/run/mprpc.sock";
    let trusting = bed(Server { trusted_proxies: vec!["unix".parse().unwrap()], ..Server::default() });
    assert_eq!(trusting.ask(socket, V1, &[]).await, format!("192.0.2.7:56324 via {socket}"));
    assert_eq!(trusting.ask(socket, b"", &["192.0.2.7"]).await, format!("192.0.2.7:0 via {socket}"));
    assert_eq!(bed(server()).ask(socket, b"", &["192.0.2.7"]).await, socket);
    // The Unix socket is one of another host.
    let both = bed(Server { trusted_proxies: vec!["unix".parse().unwrap(), "10.0.0.9".parse().unwrap()], ..server() });
    let from_socket = v2(0x21, 0x31, &[0; 216]);
    assert_eq!(both.ask(PROXY, &from_socket, &["1.1.1.1"]).await, format!("unix: via {PROXY}"));
}

#[tokio::test(start_paused = true)]
async fn forwarded_for_of_a_trusted_proxy_names_the_caller_of_each_request() {
    let bed = bed(server());
    let via = |address: &str| format!("{address} via {PROXY}");
    assert_eq!(bed.ask(PROXY, b"", &["6.6.6.6, 192.0.2.7, 10.0.0.8"]).await, via("192.0.2.7:0"));
    assert_eq!(bed.ask(PROXY, b"", &["6.6.6.6", "192.0.2.7:99", "10.0.0.8"]).await, via("192.0.2.7:99"));
    // What the caller sent must not hide what the proxy appended.
    assert_eq!(bed.ask(PROXY, b"", &["\u{fc}\t, 192.0.2.7"]).await, via("192.0.2.7:0"));
    assert_eq!(bed.ask(PROXY, b"", &["192.0.2.7, unknown"]).await, PROXY);
    let mut peer = bed.connect(PROXY);
    let mut input = BytesMut::new();
    for (forwarded, caller) in
        [(Some("192.0.2.7"), via("192.0.2.7:0")), (Some("192.0.2.8"), via("192.0.2.8:0")), (None, PROXY.to_owned())]
    {
        let ask = forwarded.map_or_else(echo, |value| echo().with("x-forwarded-for", value));
        peer.send(&ask.http1());
        assert_eq!(answer(&mut peer, &mut input, false).await.text(), "x");
        assert_eq!(bed.caller(), caller);
    }
}

/// A service whose replies are the address of the caller.
struct Who;

impl Service for Who {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &PROBE
    }

    fn call(&self, _: usize, context: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let address = context.peer().unwrap().address.to_string();
        Box::pin(std::future::ready(Ok(Body::Message(address.into()))))
    }
}

#[tokio::test(start_paused = true)]
async fn call_after_a_forwarded_one_has_its_own_peer() {
    // Inline, as most measured handlers run: the next call reuses the memory of the context.
    let placement = [(PROBE.name.to_owned(), Placement::Inline)].into();
    let shared = Server { placement, ..server() }.add(Who).share().unwrap();
    let bed = TestBed { shared, peers: Arc::default() };
    let mut peer = bed.connect(PROXY);
    let mut input = BytesMut::new();
    for forwarded in [None, Some("192.0.2.7:1"), None, Some("192.0.2.8:1"), Some("192.0.2.7:1"), None] {
        peer.send(&forwarded.map_or_else(echo, |value| echo().with("x-forwarded-for", value)).http1());
        assert_eq!(answer(&mut peer, &mut input, false).await.text(), forwarded.unwrap_or(PROXY));
    }
}

#[tokio::test(start_paused = true)]
async fn forwarded_for_works_over_http2_for_calls_and_streams() {
    let bed = bed(server());
    let mut caller = Caller::of(bed.connect(PROXY));
    caller.greet(&[]);
    let json = ("content-type", "application/json");
    for (name, more) in [("Echo", &[][..]), ("Sleep", &[]), ("Sum", &[]), ("Echo", &[json])] {
        for address in ["192.0.2.7", "192.0.2.8"] {
            let more = [more, &[("x-forwarded-for", address)]].concat();
            caller.call_with(name, &more, b"x");
            caller.listen().await;
            assert_eq!(bed.caller(), format!("{address}:0 via {PROXY}"), "{name}");
        }
        caller.call_with(name, more, b"x");
        caller.listen().await;
        assert_eq!(bed.caller(), PROXY, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn forwarded_for_is_believed_only_if_the_nearest_address_is_a_proxy() {
    let bed = bed(server());
    let forged = &["1.1.1.1"][..];
    assert_eq!(bed.ask(STRANGER, b"", forged).await, STRANGER);
    // The proxy passes bytes on: the list is what its caller sent.
    assert_eq!(bed.ask(PROXY, V1, forged).await, format!("192.0.2.7:56324 via {PROXY}"));
    assert_eq!(bed.ask(PROXY, b"PROXY UNKNOWN\r\n", forged).await, format!("{PROXY} via {PROXY}"));
    // Behind the proxy is another one, which appends to the list.
    let inner = b"PROXY TCP4 10.0.0.8 10.0.0.1 7 8000\r\n";
    assert_eq!(bed.ask(PROXY, inner, &["192.0.2.7"]).await, "192.0.2.7:0 via 10.0.0.8:7");
    // A health check of the proxy itself.
    assert_eq!(bed.ask(PROXY, &v2(0x20, 0, b""), &["192.0.2.7"]).await, format!("192.0.2.7:0 via {PROXY}"));
}

#[tokio::test(start_paused = true)]
async fn rate_limit_of_each_caller_counts_the_address_behind_the_proxy() {
    let limit = RateLimit::new(1, Duration::from_secs(3600)).each_caller();
    let bed = bed(server().intercept(limit));
    let mut peer = bed.connect(PROXY);
    let mut input = BytesMut::new();
    for (address, status) in [("192.0.2.7", 200), ("192.0.2.8", 200), ("192.0.2.7:5", 429)] {
        peer.send(&echo().with("x-forwarded-for", address).http1());
        assert_eq!(answer(&mut peer, &mut input, false).await.status, status, "{address}");
    }
    let mut peer = bed.connect(PROXY);
    peer.send(&[V1, &echo().http1()].concat());
    assert_eq!(answer(&mut peer, &mut BytesMut::new(), false).await.status, 429, "the same caller by a PROXY header");
}

#[cfg(feature = "tls")]
#[tokio::test(start_paused = true)]
async fn proxy_header_comes_in_front_of_the_tls_handshake() {
    use crate::net::tls::Connector;
    use crate::net::tls::tests::certificates::Authority;
    use crate::tls::{TlsClient, TlsServer};

    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let (issued, shown) = (authority.issue("server", &["localhost"]), authority.issue("caller", &["caller.example"]));
    let tls = TlsServer {
        certificate: issued.certificate,
        key: issued.key,
        client_ca: Some(authority.file()),
        client_optional: false,
    };
    let client = TlsClient {
        ca: authority.file(),
        client_certificate: Some(shown.certificate),
        client_key: Some(shown.key),
        ..TlsClient::default()
    };
    let connector = Connector::new(&client, &Limits::default()).unwrap();
    let bed = bed(Server { tls: Some(tls), ..server() });
    for (header, forwarded, caller) in [
        (V1, None, "192.0.2.7:56324"),
        (&v2_header()[..], Some("1.1.1.1"), "192.0.2.7:56324"),
        (b"", Some("192.0.2.7"), "192.0.2.7:0"),
    ] {
        let (near, far) = Stream::pair(PROXY.parse().unwrap(), 1 << 20);
        let server = tokio::spawn(serve_accepted(far, bed.shared.clone()));
        assert_eq!(near.writer.try_write(header).unwrap(), header.len());
        let near = connector.connect(near, &"localhost:1".parse().unwrap(), Duration::from_secs(3)).await.unwrap();
        let mut peer = Peer { reader: near.reader, writer: near.writer, server, shared: bed.shared.clone() };
        let ask = forwarded.map_or_else(echo, |value| echo().with("x-forwarded-for", value));
        peer.send(&ask.http1());
        assert_eq!(answer(&mut peer, &mut BytesMut::new(), false).await.text(), "x");
        let peer = bed.peers.lock().unwrap().pop().unwrap();
        let proxy = peer.proxy.as_ref().unwrap();
        assert_eq!((peer.address.to_string(), proxy.address.to_string()), (caller.to_owned(), PROXY.to_owned()));
        // The certificate belongs to the peer of the handshake: the caller, or the proxy that speaks HTTP.
        assert_eq!((peer.identity.is_some(), proxy.identity.is_some()), (!header.is_empty(), header.is_empty()));
    }
    // A header that is not trusted is plain text.
    let peer = bed.connect(STRANGER);
    peer.send(V1);
    let (_, close, shared) = peer.read_to_end().await;
    assert_eq!((close, rejection(&shared)), (Close::Protocol, "plain text where TLS is spoken"));
}
