//! Encodes header blocks.

use bytes::{BufMut, BytesMut};

use super::integer::put_integer;
use super::static_table::{self, Found, ROWS, StaticField};
use super::table::{Entry, Table};
use super::{TABLE_BYTES_DEFAULT, huffman};

/// Whether a field enters the dynamic table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Indexing {
    /// The field enters the table: later blocks are likely to have it too.
    Add,
    /// The field does not enter the table, because its value is another one each time.
    Without,
    /// The field is a secret. It enters neither this table nor that of any proxy on the way.
    Never,
}

/// Where the dynamic table of one encoder holds a certain field. The caller keeps one for each field that it sends often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Remembered {
    /// The number of the entry. 0 if there is none.
    number: u64,
}

/// A part of a block that is sent often, as it was encoded the last time. The caller keeps one for each list of fields that
/// it sends often.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RememberedPart {
    bytes: [u8; PART_BYTES_MAX],
    /// 0 if nothing is remembered.
    length: usize,
    /// The version of the table for which the bytes are right.
    version: u64,
}

/// A longer part is not remembered.
const PART_BYTES_MAX: usize = 24;

/// The encoder of a connection. Blocks must be sent in the order in which they are encoded, all of them.
#[derive(Debug)]
pub(crate) struct Encoder {
    pub(super) table: Table<Attached>,
    /// The numbers of the newest entries, by the hash of their name.
    newest: [u64; BUCKETS],
    /// The length from which Huffman codes are considered.
    pub(super) huffman_bytes_min: usize,
    /// The smallest size that the table had since the last block, if its size changed.
    smallest_bytes_max: Option<usize>,
}

/// What the table keeps with each field.
#[derive(Debug)]
pub(super) struct Attached {
    name_hash: u32,
    value_hash: u32,
    /// The number of the entry before this one in the same bucket. It may have left the table.
    before: u64,
}

impl Encoder {
    /// An encoder for a peer that has not announced the size of its table yet.
    pub(crate) fn new() -> Encoder {
        let table = Table::new(TABLE_BYTES_DEFAULT);
        Encoder { table, newest: [0; BUCKETS], huffman_bytes_min: HUFFMAN_BYTES_MIN, smallest_bytes_max: None }
    }

    /// Sets the maximum size of the table to the SETTINGS_HEADER_TABLE_SIZE of the peer, or to `TABLE_BYTES_MAX` if that is
    /// smaller. The next block tells the peer.
    pub(crate) fn set_table_bytes_max(&mut self, announced: usize) {
        let bytes_max = announced.min(TABLE_BYTES_MAX);
        if bytes_max == self.table.bytes_max() {
            return;
        }
        let smallest = self.smallest_bytes_max.unwrap_or(bytes_max);
        self.smallest_bytes_max = Some(smallest.min(bytes_max));
        self.table.set_bytes_max(bytes_max);
    }

    /// Begins a block. Appends the changes of the table's size since the last block (RFC 7541, 4.2).
    #[inline]
    pub(crate) fn begin_block(&mut self, out: &mut BytesMut) {
        if let Some(smallest) = self.smallest_bytes_max.take() {
            let bytes_max = self.table.bytes_max();
            if smallest < bytes_max {
                put_integer(out, 0x20, 5, smallest);
            }
            put_integer(out, 0x20, 5, bytes_max);
        }
    }

    /// Appends a field of the static table.
    #[inline]
    pub(crate) fn encode_static(&mut self, out: &mut BytesMut, field: StaticField) {
        out.put_u8(0x80 | field.0);
    }

    /// Appends a field: its index if it is in a table, or else a literal.
    pub(crate) fn encode(&mut self, out: &mut BytesMut, name: &[u8], value: &[u8], indexing: Indexing) {
        self.put(out, name, value, indexing);
    }

    /// Appends a field that is sent often with the same value. The field enters the table the first time, and again when it
    /// has left the table; otherwise this appends its index alone, without a search. `slot` belongs to this encoder and to
    /// this field.
    #[inline]
    pub(crate) fn encode_remembered(&mut self, out: &mut BytesMut, slot: &mut Remembered, name: &[u8], value: &[u8]) {
        match self.table.index_of(slot.number) {
            Some(index) => put_index(out, ROWS.len() + 1 + index),
            None => *slot = self.put(out, name, value, Indexing::Add),
        }
    }

    /// Appends a field that is sent often with another value each time. The first value enters the table for the sake of the
    /// name; later fields refer to the name without a search. `slot` belongs to this encoder and to this name.
    #[inline]
    pub(crate) fn encode_remembered_name(
        &mut self,
        out: &mut BytesMut,
        slot: &mut Remembered,
        name: &[u8],
        value: &[u8],
    ) {
        match self.table.index_of(slot.number) {
            Some(index) => {
                put_integer(out, 0x00, 4, ROWS.len() + 1 + index);
                self.put_string(out, value);
            }
            None => *slot = self.put(out, name, value, Indexing::Add),
        }
    }

