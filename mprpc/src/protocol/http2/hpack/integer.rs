//! Integers with a prefix (RFC 7541, 5.1): the low bits of a byte, and more bytes if the value does not fit there.

use bytes::{BufMut, BytesMut};

use super::HpackError;

/// Appends `value` in the low `prefix_bits` of a byte whose other bits are `pattern`.
#[inline]
pub(super) fn put_integer(out: &mut BytesMut, pattern: u8, prefix_bits: u32, value: usize) {
    let prefix_max = u8::MAX >> (8 - prefix_bits);
    if value < usize::from(prefix_max) {
        out.put_u8(pattern | value as u8);
    } else {
        put_rest(out, pattern | prefix_max, value - usize::from(prefix_max));
    }
}

#[inline(never)]
fn put_rest(out: &mut BytesMut, first: u8, mut rest: usize) {
    out.put_u8(first);
    while rest >= 0x80 {
        out.put_u8(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.put_u8(rest as u8);
}

/// Reads the integer whose first byte is `first`, and whose other bytes are at the front of `input`. Returns the rest of
/// `input` too.
#[inline]
pub(super) fn take_integer(first: u8, prefix_bits: u32, input: &[u8]) -> Result<(usize, &[u8]), HpackError> {
    let prefix_max = u8::MAX >> (8 - prefix_bits);
    let value = first & prefix_max;
    if value < prefix_max { Ok((usize::from(value), input)) } else { take_rest(prefix_max, input) }
}

#[inline(never)]
fn take_rest(prefix_max: u8, input: &[u8]) -> Result<(usize, &[u8]), HpackError> {
    let mut rest = 0u64;
    for (index, byte) in input.iter().take(REST_BYTES_MAX).enumerate() {
        rest |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            let value = u32::try_from(rest + u64::from(prefix_max)).map_err(|_| HpackError::IntegerTooLarge)?;
            return Ok((value as usize, &input[index + 1..]));
        }
    }
    Err(if input.len() < REST_BYTES_MAX { HpackError::Truncated } else { HpackError::IntegerTooLarge })
}

/// The most bytes after the first. Five are enough for 32 bits.
const REST_BYTES_MAX: usize = 5;
