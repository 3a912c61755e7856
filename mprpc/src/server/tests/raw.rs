//! Tests with bytes that no well-behaved caller sends: split, incomplete, malformed and unknown input.

use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::{LARGE_BYTES, PROBE, Probe, Server, Shared, serve_stream};
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::method::Placement;
use crate::net::connection::Close;
use crate::net::{Reader, Stream, Writer};
use crate::protocol::classic;
use crate::protocol::native::{Decoded, Decoder, Header, PREFACE, Settings, encode_frame, flag, kind};
use crate::status::Code;

/// A peer that sends arbitrary bytes.
pub(super) struct Peer {
    pub(super) reader: Reader,
    pub(super) writer: Writer,
    pub(super) server: JoinHandle<Close>,
    pub(super) shared: Arc<Shared>,
}

pub(super) fn peer(limits: Limits) -> Peer {
    peer_with_window(limits, 64 << 10)
}

pub(super) fn peer_with_window(limits: Limits, capacity: usize) -> Peer {
    // Inline, as most measured handlers run: the server answers a request in the turn that reads it.
    let placement = [(PROBE.name.to_owned(), Placement::Inline)].into();
    peer_of(Server { limits, placement, ..Server::default() }.add(Probe).share().unwrap(), capacity)
}

/// Opens another connection to the server behind `shared`.
pub(super) fn peer_of(shared: Arc<Shared>, capacity: usize) -> Peer {
    let (near, far) = Stream::pair(Address::Memory("test".into()), capacity);
    let server = tokio::spawn(serve_stream(far, shared.clone()));
    Peer { reader: near.reader, writer: near.writer, server, shared }
}

impl Peer {
    pub(super) fn send(&self, bytes: &[u8]) {
        assert_eq!(self.writer.try_write(bytes).unwrap(), bytes.len());
    }

    pub(super) async fn read_some(&mut self, buffer: &mut BytesMut) -> usize {
        poll_fn(|cx| self.reader.poll_read(cx, buffer)).await.unwrap()
    }

    /// Reads to the end of the stream. Returns the bytes and the server's reason for closing.
    pub(super) async fn read_to_end(mut self) -> (BytesMut, Close, Arc<Shared>) {
        let mut bytes = BytesMut::new();
        while self.read_some(&mut bytes).await > 0 {}
        // A server that has sent something waits for the peer to close.
        drop(self.writer);
        (bytes, self.server.await.unwrap(), self.shared)
    }
}

/// The reason of the only rejected connection.
pub(super) fn rejection(shared: &Shared) -> &'static str {
    let rejected = shared.stats().rejected;
    assert_eq!(rejected.values().sum::<u64>(), 1, "{rejected:?}");
    rejected.into_keys().next().unwrap()
}

fn classic_request(method: &str, args: &[u8]) -> BytesMut {
    classic::encode_request("Probe", method, args)
}

#[tokio::test(start_paused = true)]
async fn classic_call_is_answered_and_the_connection_closed() {
    let peer = peer(Limits::default());
    peer.send(&classic_request("Echo", b"reply"));
    let (bytes, close, _) = peer.read_to_end().await;
    assert_eq!((&bytes[..], close), (&b"reply"[..], Close::Answered));
}

