//! Why an operation failed: the server's answer, or no answer.

use std::fmt;

use crate::jute::Malformed;

/// Why an operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// The node, or the parent of a node to create, does not exist.
    NoNode,
    /// A node of this path exists already.
    NodeExists,
    /// The node has another version than the one asked for.
    BadVersion,
    /// The node has children, so it cannot be deleted.
    NotEmpty,
    /// An ephemeral node has no children.
    NoChildrenForEphemerals,
    /// The access control list of the node forbids the operation.
    NoAuth,
    /// The access control list is invalid.
    InvalidAcl,
    /// The server refused the credentials.
    AuthFailed,
    /// The server is cut off from its ensemble and takes reads only.
    NotReadOnly,
    /// The server does not know the operation: it is older, or the operation is switched off.
    Unimplemented,
    /// The server answered with another error code.
    Server(i32),
    /// The path is invalid. The text names the path and says why.
    BadPath(String),
    /// The request is larger than [`Options::packet_bytes_max`](crate::Options::packet_bytes_max).
    RequestTooLarge {
        /// The size of the request.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The reply is larger than [`Options::packet_bytes_max`](crate::Options::packet_bytes_max). A write was done.
    ReplyTooLarge {
        /// The size of the reply.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The reply is not what the protocol says. A write was done. The text names the record.
    Malformed(String),
    /// The path is watched in the other mode. The servers keep one mode for a path.
    WatchModeConflict,
    /// The servers have not seen the operation.
    NotSent(Why),
    /// The operation was sent, and no answer came. A write may have been done.
    Lost(Why),
}

/// Why an operation was not sent, or why its answer did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Why {
    /// [`Options::operation_timeout`](crate::Options::operation_timeout) passed.
    Deadline,
    /// The connection was lost.
    Disconnected,
    /// The servers ended the session.
    Expired,
    /// [`Options::requests_max`](crate::Options::requests_max) or
    /// [`Options::request_bytes_max`](crate::Options::request_bytes_max) is reached.
    QueueFull,
    /// The client was closed.
    Closed,
}

impl Error {
    /// The error of the server's `code`, which is not 0.
    pub(crate) fn of_code(code: i32) -> Error {
        CODES.iter().find(|(known, _)| *known == code).map_or(Error::Server(code), |(_, error)| error.clone())
    }

    /// Whether the connection or the session was lost before the answer came.
    pub fn is_connection_lost(&self) -> bool {
        let (Error::NotSent(why) | Error::Lost(why)) = self else {
            return matches!(self, Error::Server(SESSION_EXPIRED | SESSION_MOVED));
        };
        matches!(why, Why::Disconnected | Why::Expired | Why::Closed)
    }
}

const SESSION_EXPIRED: i32 = -112;
const SESSION_MOVED: i32 = -118;

/// The codes of the protocol with an error of their own.
const CODES: [(i32, Error); 10] = [
    (-6, Error::Unimplemented),
    (-101, Error::NoNode),
    (-102, Error::NoAuth),
    (-103, Error::BadVersion),
    (-108, Error::NoChildrenForEphemerals),
    (-110, Error::NodeExists),
    (-111, Error::NotEmpty),
    (-114, Error::InvalidAcl),
    (-115, Error::AuthFailed),
    (-119, Error::NotReadOnly),
];

impl std::error::Error for Error {}

impl From<Malformed> for Error {
    fn from(malformed: Malformed) -> Error {
        Error::Malformed(malformed.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoNode => f.write_str("the node does not exist"),
            Error::NodeExists => f.write_str("the node exists already"),
            Error::BadVersion => f.write_str("the node has another version"),
            Error::NotEmpty => f.write_str("the node has children"),
            Error::NoChildrenForEphemerals => f.write_str("an ephemeral node has no children"),
            Error::NoAuth => f.write_str("the access control list of the node forbids it (NOAUTH)"),
            Error::InvalidAcl => f.write_str("the access control list is invalid"),
            Error::AuthFailed => f.write_str("the server refused the credentials"),
            Error::NotReadOnly => f.write_str("the server is cut off from its ensemble and takes reads only"),
            Error::Unimplemented => f.write_str("the server does not know the operation"),
            Error::Server(code) => write!(f, "the server answered with error {code}"),
            Error::BadPath(why) => f.write_str(why),
            Error::RequestTooLarge { bytes, limit } => {
                write!(f, "the request has {bytes} bytes; packet_bytes_max is {limit}")
            }
            Error::ReplyTooLarge { bytes, limit } => {
                write!(f, "the reply has {bytes} bytes; packet_bytes_max is {limit}")
            }
            Error::Malformed(why) => f.write_str(why),
            Error::WatchModeConflict => f.write_str("the path is watched in the other mode"),
            Error::NotSent(why) => write!(f, "not sent: {why}"),
            Error::Lost(why) => write!(f, "lost, may have been done: {why}"),
        }
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Deadline => "operation_timeout passed",
            Why::Disconnected => "the connection was lost",
            Why::Expired => "the session has expired",
            Why::QueueFull => "too many requests wait",
            Why::Closed => "the client is closed",
        })
    }
}
