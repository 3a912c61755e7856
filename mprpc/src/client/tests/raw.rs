//! Tests of misbehaving peers, and of connections that end at the worst moment: the status that callers get.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::runtime::Builder;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use super::{AM, WHO};
use crate::client::{Multiplexed, Request};
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::net::{Reader, Stream, Writer, clock};
use crate::protocol::native::{Header, PREFACE, Settings, encode_frame, flag, kind};
use crate::status::{Code, Ran};

/// A client and a handwritten server at the other end.
pub(super) struct Peer {
    pub(super) caller: Multiplexed,
    pub(super) reader: Reader,
    pub(super) writer: Writer,
}

pub(super) fn peer(limits: &Limits, capacity: usize) -> Peer {
    let address = Address::Memory("test".into());
    let (near, far) = Stream::pair(address.clone(), capacity);
    Peer { caller: Multiplexed::open(near, &address, &Arc::default(), limits), reader: far.reader, writer: far.writer }
}

impl Peer {
    pub(super) async fn read_some(&mut self, buffer: &mut BytesMut) -> usize {
        poll_fn(|cx| self.reader.poll_read(cx, buffer)).await.unwrap()
    }
}

/// The size of a client's preface and SETTINGS.
pub(super) fn greeting_bytes() -> usize {
    let mut settings = BytesMut::new();
    Settings::of(&Limits::default()).encode(&mut settings);
    PREFACE.len() + settings.len()
}

pub(super) fn request(message: Vec<u8>) -> Request {
    let deadline = Deadline::after(clock::now(), Duration::from_secs(60));
    let context = crate::Context::new(&WHO.methods[AM], None, deadline, Metadata::new());
    Request::new(context, crate::Body::Message(message.into()), deadline, |_| true)
}

/// A waker that runs a function once, on the first wake.
struct OnWake(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for OnWake {
    fn wake(self: Arc<Self>) {
        if let Some(work) = self.0.lock().unwrap().take() {
            work();
        }
    }
}

#[test]
fn request_may_have_run_if_the_connection_is_lost_during_its_write() {
    let runtime = Arc::new(Builder::new_current_thread().enable_time().build().unwrap());
    let _entered = runtime.enter();
    let Peer { caller, mut reader, writer } = peer(&Limits::default(), 64 << 10);
    runtime.block_on(yield_now());
    // The server receives the whole request and closes. The driver sees the close before the caller's write returns.
    let driver = runtime.clone();
    let go = OnWake(Mutex::new(Some(Box::new(move || {
        drop(writer);
        driver.block_on(yield_now());
    }))));
    let go = Waker::from(Arc::new(go));
    while reader.poll_read(&mut Context::from_waker(&go), &mut BytesMut::new()).is_ready() {}
    let request = request(b"run me once".to_vec());
    let Poll::Ready(Err(status)) = pin!(caller.unary(&request)).poll(&mut Context::from_waker(Waker::noop())) else {
        panic!("the connection is lost");
    };
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
}

#[tokio::test(start_paused = true)]
async fn connection_to_a_slow_reading_peer_stays_open() {
    let limits = Limits { write_timeout: Duration::from_secs(3), ..Limits::default() };
    let mut peer = peer(&limits, 4 << 10);
    let mut received = BytesMut::new();
    while received.len() < greeting_bytes() {
        peer.read_some(&mut received).await;
    }
    peer.writer.try_write(&PREFACE).unwrap();
    let request = request(vec![7; 100 << 10]);
    let Peer { caller, mut reader, writer: _writer } = peer;
    let reading = async {
        while received.len() < (100 << 10) {
            sleep(Duration::from_secs(1)).await;
            let read = poll_fn(|cx| reader.poll_read(cx, &mut received)).await.unwrap();
            assert!(read > 0, "the connection was closed after {} bytes", received.len());
        }
    };
    tokio::select! { outcome = caller.unary(&request) => panic!("{outcome:?}"), () = reading => {} }
}

#[tokio::test(start_paused = true)]
async fn connection_without_owner_closes_despite_abandoned_calls() {
    let Peer { caller, mut reader, writer: _writer } = peer(&Limits::default(), 64 << 10);
    assert!(timeout(Duration::from_millis(10), caller.unary(&request(Vec::new()))).await.is_err());
    drop(caller);
    let mut bytes = BytesMut::new();
    let ended = async { while poll_fn(|cx| reader.poll_read(cx, &mut bytes)).await.unwrap() > 0 {} };
    timeout(Duration::from_secs(1), ended).await.expect("the connection is closed");
}

#[tokio::test(start_paused = true)]
async fn go_away_reason_reaches_the_calls_that_it_ends() {
    let Peer { caller, reader: _reader, writer } = peer(&Limits::default(), 64 << 10);
    let mut bytes = BytesMut::from(&PREFACE[..]);
    let header = Header { kind: kind::GO_AWAY, word: Code::Internal as u16, ..Header::default() };
    encode_frame(&mut bytes, header, b"a method number out of order");
    let request = request(Vec::new());
    let (outcome, ()) = tokio::join!(caller.unary(&request), async {
        // The request is sent by now.
        yield_now().await;
        writer.try_write(&bytes).unwrap();
        drop(writer);
    });
    let status = outcome.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe));
    assert!(status.message().contains("a method number out of order"), "{status}");
}

#[tokio::test(start_paused = true)]
async fn unary_call_accepts_a_stream_of_one_and_a_second_message_fails_only_that_call() {
    let Peer { caller, reader: _reader, writer } = peer(&Limits::default(), 64 << 10);
    // The frames are RESPONSE 1 with OPEN, DATA 1 "one" (twice for the second call), and RESPONSE 1 with OPEN and
    // END.
    let frame = |kind, flags, body: &[u8]| {
        let mut bytes = BytesMut::new();
        encode_frame(&mut bytes, Header { kind, flags, id: 1, ..Header::default() }, body);
        bytes
    };
    let begin = frame(kind::RESPONSE, flag::OPEN, b"");
    let data = frame(kind::DATA, 0, b"one");
    assert_eq!(data[..], *b"\x03\0\0\0\x05\0\0\0\x01\0\0\0\0\0\0\0one");
    let end = frame(kind::RESPONSE, flag::OPEN | flag::END, b"");
    let one = [&PREFACE[..], &begin, &data, &end].concat();
    let two = [&begin[..], &data, &data, &end].concat();
    let last = frame(kind::RESPONSE, flag::END, b"three");
    for (answer, expected) in [(one, Ok("one")), (two, Err(Code::Internal)), (last.to_vec(), Ok("three"))] {
        let request = request(Vec::new());
        let (outcome, ()) = tokio::join!(caller.unary(&request), async {
            yield_now().await;
            writer.try_write(&answer).unwrap();
        });
        assert_eq!(outcome.map_err(|status| status.code()), expected.map(Bytes::from));
    }
}
