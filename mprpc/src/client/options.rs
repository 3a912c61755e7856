//! The options of a channel, and how it opens connections. Not the options of one call.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::balancer::Policy;
use crate::codec::Compression;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::method::MethodDescriptor;
use crate::net::Stream;
use crate::service::BoxFuture;
use crate::tls::TlsClient;

/// Options of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelOptions {
    /// The limits of the channel. `limits.call_timeout` is the deadline of unary calls that set none.
    pub limits: Limits,
    /// Deadlines by method (`package.Service/Method`) or by service (`package.Service`). They also bound streams,
    /// which have no deadline by default.
    pub timeouts: BTreeMap<String, Duration>,
    /// The methods (`package.Service/Method`) and services (`package.Service`) whose calls are hedged, as
    /// [`Call::hedge`](crate::Call::hedge) does. Calls that may not run twice and calls with streams are not hedged.
    pub hedge: BTreeSet<String>,
    /// How requests of at least `limits.compress_bytes_min` bytes are compressed, if the server accepts the
    /// algorithm. The first requests of a connection travel uncompressed, until the server's SETTINGS have arrived.
    pub compression: Option<Compression>,
    /// Whether calls wait, within their deadline, while no endpoint is reachable. Otherwise calls fail at once.
    pub wait_for_ready: bool,
    /// Whether a classic server that closes without a byte has sent an empty message. A failed server closes in the
    /// same way, so by default such a call fails and the status says so.
    pub classic_empty_reply: bool,
    /// Whether a classic reply is complete once it decodes and no byte has arrived for `limits.classic_reply_pause`.
    /// Needed for servers that keep the connection open.
    pub classic_reply_pause: bool,
    /// Which of several endpoints gets a call.
    pub balancer: Policy,
    /// The caller's failure domain, for [`Policy::Zone`]. Empty if unknown.
    pub zone: String,
    /// How many endpoints of a service the channel uses at most, so that a large fleet with many callers needs fewer
    /// connections. Each channel chooses its own ones. `None` means all. Fewer than 20 spread the load badly.
    pub subset_max: Option<usize>,
    /// How long an endpoint that comes to a service, or comes back after an ejection, gets fewer calls: a tenth at first. The
    /// first endpoints of a channel start at once. Zero switches slow start off.
    pub slow_start: Duration,
    /// Whether endpoints that fail more than the others, or are much slower, get no calls for a while: at most half of them.
    pub ejection: bool,
    /// How often the health service of each endpoint (`grpc.health.v1`) is asked. An endpoint that does not serve, or does not
    /// answer twice, gets no calls unless most endpoints are bad. The checks have connections of their own. Zero switches
    /// them off.
    pub health_check_interval: Duration,
    /// TLS for TCP endpoints. `None` means plain text.
    pub tls: Option<TlsClient>,
    /// Whether calls reach a server of the same process without a socket.
    ///
    /// The handler of a unary call runs on the caller's task; a streaming call uses an in-memory connection. The
    /// option has no effect if either side uses TLS for the address, or if the endpoint speaks the classic protocol.
    /// Set `false` to test the network path.
    pub same_process: bool,
    /// Whether callers on the endpoint's host connect to the Unix socket that the endpoint lists in the registry. If
    /// the socket is unreachable, the channel connects over TCP. The option has no effect with TLS.
    pub same_host: bool,
    /// The folder in which the channel keeps the last known endpoints of each service, a file each. A channel that starts
    /// while the registry is away uses them, and says that they are stale. The channel creates the folder if it is
    /// missing. `None` keeps no files.
    pub snapshot_folder: Option<PathBuf>,
}

impl Default for ChannelOptions {
    fn default() -> ChannelOptions {
        ChannelOptions {
            limits: Limits::default(),
            timeouts: BTreeMap::new(),
            hedge: BTreeSet::new(),
            compression: None,
            wait_for_ready: false,
            classic_empty_reply: false,
            classic_reply_pause: false,
            balancer: Policy::default(),
            zone: String::new(),
            subset_max: None,
            slow_start: Duration::from_secs(10),
            ejection: true,
            health_check_interval: Duration::ZERO,
            tls: None,
            same_process: true,
            same_host: true,
            snapshot_folder: None,
        }
    }
}

impl ChannelOptions {
    /// The timeout that the channel sets for calls of a method that set none.
    pub(super) fn timeout_of(&self, method: &MethodDescriptor) -> Option<Duration> {
        if self.timeouts.is_empty() {
            return None;
        }
        self.timeouts.get(&*method.path).or_else(|| self.timeouts.get(method.service())).copied()
    }

    /// Whether the channel hedges calls of a method that may run twice.
    #[inline]
    pub(super) fn hedges(&self, method: &MethodDescriptor) -> bool {
        !self.hedge.is_empty() && (self.hedge.contains(&*method.path) || self.hedge.contains(method.service()))
    }
}

/// Opens a connection to an address. The test kit replaces it with a simulated network.
pub(crate) type Connect = Arc<dyn Fn(Address) -> BoxFuture<io::Result<Stream>> + Send + Sync>;
