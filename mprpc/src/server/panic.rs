//! Panics of handlers: contained, and turned into something that can be logged.

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

/// Runs `work`; a panic in it ends here. What it had half changed is dropped with it, as the caller sees to.
pub(crate) fn contain<T>(work: impl FnOnce() -> T) -> Result<T, Panic> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // Where nobody takes the log, the panic is said as any other is.
            if CONTAINING.get() && tracing::dispatcher::has_been_set() {
                // The stack is gone once the panic has been caught, so the trace is taken here and logged there.
                BACKTRACE.replace(Some(Backtrace::force_capture()));
            } else {
                previous(info);
            }
        }));
    });
    // Nests: a handler may call another one in this process directly.
    let before = CONTAINING.replace(true);
    let outcome = panic::catch_unwind(AssertUnwindSafe(work));
    CONTAINING.set(before);
    outcome.map_err(|payload| Panic { message: message(&*payload), backtrace: BACKTRACE.take() })
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
