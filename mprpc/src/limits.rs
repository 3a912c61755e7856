//! Every bound of mprpc, in one place: the sizes, counts and times that end a queue, a buffer, a wait or a retry.

use std::time::Duration;

/// Every bound of mprpc, in bytes, counts and durations.
///
/// Each field says what happens beyond the bound, and names the side if only one side has the bound. Every error and log
/// line caused by a limit names the limit and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The size of a message. A longer one fails with RESOURCE_EXHAUSTED, which names limit and size; the connection stays
    /// open.
    pub message_bytes_max: usize,
    /// The metadata of a message. More of it fails with RESOURCE_EXHAUSTED, which names limit and size. A reply fails if its
    /// metadata exceeds what the caller accepts. If the call fails anyway, the server omits the metadata beside the error
    /// and logs that.
    pub metadata_bytes_max: usize,
    /// The header of a classic request, at a server. The server closes the connection if the header is longer.
    pub classic_header_bytes_max: usize,
    /// The head of an HTTP/1.1 request at a server: request line and fields. Also the trailers of a request, and the chunk
    /// extensions of its body. The server answers 414 if the request line is longer, 431 if the rest is, 400 for extensions,
    /// and closes the connection.
    pub http_head_bytes_max: usize,
    /// Fields in the head of an HTTP/1.1 request at a server, and in its trailers. The server answers 431 if there are more,
    /// and closes the connection.
    pub http_fields_max: usize,
    /// The PROXY header of a trusted proxy, at a server. The server closes the connection if the header is longer. A header
    /// of version 1 never has more than 107 bytes.
    pub proxy_header_bytes_max: usize,
    /// The path of a method, `package.Service/Method`. A longer one is a protocol error.
    pub method_path_bytes_max: usize,
    /// Methods that get a number on one connection. More of them are a protocol error.
    pub methods_max: usize,
    /// Calls in flight on a connection. One more call fails with RESOURCE_EXHAUSTED and does not run.
    pub in_flight_max: usize,
    /// How long a call may wait in the queue of a server, if its handler runs on another thread than the event loop. A call
    /// that waits longer fails with RESOURCE_EXHAUSTED and does not run. New calls of a caller fail likewise while the
    /// caller's oldest call has waited that long.
    pub queue_time_max: Duration,
    /// The bound that replaces `queue_time_max` for a caller with a standing queue. A queue stands if all calls of the
    /// caller waited longer than this for the duration of `queue_time_max`. A standing queue only delays every call.
    pub queue_time_target: Duration,
    /// Added latency that a server tolerates if its handlers wait for other services. If calls take longer than usual by
    /// more than this, and new calls only make the delay worse, the server refuses the excess calls: RESOURCE_EXHAUSTED, did
    /// not run.
    pub handler_delay_target: Duration,
    /// Calls that wait in the queue of a server. One more call fails with RESOURCE_EXHAUSTED and does not run.
    pub queue_calls_max: usize,
    /// Handlers of methods with [`Placement::Blocking`](crate::Placement::Blocking) that run at the same time at a server,
    /// each on its own thread. Further calls wait in the queue.
    pub blocking_threads_max: usize,
    /// Connections of a server. The server accepts one more and closes it at once, logs it, and counts it in
    /// [`ServerStats::rejected`](crate::ServerStats::rejected) as "connections_max reached".
    pub connections_max: usize,
    /// The flow-control window of a stream: how many bytes the peer may send before this side reads some of them. The peer
    /// then waits; nothing fails. A peer that does not wait breaks the protocol; if this value is below the default, the
    /// peer is held to the default.
    pub stream_window_bytes: usize,
    /// The flow-control window of all streams of a connection together, beside one message of each stream. Otherwise as
    /// `stream_window_bytes`.
    pub connection_window_bytes: usize,
    /// The shortest message that is compressed.
    pub compress_bytes_min: usize,
    /// Bytes that wait to be written on a connection. Beyond it, a server stops reading from the caller until the caller
    /// reads. At a caller, new calls wait within their deadline; a call whose deadline passes meanwhile did not run.
    pub send_buffer_bytes_max: usize,
    /// Memory of a server: requests and metadata of its parked calls, unread request streams, unsent replies. The closer the
    /// server comes to this bound, the less a connection may hold before the server stops reading from it, so the largest
    /// holders wait first. `None`: half of the container's memory limit, or 256 MiB if there is no limit.
    pub memory_bytes_max: Option<usize>,
    /// Memory that one connection of a server holds. Beyond it, the server reads nothing more from the connection until the
    /// connection holds a quarter less. A call that can never fit fails with RESOURCE_EXHAUSTED and does not run. `None`:
    /// half of `memory_bytes_max`. The value is never above `memory_bytes_max`.
    pub connection_memory_bytes_max: Option<usize>,
    /// The longest time a server stops reading from a connection because of memory. The server then reads again and refuses
    /// each new call (RESOURCE_EXHAUSTED, did not run) until the connection holds less. Keep it shorter than the
    /// `keepalive_timeout` of callers, because their PINGs wait meanwhile.
    pub memory_pause_max: Duration,
    /// The streams that an HTTP/2 caller may open and reset, or spoil by a broken frame, at a server: a burst of so many,
    /// and as many again in ten seconds. Each call that its handler answers allows another
    /// one. Beyond that the server closes the
    /// connection with ENHANCE_YOUR_CALM.
    pub http_resets_max: usize,
    /// How long a new connection may stay silent. Then the server closes it. The PROXY header of a trusted proxy and the
    /// first byte behind it have this time together.
    pub first_byte_timeout: Duration,
    /// How long the TLS handshake may take at a server, counted from the accept. Then the server closes the connection.
    pub tls_handshake_timeout: Duration,
    /// How often the TLS files are checked for changes. New connections use a changed file after this time at the latest.
    pub tls_reload_interval: Duration,
    /// How long a frame or an HTTP/1.1 request from a caller may stay incomplete at a server, before the server closes the
    /// connection. Every 64 KiB restart that time. Over HTTP/2 also how long the one message of a request may make no
    /// progress, before the server refuses the call: CANCELLED, did not run.
    pub read_timeout: Duration,
    /// How long a peer may leave waiting bytes unread, and how long it may take to close after the last bytes. Then this
    /// side closes the connection. Over HTTP/2 also how long the windows of a caller may have no room for the reply of a
    /// call that has ended, before the server resets its stream.
    pub write_timeout: Duration,
    /// How long a caller waits for a connection to open, and then again for the server's greeting.
    pub connect_timeout: Duration,
    /// How long the peer of calls in flight may be silent before this side sends a PING. Both sides do this. A dead peer is
    /// found after at most twice this interval plus `keepalive_timeout`. Over HTTP/1.1, TCP keepalive takes the place of the
    /// PING, in whole seconds. A peer is not silent if it resumes reading bytes
    /// that it had left waiting.
    pub keepalive_interval: Duration,
    /// How long the reply to a PING may take. Then this side closes the connection: a caller skips the endpoint for a while,
    /// a server cancels the calls.
    pub keepalive_timeout: Duration,
    /// How long the peer of unary calls in flight may be silent before a caller suspects that it is frozen, and sends a PING.
    /// The caller waits longer for a peer that is usually slower: three times the moving average of its latency.
    pub silence_min: Duration,
    /// How long the reply to that PING may take, or four round trips if that is longer. Then the caller passes over the
    /// endpoint until anything comes from it. If another endpoint is well, calls that may run twice are made there at once;
    /// others go on waiting. After pauses of up to four times this value the caller waits up to four times as long.
    pub silence_timeout: Duration,
    /// The shortest interval of PINGs that this side accepts from its peer, in whole milliseconds on the wire. More than a
    /// few PINGs at shorter intervals are a protocol error.
    pub ping_interval_min: Duration,
    /// How long a native connection may be without a call. Then its caller closes it, and opens another one for the next
    /// call. If the connection is still open a tenth of this time later, the server asks the caller to leave and closes the
    /// connection after another `drain_timeout`. An HTTP/1.1 connection without a request is closed at that time at once.
    pub idle_timeout: Duration,
    /// The age at which a server asks the caller of a native connection to leave, so that callers behind a load balancer
    /// spread over new providers. A random part of up to a tenth is subtracted, so that callers do not reconnect all at
    /// once. The default, a year, means never.
    pub connection_age_max: Duration,
    /// How long calls in flight may take to finish after `connection_age_max`. Then they fail with UNAVAILABLE, and the
    /// server closes the connection.
    pub connection_age_grace: Duration,
    /// The first backoff of a caller before it reconnects. The backoff doubles with each failure; the actual pause is a
    /// random part of it.
    pub backoff_min: Duration,
    /// The longest backoff of a caller before it reconnects.
    pub backoff_max: Duration,
    /// How long a caller goes on to use an endpoint that its registry no longer lists, as long as the endpoint keeps its
    /// connections. So an endpoint that flaps in the registry keeps its connections, and a provider that the registry has
    /// lost by mistake keeps its calls. An endpoint that ends its connections or refuses new ones leaves at once.
    pub removal_hold: Duration,
    /// How many attempts a call has, at one endpoint after the other, before it fails with the status of the last attempt.
    pub attempts_max: usize,
    /// Retries and hedges of a channel, as a percentage of its calls in the last `retry_window`. Beyond it, a failed call fails
    /// with the status of its attempt, and no hedge starts. An attempt does not count if the attempt before it gave no server
    /// work: the connection was refused, the request was not sent, or the server was shutting down.
    pub retry_percent: usize,
    /// Retries and hedges that a channel may make in each `retry_window`, however few calls it makes.
    pub retries_min: usize,
    /// The window over which a channel counts its calls, retries and hedges.
    pub retry_window: Duration,
    /// The shortest time that a call waits for its reply before its hedge starts. The measured 95th percentile of the method
    /// may be shorter.
    pub hedge_delay_min: Duration,
    /// The window over which a caller counts the calls that the servers of a service accepted and refused. If the servers
    /// accept less than half, the caller refuses calls itself: RESOURCE_EXHAUSTED, did not run.
    pub throttle_window: Duration,
    /// The deadline of a call that sets none. For a stream it covers only the opening.
    pub call_timeout: Duration,
    /// Graceful shutdown of a server: how long it accepts callers after it withdrew its endpoint, so that callers see the
    /// withdrawal.
    pub withdraw_grace: Duration,
    /// Graceful shutdown of a server: how long calls in flight may take to finish. Then the server closes their connections.
    /// It is also how long the server waits for the registry, and for an idle caller that it asked to leave.
    pub drain_timeout: Duration,
    /// The pause of a server's accept loop after the system refused a socket (no file descriptor, no memory).
    pub accept_backoff: Duration,
    /// The pause after which a caller takes the reply of a classic server as complete, if the channel option asks for that.
    pub classic_reply_pause: Duration,
}

