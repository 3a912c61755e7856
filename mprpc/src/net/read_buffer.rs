//! The read buffer of a connection. Frames are sliced out of it without a copy. All connections of a loop share one buffer
//! for small frames; a large frame is read into a buffer of its own.

use std::cell::RefCell;
use std::io;
use std::task::{self, Poll};

use bytes::BytesMut;

use super::stream::Reader;
use crate::recycled::Recycled;

/// The bytes that are read and not consumed: nothing, or the beginning of a frame.
#[derive(Debug, Default)]
pub(crate) struct ReadBuffer {
    own: BytesMut,
    /// How many bytes the incomplete frame still lacks, as far as that is known.
    missing: usize,
}

/// The minimum room that a read offers.
const READ_BYTES_MIN: usize = 4 << 10;
/// The initial and the maximum room of a loop's shared buffer. The room grows when a read fills it. With messages of 16
/// KiB, a room of 256 KiB is 2.6 times as fast as 20 KiB; with messages of 32 B it is no faster. Whoever keeps a message
/// also keeps the whole buffer that the message is a slice of.
const SHARED_ROOM_BYTES: usize = 64 << 10;
const SHARED_ROOM_BYTES_MAX: usize = 512 << 10;
/// An incomplete frame that is longer than this gets a buffer of its own.
const SHARED_FRAME_BYTES_MAX: usize = 64 << 10;
/// Bytes that are read beyond the end of a large frame. They suffice to learn the length of the next frame, which then gets
/// a buffer of its own before it is read.
const AHEAD_BYTES: usize = 64;
/// The room for the beginning of a connection: the longest greeting, HTTP/2's, has 24 bytes.
const BEGINNING_BYTES: usize = 64;
thread_local! {
    /// Shared, so that an idle connection holds no buffer.
    static SHARED: RefCell<Shared> = RefCell::default();
    static LARGE: RefCell<Recycled> = RefCell::default();
}

impl ReadBuffer {
    /// Reads once and gives the bytes to `take`. `take` consumes complete frames and returns how many bytes the remaining
    /// frame lacks. `Ok(0)` means that the stream ended.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut task::Context<'_>,
        reader: &mut Reader,
        take: impl FnOnce(&mut task::Context<'_>, &mut BytesMut) -> usize,
    ) -> Poll<io::Result<usize>> {
        if self.own.len() + self.missing > SHARED_FRAME_BYTES_MAX {
            return self.read_apart(cx, reader, take);
        }
        // A read that would find nothing must not copy the remainder back and forth.
        if !self.own.is_empty() && reader.poll_read_ready(cx)?.is_pending() {
            return Poll::Pending;
        }
        let mut shared = SHARED.take();
        let buffer = shared.with_room();
        buffer.extend_from_slice(&self.own);
        let room = buffer.capacity() - buffer.len();
        let polled = reader.poll_read(cx, buffer);
        if let Poll::Ready(Ok(read @ 1..)) = polled {
            self.missing = take(cx, buffer);
            let left = std::mem::take(&mut self.own);
            self.own = keep(left, buffer, self.missing);
            buffer.clear();
            shared.has_read(read, room);
        } else {
            buffer.clear();
        }
        SHARED.replace(shared);
        polled
    }

