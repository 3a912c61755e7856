//! A session as a state machine without I/O: bytes and times go in, bytes and events come out. It knows no sockets and
//! no tasks.

mod frames;
mod handshake;
mod operations;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use crate::error::{Error, Why};
use crate::jute::{Malformed, Reader};
use crate::options::{Auth, Options};
use crate::request::{Request, xid};
use crate::state::{SessionInfo, State};
use crate::watch::{EventKind, WatchEvent, WatchMode, WatcherId, Watches};
use frames::{BadLength, Frame, Frames, HEAD_BYTES};
use handshake::{Answer, Identity};
use operations::Operations;

/// A session with an ensemble. `T` stands for whoever waits for the result of an operation.
pub(crate) struct Session<T> {
    options: Options,
    phase: Phase,
    identity: Identity,
    /// The session timeout that the servers granted, or the one to ask for.
    timeout: Duration,
    /// The last transaction that the client has seen. Servers that have not seen it refuse the client.
    last_zxid: i64,
    last_xid: i32,
    /// The number of connections that opened or resumed a session.
    connections: u64,
    operations: Operations<T>,
    auths: Vec<Auth>,
    /// The credentials that were sent on this connection and have no answer yet, with who waits.
    auths_sent: VecDeque<(Auth, Option<T>)>,
    watches: Watches,
    input: Frames,
    output: BytesMut,
    events: VecDeque<Event<T>>,
    last_sent: Instant,
    /// When the last byte of an open session came.
    last_received: Instant,
    /// How long the server took to answer the handshake of this connection.
    handshake_took: Duration,
}

/// What the session tells its driver.
#[derive(Debug)]
pub(crate) enum Event<T> {
    /// The state of the session has changed.
    State(State),
    /// An operation has ended. The bytes are the reply without its head.
    Ended(T, Result<Bytes, Error>),
    /// A watched node has changed.
    Changed(Vec<WatcherId>, WatchEvent),
}

/// The connection cannot go on. The text says why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Broken(pub(crate) String);

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// No connection.
    Down,
    /// The connection is up, and the server has not said yet whether it takes the session.
    Opening {
        server: Arc<str>,
        until: Instant,
    },
    /// The session is open. A read-only connection is given up at `until`, to look for a server that takes writes.
    Open {
        until: Option<Instant>,
    },
    /// The end of the session was sent.
    Closing {
        until: Instant,
    },
    Closed,
}

impl<T> Session<T> {
    pub(crate) fn new(options: Options, now: Instant) -> Session<T> {
        Session {
            phase: Phase::Down,
            identity: Identity::new(),
            timeout: options.session_timeout,
            last_zxid: 0,
            last_xid: 0,
            connections: 0,
            operations: Operations::new(),
            auths: options.auths.clone(),
            auths_sent: VecDeque::new(),
            watches: Watches::default(),
            input: Frames::default(),
            output: BytesMut::new(),
            events: VecDeque::new(),
            last_sent: now,
            last_received: now,
            handshake_took: Duration::ZERO,
            options,
        }
    }

    /// The session timeout that the servers granted, or the one to ask for.
    pub(crate) fn timeout(&self) -> Duration {
        self.timeout
    }

    /// The id of the session; 0 if there is none to resume.
    pub(crate) fn id(&self) -> i64 {
        self.identity.id
    }

    pub(crate) fn is_open(&self) -> bool {
        matches!(self.phase, Phase::Open { .. })
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.phase == Phase::Closed
    }

    pub(crate) fn watch_events_max(&self) -> usize {
        self.options.watch_events_max
    }

    /// A connection to `server` is up. The server has until `until` to open or resume the session.
    pub(crate) fn connected(&mut self, server: Arc<str>, now: Instant, until: Instant) {
        if self.is_closed() {
            return;
        }
        self.input.clear();
        self.output.clear();
        let (timeout, read_only) = (self.options.session_timeout, self.options.read_only);
        handshake::put_request(&mut self.output, &self.identity, self.last_zxid, timeout, read_only);
        self.phase = Phase::Opening { server, until };
        self.last_sent = now;
    }