/// The default of `memory_bytes_max` if no memory limit is known: it suits a container of 512 MiB.
const MEMORY_BYTES_MAX: usize = 256 << 20;

impl Limits {
    /// Returns the limits with the derived values filled in, for a process that may take `memory_limit` bytes.
    pub(crate) fn derived(&self, memory_limit: Option<usize>) -> Limits {
        let derived = || memory_limit.map_or(MEMORY_BYTES_MAX, |limit| limit / 2);
        let memory = self.memory_bytes_max.unwrap_or_else(derived);
        let connection = self.connection_memory_bytes_max.unwrap_or(memory / 2).min(memory);
        Limits { memory_bytes_max: Some(memory), connection_memory_bytes_max: Some(connection), ..self.clone() }
    }
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            message_bytes_max: 16 << 20,
            metadata_bytes_max: 16 << 10,
            classic_header_bytes_max: 4 << 10,
            http_head_bytes_max: 32 << 10,
            http_fields_max: 128,
            proxy_header_bytes_max: 4 << 10,
            method_path_bytes_max: 512,
            methods_max: 4096,
            in_flight_max: 16 << 10,
            queue_time_max: Duration::from_millis(100),
            queue_time_target: Duration::from_millis(20),
            handler_delay_target: Duration::from_millis(50),
            queue_calls_max: 64 << 10,
            blocking_threads_max: 64,
            connections_max: 64 << 10,
            stream_window_bytes: (2 << 20) + (64 << 10),
            connection_window_bytes: 8 << 20,
            compress_bytes_min: 1 << 10,
            send_buffer_bytes_max: 4 << 20,
            memory_bytes_max: None,
            connection_memory_bytes_max: None,
            memory_pause_max: Duration::from_secs(4),
            http_resets_max: 10_000,
            first_byte_timeout: Duration::from_secs(10),
            tls_handshake_timeout: Duration::from_secs(5),
            tls_reload_interval: Duration::from_secs(1),
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
            silence_min: Duration::from_millis(20),
            silence_timeout: Duration::from_millis(50),
            ping_interval_min: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(5 * 60),
            connection_age_max: Duration::from_secs(365 * 24 * 60 * 60),
            connection_age_grace: Duration::from_secs(30),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            removal_hold: Duration::from_secs(10),
            attempts_max: 4,
            retry_percent: 10,
            retries_min: 50,
            retry_window: Duration::from_secs(5),
            hedge_delay_min: Duration::from_millis(1),
            throttle_window: Duration::from_secs(1),
            call_timeout: Duration::from_secs(5),
            withdraw_grace: Duration::from_millis(200),
            drain_timeout: Duration::from_secs(10),
            accept_backoff: Duration::from_millis(100),
            classic_reply_pause: Duration::from_millis(50),
        }
    }
}
