//! gRPC on HTTP: messages with a prefix, and the fields `grpc-timeout`, `grpc-status` and `grpc-message`. Metadata is
//! elsewhere.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>.

use std::borrow::Cow;
use std::mem;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::binary;
use crate::protocol::encode_error;
use crate::status::{Code, Phase, Ran, Status};

/// The length of the prefix of a message: a byte of flags, and the length as a big-endian `u32`.
pub(crate) const PREFIX_BYTES: usize = 5;

/// The flags in the prefix of a message, as on the wire.
pub(crate) mod flag {
    /// The message is compressed.
    pub(crate) const COMPRESSED: u8 = 0x01;
    /// Connect: the message is the JSON at the end of a stream.
    pub(crate) const END_STREAM: u8 = 0x02;
    /// gRPC-Web: the message is the block of trailers.
    pub(crate) const TRAILERS: u8 = 0x80;
}

/// A message as on the wire.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) flags: u8,
    pub(crate) bytes: Bytes,
}

impl Message {
    pub(crate) fn is_compressed(&self) -> bool {
        self.flags & flag::COMPRESSED != 0
    }
}

/// Encodes the prefix of a message of `length` bytes.
pub(crate) fn encode_prefix(flags: u8, length: usize) -> [u8; PREFIX_BYTES] {
    // `Limits` bounds every message before its length gets here.
    let [a, b, c, d] = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
    [flags, a, b, c, d]
}

/// Appends a message with its prefix.
pub(crate) fn encode_message(out: &mut impl BufMut, flags: u8, message: &[u8]) {
    out.put_slice(&encode_prefix(flags, message.len()));
    out.put_slice(message);
}

/// Cuts messages out of a body that arrives in pieces.
///
/// A message that lies within one piece is not copied, also if its prefix came in an earlier piece. The decoder holds at
/// most one incomplete message, and reserves memory only as the message arrives.
#[derive(Debug)]
pub(crate) struct MessageDecoder {
    flags: u8,
    message_bytes_max: usize,
    prefix: [u8; PREFIX_BYTES],
    prefix_filled: usize,
    /// The beginning of a message that lies in several pieces.
    partial: BytesMut,
}

impl MessageDecoder {
    /// A decoder for messages with no other flags than `flags`, of at most `message_bytes_max` bytes as they are on the
    /// wire.
    pub(crate) fn new(flags: u8, message_bytes_max: usize) -> MessageDecoder {
        let prefix = [0; PREFIX_BYTES];
        MessageDecoder { flags, message_bytes_max, prefix, prefix_filled: 0, partial: BytesMut::new() }
    }

    /// Decodes the next message, and removes what it read from `piece`. `None` if all of `piece` was read and the message is
    /// incomplete.
    ///
    /// RESOURCE_EXHAUSTED if the message is too long, INTERNAL if it has a flag that is not allowed. The rest of the body
    /// is then lost.
    pub(crate) fn decode(&mut self, piece: &mut Bytes) -> Result<Option<Message>, Status> {
        if self.prefix_filled < PREFIX_BYTES {
            let taken = piece.len().min(PREFIX_BYTES - self.prefix_filled);
            self.prefix[self.prefix_filled..][..taken].copy_from_slice(&piece[..taken]);
            self.prefix_filled += taken;
            piece.advance(taken);
            if self.prefix_filled < PREFIX_BYTES {
                return Ok(None);
            }
            self.check_prefix()?;
        }
        let length = self.length();
        let bytes = if !self.partial.is_empty() || piece.len() < length {
            let missing = length - self.partial.len();
            let taken = missing.min(piece.len());
            self.grow(taken, missing);
            self.partial.extend_from_slice(&piece[..taken]);
            piece.advance(taken);
            if taken < missing {
                return Ok(None);
            }
            mem::take(&mut self.partial).freeze()
        } else if piece.len() == length {
            // The last message takes over the reference to the piece, which saves an increment of the reference count.
            mem::take(piece)
        } else {
            piece.split_to(length)
        };
        self.prefix_filled = 0;
        Ok(Some(Message { flags: self.prefix[0], bytes }))
    }

