//! Decodes header blocks.

use super::integer::take_integer;
use super::known_name::KnownName;
use super::static_table::ROWS;
use super::table::{Entry, Table};
use super::{FIELD_OVERHEAD_BYTES, HpackError, TABLE_BYTES_DEFAULT, huffman};

/// A decoded field. The name and the value are part of a table, or of a buffer that the next field overwrites. They are
/// bytes as the peer sent them: nothing checks that a name has lower-case letters only.
#[derive(Debug)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a [u8],
    pub(crate) value: &'a [u8],
    pub(crate) known: KnownName,
    /// The peer demands that nobody puts the field into a table, because it is a secret.
    #[cfg_attr(not(test), expect(dead_code, reason = "nothing here forwards fields"))]
    pub(crate) never_indexed: bool,
    /// A number that the reader may attach to the field, 0 at first. Later blocks that refer to the field bring the number
    /// along, so a `:path` becomes a method without a comparison of strings. `None` if the field is not in the dynamic
    /// table.
    pub(crate) note: Option<&'a mut u32>,
}

/// The result of decoding a block without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// All fields have been passed on.
    Complete,
    /// The list exceeds its limit. Its first fields have been passed on. The connection can go on.
    TooLong,
}

/// The decoder of a connection.
#[derive(Debug)]
pub(crate) struct Decoder {
    pub(super) table: Table<Attached>,
    table_bytes_max: usize,
    list_bytes_max: usize,
    /// Name and value of a literal field, one behind the other.
    scratch: Vec<u8>,
}

/// What the table keeps with each field.
#[derive(Debug)]
pub(super) struct Attached {
    known: KnownName,
    note: u32,
}

impl Decoder {
    /// A decoder for a side that has announced `table_bytes_max` as SETTINGS_HEADER_TABLE_SIZE and `list_bytes_max` as
    /// SETTINGS_MAX_HEADER_LIST_SIZE. A `table_bytes_max` below the default of 4096 counts as 4096, because the peer may use
    /// that much until it has read the settings.
    pub(crate) fn new(table_bytes_max: usize, list_bytes_max: usize) -> Decoder {
        let table = Table::new(TABLE_BYTES_DEFAULT);
        let table_bytes_max = table_bytes_max.max(TABLE_BYTES_DEFAULT);
        Decoder { table, table_bytes_max, list_bytes_max, scratch: Vec::new() }
    }

