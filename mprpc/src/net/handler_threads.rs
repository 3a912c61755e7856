//! Threads for handlers that compute, separate from the event loops. This file knows nothing about handlers.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, ErrorKind};

/// Threads per handler that may compute at a time. The extra threads idle until long computations keep all other handlers
/// from starting; the system then shares the cores among more threads.
const THREADS_PER_HANDLER: usize = 4;

/// A runtime with threads for handlers. Drop ends each task at its next await, and does not wait for the tasks.
#[derive(Debug)]
pub(crate) struct HandlerThreads {
    runtime: Option<Runtime>,
    handle: Handle,
    at_a_time: usize,
}

impl HandlerThreads {
    /// Starts threads for `at_a_time` handlers that compute at the same time; 0 means one per core.
    pub(crate) fn start(at_a_time: usize) -> Result<HandlerThreads, Error> {
        let at_a_time = match at_a_time {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            at_a_time => at_a_time,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(at_a_time * THREADS_PER_HANDLER)
            .thread_name("mprpc-handler")
            .on_thread_start(yield_to_loops)
            .enable_all()
            .build()
            .map_err(|error| Error::with_source(ErrorKind::System, "cannot start the threads for handlers", error))?;
        Ok(HandlerThreads { handle: runtime.handle().clone(), runtime: Some(runtime), at_a_time })
    }

    /// The runtime of the threads.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How many handlers may compute at the same time.
    pub(crate) fn at_a_time(&self) -> usize {
        self.at_a_time
    }
}

/// Lets the event loops, which have little to do each time, run before the handlers of this thread where both want the same core.
/// Measured: 99 % of calls of 2 us and 1 % of 5 ms, see the row `mixed` of bench/.
fn yield_to_loops() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, HANDLER_NICENESS) {
        tracing::debug!(%error, "the threads of handlers have the priority of all others");
    }
}

/// How much nicer than the rest of the process these threads are, from 0 to 19.
#[cfg(target_os = "linux")]
const HANDLER_NICENESS: i32 = 5;

impl Drop for HandlerThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
