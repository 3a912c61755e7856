//! The body of a request: a length, or chunks and trailers.

use bytes::{Buf, Bytes, BytesMut};

use super::Violation;
use super::fields::{Fields, LineScan};
use super::head::BodyLength;
use crate::limits::Limits;

/// The result of one decoding step.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// The next part is incomplete.
    NeedMore,
    /// The next bytes of the body; never none.
    Data(Bytes),
    /// The body is complete. These are its trailers. The next request begins behind them.
    End(#[cfg_attr(not(any(test, fuzzing)), expect(dead_code, reason = "trailers say nothing to a handler"))] Fields),
}

/// Decodes the body of one request. Under every split of the input it gives the same body and errors.
#[derive(Debug)]
pub(crate) struct BodyDecoder {
    state: State,
    trailers: LineScan,
    /// The bytes of chunk extensions so far, which nobody reads.
    extension_bytes: usize,
    extension_bytes_max: usize,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// So many bytes are left of a body with a length.
    Length(u64),
    /// Before the size of a chunk.
    ChunkSize,
    /// So many bytes are left of a chunk.
    Chunk(u64),
    /// Before the end of the line behind a chunk.
    ChunkEnd,
    /// Behind the last chunk.
    Trailers,
}

impl BodyDecoder {
    pub(crate) fn new(body: BodyLength, limits: &Limits) -> BodyDecoder {
        let state = match body {
            BodyLength::Length(length) => State::Length(length),
            BodyLength::Chunked => State::ChunkSize,
        };
        BodyDecoder {
            state,
            trailers: LineScan::of_trailers(limits),
            extension_bytes: 0,
            extension_bytes_max: limits.http_head_bytes_max,
        }
    }

    /// Decodes what is at the front of `input`, and removes it. Data is not copied. After [`Decoded::End`] the decoder is
    /// spent.
    ///
    /// After [`Decoded::NeedMore`] the next call has to pass the same input with more bytes behind it.
    pub(crate) fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Violation> {
        loop {
            match self.state {
                State::Length(0) => return Ok(Decoded::End(Fields::default())),
                State::Length(left) => {
                    let (data, left) = take_data(input, left);
                    self.state = State::Length(left);
                    return Ok(data);
                }
                State::ChunkSize => {
                    let Some((size, line_bytes)) = decode_chunk_size(input)? else {
                        return Ok(Decoded::NeedMore);
                    };
                    input.advance(line_bytes);
                    self.count_extension(size, line_bytes)?;
                    self.state = if size == 0 { State::Trailers } else { State::Chunk(size) };
                }
                State::Chunk(0) => self.state = State::ChunkEnd,
                State::Chunk(left) => {
                    let (data, left) = take_data(input, left);
                    self.state = State::Chunk(left);
                    return Ok(data);
                }
                State::ChunkEnd => {
                    let Some(end) = input.first_chunk::<2>() else {
                        return Ok(Decoded::NeedMore);
                    };
                    if end != b"\r\n" {
                        return Err(Violation::bad_request("a chunk is longer than its size"));
                    }
                    input.advance(2);
                    self.state = State::ChunkSize;
                }
                State::Trailers => {
                    let Some(block) = self.trailers.next(input)? else {
                        return Ok(Decoded::NeedMore);
                    };
                    let bytes = input.split_to(block.length);
                    if block.lines == 0 {
                        return Ok(Decoded::End(Fields::default()));
                    }
                    return Fields::parse_trailers(bytes, block.lines).map(Decoded::End);
                }
            }
        }
    }

    /// Counts what a chunk line has beside the shortest form of its size.
    fn count_extension(&mut self, size: u64, line_bytes: usize) -> Result<(), Violation> {
        let digits = size.checked_ilog(16).map_or(1, |exponent| exponent as usize + 1);
        self.extension_bytes += line_bytes.saturating_sub(digits + b"\r\n".len());
        let max = self.extension_bytes_max;
        if self.extension_bytes > max {
            let text = format!("the chunk extensions are longer than http_head_bytes_max {max}");
            return Err(Violation::bad_request(text));
        }
        Ok(())
    }
}

/// Cuts out what is there of `left` bytes. Returns it, and how many bytes are left.
fn take_data(input: &mut BytesMut, left: u64) -> (Decoded, u64) {
    if input.is_empty() {
        return (Decoded::NeedMore, left);
    }
    let taken = usize::try_from(left).map_or(input.len(), |left| left.min(input.len()));
    (Decoded::Data(input.split_to(taken).freeze()), left - taken as u64)
}

/// Decodes the line before a chunk. Returns the size of the chunk and the length of the line, or `None` if the line is
/// incomplete.
fn decode_chunk_size(input: &[u8]) -> Result<Option<(u64, usize)>, Violation> {
    let Some(end) = input.iter().take(CHUNK_LINE_BYTES_MAX).position(|byte| *byte == b'\n') else {
        if input.len() >= CHUNK_LINE_BYTES_MAX {
            let text = format!("the line before a chunk is longer than {CHUNK_LINE_BYTES_MAX} bytes");
            return Err(Violation::bad_request(text));
        }
        return Ok(None);
    };
    let Some(line) = input[..end].strip_suffix(b"\r") else {
        return Err(Violation::bad_request("the line before a chunk ends in LF without CR"));
    };
    let digits = line.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let (digits, extension) = line.split_at(digits);
    let is_extension = |byte: &u8| matches!(byte, b'\t' | b' '..=b'~' | 0x80..);
    let is_well_formed = extension.first().is_none_or(|byte| *byte == b';') && extension.iter().all(is_extension);
    let size = std::str::from_utf8(digits).ok().filter(|digits| digits.len() <= CHUNK_DIGITS_MAX);
    match size.and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
        Some(size) if is_well_formed => Ok(Some((size, end + 1))),
        _ => Err(Violation::bad_request("the size of a chunk is not of 1 to 16 hexadecimal digits")),
    }
}

/// The longest line before a chunk, with its end.
const CHUNK_LINE_BYTES_MAX: usize = 256;
/// The most digits of a size, with leading zeros: as many as 64 bits take.
const CHUNK_DIGITS_MAX: usize = 16;
