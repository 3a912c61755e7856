//! The client of a system that lives on tokio: its loops, its connections, its callers.

use std::future::Future;
use std::net::SocketAddr;

use tokio::runtime::{Builder, Runtime};

use crate::affinity::available_cores;
use crate::closed::call_in_turn;
use crate::meter::{Meter, Share};
use crate::open::call_when_due;
use crate::{Kind, Load, Report, Threads};

/// Why a run failed, for a person.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// A connection of the system under test, as its users hold it. Clones share it.
pub trait Client: Clone + Send + Sync + 'static {
    /// A request, as it is kept; making the one that is sent of it is part of the call.
    type Request: Clone + Send + Sync + 'static;

    /// Opens a connection, for certain: makes a call if it would be opened by the first one.
    fn connect(address: SocketAddr) -> impl Future<Output = Result<Self, Failure>> + Send;

    /// A request with so many bytes.
    fn request(payload: usize) -> Self::Request;

    /// Makes a call; the bytes of the reply's payload.
    fn call(&self, request: &Self::Request) -> impl Future<Output = Result<usize, Failure>> + Send;
}

/// Makes unary calls as `load` says, and measures them.
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

/// Runs `work` on the runtimes of a client, once on each, and measures what it counts.
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

/// With these every system on tokio was faster on a runtime of several threads, by 15 to 20 %, and with all other loads
/// on loops of one thread each.
fn many_connections_with_a_caller_each(load: &Load) -> bool {
    load.kind == Kind::Unary && load.shape.connections > 1 && load.shape.callers == 1
}

/// The runtime of a peer's server, as their users have it: of several threads, one for each core.
pub fn block_on_servers<F: Future>(server: F) -> Result<F::Output, Failure> {
    Ok(Runtime::new()?.block_on(server))
}
