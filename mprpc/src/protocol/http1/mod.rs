//! The server's side of HTTP/1.1: heads, bodies and responses as bytes, without I/O. What a request asks for is decided
//! elsewhere.
//!
//! Sources: RFC 9112 (messages), RFC 9110 (fields). A request that two readers could understand differently is refused,
//! because such requests are smuggled past proxies.

mod body;
mod fields;
mod head;
mod response;

pub(crate) use body::{BodyDecoder, Decoded};
pub(crate) use head::{BodyLength, Head, HeadDecoder};
pub(crate) use response::{CONTINUE, NO_FIELDS, ResponseBody, ResponseEncoder, encode_violation};

use std::borrow::Cow;

/// A request that breaks the rules. The server answers with the status and the text, and closes the connection, because
/// nobody knows where the next request begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// The HTTP status to answer with.
    pub(crate) status: u16,
    /// What is wrong.
    pub(crate) text: Cow<'static, str>,
}

impl Violation {
    fn new(status: u16, text: impl Into<Cow<'static, str>>) -> Violation {
        Violation { status, text: text.into() }
    }

    fn bad_request(text: impl Into<Cow<'static, str>>) -> Violation {
        Violation::new(400, text)
    }
}

#[cfg(test)]
mod tests;
