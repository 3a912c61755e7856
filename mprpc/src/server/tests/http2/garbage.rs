//! Sends random and damaged HTTP/2 from many seeds to a server: no panic, bounded memory, and every connection ends.

use fastrand::Rng;

use super::super::garbage::{damage, send};
use super::*;
use crate::net::connection::{Turn, drive};
use crate::server::Transport;
use crate::server::watched::{Watched, holds_no_more_than};

const SEEDS: u64 = 400;

/// Small limits, so that the tests reach them.
fn limits() -> Limits {
    Limits {
        message_bytes_max: 40_000,
        metadata_bytes_max: 500,
        http_head_bytes_max: 2000,
        in_flight_max: 8,
        methods_max: 4,
        stream_window_bytes: 100_000,
        connection_window_bytes: 300_000,
        send_buffer_bytes_max: 20_000,
        http_resets_max: 50,
        ..Limits::default()
    }
}

/// A service that answers at once, late, or never, and may leave streams unread.
fn service() -> All {
    All::new(|context: Context, body: Body| async move {
        let first = match &body {
            Body::Message(message) => message.first().copied().unwrap_or(0),
            Body::Stream(_) => (context.method().path.len() + context.metadata().len()) as u8,
        };
        match first % 5 {
            0 => crate::interceptors::tests::all::echo(&context, body).await,
            1 => std::future::pending().await,
            2 => {
                sleep(Duration::from_millis(first.into())).await;
                Err(Status::not_found("late"))
            }
            3 if context.method().kind != MethodKind::Unary => {
                let replies = (0..50).map(|_| Bytes::from_static(&[7; 3000]));
                Ok(Body::Stream(crate::streaming::Streaming::of(replies)))
            }
            _ => Ok(Body::Message(Bytes::from_static(&[7; 3000]))),
        }
    })
}

/// A random field, which now and then is one that a request must not have.
fn odd_field(rng: &mut Rng) -> (String, String) {
    let names =
        ["key", "key-bin", "grpc-timeout", "grpc-encoding", "content-length", "te", "connection", "Upper", ":path", ""];
    let values = ["", "AAAA", "5m", "1H", "gzip", "12", "trailers", "x\ny", "v", "/test.All/Up"];
    let long = "v".repeat(rng.usize(..800));
    let value = if rng.u8(..4) == 0 { &*long } else { values[rng.usize(..values.len())] };
    (names[rng.usize(..names.len())].to_owned(), value.to_owned())
}

/// A random conversation, mostly of valid requests.
fn script(rng: &mut Rng) -> BytesMut {
    let mut bytes = BytesMut::from(&PREFACE[..]);
    if rng.u8(..20) == 0 {
        bytes.extend((0..rng.usize(..2000)).map(|_| rng.u8(..)));
        return bytes;
    }
    let window = [0, 1000, 65_535, 1 << 20][rng.usize(..4)];
    bytes.extend_from_slice(&settings(&[(setting::INITIAL_WINDOW_SIZE, window)]));
    let mut caller = HeaderEncoder { encoder: Encoder::new() };
    bytes.extend_from_slice(&caller.headers(rng, 1, 0, &grpc_fields("/test.All/Talk")));
    // A sloppy caller sends what ends a connection, now and then.
    let (is_sloppy, mut last) = (rng.u8(..3) == 0, 1);
    for _ in 0..rng.usize(..150) {
        let id = match is_sloppy && rng.u8(..8) == 0 {
            true => rng.u32(..12),
            false => last - 2 * rng.u32(..=(last / 2).min(3)),
        };
        let end = if rng.u8(..3) == 0 { flag::END_STREAM } else { 0 };
        let body = vec![rng.u8(..); [0, 1, 100, 3000, 40_000, 41_000][rng.usize(..6)]];
        match rng.u8(..if is_sloppy { 30 } else { 27 }) {
            0..12 => {
                last += 2;
                let name = ["One", "Up", "Down", "Talk", "Nothing"][rng.usize(..5)];
                let mut fields = grpc_fields(&format!("/test.All/{name}"));
                if rng.u8(..4) == 0 {
                    fields.push(odd_field(rng));
                }
                if rng.u8(..40) == 0 {
                    fields.remove(rng.usize(..fields.len()));
                }
                let flags = if rng.u8(..10) == 0 { end } else { 0 };
                bytes.extend_from_slice(&caller.headers(rng, last, flags, &fields));
                if rng.u8(..3) > 0 {
                    body_frames(rng, &mut bytes, last, &message(&body), end);
                }
            }
            12..18 => body_frames(rng, &mut bytes, id, &message(&body), end),
            18 => body_frames(rng, &mut bytes, id, &body[..body.len().min(100)], end),
            19..21 => bytes.extend_from_slice(&reset(id)),
            21..25 => bytes.extend_from_slice(&window_update(if rng.bool() { 0 } else { id }, rng.u32(1..100_000))),
            25 => bytes.extend_from_slice(&ping(rng.u8(..2), b"12345678")),
            26 => {
                let value = [0, 1000, 4096, 65_535, 1 << 20][rng.usize(..5)];
                bytes.extend_from_slice(&settings(&[([1, 3, 4, 6, 99][rng.usize(..5)], value)]));
            }
            27 => bytes.extend_from_slice(&settings(&[(rng.u16(..8), rng.u32(..))])),
            28 => {
                let trailers = [odd_field(rng)];
                bytes.extend_from_slice(&caller.headers(rng, id, flag::END_STREAM, &trailers));
            }
            _ => {
                let payload: Vec<u8> = (0..rng.usize(..20)).map(|_| rng.u8(..)).collect();
                bytes.extend_from_slice(&frame(rng.u8(..12), rng.u8(..), rng.u32(..10), &payload));
            }
        }
    }
    if rng.u8(..4) == 0 {
        damage(rng, &mut bytes);
    }
    bytes
}

