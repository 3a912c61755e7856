//! The native frames against the golden bytes of docs/protocol.md, and against truncated, long and malformed input.

use std::time::Duration;

use super::*;
use crate::codec::Compression;
use crate::codec::error_details::{ErrorInfo, LocalizedMessage};
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::status::{Code, Status};

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

const GOLDEN_SETTINGS: &str = "28000000 01000000 00000000 00000000 0100 0400 00000001 0200 0400 00400000
     0300 0400 00400000 0400 0400 00000400 0500 0400 00001000";

/// A frame, as a hand-written peer sends it.
pub(crate) fn frame(header: Header, body: &[u8]) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode_frame(&mut bytes, header, body);
    bytes
}

/// The preface and the SETTINGS of a side under `limits`.
pub(crate) fn greeting(limits: &Limits) -> BytesMut {
    let mut bytes = BytesMut::from(&PREFACE[..]);
    Settings::of(limits).encode(&mut bytes);
    bytes
}

fn frames(bytes: &[u8]) -> Vec<Decoded> {
    let mut decoder = Decoder::new(1 << 10);
    let mut input = BytesMut::from(bytes);
    let mut frames = Vec::new();
    loop {
        match decoder.decode(&mut input) {
            Decoded::NeedMore(_) => return frames,
            frame => frames.push(frame),
        }
    }
}

/// The limits that the golden SETTINGS express.
fn golden_limits() -> Limits {
    Limits { stream_window_bytes: 256 << 10, connection_window_bytes: 1 << 20, ..Limits::default() }
}

#[test]
fn preface_and_settings_are_golden() {
    assert_eq!(PREFACE.as_slice(), hex("894d5052 50430a01"));
    let settings = Settings { compression: [None; 3], ..Settings::of(&golden_limits()) };
    assert_eq!(settings, Settings::default());
    let mut out = BytesMut::new();
    settings.encode(&mut out);
    assert_eq!(out, hex(GOLDEN_SETTINGS));
    // The list of algorithms comes last, best first.
    let compression = [Some(Compression::Zstd), Some(Compression::Lz4), Some(Compression::Gzip)];
    out.clear();
    Settings { compression, ..settings }.encode(&mut out);
    let golden = format!("2f{} 0600 0300 020301", &GOLDEN_SETTINGS[2..]);
    assert_eq!(out, hex(&golden));
    let mut merged = Settings::default();
    merged.merge(Bytes::from(hex(&golden)).split_off(HEADER_BYTES)).unwrap();
    assert_eq!(merged, Settings { compression, ..settings });
    assert!(merged.accepts(Compression::Lz4) && !settings.accepts(Compression::Lz4));
}

#[test]
fn ping_interval_is_golden_and_sent_only_if_it_is_not_the_default() {
    let settings = |ping_interval_min| {
        let settings = Settings::of(&Limits { ping_interval_min, ..golden_limits() });
        Settings { compression: [None; 3], ..settings }
    };
    let mut out = BytesMut::new();
    settings(Duration::from_millis(250)).encode(&mut out);
    let golden = GOLDEN_SETTINGS.replacen("28", "30", 1) + "0700 0400 fa000000";
    assert_eq!(out, hex(&golden));
    let mut read = Settings::default();
    read.merge(out.split_off(HEADER_BYTES).freeze()).unwrap();
    assert_eq!(read, settings(Duration::from_millis(250)));
    // A fraction of a millisecond rounds up: the peer must not be told a shorter interval than the one that is enforced.
    assert_eq!(settings(Duration::from_micros(1)).ping_interval_min_ms, 1);
    assert_eq!(settings(Duration::MAX).ping_interval_min_ms, u32::MAX);
}

#[test]
fn ping_and_pong_are_golden() {
    let mut out = BytesMut::new();
    encode_frame(&mut out, Header { kind: kind::PING, value: 7, ..Header::default() }, b"");
    encode_frame(&mut out, Header { kind: kind::PONG, value: 7, ..Header::default() }, b"");
    assert_eq!(out, hex("00000000 08000000 00000000 07000000 00000000 09000000 00000000 07000000"));
}