    /// The connection is lost, or an attempt to connect has failed.
    pub(crate) fn disconnected(&mut self, why: &str, now: Instant) {
        match self.phase {
            Phase::Closed => return,
            Phase::Closing { .. } => return self.end(),
            Phase::Opening { .. } if now.saturating_duration_since(self.last_received) >= self.timeout => {
                // No server has taken the client for a whole session timeout. If the ensemble was rolled back or built
                // anew, none ever will: each refuses a client that has seen a later transaction than itself. Reading
                // older data is better than reading nothing.
                self.last_zxid = 0;
            }
            Phase::Open { .. } => self.show(State::Disconnected(why.into())),
            Phase::Down | Phase::Opening { .. } => {}
        }
        self.phase = Phase::Down;
        self.input.clear();
        self.output.clear();
        self.lose(Why::Disconnected);
    }

    /// Tells why no server takes the client.
    pub(crate) fn round_failed(&mut self, why: &str) {
        if !self.is_closed() {
            self.show(State::Disconnected(why.into()));
        }
    }

    /// Starts an operation. It ends by an event, or at once by the returned error.
    pub(crate) fn submit(&mut self, request: Request, waiter: T, now: Instant) -> Result<(), (T, Error)> {
        if matches!(self.phase, Phase::Closing { .. } | Phase::Closed) {
            return Err((waiter, Error::NotSent(Why::Closed)));
        }
        self.operations.push(request, now + self.options.operation_timeout, waiter, &self.options)?;
        self.send(now);
        Ok(())
    }

    /// Sends credentials, now and at each later connect.
    pub(crate) fn authenticate(&mut self, auth: Auth, waiter: T, now: Instant) -> Result<(), (T, Error)> {
        if !self.is_open() {
            return Err((waiter, Error::NotSent(Why::Disconnected)));
        }
        if self.auths_sent.len() >= AUTHS_MAX || self.auths.len() >= AUTHS_MAX {
            return Err((waiter, Error::NotSent(Why::QueueFull)));
        }
        self.put(&Request::auth(&auth), xid::AUTH, now);
        self.auths_sent.push_back((auth, Some(waiter)));
        Ok(())
    }

    /// Watches a path. `waiter` learns when the servers have set the watch.
    pub(crate) fn watch(
        &mut self,
        path: &str,
        mode: WatchMode,
        waiter: T,
        now: Instant,
    ) -> Result<WatcherId, (T, Error)> {
        let id = match self.watches.add(path, mode) {
            Ok(id) => id,
            Err(error) => return Err((waiter, error)),
        };
        match self.submit(Request::add_watch(path, mode), waiter, now) {
            Ok(()) => Ok(id),
            Err(failed) => {
                self.watches.remove(path, id);
                Err(failed)
            }
        }
    }

    /// Ends a watcher. Returns whether nobody watches the path any more, so that the servers may forget it.
    pub(crate) fn unwatch(&mut self, path: &str, id: WatcherId) -> bool {
        self.watches.remove(path, id)
    }

    /// Ends the session. Operations that were not sent fail; those that were sent get their answers.
    pub(crate) fn close(&mut self, now: Instant) {
        let mut ended = Vec::new();
        self.operations.drop_unsent(Why::Closed, &mut ended);
        self.tell(ended);
        match self.phase {
            Phase::Open { .. } => {
                let xid = self.next_xid();
                self.put(&Request::close(), xid, now);
                self.phase = Phase::Closing { until: now + CLOSE_TIMEOUT };
            }
            Phase::Down | Phase::Opening { .. } => self.end(),
            Phase::Closing { .. } | Phase::Closed => {}
        }
    }

    /// The bytes to send.
    pub(crate) fn take_output(&mut self) -> Bytes {
        self.output.split().freeze()
    }

