//! gzip, RFC 1952: exactly one member.

use std::io::Write;

use flate2::Compression as Level;
use flate2::bufread::GzDecoder;
use flate2::write::GzEncoder;

use super::{Fault, read_within};

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut encoder = GzEncoder::new(out, Level::default());
    encoder.write_all(bytes).map_err(Fault::broken)?;
    encoder.finish().map(drop).map_err(Fault::broken)
}

pub(super) fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
    let mut decoder = GzDecoder::new(bytes);
    let out = read_within(&mut decoder, 0, max)?;
    match decoder.into_inner() {
        [] => Ok(out),
        rest => Err(Fault::broken(format!("{} bytes follow its end", rest.len()))),
    }
}
