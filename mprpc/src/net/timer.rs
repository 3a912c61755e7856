//! One timer that is set again and again. Reads the clock only through tokio.

use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Instant;

use tokio::time::Sleep;

/// A timer that is cheap to push back: it is set again only when it fires early or has to fire earlier.
#[derive(Debug, Default)]
pub(crate) struct Timer {
    sleep: Option<Pin<Box<Sleep>>>,
    /// Whom it wakes.
    waker: Option<task::Waker>,
}

impl Timer {
    /// Ready when `at` has come.
    pub(crate) fn poll(self: Pin<&mut Self>, cx: &mut task::Context<'_>, at: Instant) -> Poll<()> {
        let Timer { sleep, waker } = self.get_mut();
        let sleep = sleep.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at.into())));
        if sleep.deadline().into_std() > at {
            sleep.as_mut().reset(at.into());
        } else if waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) && !sleep.is_elapsed() {
            return Poll::Pending;
        }
        waker.clone_from(&Some(cx.waker().clone()));
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline().into_std() >= at {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(at.into());
        }
        Poll::Pending
    }
}
