//! `FanOut`: several calls at the same time, and what is made of their replies.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;

use super::call::Call;
use crate::net::clock;
use crate::status::{Code, Phase, Ran, Status};

/// Several calls that run at the same time, each with the same type of reply. The calls may go to different channels,
/// endpoints, services and methods.
///
/// At most [`FanOut::at_a_time`] calls run at a time; the others wait for their turn. Each call keeps its own options, its
/// deadline and its retries. Dropping the future of a fan-out cancels the calls that run.
///
/// ```no_run
/// # async fn read(replicas: &[mprpc::RawClient]) -> Result<(), mprpc::Status> {
/// use mprpc::FanOut;
///
/// let calls = replicas.iter().map(|replica| replica.unary("Read", "key"));
/// let two_replies = FanOut::new(calls).quorum(2).await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a fan-out starts when one of its functions is awaited"]
pub struct FanOut<R> {
    calls: Vec<Call<R>>,
    at_a_time: usize,
    timeout: Option<Duration>,
}

/// The default of [`FanOut::at_a_time`].
const AT_A_TIME: usize = 128;

impl<R: Send + 'static> FanOut<R> {
    /// Creates a fan-out of these calls.
    pub fn new(calls: impl IntoIterator<Item = Call<R>>) -> FanOut<R> {
        FanOut { calls: calls.into_iter().collect(), at_a_time: AT_A_TIME, timeout: None }
    }

    /// Sets how many calls run at a time, at least 1. The default is 128.
    pub fn at_a_time(self, calls: usize) -> FanOut<R> {
        FanOut { at_a_time: calls.max(1), ..self }
    }

    /// Sets the longest time that all calls together may take. A call that ends later, or has not begun by then, fails with
    /// DEADLINE_EXCEEDED. The calls keep shorter timeouts of their own.
    pub fn timeout(self, timeout: Duration) -> FanOut<R> {
        FanOut { timeout: Some(timeout), ..self }
    }

    /// Waits for all calls, and returns their results in the order of the calls. A failure of one call does not end the
    /// others.
    pub async fn all(self) -> Vec<Result<R, Status>> {
        let mut results: Vec<Option<Result<R, Status>>> = self.calls.iter().map(|_| None).collect();
        self.run(|index, result| {
            results[index] = Some(result);
            false
        })
        .await;
        // `run` reports each call once, unless it is told to stop.
        results.into_iter().flatten().collect()
    }

    /// Waits for `wanted` replies and cancels the other calls. Returns each reply with the index of its call, in the order
    /// in which the replies came.
    ///
    /// # Errors
    /// Fails as soon as so many calls have failed that the others are too few. The status has the code of the first
    /// failure, and its message tells the numbers. INVALID_ARGUMENT if `wanted` is more than the number of calls.
    pub async fn quorum(self, wanted: usize) -> Result<Vec<(usize, R)>, Status> {
        let calls = self.calls.len();
        if wanted > calls {
            let status = Status::invalid_argument(format!("a quorum of {wanted} of {calls} calls"));
            return Err(status.with_phase(Phase::Send).with_ran(Ran::No));
        }
        let (mut replies, mut failures) = (Vec::with_capacity(wanted), Vec::new());
        if wanted > 0 {
            self.run(|index, result| {
                match result {
                    Ok(reply) => replies.push((index, reply)),
                    Err(status) => failures.push(status),
                }
                replies.len() == wanted || failures.len() > calls - wanted
            })
            .await;
        }
        if replies.len() == wanted { Ok(replies) } else { Err(out_of_reach(wanted, calls, replies.len(), &failures)) }
    }

    /// Waits for the first reply and cancels the other calls.
    ///
    /// # Errors
    /// Fails if every call fails, as [`FanOut::quorum`] does. INVALID_ARGUMENT if there is no call.
    pub async fn first(self) -> Result<R, Status> {
        let replies = self.quorum(1).await?;
        replies.into_iter().next().map(|(_, reply)| reply).ok_or_else(|| Status::internal("a quorum without a reply"))
    }

    /// Runs the calls and reports the result of each one, until `ended` says that the rest is not needed.
    async fn run(self, mut ended: impl FnMut(usize, Result<R, Status>) -> bool) {
        let FanOut { calls, at_a_time, timeout } = self;
        let end = timeout.and_then(|timeout| clock::now().checked_add(timeout));
        let mut waiting = calls.into_iter().enumerate();
        let begin = |(index, call): (usize, Call<R>)| async move { (index, until(call, end).await) };
        let mut running: FuturesUnordered<_> = waiting.by_ref().take(at_a_time).map(begin).collect();
        while let Some((index, result)) = running.next().await {
            if ended(index, result) {
                return;
            }
            running.extend(waiting.next().map(begin));
        }
    }
}

/// Makes a call that ends at `end` at the latest.
fn until<R: Send + 'static>(call: Call<R>, end: Option<Instant>) -> Call<R> {
    let Some(end) = end else { return call };
    match end.saturating_duration_since(clock::now()) {
        Duration::ZERO => {
            let status = Status::deadline_exceeded("the timeout of the fan-out passed before the call began");
            Call::ready(Err(status.with_phase(Phase::Send).with_ran(Ran::No)))
        }
        remaining => call.within(remaining),
    }
}

/// The status of a quorum that too many calls have failed.
fn out_of_reach(wanted: usize, calls: usize, replies: usize, failures: &[Status]) -> Status {
    let (code, first) =
        failures.first().map_or((Code::Internal, String::new()), |first| (first.code(), first.to_string()));
    let message =
        format!("{wanted} of {calls} calls cannot succeed: {replies} have, {} failed: {first}", failures.len());
    let did_not_run = replies == 0 && failures.iter().all(|status| status.ran() == Ran::No);
    let ran = if did_not_run { Ran::No } else { Ran::Maybe };
    Status::new(code, message).with_phase(Phase::Reply).with_ran(ran)
}
