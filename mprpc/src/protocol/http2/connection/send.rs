//! Writes frames, as far as the windows of the peer have room.

use std::mem;

use bytes::{BufMut, Bytes, BytesMut};

use super::{Connection, KEEPALIVE_PING, LEAVING_PING, Leaving, UPDATES_PER_DATA};
use crate::protocol::http2::Output;
use crate::protocol::http2::closed_streams::ClosedBy;
use crate::protocol::http2::field_writer::FieldWriter;
use crate::protocol::http2::frame::{
    ErrorCode, FrameHeader, HEADER_BYTES, STREAM_MASK, encode_frame, encode_go_away, encode_reset, flag, kind,
};
use crate::protocol::http2::hpack::Encoder;
use crate::protocol::http2::stream::{End, Stream};

impl<T: Default> Connection<T> {
    /// Grants the peer so many more bytes of a stream. The grant is announced once it is worth a frame.
    pub(crate) fn grant(&mut self, id: u32, bytes: u64, out: &mut impl Output) {
        let window = self.own.stream_window;
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_remote_ended) else { return };
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
        let (send_window, receive_window) = self.first_windows();
        self.streams.insert(id, || Stream { is_local_ended: is_end, ..Stream::new(user, send_window, receive_window) });
        self.write_fields(id, is_end, out, fields);
        Some(id)
    }

    /// Sends the head of a response. `fields` gets what the user keeps for the stream, too. A stream that is closed is left
    /// alone.
    #[inline]
    pub(crate) fn send_head(
        &mut self,
        id: u32,
        out: &mut impl Output,
        fields: impl FnOnce(&mut T, &mut FieldWriter<'_>),
    ) {
        let Some(stream) = self.streams.get_mut(id) else { return };
        let frame_bytes_max = self.peer.frame_bytes_max as usize;
        write_fields(&mut self.encoder, frame_bytes_max, id, false, out, |writer| fields(&mut stream.user, writer));
    }

    /// Sends a part of the body, `prefix` and `payload`, which may be the last. What the windows have no room for follows
    /// later.
    #[inline]
    pub(crate) fn send_data(&mut self, id: u32, prefix: &[u8], payload: Bytes, is_end: bool, out: &mut impl Output) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_local_ended) else { return };
        let length = prefix.len() + payload.len();
        let room = stream.send_window.min(self.send_window).min(i64::from(self.peer.frame_bytes_max));
        if stream.pending.is_some() || length as i64 > room.max(0) {
            return self.send_later(id, prefix, payload, is_end, out);
        }
        let is_remote_ended = stream.is_remote_ended;
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
            self.local_ended(id, is_remote_ended, out);
        }
    }

    #[cold]
    pub(super) fn send_later(&mut self, id: u32, prefix: &[u8], payload: Bytes, is_end: bool, out: &mut impl Output) {
        let Some(stream) = self.streams.get_mut(id) else { return };
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
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_local_ended) else { return };
        stream.is_local_ended = true;
        if let Some(pending) = &mut stream.pending {
            pending.end = Some(End::Data);
            return;
        }
        let is_remote_ended = stream.is_remote_ended;
        encode_frame(out.tail(), kind::DATA, flag::END_STREAM, id, &[]);
        self.local_ended(id, is_remote_ended, out);
    }

    /// Ends this side of a stream with trailers, or with a head alone if no head was sent.
    #[inline]
    pub(crate) fn send_trailers(&mut self, id: u32, out: &mut impl Output, fields: impl FnOnce(&mut FieldWriter<'_>)) {
        let Some(stream) = self.streams.get_mut(id).filter(|stream| !stream.is_local_ended) else { return };
        stream.is_local_ended = true;
        if let Some(pending) = &mut stream.pending {
            let mut list = Vec::new();
            fields(&mut FieldWriter::listing(&mut list));
            pending.end = Some(End::Trailers(list));
            return;
        }
        let is_remote_ended = stream.is_remote_ended;
        self.write_fields(id, true, out, fields);
        self.local_ended(id, is_remote_ended, out);
    }

    /// Closes a stream of which this side has sent everything. A server that has answered needs the rest of the request no
    /// more; a client waits for the answer.
    #[inline]
    fn local_ended(&mut self, id: u32, is_remote_ended: bool, out: &mut impl Output) {
        if !is_remote_ended && !self.is_server {
            return;
        }
        if !is_remote_ended {
            encode_reset(out.tail(), id, ErrorCode::NoError);
        }
        if !self.is_server {
            self.resets.give_back(1);
        }
        self.remove(id, if is_remote_ended { ClosedBy::Peer } else { ClosedBy::ThisSide });
    }

    /// Takes note that a handler has answered a call, at a server. The peer may reset one more stream.
    #[inline]
    pub(crate) fn was_served(&mut self) {
        self.resets.give_back(1);
    }

    /// Resets a stream. Nothing more of it is sent or received.
    pub(crate) fn reset(&mut self, id: u32, code: ErrorCode, out: &mut impl Output) {
        self.remove(id, ClosedBy::ThisSide);
        encode_reset(out.tail(), id, code);
    }

    /// Removes a stream that its user needs no more, at a client. Unless both sides have ended it, it is reset.
    pub(crate) fn finish(&mut self, id: u32, out: &mut impl Output) -> Option<T> {
        let stream = self.streams.get_mut(id)?;
        let user = mem::take(&mut stream.user);
        let is_remote_ended = stream.is_remote_ended;
        let is_whole = stream.is_local_ended && is_remote_ended && stream.pending.is_none();
        self.remove(id, if is_remote_ended { ClosedBy::Peer } else { ClosedBy::ThisSide });
        if !is_whole {
            encode_reset(out.tail(), id, ErrorCode::Cancel);
        }
        Some(user)
    }

    /// Removes a stream. Returns whether it was open.
    pub(super) fn remove(&mut self, id: u32, by: ClosedBy) -> bool {
        let pending = self.streams.get(id).and_then(|stream| stream.pending.as_ref());
        let is_queued = pending.is_some_and(|pending| pending.is_queued);
        self.pending_bytes -= pending.map_or(0, |pending| pending.bytes);
        let was_open = self.streams.remove(id);
        if is_queued {
            self.blocked_gone += 1;
            if self.blocked_gone > self.blocked.len() / 2 {
                self.blocked_gone = 0;
                self.blocked.retain(|id| self.streams.contains(*id));
            }
        }
        self.closed.add(id, by);
        was_open
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
            encode_go_away(out.tail(), STREAM_MASK, ErrorCode::NoError, text);
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
        encode_go_away(out.tail(), last, code, text);
    }

    /// Sends what waits for room in the windows, as far as there is room.
    pub(super) fn flush(&mut self, out: &mut impl Output) {
        for _ in 0..self.blocked.len() {
            if self.send_window <= 0 {
                return;
            }
            let Some(id) = self.blocked.pop_front() else { return };
            match self.streams.get_mut(id).and_then(|stream| stream.pending.as_mut()) {
                Some(pending) => pending.is_queued = false,
                None => {
                    self.blocked_gone = self.blocked_gone.saturating_sub(1);
                    continue;
                }
            }
            self.flush_stream(id, out);
        }
    }

    pub(super) fn flush_stream(&mut self, id: u32, out: &mut impl Output) {
        let Some(stream) = self.streams.get_mut(id) else { return };
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
        let is_remote_ended = stream.is_remote_ended;
        let end = stream.pending.take().and_then(|pending| pending.end);
        match end {
            None => return,
            Some(End::Data) => {}
            Some(End::Trailers(list)) => self.write_fields(id, true, out, |fields| {
                list.iter().for_each(|(name, value)| fields.field(name, value));
            }),
        }
        self.local_ended(id, is_remote_ended, out);
    }

    #[inline]
    fn write_fields(
        &mut self,
        id: u32,
        is_end: bool,
        out: &mut impl Output,
        fields: impl FnOnce(&mut FieldWriter<'_>),
    ) {
        write_fields(&mut self.encoder, self.peer.frame_bytes_max as usize, id, is_end, out, fields);
    }
}

/// Writes a header block as a HEADERS frame, and CONTINUATION frames if it is long.
#[inline]
fn write_fields(
    encoder: &mut Encoder,
    frame_bytes_max: usize,
    id: u32,
    is_end: bool,
    out: &mut impl Output,
    fields: impl FnOnce(&mut FieldWriter<'_>),
) {
    let tail = out.tail();
    let start = tail.len();
    tail.put_bytes(0, HEADER_BYTES);
    encoder.begin_block(tail);
    fields(&mut FieldWriter::encoding(encoder, tail));
    let length = tail.len() - start - HEADER_BYTES;
    let end_stream = if is_end { flag::END_STREAM } else { 0 };
    if length > frame_bytes_max {
        return split_block(tail, start, frame_bytes_max, end_stream, id);
    }
    let flags = flag::END_HEADERS | end_stream;
    let header = FrameHeader { length: length as u32, kind: kind::HEADERS, flags, stream: id };
    tail[start..start + HEADER_BYTES].copy_from_slice(&header.encode());
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
