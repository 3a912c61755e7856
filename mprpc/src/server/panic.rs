//! Contains the panics of handlers, and records each for the log.

use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// A panic that was contained.
#[derive(Debug)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) backtrace: Option<Backtrace>,
}

thread_local! {
    static CONTAINING: Cell<bool> = const { Cell::new(false) };
    static BACKTRACE: RefCell<Option<Backtrace>> = const { RefCell::new(None) };
}

/// Runs `work` and catches its panic. The caller must drop whatever a panic leaves half changed.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Without a subscriber of the log, the previous hook reports the panic.
            if CONTAINING.get() && tracing::dispatcher::has_been_set() {
                // The stack is gone once the panic is caught, so the hook captures the backtrace and the catcher logs it.
                BACKTRACE.replace(Some(Backtrace::force_capture()));
            } else {
                previous(info);
            }
        }));
    });
    // Containments nest: a handler may call another handler in this process directly.
    let before = CONTAINING.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINING.set(before);
    outcome.map_err(|payload| Panic { message: message(&*payload), backtrace: BACKTRACE.take() })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
