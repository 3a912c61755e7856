//! The frame of C++ MPRPC, as the C++ programs send and read it. `docs/protocol.md` and its golden bytes specify the frame.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::wire::{Field, Fields, put_bytes_field, put_varint_field};
use crate::limits::Limits;

const SIZE_BYTES: usize = 4;
const SERVICE_NAME: u32 = 1;
const METHOD_NAME: u32 = 2;
const ARGS_SIZE: u32 = 3;

/// A classic request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Request {
    /// The name of the service without its package.
    pub(crate) service: String,
    pub(crate) method: String,
    pub(crate) args: Bytes,
}

/// The result of one decoding step.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decoded {
    /// The request is incomplete. At least this many bytes are missing.
    NeedMore(usize),
    Request(Request),
    /// The bytes are not a request. The text says why.
    Malformed(String),
}

/// Decodes the request at the front of `input`, and removes it once it is complete.
pub(crate) fn decode_request(input: &mut BytesMut, limits: &Limits) -> Decoded {
    let Some(size) = input.first_chunk::<SIZE_BYTES>() else {
        return Decoded::NeedMore(SIZE_BYTES - input.len());
    };
    let header_bytes = u32::from_le_bytes(*size) as usize;
    if header_bytes > limits.classic_header_bytes_max {
        let max = limits.classic_header_bytes_max;
        return Decoded::Malformed(format!("header_size {header_bytes} is beyond classic_header_bytes_max {max}"));
    }
    let args_at = SIZE_BYTES + header_bytes;
    let Some(header) = input.get(SIZE_BYTES..args_at) else {
        return Decoded::NeedMore(args_at - input.len());
    };
    let Some((service, method, args_bytes)) = decode_header(header) else {
        return Decoded::Malformed("the header does not parse as RpcHeader".to_owned());
    };
    if args_bytes > limits.message_bytes_max {
        let max = limits.message_bytes_max;
        return Decoded::Malformed(format!("args_size {args_bytes} is beyond message_bytes_max {max}"));
    }
    if input.len() < args_at + args_bytes {
        return Decoded::NeedMore(args_at + args_bytes - input.len());
    }
    input.advance(args_at);
    Decoded::Request(Request { service, method, args: input.split_to(args_bytes).freeze() })
}

fn decode_header(bytes: &[u8]) -> Option<(String, String, usize)> {
    let (mut service, mut method, mut args_bytes) = ("", "", 0);
    for field in Fields(bytes) {
        match field.ok()? {
            (1, Field::Bytes(name)) => service = std::str::from_utf8(name).ok()?,
            (2, Field::Bytes(name)) => method = std::str::from_utf8(name).ok()?,
            (3, Field::Varint(size)) => args_bytes = u32::try_from(size).ok()? as usize,
            (1..=3, _) => return None,
            _ => {}
        }
    }
    Some((service.to_owned(), method.to_owned(), args_bytes))
}

/// Encodes a request as the C++ programs do. proto3 omits an `args_size` of 0.
pub(crate) fn encode_request(service: &str, method: &str, args: &[u8]) -> BytesMut {
    let mut header = Vec::with_capacity(service.len() + method.len() + 16);
    put_bytes_field(&mut header, SERVICE_NAME, service.as_bytes());
    put_bytes_field(&mut header, METHOD_NAME, method.as_bytes());
    if !args.is_empty() {
        put_varint_field(&mut header, ARGS_SIZE, args.len() as u64);
    }
    let mut out = BytesMut::with_capacity(SIZE_BYTES + header.len() + args.len());
    out.put_u32_le(header.len() as u32);
    out.put_slice(&header);
    out.put_slice(args);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }

    /// Requests of C++ programs in use: service, method, arguments, the whole frame.
    const GOLDEN: [(&str, &str, &str, &str); 6] = [
        (
            "UserServiceRpc",
            "Login",
            "0a05637569736d1206313233343536",
            "190000000a0e557365725365727669636552706312054c6f67696e180f0a05637569736d1206313233343536",
        ),
        (
            "UserServiceRpc",
            "Register",
            "08d43512036375691a06363636383838",
            "1c0000000a0e557365725365727669636552706312085265676973746572181008d43512036375691a06363636383838",
        ),
        (
            "FriendServiceRpc",
            "GetFriendsList",
            "0801",
            "240000000a10467269656e6453657276696365527063120e476574467269656e64734c69737418020801",
        ),
        (
            "UserServiceRpc",
            "Login",
            "0a087a68616e6773616e1206313233343536",
            "190000000a0e557365725365727669636552706312054c6f67696e18120a087a68616e6773616e1206313233343536",
        ),
        (
            "UserServiceRpc",
            "Register",
            "08d00f120677616e6777751a06363534333231",
            "1c0000000a0e557365725365727669636552706312085265676973746572181308d00f120677616e6777751a06363534333231",
        ),
        (
            "FriendServiceRpc",
            "GetFriendsList",
            "08e807",
            "240000000a10467269656e6453657276696365527063120e476574467269656e64734c697374180308e807",
        ),
    ];

    #[test]
    fn requests_are_golden_in_both_directions() {
        for (service, method, args, whole) in GOLDEN {
            assert_eq!(encode_request(service, method, &hex(args)), hex(whole));
            let mut input = BytesMut::from(&hex(whole)[..]);
            let request = Request { service: service.into(), method: method.into(), args: hex(args).into() };
            assert_eq!(decode_request(&mut input, &Limits::default()), Decoded::Request(request));
            assert!(input.is_empty());
        }
    }

    #[test]
    fn every_incomplete_request_needs_more_bytes() {
        let whole = hex(GOLDEN[1].3);
        for cut in 0..whole.len() {
            let mut input = BytesMut::from(&whole[..cut]);
            let Decoded::NeedMore(missing) = decode_request(&mut input, &Limits::default()) else {
                panic!("cut at {cut}");
            };
            assert!((1..=whole.len() - cut).contains(&missing));
            assert_eq!(input.len(), cut, "nothing is consumed before the request is complete");
        }
    }

    #[test]
    fn empty_args_have_no_size_on_the_wire() {
        let whole = encode_request("S", "M", &[]);
        assert_eq!(whole, hex("060000000a015312014d"));
        let Decoded::Request(request) = decode_request(&mut whole.clone(), &Limits::default()) else {
            panic!("no request");
        };
        assert!(request.args.is_empty());
    }

    #[test]
    fn errors_name_exceeded_limits_and_malformed_headers() {
        let limits = Limits { message_bytes_max: 10, ..Limits::default() };
        let mut long = encode_request("S", "M", &[0; 11]);
        assert_eq!(
            decode_request(&mut long, &limits),
            Decoded::Malformed("args_size 11 is beyond message_bytes_max 10".into())
        );
        let mut header = BytesMut::from(&hex("ffffffff")[..]);
        assert!(
            matches!(decode_request(&mut header, &limits), Decoded::Malformed(text) if text.contains("4294967295"))
        );
        for header in ["0a", "0a05", "0801", "1a01ff", "0a02fffe"] {
            let mut input = BytesMut::new();
            input.put_u32_le(header.len() as u32 / 2);
            input.extend(hex(header));
            assert!(matches!(decode_request(&mut input, &limits), Decoded::Malformed(_)), "{header}");
        }
    }
}
