//! A status in the body of a RESPONSE: protobuf's `google.rpc.Status`.

use bytes::Bytes;

use crate::protocol::wire::{Field, Fields, put_bytes_field, put_varint_field};
use crate::status::{Code, Status};

const CODE: u32 = 1;
const MESSAGE: u32 = 2;
/// A message is for a person: what is beyond this is cut, so that an error is never what exceeds a limit.
const MESSAGE_BYTES_MAX: usize = 4096;

/// The body of a RESPONSE that carries `status`.
pub(crate) fn encode_error(status: &Status) -> Bytes {
    let message = status.message();
    let message = &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)];
    let mut out = Vec::with_capacity(message.len() + 8);
    put_varint_field(&mut out, CODE, status.code() as u64);
    if !message.is_empty() {
        put_bytes_field(&mut out, MESSAGE, message.as_bytes());
    }
    out.into()
}

/// The status that the body carries; `code` is that of the header, and holds when the body cannot be read.
pub(crate) fn decode_error(code: u16, body: &[u8]) -> Status {
    let code = u8::try_from(code).map_or(Code::Unknown, Code::from_number);
    let message = Fields(body).find_map(|field| match field {
        Ok((number, Field::Bytes(text))) if number == u64::from(MESSAGE) => Some(String::from_utf8_lossy(text)),
        _ => None,
    });
    Status::new(code, message.unwrap_or_default().into_owned())
}
