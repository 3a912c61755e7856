//! The names of fields that the HTTP layer acts on.

/// The name of a field as a number. It is found once, when the field enters the table, so that a request that refers to
/// the field needs no string comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum KnownName {
    Method,
    Scheme,
    Authority,
    Path,
    Status,
    /// `:protocol` of an extended CONNECT (RFC 8441).
    Protocol,
    /// Any other name that begins with a colon.
    UnknownPseudo,
    ContentType,
    ContentLength,
    Te,
    GrpcTimeout,
    GrpcEncoding,
    GrpcAcceptEncoding,
    GrpcStatus,
    GrpcMessage,
    GrpcStatusDetailsBin,
    GrpcPreviousRpcAttempts,
    GrpcRetryPushbackMs,
    UserAgent,
    AcceptEncoding,
    ContentEncoding,
    ConnectProtocolVersion,
    ConnectTimeoutMs,
    ConnectContentEncoding,
    ConnectAcceptEncoding,
    Connection,
    TransferEncoding,
    KeepAlive,
    ProxyConnection,
    Upgrade,
    Host,
    Cookie,
    Origin,
    /// Every other name, also one with upper-case letters.
    Other,
}

impl KnownName {
    /// Finds the number of `name`.
    pub(crate) const fn of(name: &[u8]) -> KnownName {
        match name {
            b":method" => KnownName::Method,
            b":scheme" => KnownName::Scheme,
            b":authority" => KnownName::Authority,
            b":path" => KnownName::Path,
            b":status" => KnownName::Status,
            b":protocol" => KnownName::Protocol,
            [b':', ..] => KnownName::UnknownPseudo,
            b"content-type" => KnownName::ContentType,
            b"content-length" => KnownName::ContentLength,
            b"te" => KnownName::Te,
            b"grpc-timeout" => KnownName::GrpcTimeout,
            b"grpc-encoding" => KnownName::GrpcEncoding,
            b"grpc-accept-encoding" => KnownName::GrpcAcceptEncoding,
            b"grpc-status" => KnownName::GrpcStatus,
            b"grpc-message" => KnownName::GrpcMessage,
            b"grpc-status-details-bin" => KnownName::GrpcStatusDetailsBin,
            b"grpc-previous-rpc-attempts" => KnownName::GrpcPreviousRpcAttempts,
            b"grpc-retry-pushback-ms" => KnownName::GrpcRetryPushbackMs,
            b"user-agent" => KnownName::UserAgent,
            b"accept-encoding" => KnownName::AcceptEncoding,
            b"content-encoding" => KnownName::ContentEncoding,
            b"connect-protocol-version" => KnownName::ConnectProtocolVersion,
            b"connect-timeout-ms" => KnownName::ConnectTimeoutMs,
            b"connect-content-encoding" => KnownName::ConnectContentEncoding,
            b"connect-accept-encoding" => KnownName::ConnectAcceptEncoding,
            b"connection" => KnownName::Connection,
            b"transfer-encoding" => KnownName::TransferEncoding,
            b"keep-alive" => KnownName::KeepAlive,
            b"proxy-connection" => KnownName::ProxyConnection,
            b"upgrade" => KnownName::Upgrade,
            b"host" => KnownName::Host,
            b"cookie" => KnownName::Cookie,
            b"origin" => KnownName::Origin,
            _ => KnownName::Other,
        }
    }
}
