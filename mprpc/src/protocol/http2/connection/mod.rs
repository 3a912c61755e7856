//! One side of an HTTP/2 connection: the states of streams, and the windows. `receive` takes frames, `send` writes them.

mod receive;
mod send;

use std::collections::VecDeque;
use std::mem;

use bytes::{Bytes, BytesMut};

use super::Output;
use super::closed_streams::ClosedStreams;
use super::flood::FloodGuard;
use super::frame::{INITIAL_WINDOW, STREAM_MASK};
use super::hpack::{Decoder, Encoder};
use super::settings::{OwnSettings, PeerSettings};
use super::stream::Stream;
use super::streams::Streams;

/// One side of an HTTP/2 connection. `T` is what its user keeps for a stream.
///
/// [`Connection::next`] takes received bytes and returns events. The other methods send. The user creates the connection
/// after the client's preface.
pub(crate) struct Connection<T> {
    is_server: bool,
    own: OwnSettings,
    peer: PeerSettings,
    decoder: Decoder,
    encoder: Encoder,
    pub(super) streams: Streams<T>,
    /// The highest stream that the peer has opened.
    last_peer_stream: u32,
    /// The next stream that this side opens.
    pub(super) next_stream: u32,
    send_window: i64,
    pub(super) receive_window: i64,
    /// Bytes to grant on the connection's window that were not announced yet.
    owed: u32,
    /// A header block that is not complete.
    block: Option<Block>,
    closed: ClosedStreams,
    /// Streams that wait for the window of the connection or for room in the send buffer, first come, first served. A stream
    /// that waits for its own window is not among them.
    pub(super) blocked: VecDeque<u32>,
    /// Entries of `blocked` whose streams are gone.
    blocked_gone: usize,
    /// Bytes of all streams that wait for room in the windows.
    pending_bytes: usize,
    /// The streams of which something that had to wait was sent.
    relieved: Vec<u32>,
    /// Complete frames that were cut out of the input together.
    complete: Bytes,
    has_settings: bool,
    leaving: Leaving,
    control: FloodGuard,
    resets: FloodGuard,
}

/// What has arrived.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// The next frame is incomplete. At least this many bytes are missing.
    NeedMore(usize),
    /// The head of a request or of a response. Its fields were given to the sink, unless the list was too long.
    Head { id: u32, is_end: bool, is_too_long: bool },
    /// The trailers, which end the stream. Their fields were given to the sink, unless the list was too long.
    Trailers { id: u32, is_too_long: bool },
    /// A part of the body.
    Data { id: u32, bytes: Bytes, is_end: bool },
    /// The stream is closed, by a RST_STREAM of the peer, or by an error that this side has found and told the peer.
    Reset { id: u32, code: u32, by_peer: bool },
    /// The peer takes no streams beyond `last`.
    GoAway { last: u32, code: u32, text: Bytes },
    /// The peer has answered a PING.
    Pong,
}

/// A header block that continues in CONTINUATION frames.
struct Block {
    stream: u32,
    is_end: bool,
    bytes: BytesMut,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    No,
    /// The peer was told that this side will leave. Its answer to the PING says that it knows.
    Announced,
    /// Streams beyond this one are ignored.
    After(u32),
}

/// The payload of the PING whose answer shows that the peer has read the announcement to leave.
const LEAVING_PING: [u8; 8] = *b"leaving\0";
/// The payload of a keepalive PING.
const KEEPALIVE_PING: [u8; 8] = *b"mprpc\0\0\0";

/// Frames that make work and carry no call: a burst of so many, and as many again in ten seconds.
const CONTROL_FRAMES_MAX: u32 = 10_000;

/// The peer may answer a DATA frame with an update of both windows, however short the frame is.
const UPDATES_PER_DATA: u32 = 2;