    /// Decodes a whole block and passes each field to `take`.
    ///
    /// Once the list exceeds `list_bytes_max`, decoding goes on without calling `take`, to keep the table in step with the
    /// peer. It stops with an error where the list exceeds the limit several times, so that a few bytes that refer to a long
    /// field again and again cost little. After an error the decoder must not be used again.
    pub(crate) fn decode(&mut self, block: &[u8], take: &mut impl FnMut(Field<'_>)) -> Result<Decoded, HpackError> {
        let mut list = List::new(self.list_bytes_max, self.table_bytes_max);
        let mut input = self.take_size_updates(block)?;
        while let Some((&first, rest)) = input.split_first() {
            input = rest;
            match first {
                0x80.. => {
                    let index = take_integer(first, 7, &mut input)?;
                    self.indexed(index, &mut list, take)?;
                }
                0x40.. => {
                    let (name_bytes, known) = self.take_literal(first, 6, &mut input)?;
                    let (name, value) = self.scratch.split_at(name_bytes);
                    match self.table.insert(name, value, Attached { known, note: 0 }) {
                        Some(entry) => list.pass(entry.field(), take)?,
                        None => list.pass(Field { name, value, known, never_indexed: false, note: None }, take)?,
                    }
                }
                0x20.. => return Err(HpackError::SizeUpdateNotFirst),
                _ => {
                    let (name_bytes, known) = self.take_literal(first, 4, &mut input)?;
                    let (name, value) = self.scratch.split_at(name_bytes);
                    list.pass(Field { name, value, known, never_indexed: first >= 0x10, note: None }, take)?;
                }
            }
        }
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        Ok(if list.is_too_long() { Decoded::TooLong } else { Decoded::Complete })
    }

    /// Applies the changes of the table's size at the beginning of `block`. Returns the rest of the block.
    fn take_size_updates<'a>(&mut self, block: &'a [u8]) -> Result<&'a [u8], HpackError> {
        let mut rest = block;
        while let [first @ 0x20..=0x3f, input @ ..] = rest {
            rest = input;
            let bytes_max = take_integer(*first, 5, &mut rest)?;
            if bytes_max > self.table_bytes_max {
                return Err(HpackError::SizeUpdateTooLarge(bytes_max));
            }
            self.table.set_bytes_max(bytes_max);
        }
        Ok(rest)
    }

    /// Passes on a field of a table.
    #[inline]
    fn indexed(&mut self, index: usize, list: &mut List, take: &mut impl FnMut(Field<'_>)) -> Result<(), HpackError> {
        let Some(row) = index.checked_sub(1) else { return Err(HpackError::IndexZero) };
        if let Some(row) = ROWS.get(row) {
            let field = Field { name: row.name, value: row.value, known: row.known, never_indexed: false, note: None };
            return list.pass(field, take);
        }
        let entry = self.table.entry_mut(row - ROWS.len()).ok_or(HpackError::IndexBeyondTable(index))?;
        list.pass(entry.field(), take)
    }

    /// Reads a literal field into `scratch`. Returns the length of its name, and which name it is.
    fn take_literal(
        &mut self,
        first: u8,
        index_bits: u32,
        input: &mut &[u8],
    ) -> Result<(usize, KnownName), HpackError> {
        let index = take_integer(first, index_bits, input)?;
        self.scratch.clear();
        let known = match index.checked_sub(1) {
            None => {
                take_string(input, &mut self.scratch)?;
                KnownName::of(&self.scratch)
            }
            Some(row) if row < ROWS.len() => {
                self.scratch.extend_from_slice(ROWS[row].name);
                ROWS[row].known
            }
            Some(row) => {
                let entry = self.table.entry(row - ROWS.len()).ok_or(HpackError::IndexBeyondTable(index))?;
                self.scratch.extend_from_slice(entry.name());
                entry.attached.known
            }
        };
        let name_bytes = self.scratch.len();
        take_string(input, &mut self.scratch)?;
        Ok((name_bytes, known))
    }
}

impl Entry<Attached> {
    #[inline]
    fn field(&mut self) -> Field<'_> {
        let (name, value, attached) = self.parts();
        Field { name, value, known: attached.known, never_indexed: false, note: Some(&mut attached.note) }
    }
}

/// The size of a list, as far as it is decoded, and its limits.
struct List {
    bytes: usize,
    bytes_max: usize,
    /// Where decoding stops.
    far_bytes_max: usize,
}

impl List {
    /// A list that is longer than its limit by `table_bytes_max` is not too long for decoding yet, however low the limit.
    fn new(bytes_max: usize, table_bytes_max: usize) -> List {
        let far_bytes_max = bytes_max.saturating_mul(FAR_TOO_LONG_FACTOR).saturating_add(table_bytes_max);
        List { bytes: 0, bytes_max, far_bytes_max }
    }

    /// Counts the field, and passes it on if the list is not too long yet.
    #[inline]
    fn pass(&mut self, field: Field<'_>, take: &mut impl FnMut(Field<'_>)) -> Result<(), HpackError> {
        self.bytes += field.name.len() + field.value.len() + FIELD_OVERHEAD_BYTES;
        if !self.is_too_long() {
            take(field);
        } else if self.bytes > self.far_bytes_max {
            return Err(HpackError::ListFarTooLong(self.bytes));
        }
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        self.bytes > self.bytes_max
    }
}

/// Reads a string (RFC 7541, 5.2) and appends it to `out`.
fn take_string(input: &mut &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let Some((&first, rest)) = input.split_first() else { return Err(HpackError::Truncated) };
    *input = rest;
    let length = take_integer(first, 7, input)?;
    let Some((string, rest)) = input.split_at_checked(length) else { return Err(HpackError::Truncated) };
    *input = rest;
    if first & 0x80 != 0 {
        return huffman::decode(string, out);
    }
    out.extend_from_slice(string);
    Ok(())
}

/// The multiple of the limit at which decoding stops.
const FAR_TOO_LONG_FACTOR: usize = 4;
/// A larger buffer is freed after its block, because most connections are idle for most of the time.
const SCRATCH_BYTES_KEPT: usize = 1024;
