//! HPACK (RFC 7541): the fields of a request or a response as a compressed block, and back. It knows no frames: the caller
//! joins the fragments of a block before it is decoded.
//!
//! A connection has one [`Encoder`] and one [`Decoder`]. Both keep a table of recent fields, which the peer mirrors. So
//! blocks must be decoded in the order of their arrival, all of them, and sent in the order in which they were encoded.

mod beginnings;
mod decoder;
mod encoder;
mod huffman;
mod integer;
mod known_name;
mod static_table;
mod table;

pub(crate) use beginnings::PLACES;
pub(crate) use decoder::{Decoded, Decoder, Field, FieldSink};
pub(crate) use encoder::{Encoder, Indexing, Remembered, RememberedPart};
pub(crate) use known_name::KnownName;
pub(crate) use static_table::StaticField;

use std::fmt::{self, Display, Formatter};

/// The size of both tables at the start of a connection, and the default of SETTINGS_HEADER_TABLE_SIZE.
pub(crate) const TABLE_BYTES_DEFAULT: usize = 4096;

/// What RFC 7541, 4.1 counts for a field besides its name and its value. SETTINGS_MAX_HEADER_LIST_SIZE counts it too.
pub(crate) const FIELD_OVERHEAD_BYTES: usize = 32;

/// A block that cannot be decoded. The tables of both sides differ from now on, so the connection has to end with
/// COMPRESSION_ERROR (RFC 9113, 4.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HpackError {
    /// The block ends inside a field.
    Truncated,
    /// An integer exceeds 32 bits.
    IntegerTooLarge,
    /// Index 0 where a whole field is expected.
    IndexZero,
    /// An index beyond the end of the table.
    IndexBeyondTable(usize),
    /// A string contains the code EOS.
    HuffmanEos,
    /// The padding of a string is longer than 7 bits, or is not all ones.
    HuffmanPadding,
    /// The size of the table changes after the first field of a block.
    SizeUpdateNotFirst,
    /// The new size of the table exceeds what this side announced.
    SizeUpdateTooLarge(usize),
    /// The list exceeds its limit by so much that decoding stops. The number is its size up to there.
    ListFarTooLong(usize),
}

impl HpackError {
    /// An index that no table has.
    fn beyond_table(index: usize) -> HpackError {
        if index == 0 { HpackError::IndexZero } else { HpackError::IndexBeyondTable(index) }
    }
}

impl Display for HpackError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            HpackError::Truncated => f.write_str("the header block ends inside a field"),
            HpackError::IntegerTooLarge => f.write_str("an integer of the header block exceeds 32 bits"),
            HpackError::IndexZero => f.write_str("the header block refers to the field 0"),
            HpackError::IndexBeyondTable(index) => {
                write!(f, "the header block refers to the field {index}, which is beyond the table")
            }
            HpackError::HuffmanEos => f.write_str("a string of the header block contains EOS"),
            HpackError::HuffmanPadding => f.write_str("a string of the header block has wrong padding"),
            HpackError::SizeUpdateNotFirst => {
                f.write_str("the header block changes the size of the table after a field")
            }
            HpackError::SizeUpdateTooLarge(bytes) => {
                write!(f, "the header block sets the size of the table to {bytes}, which exceeds the announced maximum")
            }
            HpackError::ListFarTooLong(bytes) => {
                write!(f, "the header list has at least {bytes} bytes, several times its limit")
            }
        }
    }
}

#[cfg(test)]
mod tests;
