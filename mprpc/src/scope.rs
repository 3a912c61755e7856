//! The deadline of the call that is being served, where the code that runs for it finds it without being handed it.
//!
//! A handler's outgoing calls inherit it so. What a handler spawns does too, by [`crate::net::spawn`].

use std::cell::Cell;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::deadline::Deadline;

thread_local! {
    static CURRENT: Cell<Deadline> = const { Cell::new(Deadline::NONE) };
}

/// The deadline that calls made here inherit.
pub(crate) fn deadline() -> Deadline {
    CURRENT.get()
}

/// Runs `work` under this deadline. Nests, and ends with a panic too.
pub(crate) fn under<T>(deadline: Deadline, work: impl FnOnce() -> T) -> T {
    struct Restore(Deadline);
    impl Drop for Restore {
        fn drop(&mut self) {
            CURRENT.set(self.0);
        }
    }
    let _restore = Restore(CURRENT.replace(deadline));
    work()
}

/// A future that always runs under the deadline under which it was made.
pub(crate) struct Scoped<F> {
    deadline: Deadline,
    future: Pin<Box<F>>,
}

impl<F: Future> Scoped<F> {
    pub(crate) fn new(future: F) -> Scoped<F> {
        Scoped { deadline: deadline(), future: Box::pin(future) }
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let deadline = self.deadline;
        under(deadline, || self.future.as_mut().poll(cx))
    }
}
