//! The open streams of a connection, by their id.

use std::iter;

use super::stream::Stream;
use crate::id_map::IdMap;

/// The open streams of a connection, by their id.
///
/// Each stream has a place, by the low bits of its id: those that were opened one after the other have different places, so
/// most streams are found without a hash. A stream whose place is taken by an older one is in a map. A peer that chooses
/// its ids badly gains nothing: the map hashes them with a key that it does not know.
pub(super) struct Streams<T> {
    /// A power of two of places.
    places: Vec<Option<(u32, Stream<T>)>>,
    others: IdMap<Stream<T>>,
    length: usize,
}

/// The most places. More streams than these go into the map.
const PLACES_MAX: usize = 128;

/// Above this capacity, the map shrinks after a peak.
const KEPT_CAPACITY: usize = 1024;

impl<T> Default for Streams<T> {
    fn default() -> Streams<T> {
        Streams { places: Vec::from([None]), others: IdMap::default(), length: 0 }
    }
}

impl<T> Streams<T> {
    #[inline]
    fn place(&self, id: u32) -> usize {
        // The lowest bit says which side has opened the stream.
        (id >> 1) as usize & (self.places.len() - 1)
    }

    /// Inserts a stream that begins now. Its id is new. `new` makes the stream in its place: a stream is long to copy.
    #[inline]
    pub(super) fn insert(&mut self, id: u32, new: impl FnOnce() -> Stream<T>) {
        self.length += 1;
        let mut place = self.place(id);
        if self.places[place].is_some() {
            if self.places.len() < PLACES_MAX.min(2 * self.length) {
                self.grow();
                place = self.place(id);
            }
            if self.places[place].is_some() {
                self.others.insert(id, new());
                return;
            }
        }
        self.places[place] = Some((id, new()));
    }

    #[cold]
    fn grow(&mut self) {
        let twice = 2 * self.places.len();
        let before: Vec<_> = self.places.drain(..).flatten().collect();
        self.places.extend(iter::repeat_with(|| None).take(twice));
        for (id, stream) in before {
            let place = self.place(id);
            self.places[place] = Some((id, stream));
        }
    }

    #[inline]
    pub(super) fn get(&self, id: u32) -> Option<&Stream<T>> {
        match &self.places[self.place(id)] {
            Some((known, stream)) if *known == id => Some(stream),
            _ => self.others.get(&id),
        }
    }

    #[inline]
    pub(super) fn get_mut(&mut self, id: u32) -> Option<&mut Stream<T>> {
        let place = self.place(id);
        match &mut self.places[place] {
            Some((known, stream)) if *known == id => Some(stream),
            _ => self.others.get_mut(&id),
        }
    }

    #[inline]
    pub(super) fn contains(&self, id: u32) -> bool {
        self.get(id).is_some()
    }

    /// Removes a stream. Returns whether it was there.
    #[inline]
    pub(super) fn remove(&mut self, id: u32) -> bool {
        let place = self.place(id);
        let slot = &mut self.places[place];
        let removed = if slot.as_ref().is_some_and(|(known, _)| *known == id) {
            *slot = None;
            true
        } else {
            self.remove_other(id)
        };
        self.length -= usize::from(removed);
        removed
    }

    #[inline(never)]
    fn remove_other(&mut self, id: u32) -> bool {
        let removed = self.others.remove(&id).is_some();
        if self.others.capacity() > KEPT_CAPACITY && self.others.len() < self.others.capacity() / 8 {
            self.others.shrink_to(self.others.len() * 2);
        }
        removed
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.length
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = u32> {
        self.others.keys().copied().chain(self.places.iter().flatten().map(|(id, _)| *id))
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = (u32, &mut Stream<T>)> {
        let others = self.others.iter_mut().map(|(id, stream)| (*id, stream));
        others.chain(self.places.iter_mut().flatten().map(|(id, stream)| (*id, stream)))
    }

    /// How many streams fit without more memory.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.places.len() + self.others.capacity()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(number: u32) -> Stream<u32> {
        Stream::new(number, 0, 0)
    }

    #[test]
    fn streams_are_found_whatever_their_ids() {
        // Consecutive ids, ids that share their place, and ids of both sides.
        let ids: Vec<u32> =
            (0..300).map(|n| 2 * n + 1).chain((1..200).map(|n| n * 256 + 601)).chain([2, 4, 6]).collect();
        let mut streams = Streams::default();
        for id in &ids {
            assert!(streams.get(*id).is_none());
            streams.insert(*id, || stream(*id));
            assert_eq!(streams.get(*id).map(|stream| stream.user), Some(*id));
        }
        assert_eq!(streams.len(), ids.len());
        let mut known: Vec<u32> = streams.iter_mut().map(|(id, stream)| id.min(stream.user)).collect();
        let mut wanted = ids.clone();
        known.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(known, wanted);
        for (count, id) in ids.iter().enumerate() {
            assert!(streams.remove(*id));
            assert!(!streams.remove(*id) && !streams.contains(*id));
            assert_eq!(streams.len(), ids.len() - count - 1);
            assert!(ids[count + 1..].iter().all(|left| streams.get_mut(*left).is_some()));
        }
        assert!(streams.ids().next().is_none());
    }

    #[test]
    fn one_stream_at_a_time_takes_one_place() {
        let mut streams = Streams::default();
        for id in 0..1000 {
            streams.insert(id, || stream(id));
            streams.remove(id);
        }
        assert_eq!(streams.capacity(), 1);
    }
}
