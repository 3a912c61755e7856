//! An echo server on the reactor alone, as in muduo: `echo_server [ADDRESS]`, then `nc 127.0.0.1 8888`.
//!
//! Shows `net::TcpServer`: a callback for connections, a callback for messages, and a number of event loops. No RPC.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use mprpc::net::{Connection, TcpServer};

fn main() -> Result<(), mprpc::Error> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    let mut server = TcpServer::bind(&address)?;
    server.threads = 4;
    server.on_connection(|connection: &Connection| {
        let state = if connection.is_connected() { "up" } else { "down" };
        println!("{} -> {} is {state}", connection.peer(), connection.local());
    });
    // The callback gets all bytes received so far. Bytes that it leaves come again together with later ones.
    server.on_message(|connection, input| connection.send(input.split()));
    println!("listening on {}", server.address());
    server.run()
}
