//! Tests of the encoder and the decoder together, and what the other tests share.

mod examples;
mod malformed;
mod peers;

use bytes::BytesMut;
use fastrand::Rng;

use super::{
    Decoded, Decoder, Encoder, Field, FieldSink, HpackError, Indexing, KnownName, PLACES, Remembered, StaticField,
};

const LIST_BYTES_MAX: usize = 1 << 20;

/// A field as the tests compare it: name, value, and whether it is never indexed.
type Owned = (Vec<u8>, Vec<u8>, bool);

fn decoded(decoder: &mut Decoder, block: &[u8]) -> Result<Vec<Owned>, HpackError> {
    let mut fields = Vec::new();
    let result = decoder.decode(block, &mut |field: Field<'_>| {
        assert_eq!(field.known, KnownName::of(field.name));
        fields.push((field.name.to_vec(), field.value.to_vec(), field.never_indexed));
    })?;
    assert_eq!(result, Decoded::Complete);
    Ok(fields)
}

fn encoded(encoder: &mut Encoder, fields: &[(Vec<u8>, Vec<u8>, Indexing)]) -> BytesMut {
    let mut block = BytesMut::new();
    encoder.begin_block(&mut block);
    for (name, value, indexing) in fields {
        encoder.encode(&mut block, name, value, *indexing);
    }
    block
}

fn owned(fields: &[(Vec<u8>, Vec<u8>, Indexing)]) -> Vec<Owned> {
    let is_never = |indexing: &Indexing| *indexing == Indexing::Never;
    fields.iter().map(|(name, value, indexing)| (name.clone(), value.clone(), is_never(indexing))).collect()
}

/// Random fields: names and values from small sets that repeat, short random text, random bytes, and now and then a value
/// that is larger than the table.
fn random_fields(rng: &mut Rng) -> Vec<(Vec<u8>, Vec<u8>, Indexing)> {
    let count = rng.usize(..12);
    (0..count).map(|_| random_field(rng)).collect()
}

fn random_field(rng: &mut Rng) -> (Vec<u8>, Vec<u8>, Indexing) {
    let name = match rng.u8(..4) {
        0 => format!("x-custom-{}", rng.u8(..20)).into_bytes(),
        1 => random_text(rng, 1..30),
        _ => NAMES[rng.usize(..NAMES.len())].as_bytes().to_vec(),
    };
    // A secret is new each time. An encoder may refer to a table for a secret that is in there already.
    if rng.u8(..8) == 0 {
        return (name, random_text(rng, 16..60), Indexing::Never);
    }
    let value = match rng.u8(..8) {
        0 => Vec::new(),
        1 => random_text(rng, 1..100),
        2 => (0..rng.usize(..100)).map(|_| rng.u8(..)).collect(),
        3 if rng.u8(..16) == 0 => random_text(rng, 1000..6000),
        _ => VALUES[rng.usize(..VALUES.len())].as_bytes().to_vec(),
    };
    (name, value, if rng.u8(..4) == 0 { Indexing::Without } else { Indexing::Add })
}

fn random_text(rng: &mut Rng, length: std::ops::Range<usize>) -> Vec<u8> {
    (0..rng.usize(length)).map(|_| rng.u8(b' '..=b'~')).collect()
}

/// Sizes of tables: none, room for no field, for a few, and up to the most that either side takes.
const TABLE_SIZES: [usize; 7] = [0, 31, 100, 256, 4096, 10_000, 16_384];
const NAMES: [&str; 12] = [
    ":method",
    ":path",
    ":status",
    ":authority",
    "content-type",
    "te",
    "grpc-timeout",
    "grpc-status",
    "user-agent",
    "accept-encoding",
    "cookie",
    "www-authenticate",
];
const VALUES: [&str; 10] =
    ["GET", "POST", "/", "/echo.Echo/Unary", "200", "404", "application/grpc", "trailers", "gzip, deflate", "1S"];

#[test]
fn random_lists_decode_as_they_were_encoded() {
    let mut rng = Rng::with_seed(7541);
    for _ in 0..200 {
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(16_384, LIST_BYTES_MAX));
        encoder.huffman_bytes_min *= usize::from(rng.bool());
        for _ in 0..50 {
            for _ in 0..rng.u32(..20).saturating_sub(17) {
                encoder.set_table_bytes_max(TABLE_SIZES[rng.usize(..TABLE_SIZES.len())]);
            }
            let fields = random_fields(&mut rng);
            let block = encoded(&mut encoder, &fields);
            assert_eq!(decoded(&mut decoder, &block).unwrap(), owned(&fields));
            assert_eq!(encoder.table.fields(), decoder.table.fields());
            assert_eq!(encoder.table.bytes(), decoder.table.bytes());
            assert_eq!(encoder.table.bytes_max(), decoder.table.bytes_max());
            assert!(encoder.table.bytes() <= encoder.table.bytes_max());
        }
    }
}

