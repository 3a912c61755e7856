//! The field `content-type`: which protocol a request speaks, and how its messages are encoded.

use crate::codec::Codec;

/// A protocol on HTTP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Dialect {
    Grpc,
    GrpcWeb,
    /// gRPC-Web whose body is base64.
    GrpcWebText,
    /// Connect with one message in the body.
    ConnectUnary,
    /// Connect with a prefix before each message.
    ConnectStream,
    /// A JSON body. Connect's unary calls have the same type: they are told apart by their path.
    Json,
}

/// The protocol and the codec that a content-type names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentType {
    pub(crate) dialect: Dialect,
    pub(crate) codec: Codec,
}

impl ContentType {
    /// Decodes the value of the field. `None` if it names no protocol, codec or charset that is known here; the request
    /// then gets 415.
    ///
    /// Parameters do not count, except that a charset has to be UTF-8.
    pub(crate) fn decode(value: &[u8]) -> Option<ContentType> {
        let mut parts = value.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let name = parts.next()?;
        let (_, dialect, codec) = NAMES.into_iter().find(|(known, ..)| name.eq_ignore_ascii_case(known.as_bytes()))?;
        parts.all(is_known_parameter).then_some(ContentType { dialect, codec })
    }

    /// The value of the field, as this side sends it.
    pub(crate) fn name(self) -> &'static str {
        let is_this = |entry: &&(&str, Dialect, Codec)| (entry.1, entry.2) == (self.dialect, self.codec);
        NAMES.iter().find(is_this).map_or("application/octet-stream", |(name, ..)| name)
    }
}

/// The types; where two mean the same, the first is sent. Ordered by how often they are looked up.
const NAMES: [(&str, Dialect, Codec); 14] = [
    ("application/grpc", Dialect::Grpc, Codec::Protobuf),
    ("application/grpc+proto", Dialect::Grpc, Codec::Protobuf),
    ("application/json", Dialect::Json, Codec::Json),
    ("application/proto", Dialect::ConnectUnary, Codec::Protobuf),
    ("application/grpc-web+proto", Dialect::GrpcWeb, Codec::Protobuf),
    ("application/grpc-web", Dialect::GrpcWeb, Codec::Protobuf),
    ("application/grpc-web-text+proto", Dialect::GrpcWebText, Codec::Protobuf),
    ("application/grpc-web-text", Dialect::GrpcWebText, Codec::Protobuf),
    ("application/connect+proto", Dialect::ConnectStream, Codec::Protobuf),
    ("application/connect+json", Dialect::ConnectStream, Codec::Json),
    ("application/grpc+json", Dialect::Grpc, Codec::Json),
    ("application/grpc-web+json", Dialect::GrpcWeb, Codec::Json),
    ("application/grpc-web-text+json", Dialect::GrpcWebText, Codec::Json),
    // Connect's name of the JSON type.
    ("application/json", Dialect::ConnectUnary, Codec::Json),
];

/// Whether a parameter leaves the meaning of the body as it is.
fn is_known_parameter(parameter: &[u8]) -> bool {
    let (name, value) = parameter.split_at(parameter.iter().position(|byte| *byte == b'=').unwrap_or(parameter.len()));
    let value = value.get(1..).unwrap_or_default();
    let value = value.strip_prefix(b"\"").and_then(|value| value.strip_suffix(b"\"")).unwrap_or(value);
    !name.eq_ignore_ascii_case(b"charset") || value.eq_ignore_ascii_case(b"utf-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_types_name_dialect_and_codec() {
        use Codec::{Json, Protobuf};
        for (value, dialect, codec) in [
            ("application/grpc", Dialect::Grpc, Protobuf),
            ("Application/GRPC+Proto", Dialect::Grpc, Protobuf),
            ("application/grpc+json; charset=utf-8", Dialect::Grpc, Json),
            ("application/grpc-web", Dialect::GrpcWeb, Protobuf),
            ("application/grpc-web+json", Dialect::GrpcWeb, Json),
            ("application/grpc-web-text", Dialect::GrpcWebText, Protobuf),
            ("application/grpc-web-text+proto", Dialect::GrpcWebText, Protobuf),
            ("application/proto", Dialect::ConnectUnary, Protobuf),
            ("application/connect+proto", Dialect::ConnectStream, Protobuf),
            ("application/connect+json", Dialect::ConnectStream, Json),
            ("application/json", Dialect::Json, Json),
            ("application/json;charset=\"UTF-8\" ; q=1;", Dialect::Json, Json),
        ] {
            assert_eq!(ContentType::decode(value.as_bytes()), Some(ContentType { dialect, codec }), "{value}");
        }
    }

    #[test]
    fn other_content_types_are_unknown() {
        for value in [
            "",
            "text/html",
            "application/grpc+thrift",
            "application/grpcfoo",
            "application/json, application/json",
            "application/json; charset=iso-8859-1",
            "application/connect",
        ] {
            assert_eq!(ContentType::decode(value.as_bytes()), None, "{value}");
        }
    }

    #[test]
    fn names_of_content_types_decode_to_the_same() {
        let dialects = [
            Dialect::Grpc,
            Dialect::GrpcWeb,
            Dialect::GrpcWebText,
            Dialect::ConnectUnary,
            Dialect::ConnectStream,
            Dialect::Json,
        ];
        for dialect in dialects {
            for codec in [Codec::Protobuf, Codec::Json] {
                let sent = ContentType { dialect, codec };
                if sent == (ContentType { dialect: Dialect::Json, codec: Codec::Protobuf }) {
                    continue;
                }
                let received = ContentType::decode(sent.name().as_bytes()).unwrap();
                assert_eq!(received.codec, codec);
                let is_json = sent == ContentType { dialect: Dialect::ConnectUnary, codec: Codec::Json };
                assert_eq!(received.dialect, if is_json { Dialect::Json } else { dialect });
            }
        }
    }
}
