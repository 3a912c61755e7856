//! The encoder and the decoder against other implementations: `hpack` of PyPI and the C library nghttp2. `cargo xtask test`
//! installs both.

use super::*;

#[path = "../../../../../tests/support/peer.rs"]
mod peer;

/// `peer.py` with an implementation of HPACK.
struct Hpack(peer::Peer);

impl Hpack {
    /// Starts the script with the implementation of this name.
    fn start(name: &str) -> Hpack {
        Hpack(peer::Peer::python("mprpc/src/protocol/http2/hpack/tests/peer.py", &[name]))
    }

    fn ask(&mut self, command: &str) -> String {
        self.0.say(command);
        self.0.line()
    }

    fn set(&mut self, table: &str, bytes_max: usize) {
        assert_eq!(self.ask(&format!("{table} {bytes_max}")), "ok");
    }

    fn encode(&mut self, fields: &[Owned]) -> Vec<u8> {
        let fields = fields.iter().map(|(name, value, is_never)| {
            format!(" {}:{}{}", hex(name), hex(value), if *is_never { "!" } else { "" })
        });
        unhex(&self.ask(&format!("encode{}", fields.collect::<String>())))
    }

    /// The fields, or the error of the peer.
    fn decode(&mut self, block: &[u8]) -> Result<Vec<Owned>, String> {
        let answer = self.ask(&format!("decode {}", hex(block)));
        let Some(fields) = answer.strip_prefix("ok") else { return Err(answer) };
        let field = |field: &str| {
            let (name, value) = field.split_once(':').unwrap();
            (unhex(name), unhex(value.trim_end_matches('!')), value.ends_with('!'))
        };
        Ok(fields.split_whitespace().map(field).collect())
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[test]
fn hpack_of_pypi_understands_and_is_understood() {
    exchange_random_lists(&mut Hpack::start("hpack"));
}

#[test]
fn nghttp2_understands_and_is_understood() {
    exchange_random_lists(&mut Hpack::start("nghttp2"));
}

/// Sends random lists both ways on a few connections, with changes of the tables' sizes.
fn exchange_random_lists(peer: &mut Hpack) {
    let mut rng = Rng::with_seed(9113);
    for _ in 0..10 {
        assert_eq!(peer.ask("reset"), "ok");
        let (mut encoder, mut decoder) = (Encoder::new(), Decoder::new(16_384, LIST_BYTES_MAX));
        encoder.huffman_bytes_min *= usize::from(rng.bool());
        for _ in 0..300 {
            for _ in 0..rng.u32(..20).saturating_sub(17) {
                let (sent, received) = (rng.choice(TABLE_SIZES).unwrap(), rng.choice(TABLE_SIZES).unwrap());
                encoder.set_table_bytes_max(sent);
                peer.set("decoder-table", sent);
                peer.set("encoder-table", received);
            }
            let fields = random_fields(&mut rng);
            let (fields, block) = (owned(&fields), encoded(&mut encoder, &fields));
            assert_eq!(peer.decode(&block).as_ref(), Ok(&fields));
            let mut returned = decoded(&mut decoder, &peer.encode(&fields)).unwrap();
            for (returned, sent) in returned.iter_mut().zip(&fields) {
                // nghttp2 takes more fields for secrets than those that are marked.
                returned.2 &= sent.2;
            }
            assert_eq!(returned, fields);
        }
    }
}

#[test]
fn nghttp2_refuses_the_same_blocks() {
    let (mut peer, mut rng) = (Hpack::start("nghttp2"), Rng::with_seed(7541));
    let mut refused = 0;
    for _ in 0..3000 {
        assert_eq!(peer.ask("reset"), "ok");
        let mut encoder = Encoder::new();
        encoder.huffman_bytes_min = 0;
        let mut block =
            encoded(&mut encoder, &[random_field(&mut rng), random_field(&mut rng), random_field(&mut rng)]);
        match rng.u8(..3) {
            0 => block.truncate(rng.usize(..block.len())),
            1 => block.extend((0..rng.u8(1..4)).map(|_| rng.u8(..))),
            _ => (0..rng.u8(1..4)).for_each(|_| {
                let at = rng.usize(..block.len());
                block[at] = rng.u8(..);
            }),
        }
        let ours = decoded(&mut Decoder::new(4096, LIST_BYTES_MAX), &block);
        let theirs = peer.decode(&block);
        refused += usize::from(ours.is_err());
        assert_eq!(ours.as_ref().ok(), theirs.as_ref().ok(), "{ours:?} and {theirs:?}: {}", hex(&block));
    }
    assert!((500..2500).contains(&refused), "{refused} blocks were refused");
}
