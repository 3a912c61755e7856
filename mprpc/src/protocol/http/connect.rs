//! Connect on HTTP: codes and errors as JSON, the end of a stream, timeouts, trailers of unary calls, and calls as GET.
//!
//! Messages of streams are framed as gRPC's; the end of a stream is a message with the flag END_STREAM. Source:
//! <https://connectrpc.com/docs/protocol>.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
#[cfg(any(test, fuzzing))]
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::binary;
use super::grpc::decimal;
#[cfg(test)]
use super::metadata::append_field;
use super::metadata::fields;
use super::query::query_pairs;
use crate::codec::Codec;
use crate::codec::json_tree::put_string;
use crate::metadata::Metadata;
use crate::status::{Code, Status};

/// The name of a code in Connect.
pub(crate) fn code_name(code: Code) -> &'static str {
    CODES[code as usize].0
}

/// The code with this name in Connect.
#[cfg(test)]
pub(crate) fn code_from_name(name: &str) -> Option<Code> {
    (1u8..).zip(&CODES[1..]).find(|(_, (known, _))| *known == name).map(|(number, _)| Code::from_number(number))
}

/// The HTTP status of a reply with this code.
pub(crate) fn http_status(code: Code) -> u16 {
    CODES[code as usize].1
}

/// The names and the HTTP statuses, in the order of gRPC's numbers. Connect has no name for OK.
const CODES: [(&str, u16); 17] = [
    ("ok", 200),
    ("canceled", 499),
    ("unknown", 500),
    ("invalid_argument", 400),
    ("deadline_exceeded", 504),
    ("not_found", 404),
    ("already_exists", 409),
    ("permission_denied", 403),
    ("resource_exhausted", 429),
    ("failed_precondition", 400),
    ("aborted", 409),
    ("out_of_range", 400),
    ("unimplemented", 501),
    ("internal", 500),
    ("unavailable", 503),
    ("data_loss", 500),
    ("unauthenticated", 401),
];

/// Appends an error as JSON: code, message and details. A message of more than 4 KiB is cut. Details that do not fit in
/// 16 KiB are left out, so that an error never exceeds a limit itself.
pub(crate) fn encode_error(out: &mut Vec<u8>, status: &Status) {
    out.extend_from_slice(b"{\"code\":");
    put_string(out, code_name(status.code()));
    let message = status.message();
    if !message.is_empty() {
        out.extend_from_slice(b",\"message\":");
        put_string(out, &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)]);
    }
    let mut room = DETAILS_BYTES_MAX;
    let fitting = status.details().filter(|(type_url, value)| {
        let left = room.checked_sub(type_url.len() + value.len());
        room = left.unwrap_or(room);
        left.is_some()
    });
    let mut has_details = false;
    for (type_url, value) in fitting {
        out.extend_from_slice(if has_details { &b","[..] } else { b",\"details\":[" });
        out.extend_from_slice(b"{\"type\":");
        put_string(out, type_url.rsplit_once('/').map_or(type_url, |(_, name)| name));
        out.extend_from_slice(b",\"value\":");
        put_string(out, &binary::encode(value));
        out.push(b'}');
        has_details = true;
    }
    out.extend_from_slice(if has_details { &b"]}"[..] } else { b"}" });
}

/// Appends the JSON at the end of a stream: the error, if the call failed, and the trailers.
pub(crate) fn encode_end(out: &mut Vec<u8>, error: Option<&Status>, trailers: &Metadata) {
    out.push(b'{');
    if let Some(status) = error {
        out.extend_from_slice(b"\"error\":");
        encode_error(out, status);
    }
    let mut written: Vec<&str> = Vec::new();
    for (name, _) in fields(trailers) {
        if written.contains(&name) {
            continue;
        }
        let begin: &[u8] = match (written.is_empty(), error) {
            (true, None) => b"\"metadata\":{",
            (true, Some(_)) => b",\"metadata\":{",
            (false, _) => b",",
        };
        out.extend_from_slice(begin);
        put_string(out, name);
        let values = fields(trailers).filter(|(other, _)| *other == name);
        for (index, (_, value)) in values.enumerate() {
            out.extend_from_slice(if index == 0 { &b":["[..] } else { b"," });
            // The value of a field is ASCII.
            put_string(out, &String::from_utf8_lossy(&value));
        }
        out.push(b']');
        written.push(name);
    }
    out.extend_from_slice(if written.is_empty() { &b"}"[..] } else { b"}}" });
}

