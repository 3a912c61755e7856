//! A message in a frame, compressed or as it is. A compressed one has the flag COMPRESSED, and a byte before it that names the
//! algorithm.

use bytes::Bytes;

use super::flag;
use crate::codec::Compression;
use crate::limits::Limits;
use crate::protocol::flow::cost;
use crate::status::Status;

/// A message as it is on the wire.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) bytes: Bytes,
    /// It has to be decompressed by whoever reads it, so that what waits stays within its window.
    pub(crate) compressed: bool,
}

impl Message {
    /// The message as the peer will get it: compressed where that is `wanted` and worth it.
    #[inline]
    pub(crate) fn encode(message: Bytes, wanted: Option<Compression>, limits: &Limits) -> Message {
        match wanted.and_then(|algorithm| compress_message(algorithm, &message, limits)) {
            Some(bytes) => Message { bytes, compressed: true },
            None => Message { bytes: message, compressed: false },
        }
    }

    /// The message itself; the errors are those of [`decompress_message`].
    #[inline]
    pub(crate) fn decode(self, message_bytes_max: usize) -> Result<Bytes, Status> {
        if self.compressed { decompress_message(&self.bytes, message_bytes_max) } else { Ok(self.bytes) }
    }

    /// What it costs in the windows.
    pub(crate) fn cost(&self) -> u64 {
        cost(self.bytes.len())
    }

    /// What its frame says of it.
    pub(crate) fn flags(&self) -> u8 {
        if self.compressed { flag::COMPRESSED } else { 0 }
    }
}

/// What stands in the place of `message` in a frame with the flag COMPRESSED; `None` where the message travels as it is:
/// it is shorter than `compress_bytes_min`, or would not get shorter.
#[inline(never)]
pub(crate) fn compress_message(algorithm: Compression, message: &[u8], limits: &Limits) -> Option<Bytes> {
    if message.len() < limits.compress_bytes_min {
        return None;
    }
    let mut body = vec![algorithm as u8];
    algorithm.compress_to(message, &mut body).ok()?;
    (body.len() < message.len()).then(|| body.into())
}

/// The message of a frame with the flag COMPRESSED. RESOURCE_EXHAUSTED beyond `message_bytes_max`; INVALID_ARGUMENT where
/// it cannot be decompressed; UNIMPLEMENTED where the algorithm is not known here, or not compiled in.
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
