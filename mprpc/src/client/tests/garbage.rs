//! Sends random and damaged frames from many seeds to a client. The client must not panic, must bound its memory, and
//! must end every call.

use std::sync::Mutex;

use bytes::{Bytes, BytesMut};
use fastrand::Rng;
use tokio::time::timeout;

use super::*;
use crate::client::{Multiplexed, Request};
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::metadata::Metadata;
use crate::net::clock;
use crate::protocol::native::{Header, PREFACE, Settings, encode_frame, flag, kind};
use crate::server::tests::PROBE;
use crate::server::tests::garbage::{damage, frames, send};
use crate::streaming::Streaming;

const SEEDS: u64 = 600;
const CALLS: usize = 10;

/// Small limits, so that the test reaches them.
fn limits() -> Limits {
    Limits { message_bytes_max: 40_000, metadata_bytes_max: 500, send_buffer_bytes_max: 20_000, ..Limits::default() }
}

fn script(rng: &mut Rng) -> BytesMut {
    let mut bytes = BytesMut::new();
    if rng.u8(..10) == 0 {
        bytes.extend((0..rng.usize(..2000)).map(|_| rng.u8(..)));
        return bytes;
    }
    bytes.extend_from_slice(&PREFACE);
    let window = rng.usize(1..100_000);
    Settings::of(&Limits { stream_window_bytes: window, ..Limits::default() }).encode(&mut bytes);
    let mut kinds = [kind::RESPONSE; 30].to_vec();
    kinds.extend([kind::DATA; 60]);
    kinds.extend([kind::CREDIT; 10]);
    kinds.extend([kind::PING, kind::PONG, kind::CANCEL, kind::REQUEST]);
    if rng.u8(..4) == 0 {
        kinds.extend([kind::SETTINGS, kind::GO_AWAY]);
    }
    let count = rng.usize(..150);
    // Only the rest is damaged, because damage to the first frames would end the connection too early.
    let mut rest = frames(rng, &kinds, &[0, 0, 0, 5], count, CALLS as u32, 60_000);
    if rng.bool() {
        damage(rng, &mut rest);
    }
    bytes.extend_from_slice(&rest);
    bytes
}

/// Reply streams that exceed every flow-control window.
fn flood(rng: &mut Rng) -> BytesMut {
    let mut bytes = BytesMut::from(&PREFACE[..]);
    for id in 1..=CALLS as u32 {
        encode_frame(&mut bytes, Header { kind: kind::RESPONSE, flags: flag::OPEN, id, ..Header::default() }, b"");
    }
    for _ in 0..100 {
        let header = Header { kind: kind::DATA, id: rng.u32(1..=CALLS as u32), ..Header::default() };
        encode_frame(&mut bytes, header, &vec![1; rng.usize(20_000..40_000)]);
    }
    bytes
}

fn request(rng: &mut Rng) -> Request {
    let name = ["Echo", "Count", "Count", "Sum", "Talk", "Deaf"][rng.usize(..6)];
    let method = PROBE.methods.iter().find(|method| method.name == name).unwrap();
    let deadline = Deadline::after(clock::now(), Duration::from_secs(60));
    let context = Context::new(method, None, deadline, Metadata::new());
    let body = match name {
        "Echo" | "Count" => Body::Message(Bytes::from(vec![7; rng.usize(..3000)])),
        _ => Body::Stream(Streaming::of((0..rng.usize(..100)).map(|_| Bytes::from_static(&[7; 500])))),
    };
    Request::new(context, body, deadline, |_| true)
}

/// The outcomes of the calls.
#[derive(Default)]
struct Outcomes {
    replies: usize,
    messages: usize,
    failures: usize,
    bytes_most: u64,
}

async fn call(caller: Arc<Multiplexed>, request: Request, reads: bool, outcomes: Arc<Mutex<Outcomes>>) {
    match caller.call(&request).await {
        Ok(Body::Message(_)) => outcomes.lock().unwrap().replies += 1,
        Ok(Body::Stream(mut replies)) => {
            while reads && let Some(message) = replies.next().await {
                match message {
                    Ok(_) => outcomes.lock().unwrap().messages += 1,
                    Err(_) => outcomes.lock().unwrap().failures += 1,
                }
            }
            if !reads {
                // The stream stays unread while messages arrive.
                sleep(Duration::from_secs(30)).await;
            }
        }
        Err(_) => outcomes.lock().unwrap().failures += 1,
    }
}

#[tokio::test(start_paused = true)]
async fn client_survives_random_frames_within_its_limits() {
    let outcomes = Arc::new(Mutex::new(Outcomes::default()));
    for seed in 0..SEEDS {
        let mut rng = Rng::with_seed(seed);
        let address = Address::Memory("test".into());
        let (near, mut far) = Stream::pair(address.clone(), 64 << 10);
        let caller = Arc::new(Multiplexed::open(near, &address, &Arc::default(), &limits()));
        let mut calls = JoinSet::new();
        for _ in 0..CALLS {
            calls.spawn(call(caller.clone(), request(&mut rng), rng.bool(), outcomes.clone()));
        }
        tokio::task::yield_now().await;
        let mut bytes = if seed % 20 == 0 { flood(&mut rng) } else { script(&mut rng) };
        while !bytes.is_empty() {
            let piece = bytes.split_to(rng.usize(1..=bytes.len().min(60_000)));
            send(&mut rng, &mut far, piece).await;
            tokio::task::yield_now().await;
            let held = caller.received_bytes();
            let held_max = limits().connection_window_bytes + CALLS * (limits().message_bytes_max + 16);
            assert!(held <= held_max as u64, "{held} bytes are not read");
            let mut outcomes = outcomes.lock().unwrap();
            outcomes.bytes_most = outcomes.bytes_most.max(held);
        }
        let silent = rng.bool().then_some(far);
        let ended = async {
            while let Some(ended) = calls.join_next().await {
                ended.expect("no panic");
            }
        };
        timeout(Duration::from_secs(3600), ended).await.expect("every call ends");
        drop(caller);
        if let Some(mut far) = silent {
            // The driver is still alive, because it closes the connection.
            let mut surplus = BytesMut::new();
            let closed = async {
                // A read error also counts as the end.
                while let Ok(1..) = std::future::poll_fn(|cx| far.reader.poll_read(cx, &mut surplus)).await {
                    surplus.clear();
                }
            };
            timeout(Duration::from_secs(3600), closed).await.expect("the connection is closed");
        }
    }
    let Outcomes { replies, messages, failures, bytes_most } = &*outcomes.lock().unwrap();
    let tame = *replies < 100 || *messages < 100 || *failures < 1000 || *bytes_most < 100_000;
    assert!(!tame, "{replies} replies, {messages} messages, {failures} failures, {bytes_most} bytes: too tame");
}
