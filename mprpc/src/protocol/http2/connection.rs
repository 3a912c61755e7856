//! One side of an HTTP/2 connection: takes frames, keeps the states of streams and the windows, and writes frames.

use std::collections::VecDeque;
use std::mem;
use std::time::Instant;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::flood::FloodGuard;
use super::frame::{
    ErrorCode, FrameHeader, HEADER_BYTES, INITIAL_WINDOW, STREAM_MASK, WINDOW_MAX, encode_frame, flag, kind, unpadded,
};
use super::hpack::{Decoded, Decoder, Encoder, Field};
use super::settings::{OwnSettings, PeerSettings, encode_ack};
use super::stream::{End, Stream};
use super::{Output, Violation, violation};
use crate::id_map::IdMap;

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
    pub(super) streams: IdMap<Stream<T>>,
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
            streams: IdMap::default(),
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
        self.streams.get_mut(&id).map(|stream| &mut stream.user)
    }

    /// The open streams.
    pub(crate) fn len(&self) -> usize {
        self.streams.len()
    }

    /// The ids of the open streams.
    pub(crate) fn ids(&self) -> Vec<u32> {
        self.streams.keys().copied().collect()
    }

    /// Bytes that wait for room in the peer's windows, and bytes that have arrived and are not taken.
    pub(crate) fn held_bytes(&self) -> usize {
        self.pending_bytes + self.complete.len() + self.block.as_ref().map_or(0, |block| block.bytes.len())
    }

    /// Bytes of this stream that wait for room in the peer's windows.
    #[inline]
    pub(crate) fn pending_bytes(&self, id: u32) -> usize {
        if self.pending_bytes == 0 { 0 } else { self.streams.get(&id).map_or(0, Stream::pending_bytes) }
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
        self.streams.get(&id).is_some_and(|stream| stream.send_window <= 0)
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
        let left = self.peer.streams_max.saturating_sub(self.streams.len() as u32);
        if self.next_stream > STREAM_MASK { 0 } else { left }
    }

    /// Takes frames until one of them is an event for the user. Fields of heads and trailers go to `sink` first.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        input: &mut BytesMut,
        out: &mut impl Output,
        sink: &mut impl FnMut(Field<'_>),
    ) -> Result<Event, Violation> {
        loop {
            if self.complete.is_empty()
                && let Some(missing) = self.cut(input)?
            {
                return Ok(Event::NeedMore(missing));
            }
            let mut complete = mem::take(&mut self.complete);
            let Some(bytes) = complete.first_chunk() else { return Ok(Event::NeedMore(HEADER_BYTES)) };
            let header = FrameHeader::decode(bytes);
            let end = HEADER_BYTES + header.length as usize;
            if header.kind == kind::DATA && self.block.is_none() && self.has_settings {
                let payload = if end == complete.len() {
                    complete.advance(HEADER_BYTES);
                    complete
                } else {
                    let payload = complete.slice(HEADER_BYTES..end);
                    complete.advance(end);
                    self.complete = complete;
                    payload
                };
                if let Some(event) = self.data(now, header, payload, out)? {
                    return Ok(event);
                }
                continue;
            }
            let event = self.frame(now, header, &complete[HEADER_BYTES..end], out, sink);
            complete.advance(end);
            self.complete = complete;
            if let Some(event) = event? {
                return Ok(event);
            }
        }
    }

    /// Cuts out all complete frames. If there is none, returns how many bytes are missing.
    fn cut(&mut self, input: &mut BytesMut) -> Result<Option<usize>, Violation> {
        let mut end = 0;
        let missing = loop {
            let rest = &input[end..];
            let Some(bytes) = rest.first_chunk() else { break HEADER_BYTES - rest.len() };
            let header = FrameHeader::decode(bytes);
            let frame_bytes = HEADER_BYTES + header.length as usize;
            if header.length > self.own.frame_bytes_max {
                if end > 0 {
                    break 0;
                }
                let FrameHeader { length, kind, .. } = header;
                let text = format!("a frame of kind {kind} with {length} bytes, beyond {}", self.own.frame_bytes_max);
                return violation(ErrorCode::FrameSizeError, text);
            }
            if rest.len() < frame_bytes {
                break frame_bytes - rest.len();
            }
            end += frame_bytes;
        };
        if end == 0 {
            return Ok(Some(missing));
        }
        self.complete = input.split_to(end).freeze();
        Ok(None)
    }

    fn frame(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
        sink: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<Event>, Violation> {
        if self.block.is_some() && header.kind != kind::CONTINUATION {
            return violation(
                ErrorCode::ProtocolError,
                format!("a frame of kind {} within a header block", header.kind),
            );
        }
        if !mem::replace(&mut self.has_settings, true) && header.kind != kind::SETTINGS {
            return violation(ErrorCode::ProtocolError, "the first frame is not SETTINGS");
        }
        let is_of_stream = !matches!(header.kind, kind::SETTINGS | kind::PING | kind::GOAWAY);
        if header.kind < kind::WINDOW_UPDATE && is_of_stream != (header.stream != 0) {
            let text = format!("a frame of kind {} on stream {}", header.kind, header.stream);
            return violation(ErrorCode::ProtocolError, text);
        }
        match header.kind {
            kind::HEADERS => self.headers(now, header, payload, out, sink),
            kind::CONTINUATION => self.continuation(now, header, payload, out, sink),
            kind::PRIORITY => self.priority(now, header, payload, out),
            kind::RST_STREAM => self.peer_resets(now, header, payload),
            kind::SETTINGS => self.settings(now, header, payload, out).map(|()| None),
            kind::PUSH_PROMISE => violation(ErrorCode::ProtocolError, "a PUSH_PROMISE, and push is not enabled"),
            kind::PING => self.ping(now, header, payload, out),
            kind::GOAWAY => {
                let Some((last, rest)) = payload.split_first_chunk() else { return size_violation(header) };
                let Some((code, text)) = rest.split_first_chunk() else { return size_violation(header) };
                self.charge(now, "GOAWAY frames")?;
                Ok(Some(Event::GoAway {
                    last: u32::from_be_bytes(*last) & STREAM_MASK,
                    code: u32::from_be_bytes(*code),
                    text: Bytes::copy_from_slice(text),
                }))
            }
            kind::WINDOW_UPDATE => self.window_update(now, header, payload, out),
            _ => self.charge(now, "frames of unknown kinds").map(|()| None),
        }
    }

    /// Charges a frame that makes work and carries no call.
    fn charge(&mut self, now: Instant, what: &str) -> Result<(), Violation> {
        if self.control.take(now) {
            return Ok(());
        }
        violation(ErrorCode::EnhanceYourCalm, format!("too many {what}: more than {CONTROL_FRAMES_MAX} in ten seconds"))
    }

    /// Charges a stream that the peer has reset or spoiled.
    fn charge_reset(&mut self, now: Instant) -> Result<(), Violation> {
        if self.resets.take(now) {
            return Ok(());
        }
        violation(ErrorCode::EnhanceYourCalm, "too many streams were reset: more than http_resets_max in ten seconds")
    }

    /// Resets a stream whose peer made a mistake. Too many of them are a violation.
    pub(crate) fn spoiled(
        &mut self,
        now: Instant,
        id: u32,
        code: ErrorCode,
        out: &mut impl Output,
    ) -> Result<(), Violation> {
        self.charge_reset(now)?;
        self.reset(id, code, out);
        Ok(())
    }

    fn stream_error(
        &mut self,
        now: Instant,
        id: u32,
        code: ErrorCode,
        out: &mut impl Output,
    ) -> Result<Option<Event>, Violation> {
        let was_open = self.streams.contains_key(&id);
        self.spoiled(now, id, code, out)?;
        Ok(was_open.then_some(Event::Reset { id, code: code as u32, by_peer: false }))
    }

    /// Whether the stream was never opened.
    fn is_idle(&self, id: u32) -> bool {
        let is_of_peer = (id % 2 == 1) == self.is_server;
        if is_of_peer { id > self.last_peer_stream } else { id >= self.next_stream }
    }

    fn headers(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
        sink: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<Event>, Violation> {
        let Some(range) = unpadded(header, payload) else {
            return violation(ErrorCode::ProtocolError, "padding longer than its HEADERS frame");
        };
        let mut fragment = &payload[range];
        let mut depends_on_itself = false;
        if header.has(flag::PRIORITY) {
            let Some((priority, rest)) = fragment.split_first_chunk::<5>() else { return size_violation(header) };
            depends_on_itself = dependency(priority) == header.stream;
            fragment = rest;
        }
        if self.is_server
            && (header.stream.is_multiple_of(2)
                || header.stream < self.last_peer_stream && self.is_unknown(header.stream))
        {
            let text = format!("HEADERS on stream {}, the last stream is {}", header.stream, self.last_peer_stream);
            return violation(ErrorCode::ProtocolError, text);
        }
        if !self.is_server && self.is_idle(header.stream) {
            return violation(ErrorCode::ProtocolError, format!("HEADERS on stream {}, which is idle", header.stream));
        }
        if depends_on_itself {
            return violation(ErrorCode::ProtocolError, format!("stream {} depends on itself", header.stream));
        }
        let is_end = header.has(flag::END_STREAM);
        if header.has(flag::END_HEADERS) {
            return self.head(now, header.stream, is_end, fragment, out, sink);
        }
        self.block = Some(Block { stream: header.stream, is_end, bytes: BytesMut::from(fragment) });
        self.check_block(now)?;
        Ok(None)
    }

    /// Whether a stream below the last one is neither open nor known to be closed: then it was never opened.
    fn is_unknown(&self, id: u32) -> bool {
        !self.streams.contains_key(&id) && self.closed.find(id).is_none()
    }

    fn continuation(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
        sink: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<Event>, Violation> {
        let Some(mut block) = self.block.take().filter(|block| block.stream == header.stream) else {
            return violation(ErrorCode::ProtocolError, "a CONTINUATION without its HEADERS");
        };
        block.bytes.extend_from_slice(payload);
        if header.has(flag::END_HEADERS) {
            return self.head(now, block.stream, block.is_end, &block.bytes, out, sink);
        }
        self.block = Some(block);
        self.check_block(now)?;
        Ok(None)
    }

    /// Bounds an incomplete header block in bytes and in frames.
    fn check_block(&mut self, now: Instant) -> Result<(), Violation> {
        let max = self.own.header_list_bytes_max as usize;
        if let Some(block) = &self.block
            && block.bytes.len() > max
        {
            return violation(ErrorCode::EnhanceYourCalm, format!("a header block beyond http_head_bytes_max {max}"));
        }
        self.charge(now, "CONTINUATION frames")
    }

    /// Takes a complete header block.
    fn head(
        &mut self,
        now: Instant,
        id: u32,
        is_end: bool,
        block: &[u8],
        out: &mut impl Output,
        sink: &mut impl FnMut(Field<'_>),
    ) -> Result<Option<Event>, Violation> {
        let is_new = self.is_server && id > self.last_peer_stream;
        let is_ignored = matches!(self.leaving, Leaving::After(last) if is_new && id > last);
        let known = self.streams.get(&id).map(|stream| stream.is_remote_ended);
        let is_refused = is_new && self.streams.len() >= self.own.streams_max as usize;
        // A response may have several heads (1xx); after the last one, and at a server, only trailers may follow.
        let is_misplaced = !is_new && !is_end && (self.is_server || self.has_body(id));
        let is_taken = !is_ignored && !is_refused && !is_misplaced && (is_new || known == Some(false));
        // The block is decoded in any case, as it may change the table.
        let decoded = match is_taken {
            true => self.decoder.decode(block, sink),
            false => self.decoder.decode(block, &mut |_| {}),
        };
        let is_too_long = match decoded {
            Ok(decoded) => decoded == Decoded::TooLong,
            Err(error) => return violation(ErrorCode::CompressionError, error.to_string()),
        };
        if is_new {
            self.last_peer_stream = id;
        }
        if is_ignored {
            self.closed.add(id, ClosedBy::ThisSide);
            return self.charge(now, "streams after GOAWAY").map(|()| None);
        }
        if is_refused {
            self.charge_reset(now)?;
            self.reset(id, ErrorCode::RefusedStream, out);
            return Ok(None);
        }
        if is_new {
            let mut stream = self.new_stream(T::default());
            stream.is_remote_ended = is_end;
            self.streams.insert(id, stream);
            return Ok(Some(Event::Head { id, is_end, is_too_long }));
        }
        match known {
            Some(false) => {}
            Some(true) => return self.stream_error(now, id, ErrorCode::StreamClosed, out),
            None if self.closed.find(id) == Some(ClosedBy::ThisSide) => {
                return self.charge(now, "HEADERS frames on closed streams").map(|()| None);
            }
            None => return violation(ErrorCode::StreamClosed, format!("HEADERS on stream {id}, which is closed")),
        }
        if is_misplaced {
            return self.stream_error(now, id, ErrorCode::ProtocolError, out);
        }
        if !is_end {
            return Ok(Some(Event::Head { id, is_end, is_too_long }));
        }
        self.remote_ended(id);
        Ok(Some(match self.is_server || self.has_body(id) {
            true => Event::Trailers { id, is_too_long },
            false => Event::Head { id, is_end, is_too_long },
        }))
    }

    /// A stream that begins now. A peer that has not read the settings yet keeps to the default window, so a smaller window
    /// counts as the default.
    fn new_stream(&self, user: T) -> Stream<T> {
        let receive_window = self.own.stream_window.max(INITIAL_WINDOW);
        Stream::new(user, self.peer.initial_window.into(), receive_window.into())
    }

    /// Whether the final head of the response has arrived, as its user has noted.
    fn has_body(&self, id: u32) -> bool {
        self.streams.get(&id).is_some_and(|stream| stream.has_head)
    }

    /// Notes that the final head of a response has arrived: what follows are its body and its trailers.
    pub(crate) fn final_head_arrived(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.has_head = true;
        }
    }

    fn remote_ended(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.is_remote_ended = true;
        }
    }

    fn data(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: Bytes,
        out: &mut impl Output,
    ) -> Result<Option<Event>, Violation> {
        let (id, length) = (header.stream, header.length);
        if id == 0 || self.is_idle(id) {
            return violation(ErrorCode::ProtocolError, format!("DATA on stream {id}, which is idle"));
        }
        self.receive_window -= i64::from(length);
        if self.receive_window < 0 {
            return violation(ErrorCode::FlowControlError, "more DATA than the window of the connection allows");
        }
        self.owed += length;
        if self.owed >= self.own.connection_window.max(INITIAL_WINDOW) / 2 {
            self.receive_window += i64::from(self.owed);
            encode_frame(out.tail(), kind::WINDOW_UPDATE, 0, 0, &mem::take(&mut self.owed).to_be_bytes());
        }
        let Some(range) = unpadded(header, &payload) else {
            return violation(ErrorCode::ProtocolError, "padding longer than its DATA frame");
        };
        let is_end = header.has(flag::END_STREAM);
        if range.is_empty() && !is_end {
            self.charge(now, "empty DATA frames")?;
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            if self.closed.find(id) == Some(ClosedBy::ThisSide) {
                // The rest of a long body may cross the reset. Frames that are short as well are a flood.
                let is_short = length < USEFUL_BYTES_MIN;
                return if is_short { self.charge(now, "DATA frames on closed streams") } else { Ok(()) }
                    .map(|()| None);
            }
            self.charge_reset(now)?;
            encode_reset(out, id, ErrorCode::StreamClosed);
            return Ok(None);
        };
        if !range.is_empty() {
            self.control.give_back(1);
        }
        if stream.is_remote_ended {
            return self.stream_error(now, id, ErrorCode::StreamClosed, out);
        }
        stream.receive_window -= i64::from(length);
        if stream.receive_window < 0 {
            return self.stream_error(now, id, ErrorCode::FlowControlError, out);
        }
        stream.is_remote_ended = is_end;
        if range.len() != payload.len() {
            let padding = (payload.len() - range.len()) as u64;
            self.grant(id, padding, out);
            return Ok(Some(Event::Data { id, bytes: payload.slice(range), is_end }));
        }
        Ok(Some(Event::Data { id, bytes: payload, is_end }))
    }

    fn priority(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<Option<Event>, Violation> {
        self.charge(now, "PRIORITY frames")?;
        let Ok(priority) = payload.try_into() else {
            if self.is_idle(header.stream) {
                return size_violation(header);
            }
            return self.stream_error(now, header.stream, ErrorCode::FrameSizeError, out);
        };
        if dependency(priority) == header.stream {
            return violation(ErrorCode::ProtocolError, format!("stream {} depends on itself", header.stream));
        }
        Ok(None)
    }

    fn peer_resets(&mut self, now: Instant, header: FrameHeader, payload: &[u8]) -> Result<Option<Event>, Violation> {
        let Ok(code) = payload.try_into() else { return size_violation(header) };
        let id = header.stream;
        if self.is_idle(id) {
            return violation(ErrorCode::ProtocolError, format!("RST_STREAM on stream {id}, which is idle"));
        }
        if self.remove(id, ClosedBy::Peer).is_none() {
            self.charge(now, "RST_STREAM frames")?;
            return Ok(None);
        }
        if self.is_server {
            self.charge_reset(now)?;
        }
        Ok(Some(Event::Reset { id, code: u32::from_be_bytes(code), by_peer: true }))
    }

    fn settings(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<(), Violation> {
        if header.has(flag::ACK) {
            return if payload.is_empty() { self.charge(now, "SETTINGS frames") } else { size_violation(header) };
        }
        self.charge(now, "SETTINGS frames")?;
        let before = self.peer.initial_window;
        self.peer.merge(payload, self.is_server)?;
        self.encoder.set_table_bytes_max(self.peer.header_table_bytes as usize);
        let change = i64::from(self.peer.initial_window) - i64::from(before);
        if change != 0 {
            for _ in 0..self.streams.len() / STREAMS_PER_CHARGE {
                self.charge(now, "SETTINGS frames")?;
            }
            for (id, stream) in &mut self.streams {
                stream.send_window += change;
                if stream.send_window > 0 && stream.enters_queue() {
                    self.blocked.push_back(*id);
                }
                if stream.send_window > WINDOW_MAX {
                    return violation(
                        ErrorCode::FlowControlError,
                        "INITIAL_WINDOW_SIZE brings a window beyond 2^31 - 1",
                    );
                }
            }
        }
        encode_ack(out.tail());
        self.flush(out);
        Ok(())
    }

    fn ping(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<Option<Event>, Violation> {
        let Ok::<[u8; 8], _>(data) = payload.try_into() else { return size_violation(header) };
        self.charge(now, "PING frames")?;
        if !header.has(flag::ACK) {
            encode_frame(out.tail(), kind::PING, flag::ACK, 0, &data);
            return Ok(None);
        }
        if data == LEAVING_PING && self.leaving == Leaving::Announced {
            self.go_away(out, ErrorCode::NoError, "");
        }
        Ok(Some(Event::Pong))
    }

    fn window_update(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
    ) -> Result<Option<Event>, Violation> {
        let Ok(increment) = payload.try_into() else { return size_violation(header) };
        let increment = i64::from(u32::from_be_bytes(increment) & STREAM_MASK);
        let id = header.stream;
        // The largest window bounds the number of larger increments.
        if increment < USEFUL_BYTES_MIN.into() {
            self.charge(now, "WINDOW_UPDATE frames")?;
        }
        if id == 0 {
            self.send_window += increment;
            if increment == 0 {
                return violation(ErrorCode::ProtocolError, "a WINDOW_UPDATE of 0 bytes");
            }
            if self.send_window > WINDOW_MAX {
                return violation(ErrorCode::FlowControlError, "a window of the connection beyond 2^31 - 1");
            }
            self.flush(out);
            return Ok(None);
        }
        if self.is_idle(id) {
            return violation(ErrorCode::ProtocolError, format!("WINDOW_UPDATE on stream {id}, which is idle"));
        }
        let Some(stream) = self.streams.get_mut(&id) else {
            return self.charge(now, "WINDOW_UPDATE frames on closed streams").map(|()| None);
        };
        if increment == 0 {
            return self.stream_error(now, id, ErrorCode::ProtocolError, out);
        }
        stream.send_window += increment;
        if stream.send_window > WINDOW_MAX {
            return self.stream_error(now, id, ErrorCode::FlowControlError, out);
        }
        self.flush_stream(id, out);
        Ok(None)
    }

    /// Grants the peer so many more bytes of a stream. The grant is announced once it is worth a frame.
    pub(crate) fn grant(&mut self, id: u32, bytes: u64, out: &mut impl Output) {
        let window = self.own.stream_window;
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_remote_ended) else { return };
        stream.owed = stream.owed.saturating_add(u32::try_from(bytes).unwrap_or(u32::MAX)).min(window);
        if stream.owed >= window / 2 {
            stream.receive_window += i64::from(stream.owed);
            encode_frame(out.tail(), kind::WINDOW_UPDATE, 0, id, &mem::take(&mut stream.owed).to_be_bytes());
        }
    }

    /// Opens a stream and sends its head. `None` if the peer takes no more streams for now, or ever.
    pub(crate) fn open(
        &mut self,
        user: T,
        is_end: bool,
        out: &mut impl Output,
        fields: impl FnOnce(&mut FieldWriter<'_>),
    ) -> Option<u32> {
        if self.streams_left() == 0 {
            return None;
        }
        let id = self.next_stream;
        self.next_stream += 2;
        let mut stream = self.new_stream(user);
        stream.is_local_ended = is_end;
        self.streams.insert(id, stream);
        self.write_fields(id, is_end, out, fields);
        Some(id)
    }

    /// Sends the head of a response. A stream that is closed is left alone.
    #[inline]
    pub(crate) fn send_head(&mut self, id: u32, out: &mut impl Output, fields: impl FnOnce(&mut FieldWriter<'_>)) {
        if self.streams.contains_key(&id) {
            self.write_fields(id, false, out, fields);
        }
    }

    /// Sends a part of the body, `prefix` and `payload`, which may be the last. What the windows have no room for follows
    /// later.
    #[inline]
    pub(crate) fn send_data(&mut self, id: u32, prefix: &[u8], payload: Bytes, is_end: bool, out: &mut impl Output) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_local_ended) else { return };
        let length = prefix.len() + payload.len();
        let room = stream.send_window.min(self.send_window).min(i64::from(self.peer.frame_bytes_max));
        if stream.pending.is_some() || length as i64 > room.max(0) {
            return self.send_later(id, prefix, payload, is_end, out);
        }
        stream.is_local_ended = is_end;
        stream.send_window -= length as i64;
        self.send_window -= length as i64;
        let flags = if is_end { flag::END_STREAM } else { 0 };
        let header = FrameHeader { length: length as u32, kind: kind::DATA, flags, stream: id };
        let tail = out.tail();
        tail.reserve(HEADER_BYTES + prefix.len());
        tail.put_slice(&header.encode());
        tail.put_slice(prefix);
        out.push(payload);
        self.control.give_back(UPDATES_PER_DATA);
        if is_end {
            self.local_ended(id, out);
        }
    }

    #[cold]
    fn send_later(&mut self, id: u32, prefix: &[u8], payload: Bytes, is_end: bool, out: &mut impl Output) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let length = prefix.len() + payload.len();
        let pending = stream.pending.get_or_insert_default();
        if !prefix.is_empty() {
            pending.pieces.push_back(Bytes::copy_from_slice(prefix));
        }
        if !payload.is_empty() {
            pending.pieces.push_back(payload);
        }
        pending.bytes += length;
        self.pending_bytes += length;
        if is_end {
            pending.end = Some(End::Data);
            stream.is_local_ended = true;
        }
        self.flush_stream(id, out);
    }

    /// Ends this side of a stream with END_STREAM on an empty DATA frame.
    pub(crate) fn send_end(&mut self, id: u32, out: &mut impl Output) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_local_ended) else { return };
        stream.is_local_ended = true;
        if let Some(pending) = &mut stream.pending {
            pending.end = Some(End::Data);
            return;
        }
        encode_frame(out.tail(), kind::DATA, flag::END_STREAM, id, &[]);
        self.local_ended(id, out);
    }

    /// Ends this side of a stream with trailers, or with a head alone if no head was sent.
    #[inline]
    pub(crate) fn send_trailers(&mut self, id: u32, out: &mut impl Output, fields: impl FnOnce(&mut FieldWriter<'_>)) {
        let Some(stream) = self.streams.get_mut(&id).filter(|stream| !stream.is_local_ended) else { return };
        stream.is_local_ended = true;
        if let Some(pending) = &mut stream.pending {
            let mut list = Vec::new();
            fields(&mut FieldWriter(Fields::Listed(&mut list)));
            pending.end = Some(End::Trailers(list));
            return;
        }
        self.write_fields(id, true, out, fields);
        self.local_ended(id, out);
    }

    /// Closes a stream of which this side has sent everything. A server that has answered needs the rest of the request no
    /// more; a client waits for the answer.
    fn local_ended(&mut self, id: u32, out: &mut impl Output) {
        let Some(stream) = self.streams.get(&id) else { return };
        let is_remote_ended = stream.is_remote_ended;
        if !is_remote_ended && !self.is_server {
            return;
        }
        if !is_remote_ended {
            encode_reset(out, id, ErrorCode::NoError);
        }
        self.resets.give_back(1);
        self.remove(id, if is_remote_ended { ClosedBy::Peer } else { ClosedBy::ThisSide });
    }

    /// Resets a stream. Nothing more of it is sent or received.
    pub(crate) fn reset(&mut self, id: u32, code: ErrorCode, out: &mut impl Output) {
        self.remove(id, ClosedBy::ThisSide);
        encode_reset(out, id, code);
    }

    /// Removes a stream that its user needs no more, at a client. Unless both sides have ended it, it is reset.
    pub(crate) fn finish(&mut self, id: u32, out: &mut impl Output) -> Option<T> {
        let stream = self.streams.get(&id)?;
        let is_remote_ended = stream.is_remote_ended;
        let stream = self.remove(id, if is_remote_ended { ClosedBy::Peer } else { ClosedBy::ThisSide })?;
        if !stream.is_local_ended || !is_remote_ended || stream.pending.is_some() {
            encode_reset(out, id, ErrorCode::Cancel);
        }
        Some(stream.user)
    }

    fn remove(&mut self, id: u32, by: ClosedBy) -> Option<Stream<T>> {
        let stream = self.streams.remove(&id);
        self.pending_bytes -= stream.as_ref().map_or(0, Stream::pending_bytes);
        if stream.as_ref().and_then(|stream| stream.pending.as_ref()).is_some_and(|pending| pending.is_queued) {
            self.blocked_gone += 1;
            if self.blocked_gone > self.blocked.len() / 2 {
                self.blocked_gone = 0;
                self.blocked.retain(|id| self.streams.contains_key(id));
            }
        }
        self.closed.add(id, by);
        if self.streams.capacity() > KEPT_PLACES && self.streams.len() < self.streams.capacity() / 8 {
            self.streams.shrink_to(self.streams.len() * 2);
        }
        stream
    }

    /// Sends a keepalive PING.
    pub(crate) fn send_ping(&mut self, out: &mut impl Output) {
        encode_frame(out.tail(), kind::PING, 0, 0, &KEEPALIVE_PING);
    }

    /// Tells the peer to open no more streams. Streams that cross this announcement are still served: the final GOAWAY
    /// follows once the peer has answered.
    pub(crate) fn announce_leave(&mut self, out: &mut impl Output, text: &str) {
        if self.leaving == Leaving::No {
            self.leaving = Leaving::Announced;
            encode_go_away(out, STREAM_MASK, ErrorCode::NoError, text);
            encode_frame(out.tail(), kind::PING, 0, 0, &LEAVING_PING);
        }
    }

    /// Sends the last GOAWAY, before the connection closes.
    pub(crate) fn go_away(&mut self, out: &mut impl Output, code: ErrorCode, text: &str) {
        let last = match self.leaving {
            // The number must not rise. Later streams were ignored.
            Leaving::After(last) => last,
            _ => self.last_peer_stream,
        };
        self.leaving = Leaving::After(last);
        encode_go_away(out, last, code, text);
    }

    /// Sends what waits for room in the windows, as far as there is room.
    fn flush(&mut self, out: &mut impl Output) {
        for _ in 0..self.blocked.len() {
            if self.send_window <= 0 {
                return;
            }
            let Some(id) = self.blocked.pop_front() else { return };
            match self.streams.get_mut(&id).and_then(|stream| stream.pending.as_mut()) {
                Some(pending) => pending.is_queued = false,
                None => {
                    self.blocked_gone = self.blocked_gone.saturating_sub(1);
                    continue;
                }
            }
            self.flush_stream(id, out);
        }
    }

    fn flush_stream(&mut self, id: u32, out: &mut impl Output) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let Some(pending) = &mut stream.pending else { return };
        let before = pending.bytes;
        while pending.bytes > 0 {
            let room = stream.send_window.min(self.send_window).min(i64::from(self.peer.frame_bytes_max));
            if room <= 0 {
                break;
            }
            let mut left = pending.bytes.min(room as usize);
            let is_last = left == pending.bytes && matches!(pending.end, Some(End::Data));
            let flags = if is_last { flag::END_STREAM } else { 0 };
            let header = FrameHeader { length: left as u32, kind: kind::DATA, flags, stream: id };
            out.tail().put_slice(&header.encode());
            stream.send_window -= left as i64;
            self.send_window -= left as i64;
            pending.bytes -= left;
            self.pending_bytes -= left;
            while left > 0
                && let Some(piece) = pending.pieces.front_mut()
            {
                let part = piece.split_to(left.min(piece.len()));
                left -= part.len();
                if piece.is_empty() {
                    pending.pieces.pop_front();
                }
                out.push(part);
            }
            self.control.give_back(UPDATES_PER_DATA);
        }
        if pending.bytes < before {
            self.relieved.push(id);
        }
        if pending.bytes > 0 {
            // A stream that waits for its own window is queued by the frame that opens the window.
            if stream.send_window > 0 && !mem::replace(&mut pending.is_queued, true) {
                self.blocked.push_back(id);
            }
            return;
        }
        let end = stream.pending.take().and_then(|pending| pending.end);
        match end {
            None => return,
            Some(End::Data) => {}
            Some(End::Trailers(list)) => self.write_fields(id, true, out, |fields| {
                list.iter().for_each(|(name, value)| fields.field(name, value));
            }),
        }
        self.local_ended(id, out);
    }

    /// Writes a header block as a HEADERS frame, and CONTINUATION frames if it is long.
    #[inline]
    fn write_fields(
        &mut self,
        id: u32,
        is_end: bool,
        out: &mut impl Output,
        fields: impl FnOnce(&mut FieldWriter<'_>),
    ) {
        let tail = out.tail();
        let start = tail.len();
        tail.put_bytes(0, HEADER_BYTES);
        self.encoder.begin_block(tail);
        fields(&mut FieldWriter(Fields::Encoded(&mut self.encoder, tail)));
        let length = tail.len() - start - HEADER_BYTES;
        let end_stream = if is_end { flag::END_STREAM } else { 0 };
        if length > self.peer.frame_bytes_max as usize {
            return split_block(tail, start, self.peer.frame_bytes_max as usize, end_stream, id);
        }
        let flags = flag::END_HEADERS | end_stream;
        let header = FrameHeader { length: length as u32, kind: kind::HEADERS, flags, stream: id };
        tail[start..start + HEADER_BYTES].copy_from_slice(&header.encode());
    }
}

/// Splits the header block that stands behind `start` over several frames.
#[cold]
fn split_block(tail: &mut BytesMut, start: usize, frame_bytes_max: usize, end_stream: u8, stream: u32) {
    let block = tail.split_off(start + HEADER_BYTES);
    tail.truncate(start);
    let count = block.len().div_ceil(frame_bytes_max);
    for (index, part) in block.chunks(frame_bytes_max).enumerate() {
        let end_headers = if index + 1 == count { flag::END_HEADERS } else { 0 };
        let (kind, flags) = match index {
            0 => (kind::HEADERS, end_headers | end_stream),
            _ => (kind::CONTINUATION, end_headers),
        };
        encode_frame(tail, kind, flags, stream, part);
    }
}

/// Above this capacity, the table of streams shrinks after a peak.
const KEPT_PLACES: usize = 1024;
/// A change of the initial window costs another token for each so many streams, as it changes the window of every stream.
const STREAMS_PER_CHARGE: usize = 256;
/// The peer may answer a DATA frame with an update of both windows, however short the frame is.
const UPDATES_PER_DATA: u32 = 2;
/// Frames that carry or grant fewer bytes are charged where they may be a flood.
const USEFUL_BYTES_MIN: u32 = 1 << 10;

/// Writes the fields of a head or of trailers.
pub(crate) struct FieldWriter<'a>(Fields<'a>);

