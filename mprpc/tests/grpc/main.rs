//! gRPC against other implementations, over real sockets: their clients call an mprpc server, and an mprpc caller calls
//! their servers. This file holds the service that the clients call.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

mod clients;
#[path = "../support/peer.rs"]
mod peer;
mod servers;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mprpc::error_details::ErrorInfo;
use mprpc::{
    Body, BoxFuture, Bytes, Codec, Compression, Context, Idempotency, Limits, MethodDescriptor, MethodKind, Server,
    ServerHandle, Service, ServiceDescriptor, Status, Streaming,
};

const fn method(name: &'static str, path: &'static str, kind: MethodKind) -> MethodDescriptor {
    MethodDescriptor::new(name, path, kind, Idempotency::Unknown)
}

static GRPC: ServiceDescriptor = ServiceDescriptor {
    name: "test.Grpc",
    methods: &[
        method("Echo", "test.Grpc/Echo", MethodKind::Unary),
        method("Slow", "test.Grpc/Slow", MethodKind::Unary),
        method("Fail", "test.Grpc/Fail", MethodKind::Unary),
        method("Hang", "test.Grpc/Hang", MethodKind::Unary),
        method("Dropped", "test.Grpc/Dropped", MethodKind::Unary),
        method("Count", "test.Grpc/Count", MethodKind::ServerStreaming),
        method("Total", "test.Grpc/Total", MethodKind::ClientStreaming),
        method("Talk", "test.Grpc/Talk", MethodKind::Bidirectional),
    ],
    files: &[],
};

/// A service whose messages are bytes.
#[derive(Clone, Default)]
struct Grpc {
    /// Handlers of `Hang` that were dropped.
    dropped: Arc<AtomicU64>,
    /// Handlers of `Slow` that have ended.
    slow_ended: Arc<AtomicU64>,
}

struct CountsDrop(Arc<AtomicU64>);

impl Drop for CountsDrop {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Service for Grpc {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &GRPC
    }

    fn call(&self, method: usize, context: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let service = self.clone();
        Box::pin(async move { service.serve(&GRPC.methods[method].name, &context, request).await })
    }
}

impl Grpc {
    async fn serve(&self, name: &str, context: &Context, request: Body) -> Result<Body, Status> {
        match name {
            "Echo" => {
                for (key, value) in context.metadata().iter().filter(|(key, _)| key.starts_with("key")) {
                    context.reply_metadata().append(key, value)?;
                }
                if !context.metadata().is_empty() {
                    context.trailer().append("last", "one")?;
                    context.trailer().append("last-bin", [0, 255])?;
                }
                Ok(request)
            }
            "Slow" => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                self.slow_ended.fetch_add(1, Ordering::Relaxed);
                Ok(request)
            }
            "Fail" => {
                let info = ErrorInfo { reason: "TOO_EARLY".to_owned(), ..ErrorInfo::default() };
                context.trailer().append("why", "because")?;
                Err(Status::failed_precondition("zu früh: 50 %\n").with_detail(&info))
            }
            "Hang" => {
                let _counts = CountsDrop(self.dropped.clone());
                std::future::pending().await
            }
            "Dropped" => Ok(Body::Message(self.dropped.load(Ordering::Relaxed).to_string().into())),
            "Count" => {
                let count: u64 = String::from_utf8_lossy(&request.into_message()?).parse().unwrap();
                let numbers = (0..count).map(|number| Ok(Bytes::from(number.to_string())));
                Ok(Body::Stream(Streaming::new(futures_util::stream::iter(numbers))))
            }
            "Total" => {
                let (mut requests, mut bytes) = (request.into_stream(), 0);
                while let Some(message) = requests.next().await {
                    bytes += message?.len();
                }
                Ok(Body::Message(bytes.to_string().into()))
            }
            _ => Ok(Body::Stream(request.into_stream())),
        }
    }
}

fn server(service: &Grpc) -> ServerHandle {
    let compression = Compression::available().iter().copied().find(|algorithm| algorithm.name() == "gzip");
    let limits = Limits { drain_timeout: Duration::from_secs(20), ..Limits::default() };
    // The tests are not compiled with optimizations, so that compression is slow.
    let overload_protection = false;
    Server { loops: 2, compression, limits, overload_protection, ..Server::default() }
        .add(service.clone())
        .start()
        .unwrap()
}
