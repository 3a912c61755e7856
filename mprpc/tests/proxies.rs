//! A trusted proxy over TCP: the PROXY header is read on the loop that accepts, and the connection may then move to another
//! loop.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::io::{Read, Write};
use std::net::TcpStream;

use mprpc::{Address, Body, Context, Next, Server, intercept_fn};

#[path = "support/echo.rs"]
mod echo;

async fn tell_peer(context: Context, _body: Body, _next: Next) -> Result<Body, mprpc::Status> {
    let peer = context.peer().unwrap();
    let proxy = peer.proxy.as_ref().map(|proxy| proxy.address.to_string()).unwrap_or_default();
    Ok(Body::Message(format!("{} via {proxy}", peer.address).into()))
}

#[test]
fn connections_behind_a_proxy_are_served_on_every_loop() {
    let server = Server {
        loops: 3,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..Server::default().add(echo::Echo).intercept(intercept_fn(tell_peer))
    };
    let running = server.start().unwrap();
    let Address::Tcp(address) = running.addresses()[0] else { panic!("not TCP") };
    for number in 1..=24u16 {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("PROXY TCP4 192.0.2.7 127.0.0.1 {number} 80\r\n").as_bytes()).unwrap();
        for _ in 0..2 {
            let request = "POST /test.Echo/Echo HTTP/1.1\r\nhost: a\r\ncontent-type: application/proto\r\ncontent-length: 1\r\n\r\nx";
            stream.write_all(request.as_bytes()).unwrap();
            let mut answer = Vec::new();
            let expected = format!("192.0.2.7:{number} via {}", stream.local_addr().unwrap());
            while !answer.ends_with(expected.as_bytes()) {
                let mut bytes = [0; 4096];
                let read = stream.read(&mut bytes).unwrap();
                assert!(read > 0, "{}", String::from_utf8_lossy(&answer));
                answer.extend_from_slice(&bytes[..read]);
            }
        }
    }
}