enum Fields<'a> {
    Encoded(&'a mut Encoder, &'a mut BytesMut),
    /// The trailers have to wait. They are encoded when they are sent.
    Listed(&'a mut Vec<(Bytes, Bytes)>),
}

impl FieldWriter<'_> {
    /// The method and the scheme of a gRPC request.
    #[inline]
    pub(crate) fn post(&mut self, is_secure: bool) {
        use super::hpack::StaticField;
        let scheme = if is_secure { StaticField::SCHEME_HTTPS } else { StaticField::SCHEME_HTTP };
        if let Fields::Encoded(encoder, out) = &mut self.0 {
            encoder.encode_static(out, StaticField::METHOD_POST);
            encoder.encode_static(out, scheme);
        }
    }

    /// A field that is sent in most blocks, with another value each time. `slot` remembers its name.
    #[inline]
    pub(crate) fn remembered_name(&mut self, slot: &mut super::hpack::Remembered, name: &[u8], value: &[u8]) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode_remembered_name(out, slot, name, value),
            Fields::Listed(list) => list.push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value))),
        }
    }

    /// The status 200 of a response.
    #[inline]
    pub(crate) fn status_ok(&mut self) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode_static(out, super::hpack::StaticField::STATUS_200),
            Fields::Listed(list) => list.push((Bytes::from_static(b":status"), Bytes::from_static(b"200"))),
        }
    }

    /// A field that is likely to come again.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8]) {
        self.write(name, value, super::hpack::Indexing::Add);
    }

    /// A field whose value is likely to be another one next time.
    pub(crate) fn field_once(&mut self, name: &[u8], value: &[u8]) {
        self.write(name, value, super::hpack::Indexing::Without);
    }

    fn write(&mut self, name: &[u8], value: &[u8], indexing: super::hpack::Indexing) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode(out, name, value, indexing),
            Fields::Listed(list) => list.push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value))),
        }
    }

    /// A field that is sent in most blocks. `slot` remembers where it stands in the table.
    #[inline]
    pub(crate) fn remembered(&mut self, slot: &mut super::hpack::Remembered, name: &[u8], value: &[u8]) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode_remembered(out, slot, name, value),
            Fields::Listed(list) => list.push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value))),
        }
    }
}

