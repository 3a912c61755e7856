//! Tests of handlers that run on other threads than their connection: reading meanwhile, expiry in the queue, and limits.

use std::sync::{Condvar, Mutex};

use bytes::BytesMut;

use super::limits::{EXHAUSTED, answered, greeting, ms, number, said};
use super::raw::{Peer, peer_of};
use super::*;
use crate::method::Placement;
use crate::protocol::native::flag;
use crate::protocol::native::tests::frame;

/// Handlers that hold their thread until the gate opens.
#[derive(Clone, Default)]
struct Gate(Arc<(Mutex<GateState>, Condvar)>);

#[derive(Default)]
struct GateState {
    is_open: bool,
    begun: Vec<u8>,
}

impl Gate {
    fn open(&self) {
        self.0.0.lock().unwrap().is_open = true;
        self.0.1.notify_all();
    }

    /// Waits until `count` handlers have begun. Returns the first byte of each request, in the order of the handlers.
    async fn begun(&self, count: usize) -> Vec<u8> {
        loop {
            let begun = self.0.0.lock().unwrap().begun.clone();
            if begun.len() >= count {
                return begun;
            }
            tokio::task::yield_now().await;
        }
    }

    fn pass(&self, message: &[u8]) {
        let mut state = self.0.0.lock().unwrap();
        state.begun.extend(message.first());
        self.0.1.notify_all();
        drop(self.0.1.wait_while(state, |state| !state.is_open).unwrap());
    }
}

/// A service whose `Echo` blocks its thread at the gate. All other methods are those of [`Probe`].
struct Gated(Gate);

impl Service for Gated {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &PROBE
    }

    fn call(&self, method: usize, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        if PROBE.methods[method].name != "Echo" {
            return Probe.call(method, context, request, codec);
        }
        let gate = self.0.clone();
        Box::pin(async move {
            let message = request.into_message()?;
            gate.pass(&message);
            Ok(Body::Message(message))
        })
    }
}

fn placed(placement: Placement) -> std::collections::BTreeMap<String, Placement> {
    // All other methods run inline, as most measured handlers do.
    [("test.Probe".to_owned(), Placement::Inline), ("test.Probe/Echo".to_owned(), placement)].into()
}

async fn greeted(shared: &Arc<Shared>) -> Peer {
    let mut peer = peer_of(shared.clone(), 1 << 20);
    peer.send(&greeting(&Limits::default()));
    said(&mut peer).await;
    peer
}

fn request(id: u32, name: &str, body: &[u8], time: Duration) -> BytesMut {
    let (word, value) = (number(name), time.as_micros() as u32);
    frame(Header { kind: kind::REQUEST, flags: flag::END, word, id, value, ..Header::default() }, body)
}

fn cancel(id: u32) -> BytesMut {
    frame(Header { kind: kind::CANCEL, word: 1, id, ..Header::default() }, b"")
}

/// Waits for the next `count` RESPONSEs and returns them sorted by id.
async fn responses(peer: &mut Peer, count: usize) -> Vec<(Header, Bytes)> {
    let mut bytes = BytesMut::new();
    loop {
        assert!(peer.read_some(&mut bytes).await > 0);
        let mut found = decode(bytes.clone());
        found.retain(|(header, _)| header.kind == kind::RESPONSE);
        if found.len() >= count {
            found.sort_by_key(|(header, _)| header.id);
            return found;
        }
    }
}

