//! Bytes as text in fields and in JSON: base64 (RFC 4648).

use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, NO_PAD};
use base64::engine::{DecodePaddingMode, Engine};

/// Encodes without padding, as gRPC and Connect ask for.
pub(crate) fn encode(bytes: &[u8]) -> String {
    LENIENT.encode(bytes)
}

/// Decodes with or without padding, as gRPC and Connect ask for. `None` if the text is not base64.
pub(crate) fn decode(text: &[u8]) -> Option<Vec<u8>> {
    LENIENT.decode(text).ok()
}

/// Encodes in the alphabet for URLs, without padding.
#[cfg(any(test, fuzzing))]
pub(super) fn encode_for_url(bytes: &[u8]) -> String {
    LENIENT_FOR_URL.encode(bytes)
}

/// Decodes the alphabet for URLs, with or without padding. `None` if the text is not base64 in this alphabet.
pub(crate) fn decode_from_url(text: &[u8]) -> Option<Vec<u8>> {
    LENIENT_FOR_URL.decode(text).ok()
}

/// Ignores padding, and bits behind the last byte, as other gRPC libraries do.
const CONFIG: GeneralPurposeConfig =
    NO_PAD.with_decode_padding_mode(DecodePaddingMode::Indifferent).with_decode_allow_trailing_bits(true);
const LENIENT: GeneralPurpose = GeneralPurpose::new(&STANDARD, CONFIG);
const LENIENT_FOR_URL: GeneralPurpose = GeneralPurpose::new(&URL_SAFE, CONFIG);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_sent_without_padding_and_accepted_with_and_without() {
        for (bytes, text, padded) in [
            (&b""[..], "", ""),
            (b"\xfb", "+w", "+w=="),
            (b"\xfb\xff", "+/8", "+/8="),
            (b"\xfb\xff\xfe", "+//+", "+//+"),
        ] {
            assert_eq!(encode(bytes), text);
            let for_url = |text: &str| text.replace('+', "-").replace('/', "_");
            assert_eq!(encode_for_url(bytes), for_url(text));
            for text in [text, padded] {
                assert_eq!(decode(text.as_bytes()).as_deref(), Some(bytes));
                assert_eq!(decode_from_url(for_url(text).as_bytes()).as_deref(), Some(bytes));
            }
        }
        assert_eq!(decode(b"+x").as_deref(), Some(&b"\xfb"[..]), "trailing bits are ignored");
        assert_eq!((decode(b"-w"), decode(b"+"), decode(b"+ w"), decode_from_url(b"+w")), (None, None, None, None));
    }
}