#[test]
fn field_is_one_byte_once_it_is_in_the_table() {
    let mut encoder = Encoder::new();
    let field = [(b"x-tenant".to_vec(), b"blue".to_vec(), Indexing::Add)];
    assert_eq!(&encoded(&mut encoder, &field)[..], b"\x40\x08x-tenant\x04blue");
    for _ in 0..3 {
        assert_eq!(&encoded(&mut encoder, &field)[..], b"\xbe");
    }
    let value = [(b"x-tenant".to_vec(), b"#".to_vec(), Indexing::Without)];
    assert_eq!(&encoded(&mut encoder, &value)[..], b"\x0f\x2f\x01#", "the name is in the table");
}

#[test]
fn secret_is_a_literal_even_if_a_table_has_it() {
    let mut encoder = Encoder::new();
    let mut field = [(b"x-tenant".to_vec(), b"blue".to_vec(), Indexing::Add)];
    encoded(&mut encoder, &field);
    field[0].2 = Indexing::Never;
    assert_eq!(&encoded(&mut encoder, &field)[..3], b"\x1f\x2f\x04");
    let method = [(b":method".to_vec(), b"GET".to_vec(), Indexing::Never)];
    assert_eq!(&encoded(&mut encoder, &method)[..], b"\x12\x03GET");
}

#[test]
fn remembered_fields_are_added_again_after_they_have_left_the_table() {
    let mut rng = Rng::with_seed(1);
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096, LIST_BYTES_MAX));
    let (mut content_type, mut timeout, mut status) = Default::default();
    let mut short = 0;
    for round in 0..1000 {
        let mut block = BytesMut::new();
        if round % 300 == 299 {
            encoder.set_table_bytes_max(if round == 599 { 4096 } else { 40 });
        }
        encoder.begin_block(&mut block);
        encoder.encode_static(&mut block, StaticField::STATUS_200);
        encoder.encode_remembered(&mut block, &mut content_type, b"content-type", b"application/grpc");
        let value = format!("{}m", rng.u32(..));
        encoder.encode_remembered_name(&mut block, &mut timeout, b"grpc-timeout", value.as_bytes());
        encoder.encode_remembered(&mut block, &mut status, b":status", b"200");
        let length = block.len();
        let noise = random_text(&mut rng, 0..200);
        encoder.encode(&mut block, b"x-noise", &noise, Indexing::Add);
        let expected = [
            (&b":status"[..], &b"200"[..]),
            (b"content-type", b"application/grpc"),
            (b"grpc-timeout", value.as_bytes()),
            (b":status", b"200"),
            (b"x-noise", &noise),
        ];
        let expected = expected.map(|(name, value)| (name.to_vec(), value.to_vec(), false));
        assert_eq!(decoded(&mut decoder, &block).unwrap(), expected);
        assert_eq!(encoder.table.fields(), decoder.table.fields());
        short += usize::from(length < 20);
    }
    // The table has room for the fields in 600 rounds.
    assert!((550..600).contains(&short), "{short} blocks referred to the table");
}

#[test]
fn remembered_field_is_shared_with_one_that_was_encoded_before() {
    let (mut encoder, mut out, mut slot) = (Encoder::new(), BytesMut::new(), Remembered::default());
    encoder.encode(&mut out, b"x-tenant", b"blue", Indexing::Add);
    encoder.encode(&mut out, b"x-other", b"1", Indexing::Add);
    out.clear();
    encoder.encode_remembered(&mut out, &mut slot, b"x-tenant", b"blue");
    encoder.encode_remembered(&mut out, &mut slot, b"x-tenant", b"blue");
    assert_eq!(&out[..], b"\xbf\xbf");
}

#[test]
fn note_comes_back_until_its_field_leaves_the_table() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096, LIST_BYTES_MAX));
    let path = [(b":path".to_vec(), b"/echo.Echo/Unary".to_vec(), Indexing::Add)];
    let mut notes = Vec::new();
    let mut send = |encoder: &mut Encoder, fields: &[(Vec<u8>, Vec<u8>, Indexing)]| {
        let block = encoded(encoder, fields);
        let result = decoder.decode(&block, &mut |field: Field<'_>| {
            notes.push(field.note.as_deref().copied());
            if let Some(note) = field.note {
                *note += 7;
            }
        });
        assert_eq!(result, Ok(Decoded::Complete));
    };
    for _ in 0..3 {
        send(&mut encoder, &path);
    }
    let without = [
        (b":method".to_vec(), b"POST".to_vec(), Indexing::Add),
        (b"te".to_vec(), b"trailers".to_vec(), Indexing::Without),
        (b"x-large".to_vec(), vec![b'x'; 4030], Indexing::Add),
    ];
    send(&mut encoder, &without);
    send(&mut encoder, &path);
    assert_eq!(notes, [Some(0), Some(7), Some(14), None, None, Some(0), Some(0)]);
}

/// Collects names and values, and saves them as far as no field of the block is called `x-unsaved`.
#[derive(Default)]
struct Saving {
    fields: Vec<(Vec<u8>, Vec<u8>)>,
    saved: [Vec<(Vec<u8>, Vec<u8>)>; PLACES],
    restored: usize,
}

