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
    /// Where decoding stops.
    far_bytes_max: usize,
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
        let far_bytes_max = list_bytes_max.saturating_mul(FAR_TOO_LONG_FACTOR).saturating_add(table_bytes_max);
        Decoder { table, table_bytes_max, list_bytes_max, far_bytes_max, scratch: Vec::new() }
    }

    /// Decodes a whole block and passes each field to `take`.
    ///
    /// Once the list exceeds `list_bytes_max`, decoding goes on without calling `take`, to keep the table in step with the
    /// peer. It stops with an error where the list exceeds the limit several times, so that a few bytes that refer to a long
    /// field again and again cost little. After an error the decoder must not be used again.
    pub(crate) fn decode(&mut self, block: &[u8], take: &mut impl FnMut(Field<'_>)) -> Result<Decoded, HpackError> {
        let mut list = List { bytes: 0, bytes_max: self.list_bytes_max, far_bytes_max: self.far_bytes_max };
        let mut input = block;
        while let Some((&first @ 0x20..=0x3f, rest)) = input.split_first() {
            input = self.size_update(first, rest)?;
        }
        while let Some((&first, rest)) = input.split_first() {
            input = match first {
                0x80.. => self.indexed(first, rest, &mut list, take)?,
                _ => self.literal(first, rest, &mut list, take)?,
            };
        }
        if self.scratch.capacity() > SCRATCH_BYTES_KEPT {
            self.scratch = Vec::new();
        }
        Ok(if list.is_too_long() { Decoded::TooLong } else { Decoded::Complete })
    }

    /// Changes the maximum size of the table. Returns the rest of the block, as the functions below do.
    #[inline(never)]
    fn size_update<'b>(&mut self, first: u8, input: &'b [u8]) -> Result<&'b [u8], HpackError> {
        let (bytes_max, rest) = take_integer(first, 5, input)?;
        if bytes_max > self.table_bytes_max {
            return Err(HpackError::SizeUpdateTooLarge(bytes_max));
        }
        self.table.set_bytes_max(bytes_max);
        Ok(rest)
    }

    /// Passes on a field of a table.
    #[inline]
    fn indexed<'b>(
        &mut self,
        first: u8,
        input: &'b [u8],
        list: &mut List,
        take: &mut impl FnMut(Field<'_>),
    ) -> Result<&'b [u8], HpackError> {
        let (index, rest) = take_integer(first, 7, input)?;
        // 0 becomes the largest number, which is beyond every table.
        let row = index.wrapping_sub(1);
        if let Some(row) = ROWS.get(row) {
            let field = Field { name: row.name, value: row.value, known: row.known, never_indexed: false, note: None };
            list.pass(field, take)?;
        } else {
            let entry = self.table.entry_mut(row - ROWS.len()).ok_or(HpackError::beyond_table(index))?;
            list.pass(entry.field(), take)?;
        }
        Ok(rest)
    }

    /// Passes on a literal field, and inserts the field into the table if the peer demands that.
    #[inline(never)]
    fn literal<'b>(
        &mut self,
        first: u8,
        input: &'b [u8],
        list: &mut List,
        take: &mut impl FnMut(Field<'_>),
    ) -> Result<&'b [u8], HpackError> {
        let (is_added, never_indexed, index_bits) = match first {
            0x40.. => (true, false, 6),
            0x20.. => return Err(HpackError::SizeUpdateNotFirst),
            _ => (false, first >= 0x10, 4),
        };
        let (index, rest) = take_integer(first, index_bits, input)?;
        let (known, rest) = self.take_name(index, rest)?;
        let name_bytes = self.scratch.len();
        let rest = take_string(rest, &mut self.scratch)?;
        let (name, value) = self.scratch.split_at(name_bytes);
        let entry = if is_added { self.table.insert(name, value, Attached { known, note: 0 }) } else { None };
        match entry {
            Some(entry) => list.pass(entry.field(), take)?,
            None => list.pass(Field { name, value, known, never_indexed, note: None }, take)?,
        }
        Ok(rest)
    }

    /// Reads the name of a literal field into `scratch`: that of the field with this index, or for 0 the string at the front
    /// of `input`.
    fn take_name<'b>(&mut self, index: usize, input: &'b [u8]) -> Result<(KnownName, &'b [u8]), HpackError> {
        self.scratch.clear();
        let Some(row) = index.checked_sub(1) else {
            let rest = take_string(input, &mut self.scratch)?;
            return Ok((KnownName::of(&self.scratch), rest));
        };
        if let Some(row) = ROWS.get(row) {
            self.scratch.extend_from_slice(row.name);
            return Ok((row.known, input));
        }
        let entry = self.table.entry(row - ROWS.len()).ok_or(HpackError::beyond_table(index))?;
        self.scratch.extend_from_slice(entry.name());
        Ok((entry.attached.known, input))
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
    far_bytes_max: usize,
}

impl List {
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

/// Reads the string (RFC 7541, 5.2) at the front of `input` and appends it to `out`. Returns the rest of `input`.
fn take_string<'b>(input: &'b [u8], out: &mut Vec<u8>) -> Result<&'b [u8], HpackError> {
    let (&first, rest) = input.split_first().ok_or(HpackError::Truncated)?;
    let (length, rest) = take_integer(first, 7, rest)?;
    let (string, rest) = rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
    if first & 0x80 != 0 {
        huffman::decode(string, out)?;
    } else {
        out.extend_from_slice(string);
    }
    Ok(rest)
}

/// The multiple of the limit at which decoding stops.
const FAR_TOO_LONG_FACTOR: usize = 4;
/// A larger buffer is freed after its block, because most connections are idle for most of the time.
const SCRATCH_BYTES_KEPT: usize = 1024;
