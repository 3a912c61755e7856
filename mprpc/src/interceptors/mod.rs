//! Interceptors that are ready to be used, each in a file of its own: a log line a call, tokens, rate limits, counts, who
//! may call what, the trace. What an interceptor is stands in [`crate::Interceptor`].
//!
//! All of them fit all kinds of methods and both protocols. They see a call in the order in which they were added, so
//! what is cheap and refuses comes first, and what counts everything before that:
//!
//! ```no_run
//! use std::time::Duration;
//! use mprpc::interceptors::{AllowedCallers, Logging, RateLimit, RequireToken, Trace};
//!
//! let server = mprpc::Server::default()
//!     .intercept(Trace)
//!     .intercept(Logging::default())
//!     .intercept(RequireToken::one_of([("s3cret", "gateway")]))
//!     .intercept(AllowedCallers::default().allow("shop.Stock", ["gateway"]))
//!     .intercept(RateLimit::new(100, Duration::from_secs(1)).each_caller());
//! ```

mod allowed_callers;
mod ended;
mod logging;
mod metrics;
mod rate_limit;
mod token;
#[cfg(feature = "tower")]
mod tower;
mod trace;

#[cfg(test)]
pub(crate) mod tests;

pub use allowed_callers::AllowedCallers;
pub use ended::{Ended, on_end};
pub use logging::Logging;
pub use metrics::{CallMetrics, MethodMetrics};
pub use rate_limit::RateLimit;
pub use token::{BearerToken, Caller, RequireToken};
#[cfg(feature = "tower")]
pub use tower::{TowerLayer, TowerNext, TowerRequest};
pub use trace::Trace;

use crate::context::Context;
use crate::status::{Phase, Ran, Status};

/// The answer to a call that an interceptor does not let through: it did not run.
fn refused(context: &Context, status: Status) -> Status {
    // Before it is sent, the caller's side does not know to whom.
    let phase = if context.peer().is_some() { Phase::Queue } else { Phase::Send };
    status.with_phase(phase).with_ran(Ran::No)
}
