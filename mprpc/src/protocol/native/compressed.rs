//! A message in a frame, compressed or plain. The frame of a compressed message has the flag COMPRESSED, and a byte before
//! the message names the algorithm.

use bytes::Bytes;

use super::flag;
use crate::codec::Compression;
use crate::limits::Limits;
use crate::protocol::flow::cost;
use crate::status::Status;

/// A message as on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    /// Whether the reader has to decompress the message. A queued message stays compressed, so that it fits its window.
    pub(crate) compressed: Compressed,
}

/// Whether a message is compressed, and how the reader knows the algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compressed {
    No,
    /// The first byte of the message names the algorithm, as the native protocol has it.
    Tagged,
    /// The head of the call has named the algorithm.
    By(Compression),
}

impl Compressed {
    /// Returns whether a message is compressed, from the flags of its native frame.
    pub(crate) fn of(header: super::Header) -> Compressed {
        if header.has(flag::COMPRESSED) { Compressed::Tagged } else { Compressed::No }
    }
}

impl Message {
    /// Encodes a message for the peer. Compresses it if an algorithm is `wanted` and the message gets shorter.
    #[inline]
    pub(crate) fn encode(message: Bytes, wanted: Option<Compression>, limits: &Limits) -> Message {
        match wanted.and_then(|algorithm| compress_message(algorithm, &message, limits)) {
            Some(bytes) => Message { bytes, compressed: Compressed::Tagged },
            None => Message { bytes: message, compressed: Compressed::No },
        }
    }

    /// Like [`Message::encode`], for a peer that knows the algorithm from the head of the call.
    #[inline]
    pub(crate) fn encode_by(message: Bytes, wanted: Option<Compression>, limits: &Limits) -> Message {
        match wanted.filter(|_| message.len() >= limits.compress_bytes_min) {
            Some(algorithm) => Message::compress_by(message, algorithm),
            None => Message { bytes: message, compressed: Compressed::No },
        }
    }

    #[inline(never)]
    fn compress_by(message: Bytes, algorithm: Compression) -> Message {
        match algorithm.compress(&message).ok().filter(|bytes| bytes.len() < message.len()) {
            Some(bytes) => Message { bytes, compressed: Compressed::By(algorithm) },
            None => Message { bytes: message, compressed: Compressed::No },
        }
    }

    /// Decodes the message. The errors are those of [`decompress_message`].
    #[inline(always)]
    pub(crate) fn decode(self, message_bytes_max: usize) -> Result<Bytes, Status> {
        if self.compressed == Compressed::No { Ok(self.bytes) } else { self.decompress(message_bytes_max) }
    }

    #[inline(never)]
    fn decompress(self, message_bytes_max: usize) -> Result<Bytes, Status> {
        match self.compressed {
            Compressed::No => Ok(self.bytes),
            Compressed::Tagged => decompress_message(&self.bytes, message_bytes_max),
            Compressed::By(algorithm) => algorithm.decompress(&self.bytes, message_bytes_max),
        }
    }

    /// The cost of the message in the flow-control windows.
    pub(crate) fn cost(&self) -> u64 {
        cost(self.bytes.len())
    }

    /// The flags that the message adds to its frame.
    pub(crate) fn flags(&self) -> u8 {
        if self.compressed == Compressed::No { 0 } else { flag::COMPRESSED }
    }
}

/// Compresses `message` for a frame with the flag COMPRESSED. `None` if the message is shorter than `compress_bytes_min` or
/// would not get shorter; it then travels plain.
#[inline(never)]
pub(crate) fn compress_message(algorithm: Compression, message: &[u8], limits: &Limits) -> Option<Bytes> {
    if message.len() < limits.compress_bytes_min {
        return None;
    }
    let mut body = vec![algorithm as u8];
    algorithm.compress_to(message, &mut body).ok()?;
    (body.len() < message.len()).then(|| body.into())
}

/// Decompresses the message of a frame with the flag COMPRESSED.
///
/// RESOURCE_EXHAUSTED beyond `message_bytes_max`; INVALID_ARGUMENT if the message cannot be decompressed; UNIMPLEMENTED if
/// the algorithm is unknown or not compiled in.
#[inline(never)]
pub(crate) fn decompress_message(body: &[u8], message_bytes_max: usize) -> Result<Bytes, Status> {
    let Some((number, compressed)) = body.split_first() else {
        return Err(Status::invalid_argument("a compressed message does not name its algorithm"));
    };
    let Some(algorithm) = Compression::from_number(*number) else {
        return Err(Status::unimplemented(format!("compression {number} is not known here")));
    };
    algorithm.decompress(compressed, message_bytes_max)
}
