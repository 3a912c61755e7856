//! Blocks that must not be decoded, and blocks that cost more to decode than to send.

use super::*;

/// Decodes a block as the first of a connection.
fn first(block: &[u8]) -> Result<Vec<Owned>, HpackError> {
    decoded(&mut Decoder::new(4096, LIST_BYTES_MAX), block)
}

#[test]
fn block_that_ends_inside_a_field_is_an_error() {
    let block = b"\x40\x0acustom-key\x0dcustom-header";
    assert_eq!(first(block).unwrap().len(), 1);
    for length in 1..block.len() {
        assert_eq!(first(&block[..length]), Err(HpackError::Truncated), "{length} bytes");
    }
    for block in
        [&b"\xff"[..], b"\xff\x80", b"\x7f", b"\x0f\x80\x80", b"\x3f", b"\x3f\xe1", b"\x04\x7f", b"\x04\xff\x80"]
    {
        assert_eq!(first(block), Err(HpackError::Truncated), "{block:?}");
    }
}

#[test]
fn integer_beyond_32_bits_is_an_error() {
    // 2^32 - 1 is an index beyond the table; one more is an overflow.
    assert_eq!(first(b"\xff\x80\xff\xff\xff\x0f"), Err(HpackError::IndexBeyondTable(0xffff_ffff)));
    assert_eq!(first(b"\xff\x81\xff\xff\xff\x0f"), Err(HpackError::IntegerTooLarge));
    assert_eq!(first(b"\xff\x80\x80\x80\x80\x80\x00"), Err(HpackError::IntegerTooLarge), "six bytes after the first");
    assert_eq!(first(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), Err(HpackError::IntegerTooLarge));
    assert_eq!(first(b"\x00\x7f\xff\xff\xff\xff\xff\xff"), Err(HpackError::IntegerTooLarge), "the length of a string");
    assert_eq!(first(b"\x3f\xff\xff\xff\xff\xff\xff"), Err(HpackError::IntegerTooLarge), "a size of the table");
}

#[test]
fn integer_with_needless_zeros_is_accepted() {
    assert_eq!(first(b"\x04\x7f\x80\x80\x80\x00"), Err(HpackError::Truncated), "127 bytes are missing");
    let mut block = b"\x04\x7f\x80\x80\x80\x00".to_vec();
    block.extend([b'/'; 127]);
    assert_eq!(first(&block).unwrap()[0].1.len(), 127);
}

#[test]
fn index_zero_is_an_error() {
    assert_eq!(first(b"\x80"), Err(HpackError::IndexZero));
}

#[test]
fn index_beyond_the_table_is_an_error() {
    assert_eq!(first(b"\xbe"), Err(HpackError::IndexBeyondTable(62)));
    for literal in [&b"\x7e\x00"[..], b"\x0f\x2f\x00", b"\x1f\x2f\x00"] {
        assert_eq!(first(literal), Err(HpackError::IndexBeyondTable(62)), "{literal:?}");
    }
    assert_eq!(first(b"\x40\x01a\x01b\xbe").unwrap().len(), 2);
    assert_eq!(first(b"\x40\x01a\x01b\xbf"), Err(HpackError::IndexBeyondTable(63)));
    assert_eq!(first(b"\x20\x40\x01a\x01b\xbe"), Err(HpackError::IndexBeyondTable(62)), "the table has no room");
}

#[test]
fn huffman_faults_are_errors() {
    // The code of '0' is 00000.
    let string = |coded: &[u8]| first(&[b"\x04", &[0x80 | coded.len() as u8][..], coded].concat());
    assert_eq!(string(b"\x07").unwrap()[0].1, b"0");
    assert_eq!(string(b"\x07\xff"), Err(HpackError::HuffmanPadding), "eleven bits of padding");
    assert_eq!(string(b"\xff"), Err(HpackError::HuffmanPadding), "eight bits of padding");
    assert_eq!(string(b"\x06"), Err(HpackError::HuffmanPadding), "padding that ends with a zero");
    assert_eq!(string(b"\x00"), Err(HpackError::HuffmanPadding), "padding of zeros");
    assert_eq!(string(b"\xff\xfe\x1e"), Err(HpackError::HuffmanPadding), "padding with a zero in it");
    assert_eq!(string(b"\xff\xff\xff\xff"), Err(HpackError::HuffmanEos));
    assert_eq!(string(b"\x07\xff\xff\xff\xff"), Err(HpackError::HuffmanEos), "EOS after a character");
    assert_eq!(string(b"\xff\xff\xff"), Err(HpackError::HuffmanPadding), "a part of EOS");
    assert_eq!(string(b"").unwrap()[0].1, b"");
    assert_eq!(first(b"\x00\x81\xff\x00"), Err(HpackError::HuffmanPadding), "in a name");
}

