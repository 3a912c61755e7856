//! Messages and their bytes: `protobuf`. No network.
//!
//! Shows how to serialise and parse a message, what its bytes mean, and how a handler's view points into the bytes instead
//! of copying them.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::error::Error;

use mprpc::{Message, MessageView};
use mprpc_examples::proto::{LoginRequest, LoginRequestView, LoginResponse, ResultCode};

fn main() -> Result<(), Box<dyn Error>> {
    let request = LoginRequest { name: b"cuism".to_vec(), pwd: b"123456".to_vec(), ..Default::default() };
    let bytes = request.encode_to_vec();
    println!("LoginRequest cuism/123456 is {} bytes:", bytes.len());
    // A field is a tag (number * 8 + wire type, here 2: bytes), a length, and the bytes.
    println!("  {}    field 1, {} bytes: cuism", hex(&bytes[..7]), bytes[1]);
    println!("  {} field 2, {} bytes: 123456", hex(&bytes[7..]), bytes[8]);

    let parsed = LoginRequest::decode_from_slice(&bytes)?;
    assert_eq!(parsed, request);
    println!("parsed again: {}/{}", String::from_utf8_lossy(&parsed.name), String::from_utf8_lossy(&parsed.pwd));

    let view = LoginRequestView::decode_view(&bytes)?;
    let at = view.name.as_ptr() as usize - bytes.as_ptr() as usize;
    println!("the name of its view stands in the bytes themselves, at {at}");

    // Zero and empty values are not written: a ResultCode with errcode 0 and errmsg "" has no bytes.
    let response = LoginResponse { result: ResultCode::default().into(), success: true, ..Default::default() };
    println!("LoginResponse of success is {}: field 1, 0 bytes; field 2, true", hex(&response.encode_to_vec()));

    let cut = LoginRequest::decode_from_slice(&bytes[..10]);
    println!("the first 10 bytes of the request do not parse: {}", cut.err().ok_or("they do")?);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(" ")
}
