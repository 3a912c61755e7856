//! A connection that is looked at after each step, for tests and fuzzing.

use std::ops::ControlFlow;
use std::task;
use std::time::Instant;

use bytes::BytesMut;

use super::Transport;
use crate::limits::Limits;
use crate::net::connection::{Close, MayRead, Session, Turn};

/// The server's session of a connection. `look` runs after each step.
pub(crate) struct Watched<F> {
    pub(crate) transport: Transport,
    pub(crate) look: F,
}

impl<F: FnMut(&Transport, &Turn<'_, '_>)> Session for Watched<F> {
    fn received(&mut self, turn: &mut Turn<'_, '_>, input: &mut BytesMut) -> ControlFlow<Close> {
        let received = self.transport.received(turn, input);
        (self.look)(&self.transport, turn);
        received
    }

    fn poll(&mut self, turn: &mut Turn<'_, '_>) -> ControlFlow<Close> {
        let polled = self.transport.poll(turn);
        (self.look)(&self.transport, turn);
        polled
    }

    fn poll_may_read(&mut self, cx: &mut task::Context<'_>, now: Instant) -> MayRead {
        self.transport.poll_may_read(cx, now)
    }

    fn left(&mut self, bytes: usize) {
        self.transport.left(bytes);
    }

    fn waits_until(&self) -> Option<(Instant, Close)> {
        self.transport.waits_until()
    }

    fn peer_closed(&mut self, input: &BytesMut) -> ControlFlow<Close> {
        self.transport.peer_closed(input)
    }
}

/// Checks that a connection with these limits holds no more than streams with their own windows may hold, as over HTTP/2.
pub(crate) fn holds_no_more_than(limits: &Limits, transport: &Transport, turn: &Turn<'_, '_>) {
    let (calls, bytes) = transport.held();
    assert!(calls <= limits.in_flight_max, "{calls} calls are parked");
    let bytes_max = limits.in_flight_max * (limits.stream_window_bytes + limits.message_bytes_max + 5000);
    assert!(bytes <= bytes_max as u64, "{bytes} bytes are not read");
    assert!(turn.output.len() <= OUTPUT_BYTES_MAX, "{} bytes wait", turn.output.len());
}

/// The send buffer, and what waits for the windows of HTTP/2, which may be a MiB.
const OUTPUT_BYTES_MAX: usize = 2 << 20;
