//! Tests of servers and callers over real sockets: addresses, runtimes, graceful stop. Unit tests in memory cover the logic.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[path = "support/echo.rs"]
mod echo;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use echo::{AT_ONCE, ECHO, Echo, SLOW};
use mprpc::codegen::Stub;
use mprpc::well_known::StringValue;
use mprpc::{
    Address, Body, BoxFuture, Channel, ChannelOptions, Code, Codec, Context, Server, Service, ServiceDescriptor, Status,
};

fn server(listen: &str) -> Server {
    let listen = listen.parse().unwrap();
    Server { listen: vec![listen], loops: 2, ..Server::default() }.add(Echo)
}

fn stub(target: &str) -> Stub {
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    Stub::new(Channel::with_options(target, options).unwrap(), &ECHO)
}

fn text(value: &str) -> StringValue {
    StringValue { value: value.to_owned(), ..StringValue::default() }
}

/// Makes a blocking call from a thread without a runtime.
fn call_echo(stub: &Stub, value: &str) -> Result<String, Status> {
    stub.unary::<_, StringValue>(AT_ONCE, &text(value)).wait().map(|reply| reply.value)
}

#[test]
fn every_kind_of_address_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("unix:{}", folder.path().join("echo.sock").display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for listen in ["127.0.0.1:0", "[::1]:0", "localhost:0", &path, "memory:every-kind"] {
        let running = server(listen).start().unwrap();
        let address = running.addresses()[0].to_string();
        assert_eq!(call_echo(&stub(&address), "native").unwrap(), "native", "{listen}");
        assert_eq!(call_echo(&stub(&format!("classic:{address}")), "classic").unwrap(), "classic", "{listen}");
        let stats = running.stats();
        assert_eq!((stats.calls, stats.connections_accepted), (2, 2));
        assert!(stats.rejected.is_empty(), "{stats:?}");
        runtime.block_on(running.stop());
    }
    assert!(!folder.path().join("echo.sock").exists(), "the path of a Unix socket goes with its server");
}

#[test]
fn server_takes_over_the_socket_path_of_a_dead_server_only() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("echo.sock");
    let listen = format!("unix:{}", path.display());
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let running = server(&listen).start().unwrap();
    assert_eq!(call_echo(&stub(&listen), "taken over").unwrap(), "taken over");
    let error = server(&listen).start().err().unwrap().to_string();
    assert!(error.contains("cannot listen on unix:") && error.contains("in use"), "{error}");
    drop(running);
}

#[test]
fn port_in_use_is_an_error_with_the_address() {
    let running = server("127.0.0.1:0").start().unwrap();
    let address = running.addresses()[0].to_string();
    let error = server(&address).start().err().unwrap().to_string();
    assert!(error.contains(&address) && error.contains("in use"), "{error}");
}

#[test]
fn address_that_no_caller_can_use_is_not_announced() {
    let folder = tempfile::tempdir().unwrap();
    let registry = Some(format!("file:{}", folder.path().display()));
    let error = Server { registry: registry.clone(), ..server("0.0.0.0:0") }.start().err().unwrap().to_string();
    assert!(error.contains("0.0.0.0:") && error.contains("advertise"), "{error}");
    let advertise = Some("10.1.2.3:80".parse().unwrap());
    Server { registry, advertise, ..server("0.0.0.0:0") }.start().unwrap();
}

#[test]
fn background_loop_refuses_to_wait_for_itself() {
    let stub = stub("127.0.0.1:1");
    let (told, tells) = std::sync::mpsc::channel();
    mprpc::net::background().spawn(async move { told.send(call_echo(&stub, "x")).unwrap() });
    let status = tells.recv_timeout(Duration::from_secs(30)).unwrap().unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
}

