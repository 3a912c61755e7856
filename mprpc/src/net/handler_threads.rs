//! The threads that run handlers which compute, beside the event loops. Knows no handlers.

use tokio::runtime::{Builder, Handle, Runtime};

use crate::error::{Error, ErrorKind};

/// Threads for each handler that computes at a time. Those beyond one wait, until handlers that compute for long keep all the
/// others from beginning: then the system shares the cores among more threads.
const THREADS_PER_HANDLER: usize = 4;

/// Threads for handlers. Dropping it ends them at the next await of what they run; nothing waits for that.
#[derive(Debug)]
pub(crate) struct HandlerThreads {
    runtime: Option<Runtime>,
    handle: Handle,
    at_a_time: usize,
}

impl HandlerThreads {
    /// Threads for `at_a_time` handlers that compute at a time; 0 is one for each core.
    pub(crate) fn start(at_a_time: usize) -> Result<HandlerThreads, Error> {
        let at_a_time = match at_a_time {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            at_a_time => at_a_time,
        };
        let runtime = Builder::new_multi_thread()
            .worker_threads(at_a_time * THREADS_PER_HANDLER)
            .thread_name("mprpc-handler")
            .enable_all()
            .build()
            .map_err(|error| Error::with_source(ErrorKind::System, "cannot start the threads for handlers", error))?;
        Ok(HandlerThreads { handle: runtime.handle().clone(), runtime: Some(runtime), at_a_time })
    }

    /// Their runtime.
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// How many handlers are to compute at a time.
    pub(crate) fn at_a_time(&self) -> usize {
        self.at_a_time
    }
}

impl Drop for HandlerThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