#[test]
fn request_is_golden() {
    let mut out = BytesMut::new();
    encode_frame(&mut out, Header { kind: kind::METHOD, ..Header::default() }, b"fixbug.UserServiceRpc/Login");
    let header = Header { kind: kind::REQUEST, flags: flag::END, id: 1, value: 5000, ..Header::default() };
    encode_frame(&mut out, header, &hex("0a05637569736d1206313233343536"));
    let mut golden = hex("1b000000 02000000 00000000 00000000");
    golden.extend(b"fixbug.UserServiceRpc/Login");
    golden.extend(hex("0f000000 03020000 01000000 88130000 0a05637569736d1206313233343536"));
    assert_eq!(out, golden);
}

#[test]
fn responses_are_golden() {
    let mut out = BytesMut::new();
    let header = Header { kind: kind::RESPONSE, flags: flag::END, id: 1, value: 42, ..Header::default() };
    encode_frame(&mut out, header, &hex("0a001001"));
    let refused = Status::not_found("no");
    let header = Header { word: refused.code() as u16, id: 2, value: 0, ..header };
    encode_frame(&mut out, header, &encode_error(&refused));
    let golden = "04000000 04020000 01000000 2a000000 0a001001 06000000 04020500 02000000 00000000 08051202 6e6f";
    assert_eq!(out, hex(golden));
    let decoded = decode_error(5, &hex("08051202 6e6f"));
    assert_eq!((decoded.code(), decoded.message()), (Code::NotFound, "no"));
    assert_eq!(decode_error(77, b"\xff").code(), Code::Unknown);
}

#[test]
fn error_with_details_is_golden() {
    let info = ErrorInfo { reason: "NO".into(), ..Default::default() };
    let status = Status::unavailable("no").with_detail(&info).with_retry_after(Duration::from_millis(1500));
    let mut golden = hex("080e 1202 6e6f 1a36 0a28");
    golden.extend(b"type.googleapis.com/google.rpc.RetryInfo");
    golden.extend(hex("120a 0a08 0801 1080cab5ee01 1a30 0a28"));
    golden.extend(b"type.googleapis.com/google.rpc.ErrorInfo");
    golden.extend(hex("1204 0a02 4e4f"));
    assert_eq!(encode_error(&status), golden);
    let decoded = decode_error(14, &golden);
    assert_eq!((decoded.code(), decoded.message()), (Code::Unavailable, "no"));
    assert_eq!(decoded.retry_after(), Some(Duration::from_millis(1500)));
    assert_eq!(decoded.detail::<ErrorInfo>(), Some(info));
}

#[test]
fn details_that_exceed_the_error_size_are_left_out_and_the_others_stay() {
    let long = |length: usize| ErrorInfo { reason: "x".repeat(length), ..Default::default() };
    let help = LocalizedMessage { message: "too much".into(), ..Default::default() };
    let status = Status::internal("y".repeat(100_000)).with_detail(&long(11_000)).with_detail(&long(16_000));
    let status = status.with_detail(&long(100)).with_detail(&help).with_retry_after(Duration::from_secs(1));
    let body = encode_error(&status);
    assert!(body.len() <= 16 << 10, "{} bytes", body.len());
    let decoded = decode_error(13, &body);
    assert_eq!(decoded.message().len(), 4096);
    let kept: Vec<usize> = decoded.details().map(|(_, value)| value.len()).collect();
    assert_eq!(kept, [4, 11_003, 102, 10]);
    assert_eq!(decoded.retry_after(), Some(Duration::from_secs(1)));
    assert_eq!(decoded.detail::<LocalizedMessage>(), Some(help));
    // Near the bound, a detail of any length is either encoded whole or left out.
    for length in (16 << 10) - 70..16 << 10 {
        let body = encode_error(&Status::internal("").with_detail(&long(length)));
        assert!(body.len() <= 16 << 10, "{length}");
        let details = decode_error(13, &body).details().count();
        assert_eq!(details, usize::from(body.len() > 2), "{length}");
    }
}