#[test]
fn size_update_after_a_field_is_an_error() {
    assert_eq!(first(b"\x20\x3f\xe1\x1f\x82").unwrap().len(), 1, "two updates at the beginning");
    assert_eq!(first(b"\x82\x20"), Err(HpackError::SizeUpdateNotFirst));
    assert_eq!(first(b"\x20\x82\x3f\xe1\x1f"), Err(HpackError::SizeUpdateNotFirst));
}

#[test]
fn size_update_above_what_was_announced_is_an_error() {
    assert_eq!(first(b"\x3f\xe2\x1f"), Err(HpackError::SizeUpdateTooLarge(4097)));
    let mut decoder = Decoder::new(8192, LIST_BYTES_MAX);
    assert_eq!(decoder.table.bytes_max(), 4096, "the peer has to ask for more than the default");
    assert_eq!(decoded(&mut decoder, b"\x3f\xe1\x3f"), Ok(Vec::new()));
    assert_eq!(decoder.table.bytes_max(), 8192);
    assert_eq!(decoded(&mut decoder, b"\x3f\xe2\x3f"), Err(HpackError::SizeUpdateTooLarge(8193)));
    assert_eq!(decoded(&mut Decoder::new(0, LIST_BYTES_MAX), b"\x3f\xe1\x1f"), Ok(Vec::new()), "4096 is the least");
}

#[test]
fn name_of_an_entry_that_the_new_entry_evicts_is_used() {
    let mut decoder = Decoder::new(4096, LIST_BYTES_MAX);
    // A table of 64 bytes has room for one entry. Each new entry takes its name from the one before.
    assert_eq!(decoded(&mut decoder, b"\x3f\x21\x40\x04name\x01a").unwrap().len(), 1);
    for value in [b'b', b'c', b'd'] {
        let fields = decoded(&mut decoder, &[0x7e, 1, value]).unwrap();
        assert_eq!(fields, [(b"name".to_vec(), vec![value], false)]);
        assert_eq!(decoder.table.fields(), [(b"name".to_vec(), vec![value])]);
    }
}

#[test]
fn entry_that_is_larger_than_the_table_empties_it() {
    let mut decoder = Decoder::new(4096, LIST_BYTES_MAX);
    assert_eq!(decoded(&mut decoder, b"\x3f\x21\x40\x04name\x01a").unwrap().len(), 1);
    let block = [b"\x7e\x20", &[b'v'; 32][..]].concat();
    assert_eq!(decoded(&mut decoder, &block).unwrap(), [(b"name".to_vec(), vec![b'v'; 32], false)]);
    assert_eq!((decoder.table.fields().len(), decoder.table.bytes()), (0, 0));
    assert_eq!(decoded(&mut decoder, b"\xbe"), Err(HpackError::IndexBeyondTable(62)));
}

/// A block that puts a field of 4000 bytes into the table, followed by a million times `after`.
fn bomb(after: &[u8]) -> Vec<u8> {
    let mut block = b"\x40\x7f\x80\x1e".to_vec();
    block.extend([b'n'; 127 + 128 * 30]);
    block.push(0);
    block.extend(after.repeat(1_000_000));
    block
}

#[test]
fn bombs_end_the_connection_after_a_small_multiple_of_the_limit() {
    for after in [&b"\xbe"[..], b"\x7e\x00", b"\x0f\x2f\x00", b"\x1f\x2f\x00", b"\x81", b"\x82", b"\x00\x00\x00"] {
        let mut decoder = Decoder::new(4096, 16_384);
        let mut taken = 0;
        let result =
            decoder.decode(&bomb(after), &mut |field: Field<'_>| taken += field.name.len() + field.value.len() + 32);
        let Err(HpackError::ListFarTooLong(bytes)) = result else { panic!("{after:?}: {result:?}") };
        assert!(bytes < 5 * 16_384 + 4096, "{after:?}: {bytes} bytes were decoded");
        assert!(taken <= 16_384, "{after:?}: {taken} bytes were passed on");
    }
}

#[test]
fn random_bytes_are_decoded_or_refused() {
    let mut rng = Rng::with_seed(1);
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..20_000 {
        let mut decoder = Decoder::new(4096, 16_384);
        loop {
            let block: Vec<u8> = (0..rng.usize(..40)).map(|_| rng.u8(..)).collect();
            match decoder.decode(&block, &mut |field: Field<'_>| assert_eq!(field.known, KnownName::of(field.name))) {
                Ok(_) => accepted += 1,
                Err(_) => break,
            }
            assert!(decoder.table.bytes() <= 4096);
        }
        refused += 1;
    }
    assert!(accepted > 500 && refused == 20_000, "{accepted} were accepted");
}
