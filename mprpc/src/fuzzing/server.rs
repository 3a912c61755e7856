//! A server with four methods, whose connection carries the bytes of the fuzzer, in memory and under virtual time.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::{sleep, timeout};

use super::script::Step;
use crate::codec::Codec;
use crate::context::Context;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, Placement, ServiceDescriptor};
use crate::net::connection::{Turn, drive};
use crate::net::{Stream, clock};
use crate::server::watched::{Watched, holds_no_more_than};
use crate::server::{Server, Transport};
use crate::service::{Body, BoxFuture, Service};
use crate::status::Status;
use crate::streaming::Streaming;

const fn method(name: &'static str, path: &'static str, kind: MethodKind) -> MethodDescriptor {
    MethodDescriptor::new(name, path, kind, Idempotency::NoSideEffects).placed(Placement::Inline)
}

/// One method of each kind, with short names.
pub(super) static METHODS: ServiceDescriptor = ServiceDescriptor {
    name: "f.F",
    methods: &[
        method("One", "f.F/One", MethodKind::Unary),
        method("Up", "f.F/Up", MethodKind::ClientStreaming),
        method("Down", "f.F/Down", MethodKind::ServerStreaming),
        method("Talk", "f.F/Talk", MethodKind::Bidirectional),
    ],
    files: &[],
};

/// Answers at once, late, or long after everybody has given up, and may leave streams unread. The first byte of the first
/// message decides.
struct Handlers;

impl Service for Handlers {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &METHODS
    }

    fn call(&self, method: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let kind = METHODS.methods[method].kind;
        Box::pin(async move {
            let mut requests = request.into_stream();
            let first = requests.next().await.transpose()?.unwrap_or_default();
            match first.first().map_or(0, |first| first % 8) {
                0 if kind.streams_replies() => return Ok(Body::Stream(requests)),
                0 => {
                    while let Some(message) = requests.next().await.transpose()? {
                        drop(message);
                    }
                }
                1 => sleep(HOUR / 2).await,
                2 => sleep(Duration::from_millis(first[0].into())).await,
                3 => return Err(Status::not_found("none, 50 % of it")),
                4 if kind.streams_replies() => {
                    let replies = (0..50).map(|_| Bytes::from_static(&[7; REPLY_BYTES]));
                    return Ok(Body::Stream(Streaming::of(replies)));
                }
                4 => return Ok(Body::Message(Bytes::from_static(&[7; REPLY_BYTES]))),
                _ => {}
            }
            Ok(Body::Message(first))
        })
    }
}

const REPLY_BYTES: usize = 3000;

/// Small limits, so that short inputs reach them.
pub(super) fn limits() -> Limits {
    Limits {
        message_bytes_max: 40_000,
        metadata_bytes_max: 500,
        http_head_bytes_max: 2000,
        in_flight_max: 8,
        methods_max: 6,
        stream_window_bytes: 100_000,
        connection_window_bytes: 300_000,
        send_buffer_bytes_max: 20_000,
        http_resets_max: 20,
        ..Limits::default()
    }
}

/// Runs `work` under virtual time.
pub(super) fn run(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime without sockets").block_on(work);
}

/// Takes the steps on a connection to a server. The connection must end, and leave no memory behind. Returns the bytes that
/// the server has sent.
///
/// A silent peer stays connected; any other closes the connection.
pub(super) fn serve(steps: impl Iterator<Item = Step>, is_silent: bool) -> BytesMut {
    let mut sent = BytesMut::new();
    run(async {
        let shared = Server { limits: limits(), ..Server::default() }.add(Handlers).share().expect("it is valid");
        let (mut near, far) = Stream::pair(Address::Memory("fuzz".to_owned()), PIPE_BYTES);
        let transport = Transport::new(shared.clone(), far.peer.clone(), clock::now());
        let look = |transport: &Transport, turn: &Turn<'_, '_>| holds_no_more_than(&limits(), transport, turn);
        let session = Watched { transport, look };
        let mut server = tokio::spawn(async move { drive(far, session, &limits()).await });
        take(steps, &mut near, &mut sent).await;
        let kept = is_silent.then_some(near);
        let ended = timeout(HOUR, &mut server).await.expect("the connection ends by itself");
        ended.expect("no panic");
        drop(kept);
        assert_eq!(shared.stats().memory_bytes, 0, "memory is left behind");
    });
    sent
}

/// Takes the steps at this end of a connection, until the other end is gone or does not read. Appends to `received` what
/// arrives.
pub(super) async fn take(steps: impl Iterator<Item = Step>, near: &mut Stream, received: &mut BytesMut) {
    for step in steps {
        match step {
            Step::Wait(time) => sleep(time).await,
            Step::Read => read(near, received).await,
            Step::Send(mut bytes) => {
                let mut refused = 0;
                while !bytes.is_empty() && refused < 10 {
                    match near.writer.try_write(&bytes) {
                        Ok(written) => drop(bytes.split_to(written)),
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => refused += 1,
                        Err(_) => return,
                    }
                    tokio::task::yield_now().await;
                }
            }
        }
    }
    read(near, received).await;
}

/// Reads all that has arrived.
async fn read(near: &mut Stream, received: &mut BytesMut) {
    sleep(Duration::from_millis(1)).await;
    poll_fn(|cx| {
        loop {
            match near.reader.poll_read(cx, received) {
                Poll::Ready(Ok(1..)) => {}
                Poll::Ready(_) | Poll::Pending => return Poll::Ready(()),
            }
        }
    })
    .await;
}

const PIPE_BYTES: usize = 64 << 10;
pub(super) const HOUR: Duration = Duration::from_secs(3600);
