//! Signal handling: the first signal begins a graceful shutdown, the second ends the process.

use tokio::signal::unix::{Signal, SignalKind, signal};

use super::ServerHandle;
use crate::error::{Error, ErrorKind};

/// The exit code after a second signal.
const EXIT_CODE_AT_ONCE: i32 = 130;

pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn install() -> Result<Signals, Error> {
        let install =
            |kind| signal(kind).map_err(|error| Error::with_source(ErrorKind::System, "cannot catch signals", error));
        Ok(Signals { terminate: install(SignalKind::terminate())?, interrupt: install(SignalKind::interrupt())? })
    }

    /// Waits for a signal or for a process that takes over, then for the end of the graceful shutdown or for a second signal.
    pub(super) async fn wait(mut self, running: ServerHandle) {
        tokio::select! {
            signal = self.next() => tracing::info!(signal, "stopping: withdrawing, then finishing what is in flight"),
            () = running.handed_over() => tracing::info!("another process has taken over: finishing what is in flight"),
        }
        tokio::select! {
            () = running.stop() => tracing::info!("stopped"),
            signal = self.next() => {
                tracing::warn!(signal, "a second signal: ending at once");
                std::process::exit(EXIT_CODE_AT_ONCE);
            }
        }
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}