    /// Checks that the body ends behind a message. INTERNAL if a message is incomplete.
    pub(crate) fn end(&self) -> Result<(), Status> {
        match self.prefix_filled {
            0 => Ok(()),
            PREFIX_BYTES => {
                let (arrived, length) = (self.partial.len(), self.length());
                Err(Status::internal(format!("the body ends after {arrived} of the {length} bytes of a message")))
            }
            filled => Err(Status::internal(format!("the body ends after {filled} bytes of the prefix of a message"))),
        }
    }

    /// Whether a message has begun and is incomplete.
    pub(crate) fn is_inside_a_message(&self) -> bool {
        self.prefix_filled > 0
    }

    /// How many bytes of an incomplete message the decoder holds.
    pub(crate) fn held_bytes(&self) -> usize {
        self.partial.len()
    }

    fn length(&self) -> usize {
        let [_, a, b, c, d] = self.prefix;
        u32::from_be_bytes([a, b, c, d]) as usize
    }

    fn check_prefix(&self) -> Result<(), Status> {
        let (length, max) = (self.length(), self.message_bytes_max);
        match self.prefix[0] & !self.flags {
            0 if length <= max => Ok(()),
            0 => Err(Status::resource_exhausted(format!(
                "a message of {length} bytes is beyond message_bytes_max {max}"
            ))),
            flag::COMPRESSED => {
                Err(Status::internal("a message is marked as compressed, but the headers name no compression"))
            }
            unknown => Err(Status::internal(format!("a message has the unknown flags {unknown:#04x}"))),
        }
    }

    /// Makes room for `taken` bytes. The buffer doubles up to the length of the message, so that a peer has to send half of
    /// what it makes this side reserve.
    fn grow(&mut self, taken: usize, missing: usize) {
        if self.partial.capacity() - self.partial.len() < taken {
            self.partial.reserve(missing.min(taken.max(self.partial.len())));
        }
    }
}

/// Decodes the value of `grpc-timeout`: at most 8 digits and a unit. INVALID_ARGUMENT for anything else.
pub(crate) fn decode_timeout(value: &[u8]) -> Result<Duration, Status> {
    let malformed = || {
        let shown = String::from_utf8_lossy(&value[..value.len().min(16)]);
        Status::invalid_argument(format!("grpc-timeout {shown:?} is not of 1 to 8 digits and a unit of HMSmun"))
    };
    let (unit, digits) = value.split_last().ok_or_else(malformed)?;
    let number = decimal(digits, 8).ok_or_else(malformed)?;
    match unit {
        b'H' => Ok(Duration::from_secs(number * 3600)),
        b'M' => Ok(Duration::from_secs(number * 60)),
        b'S' => Ok(Duration::from_secs(number)),
        b'm' => Ok(Duration::from_millis(number)),
        b'u' => Ok(Duration::from_micros(number)),
        b'n' => Ok(Duration::from_nanos(number)),
        _ => Err(malformed()),
    }
}

/// The number of at most `digits_max` decimal digits. `None` if `text` is anything else.
pub(crate) fn decimal(text: &[u8], digits_max: usize) -> Option<u64> {
    if text.is_empty() || text.len() > digits_max {
        return None;
    }
    let mut number = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        number = number.checked_mul(10)?.checked_add(digit.into())?;
    }
    Some(number)
}

/// The value of `grpc-timeout`, without an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeoutText {
    bytes: [u8; 9],
    start: usize,
}

impl TimeoutText {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[self.start..]
    }
}