#[tokio::test(start_paused = true)]
async fn classic_request_split_anywhere_is_answered() {
    let whole = classic_request("Echo", b"reply");
    for cut in 1..whole.len() {
        let peer = peer(Limits::default());
        peer.send(&whole[..cut]);
        sleep(Duration::from_millis(100)).await;
        peer.send(&whole[cut..]);
        let (bytes, close, _) = peer.read_to_end().await;
        assert_eq!((&bytes[..], close), (&b"reply"[..], Close::Answered), "cut at {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn incomplete_classic_request_is_closed_at_read_timeout() {
    let limits = Limits::default();
    let whole = classic_request("Echo", b"reply");
    let header_of_100 = [&100u32.to_le_bytes()[..], b"\x0a"].concat();
    let beginnings = [&whole[..1], &whole[..3], &whole[..6], &whole[..whole.len() - 2], &header_of_100[..]];
    for beginning in beginnings {
        let peer = peer(limits.clone());
        peer.send(beginning);
        let begin = Instant::now();
        let (bytes, close, shared) = peer.read_to_end().await;
        assert!(bytes.is_empty());
        assert!(matches!(close, Close::ReadTimeout | Close::FirstByteTimeout));
        assert_eq!(begin.elapsed().as_secs(), limits.read_timeout.as_secs());
        assert!(rejection(&shared).contains("timeout"));
    }
}

#[tokio::test(start_paused = true)]
async fn classic_args_of_a_mebibyte_are_served() {
    let peer = peer_with_window(Limits::default(), 4 << 20);
    let args: Vec<u8> = (0..1 << 20).map(|at| (at % 251) as u8).collect();
    peer.send(&classic_request("Echo", &args));
    let (bytes, close, _) = peer.read_to_end().await;
    assert_eq!((bytes, close), (BytesMut::from(&args[..]), Close::Answered));
}

#[tokio::test(start_paused = true)]
async fn classic_second_request_on_a_connection_is_dropped() {
    let peer = peer(Limits::default());
    let two = [&classic_request("Echo", b"first")[..], &classic_request("Echo", b"second")[..]].concat();
    peer.send(&two);
    let (bytes, close, shared) = peer.read_to_end().await;
    assert_eq!((&bytes[..], close), (&b"first"[..], Close::Done));
    assert_eq!(shared.stats().calls, 1);
}

#[tokio::test(start_paused = true)]
async fn invalid_request_is_closed_at_once_and_counted_by_reason() {
    let over = [&5000u32.to_le_bytes()[..], b"x"].concat();
    let long_args = {
        let mut header = BytesMut::from(&b"\x12\0\0\0\x0a\x05Probe\x12\x04Echo\x18"[..]);
        header.extend_from_slice(&[0x80, 0x80, 0x80, 0x10]);
        header
    };
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..], "an HTTP request"),
        (b"PRI * HTTP/2.0\r\n\r\nsm\r\n\r\n", "a broken HTTP/2 preface"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "a TLS hello"),
        (b"\0\0\0\0", "bytes of no known protocol"),
        (b"\xff\xff\xff\xff", "bytes of no known protocol"),
        (b"garbage, and more of it", "bytes of no known protocol"),
        (&over, "bytes of no known protocol"),
        (b"\x04\0\0\0\x0a\x05ab", "a malformed request"),
        (&long_args, "a malformed request"),
        (&classic_request("Nothing", b""), "a call of an unknown method"),
        (&classic::encode_request("Nobody", "Echo", b""), "a call of an unknown method"),
        (&classic_request("Fail", b""), "a call that failed"),
        (&classic_request("Panic", b""), "a call that failed"),
    ] {
        let peer = peer(Limits::default());
        let begin = Instant::now();
        peer.send(bytes);
        let (answer, close, shared) = peer.read_to_end().await;
        // Only TLS has an answer for this case: the alert unexpected_message.
        let expected: &[u8] = if reason == "a TLS hello" { b"\x15\x03\x03\0\x02\x02\x0a" } else { b"" };
        assert_eq!(answer, expected, "{reason}");
        assert_eq!((close, rejection(&shared)), (Close::Protocol, reason), "{bytes:?}");
        assert!(begin.elapsed() < Duration::from_millis(10), "{reason}");
    }
}

#[tokio::test(start_paused = true)]
async fn silent_peer_is_closed_after_first_byte_timeout() {
    let limits = Limits::default();
    let peer = peer(limits.clone());
    let begin = Instant::now();
    let (bytes, close, shared) = peer.read_to_end().await;
    assert!(bytes.is_empty());
    assert_eq!(close, Close::FirstByteTimeout);
    assert_eq!(begin.elapsed().as_secs(), limits.first_byte_timeout.as_secs());
    assert_eq!(rejection(&shared), "nothing within first_byte_timeout");
}

/// Encodes the preface, one METHOD for each method of the probe, and a REQUEST for each of `calls`.
pub(super) fn native_calls(calls: &[(u32, &str, &[u8])]) -> BytesMut {
    let mut bytes = BytesMut::from(&PREFACE[..]);
    for (number, method) in PROBE.methods.iter().enumerate() {
        let header = Header { kind: kind::METHOD, word: number as u16, ..Header::default() };
        encode_frame(&mut bytes, header, method.path.as_bytes());
    }
    for (id, name, message) in calls {
        let number = PROBE.methods.iter().position(|method| method.name == *name).unwrap();
        let header =
            Header { kind: kind::REQUEST, flags: flag::END, word: number as u16, id: *id, ..Header::default() };
        encode_frame(&mut bytes, header, message);
    }
    bytes
}

/// The size of the server's greeting: preface and SETTINGS.
pub(super) fn greeting_bytes() -> usize {
    let mut settings = BytesMut::new();
    Settings::of(&Limits::default()).encode(&mut settings);
    PREFACE.len() + settings.len()
}

