//! Streams of replies on an HTTP path: a line of JSON for each reply, or Server-Sent Events.
//!
//! Sources: <https://github.com/ndjson/ndjson-spec>, <https://html.spec.whatwg.org/#server-sent-events>. The members `result`
//! and `error` of a line are those of grpc-gateway.

use bytes::Bytes;

use crate::protocol::http::connect;
use crate::status::Status;

/// The form of a stream of replies in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum JsonStream {
    /// A line for each reply, `{"result":REPLY}`. A stream that fails ends with `{"error":ERROR}`.
    Lines,
    /// An event for each reply. Then an event of the type `end`, because a browser calls again after a stream without one.
    Events,
}

impl JsonStream {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            JsonStream::Lines => "application/x-ndjson",
            JsonStream::Events => "text/event-stream",
        }
    }

    /// Encodes a reply.
    pub(super) fn encode(self, reply: &[u8]) -> Bytes {
        let (before, after): (&[u8], &[u8]) = match self {
            JsonStream::Lines => (b"{\"result\":", b"}\n"),
            JsonStream::Events => (b"data: ", b"\n\n"),
        };
        let mut encoded = Vec::with_capacity(before.len() + reply.len() + after.len());
        encoded.extend_from_slice(before);
        // In JSON, line breaks stand only between tokens.
        encoded.extend(reply.iter().map(|byte| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte }));
        encoded.extend_from_slice(after);
        encoded.into()
    }

    /// Encodes the end of the stream.
    pub(super) fn encode_end(self, error: Option<&Status>) -> Bytes {
        let mut json = Vec::new();
        if let Some(error) = error {
            json.extend_from_slice(b"\"error\":");
            connect::encode_error(&mut json, error);
        }
        let parts: [&[u8]; 3] = match (self, error) {
            (JsonStream::Lines, None) => [b"", b"", b""],
            (JsonStream::Lines, Some(_)) => [b"{", &json, b"}\n"],
            (JsonStream::Events, _) => [b"event: end\ndata: {", &json, b"}\n\n"],
        };
        parts.concat().into()
    }
}

/// Whether the field `accept` of a request names Server-Sent Events.
pub(super) fn accepts_events(accept: &[u8]) -> bool {
    let name =
        |range: &[u8]| range.split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii().to_ascii_lowercase();
    accept.split(|byte| *byte == b',').any(|range| name(range) == b"text/event-stream")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reply_is_one_line_and_one_event() {
        let reply = b"{\"a\":\r\n1,\n\"b\":\"\\n\"}";
        assert_eq!(&JsonStream::Lines.encode(reply)[..], b"{\"result\":{\"a\":  1, \"b\":\"\\n\"}}\n");
        assert_eq!(&JsonStream::Events.encode(reply)[..], b"data: {\"a\":  1, \"b\":\"\\n\"}\n\n");
    }

    #[test]
    fn end_of_a_stream_carries_its_error() {
        let error = Status::not_found("a\nb");
        let json = r#""error":{"code":"not_found","message":"a\nb"}"#;
        assert_eq!(JsonStream::Lines.encode_end(Some(&error)), format!("{{{json}}}\n"));
        assert_eq!(JsonStream::Lines.encode_end(None), "");
        assert_eq!(JsonStream::Events.encode_end(Some(&error)), format!("event: end\ndata: {{{json}}}\n\n"));
        assert_eq!(JsonStream::Events.encode_end(None), "event: end\ndata: {}\n\n");
    }

    #[test]
    fn events_are_sent_to_those_who_name_them() {
        assert!(accepts_events(b"text/event-stream"));
        assert!(accepts_events(b"application/json , Text/Event-Stream;q=0.5"));
        for other in [&b"*/*"[..], b"", b"text/*", b"text/event-streams"] {
            assert!(!accepts_events(other));
        }
    }
}
