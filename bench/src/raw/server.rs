//! The raw server on epoll: one thread for each core, connections assigned in turn, level-triggered.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, mpsc};
use std::thread;

use mprpc_bench_harness::{Failure, Serve, announce, available_cores};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use super::Direction;
use super::frames::{Received, Sending};

/// Message size of the endless stream. No row uses another size.
const STREAM_PAYLOAD: usize = 1 << 20;

pub(super) fn serve(serve: &Serve) -> Result<(), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    announce(listener.local_addr()?);
    let mut loops = Vec::new();
    for _ in 0..available_cores() {
        let epoll = Arc::new(epoll::create(CreateFlags::CLOEXEC)?);
        let (sender, accepted) = mpsc::channel();
        let (direction, its_epoll) = (serve.kind.into(), epoll.clone());
        thread::spawn(move || Loop { epoll: its_epoll, accepted, direction, connections: HashMap::new() }.run());
        loops.push((epoll, sender));
    }
    for (number, (epoll, sender)) in (0u64..).zip(loops.iter().cycle()) {
        let (socket, _) = listener.accept()?;
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
        let interest =
            if serve.kind == mprpc_bench_harness::Kind::ServerStream { EventFlags::OUT } else { EventFlags::IN };
        // An event may reach the loop before the socket does. Events are level-triggered, so it comes again.
        epoll::add(epoll, &socket, EventData::new_u64(number), interest)?;
        sender.send((number, socket))?;
    }
    Ok(())
}

struct Loop {
    epoll: Arc<OwnedFd>,
    accepted: mpsc::Receiver<(u64, TcpStream)>,
    direction: Direction,
    connections: HashMap<u64, Connection>,
}

struct Connection {
    socket: TcpStream,
    /// Set only while the buffer holds a partial frame, or a reply that the socket did not accept.
    received: Option<Received>,
    sending: Option<Sending>,
    /// Small replies that the socket did not accept.
    unsent: Vec<u8>,
    waits_to_write: bool,
}

impl Loop {
    fn run(mut self) {
        let mut events = Vec::with_capacity(256);
        // The shared buffer of all connections that hold no partial frame. It stays in the cache.
        let mut shared = Some(Received::new());
        let mut replies = Vec::new();
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return eprintln!("epoll: {error}"),
            }
            for event in &events {
                let number = event.data.u64();
                while !self.connections.contains_key(&number)
                    && let Ok((number, socket)) = self.accepted.try_recv()
                {
                    let sending = (self.direction == Direction::ToClient).then(|| Sending::new(STREAM_PAYLOAD));
                    let connection =
                        Connection { socket, received: None, sending, unsent: Vec::new(), waits_to_write: false };
                    self.connections.insert(number, connection);
                }
                let Some(connection) = self.connections.get_mut(&number) else { continue };
                let goes_on = match self.direction {
                    Direction::ToClient => connection.send_without_end(),
                    _ => connection.turn(&mut shared, &mut replies, self.direction, &self.epoll, number),
                };
                // A broken connection is one that the client has closed.
                if !goes_on.unwrap_or(false) {
                    self.connections.remove(&number);
                }
            }
        }
    }
}

impl Connection {
    /// Reads once, and writes all replies at once. Returns whether the connection stays open.
    fn turn(
        &mut self,
        shared: &mut Option<Received>,
        replies: &mut Vec<u8>,
        direction: Direction,
        epoll: &OwnedFd,
        number: u64,
    ) -> Result<bool, Failure> {
        let mut received = self.received.take().or_else(|| shared.take()).unwrap_or_else(Received::new);
        if !self.waits_to_write {
            let read = match self.socket.read(received.spare()) {
                Ok(0) => return Ok(false),
                Ok(read) => read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
                Err(error) => return Err(error.into()),
            };
            received.filled(read);
        }
        if direction == Direction::ToServer {
            received.take(received.frames().len());
        } else {
            replies.clear();
            replies.append(&mut self.unsent);
            received.copy_small(replies);
            if !replies.is_empty() {
                let written = written(self.socket.write(replies))?;
                self.unsent.extend_from_slice(&replies[written..]);
            }
            if self.unsent.is_empty() && !received.frames().is_empty() {
                received.take(written(self.socket.write(received.frames()))?);
            }
        }
        let waits_to_write = !self.unsent.is_empty() || !received.frames().is_empty();
        if waits_to_write != self.waits_to_write {
            self.waits_to_write = waits_to_write;
            let interest = if waits_to_write { EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(epoll, &self.socket, EventData::new_u64(number), interest)?;
        }
        if received.is_empty() && shared.is_none() {
            *shared = Some(received);
        } else {
            self.received = Some(received);
        }
        Ok(true)
    }

    fn send_without_end(&mut self) -> Result<bool, Failure> {
        let Some(sending) = &mut self.sending else { return Ok(false) };
        if sending.bytes().is_empty() {
            sending.add();
        }
        match self.socket.write(sending.bytes()) {
            Ok(written) => {
                sending.sent(written);
                Ok(true)
            }
            Err(error) => Ok(error.kind() == ErrorKind::WouldBlock),
        }
    }
}

/// The bytes that a socket accepted; 0 if it is full.
fn written(result: std::io::Result<usize>) -> Result<usize, Failure> {
    match result {
        Ok(written) => Ok(written),
        Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(0),
        Err(error) => Err(error.into()),
    }
}
