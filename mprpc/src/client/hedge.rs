//! `Hedge`: makes a second attempt at another endpoint if the first one takes long. The first reply wins; dropping the
//! other attempt cancels it at its server.

use std::pin::{Pin, pin};
use std::sync::Arc;

use futures_util::future::{Either, select};

use super::latencies::Latencies;
use super::service::{Picked, ServiceEndpoints};
use super::subchannel::Subchannel;
use super::transport::Request;
use crate::context::Context;
use crate::net::clock;
use crate::service::Body;
use crate::status::{Ran, Status};

/// How the calls of one method are hedged.
pub(super) struct Hedge {
    latencies: Arc<Latencies>,
    endpoints: Arc<ServiceEndpoints>,
}

/// The result of an attempt that may have had a hedge.
pub(super) struct Hedged {
    pub(super) outcome: Result<Body, Status>,
    /// The subchannel of the hedge, if there was one.
    pub(super) second: Option<Arc<Subchannel>>,
    /// Whether one of two failed attempts may have run.
    pub(super) may_have_run: bool,
}

impl Hedge {
    pub(super) fn new(latencies: Arc<Latencies>, endpoints: Arc<ServiceEndpoints>) -> Hedge {
        Hedge { latencies, endpoints }
    }

    /// Makes an attempt at `first`, and a hedge elsewhere if the reply takes long. The hedge avoids `first` and `tried`.
    pub(super) async fn call(&self, first: &Arc<Subchannel>, request: &Request, tried: &[Arc<Subchannel>]) -> Hedged {
        let begun = clock::now();
        let hedged = self.attempts(first, request, tried).await;
        if hedged.outcome.is_ok() {
            self.latencies.record(clock::now().saturating_duration_since(begun));
        }
        hedged
    }

    async fn attempts(&self, first: &Arc<Subchannel>, request: &Request, tried: &[Arc<Subchannel>]) -> Hedged {
        let alone = |outcome| Hedged { outcome, second: None, may_have_run: false };
        let attempt = pin!(first.call(request));
        let Some(delay) = self.latencies.hedge_delay(self.endpoints.options().limits.hedge_delay_min) else {
            return alone(attempt.await);
        };
        let attempt = match select(attempt, pin!(tokio::time::sleep(delay))).await {
            Either::Left((outcome, _)) => return alone(outcome),
            Either::Right(((), attempt)) => attempt,
        };
        let (Some(again), Some(second)) = (repeated(request), self.second_endpoint(first, request, tried)) else {
            return alone(attempt.await);
        };
        let raced = race(attempt, pin!(second.call(&again))).await;
        let mut may_have_run = false;
        let (outcome, failed) = match raced {
            Raced::First(reply, failed) => (Ok(reply), failed),
            Raced::Second(reply, failed) => {
                take_metadata(&again, request);
                (Ok(reply), failed)
            }
            Raced::Neither(first, second) => {
                may_have_run = first.ran() == Ran::Maybe || second.ran() == Ran::Maybe;
                // The answer of a handler says more than a failure of the network.
                let (status, other) = if second.is_from_handler() { (second, first) } else { (first, second) };
                (Err(status), Some(other))
            }
        };
        if let Some(failed) = failed {
            // The caller reports the outcome itself.
            self.endpoints.answered::<()>(&Err(failed));
        }
        Hedged { outcome, second: Some(second), may_have_run }
    }

    /// Picks the endpoint of the hedge and takes the hedge out of the budget.
    fn second_endpoint(
        &self,
        first: &Arc<Subchannel>,
        request: &Request,
        tried: &[Arc<Subchannel>],
    ) -> Option<Arc<Subchannel>> {
        let tried = [tried, std::slice::from_ref(first)].concat();
        let picked = self.endpoints.pick(&request.method().name, request.hash_key, &tried);
        let Picked::Subchannel(second) = picked else { return None };
        let admitted = self.endpoints.admit(request.context.metadata()).is_ok();
        let limits = &self.endpoints.options().limits;
        (admitted && self.endpoints.retries().take(limits, clock::now())).then_some(second)
    }
}

/// The request of the hedge. The hedge has its own context, because both attempts may receive reply metadata.
fn repeated(request: &Request) -> Option<Request> {
    let message = request.message.clone()?;
    let metadata = request.context.metadata().clone();
    let mut context = Context::new(request.method().clone(), None, request.deadline(), metadata);
    context.set_attempt(request.context.attempt() + 1);
    let mut again = Request::new(context, Body::Message(message), request.opening, request.is_reply);
    (again.compression, again.hash_key, again.may_leave) = (request.compression, request.hash_key, true);
    Some(again)
}

/// Copies what the server of the hedge sent beside the reply to the context of the call.
fn take_metadata(hedge: &Request, request: &Request) {
    if hedge.context.has_metadata() || request.context.has_metadata() {
        *request.context.reply_metadata() = hedge.context.reply_metadata().clone();
        *request.context.trailer() = hedge.context.trailer().clone();
    }
}

/// The results of two attempts at the same time. The loser has failed, or is cancelled.
enum Raced {
    First(Body, Option<Status>),
    Second(Body, Option<Status>),
    Neither(Status, Status),
}

/// Waits for the first reply of two attempts. If one attempt fails, the other one decides.
async fn race<F, S>(first: Pin<&mut F>, second: Pin<&mut S>) -> Raced
where
    F: Future<Output = Result<Body, Status>>,
    S: Future<Output = Result<Body, Status>>,
{
    match select(first, second).await {
        Either::Left((Ok(reply), _)) => Raced::First(reply, None),
        Either::Right((Ok(reply), _)) => Raced::Second(reply, None),
        Either::Left((Err(failed), second)) => match second.await {
            Ok(reply) => Raced::Second(reply, Some(failed)),
            Err(status) => Raced::Neither(failed, status),
        },
        Either::Right((Err(failed), first)) => match first.await {
            Ok(reply) => Raced::First(reply, Some(failed)),
            Err(status) => Raced::Neither(status, failed),
        },
    }
}
