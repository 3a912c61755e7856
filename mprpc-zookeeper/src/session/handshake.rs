//! The handshake of a connection: which session the client has or wants, and what the server says to that.

use std::time::Duration;

use bytes::{BufMut, BytesMut};

use crate::jute::{Malformed, Reader, put_bool, put_buffer};

/// A session as the servers know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The id; 0 before the first session.
    pub(super) id: i64,
    /// What proves that the session is this client's.
    pub(super) password: Vec<u8>,
}

impl Identity {
    /// No session: the server opens one.
    pub(super) fn new() -> Identity {
        Identity { id: 0, password: vec![0; 16] }
    }
}

/// Appends the first packet of a connection.
pub(super) fn put_request(
    output: &mut BytesMut,
    identity: &Identity,
    last_zxid: i64,
    timeout: Duration,
    read_only: bool,
) {
    let mut body = BytesMut::new();
    body.put_i32(PROTOCOL_VERSION);
    body.put_i64(last_zxid);
    body.put_i32(i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX));
    body.put_i64(identity.id);
    put_buffer(&mut body, &identity.password);
    put_bool(&mut body, read_only);
    put_buffer(output, &body);
}

/// The server's answer to the first packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// The session is open.
    Open { identity: Identity, timeout: Duration, read_only: bool },
    /// The session has ended.
    Expired,
}

pub(super) fn read_answer(packet: &[u8]) -> Result<Answer, Malformed> {
    let mut reader = Reader::new("ConnectResponse", packet);
    let _version = reader.i32()?;
    let timeout = reader.i32()?;
    let id = reader.i64()?;
    let password = reader.buffer()?.to_vec();
    // Servers before 3.4 do not send the field.
    let read_only = !reader.is_empty() && reader.bool()?;
    match u64::try_from(timeout) {
        Ok(timeout) if timeout > 0 && id != 0 => {
            let identity = Identity { id, password };
            Ok(Answer::Open { identity, timeout: Duration::from_millis(timeout), read_only })
        }
        _ => Ok(Answer::Expired),
    }
}

const PROTOCOL_VERSION: i32 = 0;
