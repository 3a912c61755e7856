//! Idle connections: the memory of each at both sides, and their effect on 64 active connections.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use mprpc::codegen::Stub;
use mprpc::{Body, BoxFuture, Channel, Codec, Context, Limits, Server, Service, ServiceDescriptor, Status};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use super::process::{self, Background, Measured};
use super::{Result, bytes_each, descriptor, median, message};

#[derive(Serialize, Deserialize)]
pub(crate) struct Connections {
    pub(crate) idle: usize,
    /// Bytes for each idle connection. The figure means little if there are few connections.
    pub(crate) server_bytes: f64,
    pub(crate) caller_bytes: f64,
    /// Calls a second on 64 other connections, with one call of 32 bytes at a time on each.
    pub(crate) calls_per_second: f64,
    /// The same calls a second before the idle connections were opened.
    pub(crate) calls_per_second_before: f64,
    /// Time to open a connection and to make the first call on it, in microseconds over both processes.
    pub(crate) opening_us: f64,
    /// CPU time of one call on the active connections, with and before the idle ones, in microseconds over both processes.
    /// On a machine with other work it says more than the calls a second.
    pub(crate) cpu_us: f64,
    pub(crate) cpu_us_before: f64,
}

impl Measured for Connections {
    fn median(rounds: Vec<Connections>) -> Connections {
        let of = |value: fn(&Connections) -> f64| median(rounds.iter().map(value).collect());
        Connections {
            idle: rounds[0].idle,
            server_bytes: of(|round| round.server_bytes),
            caller_bytes: of(|round| round.caller_bytes),
            calls_per_second: of(|round| round.calls_per_second),
            calls_per_second_before: of(|round| round.calls_per_second_before),
            cpu_us: of(|round| round.cpu_us),
            cpu_us_before: of(|round| round.cpu_us_before),
            opening_us: of(|round| round.opening_us),
        }
    }
}

pub(crate) fn start(idle: usize) -> Result<Connections> {
    let (server, address) = Background::start(&["--serve"])?;
    process::run(&["--connections", &address, &server.pid().to_string(), &idle.to_string()])
}

/// The number of idle connections that a process here can have, by its limit of open files.
pub(crate) fn most() -> usize {
    raise_limit().saturating_sub(ACTIVE + OTHER_FILES)
}

/// Serves on loopback until the input ends.
pub(crate) fn serve() -> Result<()> {
    raise_limit();
    // With one address, the kernel searches long for a free port once thousands are in use.
    let listen =
        (1..=ADDRESSES).map(|host| format!("127.0.0.{host}:0").parse()).collect::<std::result::Result<_, _>>()?;
    let running = Server { listen, limits: limits(), ..Server::default() }.add(Echo(echo())).start()?;
    let addresses: Vec<String> = running.addresses().iter().map(ToString::to_string).collect();
    println!("{}", addresses.join(","));
    std::io::stdout().flush()?;
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The process of the callers.
pub(crate) fn measure(addresses: &str, server: &str, idle: &str) -> Result<Connections> {
    raise_limit();
    let idle: usize = idle.parse()?;
    let addresses: Vec<&str> = addresses.split(',').collect();
    let descriptor = echo();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let active = open(&addresses, descriptor, ACTIVE).await?;
        // After the warm-up, all one-time allocations are done.
        calls(&active, server, WARM_UP).await?;
        let (calls_per_second_before, cpu_us_before) = calls(&active, server, MEASURED).await?;
        let before = (process::resident_bytes(server)?, process::resident_bytes("self")?);
        let since = Instant::now();
        let held = open(&addresses, descriptor, idle).await?;
        let opening_us = since.elapsed().as_secs_f64() * 1e6 / idle as f64;
        // By then a connection has freed what it needs only at its beginning.
        tokio::time::sleep(SETTLES).await;
        let after = (process::resident_bytes(server)?, process::resident_bytes("self")?);
        let (calls_per_second, cpu_us) = calls(&active, server, MEASURED).await?;
        drop(held);
        Ok(Connections {
            idle,
            server_bytes: (after.0 - before.0) / idle as f64,
            caller_bytes: (after.1 - before.1) / idle as f64,
            calls_per_second,
            calls_per_second_before,
            opening_us,
            cpu_us,
            cpu_us_before,
        })
    })
}

