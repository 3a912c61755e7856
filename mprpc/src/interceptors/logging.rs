//! Logs one line for each call that has ended. The log itself is [`crate::logging`].

use super::ended::{Ended, watch};
use crate::context::{Context, Peer};
use crate::interceptor::{Interceptor, Next};
use crate::net::clock;
use crate::service::{Body, BoxFuture};
use crate::status::{Code, Status};

/// Logs each call when it has ended. Works on both sides.
///
/// A line has the method, the peer and the trusted proxy in front of it, the code, the duration, the time left until the deadline, and the number of
/// messages in each direction. A stream is logged when all of it has ended. A call that succeeds or is cancelled is
/// logged at INFO. A call that fails is logged at WARN with its status. The content of messages is never logged.
#[derive(Clone, Debug, Default)]
pub struct Logging {
    /// Whether the line also shows the request's metadata, in its `Debug` form, which hides secrets.
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
    let proxy = context.peer().and_then(Peer::proxy_address);
    let code = ended.code().name();
    let left = context.deadline().remaining(clock::now()).map(tracing::field::debug);
    let metadata = shows_metadata.then(|| tracing::field::debug(context.metadata()));
    match status {
        Some(status) if status.code() != Code::Cancelled => {
            tracing::warn!(method, peer, proxy, code, ?took, left, requests, replies, metadata, %status, "call failed");
        }
        _ => tracing::info!(method, peer, proxy, code, ?took, left, requests, replies, metadata, "call ended"),
    }
}
