//! Sends random and damaged frames from many seeds to a server: no panic, bounded memory, and every connection ends.

use fastrand::Rng;

use super::*;
use crate::interceptors::tests::all::{ALL, All};
use crate::net::connection::{Turn, drive};
use crate::protocol::native::{Settings, encode_frame, flag};
use crate::server::Transport;
use crate::server::watched::Watched;

const SEEDS: u64 = 600;
const REPLY_BYTES: usize = 3000;

/// Small limits, so that the tests reach them.
fn limits() -> Limits {
    Limits {
        message_bytes_max: 40_000,
        metadata_bytes_max: 500,
        in_flight_max: 8,
        methods_max: 6,
        send_buffer_bytes_max: 20_000,
        ..Limits::default()
    }
}

/// Checks how much a connection holds, and notes the most of it.
fn look(transport: &Transport, turn: &Turn<'_, '_>, most: &std::sync::Mutex<(usize, u64)>) {
    let limits = limits();
    let (calls, bytes) = transport.held();
    assert!(calls <= limits.in_flight_max, "{calls} calls are parked");
    // Each stream may hold one message beyond the window.
    let bytes_max = limits.connection_window_bytes + calls * (limits.message_bytes_max + 16);
    assert!(bytes <= bytes_max as u64, "{bytes} bytes are not read");
    let output = turn.output.len();
    assert!(output <= limits.send_buffer_bytes_max + limits.message_bytes_max + 2000, "{output} bytes wait");
    let mut most = most.lock().unwrap();
    *most = (most.0.max(calls), most.1.max(bytes));
}

/// A service that answers at once, late, or never, and may leave streams unread. The first byte of a message decides.
fn service() -> All {
    All::new(|context: Context, body: Body| async move {
        let first = match &body {
            Body::Message(message) => message.first().copied().unwrap_or(0),
            Body::Stream(_) => (context.method().path.len() + usize::from(context.metadata().is_empty())) as u8,
        };
        match first % 5 {
            0 => crate::interceptors::tests::all::echo(&context, body).await,
            1 => std::future::pending().await,
            2 => {
                sleep(Duration::from_millis(first.into())).await;
                Err(Status::not_found("late"))
            }
            3 if context.method().kind != MethodKind::Unary => {
                let replies = (0..50).map(|_| Bytes::from_static(&[7; REPLY_BYTES]));
                Ok(Body::Stream(crate::streaming::Streaming::of(replies)))
            }
            _ => Ok(Body::Message(Bytes::from_static(&[7; REPLY_BYTES]))),
        }
    })
}

/// Encodes `count` random frames, mostly well-formed and of the given `kinds`.
pub(crate) fn frames(
    rng: &mut Rng,
    kinds: &[u8],
    words: &[u16],
    count: usize,
    ids: u32,
    body_bytes_max: usize,
) -> BytesMut {
    let mut bytes = BytesMut::new();
    for _ in 0..count {
        let kind = if rng.u8(..) < 8 { rng.u8(..) } else { kinds[rng.usize(..kinds.len())] };
        let mut flags = [0, flag::END, flag::OPEN, flag::METADATA, flag::END | flag::METADATA][rng.usize(..5)];
        if rng.u8(..) < 16 {
            flags = rng.u8(..);
        }
        let id = if rng.u8(..) < 8 { rng.u32(..) } else { rng.u32(0..=ids) };
        let word = if rng.u8(..) < 16 { rng.u16(..) } else { words[rng.usize(..words.len())] };
        let value = [0, 1000, 1_000_000, u32::MAX, rng.u32(..)][rng.usize(..5)];
        let mut body = BytesMut::new();
        if flags & flag::METADATA != 0 && rng.u8(..) > 16 {
            let mut metadata = Metadata::new();
            metadata.append("key", vec![b'v'; rng.usize(..600)]).unwrap();
            let metadata = crate::protocol::native::encode_metadata(&metadata);
            body.extend_from_slice(&(metadata.len() as u32).to_le_bytes());
            body.extend_from_slice(&metadata);
        }
        let length = match rng.u8(..100) {
            0..80 => rng.usize(..100),
            80..95 => rng.usize(..4000),
            _ => rng.usize(..body_bytes_max),
        };
        body.extend_from_slice(&vec![rng.u8(..); length]);
        encode_frame(&mut bytes, Header { kind, flags, word, id, value, ..Header::default() }, &body);
    }
    bytes
}

/// Damages `bytes`: changes some bytes, removes some and repeats some.
pub(crate) fn damage(rng: &mut Rng, bytes: &mut BytesMut) {
    for _ in 0..rng.usize(1..6) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.usize(..bytes.len());
        match rng.u8(..3) {
            0 => bytes[at] ^= 1 << rng.u8(..8),
            1 => bytes[at] = rng.u8(..),
            _ => {
                let rest = bytes.split_off(at);
                let again = bytes.len().saturating_sub(rng.usize(..40));
                if rng.bool() {
                    let tail = bytes[again..].to_vec();
                    bytes.extend_from_slice(&tail);
                } else {
                    bytes.truncate(again);
                }
                bytes.extend_from_slice(&rest);
            }
        }
    }
}