/// Opens connections and makes a call on each. A channel has one connection, so each connection has its own channel.
async fn open(addresses: &[&str], descriptor: &'static ServiceDescriptor, count: usize) -> Result<Vec<Stub>> {
    let mut stubs = Vec::with_capacity(count);
    while stubs.len() < count {
        let mut opening = JoinSet::new();
        for address in addresses.iter().cycle().take(OPENED_TOGETHER.min(count - stubs.len())) {
            let stub = Stub::new(Channel::new(address)?, descriptor);
            opening.spawn(async move {
                stub.unary::<_, mprpc::well_known::StringValue>(0, &message()).timeout(OPENED_WITHIN).await?;
                Ok::<_, Status>(stub)
            });
        }
        while let Some(opened) = opening.join_next().await {
            stubs.push(opened??);
        }
    }
    Ok(stubs)
}

/// Calls on all stubs for `time`, one call at a time on each. Returns the calls a second, and the CPU time of a call in
/// microseconds.
async fn calls(stubs: &[Stub], server: &str, time: Duration) -> Result<(f64, f64)> {
    let mut callers = JoinSet::new();
    let cpu = || Ok::<_, Box<dyn std::error::Error + Send + Sync>>(process::cpu_us(server)? + process::cpu_us("self")?);
    let cpu_before = cpu()?;
    let since = Instant::now();
    for stub in stubs {
        let stub = stub.clone();
        callers.spawn(async move {
            let mut calls = 0u64;
            while since.elapsed() < time {
                stub.unary::<_, mprpc::well_known::StringValue>(0, &message()).await?;
                calls += 1;
            }
            Ok::<_, Status>(calls)
        });
    }
    let mut calls = 0;
    while let Some(made) = callers.join_next().await {
        calls += made??;
    }
    Ok((calls as f64 / since.elapsed().as_secs_f64(), (cpu()? - cpu_before) / calls as f64))
}

/// Raises the limit of open files to the maximum. Returns that maximum.
fn raise_limit() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    // If the limit stays as it is, opening the connections fails with an error.
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
}

/// The timeout is so long that the server neither closes nor probes a connection while others are opened.
fn limits() -> Limits {
    Limits { idle_timeout: Duration::from_secs(3600), ..Limits::default() }
}

fn echo() -> &'static ServiceDescriptor {
    descriptor("bench.Echo".into(), 1)
}

pub(crate) struct Echo(pub(crate) &'static ServiceDescriptor);

impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0
    }

    fn call(&self, _: usize, _: Context, request: Body, _: Codec) -> BoxFuture<std::result::Result<Body, Status>> {
        Box::pin(std::future::ready(Ok(request)))
    }
}

pub(crate) fn print(measured: &[Connections]) {
    println!(
        "\nidle connections   server, bytes each   caller, bytes each   opening, us   64 others, calls/s   CPU us each   before"
    );
    for one in measured {
        let Connections { idle, opening_us, calls_per_second, cpu_us, cpu_us_before, .. } = one;
        let (server, caller) = (bytes_each(*idle, one.server_bytes), bytes_each(*idle, one.caller_bytes));
        println!(
            "{idle:>16}   {server:>18}   {caller:>18}   {opening_us:>11.1}   {calls_per_second:>18.0}   {cpu_us:>11.1}   {cpu_us_before:>6.1}"
        );
    }
}

const ACTIVE: usize = 64;
/// Open files that are not connections.
const OTHER_FILES: usize = 100;
const OPENED_TOGETHER: usize = 64;
/// Long enough for a busy machine.
const OPENED_WITHIN: Duration = Duration::from_secs(60);
/// The number of addresses on which the server listens.
const ADDRESSES: usize = 8;
const WARM_UP: Duration = Duration::from_millis(500);
const SETTLES: Duration = Duration::from_secs(1);
const MEASURED: Duration = Duration::from_secs(2);
