//! The call that is being served, where the code that runs for it finds it without being handed it.
//!
//! A handler's outgoing calls inherit its deadline and some of its metadata so. What a handler spawns does too, by
//! [`crate::net::spawn`].

use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::task::{self, Poll};

use futures_util::Stream;

use crate::context::Context;

thread_local! {
    /// Taken out again by whoever put it in, so that a thread's end has nothing to drop: without a destructor an access is a
    /// load, with one it asks first whether the destructor has run.
    static CURRENT: Cell<ManuallyDrop<Option<Context>>> = const { Cell::new(ManuallyDrop::new(None)) };
}

/// The call that calls made here inherit from.
pub(crate) fn current() -> Option<Context> {
    let current = replace(None);
    let copy = current.clone();
    replace(current);
    copy
}

fn replace(context: Option<Context>) -> Option<Context> {
    ManuallyDrop::into_inner(CURRENT.replace(ManuallyDrop::new(context)))
}

/// Runs `work` for this call, or for none. Nests, and ends with a panic too.
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

/// The same, where the context is lent for the time: nothing is counted up and down on the path of a call.
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

/// A future, or a stream, that always runs for the call for which it was made.
pub(crate) struct Scoped<F> {
    context: Option<Context>,
    future: F,
}

impl<F: Future> Scoped<Pin<Box<F>>> {
    /// For the call that is being served here.
    pub(crate) fn new(future: F) -> Scoped<Pin<Box<F>>> {
        Scoped { context: current(), future: Box::pin(future) }
    }
}

impl<F> Scoped<F> {
    /// For this call.
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