/// Decodes the received frames, without the preface.
pub(super) fn frames(mut bytes: BytesMut) -> Vec<(Header, Vec<u8>)> {
    assert_eq!(bytes.split_to(PREFACE.len()), PREFACE[..]);
    let mut decoder = Decoder::new(1 << 20);
    let mut frames = Vec::new();
    while let Decoded::Frame(header, body) = decoder.decode(&mut bytes) {
        frames.push((header, body.to_vec()));
    }
    assert!(bytes.is_empty());
    frames
}

#[tokio::test(start_paused = true)]
async fn native_calls_split_anywhere_are_answered() {
    let whole = native_calls(&[(1, "Echo", b"one"), (2, "Echo", b"two")]);
    for cut in 1..whole.len() {
        let mut peer = peer(Limits::default());
        peer.send(&whole[..cut]);
        tokio::task::yield_now().await;
        peer.send(&whole[cut..]);
        let mut bytes = BytesMut::new();
        let expected = greeting_bytes() + 2 * (16 + 3);
        while bytes.len() < expected {
            peer.read_some(&mut bytes).await;
        }
        let replies: Vec<_> = frames(bytes).into_iter().filter(|(header, _)| header.kind == kind::RESPONSE).collect();
        assert_eq!(replies.len(), 2, "cut at {cut}");
        assert_eq!((replies[0].0.id, &replies[0].1[..]), (1, &b"one"[..]));
        assert_eq!((replies[1].0.id, &replies[1].1[..]), (2, &b"two"[..]));
    }
}

