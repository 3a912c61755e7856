//! The client of a system that uses tokio: its event loops, its connections, its callers.

use std::future::Future;
use std::net::SocketAddr;

use tokio::runtime::{Builder, Runtime};

use crate::affinity::available_cores;
use crate::closed::call_in_turn;
use crate::meter::{Meter, Share};
use crate::open::call_when_due;
use crate::{Kind, Load, Report, Threads};

/// Why a run failed, as text for people.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A connection of the system under test, as its users hold it. Clones share the connection.
pub trait Client: Clone + Send + Sync + 'static {
    /// A request to send repeatedly. Making the sent request from it is part of the call.
    type Request: Clone + Send + Sync + 'static;

    /// Opens a connection. If the system connects lazily, the implementation makes a first call.
    fn connect(address: SocketAddr) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// Creates a request with a payload of this many bytes.
    fn request(payload: usize) -> Self::Request;

    /// Makes a call. Returns the size of the reply's payload in bytes.
    fn call(&self, request: &Self::Request) -> impl Future<Output = Result<usize, Failure>> + Send;
}

/// Makes and measures unary calls as `load` says.
pub fn drive<C: Client>(load: &Load) -> Result<Report, Failure> {
    let again = load.clone();
    on_runtimes(load, move |share| {
        let load = again.clone();
        async move {
            let mut clients = Vec::with_capacity(share.connections);
            for _ in 0..share.connections {
                clients.push(C::connect(load.address).await?);
            }
            share.connected();
            match load.rate {
                None => call_in_turn(clients, &load, &share.meter).await,
                Some(_) => call_when_due(clients, &load, &share).await,
            }
        }
    })
}

/// Runs `work` once on each runtime of a client, and measures what `work` counts.
pub fn on_runtimes<W, F>(load: &Load, work: W) -> Result<Report, Failure>
where
    W: Fn(Share) -> F + Clone + Send + 'static,
    F: Future<Output = Result<(), Failure>>,
{
    let (threads, shared) = match load.threads {
        Threads::Loops(count) => (count, false),
        Threads::Shared => (1, true),
        Threads::Best if many_connections_with_a_caller_each(load) => (1, true),
        Threads::Best => (available_cores(), false),
    };
    Meter::measure(load, threads, move |share| {
        let mut builder = if shared { Builder::new_multi_thread() } else { Builder::new_current_thread() };
        builder.enable_all().build()?.block_on(work(share))
    })
}

/// Whether the load has many connections with one caller each. With this load every tokio system was 15 to 20 % faster on a
/// multi-threaded runtime; with all other loads, on loops of one thread each.
fn many_connections_with_a_caller_each(load: &Load) -> bool {
    load.kind == Kind::Unary && load.shape.connections > 1 && load.shape.callers == 1
}

/// Runs a peer's server on the runtime that its users have: multi-threaded, with one thread for each core.
pub fn block_on_servers<F: Future>(server: F) -> Result<F::Output, Failure> {
    Ok(Runtime::new()?.block_on(server))
}
