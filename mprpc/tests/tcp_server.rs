//! Tests of the reactor alone, used as in muduo: callbacks, threads, sending from another thread, closing.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::collections::HashSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use mprpc::net::{Connection, Stopper, TcpServer};

struct ServerHandle {
    address: String,
    stopper: Stopper,
    thread: Option<JoinHandle<()>>,
}

impl Drop for ServerHandle {
    fn drop(&mut self) {
        self.stopper.stop();
        self.thread.take().unwrap().join().unwrap();
    }
}

fn run(threads: usize, set_up: impl FnOnce(&mut TcpServer)) -> ServerHandle {
    let mut server = TcpServer::bind("127.0.0.1:0").unwrap();
    server.threads = threads;
    set_up(&mut server);
    let (address, stopper) = (server.address().to_string(), server.stopper());
    let thread = std::thread::spawn(move || server.run().unwrap());
    ServerHandle { address, stopper, thread: Some(thread) }
}

fn connect(running: &ServerHandle) -> TcpStream {
    let stream = TcpStream::connect(&running.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream
}

fn echo(connection: &Connection, input: &mut bytes::BytesMut) {
    connection.send(input.split());
}

#[test]
fn connections_are_assigned_to_loops_in_turn() {
    let (on_thread, threads) = mpsc::channel();
    let running = run(2, |server| {
        server.on_connection(move |connection| {
            if connection.is_connected() {
                on_thread.send(std::thread::current().name().unwrap().to_owned()).unwrap();
            }
        });
        server.on_message(echo);
    });
    for round in 0..4u8 {
        let mut stream = connect(&running);
        let message = vec![round; 100_000];
        let mut reader = stream.try_clone().unwrap();
        let expected = message.clone();
        let reading = std::thread::spawn(move || {
            let mut echoed = vec![0; expected.len()];
            reader.read_exact(&mut echoed).unwrap();
            assert_eq!(echoed, expected);
        });
        stream.write_all(&message).unwrap();
        reading.join().unwrap();
    }
    let names: HashSet<String> = threads.try_iter().collect();
    assert_eq!(names, HashSet::from(["mprpc-loop-0".to_owned(), "mprpc-loop-1".to_owned()]));
}

#[test]
fn callback_gets_unconsumed_input_again() {
    let running = run(1, |server| {
        server.on_message(|connection, input| {
            while let Some(end) = input.iter().position(|byte| *byte == b'\n') {
                connection.send(input.split_to(end + 1));
            }
        });
    });
    let mut stream = connect(&running);
    stream.set_nodelay(true).unwrap();
    let mut line = [0; 6];
    for part in ["li", "ne 1", "\nline 2\nli"] {
        stream.write_all(part.as_bytes()).unwrap();
    }
    stream.read_exact(&mut line).unwrap();
    assert_eq!(&line, b"line 1");
    let mut rest = [0; 8];
    stream.read_exact(&mut rest).unwrap();
    assert_eq!(&rest, b"\nline 2\n");
}

#[test]
fn another_thread_sends_and_closes() {
    let (opened, connections) = mpsc::channel();
    let (ended, endings) = mpsc::channel();
    let running = run(1, |server| {
        server.on_connection(move |connection| {
            let told = if connection.is_connected() { &opened } else { &ended };
            told.send(connection.clone()).unwrap();
        });
    });
    let mut stream = connect(&running);
    let connection = connections.recv_timeout(Duration::from_secs(30)).unwrap();
    assert_eq!(connection.peer().to_string(), stream.local_addr().unwrap().to_string());
    assert_eq!(connection.local().to_string(), running.address);
    connection.send("from another thread");
    connection.close();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    assert_eq!(text, "from another thread");
    assert!(!endings.recv_timeout(Duration::from_secs(30)).unwrap().is_connected());
}

#[test]
fn stop_closes_open_connections_and_notifies_the_callback() {
    let (told, tells) = mpsc::channel();
    let running = run(2, |server| {
        server.on_connection(move |connection| told.send(connection.is_connected()).unwrap());
    });
    let mut stream = connect(&running);
    assert!(tells.recv_timeout(Duration::from_secs(30)).unwrap());
    drop(running);
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    assert!(!tells.recv_timeout(Duration::from_secs(30)).unwrap());
}
