//! The server's half of a connection: detects the protocol and delegates to the session of that protocol.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::task::{self, Waker};
use std::time::{Duration, Instant};

use bytes::BytesMut;

use super::http1::Http1;
use super::http2::Http2;
use super::memory::ConnectionMemory;
use super::multiplexed::Multiplexed;
use super::one_shot::OneShot;
use super::shared::Shared;
use crate::context::Peer;
use crate::net::Place;
use crate::net::connection::{Close, MayRead, Session, Turn};
use crate::protocol::{Sniffed, TLS_REFUSAL, sniff};
use crate::service::BoxFuture;

/// The server's half of a connection.
pub(crate) struct Transport {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    protocol: DetectedProtocol,
    /// Whether the beginning of the protocol has not arrived.
    is_new: bool,
    memory: ConnectionMemory,
    read_deadline: ReadDeadline,
    /// Whether the connection came in plain text to a TLS address.
    turned_away: bool,
    /// Set while the server drains and nothing that can be answered has arrived: when the connection closes.
    last_chance: Option<Instant>,
    /// Resolves once the server drains; `None` afterwards.
    drained: Option<BoxFuture<()>>,
    /// The waker that `drained` wakes.
    waker: Option<Waker>,
    /// The loop that accepted the connection, if another loop may go on with it.
    place: Option<Place>,
}

enum DetectedProtocol {
    /// Not known yet: only the beginning of a protocol has arrived.
    Unknown,
    /// The native protocol: many calls at the same time.
    Multiplexed(Box<Multiplexed>),
    /// HTTP/1.1: one request after the other.
    Http1(Box<Http1>),
    /// HTTP/2: many calls at the same time.
    Http2(Box<Http2>),
    /// The classic protocol: one call, then the close.
    OneShot(Box<OneShot>),
}

/// How long a connection without a request stays when the server stops.
const LAST_CHANCE: Duration = Duration::from_millis(100);

/// Bytes of an incomplete frame that give its sender another `read_timeout`.
const PROGRESS_BYTES: usize = 64 << 10;

/// The deadline for the rest of a frame, or for the first byte.
struct ReadDeadline {
    /// Since when the connection waits, and how it closes at the deadline. `None` if nothing is due from the peer.
    owed: Option<(Instant, Close)>,
    /// Bytes of the frame that arrived since then.
    received: usize,
    /// Bytes left over from the previous turn; the next turn sees them again, with its own.
    left: usize,
}

impl Transport {
    /// Creates the transport of a connection that begins at `now`.
    pub(crate) fn new(shared: Arc<Shared>, peer: Arc<Peer>, now: Instant) -> Transport {
        let read_deadline = ReadDeadline { owed: Some((now, Close::FirstByteTimeout)), received: 0, left: 0 };
        let drained = shared.clone();
        let drained: BoxFuture<()> = Box::pin(async move { drained.drained().await });
        Transport {
            memory: ConnectionMemory::new(&shared.memory),
            shared,
            peer,
            protocol: DetectedProtocol::Unknown,
            is_new: true,
            read_deadline,
            turned_away: false,
            last_chance: None,
            drained: Some(drained),
            waker: None,
            place: None,
        }
    }

    /// Marks the connection as served on the loop that accepted it: a multiplexed connection may move to another loop.
    pub(super) fn at(self, place: Place) -> Transport {
        Transport { place: Some(place), ..self }
    }

    /// Creates the transport of a peer that came in plain text to a TLS address. The peer gets no call through, but is told
    /// why.
    pub(super) fn of_plain_text(shared: Arc<Shared>, peer: Arc<Peer>, now: Instant) -> Transport {
        Transport { turned_away: true, ..Transport::new(shared, peer, now) }
    }