    /// Appends a part as it was encoded the last time, if the table is still the same. Returns whether it did.
    #[inline]
    pub(crate) fn repeat(&self, out: &mut BytesMut, part: &RememberedPart) -> bool {
        let is_valid = part.length > 0 && part.version == self.table.version();
        if is_valid {
            out.put_slice(&part.bytes[..part.length]);
        }
        is_valid
    }

    /// The version of the table, for [`Encoder::remember`].
    pub(crate) fn version(&self) -> u64 {
        self.table.version()
    }

    /// Remembers a part that was encoded since the table had this version.
    pub(crate) fn remember(&self, part: &mut RememberedPart, encoded: &[u8], version: u64) {
        let is_short = encoded.len() <= PART_BYTES_MAX;
        part.length = if is_short && version == self.table.version() { encoded.len() } else { 0 };
        part.bytes[..part.length].copy_from_slice(&encoded[..part.length]);
        part.version = version;
    }

    /// Appends a field. Returns where the dynamic table holds the field now, if it does.
    fn put(&mut self, out: &mut BytesMut, name: &[u8], value: &[u8], indexing: Indexing) -> Remembered {
        let found = self.find(name, value, indexing);
        let name_index = match found {
            Some(Found { index, has_value: true }) if indexing != Indexing::Never => {
                put_index(out, index);
                return Remembered { number: self.number_of(index) };
            }
            Some(found) => found.index,
            None => 0,
        };
        let is_added = indexing == Indexing::Add && self.table.fits(name, value);
        let (pattern, index_bits) = match indexing {
            Indexing::Never => (0x10, 4),
            _ if is_added => (0x40, 6),
            _ => (0x00, 4),
        };
        put_integer(out, pattern, index_bits, name_index);
        if name_index == 0 {
            self.put_string(out, name);
        }
        self.put_string(out, value);
        if is_added { self.insert(name, value) } else { Remembered::default() }
    }

    /// Finds the index of a field, or one with the same name. The dynamic table is not searched if that is no use: if the
    /// field does not belong there and the static table has its name.
    fn find(&self, name: &[u8], value: &[u8], indexing: Indexing) -> Option<Found> {
        let mut found = static_table::find(name, value);
        if found.is_some_and(|found| found.has_value || indexing != Indexing::Add) {
            return found;
        }
        let (name_hash, value_hash) = (hash(name), hash(value));
        let mut number = self.newest[bucket(name_hash)];
        while let Some(place) = self.table.index_of(number) {
            let entry = self.table.entry(place)?;
            number = entry.attached.before;
            if entry.attached.name_hash != name_hash {
                continue;
            }
            let index = ROWS.len() + 1 + place;
            if entry.attached.value_hash == value_hash && entry.value() == value && entry.name() == name {
                return Some(Found { index, has_value: true });
            }
            if found.is_none() && entry.name() == name {
                found = Some(Found { index, has_value: false });
            }
        }
        found
    }

    fn insert(&mut self, name: &[u8], value: &[u8]) -> Remembered {
        let (name_hash, value_hash) = (hash(name), hash(value));
        let newest = &mut self.newest[bucket(name_hash)];
        let entry = Entry::new(name, value, Attached { name_hash, value_hash, before: *newest });
        let _ = self.table.insert(entry);
        *newest = self.table.newest();
        Remembered { number: *newest }
    }

    /// Appends a string (RFC 7541, 5.2), in Huffman codes if that is shorter.
    fn put_string(&self, out: &mut BytesMut, text: &[u8]) {
        if text.len() >= self.huffman_bytes_min {
            let encoded_bytes = huffman::encoded_bytes(text);
            if encoded_bytes < text.len() {
                put_integer(out, 0x80, 7, encoded_bytes);
                return huffman::encode(text, out);
            }
        }
        put_integer(out, 0x00, 7, text.len());
        out.put_slice(text);
    }

    /// The number of the entry with this index in a block. 0 for the static table.
    fn number_of(&self, index: usize) -> u64 {
        index.checked_sub(ROWS.len() + 1).map_or(0, |place| self.table.newest() - place as u64)
    }
}

/// A hash of a text from its length, its first eight bytes and its last eight. It only saves comparisons, so it need not be
/// a good one.
fn hash(text: &[u8]) -> u32 {
    let (first, last) = match (text.first_chunk(), text.last_chunk(), text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last), ..) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        (.., Some(first), Some(last)) => (u32::from_le_bytes(*first).into(), u32::from_le_bytes(*last).into()),
        _ => (text.iter().fold(0, |hash, byte| hash << 8 | u64::from(*byte)), 0),
    };
    ((first ^ last.rotate_left(32) ^ text.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) as u32
}

fn bucket(name_hash: u32) -> usize {
    name_hash as usize % BUCKETS
}

#[inline]
fn put_index(out: &mut BytesMut, index: usize) {
    put_integer(out, 0x80, 7, index);
}

/// The most that the table takes, whatever the peer offers. It holds some two hundred fields of usual length.
const TABLE_BYTES_MAX: usize = 16 * 1024;
/// The number of buckets of the hash table. A power of two.
const BUCKETS: usize = 32;
/// Huffman codes save at most five bytes of a shorter string. A value of 15 bytes took 305 instructions more to encode, and
/// 523 more to decode here.
const HUFFMAN_BYTES_MIN: usize = 16;
