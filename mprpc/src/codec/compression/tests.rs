//! Every algorithm: round trips, output beyond the bound, damaged input, and input from other tools.

use super::*;
use crate::status::Code;

/// Text that compresses well, and noise that does not.
fn messages() -> Vec<Vec<u8>> {
    let noise = |length: usize| {
        let mut random = fastrand::Rng::with_seed(7);
        std::iter::repeat_with(|| random.u8(..)).take(length).collect::<Vec<u8>>()
    };
    let text = |length: usize| b"a message that says the same, and ".iter().copied().cycle().take(length).collect();
    let mut messages: Vec<Vec<u8>> = vec![Vec::new(), vec![7]];
    for length in [100, 1023, 1024, 1025, 65_536, 300_000, 5 << 20] {
        messages.extend([noise(length), text(length), vec![0; length]]);
    }
    messages
}

#[test]
fn messages_round_trip_and_a_bound_one_byte_lower_is_refused() {
    for algorithm in Compression::available() {
        for message in messages() {
            let packed = algorithm.compress(&message).unwrap();
            let (length, max) = (message.len(), message.len());
            assert!(packed.len() <= length + length / 100 + 64, "{algorithm} makes {} of {length}", packed.len());
            for max in [max, max + 1, 2 * max, usize::MAX] {
                assert_eq!(algorithm.decompress(&packed, max).unwrap(), message, "{algorithm} {length} {max}");
            }
            let Some(less) = max.checked_sub(1) else { continue };
            let status = algorithm.decompress(&packed, less).unwrap_err();
            assert_eq!(status.code(), Code::ResourceExhausted, "{algorithm} {length}");
            let expected =
                format!("a message of more than {less} bytes once decompressed is beyond message_bytes_max {less}");
            assert_eq!(status.message(), expected);
        }
    }
}

#[test]
fn truncated_input_and_trailing_bytes_are_refused() {
    let message: Vec<u8> = (0..2000_u32).flat_map(|number| (number / 3).to_le_bytes()).collect();
    for algorithm in Compression::available() {
        let packed = algorithm.compress(&message).unwrap();
        for cut in 0..packed.len() {
            let status = algorithm.decompress(&packed[..cut], 1 << 20).unwrap_err();
            assert_eq!(status.code(), Code::InvalidArgument, "{algorithm} cut at {cut}");
            assert!(
                status.message().starts_with(&format!("the message cannot be decompressed by {algorithm}: ")),
                "{status}"
            );
        }
        for more in [&b"\0"[..], b"x", &packed] {
            let status = algorithm.decompress(&[&packed, more].concat(), 1 << 20).unwrap_err();
            assert!(status.message().contains(&format!("{} bytes follow its end", more.len())), "{status}");
        }
    }
}

#[test]
fn damaged_input_never_panics_and_never_exceeds_the_bound() {
    let message = b"a message that says the same, ".repeat(100);
    for algorithm in Compression::available() {
        let packed = algorithm.compress(&message).unwrap();
        for at in 0..packed.len() {
            for bit in 0..8 {
                let mut damaged = packed.to_vec();
                damaged[at] ^= 1 << bit;
                if let Ok(passed) = algorithm.decompress(&damaged, 4000) {
                    assert!(passed.len() <= 4000, "{algorithm}");
                }
            }
        }
    }
}

#[test]
#[cfg(feature = "lz4")]
fn lz4_frame_with_a_wrong_declared_length_is_refused() {
    use std::io::Write;
    for (declared, max) in [(99, 1000), (101, 1000), (99, 99), (101, 101)] {
        let info = lz4_flex::frame::FrameInfo::new();
        let mut encoder = lz4_flex::frame::FrameEncoder::with_frame_info(info, Vec::new());
        encoder.write_all(&[7; 100]).unwrap();
        // The same frame with a content size in its header: a flag, eight bytes, and the checksum of the header.
        let plain = encoder.finish().unwrap();
        let mut head = vec![plain[4] | 0x08, plain[5]];
        head.extend_from_slice(&u64::to_le_bytes(declared));
        head.push((twox_hash::XxHash32::oneshot(0, &head) >> 8) as u8);
        let lying = [&plain[..4], &head, &plain[7..]].concat();
        let status = Compression::Lz4.decompress(&lying, max).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument, "{declared} {max}: {status}");
        assert!(status.message().ends_with("it is not as long as the frame says"), "{status}");
    }
}

#[test]
fn error_of_an_algorithm_that_is_not_compiled_in_names_its_feature() {
    for algorithm in [Compression::Gzip, Compression::Zstd, Compression::Lz4] {
        assert_eq!(Compression::from_number(algorithm as u8), Some(algorithm));
        if !algorithm.is_available() {
            for status in [algorithm.compress(b"x").unwrap_err(), algorithm.decompress(b"x", 1).unwrap_err()] {
                assert_eq!(status.code(), Code::Unimplemented);
                assert!(status.message().contains(&format!("the feature `{algorithm}`")), "{status}");
            }
        }
    }
    assert_eq!([0, 4, 255].map(Compression::from_number), [None; 3]);
}

#[test]
fn output_of_other_compression_tools_is_decompressed() {
    let text = b"from the tools of others, ".repeat(4);
    // Made by gzip -nc, by zstd -c from a pipe, by lz4 -BX -c, and by lz4 -BD -B4 -BX --content-size -c from 70,000 zeros,
    // which yields linked blocks.
    let (f, l) = ("ff".repeat(256), "ff".repeat(17));
    let linked = format!(
        "04224d185c407011010000000000e3 0b010000 1f000100{f}e750000000 0000eb8972271c000000 1f000100{l}68500000000000105e6fe4 00000000e431bbd1"
    );
    for (algorithm, golden, message) in [
        (
            Compression::Gzip,
            "1f8b08000000000000034b2bcacf5528c9485528c9cfcf2956c84f53c807f28a8a7514d2a82a03004f92f8f468000000",
            text.clone(),
        ),
        (
            Compression::Zstd,
            "28b52ffd04580d0100d066726f6d2074686520746f6f6c73206f66206f74686572732c2001006ea3730c14dfb6a9",
            text.clone(),
        ),
        (
            Compression::Lz4,
            "04224d187440bd 25000000 ff0b66726f6d2074686520746f6f6c73206f66206f74686572732c201a0036506572732c20 8baf52b8
             00000000 4cf1461b",
            text,
        ),
        (Compression::Lz4, &linked, vec![0; 70_000]),
    ] {
        let digits: Vec<u8> = golden.bytes().filter(u8::is_ascii_hexdigit).collect();
        let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
        let packed: Vec<u8> = digits.chunks(2).map(pair).collect();
        if algorithm.is_available() {
            assert_eq!(algorithm.decompress(&packed, 16 << 20).unwrap(), message, "{algorithm}");
        }
    }
}
