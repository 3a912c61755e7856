//! Buffers that are used again once what was sliced out of them is gone. Memory that was just written is several times as
//! fast as memory that was given back and is new again: 16 KiB that are warm are copied in 0.2 us.

use std::collections::VecDeque;

use bytes::BytesMut;

/// What waits to be used again takes no more than this, and is no more than so many buffers.
const KEPT_BYTES_MAX: usize = 4 << 20;
const KEPT_MAX: usize = 16;

/// Buffers of one owner.
#[derive(Debug, Default)]
pub(crate) struct Recycled {
    /// With the room that they were taken with.
    buffers: VecDeque<(BytesMut, usize)>,
    bytes: usize,
}

impl Recycled {
    /// An empty buffer with this much room: the one that was given last and has it by now, or a new one.
    pub(crate) fn take(&mut self, room: usize) -> BytesMut {
        // Whoever keeps a slice of it keeps all of it alive, so it is not much larger than what is asked for.
        let fits = |of_it: usize| of_it >= room && of_it / 2 <= room;
        let found = self.buffers.iter_mut().rposition(|(buffer, of_it)| fits(*of_it) && buffer.try_reclaim(room));
        let Some((buffer, room)) = found.and_then(|found| self.buffers.remove(found)) else {
            return BytesMut::with_capacity(room);
        };
        self.bytes -= room;
        buffer
    }

    /// Takes back a buffer that was taken with `room`, whatever was sliced out of it. The rest of it is not needed.
    pub(crate) fn give(&mut self, mut buffer: BytesMut, room: usize) {
        buffer.clear();
        self.buffers.push_back((buffer, room));
        self.bytes += room;
        while self.bytes > KEPT_BYTES_MAX || self.buffers.len() > KEPT_MAX {
            let Some((_, room)) = self.buffers.pop_front() else { return };
            self.bytes -= room;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffer_is_used_again_once_its_slices_are_gone() {
        let mut recycled = Recycled::default();
        let mut first = recycled.take(1000);
        first.extend_from_slice(&[1; 900]);
        let slice = first.split().freeze();
        let place = slice.as_ptr();
        recycled.give(first, 1000);
        let second = recycled.take(1000);
        assert_ne!(second.as_ptr(), place, "the slice is still there");
        recycled.give(second, 1000);
        assert_eq!(slice, [1; 900].as_slice());
        drop(slice);
        let mut places = [recycled.take(1000), recycled.take(1000)].map(|buffer| buffer.as_ptr());
        places.sort();
        assert!(places.contains(&place));
    }

    #[test]
    fn no_more_is_kept_than_so_many_and_so_much() {
        let mut recycled = Recycled::default();
        recycled.give(BytesMut::with_capacity(KEPT_BYTES_MAX + 1), KEPT_BYTES_MAX + 1);
        assert_eq!((recycled.buffers.len(), recycled.bytes), (0, 0));
        (0..KEPT_MAX + 5).for_each(|_| recycled.give(BytesMut::with_capacity(10), 10));
        assert_eq!((recycled.buffers.len(), recycled.bytes), (KEPT_MAX, KEPT_MAX * 10));
        let half = KEPT_BYTES_MAX / 2;
        (0..3).for_each(|_| recycled.give(BytesMut::with_capacity(half), half));
        assert_eq!((recycled.buffers.len(), recycled.bytes), (2, KEPT_BYTES_MAX));
    }
}