    /// The number of parked calls, and the unread bytes of their request streams.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn held(&self) -> (usize, u64) {
        match &self.protocol {
            DetectedProtocol::Multiplexed(session) => session.held(),
            DetectedProtocol::Http1(session) => session.held(),
            DetectedProtocol::Http2(session) => session.held(),
            DetectedProtocol::OneShot(session) => (usize::from(session.is_answering()), 0),
            DetectedProtocol::Unknown => (0, 0),
        }
    }

    /// Whether the server has begun to drain; true only once. Otherwise the drain wakes the connection.
    fn has_drained(&mut self, cx: &mut task::Context<'_>) -> bool {
        let Some(drained) = &mut self.drained else { return false };
        let will_be_told = self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker()));
        if will_be_told && !self.shared.is_draining() {
            return false;
        }
        if drained.as_mut().poll(cx).is_pending() {
            self.waker = Some(cx.waker().clone());
            return false;
        }
        self.drained = None;
        true
    }

    /// Pauses, as there is no room for the frame that has begun; no buffer is made for it. A classic connection that sheds
    /// closes instead, as the caller cannot be told why.
    fn wait_for_memory(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        (turn.paused, turn.missing) = (true, 0);
        let memory = self.memory.account();
        if matches!(self.protocol, DetectedProtocol::OneShot(_)) && memory.is_shedding() {
            self.shared.reject_because(&self.peer, "a request without memory for it", memory.refusal().message());
            return ControlFlow::Break(Close::Protocol);
        }
        ControlFlow::Continue(())
    }

    /// Asks the caller to leave, as the server stops. A connection of which no request has arrived stays for a moment: the
    /// request may be on its way, and nothing tells its caller that the request did not run.
    #[cold]
    fn go_away(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let grace = self.shared.limits.drain_timeout;
        let why = || format!("the server is stopping; what is in flight has drain_timeout {grace:?}");
        match &mut self.protocol {
            DetectedProtocol::Multiplexed(session) => session.go_away(turn, why()),
            DetectedProtocol::Http1(session) => session.go_away(turn.now)?,
            DetectedProtocol::Http2(session) => session.go_away(turn, why()),
            DetectedProtocol::OneShot(session) if session.is_answering() => {}
            DetectedProtocol::Unknown | DetectedProtocol::OneShot(_) => {
                let until = *self.last_chance.get_or_insert(turn.now + LAST_CHANCE.min(grace));
                if until <= turn.now {
                    return ControlFlow::Break(Close::Done);
                }
                return ControlFlow::Continue(());
            }
        }
        self.last_chance = None;
        // The time at which the connection ends has changed.
        self.poll_session(turn)
    }

    #[inline]
    fn poll_session(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        match &mut self.protocol {
            DetectedProtocol::Unknown => ControlFlow::Continue(()),
            DetectedProtocol::Multiplexed(session) => session.poll(turn),
            DetectedProtocol::Http1(session) => session.poll(turn),
            DetectedProtocol::Http2(session) => session.poll(turn),
            DetectedProtocol::OneShot(session) => session.poll(turn),
        }
    }

    /// Detects the protocol. Returns whether requests may be taken.
    ///
    /// Without memory, the server greets the caller and takes no request yet. So the caller learns within its
    /// `connect_timeout` that the server is alive.
    #[cold]
    fn begin(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close, bool> {
        if let DetectedProtocol::Unknown = self.protocol {
            self.sniff(turn, input)?;
        }
        let has_memory = self.memory.may_read();
        let has_begun = match &mut self.protocol {
            DetectedProtocol::Unknown => false,
            DetectedProtocol::Multiplexed(session) => has_memory || session.greet(turn, input)?,
            DetectedProtocol::Http2(session) => has_memory || session.greet(turn, input)?,
            DetectedProtocol::Http1(_) | DetectedProtocol::OneShot(_) => true,
        };
        self.is_new = !has_begun;
        let may_take = has_begun && has_memory;
        if !may_take {
            turn.paused = has_begun;
            self.read_deadline.left = input.len();
        }
        ControlFlow::Continue(may_take)
    }

    fn sniff(&mut self, turn: &mut Turn<'_, '_>, input: &BytesMut) -> ControlFlow<Close> {
        match sniff(input, &self.shared.limits) {
            Sniffed::NeedMore => {}
            sniffed if self.turned_away => {
                self.shared.reject(&self.peer, "plain text where TLS is spoken");
                if sniffed == Sniffed::Http1 {
                    Http1::refuse_plain_text(turn);
                }
                if sniffed != Sniffed::Native {
                    return ControlFlow::Break(Close::Protocol);
                }
                let mut session =
                    Multiplexed::new(self.shared.clone(), self.peer.clone(), self.memory.account().clone(), turn.now);
                session.go_away(turn, "this address speaks TLS, and the call came in plain text");
                self.protocol = DetectedProtocol::Multiplexed(Box::new(session));
            }
            sniffed @ (Sniffed::Native | Sniffed::Http1 | Sniffed::Http2) => {
                if let Some(loop_index) = self.place.as_ref().and_then(Place::elsewhere) {
                    return ControlFlow::Break(Close::Moves(loop_index));
                }
                let (shared, peer, memory) = (self.shared.clone(), self.peer.clone(), self.memory.account().clone());
                self.protocol = match sniffed {
                    Sniffed::Http1 => {
                        turn.probes_peer = true;
                        DetectedProtocol::Http1(Box::new(Http1::new(shared, peer, memory, turn.now)))
                    }
                    Sniffed::Http2 => DetectedProtocol::Http2(Box::new(Http2::new(shared, peer, memory, turn.now))),
                    _ => DetectedProtocol::Multiplexed(Box::new(Multiplexed::new(shared, peer, memory, turn.now))),
                };
            }
            Sniffed::Classic => {
                self.protocol = DetectedProtocol::OneShot(Box::new(OneShot::new(
                    self.shared.clone(),
                    self.peer.clone(),
                    self.memory.account().clone(),
                    turn.now,
                )));
            }
            Sniffed::TlsHello => {
                self.shared.reject(&self.peer, "a TLS hello");
                turn.output.tail().extend_from_slice(&TLS_REFUSAL);
                return ControlFlow::Break(Close::Protocol);
            }
            Sniffed::Unknown(size) => {
                let max = self.shared.limits.classic_header_bytes_max;
                let detail = format!("as a classic header {size} bytes; classic_header_bytes_max {max}");
                self.shared.reject_because(&self.peer, "bytes of no known protocol", &detail);
                return ControlFlow::Break(Close::Protocol);
            }
            Sniffed::Foreign(what) => {
                self.shared.reject(&self.peer, what);
                return ControlFlow::Break(Close::Protocol);
            }
        }
        ControlFlow::Continue(())
    }
}