#[test]
fn malformed_error_body_is_decoded_up_to_its_fault() {
    let body = encode_error(&Status::aborted("no").with_detail(&ErrorInfo::default()));
    for cut in 0..body.len() {
        let decoded = decode_error(10, &body[..cut]);
        assert_eq!(decoded.code(), Code::Aborted);
        assert!(decoded.message().is_empty() || decoded.message() == "no");
        assert_eq!(decoded.details().count(), 0, "cut at {cut}");
    }
    // A detail without a type, a detail whose type is not UTF-8, and too many details.
    assert_eq!(decode_error(10, &hex("1a00 1a02 1200 1a03 0a01ff")).details().count(), 0);
    let flood = hex("1a03 0a0161").repeat(100_000);
    assert_eq!(decode_error(10, &flood).details().count(), (16 << 10) / 3);
}

#[test]
fn frames_cut_at_every_byte_come_out_whole() {
    let mut stream = BytesMut::new();
    for (id, body) in [(1, &b""[..]), (2, b"x"), (3, &[7; 300])] {
        encode_frame(&mut stream, Header { kind: kind::REQUEST, id, ..Header::default() }, body);
    }
    let whole = frames(&stream);
    assert_eq!(whole.len(), 3);
    for cut in 0..=stream.len() {
        let mut decoder = Decoder::new(1 << 10);
        let mut input = BytesMut::from(&stream[..cut]);
        let mut got = Vec::new();
        for rest in [&stream[cut..], &[]] {
            loop {
                match decoder.decode(&mut input) {
                    Decoded::NeedMore(missing) => {
                        assert!(missing > 0);
                        break;
                    }
                    frame => got.push(frame),
                }
            }
            input.extend_from_slice(rest);
        }
        assert_eq!(got, whole, "cut at {cut}");
    }
}

#[test]
fn body_beyond_the_limit_is_skipped_in_pieces_of_any_size() {
    let mut stream = BytesMut::new();
    encode_frame(&mut stream, Header { kind: kind::REQUEST, id: 1, ..Header::default() }, &[0; 2000]);
    encode_frame(&mut stream, Header { kind: kind::REQUEST, id: 2, ..Header::default() }, b"ok");
    let mut decoder = Decoder::new(1000);
    let mut input = BytesMut::new();
    let mut got = Vec::new();
    for chunk in stream.chunks(7) {
        input.extend_from_slice(chunk);
        loop {
            match decoder.decode(&mut input) {
                Decoded::NeedMore(_) => break,
                frame => got.push(frame),
            }
        }
        assert!(input.len() < HEADER_BYTES + 8, "a skipped body is not held");
    }
    assert!(matches!(got[0], Decoded::TooLong(Header { id: 1, length: 2000, .. })));
    assert!(matches!(&got[1], Decoded::Frame(Header { id: 2, .. }, body) if *body == "ok"));
}

