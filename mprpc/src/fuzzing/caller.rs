//! A client with calls in flight, whose connection carries the bytes of the fuzzer, in memory and under virtual time.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::script::Step;
use super::server::{HOUR, METHODS, limits, run, take};
use crate::client::{Multiplexed, Request};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::net::{Stream, clock};
use crate::service::Body;
use crate::streaming::Streaming;

/// Two calls of each method. Every second call leaves its replies unread for a while.
const CALLS: usize = 8;

/// Makes calls on a connection whose other end takes the steps. Every call must end. Returns the bytes that the client has
/// sent.
pub(super) fn call(
    open: fn(Stream, &Address, &Limits) -> Multiplexed,
    steps: impl Iterator<Item = Step>,
    is_silent: bool,
) -> BytesMut {
    let mut sent = BytesMut::new();
    run(async {
        let address = Address::Memory("fuzz".to_owned());
        let (near, mut far) = Stream::pair(address.clone(), PIPE_BYTES);
        let client = Arc::new(open(near, &address, &limits()));
        let mut calls = JoinSet::new();
        for number in 0..CALLS {
            calls.spawn(one(client.clone(), number));
        }
        tokio::task::yield_now().await;
        take(steps, &mut far, &mut sent).await;
        let held_max = limits().connection_window_bytes + CALLS * (limits().message_bytes_max + 5000);
        assert!(client.received_bytes() <= held_max as u64, "{} bytes are not read", client.received_bytes());
        let kept = is_silent.then_some(far);
        let ended = async {
            while let Some(ended) = calls.join_next().await {
                ended.expect("no panic");
            }
        };
        timeout(HOUR, ended).await.expect("every call ends");
        drop((kept, client));
        // The driver notices that nobody needs it.
        tokio::task::yield_now().await;
    });
    sent
}

async fn one(client: Arc<Multiplexed>, number: usize) {
    let method = &METHODS.methods[number % METHODS.methods.len()];
    let deadline = Deadline::after(clock::now(), Duration::from_secs(60));
    let body = match method.kind.streams_requests() {
        true => Body::Stream(Streaming::of((0..20).map(|_| Bytes::from_static(&[7; 2000])))),
        false => Body::Message(Bytes::from_static(&[7; 300])),
    };
    let request = Request::new(Context::new(method, None, deadline, Metadata::new()), body, deadline, |_| true);
    let Ok(Body::Stream(mut replies)) = client.call(&request).await else { return };
    if number < METHODS.methods.len() {
        sleep(Duration::from_secs(30)).await;
    }
    while let Some(Ok(_)) = replies.next().await {}
}

const PIPE_BYTES: usize = 64 << 10;
