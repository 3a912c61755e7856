//! Metadata as HTTP fields: which fields carry metadata, and base64 for keys that end in `-bin`.

use std::borrow::Cow;

use super::binary;
use super::grpc::decimal;
use crate::metadata::Metadata;
use crate::status::Status;

/// Appends the metadata that a received field carries. `name` is in lower case.
///
/// Skips fields that belong to HTTP or to a protocol on it, and fields that HTTP permits and metadata does not. The value
/// of a `-bin` field may be a list; each element becomes a pair. INVALID_ARGUMENT if an element is not base64.
pub(crate) fn append_field(metadata: &mut Metadata, name: &[u8], value: &[u8]) -> Result<(), Status> {
    if is_reserved(name) {
        if name == PREVIOUS_ATTEMPTS.as_bytes()
            && let Some(previous) = decimal(value, PREVIOUS_ATTEMPTS_DIGITS_MAX).filter(|previous| *previous > 0)
        {
            metadata.set(Metadata::ATTEMPT, (previous + 1).to_string())?;
        }
        return Ok(());
    }
    if !name.ends_with(BINARY) {
        // gRPC says that a value must not fail the call. This one is dropped, because metadata could not be sent on.
        let _ = metadata.append_received(name, value);
        return Ok(());
    }
    for element in value.split(|byte| *byte == b',') {
        let Some(bytes) = binary::decode(element.trim_ascii()) else {
            let shown = String::from_utf8_lossy(&name[..name.len().min(NAME_BYTES_SHOWN)]);
            return Err(Status::invalid_argument(format!("the value of the metadata key {shown:?} is not base64")));
        };
        let _ = metadata.append_received(name, &bytes);
    }
    Ok(())
}

/// The metadata as fields to send, in order. Leaves out the keys that belong to HTTP or to a protocol on it.
pub(crate) fn fields(metadata: &Metadata) -> impl Iterator<Item = (&str, Cow<'_, [u8]>)> {
    let sent = metadata.iter().filter(|(key, _)| !is_reserved(key.as_bytes()));
    sent.map(|(key, value)| match key {
        Metadata::ATTEMPT => (PREVIOUS_ATTEMPTS, previous_attempts(value)),
        _ => (key, text_of(key, value)),
    })
}

/// The value of [`PREVIOUS_ATTEMPTS`] for the number of an attempt.
fn previous_attempts(attempt: &[u8]) -> Cow<'static, [u8]> {
    let attempt = decimal(attempt, PREVIOUS_ATTEMPTS_DIGITS_MAX).unwrap_or(1);
    attempt.saturating_sub(1).to_string().into_bytes().into()
}

/// gRPC's field for the number of attempts before this one. mprpc keeps the number of the attempt in its place, in the
/// metadata key [`Metadata::ATTEMPT`].
const PREVIOUS_ATTEMPTS: &str = "grpc-previous-rpc-attempts";
/// Longer numbers are ignored.
const PREVIOUS_ATTEMPTS_DIGITS_MAX: usize = 9;

/// The value of a pair as text: base64 if the key ends in `-bin`.
pub(super) fn text_of<'a>(key: &str, value: &'a [u8]) -> Cow<'a, [u8]> {
    if key.as_bytes().ends_with(BINARY) { binary::encode(value).into_bytes().into() } else { value.into() }
}

/// Whether a field of this name, in lower case, belongs to HTTP or to a protocol on it, and never carries metadata.
pub(crate) fn is_reserved(name: &[u8]) -> bool {
    match name {
        b"te" | b"host" | b"date" | b"expect" | b"trailer" | b"upgrade" => true,
        b"connection" | b"keep-alive" | b"proxy-connection" | b"transfer-encoding" | b"http2-settings" => true,
        b"content-type" | b"content-length" | b"content-encoding" | b"accept-encoding" => true,
        _ => name.starts_with(b"grpc-") || name.starts_with(b"connect-") || name.starts_with(b":"),
    }
}

