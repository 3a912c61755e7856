//! A thousand providers of one service, and a thousand services, in a real ZooKeeper: what they cost a caller, and how soon a
//! change reaches its picks.
//!
//! The caller is a process of its own, and so are ZooKeeper and the providers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mprpc::codegen::Stub;
use mprpc::discovery::{Registered, Registration, RegistrationState, Target};
use mprpc::well_known::StringValue;
use mprpc::{Address, Channel, Endpoint, Server, ServerHandle, ServiceDescriptor, bench};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use super::connections::Echo;
use super::process::{self, Background};
use super::zookeeper::ZooKeeper;
use super::{Result, descriptor, median, message};

/// What a caller of some services pays, each of which has some providers.
#[derive(Serialize, Deserialize)]
pub(crate) struct Crowd {
    services: usize,
    providers: usize,
    /// Until every service can be called, and the CPU time for that.
    first_ms: f64,
    first_cpu_ms: f64,
    /// Bytes of the caller for each provider, before it has a connection and after the calls.
    bytes: f64,
    bytes_connected: f64,
    /// CPU time in a second without calls and changes, in milliseconds.
    idle_cpu_ms: f64,
    /// CPU time of a call, at 1,000 calls a second.
    call_cpu_us: f64,
    calls: usize,
    failed: usize,
    /// From the start of one more provider to its first pick, and from the begin of its graceful stop to the end of its picks.
    added_ms: Vec<f64>,
    removed_ms: Vec<f64>,
}

/// Measures both crowds, and prints the figures.
pub(crate) fn run(machine: &str) -> Result<()> {
    println!("{machine}");
    println!(
        "\nservices   providers of each   first lists, ms   CPU, ms   bytes each   connected   idle CPU, ms/s   a call, CPU us   \
         failed calls   added, ms (longest)   stopped, ms (longest)"
    );
    for (services, providers) in [(1, CROWD), (CROWD, 1)] {
        let zookeeper = ZooKeeper::own();
        let url = format!("zookeeper://{}", zookeeper.address);
        let one: Crowd = process::run(&["--crowd", &url, &services.to_string(), &providers.to_string()])?;
        let changes =
            |all: &[f64]| format!("{:.0} ({:.0})", median(all.to_vec()), all.iter().copied().fold(f64::NAN, f64::max));
        let Crowd { first_ms, first_cpu_ms, bytes, bytes_connected, idle_cpu_ms, call_cpu_us, calls, failed, .. } =
            &one;
        println!(
            "{services:>8}   {providers:>17}   {first_ms:>15.0}   {first_cpu_ms:>7.0}   {bytes:>10.0}   {bytes_connected:>9.0}   \
             {idle_cpu_ms:>14.2}   {call_cpu_us:>14.1}   {:>12}   {:>19}   {:>21}",
            format!("{failed} of {calls}"),
            changes(&one.added_ms),
            changes(&one.removed_ms)
        );
    }
    Ok(())
}

/// The process of the caller.
pub(crate) fn measure(url: &str, services: &str, providers: &str) -> Result<Crowd> {
    let (mut crowd, _) = Background::start(&["--crowd-providers", url, services, providers])?;
    let (services, providers): (usize, usize) = (services.parse()?, providers.parse()?);
    let all = (services * providers) as f64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let channel = Channel::new(url)?;
        // The session and the background loop are there before the first measured service.
        let _other = Stub::new(channel.clone(), descriptor("bench.Nobody".into(), 1));
        tokio::time::sleep(SETTLES).await;
        let descriptors: Vec<_> = (0..services).map(service).collect();
        let (memory, cpu) = (process::resident_bytes("self")?, process::cpu_us("self")?);
        let since = Instant::now();
        let stubs: Vec<Stub> = descriptors.iter().map(|service| Stub::new(channel.clone(), service)).collect();
        for stub in &stubs {
            until(stub, true).await?;
        }
        let first_ms = since.elapsed().as_secs_f64() * 1e3;
        let first_cpu_ms = (process::cpu_us("self")? - cpu) / 1e3;
        tokio::time::sleep(SETTLES).await;
        let bytes = (process::resident_bytes("self")? - memory) / all;
        let cpu = process::cpu_us("self")?;
        tokio::time::sleep(IDLE).await;
        let idle_cpu_ms = (process::cpu_us("self")? - cpu) / 1e3 / IDLE.as_secs_f64();
        let cpu = process::cpu_us("self")?;
        let failed = call(&stubs).await;
        let call_cpu_us = (process::cpu_us("self")? - cpu) / CALLS as f64;
        let bytes_connected = (process::resident_bytes("self")? - memory) / all;
        let (mut added_ms, mut removed_ms) = (Vec::new(), Vec::new());
        for _ in 0..CHANGES {
            let since = Instant::now();
            let address: Address = crowd.ask("add")?.parse()?;
            let added = channel.clone().only(move |endpoint| endpoint.address == address);
            let added = Stub::new(added, descriptors[services / 2]);
            until(&added, true).await?;
            added_ms.push(since.elapsed().as_secs_f64() * 1e3);
            added.unary::<_, StringValue>(0, &message()).await?;
            tokio::time::sleep(SETTLES).await;
            let since = Instant::now();
            crowd.send("stop")?;
            until(&added, false).await?;
            removed_ms.push(since.elapsed().as_secs_f64() * 1e3);
            crowd.line()?;
            tokio::time::sleep(SETTLES).await;
        }
        Ok(Crowd {
            services,
            providers,
            first_ms,
            first_cpu_ms,
            bytes,
            bytes_connected,
            idle_cpu_ms,
            call_cpu_us,
            calls: CALLS,
            failed,
            added_ms,
            removed_ms,
        })
    })
}

