//! A compressed message in a frame, which carries the flag COMPRESSED: a byte that names the algorithm, then the message.

use bytes::Bytes;

use crate::codec::Compression;
use crate::limits::Limits;
use crate::status::Status;

/// The flags of a frame whose message is compressed, or not.
pub(crate) fn message_flags(compressed: bool) -> u8 {
    if compressed { super::flag::COMPRESSED } else { 0 }
}

/// What stands in the place of `message` in a frame with the flag COMPRESSED; `None` where the message travels as it is:
/// it is shorter than `compress_bytes_min`, or would not get shorter.
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
pub(crate) fn decompress_message(body: &[u8], message_bytes_max: usize) -> Result<Bytes, Status> {
    let Some((number, compressed)) = body.split_first() else {
        return Err(Status::invalid_argument("a compressed message does not name its algorithm"));
    };
    let Some(algorithm) = Compression::from_number(*number) else {
        return Err(Status::unimplemented(format!("compression {number} is not known here")));
    };
    algorithm.decompress(compressed, message_bytes_max)
}