fn script(rng: &mut Rng) -> BytesMut {
    let mut bytes = BytesMut::new();
    match rng.u8(..10) {
        0 => {
            bytes.extend((0..rng.usize(..2000)).map(|_| rng.u8(..)));
            return bytes;
        }
        1 => {
            // A classic call that is answered, because a classic call that hangs would never end.
            let mut bytes = crate::protocol::classic::encode_request("All", "One", &vec![4; rng.usize(..5000)]);
            bytes.truncate(rng.usize(1..=2 * bytes.len()));
            return bytes;
        }
        _ => {
            bytes.extend_from_slice(&PREFACE);
            if rng.bool() {
                let window = rng.usize(1..100_000);
                let settings = Limits { stream_window_bytes: window, ..Limits::default() };
                Settings::of(&settings).encode(&mut bytes);
            }
            for (number, method) in (0..).zip(ALL.methods) {
                encode_frame(
                    &mut bytes,
                    Header { kind: kind::METHOD, word: number, ..Header::default() },
                    method.path.as_bytes(),
                );
            }
            // Kinds that a caller rarely may send are rare.
            let mut kinds = [kind::REQUEST; 40].to_vec();
            kinds.extend([kind::DATA; 40]);
            kinds.extend([kind::CREDIT; 10].iter().chain(&[kind::CANCEL; 10]));
            kinds.extend([kind::PING, kind::PONG, kind::GO_AWAY, kind::RESPONSE]);
            if rng.u8(..4) == 0 {
                kinds.extend([kind::SETTINGS, kind::METHOD]);
            }
            let (count, ids) = (rng.usize(..120), rng.u32(2..40));
            bytes.extend_from_slice(&frames(rng, &kinds, &[0, 1, 2, 3, 4], count, ids, 60_000));
        }
    }
    if rng.bool() {
        damage(rng, &mut bytes);
    }
    bytes
}

/// Encodes streams of requests far beyond every window, in well-formed frames. No handler reads them.
fn flood(rng: &mut Rng) -> BytesMut {
    let mut bytes = BytesMut::from(&PREFACE[..]);
    let path = ALL.methods[1].path.as_bytes();
    encode_frame(&mut bytes, Header { kind: kind::METHOD, ..Header::default() }, path);
    for id in 1..=8 {
        encode_frame(&mut bytes, Header { kind: kind::REQUEST, flags: flag::OPEN, id, ..Header::default() }, b"");
    }
    for _ in 0..100 {
        let header = Header { kind: kind::DATA, id: rng.u32(1..=8), ..Header::default() };
        encode_frame(&mut bytes, header, &vec![1; rng.usize(20_000..40_000)]);
    }
    bytes
}

/// Sends `bytes` in pieces until the other end takes no more. Chooses at random whether to read.
pub(crate) async fn send(rng: &mut Rng, stream: &mut Stream, mut bytes: BytesMut) {
    let (reads, mut got) = (rng.bool(), BytesMut::new());
    let mut refused = 0;
    while !bytes.is_empty() && refused < 100 {
        let piece = rng.usize(1..=bytes.len().min(20_000));
        match stream.writer.try_write(&bytes[..piece]) {
            Ok(written) => drop(bytes.split_to(written)),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => refused += 1,
            Err(_) => return,
        }
        if reads {
            let reader = &mut stream.reader;
            let reading = std::future::poll_fn(|cx| reader.poll_read(cx, &mut got));
            // Sends the rest whether the read times out, ends or fails.
            let _ = timeout(Duration::from_millis(1), reading).await;
            got.clear();
        } else {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn server_survives_random_frames_and_stays_within_its_limits() {
    let shared = Server { limits: limits(), ..Server::default() }.add(service()).share().unwrap();
    let most = Arc::default();
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let (mut near, far) = Stream::pair(Address::Memory("test".into()), 64 << 10);
        let transport = Transport::new(shared.clone(), far.peer.clone(), clock::now());
        let noted = Arc::clone(&most);
        let look = move |transport: &Transport, turn: &Turn<'_, '_>| look(transport, turn, &noted);
        let session = Watched { transport, look };
        let mut server = tokio::spawn(async move { drive(far, session, &limits()).await });
        // The classic protocol has no keepalive, so the test ends a classic connection itself.
        let script = if seed % 50 == 0 { flood(&mut rng) } else { script(&mut rng) };
        let is_native = script.starts_with(&PREFACE);
        send(&mut rng, &mut near, script).await;
        if rng.bool() || !is_native {
            drop(near);
            timeout(Duration::from_secs(60), &mut server).await.expect("its peer is gone").expect("no panic");
        } else {
            // From now on the peer sends nothing and reads nothing.
            timeout(Duration::from_secs(3600), &mut server)
                .await
                .unwrap_or_else(|_| panic!("seed {seed} does not end by itself"))
                .expect("no panic");
        }
    }
    let (calls, bytes) = *most.lock().unwrap();
    let stats = shared.stats();
    assert!(calls == limits().in_flight_max && bytes > 1_000_000, "{calls} calls, {bytes} bytes: too tame");
    assert!(stats.calls > SEEDS && stats.calls_failed > 100 && stats.calls_cancelled > 100, "{stats:?}");
    assert!(stats.rejected["a protocol error"] > 50, "{stats:?}");
}
