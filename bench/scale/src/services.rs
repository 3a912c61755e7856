//! Services and methods: the cost to call one of many, at the server. The measurement runs in memory, on one thread.

use std::time::Instant;

use mprpc::bench::{self, Peer, Serving};
use mprpc::codegen::Stub;
use mprpc::{Body, BoxFuture, BytesMut, Channel, Codec, Context, Server, Service, ServiceDescriptor, Status};
use serde::{Deserialize, Serialize};

use super::process::{self, Measured};
use super::{Result, bytes_each, descriptor, median, message};

#[derive(Serialize, Deserialize)]
pub(crate) struct Services {
    pub(crate) services: usize,
    /// Methods of each service.
    pub(crate) methods: usize,
    /// Nanoseconds of a call at the server: the first call of a method on a connection, and any later one.
    pub(crate) first_ns: f64,
    pub(crate) later_ns: f64,
    /// Setup time in microseconds: of the server for each method, and of each client of a service over one channel.
    pub(crate) adding_us: f64,
    pub(crate) client_us: f64,
    /// Bytes of the server for each method.
    pub(crate) bytes: f64,
}

impl Measured for Services {
    fn median(rounds: Vec<Services>) -> Services {
        let of = |value: fn(&Services) -> f64| median(rounds.iter().map(value).collect());
        Services {
            services: rounds[0].services,
            methods: rounds[0].methods,
            first_ns: of(|round| round.first_ns),
            later_ns: of(|round| round.later_ns),
            adding_us: of(|round| round.adding_us),
            client_us: of(|round| round.client_us),
            bytes: of(|round| round.bytes),
        }
    }
}

pub(crate) fn start(services: usize, methods: usize) -> Result<Services> {
    process::run(&["--services", &services.to_string(), &methods.to_string()])
}

pub(crate) fn measure(services: &str, methods: &str) -> Result<Services> {
    let (services, methods): (usize, usize) = (services.parse()?, methods.parse()?);
    let descriptors: Vec<_> = (0..services).map(|index| descriptor(format!("bench.Service{index}"), methods)).collect();
    let all = (services * methods) as f64;
    let before = process::resident_bytes("self")?;
    let since = Instant::now();
    let server = descriptors.iter().fold(Server::default(), |server, descriptor| server.add(Echo(descriptor)));
    let serving = Serving::new(server)?;
    let adding_us = since.elapsed().as_secs_f64() * 1e6 / all;
    let bytes = (process::resident_bytes("self")? - before) / all;
    // The called methods are spread evenly over all methods.
    let called: Vec<(usize, usize)> = (0..CALLED)
        .map(|index| index * services * methods / CALLED)
        .map(|place| (place / methods, place % methods))
        .collect();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut first, mut later) = (Vec::new(), Vec::new());
    runtime.block_on(async {
        for _ in 0..CONNECTIONS {
            let mut caller = Caller { peer: serving.connect(), out: BytesMut::new(), message: encoded()? };
            bench::greeting(&mut caller.out);
            // The first call on a connection includes the cost of the connection.
            bench::method(&mut caller.out, 0, &descriptors[0].methods[0]);
            caller.call(std::iter::once(0)).await?;
            let since = Instant::now();
            for (batch, numbers) in called.chunks(TOGETHER).zip((1u16..).step_by(TOGETHER)) {
                for ((service, method), number) in batch.iter().zip(numbers..) {
                    bench::method(&mut caller.out, number, &descriptors[*service].methods[*method]);
                }
                caller.call(numbers..numbers + batch.len() as u16).await?;
            }
            first.push(since.elapsed().as_secs_f64() * 1e9 / CALLED as f64);
            for _ in 0..LATER {
                let since = Instant::now();
                for start in (1..=CALLED as u16).step_by(TOGETHER) {
                    caller.call(start..start + TOGETHER as u16).await?;
                }
                later.push(since.elapsed().as_secs_f64() * 1e9 / CALLED as f64);
            }
        }
        Ok::<_, Box<dyn std::error::Error + Send + Sync>>(())
    })?;
    let channel = Channel::new("127.0.0.1:1")?;
    let since = Instant::now();
    let stubs: Vec<Stub> = descriptors.iter().map(|descriptor| Stub::new(channel.clone(), descriptor)).collect();
    let client_us = since.elapsed().as_secs_f64() * 1e6 / services as f64;
    drop(stubs);
    Ok(Services { services, methods, first_ns: median(first), later_ns: median(later), adding_us, client_us, bytes })
}

/// The caller's end of a connection, driven by hand.
struct Caller {
    peer: Peer,
    out: BytesMut,
    message: mprpc::Bytes,
}

impl Caller {
    /// Calls the methods with these numbers, all at once, and waits for the replies.
    async fn call(&mut self, methods: impl Iterator<Item = u16>) -> Result<()> {
        let mut waited_for = 0u32;
        for method in methods {
            waited_for += 1;
            bench::request(&mut self.out, method, waited_for, &self.message);
        }
        self.peer.write(&self.out)?;
        self.out.clear();
        let mut wrong = 0;
        while waited_for > 0 {
            self.peer
                .read(|_, reply| {
                    waited_for -= 1;
                    wrong += usize::from(reply.len() != self.message.len());
                })
                .await?;
        }
        if wrong == 0 { Ok(()) } else { Err(format!("{wrong} calls failed").into()) }
    }
}

fn encoded() -> Result<mprpc::Bytes> {
    Ok(Body::encode(&message())?.into_message()?)
}

struct Echo(&'static ServiceDescriptor);

impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0
    }

    fn call(&self, _: usize, _: Context, request: Body, _: Codec) -> BoxFuture<std::result::Result<Body, Status>> {
        Box::pin(std::future::ready(Ok(request)))
    }
}

pub(crate) fn print(what: &str, measured: &[Services], count: fn(&Services) -> usize) {
    println!("\n{what:<22}   first call, ns   later call, ns   adding, us each   bytes each   a client, us");
    for one in measured {
        let Services { first_ns, later_ns, adding_us, client_us, .. } = one;
        let bytes = bytes_each(count(one), one.bytes);
        println!(
            "{:>22}   {first_ns:>14.0}   {later_ns:>14.0}   {adding_us:>15.2}   {bytes:>10}   {client_us:>12.2}",
            count(one)
        );
    }
}

/// The number of called methods. They are all different if there are as many.
const CALLED: usize = 1024;
const TOGETHER: usize = 64;
const CONNECTIONS: usize = 50;
/// Calls of each method after the first one.
const LATER: usize = 20;
