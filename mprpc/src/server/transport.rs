//! Frames to calls on one connection: finds out what the connection speaks, and hands it to the half that speaks it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use bytes::BytesMut;

use super::multiplexed::Multiplexed;
use super::one_shot::OneShot;
use super::shared::Shared;
use crate::context::Peer;
use crate::net::connection::{Close, Session, Turn};
use crate::protocol::{Sniffed, sniff};
use crate::service::BoxFuture;

/// The server's half of a connection.
pub(crate) struct Transport {
    shared: Arc<Shared>,
    peer: Arc<Peer>,
    speaks: Speaks,
    patience: Patience,
    /// Resolves once the server drains; then `None`.
    drained: Option<BoxFuture<()>>,
}

enum Speaks {
    /// Not known yet; nothing but the beginning of a protocol has come.
    Unknown,
    /// Many calls at a time.
    Multiplexed(Box<Multiplexed>),
    /// One call, then the end.
    OneShot(OneShot),
}

/// Bytes of an incomplete frame that buy its sender another `read_timeout`.
const PROGRESS_BYTES: usize = 64 << 10;

/// How long the rest of a frame, or the first byte, is waited for.
struct Patience {
    /// Since when, and for what; `None` where nothing is owed.
    owed: Option<(Instant, Close)>,
    /// Bytes of the frame that came since then.
    received: usize,
    /// Bytes that were left of the turn before, and come again with those of this one.
    left: usize,
}

impl Transport {
    /// A connection that has just begun, at `now`.
    pub(crate) fn new(shared: Arc<Shared>, peer: Arc<Peer>, now: Instant) -> Transport {
        let patience = Patience { owed: Some((now, Close::FirstByteTimeout)), received: 0, left: 0 };
        let drained = shared.clone();
        let drained: BoxFuture<()> = Box::pin(async move { drained.drained().await });
        Transport { shared, peer, speaks: Speaks::Unknown, patience, drained: Some(drained) }
    }

    fn sniff(&mut self, now: Instant, input: &BytesMut) -> ControlFlow<Close> {
        match sniff(input, &self.shared.limits) {
            Sniffed::NeedMore => {}
            Sniffed::Native => {
                let session = Multiplexed::new(self.shared.clone(), self.peer.clone(), now);
                self.speaks = Speaks::Multiplexed(Box::new(session));
            }
            Sniffed::Classic => {
                self.speaks = Speaks::OneShot(OneShot::new(self.shared.clone(), self.peer.clone()));
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
        let came = input.len() - self.patience.left;
        if let Speaks::Unknown = self.speaks {
            self.sniff(turn.now, input)?;
        }
        let incomplete = match &mut self.speaks {
            Speaks::Unknown => {
                self.patience.left = input.len();
                return ControlFlow::Continue(());
            }
            Speaks::Multiplexed(session) => session.received(turn, input)?,
            Speaks::OneShot(session) => session.received(turn, input)?,
        };
        self.patience.saw(turn.now, came, incomplete);
        self.patience.left = input.len();
        ControlFlow::Continue(())
    }

    fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        match &mut self.speaks {
            Speaks::Unknown => {}
            Speaks::Multiplexed(session) => session.poll(turn)?,
            Speaks::OneShot(session) => session.poll(turn)?,
        }
        if self.drained.as_mut().is_none_or(|drained| drained.as_mut().poll(turn.cx).is_pending()) {
            return ControlFlow::Continue(());
        }
        self.drained = None;
        match &mut self.speaks {
            Speaks::Multiplexed(session) => session.drain(turn),
            Speaks::OneShot(session) if session.is_answering() => {}
            Speaks::Unknown | Speaks::OneShot(_) => return ControlFlow::Break(Close::Done),
        }
        ControlFlow::Continue(())
    }

    fn waits_until(&self) -> Option<(Instant, Close)> {
        let (since, close) = self.patience.owed?;
        let limits = &self.shared.limits;
        let timeout = if close == Close::FirstByteTimeout { limits.first_byte_timeout } else { limits.read_timeout };
        Some((since.checked_add(timeout)?, close))
    }

    fn peer_closed(&mut self, input: &BytesMut) -> ControlFlow<Close> {
        match &self.speaks {
            Speaks::OneShot(session) if session.is_answering() => ControlFlow::Continue(()),
            _ if input.is_empty() => ControlFlow::Break(Close::PeerClosed),
            _ => {
                tracing::debug!(peer = %self.peer.address, bytes = input.len(), "closed in the middle of a frame");
                ControlFlow::Break(Close::PeerClosed)
            }
        }
    }
}

impl Patience {
    /// Bytes came, and a frame is incomplete now, or none is.
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