#[cfg(target_os = "linux")]
#[test]
fn every_connection_that_the_kernel_has_made_is_answered_when_the_server_stops() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for _ in 0..40 {
        let running = server("127.0.0.1:0").start().unwrap();
        let address = running.addresses()[0].to_string().parse().unwrap();
        let callers: Vec<_> = (0..4).map(|_| std::thread::spawn(move || call_until_refused(&address))).collect();
        std::thread::sleep(Duration::from_millis(50));
        runtime.block_on(running.stop());
        for caller in callers {
            assert!(caller.join().unwrap() > 0);
        }
    }
}

/// Makes calls over connections of their own, until the server makes no more connections. Returns how many.
#[cfg(target_os = "linux")]
fn call_until_refused(address: &std::net::SocketAddr) -> usize {
    use std::io::{Read, Write};
    let mut answered = 0;
    loop {
        // A handshake that is ignored would be repeated after a second.
        let Ok(mut stream) = std::net::TcpStream::connect_timeout(address, Duration::from_millis(200)) else {
            return answered;
        };
        stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap_or_else(|error| panic!("after {answered} connections: {error}"));
        assert!(answer.starts_with(b"HTTP/1.1 "), "after {answered} connections: {answer:?}");
        answered += 1;
    }
}

#[test]
fn handler_that_blocks_its_loop_does_not_delay_the_stop() {
    let mut server = server("127.0.0.1:0");
    server.limits.drain_timeout = Duration::from_millis(100);
    let (release, released) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel::<()>();
    server.placement.insert("test.Echo".into(), mprpc::Placement::Inline);
    server.services = vec![Arc::new(Blocking { begun, released: std::sync::Mutex::new(released) })];
    let running = server.start().unwrap();
    let stub = stub(&running.addresses()[0].to_string());
    let caller = std::thread::spawn(move || call_echo(&stub, "x"));
    begins.recv_timeout(Duration::from_secs(30)).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(running.stop());
    release.send(()).unwrap();
    // The blocked turn of the loop still ends with its reply. Then the loop ends.
    assert_eq!(caller.join().unwrap().unwrap(), "x");
}

/// A service whose handler blocks the loop until the test releases it.
struct Blocking {
    begun: std::sync::mpsc::Sender<()>,
    released: std::sync::Mutex<std::sync::mpsc::Receiver<()>>,
}

