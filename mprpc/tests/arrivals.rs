//! Tests of incoming connections over real sockets: the loop that serves a connection, first bytes that come in pieces, and
//! connections that wait in the kernel when their server stops.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[path = "support/echo.rs"]
mod echo;

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use echo::{AT_ONCE, ECHO, Echo};
use mprpc::codegen::Stub;
use mprpc::well_known::StringValue;
use mprpc::{
    Address, Body, BoxFuture, Channel, ChannelOptions, Codec, Context, Server, ServerHandle, Service,
    ServiceDescriptor, Status,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A service that replies with the name of its handler's thread.
struct Where;

impl Service for Where {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    fn call(&self, _: usize, _: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let name = std::thread::current().name().unwrap().to_owned();
        let message = [&[0x0a, name.len() as u8], name.as_bytes()].concat();
        Box::pin(async move { Ok(Body::Message(message.into())) })
    }
}

/// A service whose handler blocks its thread until the test releases it.
struct Blocking {
    begun: Sender<()>,
    released: Mutex<Receiver<()>>,
}

impl Service for Blocking {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    fn call(&self, _: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        self.begun.send(()).unwrap();
        // An error means that the test has ended.
        let _ = self.released.lock().unwrap().recv();
        Box::pin(async move { Ok(request) })
    }
}

fn start(loops: usize, service: impl Service) -> (ServerHandle, SocketAddr) {
    // Inline, so that a handler runs on the thread of its loop.
    let placement = [(service.descriptor().name.to_owned(), mprpc::Placement::Inline)].into();
    let running = Server { loops, placement, ..Server::default() }.add(service).start().unwrap();
    let Address::Tcp(address) = running.addresses()[0] else { panic!("not TCP") };
    (running, address)
}

fn stop(running: ServerHandle) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(running.stop());
}

fn stub(target: &str) -> Stub {
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    Stub::new(Channel::with_options(target, options).unwrap(), &ECHO)
}

fn call(stub: &Stub, value: &str) -> String {
    let value = StringValue { value: value.to_owned(), ..StringValue::default() };
    stub.unary::<_, StringValue>(AT_ONCE, &value).wait().unwrap().value
}

/// Encodes a classic request to `Echo`: header size, RpcHeader, message.
fn classic_request(message: &[u8]) -> Vec<u8> {
    let header = [b"\x0a\x04Echo\x12\x04Echo\x18", &[message.len() as u8][..]].concat();
    [&(header.len() as u32).to_le_bytes()[..], &header, message].concat()
}

fn read_to_end(mut socket: TcpStream) -> Vec<u8> {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    bytes
}

#[test]
fn connections_of_many_calls_spread_evenly_over_the_loops() {
    let (running, address) = start(4, Where);
    let mut loops = BTreeMap::new();
    let stubs: Vec<Stub> = (0..12).map(|_| stub(&address.to_string())).collect();
    for stub in &stubs {
        *loops.entry(call(stub, "")).or_insert(0) += 1;
        assert_eq!(call(stub, ""), call(stub, ""), "a connection stays on its loop");
    }
    assert_eq!(loops.into_values().collect::<Vec<_>>(), [3; 4]);
    assert_eq!(running.stats().connections_open, 12);
    drop(stubs);
    stop(running);
}

#[test]
fn classic_connections_are_accepted_by_several_loops() {
    let (running, address) = start(2, Where);
    let classic = stub(&format!("classic:{address}"));
    let mut loops = BTreeMap::new();
    for _ in 0..64 {
        *loops.entry(call(&classic, "")).or_insert(0) += 1;
    }
    assert_eq!(loops.len(), 2, "{loops:?}");
    let stats = running.stats();
    assert_eq!((stats.connections_accepted, stats.calls), (64, 64));
    // The caller may see the end of the last connection before the server counts it.
    while running.stats().connections_open > 0 {
        std::thread::yield_now();
    }
    stop(running);
}

