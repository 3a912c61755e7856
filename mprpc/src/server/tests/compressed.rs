//! Tests of compressed messages over a connection in memory: both directions, unary, streams, negotiation, and bombs.

use super::streams::{endless, open};
use super::*;
use crate::codec::Compression;
use crate::streaming::Streaming;

fn compressing(limits: Limits, compression: Option<Compression>) -> Pair {
    let mut server = Server { limits: limits.clone(), compression, ..Server::default() }.add(Probe);
    pair_with(server.share().unwrap(), limits)
}

fn with(mut request: Request, algorithm: Compression) -> Request {
    request.compression = Some(algorithm);
    request
}

#[tokio::test(start_paused = true)]
async fn messages_come_back_whole_with_every_compression() {
    for algorithm in Compression::available() {
        let pair = compressing(Limits::default(), Some(*algorithm));
        pair.caller.greeted().await.unwrap();
        for size in [0, 10, 2000, 1 << 20] {
            let message = Bytes::from(vec![7; size]);
            let reply = pair.caller.unary(&with(request("Echo", message.clone()), *algorithm)).await.unwrap();
            assert_eq!(reply, message, "{algorithm} {size}");
            let requests = Streaming::of((0..5).map(move |_| Bytes::from(vec![7; size])));
            let talk = with(endless("Talk", Body::Stream(requests)), *algorithm);
            let mut replies = open(&pair.caller, &talk).await;
            for _ in 0..5 {
                assert_eq!(replies.next().await.unwrap().unwrap(), message);
            }
            assert!(replies.next().await.is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn bomb_is_refused_at_the_servers_message_limit() {
    for algorithm in Compression::available() {
        let small = Limits { message_bytes_max: 64 << 10, ..Limits::default() };
        let zeros = Bytes::from(vec![0; 8 << 20]);
        // This caller ignores the limit: like a golden frame, the bomb goes out as a message that is already compressed.
        let pair = pair_of(small.clone(), Limits::default());
        pair.caller.greeted().await.unwrap();
        let mut bomb = vec![*algorithm as u8];
        bomb.extend_from_slice(&algorithm.compress(&zeros).unwrap());
        assert!(bomb.len() < 64 << 10);
        let status = pair.caller.send_compressed(&request("Echo", ""), bomb.clone().into()).await.unwrap_err();
        assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No), "{algorithm}: {status}");
        assert!(status.message().contains("message_bytes_max 65536"), "{status}");
        assert_eq!(pair.caller.unary(&request("Echo", "on")).await.unwrap(), "on");
    }
}
