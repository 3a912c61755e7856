//! The raw client on epoll. Callers are only numbers, replies come in order, and each reply triggers the next request.

use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use mprpc_bench_harness::{
    Counter, Failure, Kind, Load, Meter, Report, SAMPLE_EVERY, Schedule, Share, Threads, available_cores, ticker,
};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::fd::OwnedFd;

use super::frames::{Received, Sending};
use super::{CHAT_MESSAGES, Direction};

pub(super) fn call(load: &Load) -> Result<Report, Failure> {
    let threads = match load.threads {
        Threads::Loops(count) => count,
        Threads::Best | Threads::Shared => available_cores(),
    };
    let again = load.clone();
    Meter::measure(load, threads, move |share| Loop::new(&again, &share)?.run(share))
}

/// The most messages in flight on one connection.
pub(super) fn window(load: &Load) -> usize {
    if load.kind == Kind::Bidi { CHAT_MESSAGES } else { load.shape.callers }
}

struct Loop {
    epoll: OwnedFd,
    connections: Vec<Connection>,
    direction: Direction,
    /// The shared buffer of all connections that hold no partial frame.
    shared: Option<Received>,
    meter: Arc<Meter>,
}

struct Connection {
    socket: TcpStream,
    received: Option<Received>,
    calls: Calls,
    waits_to_write: bool,
}

/// The calls of one connection, without its socket.
pub(super) struct Calls {
    pub(super) sending: Sending,
    payload: usize,
    begun: VecDeque<Begun>,
    counter: Arc<Counter>,
}

/// The start of a call: the actual begin, with sampled latency, or the due time and whether it lies in the measured span.
#[derive(Clone, Copy)]
enum Begun {
    At(Instant),
    Due(Instant, bool),
}

impl Calls {
    pub(super) fn new(load: &Load, meter: &Meter) -> Calls {
        let (sending, begun) = (Sending::new(load.payload), VecDeque::new());
        Calls { sending, payload: load.payload, begun, counter: meter.counter() }
    }

    /// Begins a call at `now`.
    pub(super) fn begin(&mut self, now: Instant) {
        self.sending.add();
        self.begun.push_back(Begun::At(now));
    }

    /// Begins a call that became due at `due`.
    pub(super) fn begin_due(&mut self, due: Instant, meter: &Meter) {
        self.sending.add();
        self.begun.push_back(Begun::Due(due, meter.became_due(due)));
    }

    /// Takes all replies. In the closed loop each reply begins another call.
    pub(super) fn take_replies(&mut self, received: &mut Received, meter: &Meter) -> Result<(), Failure> {
        let (now, measuring) = (Instant::now(), meter.measuring());
        let mut replies = 0;
        while let Some(reply) = received.next_payload() {
            if reply.len() != self.payload {
                return Err(format!("a reply of {} bytes to {}", reply.len(), self.payload).into());
            }
            let sampled = replies % SAMPLE_EVERY == 0;
            replies += 1;
            match self.begun.pop_front().ok_or("a reply to no request")? {
                Begun::At(begun) => {
                    if measuring && sampled {
                        meter.latencies.record(now - begun, 1);
                    }
                    self.begin(now);
                }
                Begun::Due(due, counts) => {
                    if counts {
                        meter.latencies.record(now - due, 1);
                    }
                }
            }
        }
        self.counter.add(replies);
        Ok(())
    }

    /// Takes the messages of a stream, which have no replies.
    fn take_messages(&mut self, received: &mut Received) {
        while let Some(message) = received.next_payload() {
            self.counter.add(u64::from(message.len() == self.payload));
        }
    }
}

/// The event number of the timer. Connections are numbered from 0.
const TIMER: u64 = u64::MAX;

