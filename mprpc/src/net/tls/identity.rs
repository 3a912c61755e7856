//! Reads the names in a certificate. The certificate has been verified before.

use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::tls::PeerIdentity;

/// The names in a certificate. There are none if the certificate cannot be parsed.
pub(super) fn of(certificate: &CertificateDer<'_>) -> PeerIdentity {
    let Ok(certificate) = EndEntityCert::try_from(certificate) else { return PeerIdentity::default() };
    PeerIdentity {
        common_name: common_name(certificate.subject()),
        dns_names: certificate.valid_dns_names().map(str::to_owned).collect(),
        uris: certificate.valid_uri_names().map(str::to_owned).collect(),
    }
}

/// The object identifier 2.5.4.3 in its DER encoding.
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];

const OBJECT_IDENTIFIER: u8 = 0x06;
const UTF8_STRING: u8 = 0x0c;
const PRINTABLE_STRING: u8 = 0x13;
const IA5_STRING: u8 = 0x16;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;

/// The common name in the content of a subject's sequence (RFC 5280, 4.1.2.4): sets of pairs of an identifier and a string.
/// The last common name counts, because it is the most specific. `None` if it is not text.
fn common_name(mut subject: &[u8]) -> Option<String> {
    let mut found = None;
    while !subject.is_empty() {
        let (mut pairs, rest) = element(subject, SET)?;
        while !pairs.is_empty() {
            let (pair, rest) = element(pairs, SEQUENCE)?;
            let (identifier, value) = element(pair, OBJECT_IDENTIFIER)?;
            if identifier == COMMON_NAME {
                let texts = [UTF8_STRING, PRINTABLE_STRING, IA5_STRING];
                let text = texts.into_iter().find_map(|tag| element(value, tag));
                found = text.and_then(|(text, _)| String::from_utf8(text.to_vec()).ok());
            }
            pairs = rest;
        }
        subject = rest;
    }
    found
}

/// Splits `bytes` into the content of the first DER element and the rest. `None` if the element has another tag.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = match length {
        0..=0x7f => (usize::from(length), rest),
        0x81 => rest.split_first().map(|(&length, rest)| (usize::from(length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    (first == tag).then_some(())?;
    rest.split_at_checked(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = content.len();
        let head =
            if length < 0x80 { vec![tag, length as u8] } else { vec![tag, 0x82, (length >> 8) as u8, length as u8] };
        [head, content].concat()
    }

    fn named(identifier: &[u8], tag: u8, value: &[u8]) -> Vec<u8> {
        let pair = encoded(SEQUENCE, &[&encoded(OBJECT_IDENTIFIER, &[identifier]), &encoded(tag, &[value])]);
        encoded(SET, &[&pair])
    }

    #[test]
    fn common_name_is_found_among_other_parts_of_a_subject() {
        let country = named(&[0x55, 0x04, 0x06], PRINTABLE_STRING, b"CN");
        let long = "x".repeat(300);
        for (subject, expected) in [
            (vec![], None),
            (country.clone(), None),
            ([&country[..], &named(COMMON_NAME, UTF8_STRING, "büro".as_bytes())].concat(), Some("büro")),
            ([named(COMMON_NAME, UTF8_STRING, b"a"), named(COMMON_NAME, IA5_STRING, b"b")].concat(), Some("b")),
            (named(COMMON_NAME, UTF8_STRING, long.as_bytes()), Some(long.as_str())),
            (named(COMMON_NAME, UTF8_STRING, b"\xff"), None),
            (named(COMMON_NAME, 0x1e, b"\0a"), None),
        ] {
            assert_eq!(common_name(&subject).as_deref(), expected);
            for cut in 0..subject.len() {
                // Truncated input must not panic, whatever the result.
                let _ = common_name(&subject[..cut]);
            }
        }
    }
}
