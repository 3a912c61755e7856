//! Decodes header blocks.

use super::beginnings::{BEGINNING_BYTES_MAX, Beginnings, Known};
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
    #[cfg_attr(not(any(test, fuzzing)), expect(dead_code, reason = "nothing here forwards fields"))]
    pub(crate) never_indexed: bool,
    /// A number that the reader may attach to the field, 0 at first. Later blocks that refer to the field bring the number
    /// along, so a `:path` becomes a method without a comparison of strings. `None` if the field is not in the dynamic
    /// table.
    pub(crate) note: Option<&'a mut u32>,
}

/// Takes the fields of a block.
pub(crate) trait FieldSink {
    /// Takes the next field of a block.
    fn field(&mut self, field: Field<'_>);

    /// Saves in `place`, below [`PLACES`](super::PLACES), what the fields of this block came to so far. Returns false if
    /// the sink cannot; then no block begins with `restore`.
    fn save(&mut self, _place: usize) -> bool {
        false
    }

    /// Begins a block where the saved one was when it was saved.
    fn restore(&mut self, _place: usize) {}
}

impl<F: FnMut(Field<'_>)> FieldSink for F {
    #[inline]
    fn field(&mut self, field: Field<'_>) {
        self(field);
    }
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
    beginnings: Beginnings,
    /// The name and the value of a literal field in Huffman codes, decoded.
    name: Vec<u8>,
    value: Vec<u8>,
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
        let (beginnings, name, value) = (Beginnings::default(), Vec::new(), Vec::new());
        Decoder { table, table_bytes_max, list_bytes_max, far_bytes_max, beginnings, name, value }
    }

    /// Decodes a whole block and passes each field to `sink`.
    ///
    /// Once the list exceeds `list_bytes_max`, decoding goes on without calling the sink, to keep the table in step with the
    /// peer. It stops with an error where the list exceeds the limit several times, so that a few bytes that refer to a long
    /// field again and again cost little. After an error the decoder must not be used again.
    #[inline]
    pub(crate) fn decode(&mut self, block: &[u8], sink: &mut impl FieldSink) -> Result<Decoded, HpackError> {
        let mut list = List { bytes: 0, bytes_max: self.list_bytes_max, far_bytes_max: self.far_bytes_max };
        let mut input = match self.beginnings.find(block, self.table.version()) {
            Known::Saved { place, length, list_bytes } => {
                sink.restore(place);
                list.bytes = list_bytes;
                &block[length..]
            }
            Known::Repeated(place) => self.save_beginning(block, place, &mut list, sink)?,
            Known::New => self.begin(block, &mut list, sink)?,
        };
        while let Some((&first, rest)) = input.split_first() {
            input = match first {
                0x80.. => self.indexed(first, rest, &mut list, sink)?,
                _ => self.literal(first, rest, &mut list, sink)?,
            };
        }
        if self.name.capacity().max(self.value.capacity()) > SCRATCH_BYTES_KEPT {
            (self.name, self.value) = (Vec::new(), Vec::new());
        }
        Ok(if list.is_too_long() { Decoded::TooLong } else { Decoded::Complete })
    }

