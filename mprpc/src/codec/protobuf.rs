//! Protobuf's binary form: encodes messages, and decodes bytes to views or messages. It does not frame them.

use std::cell::RefCell;

use buffa::{DecodeError, Message, MessageName, MessageView, SizeCache};
use bytes::{Bytes, BytesMut};

use crate::recycled::Recycled;
use crate::status::Status;

/// Encodes a message once, to its exact length.
///
/// Up to [`MEDIUM_BYTES_MAX`] the message is a slice of one of the thread's arenas, without an allocation. A longer message
/// gets a buffer of its own. A slice keeps its whole arena alive, so copy a slice that is kept for long.
#[inline]
pub(crate) fn encode<M: Message>(message: &M) -> Result<Bytes, Status> {
    ENCODER.with_borrow_mut(|encoder| encoder.encode(message))
}

/// Decodes a request without copying it. INVALID_ARGUMENT if the bytes are not a `V`.
#[inline]
pub(crate) fn view<'a, V: MessageView<'a> + MessageName>(bytes: &'a [u8]) -> Result<V, Status> {
    V::decode_view(bytes)
        .map_err(|error| Status::invalid_argument(format!("the request is no {}: {error}", V::FULL_NAME)))
}

/// Decodes a message of a request stream. INVALID_ARGUMENT if the bytes are not an `M`.
pub(crate) fn decode_request<M: Message + MessageName>(bytes: &Bytes) -> Result<M, Status> {
    owned(bytes).map_err(|error| Status::invalid_argument(format!("the request is no {}: {error}", M::FULL_NAME)))
}

/// Decodes a message that passes through. INVALID_ARGUMENT if the bytes are not an `M`.
pub(crate) fn decode_passing<M: Message + MessageName>(bytes: &Bytes) -> Result<M, Status> {
    owned(bytes).map_err(|error| Status::invalid_argument(format!("the message is no {}: {error}", M::FULL_NAME)))
}

/// Decodes a reply. INTERNAL if the bytes are not an `M`.
pub(crate) fn decode<M: Message + MessageName>(bytes: &Bytes) -> Result<M, Status> {
    owned(bytes).map_err(|error| Status::internal(format!("the reply is no {}: {error}", M::FULL_NAME)))
}

/// Decodes an owned message. `Bytes` fields of a long message are slices of the input and not copies.
fn owned<M: Message>(bytes: &Bytes) -> Result<M, DecodeError> {
    if bytes.len() < ALIASED_BYTES_MIN { M::decode_from_slice(bytes) } else { M::decode(&mut bytes.clone()) }
}

/// The encoder of a thread, with its buffers.
struct Encoder {
    short: Arena,
    medium: Arena,
    /// Buffers for long messages, one per message.
    long: Recycled,
    /// The sizes of nested messages. The first pass of an encoding computes them for the second.
    sizes: SizeCache,
}

impl Encoder {
    fn encode<M: Message>(&mut self, message: &M) -> Result<Bytes, Status> {
        self.sizes.clear();
        let length = message.compute_size(&mut self.sizes);
        if length > buffa::MAX_MESSAGE_BYTES {
            return Err(Status::resource_exhausted(format!(
                "a message takes {length} bytes, and protobuf allows {}",
                buffa::MAX_MESSAGE_BYTES
            )));
        }
        let length = length as usize;
        if length > MEDIUM_BYTES_MAX {
            let mut own = self.long.take(length);
            message.write_to(&mut self.sizes, &mut own);
            let bytes = own.split().freeze();
            self.long.give(own, length);
            return Ok(bytes);
        }
        let arena = if length > SHORT_BYTES_MAX { &mut self.medium } else { &mut self.short };
        if arena.buffer.capacity() < length {
            arena.renew();
        }
        message.write_to(&mut self.sizes, &mut arena.buffer);
        Ok(arena.buffer.split().freeze())
    }
}

/// A buffer that hands out slices of its front, message by message, and is replaced once it is used up. The memory is
/// reused, without an allocation, once all slices are dropped.
struct Arena {
    buffer: BytesMut,
    room: usize,
    recycled: Recycled,
}

impl Arena {
    fn new(room: usize) -> Arena {
        Arena { buffer: BytesMut::new(), room, recycled: Recycled::default() }
    }

    fn renew(&mut self) {
        if !self.buffer.try_reclaim(self.room) {
            let full = std::mem::replace(&mut self.buffer, self.recycled.take(self.room));
            self.recycled.give(full, self.room);
        }
    }
}

thread_local! {
    static ENCODER: RefCell<Encoder> = RefCell::new(Encoder {
        short: Arena::new(SHORT_ARENA_BYTES),
        medium: Arena::new(MEDIUM_ARENA_BYTES),
        long: Recycled::default(),
        sizes: SizeCache::new(),
    });
}

/// Messages up to this size share an arena, which holds about a thousand small replies.
const SHORT_BYTES_MAX: usize = 8 << 10;
const SHORT_ARENA_BYTES: usize = 64 << 10;
/// Longer messages, up to this size, share the second arena.
const MEDIUM_BYTES_MAX: usize = 64 << 10;
const MEDIUM_ARENA_BYTES: usize = 256 << 10;
/// Fields of a shorter message are copied out of the input: a short message is not worth keeping the whole input alive.
const ALIASED_BYTES_MIN: usize = 4 << 10;

#[cfg(test)]
mod tests {
    use buffa_types::google::protobuf::{BytesValue, StringValue, StringValueView};

    use super::*;
    use crate::status::Code;

    fn text(length: usize) -> StringValue {
        StringValue { value: "x".repeat(length), ..Default::default() }
    }

    #[test]
    fn messages_round_trip_at_every_size_around_the_bounds() {
        for length in [0, 1, 100, SHORT_BYTES_MAX - 3, SHORT_BYTES_MAX, MEDIUM_BYTES_MAX, MEDIUM_BYTES_MAX * 3] {
            let message = text(length);
            let bytes = encode(&message).unwrap();
            assert_eq!(bytes, message.encode_to_vec(), "{length}");
            assert_eq!(decode::<StringValue>(&bytes).unwrap(), message);
        }
    }

    #[test]
    fn small_messages_share_an_arena_and_later_messages_do_not_change_them() {
        let first = encode(&text(10)).unwrap();
        let second = encode(&text(20)).unwrap();
        assert_eq!(second.as_ptr() as usize, first.as_ptr() as usize + first.len());
        for _ in 0..1000 {
            encode(&text(1000)).unwrap();
        }
        assert_eq!(first, text(10).encode_to_vec());
        assert_eq!(second, text(20).encode_to_vec());
    }

    #[test]
    fn arena_is_reused_once_its_slices_are_dropped() {
        let places: std::collections::HashSet<usize> =
            (0..10_000).map(|_| encode(&text(1000)).unwrap().as_ptr() as usize / SHORT_ARENA_BYTES).collect();
        assert!(places.len() <= 4, "{}", places.len());
    }

    #[test]
    fn malformed_request_is_invalid_argument_and_the_message_says_why() {
        let truncated = Bytes::from_static(b"\x0a\x05a");
        let status = view::<StringValueView<'_>>(&truncated).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "the request is no google.protobuf.StringValue: unexpected end of buffer");
        assert_eq!(decode::<BytesValue>(&truncated).unwrap_err().code(), Code::Internal);
    }
}