/// Waits until the client can pick an endpoint, or cannot pick one.
async fn until(stub: &Stub, picks: bool) -> Result<()> {
    let begun = Instant::now();
    while bench::pick(stub, 0) != picks {
        if begun.elapsed() > PATIENCE {
            return Err(format!("a pick is {} for {PATIENCE:?}", !picks).into());
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}

/// Makes 1,000 calls a second, to one service after the other. Returns how many failed.
async fn call(stubs: &[Stub]) -> usize {
    let begun = Instant::now();
    let failed = Arc::new(AtomicUsize::new(0));
    let (in_flight, mut ended) = mpsc::channel::<()>(1);
    for (index, stub) in (0..CALLS as u32).zip(stubs.iter().cycle()) {
        tokio::time::sleep((Duration::from_millis(1) * index).saturating_sub(begun.elapsed())).await;
        let (stub, failed, in_flight) = (stub.clone(), failed.clone(), in_flight.clone());
        // A set of tasks would keep the memory of all of them up to the end.
        drop(tokio::spawn(async move {
            let outcome = stub.unary::<_, StringValue>(0, &message()).await;
            failed.fetch_add(usize::from(outcome.is_err()), Ordering::Relaxed);
            drop(in_flight);
        }));
    }
    drop(in_flight);
    // Nothing is sent: the channel closes with the last call.
    ended.recv().await;
    failed.load(Ordering::Relaxed)
}

/// The process of the providers: it says `ready`, and then adds one more provider or stops it, as the lines of its input say.
pub(crate) fn provide(url: &str, services: &str, providers: &str) -> Result<()> {
    let (services, providers): (usize, usize) = (services.parse()?, providers.parse()?);
    let descriptors: Vec<_> = (0..services).map(service).collect();
    let listen = vec!["127.0.0.1:0".parse()?; providers];
    let server = Server { listen, loops: 1, ..Server::default() };
    let server = descriptors.iter().fold(server, |server, descriptor| server.add(Echo(descriptor)));
    let running = server.start()?;
    let registry = url.parse::<Target>()?.registry()?;
    let register = |service: &'static ServiceDescriptor, address: &Address| {
        registry.register(Registration::new(service, Endpoint::new(address.clone())))
    };
    let registered: Vec<Registered> = descriptors
        .iter()
        .flat_map(|service| running.addresses().iter().map(|address| register(service, address)))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for one in &registered {
            one.state().wait_for(|state| matches!(state, RegistrationState::Registered(_))).await?;
        }
        Ok::<_, super::Error>(())
    })?;
    println!("ready");
    let mut added: Option<ServerHandle> = None;
    for line in std::io::stdin().lines() {
        match (line?.as_str(), added.take()) {
            ("add", _) => {
                let server = Server { registry: Some(url.to_owned()), loops: 1, ..Server::default() };
                let server = server.add(Echo(descriptors[services / 2])).start()?;
                println!("{}", server.addresses()[0]);
                added = Some(server);
            }
            (_, Some(server)) => {
                runtime.block_on(server.stop());
                println!("stopped");
            }
            (other, None) => return Err(format!("'{other}' before 'add'").into()),
        }
    }
    Ok(())
}

fn service(index: usize) -> &'static ServiceDescriptor {
    descriptor(format!("bench.Service{index}"), 1)
}

/// How many providers, or services.
const CROWD: usize = 1_000;
const CALLS: usize = 20_000;
const CHANGES: usize = 10;
/// Longer than a resolver waits before it reads everything again.
const IDLE: Duration = Duration::from_secs(60);
const SETTLES: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);
