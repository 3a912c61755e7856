//! Logs panics. Does not catch them: other code decides what happens to the thread.

use std::backtrace::Backtrace;
use std::panic::{self, PanicHookInfo};
use std::time::Duration;

use super::THREAD_NAME;

/// Installs the panic hook: it logs each panic at ERROR with its backtrace (`RUST_BACKTRACE=0` leaves the backtrace
/// out) and flushes the log.
///
/// If `and_before` is set, the hook also calls the previous hook. This is for logs in files, so that the panic also
/// appears where the program was started.
pub(super) fn install(flush_timeout: Duration, and_before: bool) {
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        log(info);
        // The writer thread cannot wait for itself.
        if std::thread::current().name() != Some(THREAD_NAME) {
            super::flush(flush_timeout);
        }
        if and_before {
            before(info);
        }
    }));
}

fn log(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a value that is no text");
    let location = info.location().map(ToString::to_string).unwrap_or_default();
    let current = std::thread::current();
    let thread = current.name().unwrap_or("without a name");
    // Resolving the names of the frames takes milliseconds, once for each location in the program.
    if std::env::var_os("RUST_BACKTRACE").is_some_and(|value| value == "0") {
        tracing::error!(target: "mprpc::panic", location, thread, "panicked: {message}");
    } else {
        let backtrace = Backtrace::force_capture();
        tracing::error!(target: "mprpc::panic", location, thread, %backtrace, "panicked: {message}");
    }
}
