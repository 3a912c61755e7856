//! Remembers the streams that were closed last.

/// The streams that were closed last, and by whom. Frames that cross a reset are ignored.
#[derive(Default)]
pub(super) struct ClosedStreams {
    ring: Vec<(u32, bool)>,
    next: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ClosedBy {
    /// This side has reset the stream. The peer may not know yet.
    ThisSide,
    /// The peer has ended or reset the stream, and may send nothing more.
    Peer,
}

/// How many closed streams are known.
const CLOSED_STREAMS: usize = 128;

impl ClosedStreams {
    #[inline]
    pub(super) fn add(&mut self, id: u32, by: ClosedBy) {
        let entry = (id, by == ClosedBy::ThisSide);
        match self.ring.get_mut(self.next) {
            Some(place) => *place = entry,
            None => self.ring.push(entry),
        }
        self.next = (self.next + 1) % CLOSED_STREAMS;
    }

    pub(super) fn find(&self, id: u32) -> Option<ClosedBy> {
        let (_, by_this_side) = *self.ring.iter().find(|(closed, _)| *closed == id)?;
        Some(if by_this_side { ClosedBy::ThisSide } else { ClosedBy::Peer })
    }
}