async fn response(peer: &mut Peer) -> (Header, Bytes) {
    let mut found = responses(peer, 1).await;
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn ids(found: &[(Header, Bytes)]) -> Vec<u32> {
    found.iter().map(|(header, _)| header.id).collect()
}

#[tokio::test]
async fn connection_is_read_while_a_handler_holds_its_thread() {
    let gate = Gate::default();
    let mut server = Server { placement: placed(Placement::Blocking), ..Server::default() };
    server = server.add(Gated(gate.clone()));
    let shared = server.share().unwrap();
    let mut peer = greeted(&shared).await;
    peer.send(&request(1, "Echo", b"a", ms(0)));
    peer.send(&frame(Header { kind: kind::PING, value: 7, ..Header::default() }, b""));
    peer.send(&request(2, "Fail", b"", ms(0)));
    let (header, _) = response(&mut peer).await;
    assert_eq!((header.id, header.word), (2, Code::NotFound as u16));
    // The server keeps the deadline of a call although its handler does not return.
    peer.send(&request(3, "Echo", b"b", ms(20)));
    let (header, _) = response(&mut peer).await;
    assert_eq!((header.id, header.word, header.has(flag::NOT_RUN)), (3, Code::DeadlineExceeded as u16, false));
    gate.open();
    assert_eq!(response(&mut peer).await.0.id, 1);
}

#[tokio::test]
async fn calls_that_expire_or_are_cancelled_while_blocking_threads_max_are_busy_never_reach_their_handler() {
    let gate = Gate::default();
    let limits = Limits { blocking_threads_max: 1, ..Limits::default() };
    let server =
        Server { placement: placed(Placement::Blocking), limits, overload_protection: false, ..Server::default() };
    let shared = server.add(Gated(gate.clone())).share().unwrap();
    let mut peer = greeted(&shared).await;
    peer.send(&request(1, "Echo", b"1", ms(0)));
    gate.begun(1).await;
    peer.send(&request(2, "Echo", b"2", ms(10)));
    let (header, body) = response(&mut peer).await;
    assert_eq!((header.id, header.word, header.has(flag::NOT_RUN)), (2, Code::DeadlineExceeded as u16, true));
    assert!(String::from_utf8_lossy(&body).contains("queued 1"), "the story says how long it was queued: {body:?}");
    peer.send(&request(3, "Echo", b"3", ms(0)));
    peer.send(&cancel(3));
    assert_eq!(response(&mut peer).await.0.id, 3);
    peer.send(&request(4, "Echo", b"4", ms(0)));
    gate.open();
    assert_eq!(ids(&responses(&mut peer, 2).await), [1, 4]);
    assert_eq!(gate.begun(2).await, b"14");
}

#[tokio::test]
async fn call_beyond_queue_calls_max_is_refused_with_the_limits_name() {
    let gate = Gate::default();
    let limits = Limits { blocking_threads_max: 1, queue_calls_max: 2, ..Limits::default() };
    let server = Server { placement: placed(Placement::Blocking), limits, ..Server::default() };
    let shared = server.add(Gated(gate.clone())).share().unwrap();
    let mut peer = greeted(&shared).await;
    peer.send(&request(1, "Echo", b"1", ms(0)));
    gate.begun(1).await;
    (2..=4).for_each(|id| peer.send(&request(id, "Echo", &[id as u8], ms(0))));
    let (header, body) = response(&mut peer).await;
    assert_eq!((header.id, header.word, header.has(flag::NOT_RUN)), (4, EXHAUSTED, true));
    assert!(String::from_utf8_lossy(&body).contains("queue_calls_max 2"), "{body:?}");
    assert_eq!((shared.stats().calls_refused, shared.stats().calls_waiting), (1, 2));
    gate.open();
    assert_eq!(ids(&responses(&mut peer, 3).await), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn spread_handlers_behave_like_other_handlers() {
    let server = Server { placement: [("test.Probe".to_owned(), Placement::Spread)].into(), ..Server::default() };
    let shared = server.add(Probe).share().unwrap();
    let pair = pair_with(shared.clone(), Limits::default());
    assert_eq!(pair.caller.unary(&super::request("Sleep", "late")).await.unwrap(), "late");
    let status = pair.caller.unary(&super::request("Fail", "")).await.unwrap_err();
    assert_eq!((status.code(), status.ran(), status.phase()), (Code::NotFound, Ran::Yes, None));
    let status = pair.caller.unary(&super::request("Panic", "")).await.unwrap_err();
    assert_eq!(status.code(), Code::Internal);
    let status = pair.caller.unary(&super::request("Hang", "")).await.unwrap_err();
    assert_eq!((status.code(), status.phase()), (Code::DeadlineExceeded, Some(Phase::Handle)));
    assert!(timeout(ms(1), pair.caller.unary(&super::request("PanicInDrop", ""))).await.is_err());
    assert_eq!(pair.caller.unary(&super::request("Echo", "on")).await.unwrap(), "on");
    let mut peer = greeted(&shared).await;
    let hundred = [&100u32.to_le_bytes()[..], &10u32.to_le_bytes()].concat();
    peer.send(&request(1, "Count", &hundred, ms(0)));
    let frames = said(&mut peer).await;
    assert_eq!(frames.iter().filter(|(header, _)| header.kind == kind::DATA).count(), 100);
    assert!(frames.last().unwrap().0.has(flag::END));
    // All memory is released and no call waits.
    assert_eq!((shared.stats().memory_bytes, shared.stats().calls_waiting), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn short_measured_method_is_answered_in_the_same_turn() {
    let shared = Server::default().add(Probe).share().unwrap();
    let mut peer = greeted(&shared).await;
    for _ in 0..200 {
        peer.send(&request(1, "Echo", b"short", ms(0)));
        assert_eq!(answered(&mut peer).await.0, 0);
    }
    // One read brings two calls with the same id. The first call ends before the server decodes the second.
    let twice = [request(1, "Echo", b"", ms(0)), request(1, "Echo", b"", ms(0))].concat();
    peer.send(&twice);
    assert_eq!(said(&mut peer).await.len(), 2);
}

#[test]
fn unknown_method_in_placement_is_an_error_with_its_name() {
    let placement = [("test.Probe/Nothing".to_owned(), Placement::Spread)].into();
    let error = Server { placement, ..Server::default() }.add(Probe).share().err().unwrap();
    assert!(error.to_string().contains("test.Probe/Nothing"), "{error}");
}