const MESSAGE_BYTES_MAX: usize = 4096;
const DETAILS_BYTES_MAX: usize = 16 * 1024;

#[cfg(all(feature = "json", test))]
mod json {
    //! Errors and ends of streams out of JSON, at a caller.

    use bytes::Bytes;
    use serde_json::Value;

    use super::{append_field, binary, code_from_name};
    use crate::metadata::Metadata;
    use crate::status::{Detail, Status};

    /// Decodes an error. `None` if the body is no error of Connect; the HTTP status then tells the code. Details that are
    /// malformed are left out.
    pub(crate) fn decode_error(body: &[u8]) -> Option<Status> {
        error_of(&serde_json::from_slice(body).ok()?)
    }

    /// Decodes the end of a stream: the error, if the call failed, and the trailers. INTERNAL if it is malformed.
    pub(crate) fn decode_end(body: &[u8]) -> Result<(Option<Status>, Metadata), Status> {
        let malformed = || Status::internal("the end of the stream is malformed");
        let end: Value = serde_json::from_slice(body).map_err(|_| malformed())?;
        let error = end.get("error").map(|error| error_of(error).ok_or_else(malformed)).transpose()?;
        let mut trailers = Metadata::new();
        for (name, values) in end.get("metadata").and_then(Value::as_object).into_iter().flatten() {
            for value in values.as_array().into_iter().flatten().filter_map(Value::as_str) {
                append_field(&mut trailers, name.to_ascii_lowercase().as_bytes(), value.as_bytes())?;
            }
        }
        Ok((error, trailers))
    }

    fn error_of(error: &Value) -> Option<Status> {
        let text = |name| error.get(name).and_then(Value::as_str);
        let mut status = Status::new(code_from_name(text("code")?)?, text("message").unwrap_or_default().to_owned());
        let details = error.get("details").and_then(Value::as_array).into_iter().flatten();
        *status.details_mut() = details.filter_map(detail_of).collect();
        Some(status)
    }

    fn detail_of(detail: &Value) -> Option<Detail> {
        let name = detail.get("type")?.as_str().filter(|name| !name.is_empty())?;
        let value = binary::decode(detail.get("value")?.as_str()?.as_bytes())?;
        Some(Detail { type_url: format!("type.googleapis.com/{name}"), value: Bytes::from(value) })
    }
}

#[cfg(all(feature = "json", test))]
pub(crate) use json::{decode_end, decode_error};

/// Decodes the value of `connect-timeout-ms`: at most 10 digits. INVALID_ARGUMENT for anything else.
pub(crate) fn decode_timeout(value: &[u8]) -> Result<Duration, Status> {
    decimal(value, TIMEOUT_DIGITS_MAX).map(Duration::from_millis).ok_or_else(|| {
        let shown = String::from_utf8_lossy(&value[..value.len().min(16)]);
        Status::invalid_argument(format!("connect-timeout-ms {shown:?} is not of 1 to 10 digits"))
    })
}

/// Encodes `timeout` as the value of `connect-timeout-ms`. Rounded down, so that the server is granted no more time than is
/// left; at most 115 days.
#[cfg(test)]
pub(crate) fn encode_timeout(timeout: Duration) -> String {
    timeout.as_millis().min(9_999_999_999).to_string()
}

const TIMEOUT_DIGITS_MAX: usize = 10;

/// The trailers of a unary call as fields of its head.
pub(crate) fn unary_trailers(trailers: &Metadata) -> impl Iterator<Item = (String, Cow<'_, [u8]>)> {
    fields(trailers).map(|(name, value)| (format!("{TRAILER_PREFIX}{name}"), value))
}

