//! The call that the current code serves, kept in a thread-local so that nobody has to pass it along.
//!
//! A handler's outgoing calls inherit its deadline and some of its metadata through it. Tasks that a handler spawns with
//! [`crate::net::spawn`] inherit them too.

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{self, Poll};

use futures_util::Stream;

use crate::context::Context;

thread_local! {
    /// Whoever sets the value takes it out again, so nothing is left to drop at the end of a thread. Access to a
    /// thread-local without a destructor is a load; with a destructor it first checks whether the destructor has run.
    static CURRENT: Cell<ManuallyDrop<Option<Context>>> = const { Cell::new(ManuallyDrop::new(None)) };
}

/// The call from which outgoing calls inherit.
pub(crate) fn current() -> Option<Context> {
    let current = replace(None);
    let copy = current.clone();
    replace(current);
    copy
}

fn replace(context: Option<Context>) -> Option<Context> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(context)))
}

/// Runs `work` as part of this call, or of none. Calls of `under` nest, and a panic restores the previous call too.
pub(crate) fn under<T>(context: Option<Context>, work: impl FnOnce() -> T) -> T {
    struct Restore(Option<Context>);
    impl Drop for Restore {
        fn drop(&mut self) {
            replace(self.0.take());
        }
    }
    let _restore = Restore(replace(context));
    work()
}

/// Runs `work` as part of this call, with a lent context. It changes no reference count on the path of a call.
pub(crate) fn lending<T>(context: &mut Option<Context>, work: impl FnOnce() -> T) -> T {
    struct GiveBack<'a>(&'a mut Option<Context>, Option<Context>);
    impl Drop for GiveBack<'_> {
        fn drop(&mut self) {
            *self.0 = replace(self.1.take());
        }
    }
    let before = replace(context.take());
    let _give_back = GiveBack(context, before);
    work()
}

/// A future or a stream that always runs as part of the call for which it was created.
pub(crate) struct Scoped<F> {
    context: Option<Context>,
    future: F,
}

impl<F: Future> Scoped<Pin<Box<F>>> {
    /// Binds `future` to the call that the current code serves.
    pub(crate) fn new(future: F) -> Scoped<Pin<Box<F>>> {
        Scoped { context: current(), future: Box::pin(future) }
    }
}

impl<F> Scoped<F> {
    /// Binds `future` to the call of `context`.
    pub(crate) fn of(context: Context, future: F) -> Scoped<F> {
        Scoped { context: Some(context), future }
    }
}

impl<F: Future + Unpin> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<F::Output> {
        let Scoped { context, future } = self.get_mut();
        lending(context, || Pin::new(future).poll(cx))
    }
}

impl<S: Stream + Unpin> Stream for Scoped<S> {
    type Item = S::Item;

    fn poll_next(self: Pin<&mut Self>, cx: &mut task::Context<'_>) -> Poll<Option<S::Item>> {
        let Scoped { context, future } = self.get_mut();
        lending(context, || Pin::new(future).poll_next(cx))
    }
}
