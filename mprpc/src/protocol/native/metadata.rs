//! Metadata in the native protocol: consecutive pairs of key and value.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::metadata::Metadata;

const PAIR_HEADER_BYTES: usize = 6;

/// The encoded size of the metadata in bytes. `metadata_bytes_max` bounds this size, even for calls that encode nothing.
pub(crate) fn metadata_bytes(metadata: &Metadata) -> usize {
    metadata.iter().map(|(key, value)| PAIR_HEADER_BYTES + key.len() + value.len()).sum()
}

/// Encodes the pairs. Each is `u16 key_length`, `u32 value_length`, key, value.
pub(crate) fn encode_metadata(metadata: &Metadata) -> Bytes {
    let mut out = BytesMut::with_capacity(metadata_bytes(metadata));
    for (key, value) in metadata.iter() {
        // `Metadata` bounds the length of its keys below this.
        out.put_u16_le(u16::try_from(key.len()).unwrap_or(u16::MAX));
        out.put_u32_le(super::wire_length(value.len()));
        out.put_slice(key.as_bytes());
        out.put_slice(value);
    }
    out.freeze()
}

/// Decodes the pairs and copies them. The error says what is wrong.
pub(crate) fn decode_metadata(mut bytes: Bytes) -> Result<Metadata, String> {
    let mut metadata = Metadata::new();
    while !bytes.is_empty() {
        if bytes.len() < PAIR_HEADER_BYTES {
            return Err("a pair of the metadata is cut off".to_owned());
        }
        let key_length = usize::from(bytes.get_u16_le());
        let value_length = bytes.get_u32_le() as usize;
        if key_length.checked_add(value_length).is_none_or(|length| length > bytes.len()) {
            return Err("a pair of the metadata is cut off".to_owned());
        }
        let key = bytes.split_to(key_length);
        let value = bytes.split_to(value_length);
        metadata.append_received(&key, &value)?;
    }
    Ok(metadata)
}
