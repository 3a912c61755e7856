//! Compresses whole messages, and decompresses them within a bound. The choice of algorithm for a connection is made
//! elsewhere.

#[cfg(feature = "gzip")]
mod gzip;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(not(all(feature = "gzip", feature = "lz4", feature = "zstd")))]
mod missing;
#[cfg(feature = "zstd")]
mod zstd;

// An algorithm that is not compiled in is replaced by `missing`.
#[cfg(not(feature = "gzip"))]
use missing as gzip;
#[cfg(not(feature = "lz4"))]
use missing as lz4;
#[cfg(not(feature = "zstd"))]
use missing as zstd;

use std::fmt;

use bytes::Bytes;

use crate::status::Status;

/// A compression algorithm for messages.
///
/// Each algorithm is a feature of the crate with the same name; all are off by default. `docs/protocol.md` has the names on
/// the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Compression {
    /// RFC 1952. Slow, but supported everywhere.
    Gzip = 1,
    /// RFC 8878. The smallest result of the three, at a good speed.
    Zstd = 2,
    /// LZ4, as a frame. The fastest of the three.
    Lz4 = 3,
}

impl Compression {
    /// The algorithms that are compiled in, best first.
    pub fn available() -> &'static [Compression] {
        &[
            #[cfg(feature = "zstd")]
            Compression::Zstd,
            #[cfg(feature = "lz4")]
            Compression::Lz4,
            #[cfg(feature = "gzip")]
            Compression::Gzip,
        ]
    }

    /// Whether the algorithm is compiled in.
    pub fn is_available(self) -> bool {
        Compression::available().contains(&self)
    }

    /// Returns the algorithm of this name, if it is compiled in.
    pub(crate) fn named(name: &[u8]) -> Option<Compression> {
        Compression::available().iter().copied().find(|algorithm| algorithm.name().as_bytes() == name)
    }

    /// The name of the algorithm and of its feature, such as `zstd`.
    pub fn name(self) -> &'static str {
        match self {
            Compression::Gzip => "gzip",
            Compression::Zstd => "zstd",
            Compression::Lz4 => "lz4",
        }
    }

    /// Compresses the bytes at the algorithm's default level. The result is longer than the input if the input is
    /// incompressible.
    ///
    /// UNIMPLEMENTED if the algorithm is not compiled in.
    pub fn compress(self, bytes: &[u8]) -> Result<Bytes, Status> {
        let mut out = Vec::new();
        self.compress_to(bytes, &mut out)?;
        Ok(out.into())
    }

    /// Like [`Compression::compress`], but appends to `out`.
    pub(crate) fn compress_to(self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Status> {
        let done = match self {
            Compression::Gzip => gzip::compress(bytes, out),
            Compression::Zstd => zstd::compress(bytes, out),
            Compression::Lz4 => lz4::compress(bytes, out),
        };
        done.map_err(|fault| match fault {
            Fault::Missing => self.missing(),
            Fault::TooLong => Status::internal(format!("{self} cannot compress the message: it is too long")),
            Fault::Broken(why) => Status::internal(format!("{self} cannot compress the message: {why}")),
        })
    }

    /// Decompresses `bytes` to at most `bytes_max` bytes.
    ///
    /// The output is counted while it grows, so that a decompression bomb costs no more than the largest message. A size
    /// that the bytes declare is trusted only within the bound. Uses at most twice `bytes_max` of memory; below 2 MiB,
    /// where the decoder's own memory matters, 512 KiB more.
    ///
    /// RESOURCE_EXHAUSTED beyond `bytes_max`, which the error message calls `limits.message_bytes_max`. INVALID_ARGUMENT if
    /// the bytes are truncated, damaged, followed by other bytes, or need more memory than that. UNIMPLEMENTED if the
    /// algorithm is not compiled in.
    pub fn decompress(self, bytes: &[u8], bytes_max: usize) -> Result<Bytes, Status> {
        let done = match self {
            Compression::Gzip => gzip::decompress(bytes, bytes_max),
            Compression::Zstd => zstd::decompress(bytes, bytes_max),
            Compression::Lz4 => lz4::decompress(bytes, bytes_max),
        };
        let fitting = |mut message: Vec<u8>| {
            // A message may be kept for long, together with its buffer.
            if message.len() < message.capacity() / 2 {
                message.shrink_to_fit();
            }
            Bytes::from(message)
        };
        done.map(fitting).map_err(|fault| match fault {
            Fault::Missing => self.missing(),
            Fault::TooLong => Status::resource_exhausted(format!(
                "a message of more than {bytes_max} bytes once decompressed is beyond message_bytes_max {bytes_max}"
            )),
            Fault::Broken(why) => {
                Status::invalid_argument(format!("the message cannot be decompressed by {self}: {why}"))
            }
        })
    }

    /// The algorithm with this number on the wire.
    pub(crate) fn from_number(number: u8) -> Option<Compression> {
        [Compression::Gzip, Compression::Zstd, Compression::Lz4].into_iter().find(|known| *known as u8 == number)
    }

    fn missing(self) -> Status {
        Status::unimplemented(format!("compression by {self} needs the feature `{self}` of mprpc, which is off here"))
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Why a message cannot be compressed or decompressed.
#[cfg_attr(
    not(all(feature = "gzip", feature = "lz4", feature = "zstd")),
    allow(dead_code, reason = "what is compiled in does not come to each of them")
)]
enum Fault {
    /// The algorithm is not compiled in.
    #[cfg_attr(
        all(feature = "gzip", feature = "lz4", feature = "zstd"),
        expect(dead_code, reason = "every algorithm is compiled in")
    )]
    Missing,
    /// The message exceeds the bound.
    TooLong,
    Broken(String),
}

impl Fault {
    #[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
    fn broken(why: impl fmt::Display) -> Fault {
        Fault::Broken(why.to_string())
    }
}

/// Reads everything from `decoder`, up to `max` bytes. The buffer starts with a length of `first` bytes.
#[cfg(any(feature = "gzip", feature = "zstd"))]
fn read_within(decoder: &mut impl std::io::Read, first: usize, max: usize) -> Result<Vec<u8>, Fault> {
    let mut out = vec![0; first.min(max)];
    let mut filled = 0;
    loop {
        if filled == max {
            let more = decoder.read(&mut [0]).map_err(Fault::broken)?;
            return if more == 0 { Ok(out) } else { Err(Fault::TooLong) };
        }
        if filled == out.len() {
            grow(&mut out, filled + 1, max);
        }
        match decoder.read(&mut out[filled..]).map_err(Fault::broken)? {
            0 => {
                out.truncate(filled);
                return Ok(out);
            }
            read => filled += read,
        }
    }
}

/// Grows the buffer to at least `length` bytes; `length` is within `max`.
///
/// The lengths are `max`, `max`/2, `max`/4 and so on, so the last step goes from half of `max` to `max`. An allocator that
/// copies then holds one and a half times `max`, which leaves half of `max` for the decoder and its window.
#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
fn grow(out: &mut Vec<u8>, length: usize, max: usize) {
    let mut size = max;
    while size / 2 >= length.max(FIRST_BYTES) {
        size = size.div_ceil(2);
    }
    out.reserve_exact(size - out.len());
    out.resize(size, 0);
}

/// The minimum length that a buffer grows to.
#[cfg(any(feature = "gzip", feature = "lz4", feature = "zstd"))]
const FIRST_BYTES: usize = 1024;

#[cfg(test)]
mod tests;