/// Encodes `timeout` as the value of `grpc-timeout`, to a thousandth or finer, so that the calls with a usual deadline have
/// the same value. Rounded down, so that the server is granted no more time than is left; at most 99,999,999 hours.
pub(crate) fn encode_timeout(timeout: Duration) -> TimeoutText {
    let seconds = timeout.as_secs();
    let (unit, number) = match seconds {
        0 if timeout.subsec_micros() < 1_000 => (b'n', u64::from(timeout.subsec_nanos())),
        0 => (b'u', u64::from(timeout.subsec_micros())),
        1..100_000 => (b'm', seconds * 1_000 + u64::from(timeout.subsec_millis())),
        100_000..100_000_000 => (b'S', seconds),
        100_000_000..6_000_000_000 => (b'M', seconds / 60),
        _ => (b'H', (seconds / 3_600).min(99_999_999)),
    };
    let mut number = number as u32;
    let mut text = TimeoutText { bytes: [unit; 9], start: 8 };
    loop {
        text.start -= 1;
        text.bytes[text.start] = b'0' + (number % 10) as u8;
        number /= 10;
        if number == 0 {
            return text;
        }
    }
}

/// Decodes the value of `grpc-status`. UNKNOWN if it is not a number that this side knows.
pub(crate) fn decode_status(value: &[u8]) -> Code {
    let number = decimal(value, 3).and_then(|number| u8::try_from(number).ok());
    number.map_or(Code::Unknown, Code::from_number)
}

/// The value of `grpc-status`.
pub(crate) fn encode_status(code: Code) -> &'static str {
    const NUMBERS: [&str; 17] =
        ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];
    NUMBERS[code as usize]
}

/// Encodes the message of a status as the value of `grpc-message`: UTF-8 with percent signs, without an allocation if
/// nothing has to be encoded. A message that takes more than 4 KiB is cut: many clients accept no more than 8 KiB of
/// trailers.
pub(crate) fn encode_status_message(message: &str) -> Cow<'_, str> {
    let encoded_bytes = |character: char| match character {
        ' '..='$' | '&'..='~' => 1,
        _ => 3 * character.len_utf8(),
    };
    let mut room = STATUS_MESSAGE_BYTES_MAX;
    let cut = message.char_indices().find(|(_, character)| {
        let bytes = encoded_bytes(*character);
        let fits = bytes <= room;
        room = room.saturating_sub(bytes);
        !fits
    });
    let message = cut.map_or(message, |(at, _)| &message[..at]);
    utf8_percent_encode(message, ENCODED).into()
}

/// Decodes the value of `grpc-message`. Nothing is an error: what is not percent-encoded well stays as it is, and bytes
/// that are not UTF-8 become U+FFFD.
pub(crate) fn decode_status_message(value: &[u8]) -> Cow<'_, str> {
    percent_decode(value).decode_utf8_lossy()
}

/// The longest value of `grpc-message` that is sent.
const STATUS_MESSAGE_BYTES_MAX: usize = 4096;
/// What is encoded of ASCII; the rest of Unicode always is.
const ENCODED: &AsciiSet = &CONTROLS.add(b'%');

/// The fields of a failed call beside `grpc-status`: message, details, and the pause before a retry, where there are such.
pub(crate) fn failure_fields(status: &Status) -> Vec<(&'static str, Cow<'_, [u8]>)> {
    let mut fields = Vec::new();
    if !status.message().is_empty() {
        let message = match encode_status_message(status.message()) {
            Cow::Borrowed(text) => text.as_bytes().into(),
            Cow::Owned(text) => text.into_bytes().into(),
        };
        fields.push(("grpc-message", message));
    }
    if status.details().next().is_some() {
        fields.push(("grpc-status-details-bin", binary::encode(&encode_error(status)).into_bytes().into()));
    }
    if let Some(pause) = status.retry_after() {
        fields.push(("grpc-retry-pushback-ms", pause.as_millis().to_string().into_bytes().into()));
    }
    fields
}

/// A trailer of mprpc servers that says who has failed the call, if it was not the handler: [`NOT_RUN`] or [`FRAMEWORK`]. A
/// caller of mprpc may make a call again that did not run.
pub(crate) const FAILURE_FIELD: &str = "mprpc-failure";
const NOT_RUN: &str = "not-run";
const FRAMEWORK: &str = "framework";