impl Loop {
    fn new(load: &Load, share: &Share) -> Result<Loop, Failure> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let mut connections = Vec::new();
        for number in 0..share.connections {
            let socket = TcpStream::connect(load.address)?;
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            epoll::add(&epoll, &socket, EventData::new_u64(number as u64), EventFlags::IN)?;
            let calls = Calls::new(load, &share.meter);
            connections.push(Connection { socket, received: None, calls, waits_to_write: false });
        }
        let mut this = Loop {
            epoll,
            connections,
            direction: load.kind.into(),
            shared: Some(Received::new()),
            meter: share.meter.clone(),
        };
        if load.rate.is_none() {
            this.begin_all(window(load))?;
        }
        Ok(this)
    }

    fn begin_all(&mut self, calls: usize) -> Result<(), Failure> {
        let now = Instant::now();
        for number in 0..self.connections.len() {
            let calls_of_one = &mut self.connections[number].calls;
            match self.direction {
                Direction::Both => (0..calls).for_each(|_| calls_of_one.begin(now)),
                Direction::ToServer => calls_of_one.sending.add(),
                Direction::ToClient => {}
            }
            self.write(number)?;
        }
        Ok(())
    }

    fn run(mut self, share: Share) -> Result<(), Failure> {
        let mut schedule = None;
        let timer = ticker()?;
        if share.rate > 0.0 {
            epoll::add(&self.epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
            schedule = Some(Schedule::new(Instant::now(), share.rate));
        }
        share.connected();
        let mut events = Vec::with_capacity(256);
        let mut turn = 0;
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                match (event.data.u64(), &mut schedule) {
                    (TIMER, Some(schedule)) => {
                        // The tick may be gone already: the schedule decides which calls are due.
                        let _ = rustix::io::read(&timer, &mut [0; 8]);
                        turn = self.begin_due(schedule, turn)?;
                    }
                    (number, _) => self.turn(number as usize)?,
                }
            }
        }
    }

    /// Begins all due calls, on the connections in turn, and writes to each connection once. Returns the next connection in
    /// turn.
    fn begin_due(&mut self, schedule: &mut Schedule, first: usize) -> Result<usize, Failure> {
        let now = Instant::now();
        let count = self.connections.len();
        let mut turn = first;
        while let Some(due) = schedule.next_due(now) {
            self.connections[turn % count].calls.begin_due(due, &self.meter);
            turn += 1;
        }
        for number in first..turn.min(first + count) {
            self.write(number % count)?;
        }
        Ok(turn % count)
    }

    /// Reads once, and writes all resulting requests at once.
    fn turn(&mut self, number: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[number];
        if self.direction == Direction::ToServer {
            return self.write(number);
        }
        let mut received = connection.received.take().or_else(|| self.shared.take()).unwrap_or_else(Received::new);
        let read = match connection.socket.read(received.spare()) {
            Ok(0) => return Err("the server has closed a connection".into()),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Err(error) => return Err(error.into()),
        };
        received.filled(read);
        match self.direction {
            Direction::ToClient => connection.calls.take_messages(&mut received),
            _ => connection.calls.take_replies(&mut received, &self.meter)?,
        }
        if received.is_empty() && self.shared.is_none() {
            self.shared = Some(received);
        } else {
            connection.received = Some(received);
        }
        self.write(number)
    }

    fn write(&mut self, number: usize) -> Result<(), Failure> {
        let connection = &mut self.connections[number];
        while !connection.calls.sending.bytes().is_empty() {
            match connection.socket.write(connection.calls.sending.bytes()) {
                Ok(written) => {
                    let ended = connection.calls.sending.sent(written);
                    if ended && self.direction == Direction::ToServer {
                        connection.calls.counter.add(1);
                        connection.calls.sending.add();
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        let waits_to_write = !connection.calls.sending.bytes().is_empty();
        if waits_to_write != connection.waits_to_write {
            connection.waits_to_write = waits_to_write;
            let interest = if waits_to_write { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
            epoll::modify(&self.epoll, &connection.socket, EventData::new_u64(number as u64), interest)?;
        }
        Ok(())
    }
}
