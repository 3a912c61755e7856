//! A line in the log for each call that has ended. Not the log itself, which is [`crate::logging`].

use super::ended::{Ended, watch};
use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::net::clock;
use crate::service::{Body, BoxFuture};
use crate::status::{Code, Status};

/// Logs each call when it has ended, a stream when all of it has: method, peer, code, what it took, what was left of its
/// deadline, how many messages went either way. For both sides.
///
/// A call that ended well, or was cancelled, is a line at INFO; one that failed, at WARN with its status. What the
/// messages say is never logged.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// Whether the line has the request's metadata too: as its `Debug` shows it, which keeps secrets to itself.
    pub shows_metadata: bool,
}

impl Interceptor for Logging {
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        let shows_metadata = self.shows_metadata;
        watch(context, body, next, move |ended| log(ended, shows_metadata))
    }
}

fn log(ended: &Ended<'_>, shows_metadata: bool) {
    let Ended { context, status, took, requests, replies } = ended;
    let method = &*context.method().path;
    let peer = context.peer().map(|peer| tracing::field::display(&peer.address));
    let code = ended.code().name();
    let left = context.deadline().remaining(clock::now()).map(tracing::field::debug);
    let metadata = shows_metadata.then(|| tracing::field::debug(context.metadata()));
    match status {
        Some(status) if status.code() != Code::Cancelled => {
            tracing::warn!(method, peer, code, ?took, left, requests, replies, metadata, %status, "call failed");
        }
        _ => tracing::info!(method, peer, code, ?took, left, requests, replies, metadata, "call ended"),
    }
}
