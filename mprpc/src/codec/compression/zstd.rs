//! zstd, RFC 8878: exactly one frame.

use std::io::Write;

use zstd::stream::{read::Decoder, write::Encoder};
use zstd::zstd_safe::get_frame_content_size;

use super::{Fault, read_within};

pub(super) fn compress(bytes: &[u8], out: &mut Vec<u8>) -> Result<(), Fault> {
    let mut encoder = Encoder::new(out, zstd::DEFAULT_COMPRESSION_LEVEL).map_err(Fault::broken)?;
    // With a pledged size, the frame declares its size, and the window is no larger than that.
    encoder.set_pledged_src_size(Some(bytes.len() as u64)).map_err(Fault::broken)?;
    encoder.write_all(bytes).map_err(Fault::broken)?;
    encoder.finish().map(drop).map_err(Fault::broken)
}

pub(super) fn decompress(bytes: &[u8], max: usize) -> Result<Vec<u8>, Fault> {
    let size = get_frame_content_size(bytes).map_err(|_| Fault::broken("the head of the frame is none"))?;
    let size = match size.map(usize::try_from) {
        Some(Ok(size)) if size <= max => Some(size),
        Some(_) => return Err(Fault::TooLong),
        None => None,
    };
    let mut decoder = Decoder::with_buffer(bytes).map_err(Fault::broken)?.single_frame();
    // If the buffer has the size of the frame, zstd decodes without a separate window. Otherwise it needs a window.
    let window_bytes_max = if size.is_some() { max } else { max / 4 };
    decoder.window_log_max(window_log(window_bytes_max, size.is_some())).map_err(Fault::broken)?;
    let out = read_within(&mut decoder, size.unwrap_or(0), max)?;
    match decoder.into_inner() {
        [] => Ok(out),
        rest => Err(Fault::broken(format!("{} bytes follow its end", rest.len()))),
    }
}

/// The power of two that bounds a window of `bytes`: rounded down, or rounded up if `above` is set.
fn window_log(bytes: usize, above: bool) -> u32 {
    let below = bytes.max(1).ilog2();
    let log = if above && !bytes.is_power_of_two() { below + 1 } else { below };
    log.clamp(WINDOW_LOG_MIN, WINDOW_LOG_MAX)
}

/// The minimum of zstd itself.
const WINDOW_LOG_MIN: u32 = 10;
/// 8 MiB, the size that RFC 8878, section 3.1.1.1.2, recommends every decoder to support.
const WINDOW_LOG_MAX: u32 = 23;
