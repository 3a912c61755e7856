//! Tests of peers that die, freeze or reach their maximum age, as separate processes over real sockets.
//!
//! The unit tests beside the code cover the arithmetic and every point in time at which a connection can end.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and a child process says how far it is"
)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use mprpc::client::Stub;
use mprpc::well_known::StringValue;
use mprpc::{
    Address, Body, BoxFuture, Bytes, Channel, ChannelOptions, Code, Codec, Context, Idempotency, Limits,
    MethodDescriptor, MethodKind, Ran, Server, ServerHandle, Service, ServiceDescriptor, Status, Streaming,
};
use rustix::process::{Pid, Signal, kill_process};

static CLOCK: ServiceDescriptor = ServiceDescriptor {
    name: "test.Clock",
    methods: &[
        MethodDescriptor::new("Tick", "test.Clock/Tick", MethodKind::ServerStreaming, Idempotency::Unknown),
        MethodDescriptor::new("Echo", "test.Clock/Echo", MethodKind::Unary, Idempotency::Unknown),
    ],
    files: &[],
};
const TICK: usize = 0;
const ECHO: usize = 1;

/// A service that streams ticks without end, and reports when a stream has stopped.
struct Clock(SyncSender<()>);

struct Stopped(SyncSender<()>);

impl Drop for Stopped {
    fn drop(&mut self) {
        // An error means that no test waits for the report.
        let _ = self.0.try_send(());
    }
}

impl Service for Clock {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &CLOCK
    }

    fn call(&self, method: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let stopped = Stopped(self.0.clone());
        Box::pin(async move {
            if method == ECHO {
                return Ok(request);
            }
            let (ticks, stream) = Streaming::channel(1);
            tokio::spawn(async move {
                let _stopped = stopped;
                while ticks.send(Bytes::new()).await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            });
            Ok(Body::Stream(stream))
        })
    }
}

/// Short limits, but long enough for a busy machine.
fn limits() -> Limits {
    Limits {
        keepalive_interval: Duration::from_millis(1000),
        keepalive_timeout: Duration::from_millis(1000),
        ..Limits::default()
    }
}

/// The documented time within which a dead peer is found, plus an allowance for a busy machine.
fn bound() -> Duration {
    2 * limits().keepalive_interval + limits().keepalive_timeout + Duration::from_millis(1500)
}

fn start(limits: Limits) -> (ServerHandle, Receiver<()>) {
    let (stopped, stops) = sync_channel(1000);
    (Server { loops: 2, limits, ..Server::default() }.add(Clock(stopped)).start().unwrap(), stops)
}

fn stub(address: &str, limits: Limits) -> Stub {
    let options = ChannelOptions { limits, same_process: false, ..ChannelOptions::default() };
    Stub::new(Channel::with_options(address, options).unwrap(), &CLOCK)
}

/// Plays the role in `ROLE` if this process is a child.
#[test]
fn child_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    match role.strip_prefix("caller ") {
        None => {
            let (running, _stops) = start(limits());
            println!("{READY}{}", running.addresses()[0]);
            loop {
                std::thread::park();
            }
        }
        Some(address) => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut ticks = stub(address, limits())
                    .server_streaming::<_, StringValue>(TICK, &StringValue::default())
                    .await
                    .unwrap();
                ticks.next().await.unwrap().unwrap();
                println!("{READY}");
                while ticks.next().await.is_some() {}
            });
        }
    }
}

/// A child process that runs this test binary in a role. Killed when dropped.
struct Process(Child);