impl Session for Transport {
    fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close> {
        let length = input.len();
        let came = length - self.read_deadline.left;
        self.memory.lend_buffers();
        if self.is_new && !self.begin(turn, input)? {
            return ControlFlow::Continue(());
        }
        let incomplete = match &mut self.protocol {
            DetectedProtocol::Unknown => true,
            DetectedProtocol::Multiplexed(session) => session.received(turn, input)?,
            DetectedProtocol::Http1(session) => session.received(turn, input)?,
            DetectedProtocol::Http2(session) => session.received(turn, input)?,
            DetectedProtocol::OneShot(session) => session.received(turn, input)?,
        };
        self.read_deadline.saw(turn.now, came, incomplete);
        if !self.memory.admits(input.len() < length, input.len(), turn.missing) {
            self.wait_for_memory(turn)?;
        }
        self.read_deadline.left = input.len();
        ControlFlow::Continue(())
    }

    fn poll_may_read(&mut self, cx: &mut task::Context<'_>, now: Instant) -> MayRead {
        if let DetectedProtocol::Http1(session) = &self.protocol
            && !session.may_read()
        {
            return MayRead::No;
        }
        if self.memory.may_read() {
            return MayRead::Yes;
        }
        if self.is_new {
            return MayRead::Beginning;
        }
        let (may_read, paused) = self.memory.poll_resume(cx, now);
        if !paused.is_zero() {
            self.read_deadline.extend(paused);
            if let DetectedProtocol::Multiplexed(session) = &mut self.protocol {
                session.was_paused(paused);
            }
        }
        if may_read { MayRead::Yes } else { MayRead::No }
    }

    fn left(&mut self, bytes: usize) {
        let of_session = match &self.protocol {
            DetectedProtocol::Multiplexed(session) => session.unread_bytes(),
            DetectedProtocol::Http1(session) => session.held_bytes(),
            DetectedProtocol::Http2(session) => session.held_bytes(),
            DetectedProtocol::Unknown | DetectedProtocol::OneShot(_) => 0,
        };
        self.memory.set_buffers(bytes + of_session);
    }

    fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        // The server does not read from a paused peer, so silence of that peer says nothing.
        turn.relieved |= self.memory.is_paused();
        self.poll_session(turn)?;
        if !self.has_drained(turn.cx) {
            return match self.last_chance {
                Some(_) => self.go_away(turn),
                None => ControlFlow::Continue(()),
            };
        }
        self.go_away(turn)
    }

    fn waits_until(&self) -> Option<(Instant, Close)> {
        let last_chance = self.last_chance.map(|until| (until, Close::Done));
        if self.memory.is_paused() {
            return last_chance;
        }
        let limits = &self.shared.limits;
        let owed = self.read_deadline.owed.and_then(|(since, close)| {
            let is_first = close == Close::FirstByteTimeout;
            let timeout = if is_first { limits.first_byte_timeout } else { limits.read_timeout };
            Some((since.checked_add(timeout)?, close))
        });
        [last_chance, owed].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    fn peer_closed(&mut self, input: &BytesMut) -> ControlFlow<Close> {
        match &self.protocol {
            DetectedProtocol::OneShot(session) if session.is_answering() => ControlFlow::Continue(()),
            _ if input.is_empty() => ControlFlow::Break(Close::PeerClosed),
            _ => {
                tracing::debug!(peer = %self.peer.address, bytes = input.len(), "closed in the middle of a frame");
                ControlFlow::Break(Close::PeerClosed)
            }
        }
    }
}

impl ReadDeadline {
    /// Extends the deadline by a pause in which the connection was not read from.
    fn extend(&mut self, paused: Duration) {
        if let Some((since, _)) = &mut self.owed {
            *since += paused;
        }
    }

    /// Takes note of `bytes` that arrived, and of whether a frame is now incomplete.
    fn saw(&mut self, now: Instant, bytes: usize, incomplete: bool) {
        if !incomplete {
            self.owed = None;
            return;
        }
        self.received += bytes;
        let waiting = matches!(self.owed, Some((_, Close::ReadTimeout)));
        if !waiting || self.received >= PROGRESS_BYTES {
            self.owed = Some((now, Close::ReadTimeout));
            self.received = 0;
        }
    }
}
