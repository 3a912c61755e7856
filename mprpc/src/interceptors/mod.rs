//! Ready-made interceptors: call logs, tokens, rate limits, metrics, access control, tracing. [`crate::Interceptor`]
//! describes what an interceptor is.
//!
//! All of them support all kinds of methods and both protocols. Calls pass interceptors in the order in which they were
//! added. Put an interceptor that counts everything first, then the cheap ones that refuse calls:
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

/// Returns the status of a call that an interceptor refuses: the call did not run.
fn refused(context: &Context, status: Status) -> Status {
    // On the caller's side the peer is unknown before the call is sent.
    let phase = if context.peer().is_some() { Phase::Queue } else { Phase::Send };
    status.with_phase(phase).with_ran(Ran::No)
}
