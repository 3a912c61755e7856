//! The options of a channel, and how it opens connections. Not the options of one call.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::codec::Compression;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::method::MethodDescriptor;
use crate::net::Stream;
use crate::service::BoxFuture;
use crate::tls::TlsClient;

/// What can be chosen for a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// Bounds; the deadline of calls that say none is `limits.call_timeout`.
    pub limits: Limits,
    /// The deadline of the calls of some methods, by `package.Service/Method`, or of all methods of a service, by
    /// `package.Service`. It also bounds streams, which have none otherwise.
    pub timeouts: BTreeMap<String, Duration>,
    /// How requests of `limits.compress_bytes_min` and more are compressed, where the server accepts it; the first ones
    /// of a connection travel as they are, until it has said so.
    pub compression: Option<Compression>,
    /// Whether calls wait, within their deadline, while no endpoint can be reached, instead of failing at once.
    pub wait_for_ready: bool,
    /// Whether a classic server that closes without a byte has answered with an empty message. Its bytes are the same
    /// as those of a failure, so the default is an error that says so.
    pub classic_empty_reply: bool,
    /// Whether a classic reply is complete once it decodes and nothing more came for `limits.classic_reply_pause`: for
    /// servers that keep the connection open.
    pub classic_reply_pause: bool,
    /// TLS to the TCP endpoints. `None`: plain text.
    pub tls: Option<TlsClient>,
    /// Whether calls to a server in this process reach it without a socket: those with one request and one reply run its
    /// handler on the task of their caller, those with streams go over a connection in memory. Never where either side
    /// has TLS for the address, nor where the classic frame is asked for. `false` for tests of what is between the two.
    pub same_process: bool,
    /// Whether an endpoint that says in the registry at which Unix socket it listens too is connected to there, by
    /// callers on its host; over TCP where that socket cannot be reached. Never with TLS.
    pub same_host: bool,
}

impl Default for ChannelOptions {
    fn default() -> ChannelOptions {
        ChannelOptions {
            limits: Limits::default(),
            timeouts: BTreeMap::new(),
            compression: None,
            wait_for_ready: false,
            classic_empty_reply: false,
            classic_reply_pause: false,
            tls: None,
            same_process: true,
            same_host: true,
        }
    }
}

impl ChannelOptions {
    /// The deadline of a method's calls where they do not say one themselves, and the channel does.
    pub(super) fn timeout_of(&self, method: &MethodDescriptor) -> Option<Duration> {
        if self.timeouts.is_empty() {
            return None;
        }
        self.timeouts.get(&*method.path).or_else(|| self.timeouts.get(method.service())).copied()
    }
}

/// How connections are opened; the test kit puts a simulated network in its place.
pub(crate) type Connect = Arc<dyn Fn(Address) -> BoxFuture<io::Result<Stream>> + Send + Sync>;
