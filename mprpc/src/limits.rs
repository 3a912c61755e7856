//! Every bound of mprpc, in one place: sizes, counts and times beyond which a queue, a buffer, a wait or a retry ends.

use std::time::Duration;

/// Every bound of mprpc. Bytes, counts and durations; each field says what happens beyond it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A message. A longer one: RESOURCE_EXHAUSTED, naming limit and size; the connection lives.
    pub message_bytes_max: usize,
    /// The metadata of a message. More: RESOURCE_EXHAUSTED, naming limit and size.
    pub metadata_bytes_max: usize,
    /// The header of a classic request. A longer one: the connection is closed.
    pub classic_header_bytes_max: usize,
    /// The path of a method, `package.Service/Method`. A longer one is a protocol error.
    pub method_path_bytes_max: usize,
    /// Methods that a connection gives a number to. More is a protocol error.
    pub methods_max: usize,
    /// Calls in flight on a connection. One more: RESOURCE_EXHAUSTED, did not run.
    pub in_flight_max: usize,
    /// Connections of a server. One more is accepted and closed at once, counted and logged.
    pub connections_max: usize,
    /// How much of a stream the peer may send before some of it was read here. It waits then; nothing fails.
    pub stream_window_bytes: usize,
    /// How much of all streams of a connection together the peer may send before some of it was read here.
    pub connection_window_bytes: usize,
    /// A shorter message is never compressed.
    pub compress_bytes_min: usize,
    /// Bytes waiting to be written on a connection. Beyond it nothing more is read from the peer until it reads.
    pub send_buffer_bytes_max: usize,
    /// How long a new connection may say nothing. Then it is closed.
    pub first_byte_timeout: Duration,
    /// How long the handshake of TLS may take at a server, from the connection on. Then the connection is closed.
    pub tls_handshake_timeout: Duration,
    /// How often the files of TLS are looked at. A change is in force for new connections after this at the latest.
    pub tls_reload_interval: Duration,
    /// How long a started frame may stay incomplete. Then the connection is closed.
    pub read_timeout: Duration,
    /// How long a peer may leave bytes unread that are waiting for it, and may take to close after the last ones. Then the
    /// connection is closed.
    pub write_timeout: Duration,
    /// How long opening a connection may take, and then the peer's greeting.
    pub connect_timeout: Duration,
    /// How long the peer of calls in flight may be silent before it is asked for a sign of life, at both sides. A dead
    /// peer is found after twice this and `keepalive_timeout`, at the latest.
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
    /// The first pause before connecting again; it doubles with each failure, and a random part of it is taken.
    pub backoff_min: Duration,
    /// The longest pause before connecting again.
    pub backoff_max: Duration,
    /// How many endpoints a call is tried at before it fails.
    pub attempts_max: usize,
    /// The deadline of a call that does not say one.
    pub call_timeout: Duration,
    /// Graceful stop: how long after the withdrawal callers may still come, so that the withdrawal is seen.
    pub withdraw_grace: Duration,
    /// Graceful stop: how long calls in flight may take to finish.
    pub drain_timeout: Duration,
    /// The pause of the accept loop after the machine refused it a socket (no file descriptor, no memory).
    pub accept_backoff: Duration,
    /// How long a classic peer's reply may pause before it is taken as complete, where the channel asks for that.
    pub classic_reply_pause: Duration,
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
            connections_max: 64 << 10,
            stream_window_bytes: 256 << 10,
            connection_window_bytes: 1 << 20,
            compress_bytes_min: 1 << 10,
            send_buffer_bytes_max: 4 << 20,
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
            call_timeout: Duration::from_secs(5),
            withdraw_grace: Duration::from_millis(200),
            drain_timeout: Duration::from_secs(10),
            accept_backoff: Duration::from_millis(100),
            classic_reply_pause: Duration::from_millis(50),
        }
    }
}
