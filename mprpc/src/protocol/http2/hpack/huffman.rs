//! The Huffman code of HPACK (RFC 7541, 5.2 and appendix B).
//!
//! The code is canonical: shorter codes come first, and codes of one length are in the order of their symbols. So the
//! lengths determine the codes, and only the lengths are written down here.

use bytes::{BufMut, BytesMut};

use super::HpackError;

/// The length of `text` when it is encoded, in bytes.
pub(super) fn encoded_bytes(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(CODE_BITS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends `text`, encoded, and pads the last byte with ones.
pub(super) fn encode(text: &[u8], out: &mut BytesMut) {
    // The low `count` bits of `bits` are not written yet. Fewer than 32 are left over each time, and a code has at most 30.
    let (mut bits, mut count) = (0u64, 0);
    for byte in text {
        let (code, code_bits) = (CODES[usize::from(*byte)], u32::from(CODE_BITS[usize::from(*byte)]));
        bits = bits << code_bits | u64::from(code);
        count += code_bits;
        if count >= 32 {
            count -= 32;
            out.put_u32((bits >> count) as u32);
        }
    }
    let padded = (bits << 32 | 0xffff_ffff) >> count;
    out.put_slice(&(padded as u32).to_be_bytes()[..count.div_ceil(8) as usize]);
}

/// Decodes `coded` and appends the text to `out`.
pub(super) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HpackError> {
    let start = out.len();
    out.resize(start + coded.len() * 8 / SHORTEST_BITS, 0);
    let mut length = start;
    let mut rest = coded;
    // The top `count` bits of `bits` are not decoded yet.
    let (mut bits, mut count) = (0u64, 0);
    for byte in &mut out[start..] {
        if count < LONGEST_BITS {
            (bits, count) = refill(bits, count, &mut rest);
        }
        let (symbol, code_bits) = match SHORT[(bits >> (64 - SHORT_BITS)) as usize] {
            // The code is longer than what is left. Without this, every padding would take the long way.
            (_, 0) if count <= SHORT_BITS => break,
            (_, 0) => long_code(bits),
            (symbol, code_bits) => (u16::from(symbol), u32::from(code_bits)),
        };
        if code_bits > count {
            break;
        }
        *byte = u8::try_from(symbol).map_err(|_| HpackError::HuffmanEos)?;
        length += 1;
        bits <<= code_bits;
        count -= code_bits;
    }
    out.truncate(length);
    // What is left is shorter than the code that it begins. It is padding if it begins EOS, which consists of ones.
    if count < 8 && bits.leading_ones() >= count { Ok(()) } else { Err(HpackError::HuffmanPadding) }
}

/// Moves bytes from `rest` to behind the top `count` bits, four at a time while there are four. Behind the last byte are
/// ones, as if the padding went on.
#[inline]
fn refill(mut bits: u64, mut count: u32, rest: &mut &[u8]) -> (u64, u32) {
    if let Some((chunk, after)) = rest.split_first_chunk::<4>() {
        *rest = after;
        return (bits | u64::from(u32::from_be_bytes(*chunk)) << (32 - count), count + 32);
    }
    for byte in std::mem::take(rest) {
        bits |= u64::from(*byte) << (56 - count);
        count += 8;
    }
    (bits | u64::MAX >> count, count)
}

/// The symbol and the length of the code at the top of `bits`, for codes that are longer than `SHORT_BITS`.
fn long_code(bits: u64) -> (u16, u32) {
    let top = (bits >> (64 - LONGEST_BITS)) as u32;
    let mut length = SHORT_BITS + 1;
    while top >= ENDS[length as usize] {
        length += 1;
    }
    let before_end = (ENDS[length as usize] - 1 - top) >> (LONGEST_BITS - length);
    (SORTED[usize::from(SORTED_ENDS[length as usize]) - 1 - before_end as usize], length)
}

const SHORTEST_BITS: usize = 5;
const LONGEST_BITS: u32 = 30;
/// Nearly all characters of usual fields have codes of at most eight bits. The decoder finds these in one step.
const SHORT_BITS: u32 = 8;
/// The number of symbols: the bytes, and EOS.
const SYMBOLS: usize = 257;

/// The symbols in the order of their codes.
static SORTED: [u16; SYMBOLS] = {
    let mut sorted = [0; SYMBOLS];
    let (mut place, mut length) = (0, 0);
    while length <= LONGEST_BITS as u8 {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if CODE_BITS[symbol] == length {
                sorted[place] = symbol as u16;
                place += 1;
            }
            symbol += 1;
        }
        length += 1;
    }
    sorted
};

/// For each length, the number of codes that are not longer.
static SORTED_ENDS: [u16; LONGEST_BITS as usize + 1] = {
    let mut ends = [0; LONGEST_BITS as usize + 1];
    let mut length = 0;
    while length < ends.len() {
        let mut symbol = 0;
        while symbol < SYMBOLS {
            ends[length] += (CODE_BITS[symbol] as usize <= length) as u16;
            symbol += 1;
        }
        length += 1;
    }
    ends
};

/// The codes of the symbols.
static CODES: [u32; SYMBOLS] = {
    let mut codes = [0; SYMBOLS];
    let (mut place, mut code, mut code_bits) = (0, 0, 0);
    while place < SYMBOLS {
        let symbol = SORTED[place] as usize;
        code <<= CODE_BITS[symbol] - code_bits;
        code_bits = CODE_BITS[symbol];
        codes[symbol] = code;
        code += 1;
        place += 1;
    }
    codes
};

/// For each length, the first number of 30 bits that does not begin with a code of at most this length.
static ENDS: [u32; LONGEST_BITS as usize + 1] = {
    let mut ends = [0; LONGEST_BITS as usize + 1];
    let mut length = 1;
    while length < ends.len() {
        ends[length] = ends[length - 1];
        if SORTED_ENDS[length] > SORTED_ENDS[length - 1] {
            let last = SORTED[SORTED_ENDS[length] as usize - 1] as usize;
            ends[length] = (CODES[last] + 1) << (LONGEST_BITS as usize - length);
        }
        length += 1;
    }
    ends
};

/// The symbol that a number of eight bits begins with, and the length of its code. The length is 0 if the code is longer.
static SHORT: [(u8, u8); 1 << SHORT_BITS] = {
    let mut short = [(0, 0); 1 << SHORT_BITS];
    let mut symbol = 0;
    while symbol < 256 {
        let code_bits = CODE_BITS[symbol] as u32;
        if code_bits <= SHORT_BITS {
            let first = (CODES[symbol] as usize) << (SHORT_BITS - code_bits);
            let mut after = 0;
            while after < 1 << (SHORT_BITS - code_bits) {
                short[first + after] = (symbol as u8, code_bits as u8);
                after += 1;
            }
        }
        symbol += 1;
    }
    short
};

/// The lengths of the codes, in bits. The last is that of EOS.
#[rustfmt::skip]
static CODE_BITS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];
