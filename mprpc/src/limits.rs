//! Every bound of mprpc, in one place: sizes, counts and times beyond which a queue, a buffer, a wait or a retry ends.

use std::time::Duration;

/// Every bound of mprpc. Bytes, counts and durations; each field says what happens beyond it, and whose it is where only
/// one side has it. What fails by a limit, and what is logged of it, names the limit and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A message. A longer one: RESOURCE_EXHAUSTED, naming limit and size; the connection lives.
    pub message_bytes_max: usize,
    /// The metadata of a message. More: RESOURCE_EXHAUSTED, naming limit and size. A reply beyond what its caller accepts
    /// fails; of a call that fails anyway, what stands beside the error is left out, and the log says so.
    pub metadata_bytes_max: usize,
    /// The header of a classic request, at a server. A longer one: the connection is closed.
    pub classic_header_bytes_max: usize,
    /// The path of a method, `package.Service/Method`. A longer one is a protocol error.
    pub method_path_bytes_max: usize,
    /// Methods that a connection gives a number to. More is a protocol error.
    pub methods_max: usize,
    /// Calls in flight on a connection. One more: RESOURCE_EXHAUSTED, did not run.
    pub in_flight_max: usize,
    /// How long a call may wait at a server for its turn, where its handler runs on another thread than the event loop. One
    /// that waits longer: RESOURCE_EXHAUSTED, did not run; so is each new call of a caller whose oldest call waits that long.
    pub queue_time_max: Duration,
    /// The same for callers whose calls all waited longer than this for `queue_time_max`: their queue stands, and a standing
    /// queue only makes every call later.
    pub queue_time_target: Duration,
    /// How much longer than usual calls may take at a server whose handlers wait for others. Where they take longer, and new
    /// calls only make that worse: RESOURCE_EXHAUSTED, did not run, for as many of these as are too many.
    pub handler_delay_target: Duration,
    /// Calls that wait at a server for their turn. One more: RESOURCE_EXHAUSTED, did not run.
    pub queue_calls_max: usize,
    /// Handlers of methods with [`Placement::Blocking`](crate::Placement::Blocking) that run at a time at a server, each on a
    /// thread. Others wait for their turn.
    pub blocking_threads_max: usize,
    /// Connections of a server. One more is accepted and closed at once, logged, and counted in
    /// [`ServerStats::rejected`](crate::ServerStats::rejected) as "connections_max reached".
    pub connections_max: usize,
    /// How much of a stream the peer may send before some of it was read here. It waits then; nothing fails. A peer that
    /// does not wait broke the protocol; it is held to the default where this is less.
    pub stream_window_bytes: usize,
    /// How much of all streams of a connection together the peer may send before some of it was read here, beside one
    /// message of each. Otherwise as `stream_window_bytes`.
    pub connection_window_bytes: usize,
    /// A shorter message is never compressed.
    pub compress_bytes_min: usize,
    /// Bytes waiting to be written on a connection. Beyond it a server reads nothing more from the caller until that
    /// reads; at a caller new calls wait, within their deadline, and did not run where that passes.
    pub send_buffer_bytes_max: usize,
    /// Memory of a server: requests and metadata of its parked calls, streams of requests that are not read, replies that
    /// are not sent. The nearer it comes to this, the less a connection may hold before nothing more is read from it, so
    /// the largest holders wait first. `None`: half of what the container allows, and 256 MiB where nothing does.
    pub memory_bytes_max: Option<usize>,
    /// The same of one connection. Beyond it nothing more is read from the connection until it holds a quarter less. A call
    /// that could never fit: RESOURCE_EXHAUSTED, did not run. `None`: half of `memory_bytes_max`, which is also the most.
    pub connection_memory_bytes_max: Option<usize>,
    /// How long a connection is not read from for the sake of memory. Then it is read from again, and each new call is
    /// refused, RESOURCE_EXHAUSTED, did not run, until the connection holds less. Shorter than the `keepalive_timeout` of
    /// callers, whose PINGs wait meanwhile.
    pub memory_pause_max: Duration,
    /// How long a new connection may say nothing to a server. Then it is closed.
    pub first_byte_timeout: Duration,
    /// How long the handshake of TLS may take at a server, from the connection on. Then the connection is closed.
    pub tls_handshake_timeout: Duration,
    /// How often the files of TLS are looked at. A change is in force for new connections after this at the latest.
    pub tls_reload_interval: Duration,
    /// How long a frame that a caller has started may stay incomplete at a server; 64 KiB of it buy another. Then the
    /// connection is closed.
    pub read_timeout: Duration,
    /// How long a peer may leave bytes unread that are waiting for it, and may take to close after the last ones. Then the
    /// connection is closed.
    pub write_timeout: Duration,
    /// How long opening a connection may take a caller, and then the server's greeting.
    pub connect_timeout: Duration,
    /// How long the peer of calls in flight may be silent before it is asked for a sign of life, at both sides. A dead
    /// peer is found after twice this and `keepalive_timeout`, at the latest. A peer that takes bytes again which it had
    /// left waiting is not silent.
    pub keepalive_interval: Duration,
    /// How long the answer to that may take. Then the connection is closed: a caller passes the endpoint over for a while,
    /// a server cancels the calls.
    pub keepalive_timeout: Duration,
    /// The shortest interval of PINGs that is accepted from a peer, in whole milliseconds on the wire. One that sends more
    /// than a few closer together is a protocol error.
    pub ping_interval_min: Duration,
    /// How long a native connection may be without a call. Then its caller closes it, and opens another for the next
    /// call. A server asks those to go that have not gone a tenth later, and closes after another `drain_timeout`.
    pub idle_timeout: Duration,
    /// The age at which a server asks the caller of a native connection to go, so that callers spread over new providers
    /// behind a balancer. A random part of a tenth less, so that they do not all come at once. A year is never.
    pub connection_age_max: Duration,
    /// How long calls in flight may take to finish after that. Then they fail with UNAVAILABLE, and the connection is
    /// closed.
    pub connection_age_grace: Duration,
    /// The first pause of a caller before it connects again; it doubles with each failure, and a random part of it is taken.
    pub backoff_min: Duration,
    /// The longest pause of a caller before it connects again.
    pub backoff_max: Duration,
    /// How often a caller tries a call, at one endpoint after the other, before it fails with the status of the last.
    pub attempts_max: usize,
    /// For how long a caller remembers what the servers of a service have accepted and refused. Where they accept less than
    /// half, it refuses calls itself: RESOURCE_EXHAUSTED, did not run.
    pub throttle_window: Duration,
    /// The deadline of a caller's call that does not say one; of a stream, that of its opening alone.
    pub call_timeout: Duration,
    /// Graceful stop of a server: how long after the withdrawal callers may still come, so that the withdrawal is seen.
    pub withdraw_grace: Duration,
    /// Graceful stop of a server: how long calls in flight may take to finish. Then their connections are closed. Also how
    /// long it waits for the registry, and for an idle caller that it has asked to go.
    pub drain_timeout: Duration,
    /// The pause of a server's accept loop after the machine refused it a socket (no file descriptor, no memory).
    pub accept_backoff: Duration,
    /// How long the reply of a classic server may pause before its caller takes it as complete, where the channel asks for
    /// that.
    pub classic_reply_pause: Duration,
}

/// `memory_bytes_max` where nothing says how much there is: what suits a container of 512 MiB.
const MEMORY_BYTES_MAX: usize = 256 << 20;

impl Limits {
    /// The same with what is derived, where the process may take `memory_limit` bytes.
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
            first_byte_timeout: Duration::from_secs(10),
            tls_handshake_timeout: Duration::from_secs(5),
            tls_reload_interval: Duration::from_secs(1),
            read_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(3),
            keepalive_interval: Duration::from_secs(10),
            keepalive_timeout: Duration::from_secs(5),
            ping_interval_min: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(5 * 60),
            connection_age_max: Duration::from_secs(365 * 24 * 60 * 60),
            connection_age_grace: Duration::from_secs(30),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(5),
            attempts_max: 4,
            throttle_window: Duration::from_secs(1),
            call_timeout: Duration::from_secs(5),
            withdraw_grace: Duration::from_millis(200),
            drain_timeout: Duration::from_secs(10),
            accept_backoff: Duration::from_millis(100),
            classic_reply_pause: Duration::from_millis(50),
        }
    }
}
