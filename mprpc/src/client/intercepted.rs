//! Runs the interceptors of a channel around one call and enforces the call's deadline on them.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Poll, ready};

use crate::context::Context;
use crate::interceptor::{Chain, Next};
use crate::net::timer::Timer;
use crate::service::{Body, BoxFuture};
use crate::status::{Phase, Ran, Status};

/// Passes the call through the interceptors to `transmit`. `transmit` enforces the deadline itself.
pub(super) async fn intercepted(
    interceptors: Chain,
    context: Context,
    body: Body,
    transmit: impl FnOnce(Context, Body) -> BoxFuture<Result<Body, Status>> + Send + 'static,
) -> Result<Body, Status> {
    let place = Arc::new(AtomicU8::new(ON_THE_WAY_OUT));
    let noted = place.clone();
    let next = Next::new(interceptors, move |context, body| {
        noted.store(TRANSMITTED, Ordering::Release);
        let transmitted = transmit(context, body);
        Box::pin(async move {
            let reply = transmitted.await;
            noted.store(ON_THE_WAY_BACK, Ordering::Release);
            reply
        })
    });
    let mut call = next.run(context.clone(), body);
    let mut timer = pin!(Timer::default());
    poll_fn(|cx| {
        if let Poll::Ready(reply) = call.as_mut().poll(cx) {
            return Poll::Ready(reply);
        }
        let place = place.load(Ordering::Acquire);
        // The deadline is read again here because an interceptor may have moved it to an earlier time.
        let Some(at) = context.deadline().instant().filter(|_| place != TRANSMITTED) else {
            return Poll::Pending;
        };
        ready!(timer.as_mut().poll(cx, at));
        let status = Status::deadline_exceeded("an interceptor did not finish within the deadline");
        Poll::Ready(Err(match place {
            ON_THE_WAY_OUT => status.with_phase(Phase::Send).with_ran(Ran::No),
            _ => status.with_phase(Phase::Reply).with_ran(Ran::Maybe),
        }))
    })
    .await
}

const ON_THE_WAY_OUT: u8 = 0;
const TRANSMITTED: u8 = 1;
const ON_THE_WAY_BACK: u8 = 2;
