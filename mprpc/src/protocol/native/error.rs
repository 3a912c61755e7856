//! A status in the body of a RESPONSE: protobuf's `google.rpc.Status`. Its trailer and its story travel elsewhere.

use bytes::Bytes;

use crate::protocol::wire::{Field, Fields, put_bytes_field, put_varint_field};
use crate::status::{Code, Detail, Status};

const CODE: u32 = 1;
const MESSAGE: u32 = 2;
const DETAILS: u32 = 3;
const ANY_TYPE_URL: u32 = 1;
const ANY_VALUE: u32 = 2;
/// A message is for a person: what is beyond this is cut, so that an error is never what exceeds a limit.
const MESSAGE_BYTES_MAX: usize = 4096;
/// Bytes of the body. Details that do not fit are left out, for the same reason; and no more of them are taken from a
/// peer.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// The body of a RESPONSE that carries `status`.
pub(crate) fn encode_error(status: &Status) -> Bytes {
    let message = status.message();
    let message = &message[..message.floor_char_boundary(MESSAGE_BYTES_MAX)];
    let mut out = Vec::with_capacity(message.len() + 8);
    put_varint_field(&mut out, CODE, status.code() as u64);
    if !message.is_empty() {
        put_bytes_field(&mut out, MESSAGE, message.as_bytes());
    }
    for (type_url, value) in status.details() {
        let before = out.len();
        // One that is too long on the face of it is not even tried.
        if before + type_url.len() + value.len() > ERROR_BYTES_MAX {
            continue;
        }
        let mut any = Vec::with_capacity(type_url.len() + value.len() + 8);
        put_bytes_field(&mut any, ANY_TYPE_URL, type_url.as_bytes());
        if !value.is_empty() {
            put_bytes_field(&mut any, ANY_VALUE, value);
        }
        put_bytes_field(&mut out, DETAILS, &any);
        if out.len() > ERROR_BYTES_MAX {
            out.truncate(before);
        }
    }
    out.into()
}

/// The status that the body carries; `code` is that of the header, and holds when the body cannot be read. What is
/// before the place where the body is broken counts. Copies what it keeps.
pub(crate) fn decode_error(code: u16, body: &[u8]) -> Status {
    let code = u8::try_from(code).map_or(Code::Unknown, Code::from_number);
    let mut message = None;
    let mut details = Vec::new();
    let mut room = ERROR_BYTES_MAX;
    for field in Fields(body).map_while(Result::ok) {
        match field {
            (number, Field::Bytes(text)) if number == u64::from(MESSAGE) => {
                message = Some(String::from_utf8_lossy(text).into_owned());
            }
            (number, Field::Bytes(any)) if number == u64::from(DETAILS) && any.len() <= room => {
                room -= any.len();
                details.extend(decode_any(any));
            }
            _ => {}
        }
    }
    let mut status = Status::new(code, message.unwrap_or_default());
    *status.details_mut() = details;
    status
}

/// `None` for what names no type.
fn decode_any(any: &[u8]) -> Option<Detail> {
    let mut detail = Detail { type_url: String::new(), value: Bytes::new() };
    for field in Fields(any) {
        match field.ok()? {
            (number, Field::Bytes(url)) if number == u64::from(ANY_TYPE_URL) => {
                detail.type_url = std::str::from_utf8(url).ok()?.to_owned();
            }
            (number, Field::Bytes(value)) if number == u64::from(ANY_VALUE) => {
                detail.value = Bytes::copy_from_slice(value);
            }
            _ => {}
        }
    }
    (!detail.type_url.is_empty()).then_some(detail)
}
