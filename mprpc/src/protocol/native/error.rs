//! A status in the body of a RESPONSE, as protobuf's `google.rpc.Status`. Trailers and the story of the call travel
//! elsewhere.

use bytes::Bytes;

use crate::protocol::wire::{Field, Fields, put_bytes_field, put_varint_field};
use crate::status::{Code, Detail, Status};

const CODE: u32 = 1;
const MESSAGE: u32 = 2;
const DETAILS: u32 = 3;
const ANY_TYPE_URL: u32 = 1;
const ANY_VALUE: u32 = 2;
/// The maximum length of an error message, which is meant for people. A longer message is cut, so that an error never
/// exceeds a limit itself.
const MESSAGE_BYTES_MAX: usize = 4096;
/// The maximum length of the body. Details that do not fit are left out, for the same reason. The decoder takes no more
/// details than this from a peer either.
const ERROR_BYTES_MAX: usize = 16 * 1024;

/// Encodes `status` as the body of a RESPONSE.
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
        // A detail that is too long even before its encoding is skipped at once.
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

/// Decodes the status in the body and copies what it keeps.
///
/// `code` is the code in the header, which counts. If the body is malformed, the fields before the fault count.
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

/// Decodes one detail. `None` if the detail names no type.
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