/// Appends what a field of a unary reply carries, to `headers` or to `trailers`. `name` is in lower case. The error is that
/// of [`append_field`].
#[cfg(test)]
pub(crate) fn append_reply_field(
    headers: &mut Metadata,
    trailers: &mut Metadata,
    name: &[u8],
    value: &[u8],
) -> Result<(), Status> {
    match name.strip_prefix(TRAILER_PREFIX.as_bytes()) {
        Some(name) => append_field(trailers, name, value),
        None => append_field(headers, name, value),
    }
}

const TRAILER_PREFIX: &str = "trailer-";

/// A unary call as GET.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct GetCall {
    pub(crate) message: Bytes,
    /// The name of the codec; [`codec_from_name`] knows it, or the request gets 415.
    pub(crate) encoding: String,
    /// The name of the compression, if it is not `identity`.
    pub(crate) compression: Option<String>,
    /// Whether the query says `connect=v1`.
    pub(crate) has_version: bool,
}

impl GetCall {
    /// Decodes the query. INVALID_ARGUMENT if it lacks the message or the encoding, has a malformed message, or names
    /// another version. The first parameter of a name counts; unknown parameters do not.
    pub(crate) fn decode(query: &str) -> Result<GetCall, Status> {
        let (mut message, mut encoding, mut base64, mut compression, mut version) = (None, None, None, None, None);
        for (name, value) in query_pairs(query) {
            let place = match &*name {
                b"message" => &mut message,
                b"encoding" => &mut encoding,
                b"base64" => &mut base64,
                b"compression" => &mut compression,
                b"connect" => &mut version,
                _ => continue,
            };
            place.get_or_insert(value);
        }
        let missing = |name| Status::invalid_argument(format!("the query has no parameter {name}"));
        let message = message.ok_or_else(|| missing("message"))?;
        let encoding = encoding.ok_or_else(|| missing("encoding"))?;
        if version.as_deref().is_some_and(|version| version != b"v1") {
            return Err(Status::invalid_argument("the query names another version of Connect than v1"));
        }
        let message = match base64.as_deref() {
            Some(b"1") => binary::decode_from_url(&message)
                .ok_or_else(|| Status::invalid_argument("the message in the query is not base64 for URLs"))?,
            _ => message.into_owned(),
        };
        let text = |value: Cow<'_, [u8]>| String::from_utf8_lossy(&value).into_owned();
        Ok(GetCall {
            message: message.into(),
            encoding: text(encoding),
            compression: compression.map(text).filter(|name| !name.is_empty() && name != "identity"),
            has_version: version.is_some(),
        })
    }

    /// Encodes the query: the message as text if it is plain JSON, and as base64 otherwise.
    #[cfg(any(test, fuzzing))]
    pub(crate) fn encode(&self) -> String {
        let is_text = self.compression.is_none() && codec_from_name(&self.encoding) == Some(Codec::Json);
        let mut query = if self.has_version { "connect=v1&".to_owned() } else { String::new() };
        if let Some(compression) = &self.compression {
            query.extend(["compression=", compression, "&"]);
        }
        query.extend(["encoding=", &self.encoding]);
        if is_text {
            query.push_str("&message=");
            query.extend(percent_encode(&self.message, NON_ALPHANUMERIC));
        } else {
            query.extend(["&base64=1&message=", &binary::encode_for_url(&self.message)]);
        }
        query
    }
}

/// The codec with this name in Connect.
pub(crate) fn codec_from_name(name: &str) -> Option<Codec> {
    [Codec::Protobuf, Codec::Json].into_iter().find(|codec| codec_name(*codec) == name)
}