#[tokio::test(start_paused = true)]
async fn handler_is_stopped_at_its_deadline_without_a_cancel() {
    let mut peer = peer(Limits::default());
    let mut bytes = native_calls(&[]);
    let number = PROBE.methods.iter().position(|method| method.name == "Hang").unwrap() as u16;
    let header =
        Header { kind: kind::REQUEST, flags: flag::END, word: number, id: 3, value: 70_000, ..Header::default() };
    encode_frame(&mut bytes, header, b"");
    let begin = Instant::now();
    peer.send(&bytes);
    let mut got = BytesMut::new();
    while got.len() <= greeting_bytes() {
        peer.read_some(&mut got).await;
    }
    let (header, _) = frames(got).pop().unwrap();
    assert_eq!((header.kind, header.id, header.word), (kind::RESPONSE, 3, Code::DeadlineExceeded as u16));
    assert!((70..75).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn native_incomplete_frame_is_closed_after_read_timeout() {
    let whole = native_calls(&[(1, "Echo", b"one")]);
    let peer = peer(Limits::default());
    peer.send(&whole[..whole.len() - 1]);
    let (_, close, shared) = peer.read_to_end().await;
    assert_eq!(close, Close::ReadTimeout);
    assert_eq!(rejection(&shared), "half a frame within read_timeout");
}

#[tokio::test(start_paused = true)]
async fn native_frame_that_trickles_in_is_closed_after_read_timeout() {
    let limits = Limits::default();
    let peer = peer_with_window(limits.clone(), 1 << 20);
    let mut bytes = BytesMut::from(&PREFACE[..]);
    let header = Header { length: 1 << 20, kind: kind::REQUEST, flags: flag::END, id: 1, ..Header::default() };
    bytes.extend_from_slice(&header.encode().to_le_bytes());
    bytes.resize(100 << 10, 7);
    peer.send(&bytes);
    let begin = Instant::now();
    while peer.writer.try_write(b"x").is_ok() {
        assert!(begin.elapsed() < 3 * limits.read_timeout, "a byte now and then keeps the connection");
        sleep(limits.read_timeout / 2).await;
    }
    assert_eq!(peer.server.await.unwrap(), Close::ReadTimeout);
}

#[tokio::test(start_paused = true)]
async fn native_unknown_kinds_and_flags_are_skipped() {
    let mut peer = peer(Limits::default());
    let mut bytes = native_calls(&[]);
    encode_frame(&mut bytes, Header { kind: 200, flags: 0xff, ..Header::default() }, b"from the future");
    encode_frame(&mut bytes, Header { kind: kind::PING, value: 77, flags: 0x80, ..Header::default() }, b"");
    peer.send(&bytes);
    let mut got = BytesMut::new();
    while got.len() < greeting_bytes() + 16 {
        peer.read_some(&mut got).await;
    }
    let pong = frames(got).pop().unwrap().0;
    assert_eq!((pong.kind, pong.value), (kind::PONG, 77));
}

#[tokio::test(start_paused = true)]
async fn native_frame_of_unknown_kind_is_skipped_whatever_its_length() {
    let mut peer = peer(Limits { message_bytes_max: 100, metadata_bytes_max: 0, ..Limits::default() });
    let mut bytes = native_calls(&[]);
    encode_frame(&mut bytes, Header { kind: 200, ..Header::default() }, &[7; 1000]);
    encode_frame(&mut bytes, Header { kind: kind::PING, value: 77, ..Header::default() }, b"");
    peer.send(&bytes);
    let mut got = BytesMut::new();
    while got.len() < greeting_bytes() + 16 {
        peer.read_some(&mut got).await;
    }
    assert_eq!(frames(got).pop().unwrap().0.kind, kind::PONG);
}

#[tokio::test(start_paused = true)]
async fn native_violations_are_answered_by_go_away_with_the_reason() {
    let method = |number: u16, path: &[u8]| {
        let mut bytes = BytesMut::from(&PREFACE[..]);
        encode_frame(&mut bytes, Header { kind: kind::METHOD, word: number, ..Header::default() }, path);
        bytes
    };
    let mut metadata_cut = BytesMut::from(&PREFACE[..]);
    let flags = flag::END | flag::METADATA;
    encode_frame(&mut metadata_cut, Header { kind: kind::REQUEST, flags, id: 1, ..Header::default() }, b"\xff\0\0\0");
    for (bytes, part) in [
        (native_calls(&[(0, "Echo", b"")]), "call id 0"),
        (native_calls(&[(1, "Hang", b""), (1, "Echo", b"")]), "call id 1 is 0 or in use"),
        (method(7, b"a.B/C"), "method number 7 where 0 is next"),
        (method(0, &[b'x'; 600]), "600 bytes is beyond method_path_bytes_max 512"),
        (method(0, b"\xff"), "not UTF-8"),
        (metadata_cut, "metadata longer than its frame"),
    ] {
        let peer = peer(Limits::default());
        peer.send(&bytes);
        let (answer, close, shared) = peer.read_to_end().await;
        let (header, reason) = frames(answer).pop().unwrap();
        assert_eq!((header.kind, header.word), (kind::GO_AWAY, Code::Internal as u16));
        assert!(String::from_utf8(reason).unwrap().contains(part), "{part}");
        assert_eq!((close, rejection(&shared)), (Close::Protocol, "a protocol error"));
    }
}

#[tokio::test(start_paused = true)]
async fn native_preface_of_another_version_is_answered_with_our_version() {
    let peer = peer(Limits::default());
    peer.send(b"\x89MPRPC\n\x07");
    let (answer, _, shared) = peer.read_to_end().await;
    let (header, reason) = frames(answer).pop().unwrap();
    assert_eq!((header.kind, header.word), (kind::GO_AWAY, Code::Unimplemented as u16));
    assert_eq!(reason, b"version 7; this server speaks version 1");
    assert_eq!(rejection(&shared), "an unknown version of the protocol");
}

#[tokio::test(start_paused = true)]
async fn peer_that_never_reads_fills_send_buffer_bytes_max_and_is_closed_after_write_timeout() {
    let limits = Limits { send_buffer_bytes_max: 64 << 10, ..Limits::default() };
    let peer = peer_with_window(limits.clone(), 4 << 10);
    peer.send(&native_calls(&[]));
    let mut request = BytesMut::new();
    let header = Header { kind: kind::REQUEST, flags: flag::END, id: 9, ..Header::default() };
    encode_frame(&mut request, header, &[7; 1000]);
    let begin = Instant::now();
    let mut sent = 0;
    // Sends until the server reads no more. The server stops reading when its own send buffer is full.
    let flood = async {
        loop {
            let mut rest = &request[..];
            while !rest.is_empty() {
                if poll_fn(|cx| peer.writer.poll_write_ready(cx)).await.is_err() {
                    return;
                }
                match peer.writer.try_write(rest) {
                    Ok(written) => rest = &rest[written..],
                    Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                    Err(_) => return,
                }
            }
            sent += request.len();
        }
    };
    timeout(Duration::from_secs(60), flood).await.expect("the server closes a peer that does not read");
    assert!(sent < 4 * limits.send_buffer_bytes_max, "{sent} bytes were taken from a peer that does not read");
    assert_eq!(begin.elapsed().as_secs(), limits.write_timeout.as_secs());
    assert_eq!(peer.server.await.unwrap(), Close::WriteTimeout);
    assert_eq!(rejection(&peer.shared), "a peer that does not read within write_timeout");
}

#[tokio::test(start_paused = true)]
async fn server_resumes_reading_after_a_slow_peer_reads() {
    let limits = Limits { send_buffer_bytes_max: 1 << 10, ..Limits::default() };
    let mut peer = peer_with_window(limits, 16 << 10);
    peer.send(&native_calls(&[]));
    let mut request = BytesMut::new();
    let header = Header { kind: kind::REQUEST, flags: flag::END, id: 9, ..Header::default() };
    encode_frame(&mut request, header, &[7; 1008]);
    let mut replies = BytesMut::new();
    while peer.read_some(&mut replies).await > 0 && replies.len() < greeting_bytes() {}
    // The replies to the first requests fill the pipe and the send buffer. Later requests wait in the other pipe.
    let mut sent = 0;
    while let Ok(written) = peer.writer.try_write(&request[sent % 1024..]) {
        sent += written;
        tokio::task::yield_now().await;
    }
    let whole = greeting_bytes() + sent / 1024 * 1024;
    let reading = async {
        while replies.len() < whole {
            peer.read_some(&mut replies).await;
        }
    };
    timeout(Duration::from_secs(1), reading).await.expect("every request is answered once its replies are read");
}

#[tokio::test(start_paused = true)]
async fn replies_keep_to_the_callers_message_limit() {
    let mut peer = peer(Limits::default());
    let mut bytes = BytesMut::from(&PREFACE[..]);
    Settings::of(&Limits { message_bytes_max: 10, ..Limits::default() }).encode(&mut bytes);
    bytes.extend_from_slice(&native_calls(&[(1, "Echo", b"more than ten bytes")])[PREFACE.len()..]);
    peer.send(&bytes);
    let mut got = BytesMut::new();
    while got.len() <= greeting_bytes() {
        peer.read_some(&mut got).await;
    }
    let (header, error) = frames(got).pop().unwrap();
    assert_eq!(header.word, Code::ResourceExhausted as u16);
    assert!(String::from_utf8_lossy(&error).contains("19 bytes is beyond message_bytes_max 10"));
}

#[tokio::test(start_paused = true)]
async fn large_replies_to_small_requests_wait_for_the_peer_to_read() {
    let limits = Limits { send_buffer_bytes_max: 64 << 10, ..Limits::default() };
    let mut peer = peer_with_window(limits, 1 << 20);
    let mut bytes = native_calls(&[]);
    let calls = 1000;
    let number = PROBE.methods.iter().position(|method| method.name == "Large").unwrap() as u16;
    for id in 1..=calls {
        let header = Header { kind: kind::REQUEST, flags: flag::END, word: number, id, ..Header::default() };
        encode_frame(&mut bytes, header, b"");
    }
    peer.send(&bytes);
    sleep(Duration::from_millis(1)).await;
    let begun = peer.shared.stats().calls;
    assert!((1..50).contains(&begun), "{begun} calls were begun for a peer that has not read a byte");
    let mut got = BytesMut::new();
    let whole = greeting_bytes() + calls as usize * (16 + LARGE_BYTES);
    while got.len() < whole {
        assert!(peer.read_some(&mut got).await > 0);
    }
    let replies = frames(got).into_iter().filter(|(header, _)| header.kind == kind::RESPONSE);
    assert_eq!(replies.count(), calls as usize);
}

#[tokio::test(start_paused = true)]
async fn drain_during_the_greeting_sends_go_away_after_settings() {
    let peer = peer(Limits::default());
    peer.send(&PREFACE[..PREFACE.len() - 1]);
    sleep(Duration::from_millis(1)).await;
    peer.shared.drain();
    sleep(Duration::from_millis(1)).await;
    peer.send(&PREFACE[PREFACE.len() - 1..]);
    sleep(Duration::from_millis(1)).await;
    let Peer { mut reader, writer, server, .. } = peer;
    drop(writer);
    assert_eq!(server.await.unwrap(), Close::PeerClosed);
    let mut got = BytesMut::new();
    while poll_fn(|cx| reader.poll_read(cx, &mut got)).await.unwrap() > 0 {}
    let kinds: Vec<u8> = frames(got).into_iter().map(|(header, _)| header.kind).collect();
    assert_eq!(kinds, [kind::SETTINGS, kind::GO_AWAY]);
}

#[tokio::test(start_paused = true)]
async fn drain_finishes_a_classic_call_and_closes_silent_connections() {
    let asking = peer(Limits::default());
    asking.send(&classic_request("Sleep", b"late"));
    tokio::task::yield_now().await;
    asking.shared.drain();
    let (bytes, close, _) = asking.read_to_end().await;
    assert_eq!((&bytes[..], close), (&b"late"[..], Close::Answered));

    let silent = peer(Limits::default());
    tokio::task::yield_now().await;
    silent.shared.drain();
    let (bytes, close, _) = silent.read_to_end().await;
    assert_eq!((bytes.len(), close), (0, Close::Done));
}