/// The suffix of keys whose values are bytes.
const BINARY: &[u8] = b"-bin";
/// How many bytes of a key an error shows.
const NAME_BYTES_SHOWN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    fn of(fields: &[(&str, &str)]) -> Result<Metadata, Status> {
        let mut metadata = Metadata::new();
        for (name, value) in fields {
            append_field(&mut metadata, name.as_bytes(), value.as_bytes())?;
        }
        Ok(metadata)
    }

    #[test]
    fn metadata_comes_out_of_fields_as_it_went_in() {
        let mut sent = Metadata::new();
        sent.append("tenant", "blue").unwrap();
        sent.append("blob-bin", [0xfb, 0xff]).unwrap();
        sent.append("tenant", "").unwrap();
        sent.append("empty-bin", "").unwrap();
        let fields: Vec<_> = fields(&sent).collect();
        let text = |text: &'static str| Cow::Borrowed(text.as_bytes());
        let expected =
            [("tenant", text("blue")), ("blob-bin", text("+/8")), ("tenant", text("")), ("empty-bin", text(""))];
        assert_eq!(fields, expected);
        let mut received = Metadata::new();
        for (name, value) in &fields {
            append_field(&mut received, name.as_bytes(), value).unwrap();
        }
        assert_eq!(received, sent);
    }

    #[test]
    fn number_of_an_attempt_is_the_number_of_attempts_before_it() {
        let mut sent = Metadata::new();
        sent.append(Metadata::ATTEMPT, "3").unwrap();
        let fields: Vec<_> = fields(&sent).collect();
        assert_eq!(fields, [("grpc-previous-rpc-attempts", Cow::Borrowed(&b"2"[..]))]);
        assert_eq!(of(&[("grpc-previous-rpc-attempts", "2")]).unwrap(), sent);
        for ignored in ["0", "", "-1", "two", "1234567890"] {
            assert!(of(&[("grpc-previous-rpc-attempts", ignored)]).unwrap().is_empty(), "{ignored}");
        }
    }

    #[test]
    fn binary_values_may_be_padded_and_joined() {
        let metadata = of(&[("blob-bin", "+w==,+/8 , AA"), ("blob-bin", "AQ")]).unwrap();
        let values: Vec<_> = metadata.values("blob-bin").collect();
        assert_eq!(values, [&[0xfb][..], &[0xfb, 0xff], &[0], &[1]]);
    }

    #[test]
    fn malformed_base64_is_an_error_that_names_the_key() {
        let status = of(&[("blob-bin", "AQ,!")]).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "the value of the metadata key \"blob-bin\" is not base64");
    }

    #[test]
    fn fields_of_http_and_of_protocols_are_no_metadata() {
        let reserved = [
            ":path",
            "connection",
            "host",
            "te",
            "content-type",
            "content-length",
            "transfer-encoding",
            "grpc-timeout",
            "grpc-status-details-bin",
            "connect-protocol-version",
        ];
        for name in reserved {
            assert!(of(&[(name, "x")]).unwrap().is_empty(), "{name}");
        }
        let mut metadata = Metadata::new();
        metadata.append("grpc-status", "0").unwrap();
        metadata.append("content-length", "1000").unwrap();
        metadata.append("cost", "7").unwrap();
        assert_eq!(fields(&metadata).map(|(name, _)| name).collect::<Vec<_>>(), ["cost"]);
        let passing = of(&[("authorization", "Bearer x"), ("user-agent", "curl"), ("x-request-id", "7")]).unwrap();
        assert_eq!(passing.len(), 3);
    }

    #[test]
    fn fields_that_metadata_cannot_hold_are_skipped() {
        let long = "k".repeat(Metadata::KEY_BYTES_MAX + 1);
        for (name, value) in [("a!b", "x"), ("name", "a\tb"), ("name", "schlüssel"), (&long, "x")] {
            assert!(of(&[(name, value)]).unwrap().is_empty(), "{name}");
        }
    }
}
