//! The reactor: event loops, sockets, threads and the clock. It knows nothing about RPC.

mod acceptor;
mod allocator;
#[cfg(feature = "zookeeper")]
mod byte_stream;
pub(crate) mod clock;
pub(crate) mod connection;
mod connector;
mod container;
mod event_loop;
mod handler_threads;
pub(crate) mod handover;
mod host;
pub(crate) mod memory;
mod passed_sockets;
pub(crate) mod pipe;
mod read_buffer;
mod send_buffer;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod simulated;
mod stream;
mod tcp;
mod tcp_server;
pub(crate) mod timer;
#[cfg_attr(not(feature = "tls"), path = "tls_off.rs")]
pub(crate) mod tls;
mod worker_pool;

pub(crate) use acceptor::{Incoming, Listener};
pub(crate) use allocator::give_back_memory;
#[cfg(feature = "zookeeper")]
pub(crate) use byte_stream::ByteStream;
pub(crate) use connector::Connector;
#[cfg(feature = "zookeeper")]
pub(crate) use connector::connect;
pub(crate) use connector::lookup;
#[cfg(any(test, feature = "testing"))]
pub(crate) use connector::within_limit;
pub(crate) use container::memory_limit;
pub(crate) use event_loop::Place;
pub use event_loop::{LoopGroup, Loops};
pub(crate) use handler_threads::HandlerThreads;
pub(crate) use host::host_id;
pub(crate) use read_buffer::ReadBuffer;
pub(crate) use send_buffer::SendBuffer;
pub(crate) use stream::{Accepted, Reader, Stream, Writer};
pub use tcp_server::{Connection, Stopper, TcpServer};
pub use worker_pool::WorkerPool;

use std::cell::Cell;
use std::sync::OnceLock;

use crate::scope::Scoped;

/// Spawns a task that inherits the deadline of the current call.
///
/// Use it instead of `tokio::spawn` for work that a handler starts and does not await. Calls that the task makes inherit
/// the deadline of the call that is being served, as the handler's own calls do.
///
/// # Panics
/// Outside a tokio runtime.
pub fn spawn<F: Future<Output: Send> + Send + 'static>(future: F) -> tokio::task::JoinHandle<F::Output> {
    tokio::spawn(Scoped::new(future))
}

thread_local! {
    static IS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// Whether the current thread is the background loop's. That thread must not block on work of the background loop.
pub(crate) fn is_background() -> bool {
    IS_BACKGROUND.get()
}

/// The background loop of the process: one thread for work that belongs to no caller's runtime.
///
/// Discovery, registration, and calls from threads without a runtime run on the loop. It starts at its first use and lives
/// as long as the process.
pub fn background() -> &'static tokio::runtime::Handle {
    static BACKGROUND: OnceLock<tokio::runtime::Handle> = OnceLock::new();
    BACKGROUND.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a process that has no file descriptor left at its first call cannot go on");
        let handle = runtime.handle().clone();
        std::thread::Builder::new()
            .name("mprpc-background".into())
            .spawn(move || {
                IS_BACKGROUND.set(true);
                runtime.block_on(std::future::pending::<()>());
            })
            .expect("a process that can start no thread at its first call cannot go on");
        handle
    })
}
