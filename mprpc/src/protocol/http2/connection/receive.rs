//! Takes the frames of the peer.

use std::mem;
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};

use super::{Block, CONTROL_FRAMES_MAX, Connection, Event, LEAVING_PING, Leaving};
use crate::protocol::http2::closed_streams::ClosedBy;
use crate::protocol::http2::frame::{
    ErrorCode, FrameHeader, HEADER_BYTES, INITIAL_WINDOW, STREAM_MASK, WINDOW_MAX, encode_frame, encode_reset, flag,
    kind, unpadded,
};
use crate::protocol::http2::hpack::{Decoded, Field, FieldSink};
use crate::protocol::http2::settings::encode_ack;
use crate::protocol::http2::stream::Stream;
use crate::protocol::http2::{Output, Violation, violation};

impl<T: Default> Connection<T> {
    /// Takes frames until one of them is an event for the user. Fields of heads and trailers go to `sink` first.
    pub(crate) fn next(
        &mut self,
        now: Instant,
        input: &mut BytesMut,
        out: &mut impl Output,
        sink: &mut impl FieldSink,
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
    pub(super) fn cut(&mut self, input: &mut BytesMut) -> Result<Option<usize>, Violation> {
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

    pub(super) fn frame(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
        sink: &mut impl FieldSink,
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
    pub(super) fn charge(&mut self, now: Instant, what: &str) -> Result<(), Violation> {
        if self.control.take(now) {
            return Ok(());
        }
        violation(ErrorCode::EnhanceYourCalm, format!("too many {what}: more than {CONTROL_FRAMES_MAX} in ten seconds"))
    }

    /// Charges a stream that the peer has reset or spoiled.
    pub(super) fn charge_reset(&mut self, now: Instant) -> Result<(), Violation> {
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

    pub(super) fn stream_error(
        &mut self,
        now: Instant,
        id: u32,
        code: ErrorCode,
        out: &mut impl Output,
    ) -> Result<Option<Event>, Violation> {
        let was_open = self.streams.contains(id);
        self.spoiled(now, id, code, out)?;
        Ok(was_open.then_some(Event::Reset { id, code: code as u32, by_peer: false }))
    }

    /// Whether the stream was never opened.
    pub(super) fn is_idle(&self, id: u32) -> bool {
        let is_of_peer = (id % 2 == 1) == self.is_server;
        if is_of_peer { id > self.last_peer_stream } else { id >= self.next_stream }
    }

    pub(super) fn headers(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
        sink: &mut impl FieldSink,
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
    pub(super) fn is_unknown(&self, id: u32) -> bool {
        !self.streams.contains(id) && self.closed.find(id).is_none()
    }

    pub(super) fn continuation(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
        out: &mut impl Output,
        sink: &mut impl FieldSink,
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
    pub(super) fn check_block(&mut self, now: Instant) -> Result<(), Violation> {
        let max = self.own.header_list_bytes_max as usize;
        if let Some(block) = &self.block
            && block.bytes.len() > max
        {
            return violation(ErrorCode::EnhanceYourCalm, format!("a header block beyond http_head_bytes_max {max}"));
        }
        self.charge(now, "CONTINUATION frames")
    }

    /// Takes a complete header block.
    pub(super) fn head(
        &mut self,
        now: Instant,
        id: u32,
        is_end: bool,
        block: &[u8],
        out: &mut impl Output,
        sink: &mut impl FieldSink,
    ) -> Result<Option<Event>, Violation> {
        let is_new = self.is_server && id > self.last_peer_stream;
        let is_ignored = matches!(self.leaving, Leaving::After(last) if is_new && id > last);
        let known = self.streams.get(id).map(|stream| stream.is_remote_ended);
        let is_refused = is_new && self.streams.len() >= self.own.streams_max as usize;
        // A response may have several heads (1xx); after the last one, and at a server, only trailers may follow.
        let is_misplaced = !is_new && !is_end && (self.is_server || self.has_body(id));
        let is_taken = !is_ignored && !is_refused && !is_misplaced && (is_new || known == Some(false));
        // The block is decoded in any case, as it may change the table.
        let decoded = match is_taken {
            true => self.decoder.decode(block, sink),
            false => self.decoder.decode(block, &mut |_: Field<'_>| {}),
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
            let (send_window, receive_window) = self.first_windows();
            let new = || Stream { is_remote_ended: is_end, ..Stream::new(T::default(), send_window, receive_window) };
            self.streams.insert(id, new);
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

    /// The windows of a stream that begins now: the peer's and the own. A peer that has not read the settings yet keeps to the
    /// default window, so a smaller window counts as the default.
    pub(super) fn first_windows(&self) -> (i64, i64) {
        let receive_window = self.own.stream_window.max(INITIAL_WINDOW);
        (self.peer.initial_window.into(), receive_window.into())
    }

    /// Whether the final head of the response has arrived, as its user has noted.
    pub(super) fn has_body(&self, id: u32) -> bool {
        self.streams.get(id).is_some_and(|stream| stream.has_head)
    }

    /// Notes that the final head of a response has arrived: what follows are its body and its trailers.
    pub(crate) fn final_head_arrived(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.has_head = true;
        }
    }

    pub(super) fn remote_ended(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.is_remote_ended = true;
        }
    }

    pub(super) fn data(
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
        let Some(stream) = self.streams.get_mut(id) else {
            if self.closed.find(id) == Some(ClosedBy::ThisSide) {
                // The rest of a long body may cross the reset. Frames that are short as well are a flood.
                let is_short = length < USEFUL_BYTES_MIN;
                return if is_short { self.charge(now, "DATA frames on closed streams") } else { Ok(()) }
                    .map(|()| None);
            }
            self.charge_reset(now)?;
            encode_reset(out.tail(), id, ErrorCode::StreamClosed);
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

    pub(super) fn priority(
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

    pub(super) fn peer_resets(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &[u8],
    ) -> Result<Option<Event>, Violation> {
        let Ok(code) = payload.try_into() else { return size_violation(header) };
        let id = header.stream;
        if self.is_idle(id) {
            return violation(ErrorCode::ProtocolError, format!("RST_STREAM on stream {id}, which is idle"));
        }
        if !self.remove(id, ClosedBy::Peer) {
            self.charge(now, "RST_STREAM frames")?;
            return Ok(None);
        }
        if self.is_server {
            self.charge_reset(now)?;
        }
        Ok(Some(Event::Reset { id, code: u32::from_be_bytes(code), by_peer: true }))
    }

    pub(super) fn settings(
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
            for (id, stream) in self.streams.iter_mut() {
                stream.send_window += change;
                if stream.send_window > 0 && stream.enters_queue() {
                    self.blocked.push_back(id);
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

    pub(super) fn ping(
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

    pub(super) fn window_update(
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
        let Some(stream) = self.streams.get_mut(id) else {
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
}

/// A change of the initial window costs another token for each so many streams, as it changes the window of every stream.
const STREAMS_PER_CHARGE: usize = 256;
/// Frames that carry or grant fewer bytes are charged where they may be a flood.
const USEFUL_BYTES_MIN: u32 = 1 << 10;

fn dependency(priority: &[u8; 5]) -> u32 {
    let [s3, s2, s1, s0, _] = *priority;
    u32::from_be_bytes([s3, s2, s1, s0]) & STREAM_MASK
}

fn size_violation<V>(header: FrameHeader) -> Result<V, Violation> {
    let text = format!("a frame of kind {} with {} bytes", header.kind, header.length);
    violation(ErrorCode::FrameSizeError, text)
}
