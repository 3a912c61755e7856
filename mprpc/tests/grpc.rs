//! Tests of gRPC with grpcio of PyPI as the caller, over real sockets. `cargo xtask test` installs it.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
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

/// A process of the script.
struct Caller {
    process: Child,
    output: BufReader<ChildStdout>,
}

impl Caller {
    fn start(arguments: &[&str]) -> Caller {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let python = std::env::var_os(PYTHON_VARIABLE).unwrap_or_else(|| root.join(PYTHON).into_os_string());
        let mut command = Command::new(&python);
        command.arg(root.join("tests/grpc/caller.py")).args(arguments);
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = started.unwrap_or_else(|error| panic!("{}: {error}\n{HELP}", python.display()));
        let output = BufReader::new(process.stdout.take().unwrap());
        Caller { process, output }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert!(self.output.read_line(&mut line).unwrap() > 0, "the script has ended; its error is above\n{HELP}");
        line.trim_end().to_owned()
    }

    /// Ends the input of the script, and returns the lines that are left once it has ended well.
    fn end(mut self) -> Vec<String> {
        drop(self.process.stdin.take());
        let lines = self.output.lines().map(Result::unwrap).collect();
        assert!(
            self.process.wait().unwrap().success(),
            "the script has failed after {lines:?}; its error is above\n{HELP}"
        );
        lines
    }
}

#[tokio::test]
async fn grpcio_is_served_like_a_native_caller() {
    let running = server(&Grpc::default());
    let names: Vec<&str> = Compression::available().iter().map(|algorithm| algorithm.name()).collect();
    let caller = Caller::start(&["checks", &running.addresses()[0].to_string(), &names.join(",")]);
    let checks = caller.end();
    assert_eq!(checks.len(), 9 + usize::from(names.contains(&"gzip")), "{checks:?}");
    let stats = running.stats();
    assert!(stats.rejected.is_empty(), "{stats:?}");
    running.stop().await;
}

#[tokio::test]
async fn graceful_stop_under_load_loses_no_call_of_grpcio() {
    let services = [Grpc::default(), Grpc::default()];
    let [first, second] = [&services[0], &services[1]].map(server);
    let addresses = [&first, &second].map(|running| running.addresses()[0].to_string());
    let mut caller = Caller::start(&["load", &addresses[0], &addresses[1]]);
    assert_eq!(caller.line(), "under load");
    first.stop().await;
    let made: u64 = caller.end()[0].parse().unwrap();
    second.stop().await;
    let [of_first, of_second] = services.map(|service| service.slow_ended.load(Ordering::Relaxed));
    assert!(of_first >= 32 && of_second >= 64, "{of_first} and {of_second} calls");
    assert_eq!(of_first + of_second, made, "a call was made twice, or answered and lost");
}

/// Another Python that has `grpcio`.
const PYTHON_VARIABLE: &str = "MPRPC_TEST_PYTHON";
/// The Python that `cargo xtask test` makes, below the folder of this crate.
const PYTHON: &str = "../target/test-python/bin/python3";
const HELP: &str =
    "`cargo xtask test` installs what the tests need; MPRPC_TEST_PYTHON names another Python with grpcio";
