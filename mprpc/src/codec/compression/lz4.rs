//! LZ4, as exactly one frame without a dictionary. lz4_flex decodes the blocks; this file decodes the frame. lz4_flex
//! itself accepts a frame that ends between two blocks as complete, and buffers several blocks of the size that the frame
//! declares.
//!
//! Source: <https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md>.

use std::io::Write;

use lz4_flex::block::{DecompressError, decompress_into_with_dict};
use lz4_flex::frame::{FrameEncoder, FrameInfo};
use twox_hash::XxHash32;

use super::{Fault, grow};

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let info = FrameInfo::new().content_size(Some(bytes.len() as u64)).content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(info, out);
    encoder.write_all(bytes).map_err(Fault::broken)?;
    encoder.finish().map(drop).map_err(Fault::broken)
}

pub(super) fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
    let mut input = Input(bytes);
    let head = Head::read(&mut input)?;
    let declared = match head.content_bytes.map(usize::try_from) {
        Some(Ok(size)) if size <= max => Some(size),
        Some(_) => return Err(Fault::TooLong),
        None => None,
    };
    let mut output = Output { bytes: Vec::new(), filled: 0, max: declared.unwrap_or(max) };
    loop {
        let word = input.u32()?;
        if word == END_MARK {
            break;
        }
        let length = (word & !STORED) as usize;
        if length > head.block_bytes_max {
            return Err(Fault::broken("a block is longer than the frame allows"));
        }
        let block = input.take(length)?;
        if head.block_checksums && input.u32()? != checksum(block) {
            return Err(Fault::broken("the checksum of a block is wrong"));
        }
        let taken = if word & STORED != 0 { output.store(block) } else { output.decompress(block, &head) };
        taken.map_err(|fault| match fault {
            Fault::TooLong if declared.is_some() => Fault::broken(NOT_AS_DECLARED),
            fault => fault,
        })?;
    }
    output.bytes.truncate(output.filled);
    if declared.is_some_and(|size| size != output.filled) {
        return Err(Fault::broken(NOT_AS_DECLARED));
    }
    if head.content_checksum && input.u32()? != checksum(&output.bytes) {
        return Err(Fault::broken("its checksum is wrong"));
    }
    if !input.0.is_empty() {
        return Err(Fault::broken(format!("{} bytes follow its end", input.0.len())));
    }
    Ok(output.bytes)
}

/// The header of a frame.
struct Head {
    block_bytes_max: usize,
    /// Whether blocks refer to the output of earlier blocks.
    linked: bool,
    block_checksums: bool,
    content_bytes: Option<u64>,
    content_checksum: bool,
}

impl Head {
    fn read(input: &mut Input<'_>) -> Result<Head, Fault> {
        if input.u32()? != MAGIC {
            return Err(Fault::broken("the head of the frame is none"));
        }
        let descriptor = input.0;
        let [flags, block] = input.array()?;
        if flags >> 6 != VERSION || flags & 0x02 != 0 || block & 0x8f != 0 {
            return Err(Fault::broken("the head of the frame is of a version unknown here"));
        }
        if flags & 0x01 != 0 {
            return Err(Fault::broken("it needs a dictionary"));
        }
        let block_bytes_max = match block >> 4 {
            size @ 4..=7 => 1 << (2 * size + 8),
            _ => return Err(Fault::broken("the frame names no size of blocks")),
        };
        let content_bytes = if flags & 0x08 != 0 { Some(u64::from_le_bytes(input.array()?)) } else { None };
        let descriptor = &descriptor[..descriptor.len() - input.0.len()];
        let [sum] = input.array()?;
        if sum != (checksum(descriptor) >> 8) as u8 {
            return Err(Fault::broken("the checksum of the frame's head is wrong"));
        }
        let (linked, block_checksums) = (flags & 0x20 == 0, flags & 0x10 != 0);
        Ok(Head { block_bytes_max, linked, block_checksums, content_bytes, content_checksum: flags & 0x04 != 0 })
    }
}

/// The rest of the frame.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Fault> {
        let (taken, rest) = self.0.split_at_checked(length).ok_or_else(|| Fault::broken("it is cut off"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Fault> {
        let (taken, rest) = self.0.split_first_chunk().ok_or_else(|| Fault::broken("it is cut off"))?;
        self.0 = rest;
        Ok(*taken)
    }

    fn u32(&mut self) -> Result<u32, Fault> {
        self.array().map(u32::from_le_bytes)
    }
}

/// The message as it grows, within `max`.
struct Output {
    bytes: Vec<u8>,
    filled: usize,
    max: usize,
}

impl Output {
    fn store(&mut self, block: &[u8]) -> Result<(), Fault> {
        if block.len() > self.max - self.filled {
            return Err(Fault::TooLong);
        }
        self.room(block.len()).copy_from_slice(block);
        self.filled += block.len();
        Ok(())
    }

    fn decompress(&mut self, block: &[u8], head: &Head) -> Result<(), Fault> {
        let possible = head.block_bytes_max.min(block.len().saturating_mul(EXPANSION_MAX));
        let room = possible.min(self.max - self.filled);
        self.room(room);
        let (before, rest) = self.bytes.split_at_mut(self.filled);
        let window = if head.linked { &before[before.len().saturating_sub(WINDOW_BYTES)..] } else { &[] };
        match decompress_into_with_dict(block, &mut rest[..room], window) {
            Ok(length) => self.filled += length,
            Err(DecompressError::OutputTooSmall { .. }) if room < possible => return Err(Fault::TooLong),
            Err(error) => return Err(Fault::broken(error)),
        }
        Ok(())
    }

    /// The next `length` bytes of the output, which are within `max`.
    fn room(&mut self, length: usize) -> &mut [u8] {
        let end = self.filled + length;
        if self.bytes.len() < end {
            grow(&mut self.bytes, end, self.max);
        }
        &mut self.bytes[self.filled..end]
    }
}

fn checksum(bytes: &[u8]) -> u32 {
    XxHash32::oneshot(0, bytes)
}

const NOT_AS_DECLARED: &str = "it is not as long as the frame says";
const MAGIC: u32 = 0x184d_2204;
const VERSION: u8 = 1;
const END_MARK: u32 = 0;
/// The bit that marks a block which is stored uncompressed.
const STORED: u32 = 1 << 31;
/// How far back a block may refer.
const WINDOW_BYTES: usize = 64 << 10;
/// The maximum number of output bytes per byte of a block.
const EXPANSION_MAX: usize = 255;