    /// The connection took all bytes; operations that waited for room can be sent.
    pub(crate) fn output_sent(&mut self, now: Instant) {
        self.send(now);
    }

    /// The next event.
    pub(crate) fn next_event(&mut self) -> Option<Event<T>> {
        self.events.pop_front()
    }

    /// When [`Session::tick`] has something to do.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match self.phase {
            Phase::Down | Phase::Closed => None,
            Phase::Opening { until, .. } | Phase::Closing { until } => Some(until),
            Phase::Open { until } => {
                let silent = (self.last_sent + self.ping_interval()).min(self.last_received + self.silence_max());
                Some(until.map_or(silent, |until| until.min(silent)))
            }
        };
        own.into_iter().chain(self.operations.deadline()).min()
    }

    /// Does what is due: pings, and the ends of operations that are too late.
    ///
    /// # Errors
    /// The server is silent for too long, so the connection has to go.
    pub(crate) fn tick(&mut self, now: Instant) -> Result<(), Broken> {
        let mut ended = Vec::new();
        self.operations.expire(now, &mut ended);
        self.tell(ended);
        match self.phase {
            Phase::Opening { until, .. } if until <= now => Err(Broken("it opened no session in time".into())),
            Phase::Closing { until } if until <= now => Err(Broken("it did not confirm the end of the session".into())),
            Phase::Open { .. } if self.last_received + self.silence_max() <= now => {
                Err(Broken(format!("it was silent for {:?}", self.silence_max())))
            }
            Phase::Open { until: Some(until) } if until <= now => {
                Err(Broken("it takes reads only; another server may take writes".into()))
            }
            Phase::Open { .. } if self.last_sent + self.ping_interval() <= now => {
                self.put(&Request::ping(), xid::PING, now);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Takes bytes that the server sent.
    ///
    /// # Errors
    /// The bytes break the protocol, so the connection has to go.
    pub(crate) fn received(&mut self, bytes: &[u8], now: Instant) -> Result<(), Broken> {
        if bytes.is_empty() {
            return Err(self.ended("it closed the connection"));
        }
        if matches!(self.phase, Phase::Open { .. } | Phase::Closing { .. }) {
            self.last_received = now;
        }
        self.input.push(bytes);
        loop {
            let limit = self.options.packet_bytes_max;
            match self.input.next(limit) {
                Ok(None) => return Ok(()),
                Ok(Some(frame)) => self.frame(frame, now)?,
                Err(BadLength(length)) => return Err(Broken(format!("a packet of {length} bytes"))),
            }
        }
    }

    /// The connection has ended, as `how` says.
    pub(crate) fn ended(&self, how: &str) -> Broken {
        Broken(match self.phase {
            Phase::Opening { .. } => {
                format!("{how} before it opened a session: it has no quorum, or older data, or speaks TLS only")
            }
            _ => how.to_owned(),
        })
    }

    fn frame(&mut self, frame: Frame, now: Instant) -> Result<(), Broken> {
        match (&self.phase, frame) {
            (Phase::Opening { .. }, Frame::Packet(packet)) => self.open(&packet, now),
            (Phase::Opening { .. }, Frame::Oversized(_, bytes)) => {
                Err(Broken(format!("it is no ZooKeeper server: its first packet has {bytes} bytes")))
            }
            (Phase::Open { .. } | Phase::Closing { .. }, Frame::Packet(packet)) => self.packet(&packet),
            (Phase::Open { .. } | Phase::Closing { .. }, Frame::Oversized(head, bytes)) => {
                let (xid, _, _) = read_head(&mut Reader::new("ReplyHeader", &head))?;
                let limit = self.options.packet_bytes_max;
                self.answer(xid, Err(Error::ReplyTooLarge { bytes, limit }))
            }
            (Phase::Down | Phase::Closed, _) => Ok(()),
        }
    }

    /// The server has answered the handshake.
    fn open(&mut self, packet: &[u8], now: Instant) -> Result<(), Broken> {
        let Phase::Opening { server, .. } = &self.phase else { return Ok(()) };
        let server = server.clone();
        match handshake::read_answer(packet)? {
            Answer::Expired => {
                self.identity = Identity::new();
                self.timeout = self.options.session_timeout;
                self.lose(Why::Expired);
                let mut ended = Vec::new();
                self.operations.drop_unsent(Why::Expired, &mut ended);
                self.tell(ended);
                self.show(State::Expired);
                Err(Broken("the session has expired".into()))
            }
            Answer::Open { identity, timeout, read_only } => {
                // The handshake was the last packet that was sent.
                self.handshake_took = now.saturating_duration_since(self.last_sent);
                self.last_received = now;
                self.timeout = timeout;
                self.connections += 1;
                let info = SessionInfo { id: identity.id, timeout, server, connection: self.connections };
                // A read-only server cannot open a session for the ensemble: its sessions are not resumed elsewhere.
                if !read_only {
                    self.identity = identity;
                }
                self.phase = Phase::Open { until: read_only.then(|| now + READ_ONLY_MAX) };
                for auth in self.auths.clone() {
                    self.put(&Request::auth(&auth), xid::AUTH, now);
                    self.auths_sent.push_back((auth, None));
                }
                for request in Request::set_watches(&self.watches, self.last_zxid) {
                    self.put(&request, xid::SET_WATCHES, now);
                }
                // The first ping goes out at once, so that a server that answers slowly and steadily is never silent for
                // longer than the pause between pings.
                self.put(&Request::ping(), xid::PING, now);
                self.show(if read_only { State::ReadOnly(info) } else { State::Connected(info) });
                if self.connections > 1 {
                    for (path, _, watchers) in self.watches.iter() {
                        let event = WatchEvent { kind: EventKind::Missed, path: path.clone() };
                        self.events.push_back(Event::Changed(watchers.to_vec(), event));
                    }
                }
                self.send(now);
                Ok(())
            }
        }
    }

    fn packet(&mut self, packet: &Bytes) -> Result<(), Broken> {
        let mut reader = Reader::new("ReplyHeader", packet);
        let (xid, zxid, error) = read_head(&mut reader)?;
        if zxid > 0 {
            self.last_zxid = self.last_zxid.max(zxid);
        }
        match xid {
            xid::WATCH_EVENT => self.changed(reader.rest()),
            xid::PING => Ok(()),
            xid::AUTH => self.authenticated(error),
            xid::SET_WATCHES if error == 0 => Ok(()),
            xid::SET_WATCHES => Err(Broken(format!("it did not set the watches again: {}", Error::of_code(error)))),
            _ if error == 0 => self.answer(xid, Ok(packet.slice(HEAD_BYTES..))),
            _ => self.answer(xid, Err(Error::of_code(error))),
        }
    }

    fn answer(&mut self, xid: i32, result: Result<Bytes, Error>) -> Result<(), Broken> {
        if matches!(self.phase, Phase::Closing { .. }) && xid == self.last_xid {
            self.end();
            return Ok(());
        }
        let waiter = self.operations.answered(xid).map_err(Broken)?;
        self.events.extend(waiter.map(|waiter| Event::Ended(waiter, result)));
        Ok(())
    }

    fn changed(&mut self, body: &[u8]) -> Result<(), Broken> {
        let mut reader = Reader::new("WatcherEvent", body);
        let (code, _state, path) = (reader.i32()?, reader.i32()?, reader.string()?);
        let Some(kind) = EventKind::of_code(code) else { return Ok(()) };
        let concerned = self.watches.concerned(path, kind);
        if !concerned.is_empty() {
            self.events.push_back(Event::Changed(concerned, WatchEvent { kind, path: path.into() }));
        }
        Ok(())
    }

    fn authenticated(&mut self, error: i32) -> Result<(), Broken> {
        let Some((auth, waiter)) = self.auths_sent.pop_front() else {
            return Err(Broken("an answer to credentials came, and none was due".into()));
        };
        if error != 0 {
            let error = Error::of_code(error);
            let why = format!("{error} (scheme {})", auth.scheme);
            self.events.extend(waiter.map(|waiter| Event::Ended(waiter, Err(error))));
            return Err(Broken(why));
        }
        if let Some(waiter) = waiter {
            self.auths.push(auth);
            self.events.push_back(Event::Ended(waiter, Ok(Bytes::new())));
        }
        Ok(())
    }

    /// Sends what waits, as long as the output has room.
    fn send(&mut self, now: Instant) {
        while self.is_open() && self.output.len() < OUTPUT_BYTES {
            let last = &mut self.last_xid;
            let Some((xid, request)) = self.operations.send_next(|| advance(last)) else { return };
            self.put(&request, xid, now);
        }
    }

    fn put(&mut self, request: &Request, xid: i32, now: Instant) {
        request.put(&mut self.output, xid);
        self.last_sent = now;
    }

    fn next_xid(&mut self) -> i32 {
        advance(&mut self.last_xid)
    }

    /// Ends what was sent on the connection that is gone.
    fn lose(&mut self, why: Why) {
        let mut ended = Vec::new();
        self.operations.lose_sent(why, &mut ended);
        ended.extend(self.auths_sent.drain(..).filter_map(|(_, waiter)| Some((waiter?, Error::Lost(why)))));
        self.tell(ended);
    }

    fn end(&mut self) {
        let mut ended = Vec::new();
        self.operations.drop_unsent(Why::Closed, &mut ended);
        self.tell(ended);
        self.lose(Why::Closed);
        self.phase = Phase::Closed;
        self.show(State::Closed);
    }

    fn tell(&mut self, ended: Vec<(T, Error)>) {
        self.events.extend(ended.into_iter().map(|(waiter, error)| Event::Ended(waiter, Err(error))));
    }

    fn show(&mut self, state: State) {
        self.events.push_back(Event::State(state));
    }

    /// A ping of 12 bytes goes out when nothing else was sent for a sixth of the session timeout.
    fn ping_interval(&self) -> Duration {
        self.timeout / 6
    }

    /// A server whose last byte came a third of the session timeout ago is gone.
    ///
    /// For a session timeout of T: the client sends something each T/6, and the server answers everything. So the bytes of a
    /// server that answers within T/6 are at most T/6 + T/6 = T/3 apart. A server that falls silent, whenever that is, has
    /// sent its last byte before, so the client leaves it within T/3, and two thirds are left to find another server.
    ///
    /// A server that took longer than T/6 for the handshake would be left again and again, by every client. It may be silent
    /// for its handshake plus T/6, and at most for 2T/3. Pings do not wait for each other's answers, so once the first answer
    /// has come, the next ones follow each T/6, however slow they are.
    fn silence_max(&self) -> Duration {
        (self.handshake_took + self.ping_interval()).clamp(self.timeout / 3, self.timeout * 2 / 3)
    }
}

impl From<Malformed> for Broken {
    fn from(malformed: Malformed) -> Broken {
        Broken(malformed.to_string())
    }
}

/// Reads the head of a reply: its number, the last transaction, the error.
fn read_head(reader: &mut Reader<'_>) -> Result<(i32, i64, i32), Malformed> {
    Ok((reader.i32()?, reader.i64()?, reader.i32()?))
}

/// The next number of a request. Numbers are positive; negative ones have meanings of their own.
fn advance(last: &mut i32) -> i32 {
    *last = last.checked_add(1).unwrap_or(1);
    *last
}

/// Requests wait in their queue once this many bytes wait for the connection.
const OUTPUT_BYTES: usize = 256 << 10;
/// The maximum number of credentials of a client.
const AUTHS_MAX: usize = 64;
/// How long a read-only server may serve before the client looks for one that takes writes.
const READ_ONLY_MAX: Duration = Duration::from_secs(60);
/// How long the server may take to confirm the end of a session.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
