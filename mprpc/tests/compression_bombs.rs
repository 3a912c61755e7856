//! Decompresses a GiB of zeros that was compressed to a MiB. Decompression stops at the message limit and never takes more
//! memory than twice the limit. This is a separate program because its allocator counts the whole program's memory.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

mod support {
    pub(crate) mod allocations;
}

use std::io::Write;
use std::sync::Mutex;

use mprpc::{Code, Compression};
use support::allocations::Counting;
use zstd::zstd_safe::CParameter;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const GIB: usize = 1 << 30;
/// The decoder's own memory, as the documentation of `Compression::decompress` says. Twice the limit includes this memory
/// unless the limit is small.
const DECODER_BYTES_MAX: usize = 512 << 10;

fn bytes_max(limit: usize) -> usize {
    2 * limit + if limit < 2 << 20 { DECODER_BYTES_MAX } else { 0 }
}

fn zeros_into(encoder: &mut impl Write) {
    let zeros = vec![0; 1 << 20];
    for _ in 0..GIB / zeros.len() {
        encoder.write_all(&zeros).unwrap();
    }
}

/// Compresses a GiB of zeros, without the uncompressed size in the header. Uses the largest window that decompression
/// accepts under `limit`.
fn bomb(algorithm: Compression, limit: usize) -> Vec<u8> {
    match algorithm {
        Compression::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            zeros_into(&mut encoder);
            encoder.finish().unwrap()
        }
        Compression::Zstd => {
            let mut encoder = zstd::Encoder::new(Vec::new(), 0).unwrap();
            encoder.set_parameter(CParameter::WindowLog((limit / 4).ilog2())).unwrap();
            zeros_into(&mut encoder);
            encoder.finish().unwrap()
        }
        Compression::Lz4 => {
            let mut encoder = lz4_flex::frame::FrameEncoder::new(Vec::new());
            zeros_into(&mut encoder);
            encoder.finish().unwrap()
        }
    }
}

/// A test holds this lock while it counts, because the counters cover the whole program.
static ALONE: Mutex<()> = Mutex::new(());

/// Runs `work`. Returns its result and its peak memory, beyond the memory in use before.
fn peak_of<T>(work: impl FnOnce() -> T) -> (T, usize) {
    ALLOCATOR.begin();
    let result = work();
    (result, ALLOCATOR.most_since_begin())
}

#[test]
fn bombs_stop_at_the_message_limit_within_twice_its_memory() {
    let _alone = ALONE.lock().unwrap();
    for algorithm in Compression::available() {
        for limit in [16 << 20, 10_000_001, 1 << 20] {
            let bomb = bomb(*algorithm, limit);
            assert!(bomb.len() < 5 << 20, "{algorithm}: {} bytes", bomb.len());
            let (result, peak) = peak_of(|| algorithm.decompress(&bomb, limit));
            let status = result.unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted, "{algorithm} {limit}: {status}");
            assert!(status.message().contains(&format!("beyond message_bytes_max {limit}")), "{status}");
            println!("{algorithm} {limit}: {} bytes, {peak} at the peak", bomb.len());
            assert!(peak <= bytes_max(limit), "{algorithm}: {peak} bytes for a limit of {limit}");
        }
    }
}

#[test]
fn window_beyond_a_quarter_of_the_limit_is_refused_before_it_is_allocated() {
    let _alone = ALONE.lock().unwrap();
    if !Compression::Zstd.is_available() {
        return;
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), 0).unwrap();
    encoder.set_parameter(CParameter::WindowLog(23)).unwrap();
    encoder.write_all(b"a short message").unwrap();
    let frame = encoder.finish().unwrap();
    assert_eq!(Compression::Zstd.decompress(&frame, 32 << 20).unwrap(), b"a short message"[..]);
    let limit = 1 << 20;
    let (result, peak) = peak_of(|| Compression::Zstd.decompress(&frame, limit));
    let status = result.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().contains("too much memory"), "{status}");
    assert!(peak <= DECODER_BYTES_MAX, "{peak}");
}
