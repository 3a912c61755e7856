//! One stream of an HTTP/2 connection: its state, its windows, and what waits to be sent.

use std::collections::VecDeque;
use std::mem;

use bytes::Bytes;

/// One stream. `T` is what the user of the connection keeps for it.
pub(super) struct Stream<T> {
    pub(super) user: T,
    /// Bytes that this side may send; negative after the peer lowered its initial window.
    pub(super) send_window: i64,
    /// Bytes that the peer may send.
    pub(super) receive_window: i64,
    /// Bytes to grant the peer that were not announced yet.
    pub(super) owed: u32,
    /// The peer has ended its direction.
    pub(super) is_remote_ended: bool,
    /// This side has sent its end, or has it in `pending`.
    pub(super) is_local_ended: bool,
    /// The final head of the response has arrived, at a client.
    pub(super) has_head: bool,
    pub(super) pending: Option<Box<Pending>>,
}

/// What the windows have no room for.
#[derive(Default)]
pub(super) struct Pending {
    pub(super) pieces: VecDeque<Bytes>,
    pub(super) bytes: usize,
    pub(super) end: Option<End>,
    /// Whether the stream is in the connection's queue of blocked streams.
    pub(super) is_queued: bool,
}

/// How this side ends a stream.
pub(super) enum End {
    /// END_STREAM on the last DATA frame.
    Data,
    /// Trailers, as name and value.
    Trailers(Vec<(Bytes, Bytes)>),
}

impl<T> Stream<T> {
    #[inline]
    pub(super) fn new(user: T, send_window: i64, receive_window: i64) -> Stream<T> {
        Stream {
            user,
            send_window,
            receive_window,
            owed: 0,
            is_remote_ended: false,
            is_local_ended: false,
            has_head: false,
            pending: None,
        }
    }

    /// Notes that the stream enters the queue of blocked streams. Returns false if nothing waits, or if it is there already.
    pub(super) fn enters_queue(&mut self) -> bool {
        self.pending.as_mut().is_some_and(|pending| !mem::replace(&mut pending.is_queued, true))
    }

    pub(super) fn pending_bytes(&self) -> usize {
        self.pending.as_ref().map_or(0, |pending| pending.bytes)
    }
}