#[test]
fn connections_with_first_bytes_in_pieces_are_served() {
    let (running, address) = start(2, Echo);
    let native = b"\x89MPRPC\n\x01";
    // The kernel chooses the accepting loop by a hash. Of eight connections, some reach a loop that is not next in turn.
    for _ in 0..8 {
        let mut socket = TcpStream::connect(address).unwrap();
        for piece in [&native[..0], &native[..3], &native[3..]] {
            std::thread::sleep(Duration::from_millis(5));
            socket.write_all(piece).unwrap();
        }
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut greeting = [0; 8];
        socket.read_exact(&mut greeting).unwrap();
        assert_eq!(greeting, *native);
    }
    let request = classic_request(b"\x0a\x05hello");
    for cut in [0, 2, 10, request.len() - 1] {
        let mut socket = TcpStream::connect(address).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        socket.write_all(&request[..cut]).unwrap();
        std::thread::sleep(Duration::from_millis(5));
        socket.write_all(&request[cut..]).unwrap();
        assert_eq!(read_to_end(socket), b"\x0a\x05hello");
    }
    stop(running);
}

#[test]
fn classic_messages_larger_than_socket_buffers_come_back_whole() {
    let (running, address) = start(2, Echo);
    let classic = stub(&format!("classic:{address}"));
    for length in [1, 4000, 4096, 5000, 70_000, 8 << 20] {
        let text = "x".repeat(length);
        assert!(call(&classic, &text) == text, "{length}");
    }
    assert!(running.stats().rejected.is_empty(), "{:?}", running.stats());
    stop(running);
}

#[test]
fn second_server_at_an_address_is_refused_until_the_first_stops() {
    for listen in ["127.0.0.1:0", "[::1]:0"] {
        let server = |address: &str| Server { listen: vec![address.parse().unwrap()], loops: 3, ..Server::default() };
        let running = server(listen).add(Echo).start().unwrap();
        let address = running.addresses()[0].to_string();
        let refused = server(&address).add(Echo).start().err().unwrap().to_string();
        assert!(refused.contains("in use"), "{refused}");
        // These calls leave closed connections, which the kernel remembers for a minute.
        (0..8).for_each(|_| drop(call(&stub(&format!("classic:{address}")), "before")));
        stop(running);
        let running = server(&address).add(Echo).start().unwrap();
        assert_eq!(call(&stub(&address), "again"), "again");
        stop(running);
    }
}

#[test]
fn stop_serves_connections_in_the_backlog_although_the_loop_is_blocked() {
    let (release, released) = channel();
    let (begun, begins) = channel();
    let (running, address) = start(1, Blocking { begun, released: Mutex::new(released) });
    let request = classic_request(b"\x0a\x05hello");
    let connect = || {
        let mut socket = TcpStream::connect(address)?;
        socket.write_all(&request)?;
        Ok(socket)
    };
    let first: std::io::Result<TcpStream> = connect();
    begins.recv_timeout(PATIENCE).unwrap();
    let waiting: Vec<TcpStream> = (0..5).map(|_| connect().unwrap()).collect();
    let stopping = std::thread::spawn(move || stop(running));
    // Once the stop begins, the address refuses connections, even while the loop is blocked.
    let refused = loop {
        match TcpStream::connect(address) {
            Ok(silent) => drop(silent),
            Err(error) => break error.kind(),
        }
    };
    assert!(matches!(refused, ErrorKind::ConnectionRefused | ErrorKind::ConnectionReset), "{refused}");
    (0..6).for_each(|_| release.send(()).unwrap());
    for socket in waiting.into_iter().chain([first.unwrap()]) {
        assert_eq!(read_to_end(socket), b"\x0a\x05hello");
    }
    stopping.join().unwrap();
}

#[test]
fn full_server_closes_new_connections_on_every_loop() {
    let mut server = Server { loops: 2, ..Server::default() }.add(Echo);
    server.limits.connections_max = 2;
    let running = server.start().unwrap();
    let Address::Tcp(address) = running.addresses()[0] else { panic!("not TCP") };
    let open: Vec<TcpStream> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
    while running.stats().connections_open < 2 {
        std::thread::yield_now();
    }
    for _ in 0..8 {
        assert_eq!(read_to_end(TcpStream::connect(address).unwrap()), b"");
    }
    assert_eq!(running.stats().rejected.get("connections_max reached"), Some(&8));
    drop(open);
    drop(running);
}
