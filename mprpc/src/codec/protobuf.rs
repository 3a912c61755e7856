//! Protobuf's binary form: messages to bytes, and bytes to views or messages. Frames nothing.

use std::cell::RefCell;

use buffa::{Message, MessageName, MessageView, SizeCache};
use bytes::{Bytes, BytesMut};

use crate::status::Status;

/// Encodes a message. Up to [`SHARED_MESSAGE_BYTES_MAX`] it takes a slice of the thread's arena and allocates nothing;
/// above, it gets a buffer of its own.
///
/// A slice keeps its arena of [`ARENA_BYTES`] alive; one that is to be kept for long is better copied.
#[inline]
pub(crate) fn encode<M: Message>(message: &M) -> Result<Bytes, Status> {
    ARENA.with_borrow_mut(|arena| arena.encode(message))
}

/// Decodes a request without copying it; INVALID_ARGUMENT where it is no `V`.
#[inline]
pub(crate) fn view<'a, V: MessageView<'a> + MessageName>(bytes: &'a [u8]) -> Result<V, Status> {
    V::decode_view(bytes)
        .map_err(|error| Status::invalid_argument(format!("the request is no {}: {error}", V::FULL_NAME)))
}

/// Decodes a message of a stream of requests; INVALID_ARGUMENT where it is no `M`.
pub(crate) fn decode_request<M: Message + MessageName>(bytes: &[u8]) -> Result<M, Status> {
    M::decode_from_slice(bytes)
        .map_err(|error| Status::invalid_argument(format!("the request is no {}: {error}", M::FULL_NAME)))
}

/// Decodes a message that passes; INVALID_ARGUMENT where it is no `M`.
pub(crate) fn decode_passing<M: Message + MessageName>(bytes: &[u8]) -> Result<M, Status> {
    M::decode_from_slice(bytes)
        .map_err(|error| Status::invalid_argument(format!("the message is no {}: {error}", M::FULL_NAME)))
}

/// Decodes a reply; INTERNAL where it is no `M`.
pub(crate) fn decode<M: Message + MessageName>(bytes: &[u8]) -> Result<M, Status> {
    M::decode_from_slice(bytes).map_err(|error| Status::internal(format!("the reply is no {}: {error}", M::FULL_NAME)))
}

/// A buffer that hands out its front, message by message, and takes memory anew when all of it is handed out. The
/// memory is used again, without an allocation, if by then all its slices are gone.
struct Arena {
    buffer: BytesMut,
    /// The sizes of nested messages, from the first pass of an encoding to the second.
    sizes: SizeCache,
}

impl Arena {
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
        if length > SHARED_MESSAGE_BYTES_MAX {
            let mut own = BytesMut::with_capacity(length);
            message.write_to(&mut self.sizes, &mut own);
            return Ok(own.freeze());
        }
        if self.buffer.capacity() < length {
            self.buffer.reserve(ARENA_BYTES);
        }
        message.write_to(&mut self.sizes, &mut self.buffer);
        Ok(self.buffer.split().freeze())
    }
}

thread_local! {
    static ARENA: RefCell<Arena> = RefCell::new(Arena { buffer: BytesMut::new(), sizes: SizeCache::new() });
}

/// The arena of a thread: about a thousand small replies.
const ARENA_BYTES: usize = 64 * 1024;

/// The largest message that shares the arena with others.
const SHARED_MESSAGE_BYTES_MAX: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use buffa_types::google::protobuf::{BytesValue, StringValue, StringValueView};

    use super::*;
    use crate::status::Code;

    fn text(length: usize) -> StringValue {
        StringValue { value: "x".repeat(length), ..Default::default() }
    }

    #[test]
    fn messages_come_back_at_every_size_around_the_bounds() {
        for length in [0, 1, 100, SHARED_MESSAGE_BYTES_MAX - 3, SHARED_MESSAGE_BYTES_MAX, ARENA_BYTES, ARENA_BYTES * 3]
        {
            let message = text(length);
            let bytes = encode(&message).unwrap();
            assert_eq!(bytes, message.encode_to_vec(), "{length}");
            assert_eq!(decode::<StringValue>(&bytes).unwrap(), message);
        }
    }

    #[test]
    fn small_messages_are_neighbours_and_stay_as_they_are_when_the_arena_goes_on() {
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
    fn an_arena_whose_slices_are_gone_is_used_again() {
        let places: std::collections::HashSet<usize> =
            (0..10_000).map(|_| encode(&text(1000)).unwrap().as_ptr() as usize / ARENA_BYTES).collect();
        assert!(places.len() <= 4, "{}", places.len());
    }

    #[test]
    fn a_request_that_does_not_decode_is_the_callers_fault_and_says_why() {
        let truncated = [0x0a, 5, b'a'];
        let status = view::<StringValueView<'_>>(&truncated).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "the request is no google.protobuf.StringValue: unexpected end of buffer");
        assert_eq!(decode::<BytesValue>(&truncated).unwrap_err().code(), Code::Internal);
    }
}