impl Process {
    /// Starts a child. Returns when the child is ready, with the text that it prints then.
    fn start(role: &str) -> (Process, String) {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_process", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let said = lines.find_map(|line| Some(line.split_once(READY)?.1.to_owned()));
        (Process(child), said.expect("it ended before it was ready"))
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

const ROLE: &str = "MPRPC_TEST_KEEPALIVE";
const READY: &str = "it is ready: ";

/// Reads a stream of ticks and sends `signal` to the server in the midst of the stream. Returns the status of the stream
/// and the time from the signal to the end.
async fn end_of_stream(signal: Signal) -> (Status, Duration) {
    let (server, address) = Process::start("server");
    let ticks = stub(&address, limits()).server_streaming::<_, StringValue>(TICK, &StringValue::default());
    let mut ticks = ticks.await.unwrap();
    for _ in 0..10 {
        ticks.next().await.unwrap().unwrap();
    }
    server.signal(signal);
    let begin = Instant::now();
    loop {
        match ticks.next().await.expect("an error, and never a clean end") {
            Ok(_) => {}
            Err(status) => {
                let after = begin.elapsed();
                assert!(ticks.next().await.is_none());
                return (status, after);
            }
        }
    }
}

#[tokio::test]
async fn killed_server_fails_an_open_stream_within_the_bound() {
    for _ in 0..5 {
        let (status, after) = end_of_stream(Signal::KILL).await;
        assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
        assert!(after < bound(), "{after:?}: {status}");
    }
}

#[tokio::test]
async fn frozen_server_fails_an_open_stream_within_the_bound() {
    let (status, after) = end_of_stream(Signal::STOP).await;
    assert_eq!((status.code(), status.ran()), (Code::Unavailable, Ran::Maybe), "{status}");
    assert!(status.message().contains("keepalive_timeout"), "{status}");
    assert!(after < bound(), "{after:?}");
}

#[test]
fn server_detects_a_frozen_caller_within_the_bound() {
    let (running, stops) = start(limits());
    let (caller, _) = Process::start(&format!("caller {}", running.addresses()[0]));
    caller.signal(Signal::STOP);
    stops.recv_timeout(bound()).expect("the call of a frozen caller is cancelled");
    let deadline = Instant::now() + bound();
    let is_counted = || running.stats().rejected.contains_key("a peer without a sign of life within keepalive_timeout");
    while !is_counted() {
        assert!(Instant::now() < deadline, "{:?}", running.stats());
        std::thread::yield_now();
    }
}

/// It is a race whether the kernel destroys bytes that were written before a close, so the test makes 20 attempts.
#[test]
fn unread_input_does_not_destroy_the_last_reply() {
    let (running, _stops) = start(Limits::default());
    let Address::Tcp(address) = running.addresses()[0] else { panic!("no TCP address") };
    let message = vec![7; 2 << 20];
    // A classic request: the header holds service, method and the size of the arguments.
    let mut request = b"\x12\0\0\0\x0a\x05Clock\x12\x04Echo\x18\x80\x80\x80\x01".to_vec();
    request.extend_from_slice(&message);
    request.extend_from_slice(&[9; 100_000]);
    for _ in 0..20 {
        let mut socket = TcpStream::connect(address).unwrap();
        socket.write_all(&request).unwrap();
        let mut reply = Vec::new();
        socket.read_to_end(&mut reply).unwrap();
        assert!(reply == message, "{} bytes came", reply.len());
    }
}

#[test]
fn no_call_fails_while_connections_end_with_many_threads() {
    // Every few calls find that their connection has reached its idle timeout or its maximum age.
    let of_server = Limits { connection_age_max: Duration::from_millis(20), ..Limits::default() };
    // On a busy machine, a connection may reach 5 ms idle before its first call begins, several times in a row.
    let of_caller = Limits { idle_timeout: Duration::from_millis(5), attempts_max: 100, ..Limits::default() };
    let (running, _stops) = start(of_server);
    let stub = stub(&running.addresses()[0].to_string(), of_caller);
    let runtime = Arc::new(tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap());
    let threads: Vec<_> = (0..4)
        .map(|thread: usize| {
            let (stub, runtime) = (stub.clone(), runtime.clone());
            std::thread::spawn(move || {
                let end = Instant::now() + Duration::from_secs(2);
                let mut calls = 0;
                while Instant::now() < end {
                    let request = StringValue { value: thread.to_string(), ..StringValue::default() };
                    let call = stub.unary::<_, StringValue>(ECHO, &request);
                    let reply = runtime.block_on(call.into_future()).unwrap();
                    assert_eq!(reply.value, request.value);
                    calls += 1;
                    // The pause is close to the idle timeout.
                    std::thread::sleep(Duration::from_micros(4900 + (calls * 37) % 250));
                }
                calls
            })
        })
        .collect();
    let calls: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    let connections = running.stats().connections_accepted;
    assert!(connections > 20, "{calls} calls over {connections} connections");
}