struct HeaderEncoder {
    encoder: Encoder,
}

impl HeaderEncoder {
    /// A header block, which may be cut into several frames.
    fn headers(&mut self, rng: &mut Rng, id: u32, flags: u8, fields: &[(String, String)]) -> Vec<u8> {
        let mut block = BytesMut::new();
        for (name, value) in fields {
            let indexing = if rng.bool() { Indexing::Add } else { Indexing::Without };
            self.encoder.encode(&mut block, name.as_bytes(), value.as_bytes(), indexing);
        }
        if rng.u8(..5) > 0 {
            return frame(kind::HEADERS, flags | flag::END_HEADERS, id, &block);
        }
        let cut = rng.usize(..=block.len());
        let (first, rest) = block.split_at(cut);
        [frame(kind::HEADERS, flags, id, first), frame(kind::CONTINUATION, flag::END_HEADERS, id, rest)].concat()
    }
}

fn body_frames(rng: &mut Rng, bytes: &mut BytesMut, id: u32, body: &[u8], flags: u8) {
    let mut rest = body;
    while rest.len() > 16_000 {
        let (part, more) = rest.split_at(rng.usize(1..=16_000));
        bytes.extend_from_slice(&frame(kind::DATA, 0, id, part));
        rest = more;
    }
    if rng.u8(..8) == 0 {
        let padded = [&[3][..], rest, &[0; 3]].concat();
        bytes.extend_from_slice(&frame(kind::DATA, flags | flag::PADDED, id, &padded));
    } else {
        bytes.extend_from_slice(&frame(kind::DATA, flags, id, rest));
    }
}

#[tokio::test(start_paused = true)]
async fn server_survives_random_http2_and_stays_within_its_limits() {
    let shared = Server { limits: limits(), ..Server::default() }.add(service()).share().unwrap();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let (mut near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
        let transport = Transport::new(shared.clone(), far.peer.clone(), clock::now());
        let look = |transport: &Transport, turn: &Turn<'_, '_>| holds_no_more_than(&limits(), transport, turn);
        let session = Watched { transport, look };
        let mut server = tokio::spawn(async move { drive(far, session, &limits()).await });
        let bytes = script(&mut rng);
        send(&mut rng, &mut near, bytes).await;
        if rng.bool() {
            drop(near);
            timeout(Duration::from_secs(60), &mut server).await.expect("its peer is gone").expect("no panic");
        } else {
            // From now on the peer sends nothing and reads nothing.
            timeout(Duration::from_secs(3600), &mut server)
                .await
                .unwrap_or_else(|_| panic!("seed {seed} does not end by itself"))
                .expect("no panic");
        }
        assert_eq!(shared.stats().memory_bytes, 0, "seed {seed} leaves memory behind");
    }
    let stats = shared.stats();
    assert!(stats.calls > 10 * SEEDS && stats.calls_failed > SEEDS && stats.calls_cancelled > SEEDS, "{stats:?}");
    assert!(stats.rejected["a protocol error"] > SEEDS / 4, "{stats:?}");
}