impl<T: Default> Connection<T> {
    /// Creates one side of a connection, and sends its settings. `resets_max` bounds the streams that the peer opens and
    /// resets, or that it spoils: a burst of so many, and as many again in ten seconds.
    pub(crate) fn new(is_server: bool, own: OwnSettings, resets_max: u32, out: &mut impl Output) -> Connection<T> {
        own.encode(out.tail(), is_server);
        Connection {
            is_server,
            peer: PeerSettings::default(),
            decoder: Decoder::new(own.header_table_bytes as usize, own.header_list_bytes_max as usize),
            encoder: Encoder::new(),
            streams: Streams::default(),
            last_peer_stream: 0,
            next_stream: if is_server { 2 } else { 1 },
            send_window: INITIAL_WINDOW.into(),
            receive_window: own.connection_window.max(INITIAL_WINDOW).into(),
            owed: 0,
            block: None,
            closed: ClosedStreams::default(),
            blocked: VecDeque::new(),
            blocked_gone: 0,
            pending_bytes: 0,
            relieved: Vec::new(),
            complete: Bytes::new(),
            has_settings: false,
            leaving: Leaving::No,
            control: FloodGuard::new(CONTROL_FRAMES_MAX),
            resets: FloodGuard::new(resets_max),
            own,
        }
    }

    /// What the user keeps for a stream that is open.
    #[inline]
    pub(crate) fn stream(&mut self, id: u32) -> Option<&mut T> {
        self.streams.get_mut(id).map(|stream| &mut stream.user)
    }

    /// The open streams.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// The ids of the open streams.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.streams.ids().collect()
    }

    /// Bytes that wait for room in the peer's windows, and bytes that have arrived and are not taken.
    pub(crate) fn held_bytes(&self) -> usize {
        self.pending_bytes + self.complete.len() + self.block.as_ref().map_or(0, |block| block.bytes.len())
    }

    /// Bytes of this stream that wait for room in the peer's windows.
    #[inline]
    pub(crate) fn pending_bytes(&self, id: u32) -> usize {
        if self.pending_bytes == 0 { 0 } else { self.streams.get(id).map_or(0, Stream::pending_bytes) }
    }

    /// Bytes of all streams that wait for room in the peer's windows.
    pub(crate) fn all_pending_bytes(&self) -> usize {
        self.pending_bytes
    }

    /// Returns the streams of which something that had to wait was sent since the last call.
    pub(crate) fn take_relieved(&mut self) -> Vec<u32> {
        mem::take(&mut self.relieved)
    }

    /// Whether the window of this stream has no room. A stream whose window has room waits for the connection.
    pub(crate) fn is_window_closed(&self, id: u32) -> bool {
        self.streams.get(id).is_some_and(|stream| stream.send_window <= 0)
    }

    /// Whether a frame or a header block is incomplete.
    pub(crate) fn is_inside_a_frame(&self, input: &BytesMut) -> bool {
        self.block.is_some() || !input.is_empty()
    }

    /// Copies the frames that are not taken out of the shared buffer, because they may stay for a while.
    pub(crate) fn compact(&mut self) {
        self.complete = Bytes::copy_from_slice(&self.complete);
    }

    /// What the peer accepts.
    pub(crate) fn peer(&self) -> &PeerSettings {
        &self.peer
    }

    /// Whether the peer has sent its settings.
    pub(crate) fn has_settings(&self) -> bool {
        self.has_settings
    }

    /// Whether this side has opened all the streams that a connection can have.
    pub(crate) fn is_used_up(&self) -> bool {
        self.next_stream > STREAM_MASK
    }

    /// How many more streams this side may open.
    pub(crate) fn streams_left(&self) -> u32 {
        // One stream before the settings of the peer are known: a peer with a low limit may punish more.
        let streams_max = if self.has_settings { self.peer.streams_max } else { 1 };
        let left = streams_max.saturating_sub(self.streams.len() as u32);
        if self.next_stream > STREAM_MASK { 0 } else { left }
    }
}