    /// Decodes the size updates and the indexed fields at the front of a block, and notes these fields. Returns the rest.
    fn begin<'b>(
        &mut self,
        block: &'b [u8],
        list: &mut List,
        sink: &mut impl FieldSink,
    ) -> Result<&'b [u8], HpackError> {
        let mut input = block;
        while let Some((&first @ 0x20..=0x3f, rest)) = input.split_first() {
            input = self.size_update(first, rest)?;
        }
        let fields = input;
        while let Some((&first @ 0x80.., rest)) = input.split_first() {
            input = self.indexed(first, rest, list, sink)?;
        }
        let length = fields.len() - input.len();
        if length > 0 && fields.len() == block.len() {
            self.beginnings.note(&fields[..length], self.table.version());
        }
        Ok(input)
    }

    /// Decodes the indexed fields at the front of a block, and lets the sink save as many of them as it can. Returns the
    /// rest of the block.
    #[inline(never)]
    fn save_beginning<'b>(
        &mut self,
        block: &'b [u8],
        place: usize,
        list: &mut List,
        sink: &mut impl FieldSink,
    ) -> Result<&'b [u8], HpackError> {
        let (mut input, mut is_saved) = (block, true);
        while let Some((&first @ 0x80.., rest)) = input.split_first() {
            input = self.indexed(first, rest, list, sink)?;
            let length = block.len() - input.len();
            is_saved = is_saved && length <= BEGINNING_BYTES_MAX && !list.is_too_long() && sink.save(place);
            if is_saved {
                self.beginnings.saved(place, &block[..length], self.table.version(), list.bytes);
            }
        }
        Ok(input)
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
        sink: &mut impl FieldSink,
    ) -> Result<&'b [u8], HpackError> {
        let (index, rest) = take_integer(first, 7, input)?;
        // 0 becomes the largest number, which is beyond every table.
        let row = index.wrapping_sub(1);
        if let Some(row) = ROWS.get(row) {
            let field = Field { name: row.name, value: row.value, known: row.known, never_indexed: false, note: None };
            list.pass(field, sink)?;
        } else {
            let entry = self.table.entry_mut(row - ROWS.len()).ok_or(HpackError::beyond_table(index))?;
            list.pass(entry.field(), sink)?;
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
        sink: &mut impl FieldSink,
    ) -> Result<&'b [u8], HpackError> {
        let (is_added, never_indexed, index_bits) = match first {
            0x40.. => (true, false, 6),
            0x20.. => return Err(HpackError::SizeUpdateNotFirst),
            _ => (false, first >= 0x10, 4),
        };
        let (index, rest) = take_integer(first, index_bits, input)?;
        let (known, name, rest) = match index.checked_sub(1) {
            None => {
                let (name, rest) = take_string(rest, &mut self.name)?;
                (KnownName::of(name), name, rest)
            }
            Some(row) => match ROWS.get(row) {
                Some(row) => (row.known, row.name, rest),
                None => {
                    let entry = self.table.entry(row - ROWS.len()).ok_or(HpackError::beyond_table(index))?;
                    (entry.attached.known, entry.name(), rest)
                }
            },
        };
        let (value, rest) = take_string(rest, &mut self.value)?;
        if !is_added {
            list.pass(Field { name, value, known, never_indexed, note: None }, sink)?;
            return Ok(rest);
        }
        let entry = Entry::new(name, value, Attached { known, note: 0 });
        match self.table.insert(entry) {
            Ok(entry) => list.pass(entry.field(), sink)?,
            Err(entry) => {
                let (name, value) = (entry.name(), entry.value());
                list.pass(Field { name, value, known, never_indexed, note: None }, sink)?;
            }
        }
        Ok(rest)
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
    fn pass(&mut self, field: Field<'_>, sink: &mut impl FieldSink) -> Result<(), HpackError> {
        self.bytes += field.name.len() + field.value.len() + FIELD_OVERHEAD_BYTES;
        if !self.is_too_long() {
            sink.field(field);
        } else if self.bytes > self.far_bytes_max {
            return Err(HpackError::ListFarTooLong(self.bytes));
        }
        Ok(())
    }

    fn is_too_long(&self) -> bool {
        self.bytes > self.bytes_max
    }
}

/// Reads the string (RFC 7541, 5.2) at the front of `input`. A string in Huffman codes is decoded into `buffer`. Returns the
/// rest of `input` too.
#[inline]
fn take_string<'s, 'b: 's>(input: &'b [u8], buffer: &'s mut Vec<u8>) -> Result<(&'s [u8], &'b [u8]), HpackError> {
    let (&first, rest) = input.split_first().ok_or(HpackError::Truncated)?;
    let (length, rest) = take_integer(first, 7, rest)?;
    let (string, rest) = rest.split_at_checked(length).ok_or(HpackError::Truncated)?;
    if first & 0x80 == 0 {
        return Ok((string, rest));
    }
    buffer.clear();
    huffman::decode(string, buffer)?;
    Ok((buffer, rest))
}

/// The multiple of the limit at which decoding stops.
const FAR_TOO_LONG_FACTOR: usize = 4;
/// A larger buffer is freed after its block, because most connections are idle for most of the time.
const SCRATCH_BYTES_KEPT: usize = 1024;
