//! The lines of a head and of trailers: where they end, and the fields in them.

use std::ops::Range;

use bytes::{Bytes, BytesMut};
use httparse::{EMPTY_HEADER, Header};

use super::Violation;
use crate::limits::Limits;

/// Fields in the order in which they arrived. The names are in lower case; the values have no white space around them.
///
/// The fields are slices of the bytes that were received; cloning copies none of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    bytes: Bytes,
    list: Vec<FieldAt>,
}

#[derive(Clone, Debug)]
struct FieldAt {
    name: Range<u32>,
    value: Range<u32>,
}

impl Fields {
    /// All fields: name and value.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.list.iter().map(|field| (self.part(&field.name), self.part(&field.value)))
    }

    /// The fields that the parser found in `block`. Changes their names to lower case.
    pub(super) fn new(mut block: BytesMut, list: FieldList) -> Fields {
        for field in &list.0 {
            block[field.name.start as usize..field.name.end as usize].make_ascii_lowercase();
        }
        Fields { bytes: block.freeze(), list: list.0 }
    }

    /// A part of the block that the fields lie in.
    pub(super) fn part(&self, range: &Range<u32>) -> &[u8] {
        &self.bytes[range.start as usize..range.end as usize]
    }

    /// Where a value lies in the block.
    pub(super) fn range_of(&self, value: &[u8]) -> Range<u32> {
        range_in(&self.bytes, value)
    }

    /// Parses a block of trailers, which ends in an empty line.
    pub(super) fn parse_trailers(block: BytesMut, count: usize) -> Result<Fields, Violation> {
        let mut slots = vec![EMPTY_HEADER; count];
        let list = match httparse::parse_headers(&block, &mut slots) {
            Ok(httparse::Status::Complete((length, fields))) if length == block.len() => FieldList::new(&block, fields),
            Ok(_) => return Err(Violation::bad_request("the trailers are malformed")),
            Err(error) => return Err(malformed(error)),
        };
        Ok(Fields::new(block, list))
    }
}

/// The places of fields in their block.
pub(super) struct FieldList(Vec<FieldAt>);

impl FieldList {
    /// The places of `fields`, which are parts of `block`.
    pub(super) fn new(block: &[u8], fields: &[Header<'_>]) -> FieldList {
        let place = |field: &Header<'_>| FieldAt {
            name: range_in(block, field.name.as_bytes()),
            value: range_in(block, field.value),
        };
        FieldList(fields.iter().map(place).collect())
    }
}

/// Where `part` lies in `block`, which `Limits` keeps below 4 GiB.
pub(super) fn range_in(block: &[u8], part: &[u8]) -> Range<u32> {
    let start = (part.as_ptr() as usize - block.as_ptr() as usize) as u32;
    start..start + part.len() as u32
}

/// The violation for an error of the parser.
pub(super) fn malformed(error: httparse::Error) -> Violation {
    Violation::bad_request(match error {
        httparse::Error::HeaderName => {
            "a field name is empty, has a byte that is not allowed, or has no colon behind it"
        }
        httparse::Error::HeaderValue => "a field value has a control byte in it",
        httparse::Error::NewLine => "a line does not end in CR LF",
        httparse::Error::Token => "the method or the target has a byte that is not allowed",
        httparse::Error::Version => "the request line is not of a method, a target and a version",
        httparse::Error::Status | httparse::Error::TooManyHeaders => "the head is malformed",
    })
}

/// Finds the end of a block of lines, an empty line, however the block is split on its way. Every byte is looked at once.
#[derive(Debug)]
pub(super) struct LineScan {
    /// Whether the first line is a request line, and no field.
    is_head: bool,
    bytes_max: usize,
    fields_max: usize,
    scanned: usize,
    line_start: usize,
    lines: usize,
}

/// A complete block of lines.
pub(super) struct Block {
    /// Its length, with the empty line at its end.
    pub(super) length: usize,
    /// The number of lines before the empty one.
    pub(super) lines: usize,
}

impl LineScan {
    /// A scan of a request line and fields.
    pub(super) fn of_head(limits: &Limits) -> LineScan {
        LineScan { is_head: true, ..LineScan::of_trailers(limits) }
    }

    /// A scan of the fields behind a body.
    pub(super) fn of_trailers(limits: &Limits) -> LineScan {
        LineScan {
            is_head: false,
            bytes_max: limits.http_head_bytes_max,
            fields_max: limits.http_fields_max,
            scanned: 0,
            line_start: 0,
            lines: 0,
        }
    }

    /// Finds the end of the block at the front of `input`, which continues the input of the call before. `None` if the block
    /// is incomplete. Once it is complete, the scan begins anew.
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Option<Block>, Violation> {
        while let Some(at) = input[self.scanned..].iter().position(|byte| *byte == b'\n') {
            let end = self.scanned + at;
            if end >= self.bytes_max {
                return Err(self.too_long());
            }
            let Some(line) = input[self.line_start..end].strip_suffix(b"\r") else {
                return Err(Violation::bad_request("a line ends in LF without CR"));
            };
            (self.scanned, self.line_start) = (end + 1, end + 1);
            match line.first() {
                None => {
                    let block = Block { length: end + 1, lines: self.lines };
                    (self.scanned, self.line_start, self.lines) = (0, 0, 0);
                    return Ok(Some(block));
                }
                Some(b' ' | b'\t') => {
                    return Err(Violation::bad_request(
                        "a line begins with white space; fields are not folded any more",
                    ));
                }
                Some(_) => self.lines += 1,
            }
            if self.lines > self.fields_max.saturating_add(self.is_head.into()) {
                return Err(self.too_many());
            }
        }
        self.scanned = input.len();
        if input.len() >= self.bytes_max { Err(self.too_long()) } else { Ok(None) }
    }

    fn too_long(&self) -> Violation {
        let (status, what) = match (self.is_head, self.lines) {
            (true, 0) => (414, "request line is"),
            (true, _) => (431, "head is"),
            (false, _) => (431, "trailers are"),
        };
        Violation::new(status, format!("the {what} longer than http_head_bytes_max {}", self.bytes_max))
    }

    fn too_many(&self) -> Violation {
        let what = if self.is_head { "head has" } else { "trailers have" };
        Violation::new(431, format!("the {what} more fields than http_fields_max {}", self.fields_max))
    }
}