#[test]
fn metadata_round_trips_and_malformed_metadata_is_refused() {
    let mut metadata = Metadata::new();
    metadata.append("Trace-Id", "7").unwrap();
    metadata.append("trace-id", "8").unwrap();
    metadata.append("blob-bin", [0u8, 255]).unwrap();
    let bytes = encode_metadata(&metadata);
    assert_eq!(decode_metadata(bytes.clone()), Ok(metadata));
    let ends = [0, 6 + 8 + 1, 2 * (6 + 8 + 1), bytes.len()];
    for cut in (0..bytes.len()).filter(|cut| !ends.contains(cut)) {
        assert!(decode_metadata(bytes.slice(..cut)).is_err(), "cut at {cut}");
    }
    for (bad, what) in [
        (&b"\x01\0\0\0\0\0A"[..], "the metadata key \"A\" is not of a-z 0-9 - _ ."),
        (b"\x01\0\0\0\0\0\xff", "the metadata key \"\u{fffd}\" is not of a-z 0-9 - _ ."),
        (b"\0\0\x01\0\0\0x", "the metadata key \"\" is empty"),
        (
            b"\x01\0\x02\0\0\0a\x20\x1f",
            "the metadata key \"a\" has a value that is not printable ASCII at byte 1; a key of bytes ends in -bin",
        ),
        (b"\xff\xff\xff\xff\xff\xff", "a pair of the metadata is cut off"),
    ] {
        assert_eq!(decode_metadata(Bytes::from_static(bad)), Err(what.to_owned()));
    }
}

#[test]
fn metadata_longer_than_its_frame_is_refused() {
    let header = Header { flags: flag::METADATA, ..Header::default() };
    assert_eq!(split_body(header, Bytes::from_static(b"\x05\0\0\0abc")), None);
    assert_eq!(split_body(header, Bytes::from_static(b"\x05\0")), None);
    let (metadata, message) = split_body(header, Bytes::from_static(b"\x01\0\0\0abc")).unwrap();
    assert_eq!((metadata.unwrap(), &message[..]), (Bytes::from_static(b"a"), &b"bc"[..]));
}

#[test]
fn settings_keep_each_known_algorithm_once_and_the_latest_list_wins() {
    let merged = |bodies: &[&'static [u8]]| {
        let mut settings = Settings::default();
        for body in bodies {
            settings.merge(Bytes::from_static(body)).unwrap();
        }
        settings.compression
    };
    let (gzip, lz4) = (Some(Compression::Gzip), Some(Compression::Lz4));
    assert_eq!(merged(&[b"\x06\0\x07\0\x63\x03\x03\0\x01\x03\x01"]), [lz4, gzip, None]);
    assert_eq!(merged(&[b"\x06\0\x01\0\x03", b"\x06\0\x01\0\x01"]), [gzip, None, None]);
    assert_eq!(merged(&[b"\x06\0\x01\0\x03", b"\x06\0\0\0"]), [None; 3]);
}

#[test]
fn message_is_compressed_only_if_it_is_long_enough_and_gets_shorter() {
    let limits = Limits::default();
    for algorithm in Compression::available() {
        let message = vec![7; limits.compress_bytes_min];
        let body = compress_message(*algorithm, &message, &limits).unwrap();
        assert!(body.len() < message.len() && body[0] == *algorithm as u8);
        assert_eq!(decompress_message(&body, limits.message_bytes_max).unwrap(), message);
        let small = Limits { message_bytes_max: message.len() - 1, ..Limits::default() };
        assert_eq!(decompress_message(&body, small.message_bytes_max).unwrap_err().code(), Code::ResourceExhausted);
        assert_eq!(compress_message(*algorithm, &message[1..], &limits), None);
        let mut random = fastrand::Rng::with_seed(7);
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(5000).collect();
        assert_eq!(compress_message(*algorithm, &noise, &limits), None);
    }
    assert_eq!(decompress_message(b"", limits.message_bytes_max).unwrap_err().code(), Code::InvalidArgument);
    let unknown = decompress_message(b"\x09x", limits.message_bytes_max).unwrap_err();
    assert_eq!((unknown.code(), unknown.message()), (Code::Unimplemented, "compression 9 is not known here"));
}

#[test]
fn unknown_settings_are_skipped_and_cut_ones_refused() {
    let mut settings = Settings::default();
    settings.merge(Bytes::from_static(b"\x63\0\x01\0x\x01\0\x04\0\x07\0\0\0")).unwrap();
    assert_eq!(settings.message_bytes_max, 7);
    assert!(settings.merge(Bytes::from_static(b"\x01\0\x04\0\x07")).is_err());
}