impl Service for Blocking {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    fn call(&self, _: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        self.begun.send(()).unwrap();
        // An error means that the test has ended.
        let _ = self.released.lock().unwrap().recv();
        Box::pin(async move { Ok(request) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ambient_runtime_serves_and_calls_without_mprpc_threads() {
    let running = server("127.0.0.1:0").serve().unwrap();
    let stub = stub(&running.addresses()[0].to_string());
    let calls = (0..500).map(|number| {
        let stub = stub.clone();
        tokio::spawn(async move {
            let reply: StringValue = stub.unary(AT_ONCE, &text(&number.to_string())).await.unwrap();
            assert_eq!(reply.value, number.to_string());
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.unwrap();
    }
    assert_eq!(running.stats().connections_accepted, 1, "one connection for all callers of a runtime");
    running.stop().await;
}

#[tokio::test]
async fn dropped_server_closes_its_connections_on_the_ambient_runtime() {
    let running = server("127.0.0.1:0").serve().unwrap();
    let stub = stub(&running.addresses()[0].to_string());
    let slow = stub.unary::<_, StringValue>(SLOW, &text("x")).into_future();
    let dropped = async {
        while running.stats().calls == 0 {
            tokio::task::yield_now().await;
        }
        drop(running);
    };
    let (lost, ()) = tokio::join!(slow, dropped);
    assert_eq!(lost.unwrap_err().code(), Code::Unavailable);
}

#[test]
fn one_channel_serves_threads_and_runtimes_that_come_and_go() {
    let running = server("127.0.0.1:0").start().unwrap();
    let stub = stub(&running.addresses()[0].to_string());
    assert_eq!(call_echo(&stub, "plain thread").unwrap(), "plain thread");
    for round in 0..3 {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let reply: StringValue =
            runtime.block_on(async { stub.unary(AT_ONCE, &text(&round.to_string())).await }).unwrap();
        assert_eq!(reply.value, round.to_string());
        // The runtime ends here, and its connection too. The channel lives on.
    }
    let threads = (0..8).map(|number: usize| {
        let stub = stub.clone();
        std::thread::spawn(move || assert_eq!(call_echo(&stub, &number.to_string()).unwrap(), number.to_string()))
    });
    for thread in threads.collect::<Vec<_>>() {
        thread.join().unwrap();
    }
}

#[tokio::test]
async fn stop_finishes_in_flight_calls_and_frees_the_port() {
    let running = server("127.0.0.1:0").start().unwrap();
    let address = running.addresses()[0].clone();
    let stub = stub(&address.to_string());
    let slow = tokio::spawn(stub.unary::<_, StringValue>(SLOW, &text("in flight")).into_future());
    while running.stats().calls == 0 {
        tokio::task::yield_now().await;
    }
    running.stop().await;
    assert_eq!(slow.await.unwrap().unwrap().value, "in flight");
    let status = stub.unary::<_, StringValue>(AT_ONCE, &text("late")).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let again = server(&address.to_string()).start().unwrap();
    assert_eq!(again.addresses()[0], address);
    // The endpoint is in backoff after the refusal. `wait_for_ready` makes the call wait for the endpoint.
    let reply: StringValue = stub.unary(AT_ONCE, &text("again")).wait_for_ready(true).await.unwrap();
    assert_eq!(reply.value, "again");
}

#[test]
fn rolling_restart_behind_a_registry_fails_no_call() {
    let folder = tempfile::tempdir().unwrap();
    let registry = format!("file:{}", folder.path().display());
    let provider = || Server { registry: Some(registry.clone()), ..server("127.0.0.1:0") }.start().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (mut first, mut second) = (provider(), provider());
    runtime.block_on(async { tokio::join!(first.registered(), second.registered()) });

    let done = Arc::new(AtomicBool::new(false));
    let calls = Arc::new(AtomicUsize::new(0));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (stub, done, calls) = (stub(&registry), done.clone(), calls.clone());
            runtime.spawn(async move {
                while !done.load(Ordering::Relaxed) {
                    let reply: Result<StringValue, Status> = stub.unary(AT_ONCE, &text("x")).await;
                    assert_eq!(reply?.value, "x");
                    calls.fetch_add(1, Ordering::Relaxed);
                }
                Ok::<(), Status>(())
            })
        })
        .collect();
    for _ in 0..3 {
        for running in [&mut first, &mut second] {
            let stopped = std::mem::replace(running, provider());
            runtime.block_on(running.registered());
            runtime.block_on(stopped.stop());
        }
    }
    done.store(true, Ordering::Relaxed);
    for caller in callers {
        runtime.block_on(caller).unwrap().unwrap();
    }
    assert!(calls.load(Ordering::Relaxed) > 100);
}

#[test]
fn server_closes_connections_beyond_connections_max_and_keeps_serving() {
    let mut server = server("127.0.0.1:0");
    server.limits.connections_max = 2;
    let running = server.start().unwrap();
    let Address::Tcp(address) = running.addresses()[0] else { panic!("no TCP address") };
    let held: Vec<_> = (0..2).map(|_| std::net::TcpStream::connect(address).unwrap()).collect();
    let deadline = Instant::now() + Duration::from_secs(10);
    while running.stats().connections_open < 2 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let mut surplus = std::net::TcpStream::connect(address).unwrap();
    assert_eq!(std::io::Read::read(&mut surplus, &mut [0; 1]).unwrap_or(0), 0);
    assert_eq!(running.stats().rejected["connections_max reached"], 1);
    drop(held);
    while running.stats().connections_open > 0 {
        assert!(Instant::now() < deadline);
        std::thread::yield_now();
    }
    let stub = stub(&address.to_string());
    let reply = call_echo(&stub, "room again");
    assert_eq!(reply.unwrap(), "room again");
}