    /// Like `poll_read`, but reads a few bytes only.
    #[cold]
    pub(crate) fn poll_read_beginning(
        &mut self,
        cx: &mut task::Context<'_>,
        reader: &mut Reader,
        take: impl FnOnce(&mut task::Context<'_>, &mut BytesMut) -> usize,
    ) -> Poll<io::Result<usize>> {
        let mut buffer = BytesMut::with_capacity(self.own.len() + BEGINNING_BYTES);
        buffer.extend_from_slice(&self.own);
        let polled = reader.poll_read(cx, &mut buffer);
        if let Poll::Ready(Ok(1..)) = polled {
            self.missing = take(cx, &mut buffer);
            self.own = keep(BytesMut::new(), &buffer, self.missing);
        }
        polled
    }

    /// Reads the rest of a large frame into the frame's own buffer.
    fn read_apart(
        &mut self,
        cx: &mut task::Context<'_>,
        reader: &mut Reader,
        take: impl FnOnce(&mut task::Context<'_>, &mut BytesMut) -> usize,
    ) -> Poll<io::Result<usize>> {
        if self.own.capacity() - self.own.len() < READ_BYTES_MIN.min(self.missing.max(1)) {
            self.own.reserve(self.missing.max(READ_BYTES_MIN));
        }
        let polled = reader.poll_read(cx, &mut self.own);
        if let Poll::Ready(Ok(1..)) = polled {
            let before = self.own.len();
            self.missing = take(cx, &mut self.own);
            if self.own.len() < before {
                let left = std::mem::take(&mut self.own);
                self.own = keep(BytesMut::new(), &left, self.missing);
                LARGE.with_borrow_mut(|recycled| recycled.give(left, before));
            }
        }
        polled
    }

    /// Gives the remainder to `take` again, without reading.
    pub(crate) fn again(&mut self, take: impl FnOnce(&mut BytesMut) -> usize) {
        self.missing = take(&mut self.own);
        if self.own.is_empty() {
            self.own = BytesMut::new();
        }
    }

    /// The incomplete frame.
    pub(crate) fn incomplete(&self) -> &BytesMut {
        &self.own
    }
}

/// Stores the remainder of a read in a buffer that is just large enough for it and `missing` more bytes. The buffer is
/// `own` unless the frame is large.
fn keep(mut own: BytesMut, left: &[u8], missing: usize) -> BytesMut {
    if left.is_empty() {
        return BytesMut::new();
    }
    let frame_bytes = left.len() + missing;
    if missing > 0 && frame_bytes > SHARED_FRAME_BYTES_MAX {
        let room = frame_bytes + AHEAD_BYTES;
        own = LARGE.with_borrow_mut(|recycled| recycled.take(room));
        // A recycled buffer may be larger. Bytes that are read into the excess would have to be copied later.
        drop(own.split_off(room));
    }
    own.clear();
    own.extend_from_slice(left);
    own
}

/// The buffer that all connections of a loop read into, one after another.
#[derive(Default)]
struct Shared {
    buffer: BytesMut,
    room: usize,
    /// The longest read since the current room was chosen.
    longest: usize,
    recycled: Recycled,
}

impl Shared {
    /// The empty buffer, with room to read into.
    fn with_room(&mut self) -> &mut BytesMut {
        let room = self.room.max(SHARED_ROOM_BYTES);
        // If reads fill the whole room, a smaller room would cost an extra read.
        let enough = if self.longest > room / 2 { room } else { room / 4 };
        if !self.buffer.try_reclaim(room) && self.buffer.capacity() < enough {
            if self.longest < room / 4 {
                self.room = (room / 2).max(SHARED_ROOM_BYTES);
            }
            self.longest = 0;
            let full = std::mem::replace(&mut self.buffer, self.recycled.take(room));
            self.recycled.give(full, room);
        }
        &mut self.buffer
    }

    fn has_read(&mut self, read: usize, room: usize) {
        self.longest = self.longest.max(read);
        if read >= room {
            self.room = (self.room.max(SHARED_ROOM_BYTES) * 2).min(SHARED_ROOM_BYTES_MAX);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bytes::{Buf, Bytes};

    use super::*;
    use crate::endpoint::Address;
    use crate::net::{Stream, Writer};

    /// An in-memory stream of frames with a length prefix, and the frames that were read from it.
    struct Wire {
        reader: Reader,
        writer: Writer,
        input: ReadBuffer,
        frames: VecDeque<Bytes>,
    }

    const LENGTH_BYTES: usize = 4;

    impl Wire {
        fn new() -> Wire {
            let (near, far) = Stream::pair(Address::Memory("test".into()), 8 << 20);
            Wire { reader: near.reader, writer: far.writer, input: ReadBuffer::default(), frames: VecDeque::new() }
        }

        fn send(&self, bytes: &[u8]) {
            assert_eq!(self.writer.try_write(bytes).unwrap(), bytes.len());
        }

        /// Reads until nothing is left. Returns the number of reads.
        fn read(&mut self) -> usize {
            let mut cx = task::Context::from_waker(std::task::Waker::noop());
            let mut reads = 0;
            let frames = &mut self.frames;
            while self.input.poll_read(&mut cx, &mut self.reader, |_, input| take(input, frames)).is_ready() {
                reads += 1;
            }
            reads
        }
    }

    fn take(input: &mut BytesMut, frames: &mut VecDeque<Bytes>) -> usize {
        loop {
            let Some(length) = input.first_chunk::<LENGTH_BYTES>() else { return LENGTH_BYTES - input.len() };
            let length = u32::from_le_bytes(*length) as usize;
            if input.len() < LENGTH_BYTES + length {
                return LENGTH_BYTES + length - input.len();
            }
            input.advance(LENGTH_BYTES);
            frames.push_back(input.split_to(length).freeze());
        }
    }

    fn frame(length: usize, fill: u8) -> Vec<u8> {
        let mut frame = (length as u32).to_le_bytes().to_vec();
        frame.resize(LENGTH_BYTES + length, fill);
        frame
    }

    #[test]
    fn frames_of_all_lengths_arrive_whole_wherever_they_are_cut() {
        let lengths = [0, 1, 100, 5000, 16_384, 65_532, 65_533, 70_000, 300_000, 1 << 20];
        let all: Vec<u8> = lengths.iter().enumerate().flat_map(|(at, length)| frame(*length, at as u8)).collect();
        for piece in [1000, 4097, 65_536, 262_144, all.len()] {
            let mut wire = Wire::new();
            for bytes in all.chunks(piece) {
                wire.send(bytes);
                wire.read();
            }
            let came: Vec<usize> = wire.frames.iter().map(Bytes::len).collect();
            assert_eq!(came, lengths, "in pieces of {piece}");
            assert!(wire.frames.iter().enumerate().all(|(at, frame)| frame.iter().all(|byte| *byte == at as u8)));
            assert_eq!((wire.input.incomplete().len(), wire.input.own.capacity()), (0, 0), "it holds memory when idle");
        }
    }

    #[test]
    fn consecutive_large_frames_are_read_into_their_own_buffers() {
        let mut wire = Wire::new();
        (0..4).for_each(|fill| wire.send(&frame(1 << 20, fill)));
        // The first frame began in the shared buffer. Each read takes the rest of one frame and only a few bytes of the
        // next, which are cheap to move. So only the beginning of the first frame was copied.
        assert_eq!(wire.read(), 5);
        assert_eq!(wire.frames.iter().map(Bytes::len).collect::<Vec<_>>(), [1 << 20; 4]);
    }

    #[test]
    fn connection_with_an_incomplete_frame_holds_no_more_than_the_frame() {
        let mut wire = Wire::new();
        wire.send(&frame(100, 1));
        wire.send(&frame(30_000, 1)[..20_000]);
        wire.read();
        assert_eq!(wire.frames.len(), 1);
        assert!(wire.input.own.capacity() < 30_100, "{}", wire.input.own.capacity());
        wire.send(&frame(30_000, 1)[20_000..]);
        wire.send(&frame(200_000, 2)[..80_000]);
        wire.read();
        assert_eq!((wire.frames.len(), wire.input.incomplete().len()), (2, 80_000));
        assert!(wire.input.own.capacity() <= 200_000 + LENGTH_BYTES + AHEAD_BYTES);
    }
}
