//! The examples of RFC 7541, appendix C: bytes, fields, and the table after each block.

use super::super::integer::{put_integer, take_integer};
use super::*;

/// A block of a series, and the table after it, newest field first.
struct Example {
    fields: &'static [(&'static str, &'static str)],
    /// The block without Huffman codes.
    plain: &'static str,
    /// The block with Huffman codes.
    huffman: &'static str,
    table: &'static [(&'static str, &'static str)],
    table_bytes: usize,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn pairs(fields: &[(&str, &str)]) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.iter().map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec())).collect()
}

fn without_flags(fields: Vec<Owned>) -> Vec<(Vec<u8>, Vec<u8>)> {
    fields.into_iter().map(|(name, value, _)| (name, value)).collect()
}

#[test]
fn c_1_integers() {
    for (pattern, prefix_bits, value, hex) in [(0xe0, 5, 10, "ea"), (0, 5, 1337, "1f9a0a"), (0, 8, 42, "2a")] {
        let mut out = BytesMut::new();
        put_integer(&mut out, pattern, prefix_bits, value);
        assert_eq!(out, bytes(hex));
        assert_eq!(take_integer(out[0], prefix_bits, &out[1..]), Ok((value, &[][..])));
    }
}

#[test]
fn c_2_single_fields() {
    let field = |block: &str| {
        let mut decoder = Decoder::new(4096, LIST_BYTES_MAX);
        let mut fields = decoded(&mut decoder, &bytes(block)).unwrap();
        assert_eq!(fields.len(), 1);
        let (name, value, is_never) = fields.remove(0);
        (String::from_utf8(name).unwrap() + ": " + std::str::from_utf8(&value).unwrap(), is_never, decoder)
    };
    let (text, is_never, decoder) = field("400a637573746f6d2d6b65790d637573746f6d2d686561646572");
    assert_eq!((text.as_str(), is_never), ("custom-key: custom-header", false));
    assert_eq!(decoder.table.fields(), pairs(&[("custom-key", "custom-header")]));
    assert_eq!(decoder.table.bytes(), 55);
    for (block, text, is_never) in [
        ("040c2f73616d706c652f70617468", ":path: /sample/path", false),
        ("100870617373776f726406736563726574", "password: secret", true),
        ("82", ":method: GET", false),
    ] {
        let decoded = field(block);
        assert_eq!((decoded.0.as_str(), decoded.1, decoded.2.table.bytes()), (text, is_never, 0));
    }
}

#[test]
fn c_3_requests_without_huffman_codes() {
    decodes(&REQUESTS.map(|example| (example.plain, example)), 4096);
}

#[test]
fn c_4_requests_with_huffman_codes() {
    decodes(&REQUESTS.map(|example| (example.huffman, example)), 4096);
    encodes(&REQUESTS, 4096);
}

#[test]
fn c_5_responses_without_huffman_codes() {
    decodes(&RESPONSES.map(|example| (example.plain, example)), 256);
}

#[test]
fn c_6_responses_with_huffman_codes() {
    decodes(&RESPONSES.map(|example| (example.huffman, example)), 256);
    encodes(&RESPONSES, 256);
}

fn decodes(series: &[(&str, Example)], table_bytes_max: usize) {
    let mut decoder = Decoder::new(4096, LIST_BYTES_MAX);
    decoder.table.set_bytes_max(table_bytes_max);
    for (block, example) in series {
        let fields = decoded(&mut decoder, &bytes(block)).unwrap();
        assert_eq!(without_flags(fields), pairs(example.fields));
        assert_eq!(decoder.table.fields(), pairs(example.table));
        assert_eq!(decoder.table.bytes(), example.table_bytes);
    }
}

fn encodes(series: &[Example], table_bytes_max: usize) {
    let mut encoder = Encoder::new();
    encoder.huffman_bytes_min = 0;
    encoder.table.set_bytes_max(table_bytes_max);
    for example in series {
        let add = |(name, value)| (name, value, Indexing::Add);
        let fields: Vec<_> = pairs(example.fields).into_iter().map(add).collect();
        // The RFC encodes "307" although that saves no byte.
        let block = example.huffman.replace("4883640eff", "4803333037");
        assert_eq!(encoded(&mut encoder, &fields), bytes(&block));
        assert_eq!(encoder.table.fields(), pairs(example.table));
        assert_eq!(encoder.table.bytes(), example.table_bytes);
    }
}

const REQUESTS: [Example; 3] = [
    Example {
        fields: &[(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "www.example.com")],
        plain: "828684410f7777772e6578616d706c652e636f6d",
        huffman: "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        table: &[(":authority", "www.example.com")],
        table_bytes: 57,
    },
    Example {
        fields: &[
            (":method", "GET"),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "www.example.com"),
            ("cache-control", "no-cache"),
        ],
        plain: "828684be58086e6f2d6361636865",
        huffman: "828684be5886a8eb10649cbf",
        table: &[("cache-control", "no-cache"), (":authority", "www.example.com")],
        table_bytes: 110,
    },
    Example {
        fields: &[
            (":method", "GET"),
            (":scheme", "https"),
            (":path", "/index.html"),
            (":authority", "www.example.com"),
            ("custom-key", "custom-value"),
        ],
        plain: "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
        huffman: "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
        table: &[("custom-key", "custom-value"), ("cache-control", "no-cache"), (":authority", "www.example.com")],
        table_bytes: 164,
    },
];

const RESPONSES: [Example; 3] = [
    Example {
        fields: &[
            (":status", "302"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ],
        plain: "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d",
        huffman: "488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3",
        table: &[
            ("location", "https://www.example.com"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("cache-control", "private"),
            (":status", "302"),
        ],
        table_bytes: 222,
    },
    Example {
        fields: &[
            (":status", "307"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("location", "https://www.example.com"),
        ],
        plain: "4803333037c1c0bf",
        huffman: "4883640effc1c0bf",
        table: &[
            (":status", "307"),
            ("location", "https://www.example.com"),
            ("date", "Mon, 21 Oct 2013 20:13:21 GMT"),
            ("cache-control", "private"),
        ],
        table_bytes: 222,
    },
    Example {
        fields: &[
            (":status", "200"),
            ("cache-control", "private"),
            ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
            ("location", "https://www.example.com"),
            ("content-encoding", "gzip"),
            ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
        ],
        plain: "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
        huffman: "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
        table: &[
            ("set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"),
            ("content-encoding", "gzip"),
            ("date", "Mon, 21 Oct 2013 20:13:22 GMT"),
        ],
        table_bytes: 215,
    },
];
