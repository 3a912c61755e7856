//! An mprpc caller calls gRPC servers of other implementations: grpcio of PyPI, and `@grpc/grpc-js` of npm.

use std::time::Duration;

use mprpc::{Body, Bytes, Channel, ChannelOptions, Code, Limits, MethodKind, RawClient, Streaming};

use crate::peer::Peer;

/// A running server. It stops when this is dropped.
struct Server {
    peer: Peer,
    port: u16,
}

impl Server {
    /// Starts a server of each implementation. Arguments: the streams of a connection, and `gzip`.
    fn each(arguments: &[&str]) -> [Server; 2] {
        let peers = [
            Peer::python("mprpc/tests/grpc/server.py", arguments),
            Peer::node("mprpc/tests/node/server.js", arguments),
        ];
        peers.map(|peer| Server { port: peer.line().parse().unwrap(), peer })
    }

    fn client(&self, options: ChannelOptions) -> RawClient {
        let channel = Channel::with_options(&format!("grpc://127.0.0.1:{}", self.port), options).unwrap();
        RawClient::new(channel, "test.Peer")
    }
}

async fn collected(mut stream: Streaming<Bytes>) -> Vec<Bytes> {
    let mut all = Vec::new();
    while let Some(message) = stream.next().await {
        all.push(message.unwrap());
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_all_kinds_reach_the_server() {
    for server in Server::each(&[]) {
        let client = server.client(ChannelOptions::default());
        assert_eq!(client.unary("Echo", "hello").await.unwrap(), "hello");
        assert_eq!(client.unary("Echo", "").await.unwrap(), "");
        let replies = client.call("Count", MethodKind::ServerStreaming, Body::Message("3".into())).await.unwrap();
        assert_eq!(collected(replies.into_stream()).await, ["0", "1", "2"]);
        let requests = Body::Stream(Streaming::of(["ab", "cde"].map(Bytes::from)));
        let total = client.call("Total", MethodKind::ClientStreaming, requests).await.unwrap();
        assert_eq!(total.into_message().unwrap(), "5");
        let requests = Body::Stream(Streaming::of(["ab", "cde"].map(Bytes::from)));
        let talk = client.call("Talk", MethodKind::Bidirectional, requests).await.unwrap();
        assert_eq!(collected(talk.into_stream()).await, ["AB", "CDE"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn bidirectional_stream_answers_each_message_before_the_next_is_sent() {
    for server in Server::each(&[]) {
        let (sender, requests) = Streaming::channel(1);
        let client = server.client(ChannelOptions::default());
        // The server sends the head of its response with its first message.
        let talk = client.call("Talk", MethodKind::Bidirectional, Body::Stream(requests)).await.unwrap();
        let mut replies = talk.into_stream();
        for word in ["a", "b", "c"] {
            sender.send(Bytes::from(word)).await.unwrap();
            assert_eq!(replies.next().await.unwrap().unwrap(), word.to_uppercase());
        }
        sender.finish();
        assert!(replies.next().await.is_none());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_and_failures_arrive_as_the_server_sent_them() {
    for server in Server::each(&[]) {
        let client = server.client(ChannelOptions::default());
        let call = client.unary("Echo", "x").metadata("tenant", "blue").metadata("blob-bin", [0xfb, 0xff]);
        let reply = call.with_metadata().await.unwrap();
        assert_eq!(reply.context().reply_metadata().text("tenant"), Some("blue"));
        assert_eq!(reply.context().trailer().value("blob-bin"), Some(&[0xfb, 0xff][..]));
        let status = client.unary("Fail", &b"\x08\x09\x12\x0dfrom-details"[..]).await.unwrap_err();
        assert_eq!((status.code(), status.trailer().text("cost")), (Code::FailedPrecondition, Some("7")));
        let status = client.unary("Nothing", "").await.unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn deadline_is_sent_and_an_expired_call_is_cancelled_at_the_server() {
    for server in Server::each(&[]) {
        let client = server.client(ChannelOptions::default());
        let left = client.unary("Deadline", "").timeout(Duration::from_secs(20)).await.unwrap();
        let left: f64 = std::str::from_utf8(&left).unwrap().parse().unwrap();
        assert!((10.0..=20.0).contains(&left), "{left}");
        let status = client.unary("Sleep", "60").timeout(Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        assert_eq!(server.peer.line(), "cancelled");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn large_messages_pass_in_both_directions() {
    for server in Server::each(&[]) {
        let client = server.client(ChannelOptions::default());
        let message = Bytes::from(vec![7; 10 << 20]);
        assert_eq!(client.unary("Echo", message.clone()).timeout(Duration::from_secs(30)).await.unwrap(), message);
        let small =
            ChannelOptions { limits: Limits { message_bytes_max: 1000, ..Limits::default() }, ..Default::default() };
        let status = server.client(small).unary("Large", "1001").await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert!(status.message().contains("message_bytes_max 1000"), "{status}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_beyond_the_servers_streams_wait_for_their_turn() {
    for server in Server::each(&["4"]) {
        let client = server.client(ChannelOptions::default());
        let calls: Vec<_> = (0..64).map(|number: u32| (number, client.unary("Echo", number.to_string()))).collect();
        let calls = calls.into_iter().map(|(number, call)| tokio::spawn(async move { (number, call.await) }));
        for call in calls.collect::<Vec<_>>() {
            let (number, reply) = call.await.unwrap();
            assert_eq!(reply.unwrap(), number.to_string());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn server_that_goes_away_finishes_the_calls_that_it_has() {
    for mut server in Server::each(&[]) {
        let client = server.client(ChannelOptions::default());
        let sleeping = client.unary("Sleep", "1").timeout(Duration::from_secs(20));
        let sleeping = tokio::spawn(async move { sleeping.await });
        // The second call proves that the first one has arrived: the server reads them in order.
        client.unary("Echo", "x").await.unwrap();
        server.peer.say("stop");
        assert_eq!(sleeping.await.unwrap().unwrap(), "awake");
    }
}

#[cfg(feature = "gzip")]
#[tokio::test(flavor = "multi_thread")]
async fn compressed_messages_pass_in_both_directions() {
    for server in Server::each(&["100", "gzip"]) {
        let options = ChannelOptions { compression: Some(mprpc::Compression::Gzip), ..Default::default() };
        let message = Bytes::from(vec![7; 100_000]);
        assert_eq!(server.client(options).unary("Echo", message.clone()).await.unwrap(), message);
    }
}