impl FieldSink for Saving {
    fn field(&mut self, field: Field<'_>) {
        self.fields.push((field.name.to_vec(), field.value.to_vec()));
    }

    fn save(&mut self, place: usize) -> bool {
        let can_save = self.fields.iter().all(|(name, _)| name != b"x-unsaved");
        if can_save {
            self.saved[place] = self.fields.clone();
        }
        can_save
    }

    fn restore(&mut self, place: usize) {
        self.restored += 1;
        self.fields = self.saved[place].clone();
    }
}

#[test]
fn saved_beginnings_change_nothing_of_what_is_decoded() {
    let mut rng = Rng::with_seed(11);
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096, LIST_BYTES_MAX));
    let mut sink = Saving::default();
    for _ in 0..20_000 {
        // Few different heads, so that they repeat, and now and then a field or a size that changes the table.
        let common = ["a", "b", "c"].map(|name| (name.as_bytes().to_vec(), b"value".to_vec(), Indexing::Add));
        let mut fields: Vec<_> = common[..rng.usize(1..=3)].to_vec();
        match rng.u8(..) {
            0..=3 => fields.insert(0, (b"new".to_vec(), rng.u16(..).to_string().into_bytes(), Indexing::Add)),
            4..=50 => fields.push((b"x-unsaved".to_vec(), b"v".to_vec(), Indexing::Add)),
            51..=99 => fields.push((b"once".to_vec(), rng.u16(..).to_string().into_bytes(), Indexing::Without)),
            100 => encoder.set_table_bytes_max(rng.usize(..300)),
            101 => {
                encoder.set_table_bytes_max(0);
                encoder.set_table_bytes_max(4096);
            }
            _ => {}
        }
        let block = encoded(&mut encoder, &fields);
        sink.fields.clear();
        assert_eq!(decoder.decode(&block, &mut sink), Ok(Decoded::Complete));
        let sent: Vec<_> = fields.into_iter().map(|(name, value, _)| (name, value)).collect();
        assert_eq!(sink.fields, sent);
    }
    assert!(sink.restored > 5_000, "{}", sink.restored);
}

#[test]
fn list_beyond_its_limit_is_cut_off_and_the_tables_stay_in_step() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096, 100));
    let field = |name: &str| (name.as_bytes().to_vec(), vec![b'v'; 10], Indexing::Add);
    let block = encoded(&mut encoder, &[field("first"), field("second"), field("third")]);
    let mut names = Vec::new();
    let result = decoder.decode(&block, &mut |field: Field<'_>| names.push(field.name.to_vec()));
    assert_eq!(result, Ok(Decoded::TooLong));
    // The two fields have 47 and 48 bytes.
    assert_eq!(names, [b"first".to_vec(), b"second".to_vec()]);
    assert_eq!(encoder.table.fields(), decoder.table.fields());
    let block = encoded(&mut encoder, &[field("third")]);
    assert_eq!(decoded(&mut decoder, &block).unwrap(), owned(&[field("third")]));
}

#[test]
fn block_begins_with_the_smallest_and_the_last_size_of_the_table() {
    let mut encoder = Encoder::new();
    let mut begun = |sizes: &[usize]| {
        let mut block = BytesMut::new();
        sizes.iter().for_each(|size| encoder.set_table_bytes_max(*size));
        encoder.begin_block(&mut block);
        block.to_vec()
    };
    assert_eq!(begun(&[]), b"");
    assert_eq!(begun(&[4096]), b"", "that is the default");
    assert_eq!(begun(&[0, 4096]), b"\x20\x3f\xe1\x1f");
    assert_eq!(begun(&[100, 20, 30]), b"\x34\x3e");
    assert_eq!(begun(&[10]), b"\x2a");
    assert_eq!(begun(&[usize::MAX]), b"\x3f\xe1\x7f", "16384 is the most that the encoder takes");
    assert_eq!(begun(&[1 << 20]), b"");
}

#[test]
fn field_that_is_larger_than_the_table_leaves_the_encoders_table_alone() {
    let mut encoder = Encoder::new();
    let small = (b"x-tenant".to_vec(), b"blue".to_vec(), Indexing::Add);
    let large = (b"x-large".to_vec(), vec![b'x'; 5000], Indexing::Add);
    encoded(&mut encoder, &[small.clone(), large]);
    assert_eq!(&encoded(&mut encoder, &[small])[..], b"\xbe");
}

#[test]
fn empty_names_and_values_are_fields() {
    let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(4096, LIST_BYTES_MAX));
    let fields = [
        (Vec::new(), Vec::new(), Indexing::Add),
        (b"accept".to_vec(), Vec::new(), Indexing::Add),
        (Vec::new(), b"value".to_vec(), Indexing::Without),
    ];
    let block = encoded(&mut encoder, &fields);
    assert_eq!(decoded(&mut decoder, &block).unwrap(), owned(&fields));
    assert_eq!(decoder.table.fields(), [(Vec::new(), Vec::new())]);
}