/// The value of [`FAILURE_FIELD`] for a status.
pub(crate) fn failure_origin(status: &Status) -> Option<&'static str> {
    match (status.ran(), status.phase()) {
        (Ran::No, _) => Some(NOT_RUN),
        (_, Some(_)) => Some(FRAMEWORK),
        _ => None,
    }
}

/// Marks a received status by the value of [`FAILURE_FIELD`].
pub(crate) fn with_failure_origin(status: Status, origin: Option<&str>) -> Status {
    match origin {
        Some(NOT_RUN) => status.with_phase(Phase::Queue).with_ran(Ran::No),
        Some(FRAMEWORK) => status.of_server(),
        _ => status,
    }
}

/// The code of a reply without `grpc-status`, from its HTTP status. A proxy sends such replies.
///
/// Source: <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>.
pub(crate) fn code_of_http_status(status: u16) -> Code {
    match status {
        400 | 431 => Code::Internal,
        401 => Code::Unauthenticated,
        403 => Code::PermissionDenied,
        404 => Code::Unimplemented,
        429 | 502..=504 => Code::Unavailable,
        _ => Code::Unknown,
    }
}

/// The code of a call whose stream the server reset with this HTTP/2 error code.
pub(crate) fn code_of_reset(error: u32) -> Code {
    match error {
        // REFUSED_STREAM
        0x7 => Code::Unavailable,
        // CANCEL
        0x8 => Code::Cancelled,
        // ENHANCE_YOUR_CALM
        0xb => Code::ResourceExhausted,
        // INADEQUATE_SECURITY
        0xc => Code::PermissionDenied,
        _ => Code::Internal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: usize = 1000;

    fn body(messages: &[(u8, &[u8])]) -> Vec<u8> {
        let mut out = Vec::new();
        for (flags, message) in messages {
            encode_message(&mut out, *flags, message);
        }
        out
    }

    fn decoder() -> MessageDecoder {
        MessageDecoder::new(flag::COMPRESSED, MAX)
    }

    /// Decodes `pieces` up to the end of the body.
    fn decoded(decoder: &mut MessageDecoder, pieces: &[&[u8]]) -> Result<Vec<Message>, Status> {
        let mut messages = Vec::new();
        for piece in pieces {
            let mut piece = Bytes::copy_from_slice(piece);
            while let Some(message) = decoder.decode(&mut piece)? {
                messages.push(message);
            }
            assert!(piece.is_empty());
        }
        decoder.end().map(|()| messages)
    }

    #[test]
    fn messages_are_framed_as_grpc_says() {
        assert_eq!(body(&[(0, b"hi"), (1, b"")]), b"\0\0\0\0\x02hi\x01\0\0\0\0");
        assert_eq!(encode_prefix(flag::TRAILERS, 0x0102_0304), [0x80, 1, 2, 3, 4]);
    }

    #[test]
    fn messages_are_the_same_at_every_split_of_the_body() {
        let long = [7; 300];
        let sent: [(u8, &[u8]); 4] = [(0, b"hello"), (1, b""), (0, &long), (1, b"x")];
        let whole = body(&sent);
        let expected: Vec<_> =
            sent.iter().map(|(flags, bytes)| Message { flags: *flags, bytes: Bytes::copy_from_slice(bytes) }).collect();
        assert_eq!(expected.iter().map(Message::is_compressed).collect::<Vec<_>>(), [false, true, false, true]);
        for split in 0..=whole.len() {
            let (head, tail) = whole.split_at(split);
            assert_eq!(decoded(&mut decoder(), &[head, tail]).unwrap(), expected, "split at {split}");
        }
        let bytes: Vec<&[u8]> = whole.chunks(1).collect();
        assert_eq!(decoded(&mut decoder(), &bytes).unwrap(), expected);
    }

    #[test]
    fn message_within_one_piece_is_not_copied() {
        let whole = Bytes::from(body(&[(0, b"first"), (0, b"second")]));
        let within = |message: &Message| whole.as_ptr_range().contains(&message.bytes.as_ptr());
        for split in [0, 3, PREFIX_BYTES] {
            let mut decoder = decoder();
            let (mut head, mut tail) = (whole.slice(..split), whole.slice(split..));
            assert_eq!(decoder.decode(&mut head).unwrap(), None);
            for expected in [&b"first"[..], b"second"] {
                let message = decoder.decode(&mut tail).unwrap().unwrap();
                assert_eq!(message.bytes, expected);
                assert!(within(&message), "split at {split}");
            }
        }
    }

    #[test]
    fn declared_length_reserves_no_memory() {
        let mut decoder = MessageDecoder::new(0, 1 << 30);
        let mut piece = Bytes::copy_from_slice(&encode_prefix(0, 1 << 30));
        piece = [&piece[..], &[0; 100]].concat().into();
        assert_eq!(decoder.decode(&mut piece).unwrap(), None);
        assert_eq!(decoder.held_bytes(), 100);
        assert!(decoder.partial.capacity() <= 256);
        for arrived in (200..100_000).step_by(100) {
            decoder.decode(&mut Bytes::from_static(&[0; 100])).unwrap();
            assert_eq!(decoder.held_bytes(), arrived);
            assert!(decoder.partial.capacity() <= 2 * arrived + 64);
        }
    }

    #[test]
    fn message_bytes_max_bounds_the_declared_length() {
        let long = vec![0; MAX + 1];
        assert_eq!(decoded(&mut decoder(), &[&body(&[(0, &long[1..])])]).unwrap().len(), 1);
        let status = decoded(&mut decoder(), &[&body(&[(0, &long)])[..PREFIX_BYTES]]).unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.message(), "a message of 1001 bytes is beyond message_bytes_max 1000");
    }

    #[test]
    fn flags_that_are_not_allowed_are_named() {
        for (allowed, flags, expected) in [
            (0, 1, "a message is marked as compressed, but the headers name no compression"),
            (1, 2, "a message has the unknown flags 0x02"),
            (1, 0x83, "a message has the unknown flags 0x82"),
        ] {
            let status = decoded(&mut MessageDecoder::new(allowed, MAX), &[&body(&[(flags, b"")])]).unwrap_err();
            assert_eq!((status.code(), status.message()), (Code::Internal, expected));
        }
        let mut with_trailers = MessageDecoder::new(flag::TRAILERS, MAX);
        assert_eq!(decoded(&mut with_trailers, &[&body(&[(0x80, b"")])]).unwrap()[0].flags, flag::TRAILERS);
    }

    #[test]
    fn body_that_ends_within_a_message_is_an_error() {
        let whole = body(&[(0, b"hello")]);
        for cut in 1..whole.len() {
            let status = decoded(&mut decoder(), &[&whole[..cut]]).unwrap_err();
            assert_eq!(status.code(), Code::Internal);
            let expected = match cut {
                1..=4 => format!("the body ends after {cut} bytes of the prefix of a message"),
                _ => format!("the body ends after {} of the 5 bytes of a message", cut - 5),
            };
            assert_eq!(status.message(), expected);
        }
        assert!(decoder().end().is_ok());
    }

    fn timeout_text(timeout: Duration) -> String {
        String::from_utf8(encode_timeout(timeout).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn timeouts_are_encoded_to_a_thousandth_and_rounded_down() {
        for (timeout, text) in [
            (Duration::ZERO, "0n"),
            (Duration::from_nanos(1), "1n"),
            (Duration::from_nanos(999_999), "999999n"),
            (Duration::from_nanos(1_000_999), "1000u"),
            (Duration::from_nanos(999_999_999), "999999u"),
            (Duration::from_micros(4_999_999), "4999m"),
            (Duration::from_millis(99_999_999), "99999999m"),
            (Duration::from_secs(100_000), "100000S"),
            (Duration::from_secs(100_000_059), "1666667M"),
            (Duration::from_secs(360_000_000_000), "99999999H"),
            (Duration::MAX, "99999999H"),
        ] {
            assert_eq!(timeout_text(timeout), text);
        }
    }

    #[test]
    fn timeouts_decode_in_every_unit() {
        for (text, timeout) in [
            ("1n", Duration::from_nanos(1)),
            ("0S", Duration::ZERO),
            ("20u", Duration::from_micros(20)),
            ("00000300m", Duration::from_millis(300)),
            ("4S", Duration::from_secs(4)),
            ("5M", Duration::from_secs(300)),
            ("99999999H", Duration::from_secs(99_999_999 * 3600)),
        ] {
            assert_eq!(decode_timeout(text.as_bytes()).ok(), Some(timeout), "{text}");
        }
        for text in ["", "S", "5", "5s", "-5S", "+5S", "5 S", " 5S", "123456789n", "5SS", "0x5S", "\u{ff15}S"] {
            assert_eq!(decode_timeout(text.as_bytes()).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
    }

    #[test]
    fn codes_are_numbers_on_the_wire() {
        for number in 0..=16 {
            let code = Code::from_number(number);
            assert_eq!(encode_status(code), number.to_string());
            assert_eq!(decode_status(encode_status(code).as_bytes()), code);
        }
        for unknown in ["", "17", "300", "-1", "OK", "0000", "1 "] {
            assert_eq!(decode_status(unknown.as_bytes()), Code::Unknown, "{unknown}");
        }
    }

    #[test]
    fn status_messages_are_percent_encoded() {
        for (message, value) in [
            ("", ""),
            ("no such user ~", "no such user ~"),
            ("100%\r\n", "100%25%0D%0A"),
            ("\u{7f}ä€", "%7F%C3%A4%E2%82%AC"),
        ] {
            assert_eq!(encode_status_message(message), value);
            assert_eq!(decode_status_message(value.as_bytes()), message);
        }
        assert!(matches!(encode_status_message("plain"), Cow::Borrowed(_)));
        for (value, message) in [
            (&b"50% off%"[..], "50% off%"),
            (b"%zz%2", "%zz%2"),
            (b"%FFx\xfe", "\u{fffd}x\u{fffd}"),
            (b"%e4%c3%a4", "\u{fffd}ä"),
        ] {
            assert_eq!(decode_status_message(value), message);
        }
    }

    #[test]
    fn long_status_message_is_cut_between_characters() {
        for (character, kept) in [("x", 4096), ("%", 1365), ("ä", 682), ("€", 455)] {
            let long = character.repeat(5000);
            let value = encode_status_message(&long);
            assert!(value.len() <= STATUS_MESSAGE_BYTES_MAX);
            assert_eq!(decode_status_message(value.as_bytes()), character.repeat(kept));
        }
        let fitting = "x".repeat(STATUS_MESSAGE_BYTES_MAX);
        assert_eq!(encode_status_message(&fitting), fitting);
    }

    #[test]
    fn replies_without_status_and_resets_map_to_codes() {
        for (status, code) in [
            (200, Code::Unknown),
            (400, Code::Internal),
            (401, Code::Unauthenticated),
            (403, Code::PermissionDenied),
            (404, Code::Unimplemented),
            (429, Code::Unavailable),
            (431, Code::Internal),
            (500, Code::Unknown),
            (502, Code::Unavailable),
            (503, Code::Unavailable),
            (504, Code::Unavailable),
        ] {
            assert_eq!(code_of_http_status(status), code, "{status}");
        }
        let codes: Vec<Code> = [0, 1, 2, 7, 8, 11, 12, 99].into_iter().map(code_of_reset).collect();
        use Code::{Cancelled, Internal, PermissionDenied, ResourceExhausted, Unavailable};
        let expected =
            [Internal, Internal, Internal, Unavailable, Cancelled, ResourceExhausted, PermissionDenied, Internal];
        assert_eq!(codes, expected);
    }
}