/// The streams that were closed last, and by whom. Frames that cross a reset are ignored.
#[derive(Default)]
struct ClosedStreams {
    ring: Vec<(u32, bool)>,
    next: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClosedBy {
    /// This side has reset the stream. The peer may not know yet.
    ThisSide,
    /// The peer has ended or reset the stream, and may send nothing more.
    Peer,
}

/// How many closed streams are known.
const CLOSED_STREAMS: usize = 128;

impl ClosedStreams {
    #[inline]
    fn add(&mut self, id: u32, by: ClosedBy) {
        let entry = (id, by == ClosedBy::ThisSide);
        match self.ring.get_mut(self.next) {
            Some(place) => *place = entry,
            None => self.ring.push(entry),
        }
        self.next = (self.next + 1) % CLOSED_STREAMS;
    }

    fn find(&self, id: u32) -> Option<ClosedBy> {
        let (_, by_this_side) = *self.ring.iter().find(|(closed, _)| *closed == id)?;
        Some(if by_this_side { ClosedBy::ThisSide } else { ClosedBy::Peer })
    }
}

fn encode_reset(out: &mut impl Output, id: u32, code: ErrorCode) {
    encode_frame(out.tail(), kind::RST_STREAM, 0, id, &(code as u32).to_be_bytes());
}

fn encode_go_away(out: &mut impl Output, last: u32, code: ErrorCode, text: &str) {
    let text = &text.as_bytes()[..text.len().min(GOAWAY_TEXT_BYTES_MAX)];
    let length = (8 + text.len()) as u32;
    let tail = out.tail();
    tail.put_slice(&FrameHeader { length, kind: kind::GOAWAY, flags: 0, stream: 0 }.encode());
    tail.put_u32(last);
    tail.put_u32(code as u32);
    tail.put_slice(text);
}

/// A longer text in a GOAWAY is cut.
const GOAWAY_TEXT_BYTES_MAX: usize = 512;

fn dependency(priority: &[u8; 5]) -> u32 {
    let [s3, s2, s1, s0, _] = *priority;
    u32::from_be_bytes([s3, s2, s1, s0]) & STREAM_MASK
}

fn size_violation<V>(header: FrameHeader) -> Result<V, Violation> {
    let text = format!("a frame of kind {} with {} bytes", header.kind, header.length);
    violation(ErrorCode::FrameSizeError, text)
}
