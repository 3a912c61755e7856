//! Streams a GiB over loopback. The stream arrives whole, and neither side ever holds much of it.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

mod support {
    pub(crate) mod allocations;
}

use std::sync::Arc;

use mprpc::{
    Body, BoxFuture, Bytes, Channel, ChannelOptions, Codec, Context, Idempotency, MethodDescriptor, MethodKind,
    RawClient, Server, Service, ServiceDescriptor, Status, Streaming,
};
use support::allocations::Counting;
use twox_hash::XxHash64;

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

const MESSAGE_BYTES: usize = 64 << 10;
const MESSAGES: u64 = (1 << 30) / MESSAGE_BYTES as u64;
/// The most memory that client and server together may hold beyond what they held before the call.
const HELD_BYTES_MAX: usize = 16 << 20;

static FILES: ServiceDescriptor = ServiceDescriptor {
    name: "test.Files",
    methods: &[MethodDescriptor::new(
        "Read",
        "test.Files/Read",
        MethodKind::ServerStreaming,
        Idempotency::NoSideEffects,
    )],
    files: &[],
};

struct Files(Arc<[u8]>);

impl Service for Files {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &FILES
    }

    fn call(&self, _: usize, _: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let random = self.0.clone();
        let messages = (0..MESSAGES).map(move |index| Ok(message(&random, index)));
        Box::pin(std::future::ready(Ok(Body::Stream(Streaming::new(futures_util::stream::iter(messages))))))
    }
}

/// Creates message `index`. No two messages are equal.
fn message(random: &[u8], index: u64) -> Bytes {
    let mut message = random.to_vec();
    message[..8].copy_from_slice(&index.to_le_bytes());
    message.into()
}

#[tokio::test]
async fn stream_of_a_gib_arrives_whole_in_bounded_memory() {
    let random: Arc<[u8]> = std::iter::repeat_with(|| fastrand::u8(..)).take(MESSAGE_BYTES).collect();
    let running = Server { loops: 1, ..Server::default() }.add(Files(random.clone())).start().unwrap();
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    let channel = Channel::with_options(&running.addresses()[0].to_string(), options).unwrap();
    let mut sent = XxHash64::with_seed(0);
    (0..MESSAGES).for_each(|index| std::hash::Hasher::write(&mut sent, &message(&random, index)));

    ALLOCATOR.begin();
    let files = RawClient::new(channel, "test.Files");
    let call = files.call("Read", MethodKind::ServerStreaming, Body::Message(Bytes::new()));
    let mut stream = call.await.unwrap().into_stream();
    let mut received = XxHash64::with_seed(0);
    let mut bytes = 0;
    while let Some(message) = stream.next().await {
        let message = message.unwrap();
        bytes += message.len();
        std::hash::Hasher::write(&mut received, &message);
    }
    assert_eq!(bytes, 1 << 30);
    assert_eq!(std::hash::Hasher::finish(&received), std::hash::Hasher::finish(&sent));
    let held = ALLOCATOR.most_since_begin();
    println!("a GiB streamed; {held} bytes were held at most");
    assert!(held <= HELD_BYTES_MAX, "{held} bytes were held");
    running.stop().await;
}
