//! Calls by every protocol at the same time, on one port, beside a peer that sends garbage. No call may fail.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use mprpc::Channel;
use mprpc_bench_harness::{CallerProcess, Failure, Serve, ServerProcess, peak_rss_kib};
use serde::{Deserialize, Serialize};
use tokio::runtime::Builder;
use tokio::task::JoinSet;

use crate::Programs;
use crate::proto::{Echo, EchoServiceClient};
use crate::result::Sample;
use crate::service::MPRPC;

/// The protocols, and what stands before the address in a target. JSON has a client of its own here.
const FAMILIES: [(&str, &str); 4] = [("native", ""), ("gRPC", "grpc://"), ("classic", "classic:"), (JSON, "")];
const JSON: &str = "JSON over HTTP/1.1";
const SPAN: Duration = Duration::from_secs(60);
/// Callers of a protocol, over one channel.
const CALLERS: usize = 16;
/// Threads that send garbage.
const NOISY: u64 = 2;

/// Measures a minute of all protocols beside garbage.
pub(crate) fn measure(programs: &Programs) -> Result<Vec<Sample>, Failure> {
    let mut server = ServerProcess::start(&programs.own, &Serve::new(MPRPC))?;
    let caller = CallerProcess::start(&programs.own, &["--protocols".to_owned(), server.address().to_string()])?;
    let counts: Counts = caller.report(SPAN).map_err(|failure| server.blame(failure))?;
    let mut samples: Vec<_> = counts
        .calls
        .iter()
        .map(|(name, ended, failed)| {
            let figures = vec![("calls/s", *ended as f64 / SPAN.as_secs_f64()), ("failed", *failed as f64)];
            Sample::new(name, figures)
        })
        .collect();
    let peak = peak_rss_kib(server.pid()) as f64 / 1024.0;
    samples.push(Sample::new(
        "garbage",
        vec![("connections/s", counts.garbage as f64 / SPAN.as_secs_f64()), ("peak MiB", peak)],
    ));
    Ok(samples)
}

/// What the process of the callers reports.
#[derive(Serialize, Deserialize)]
pub(crate) struct Counts {
    /// Of each protocol its name, the calls that ended well, and those that failed.
    calls: Vec<(String, u64, u64)>,
    /// Connections that sent garbage.
    garbage: u64,
}

#[derive(Default)]
struct Counter {
    ended: AtomicU64,
    failed: AtomicU64,
}

impl Counter {
    fn count(&self, family: &str, result: Result<(), Failure>) {
        match result {
            Ok(()) => self.ended.fetch_add(1, Ordering::Relaxed),
            Err(failure) => {
                eprintln!("{family}: {failure}");
                self.failed.fetch_add(1, Ordering::Relaxed)
            }
        };
    }
}

/// The process of the callers, and of the peer that sends garbage.
pub(crate) fn call_all(address: &str) -> Result<Counts, Failure> {
    let address: SocketAddr = address.parse()?;
    let stop = Arc::new(AtomicBool::new(false));
    let counters: Arc<[Counter; FAMILIES.len()]> = Arc::default();
    let mut threads = Vec::new();
    for (index, (family, before)) in FAMILIES.into_iter().enumerate() {
        let (stop, counters) = (stop.clone(), counters.clone());
        let target = format!("{before}{address}");
        threads.push(thread::spawn(move || match family {
            JSON => call_json(address, &counters[index], &stop),
            _ => call(family, &target, index, &counters, &stop),
        }));
    }
    let garbage: Vec<_> = (0..NOISY)
        .map(|seed| {
            let stop = stop.clone();
            thread::spawn(move || send_garbage(address, seed, &stop))
        })
        .collect();
    thread::sleep(SPAN);
    stop.store(true, Ordering::Relaxed);
    for thread in threads {
        thread.join().map_err(|_| "a caller has panicked")??;
    }
    let calls = FAMILIES.iter().zip(counters.iter()).map(|((family, _), counter)| {
        ((*family).to_owned(), counter.ended.load(Ordering::Relaxed), counter.failed.load(Ordering::Relaxed))
    });
    let garbage = garbage.into_iter().map(|thread| thread.join().unwrap_or_default()).sum();
    Ok(Counts { calls: calls.collect(), garbage })
}

/// Calls through a channel, until told to stop.
fn call(
    family: &'static str,
    target: &str,
    index: usize,
    counters: &Arc<[Counter; FAMILIES.len()]>,
    stop: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let client = EchoServiceClient::new(Channel::new(target)?);
    Builder::new_current_thread().enable_all().build()?.block_on(async {
        let mut callers = JoinSet::new();
        for _ in 0..CALLERS {
            let (client, counters, stop) = (client.clone(), counters.clone(), stop.clone());
            callers.spawn(async move {
                let request = Echo { payload: vec![7; PAYLOAD].into(), ..Default::default() };
                while !stop.load(Ordering::Relaxed) {
                    let result = match client.echo(request.clone()).await {
                        Ok(reply) if reply.payload.len() == PAYLOAD => Ok(()),
                        Ok(_) => Err("a reply of another length".into()),
                        Err(status) => Err(status.into()),
                    };
                    counters[index].count(family, result);
                }
            });
        }
        while let Some(ended) = callers.join_next().await {
            ended?;
        }
        Ok(())
    })
}

const PAYLOAD: usize = 32;

/// Posts JSON over one connection, until told to stop.
fn call_json(address: SocketAddr, counter: &Counter, stop: &AtomicBool) -> Result<(), Failure> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let (mut output, mut input) = (stream.try_clone()?, BufReader::new(stream));
    let body = r#"{"payload":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}"#;
    let head = "POST /bench.EchoService/Echo HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n";
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    while !stop.load(Ordering::Relaxed) {
        output.write_all(request.as_bytes())?;
        counter.count(JSON, read_json(&mut input, body));
    }
    Ok(())
}

/// Reads a response. The error says how it is not the expected one.
fn read_json(input: &mut impl BufRead, expected: &str) -> Result<(), Failure> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if input.read_line(&mut head)? == 0 {
            return Err("the server has closed the connection".into());
        }
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).ok_or("no content-length")?;
    let mut body = vec![0; length.parse()?];
    input.read_exact(&mut body)?;
    if head.starts_with("HTTP/1.1 200 ") && body == expected.as_bytes() {
        return Ok(());
    }
    Err(format!("{head}{}", String::from_utf8_lossy(&body)).into())
}

/// Opens connections that begin as some protocol does and go on at random, until told to stop. Returns how many.
fn send_garbage(address: SocketAddr, seed: u64, stop: &AtomicBool) -> u64 {
    const BEGINNINGS: [&[u8]; 7] = [
        b"",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
        b"POST /bench.EchoService/Echo HTTP/1.1\r\n",
        b"\x89MPRPC\n\x01",
        b"\x10\0\0\0\x0a\x0c",
        b"\x16\x03\x01\x02\0\x01",
    ];
    let (mut connections, mut random) = (0, 2 * seed + 1);
    let mut next = move || {
        // xorshift: the same garbage in every run.
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    while !stop.load(Ordering::Relaxed) {
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        let mut bytes = BEGINNINGS[next() as usize % BEGINNINGS.len()].to_vec();
        bytes.extend((0..next() % 4096).map(|_| next() as u8));
        // The server closes the connection at some point of this.
        let _ = stream.set_read_timeout(Some(Duration::from_millis(2)));
        if stream.write_all(&bytes).is_ok() {
            let _ = stream.read(&mut [0; 1024]);
        }
        connections += 1;
    }
    connections
}
