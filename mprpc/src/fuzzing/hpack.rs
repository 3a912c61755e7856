//! HPACK: arbitrary header blocks, and lists of fields that are encoded and decoded again, here and by another
//! implementation.

use bytes::BytesMut;

use super::parts;
use crate::protocol::http2::hpack::{Decoded, Decoder, Encoder, Field, FieldSink, Indexing, PLACES};

/// A field that was decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HpackField {
    /// The name.
    pub name: Vec<u8>,
    /// The value.
    pub value: Vec<u8>,
    /// Whether the field must not enter any table.
    pub never_indexed: bool,
}

impl HpackField {
    fn of(field: Field<'_>) -> HpackField {
        let Field { name, value, never_indexed, .. } = field;
        HpackField { name: name.to_vec(), value: value.to_vec(), never_indexed }
    }
}

/// Another implementation of HPACK: an encoder and a decoder.
pub trait HpackPeer {
    /// Announces a new size of the decoder's table.
    fn set_decoder_table(&mut self, bytes: u32);
    /// Takes a new size of the encoder's table, as the other side announced it.
    fn set_encoder_table(&mut self, bytes: u32);
    /// Decodes a block. `None` if the block is malformed; the peer is not used after that.
    fn decode(&mut self, block: &[u8]) -> Option<Vec<HpackField>>;
    /// Encodes a block.
    fn encode(&mut self, fields: &[HpackField]) -> Vec<u8>;
}

/// A decoder, and what it has saved of blocks.
struct Receiver {
    decoder: Decoder,
    fields: Fields,
}

/// The fields of a block, and those of the beginnings that were saved.
#[derive(Default)]
struct Fields {
    now: Vec<HpackField>,
    saved: [Vec<HpackField>; PLACES],
}

impl FieldSink for Fields {
    fn field(&mut self, field: Field<'_>) {
        self.now.push(HpackField::of(field));
    }

    fn save(&mut self, place: usize) -> bool {
        self.saved[place].clone_from(&self.now);
        true
    }

    fn restore(&mut self, place: usize) {
        self.now.clone_from(&self.saved[place]);
    }
}

impl Receiver {
    fn new(table_bytes_max: usize, list_bytes_max: usize) -> Receiver {
        Receiver { decoder: Decoder::new(table_bytes_max, list_bytes_max), fields: Fields::default() }
    }

    /// The fields of a block, and whether these are all. `None` if the block is malformed.
    fn decode(&mut self, block: &[u8]) -> Option<(Vec<HpackField>, Decoded)> {
        self.fields.now.clear();
        let decoded = self.decoder.decode(block, &mut self.fields).ok()?;
        Some((std::mem::take(&mut self.fields.now), decoded))
    }

    /// The fields of a block, under no limit.
    fn decode_all(&mut self, block: &[u8]) -> Option<Vec<HpackField>> {
        let (fields, decoded) = self.decode(block)?;
        assert_eq!(decoded, Decoded::Complete);
        Some(fields)
    }
}

/// Decodes header blocks, one after the other, with and without saving their beginnings. Sends on what was decoded: the other
/// side must decode the same.
pub fn hpack(data: &[u8]) {
    let mut receiver = Receiver::new(4096, LIST_BYTES_MAX);
    let mut encoder = Encoder::new();
    let mut mirror = Receiver::new(4096, usize::MAX);
    let mut forgetful = Decoder::new(4096, LIST_BYTES_MAX);
    for block in parts(data) {
        let decoded = receiver.decode(block);
        let mut afresh = Vec::new();
        let again = forgetful.decode(block, &mut |field: Field<'_>| afresh.push(HpackField::of(field)));
        assert_eq!(decoded, again.ok().map(|again| (afresh, again)), "saved and not saved");
        let Some((mut fields, _)) = decoded else { return };
        let bytes: usize = fields.iter().map(|field| field.name.len() + field.value.len() + 32).sum();
        assert!(bytes <= LIST_BYTES_MAX);
        for (at, field) in fields.iter_mut().enumerate() {
            field.never_indexed |= at % 3 == 2;
        }
        assert_eq!(mirror.decode_all(&encoded(&mut encoder, &fields)), Some(fields));
    }
}

/// Decodes the same header blocks as `peer`: both accept the same blocks and find the same fields in them. Then each side
/// encodes the fields for the other, with tables of changing sizes.
///
/// The data is a list of parts. A part of one byte changes the sizes of the tables; any other part is a block.
pub fn hpack_beside<P: HpackPeer>(data: &[u8], peer: impl Fn() -> P) {
    let (mut here, mut there) = (Receiver::new(4096, usize::MAX), peer());
    let (mut encoder, mut receiver, mut other) = (Encoder::new(), Receiver::new(TABLE_BYTES_MAX, usize::MAX), peer());
    for part in parts(data) {
        if let [sizes] = part {
            let (sent, received) = (TABLE_BYTES[usize::from(sizes & 7)], TABLE_BYTES[usize::from(sizes >> 3 & 7)]);
            encoder.set_table_bytes_max(sent as usize);
            other.set_decoder_table(sent);
            other.set_encoder_table(received);
            continue;
        }
        let fields = here.decode_all(part);
        let theirs = there.decode(part);
        assert_eq!(fields, theirs, "the block {part:02x?}");
        let Some(fields) = fields else { return };
        assert_eq!(other.decode(&encoded(&mut encoder, &fields)).as_ref(), Some(&fields), "encoded here");
        let block = other.encode(&fields);
        let mut returned = receiver.decode_all(&block);
        // The peer may take more fields for secrets.
        for (returned, sent) in returned.iter_mut().flatten().zip(&fields) {
            returned.never_indexed &= sent.never_indexed;
        }
        assert_eq!(returned, Some(fields), "encoded there as {block:02x?}");
    }
}

fn encoded(encoder: &mut Encoder, fields: &[HpackField]) -> BytesMut {
    let mut block = BytesMut::new();
    encoder.begin_block(&mut block);
    for field in fields {
        let indexing = match field.never_indexed {
            true => Indexing::Never,
            false if field.value.len() % 4 == 3 => Indexing::Without,
            false => Indexing::Add,
        };
        encoder.encode(&mut block, &field.name, &field.value, indexing);
    }
    block
}

const LIST_BYTES_MAX: usize = 16 << 10;
/// The largest table that the encoders use.
const TABLE_BYTES_MAX: usize = 16 << 10;
/// Sizes of tables: none, room for no field, for a few, and up to the most that either side takes.
const TABLE_BYTES: [u32; 8] = [4096, 0, 31, 64, 100, 256, 10_000, 16_384];
