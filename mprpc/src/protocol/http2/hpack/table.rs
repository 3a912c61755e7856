//! The dynamic table (RFC 7541, 2.3.2 and 4): the most recent fields, as many as fit. Encoder and decoder both have one.

use std::collections::VecDeque;

use super::FIELD_OVERHEAD_BYTES;

/// A dynamic table. `T` is what its owner attaches to an entry.
#[derive(Debug)]
pub(super) struct Table<T> {
    /// The newest entry is at the front, where blocks refer to it by the lowest index.
    entries: VecDeque<Entry<T>>,
    bytes: usize,
    bytes_max: usize,
    /// Counts the entries that were ever inserted.
    inserted: u64,
    /// Counts the changes of the maximum size.
    resized: u64,
}

/// An entry: name and value in one allocation.
#[derive(Debug)]
pub(super) struct Entry<T> {
    text: Box<[u8]>,
    name_bytes: usize,
    pub(super) attached: T,
}

impl<T> Entry<T> {
    pub(super) fn new(name: &[u8], value: &[u8], attached: T) -> Entry<T> {
        let mut text = Vec::with_capacity(name.len() + value.len());
        text.extend_from_slice(name);
        text.extend_from_slice(value);
        Entry { text: text.into_boxed_slice(), name_bytes: name.len(), attached }
    }

    #[inline]
    pub(super) fn name(&self) -> &[u8] {
        &self.text[..self.name_bytes]
    }

    #[inline]
    pub(super) fn value(&self) -> &[u8] {
        &self.text[self.name_bytes..]
    }

    /// The name, the value, and what is attached.
    #[inline]
    pub(super) fn parts(&mut self) -> (&[u8], &[u8], &mut T) {
        let (name, value) = self.text.split_at(self.name_bytes);
        (name, value, &mut self.attached)
    }

    fn bytes(&self) -> usize {
        self.text.len() + FIELD_OVERHEAD_BYTES
    }
}

impl<T> Table<T> {
    pub(super) fn new(bytes_max: usize) -> Table<T> {
        Table { entries: VecDeque::new(), bytes: 0, bytes_max, inserted: 0, resized: 0 }
    }

    pub(super) fn bytes_max(&self) -> usize {
        self.bytes_max
    }

    /// Changes the maximum size, and removes the oldest entries that no longer fit.
    pub(super) fn set_bytes_max(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.resized += 1;
        self.evict_to(bytes_max);
    }

    /// The entry with this index, counted from 0 for the newest.
    #[inline]
    pub(super) fn entry(&self, index: usize) -> Option<&Entry<T>> {
        self.entries.get(index)
    }

    /// The entry with this index, to change what is attached.
    #[inline]
    pub(super) fn entry_mut(&mut self, index: usize) -> Option<&mut Entry<T>> {
        self.entries.get_mut(index)
    }

    /// The number of the newest entry. Numbers begin at 1 and count every entry that was ever inserted.
    #[inline]
    pub(super) fn newest(&self) -> u64 {
        self.inserted
    }

    /// The version of the table: while it stays the same, so do the entries and their indices.
    #[inline]
    pub(super) fn version(&self) -> u64 {
        self.inserted + self.resized
    }

    /// The index of the entry with this number. `None` if it has left the table, and for the number 0.
    #[inline]
    pub(super) fn index_of(&self, number: u64) -> Option<usize> {
        let index = self.inserted.wrapping_sub(number) as usize;
        (index < self.entries.len()).then_some(index)
    }

    /// Whether a field of this size fits into the empty table.
    #[inline]
    pub(super) fn fits(&self, name: &[u8], value: &[u8]) -> bool {
        name.len() + value.len() + FIELD_OVERHEAD_BYTES <= self.bytes_max
    }

    /// Inserts an entry, after it has removed the oldest ones to make room. An entry that is larger than the table empties
    /// the table and comes back.
    pub(super) fn insert(&mut self, entry: Entry<T>) -> Result<&mut Entry<T>, Entry<T>> {
        let Some(others_bytes_max) = self.bytes_max.checked_sub(entry.bytes()) else {
            self.evict_to(0);
            return Err(entry);
        };
        self.evict_to(others_bytes_max);
        self.bytes += entry.bytes();
        self.inserted += 1;
        self.entries.push_front(entry);
        Ok(&mut self.entries[0])
    }

    fn evict_to(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.entries.pop_back() else { return };
            self.bytes -= oldest.bytes();
        }
    }
    /// The fields, newest first.
    #[cfg(test)]
    pub(super) fn fields(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        self.entries.iter().map(|entry| (entry.name().to_vec(), entry.value().to_vec())).collect()
    }

    /// The size of all fields as RFC 7541 counts it.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}
