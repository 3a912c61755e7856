//! `Pump`: sends the request stream of one call as fast as the caller produces messages and the server reads them.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{self, Poll, Waker};

use bytes::Bytes;
use futures_util::{Stream, StreamExt};

use super::Shared;
use super::in_flight::{InFlight, State};
use crate::codec::Compression;
use crate::protocol::Message;
use crate::status::{Code, Phase, Ran, Status};
use crate::streaming::Streaming;

/// A task that runs beside its call. It ends with the stream or with the call.
pub(super) struct Pump {
    shared: Arc<Shared>,
    key: usize,
    serial: u64,
    requests: Streaming<Bytes>,
    /// The next message, which waits for room.
    held: Option<Held>,
    compression: Option<Compression>,
    /// The sent messages, until the server has read one. Until then the server may refuse the call, and the caller
    /// may retry it elsewhere. Holds at most one flow-control window, or one message.
    sent: Option<Vec<Bytes>>,
    /// The flow-control cost of all sent messages, while the server has read none.
    sent_cost: u64,
    /// The value of `State::crowds` when the pump last waited for room in the send buffer.
    crowd: Option<u64>,
}

/// A request stream over HTTP/2 is not sent again if it was longer than this.
const REPEATED_BYTES_MAX: u64 = 64 << 10;

/// A message in the caller's form and in its encoded form.
struct Held {
    made: Bytes,
    encoded: Message,
}

impl Pump {
    pub(super) fn new(
        shared: Arc<Shared>,
        key: usize,
        serial: u64,
        requests: Streaming<Bytes>,
        compression: Option<Compression>,
    ) -> Pump {
        Pump {
            shared,
            key,
            serial,
            requests,
            held: None,
            compression,
            sent: Some(Vec::new()),
            sent_cost: 0,
            crowd: None,
        }
    }

    /// Sends the stream. Returns the whole request stream if it can be sent again.
    pub(super) async fn run(mut self) -> Option<Streaming<Bytes>> {
        let sent_well = poll_fn(|cx| self.poll(cx)).await;
        // Only the end of the call tells whether the server refused it.
        poll_fn(|cx| if self.is_over(cx) { Poll::Ready(()) } else { Poll::Pending }).await;
        let again = self.sent.filter(|_| sent_well)?.into_iter().chain(self.held.map(|held| held.made)).map(Ok);
        Some(Streaming::new(futures_util::stream::iter(again).chain(self.requests)))
    }

    /// Whether the call has ended or can no longer be refused. Registers the waker for the end of the call.
    fn is_over(&mut self, cx: &mut task::Context<'_>) -> bool {
        let mut state = self.shared.lock();
        let call = self.call(&mut state).map(|call| call.streams().pump = Some(cx.waker().clone()));
        call.is_none() || self.sent.is_none()
    }

    /// Sends messages until the stream or the call ends. Returns whether the stream did not fail.
    fn poll(&mut self, cx: &mut task::Context<'_>) -> Poll<bool> {
        loop {
            match self.send_held(cx) {
                Sent::Done => {}
                Sent::NoRoom => return Poll::Pending,
                Sent::Over => return Poll::Ready(true),
            }
            match std::task::ready!(Pin::new(&mut self.requests).poll_next(cx)) {
                Some(Ok(message)) => {
                    if !self.is_within_limit(&message) {
                        return Poll::Ready(false);
                    }
                    let encoded = self.shared.encode(message.clone(), self.compression);
                    self.held = Some(Held { made: message, encoded });
                }
                Some(Err(status)) => {
                    self.fail(status.with_phase(Phase::Send).with_ran(Ran::Maybe));
                    return Poll::Ready(false);
                }
                None => {
                    let mut state = self.shared.lock();
                    if self.call(&mut state).is_some() {
                        state.data(self.key, None);
                        state.wake_driver();
                    }
                    return Poll::Ready(true);
                }
            }
        }
    }

    /// Sends the held message, if there is one and room for it. Registers the waker for new room and for the end of
    /// the call.
    fn send_held(&mut self, cx: &mut task::Context<'_>) -> Sent {
        let mut state = self.shared.lock();
        let state = &mut *state;
        let Some(call) = self.call(state) else {
            return Sent::Over;
        };
        call.streams().pump = Some(cx.waker().clone());
        let Some(held) = &self.held else {
            return Sent::Done;
        };
        let cost = held.encoded.cost();
        let call = state.calls[self.key].streams();
        if let Some(http2) = &state.http2 {
            if !http2.has_room(state.calls[self.key].stream) {
                return Sent::NoRoom;
            }
        } else if !state.sent.admits(call.sent, cost, state.peer.windows()) {
            call.waiting = cost;
            // Each call is queued only once, even if its pump is woken several times.
            if !std::mem::replace(&mut call.is_stalled, true) {
                state.stalled.push_back((self.key, self.serial));
            }
            return Sent::NoRoom;
        }
        if state.output.len() > self.shared.limits.send_buffer_bytes_max {
            if self.crowd.replace(state.crowds) != Some(state.crowds) {
                state.crowded.push(cx.waker().clone());
            }
            return Sent::NoRoom;
        }
        let call = state.calls[self.key].streams();
        call.waiting = 0;
        // HTTP/2 does not say whether the server has read a message.
        let was_read = match state.http2.is_some() {
            true => self.sent_cost > REPEATED_BYTES_MAX,
            false => call.sent < self.sent_cost,
        };
        self.sent_cost = if state.http2.is_some() { self.sent_cost + cost } else { call.sent + cost };
        match &mut self.sent {
            Some(_) if was_read => self.sent = None,
            Some(sent) => sent.push(held.made.clone()),
            None => {}
        }
        if state.http2.is_none() {
            state.sent.sent(&mut call.sent, cost);
        }
        state.data(self.key, self.held.take().map(|held| held.encoded));
        state.wake_driver();
        Sent::Done
    }

    /// Whether a message is within the size limit. If it is not, the call fails.
    fn is_within_limit(&self, message: &Bytes) -> bool {
        let size = message.len();
        let max = self.shared.limits.message_bytes_max.min(self.shared.lock().peer.message_bytes_max as usize);
        if size > max {
            let message = format!("a message of {size} bytes is beyond message_bytes_max {max}");
            self.fail(self.shared.failed(Code::ResourceExhausted, message, Phase::Send, Ran::Maybe));
        }
        size <= max
    }

    /// Fails the call because its request stream failed.
    fn fail(&self, status: Status) {
        let mut wakers = Vec::new();
        let mut state = self.shared.lock();
        if self.call(&mut state).is_some() {
            state.give_up(self.key, status, &mut wakers);
            state.wake_driver();
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Returns the call while a caller still waits for it.
    fn call<'a>(&self, state: &'a mut State) -> Option<&'a mut InFlight> {
        state.calls.get_mut(self.key).filter(|call| call.serial == self.serial && call.is_awaited())
    }
}

/// The result of sending the held message.
enum Sent {
    /// No message is held any more.
    Done,
    NoRoom,
    /// The call has ended.
    Over,
}