/// The name of a codec in Connect.
pub(crate) fn codec_name(codec: Codec) -> &'static str {
    match codec {
        Codec::Protobuf => "proto",
        Codec::Json => "json",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Detail;

    fn all_codes() -> impl Iterator<Item = Code> {
        (1..=16).map(Code::from_number)
    }

    #[test]
    fn codes_have_names_and_http_statuses_of_connect() {
        for code in all_codes() {
            assert_eq!(code_from_name(code_name(code)), Some(code));
            let name = code.name().to_ascii_lowercase().replace("cancelled", "canceled");
            assert_eq!(code_name(code), name);
        }
        for name in ["ok", "cancelled", "Unknown", ""] {
            assert_eq!(code_from_name(name), None, "{name}");
        }
        let statuses: Vec<u16> = all_codes().map(http_status).collect();
        assert_eq!(statuses, [499, 500, 400, 504, 404, 409, 403, 429, 400, 409, 400, 501, 500, 503, 500, 401]);
    }

    fn failure() -> Status {
        let mut status = Status::unavailable("\"overloaded\"\\ \n\u{1}ä");
        let detail = |url: &str, value: &'static [u8]| Detail { type_url: url.into(), value: value.into() };
        status.details_mut().push(detail("type.googleapis.com/google.rpc.RetryInfo", b"\x0a\x02\x08<"));
        status.details_mut().push(detail("type.googleapis.com/a.B", b""));
        status
    }

    fn json(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn errors_are_json() {
        assert_eq!(json(|out| encode_error(out, &Status::cancelled(""))), r#"{"code":"canceled"}"#);
        let details = r#"[{"type":"google.rpc.RetryInfo","value":"CgIIPA"},{"type":"a.B","value":""}]"#;
        let message = r#""\"overloaded\"\\ \n\u0001ä""#;
        let expected = format!(r#"{{"code":"unavailable","message":{message},"details":{details}}}"#);
        assert_eq!(json(|out| encode_error(out, &failure())), expected);
    }

    #[test]
    fn long_error_is_cut_and_loses_the_details_that_do_not_fit() {
        let mut status = Status::internal("ä".repeat(10_000));
        for (name, bytes) in [("x/a", 10_000), ("x/b", 10_000), ("x/c", 100)] {
            status.details_mut().push(Detail { type_url: name.into(), value: vec![0; bytes].into() });
        }
        let text = json(|out| encode_error(out, &status));
        assert!(text.len() < 4096 + 2 * 16 * 1024);
        assert_eq!(text.matches('ä').count(), 2048);
        assert!(text.contains(r#""type":"a""#) && text.contains(r#"},{"type":"c""#) && !text.contains(r#""b""#));
    }

    fn trailers() -> Metadata {
        let mut trailers = Metadata::new();
        trailers.append("cost", "7").unwrap();
        trailers.append("blob-bin", [0xfb, 0xff]).unwrap();
        trailers.append("cost", "\"8\"").unwrap();
        trailers.append("connect-x", "reserved").unwrap();
        trailers
    }

    #[test]
    fn end_of_stream_is_json() {
        let none = Metadata::new();
        assert_eq!(json(|out| encode_end(out, None, &none)), "{}");
        let error = Status::aborted("");
        assert_eq!(json(|out| encode_end(out, Some(&error), &none)), r#"{"error":{"code":"aborted"}}"#);
        let metadata = r#""metadata":{"cost":["7","\"8\""],"blob-bin":["+/8"]}"#;
        assert_eq!(json(|out| encode_end(out, None, &trailers())), format!("{{{metadata}}}"));
        let both = format!(r#"{{"error":{{"code":"aborted"}},{metadata}}}"#);
        assert_eq!(json(|out| encode_end(out, Some(&error), &trailers())), both);
    }

    #[cfg(feature = "json")]
    #[test]
    fn errors_and_ends_decode_as_they_were_encoded() {
        let failed = failure();
        let decoded = decode_error(json(|out| encode_error(out, &failed)).as_bytes()).unwrap();
        assert_eq!((decoded.code(), decoded.message()), (failed.code(), failed.message()));
        assert!(decoded.details().eq(failed.details()));
        let end = json(|out| encode_end(out, Some(&failed), &trailers()));
        let (error, metadata) = decode_end(end.as_bytes()).unwrap();
        assert_eq!(error.unwrap().message(), failed.message());
        let values: Vec<_> = metadata.values("cost").chain(metadata.values("blob-bin")).collect();
        assert_eq!(values, [&b"7"[..], b"\"8\"", &[0xfb, 0xff]]);
        assert_eq!(metadata.len(), 3);
        assert!(decode_end(b"{}").unwrap().0.is_none());
    }

    #[cfg(feature = "json")]
    #[test]
    fn malformed_errors_and_ends_are_told_apart_from_success() {
        for body in ["", "{}", "[]", "<html>", r#"{"code":null}"#, r#"{"code":"nope"}"#, r#"{"code":5}"#] {
            assert!(decode_error(body.as_bytes()).is_none(), "{body}");
        }
        for body in ["", "<html>", r#"{"error":null}"#, r#"{"error":{}}"#, r#"{"metadata":{"a-bin":["!"]}}"#] {
            assert!(decode_end(body.as_bytes()).is_err(), "{body}");
        }
        let details =
            r#"{"code":"aborted","details":[{"type":"a.B"},{"type":"","value":""},{"type":"a.B","value":"AA=="}]}"#;
        let details: Vec<_> =
            decode_error(details.as_bytes()).unwrap().details().map(|(url, _)| url.to_owned()).collect();
        assert_eq!(details, ["type.googleapis.com/a.B"]);
    }

    #[test]
    fn timeouts_are_milliseconds() {
        for (timeout, text) in [
            (Duration::ZERO, "0"),
            (Duration::from_micros(1_999), "1"),
            (Duration::from_secs(5), "5000"),
            (Duration::MAX, "9999999999"),
        ] {
            assert_eq!(encode_timeout(timeout), text);
        }
        assert_eq!(decode_timeout(b"9999999999").ok(), Some(Duration::from_millis(9_999_999_999)));
        for text in ["", "12345678901", "-1", "+1", "1.5", "5s", " 5"] {
            assert_eq!(decode_timeout(text.as_bytes()).unwrap_err().code(), Code::InvalidArgument, "{text}");
        }
    }

    #[test]
    fn unary_trailers_travel_as_fields_with_a_prefix() {
        let sent = trailers();
        let fields: Vec<_> = unary_trailers(&sent).collect();
        let names: Vec<&str> = fields.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["trailer-cost", "trailer-blob-bin", "trailer-cost"]);
        let (mut headers, mut received) = (Metadata::new(), Metadata::new());
        for (name, value) in &fields {
            append_reply_field(&mut headers, &mut received, name.as_bytes(), value).unwrap();
        }
        append_reply_field(&mut headers, &mut received, b"tenant", b"blue").unwrap();
        assert_eq!((headers.len(), received.len()), (1, 3));
        assert_eq!(received.value("blob-bin"), Some(&[0xfb, 0xff][..]));
    }

    #[test]
    fn get_calls_decode_from_queries() {
        let call = |message: &'static [u8], encoding: &str, compression: Option<&str>, has_version| GetCall {
            message: message.into(),
            encoding: encoding.into(),
            compression: compression.map(str::to_owned),
            has_version,
        };
        for (query, expected) in [
            ("message=%7B%22name%22%3A+%22Buf%22%7D&encoding=json", call(b"{\"name\": \"Buf\"}", "json", None, false)),
            ("connect=v1&encoding=proto&base64=1&message=-_8%3D&x=y", call(b"\xfb\xff", "proto", None, true)),
            ("base64=1&message=&encoding=proto&compression=identity", call(b"", "proto", None, false)),
            ("base64=1&message=AA&encoding=proto&compression=gzip", call(b"\0", "proto", Some("gzip"), false)),
            ("base64=true&message=AA&message=BB&encoding=yaml", call(b"AA", "yaml", None, false)),
        ] {
            assert_eq!(GetCall::decode(query).unwrap(), expected, "{query}");
            assert_eq!(GetCall::decode(&expected.encode()).unwrap(), expected);
        }
        for query in [
            "",
            "message=x",
            "encoding=json",
            "message=x&encoding=json&connect=v2",
            "message=!&encoding=proto&base64=1",
            "message=+/&encoding=proto&base64=1",
        ] {
            assert_eq!(GetCall::decode(query).unwrap_err().code(), Code::InvalidArgument, "{query}");
        }
        assert_eq!(codec_from_name("yaml"), None);
    }
}
