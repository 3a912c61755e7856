//! Fields of type `bytes` that are generated as `Bytes`: in a long message they are slices of the message's buffer.

use mprpc::{Body, Bytes, Message};
use mprpc_codegen_tests::proto::blobs::{Blob, blob};

fn blob(size: usize) -> Blob {
    Blob {
        shared: vec![7; size].into(),
        own: vec![8; 10],
        parts: vec![Bytes::from_static(b"part")],
        named: [("name".to_owned(), Bytes::from_static(b"value"))].into_iter().collect(),
        one: Some(blob::One::Chosen(Bytes::from_static(b"chosen"))),
        ..Default::default()
    }
}

/// Whether the field lies in the memory of the message.
fn is_shared(body: &Body, field: &Bytes) -> bool {
    let Body::Message(message) = body else { panic!("a stream") };
    message.as_ptr_range().contains(&field.as_ptr())
}

#[test]
fn shared_field_of_a_long_message_is_not_copied() {
    let body = Body::encode(&blob(10_000)).unwrap();
    let decoded: Blob = body.decode().unwrap();
    assert_eq!(decoded, blob(10_000));
    assert!(is_shared(&body, &decoded.shared));
}

#[test]
fn fields_of_a_short_message_are_copied() {
    let body = Body::encode(&blob(100)).unwrap();
    let decoded: Blob = body.decode().unwrap();
    assert_eq!(decoded, blob(100));
    assert!(!is_shared(&body, &decoded.shared));
}

#[test]
fn bytes_on_the_wire_are_the_same() {
    let wire = blob(3).encode_to_vec();
    assert!(wire.starts_with(b"\x0a\x03\x07\x07\x07\x12\x0a\x08"), "{wire:?}");
    assert_eq!(Blob::decode_from_slice(&wire).unwrap(), blob(3));
}
