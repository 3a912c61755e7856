//! The settings of a client, with every bound that it keeps to.

use std::time::Duration;

/// The settings of a client. Every queue and buffer has its bound here.
#[derive(Clone, Debug)]
pub struct Options {
    /// The session timeout to ask for, in whole milliseconds. The servers limit it to between 2 and 20 of their ticks.
    pub session_timeout: Duration,
    /// How long an operation may take, including the wait for a connection.
    pub operation_timeout: Duration,
    /// Whether a server that is cut off from its ensemble may serve reads.
    pub read_only: bool,
    /// The credentials to send at each connect.
    pub auths: Vec<Auth>,
    /// The maximum number of operations that wait for a connection or an answer. A further one fails with
    /// [`Why::QueueFull`](crate::Why::QueueFull).
    pub requests_max: usize,
    /// The maximum number of bytes of requests that wait to be sent.
    pub request_bytes_max: usize,
    /// The largest packet to send or to take. A larger reply fails its operation and is skipped. The servers' own
    /// limit, `jute.maxbuffer`, is 1 MiB.
    pub packet_bytes_max: usize,
    /// The maximum number of events that a watcher keeps unread. More become one
    /// [`EventKind::Missed`](crate::EventKind::Missed).
    pub watch_events_max: usize,
    /// The longest pause before the second round over the servers. The pause is random, from zero to this ceiling; the
    /// ceiling doubles with each further round.
    pub backoff_min: Duration,
    /// The highest ceiling of the pause between rounds. A third of the session timeout counts if it is lower.
    pub backoff_max: Duration,
    /// The seed of the order of the servers and of the pauses; random if there is none.
    pub seed: Option<u64>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            session_timeout: Duration::from_secs(10),
            operation_timeout: Duration::from_secs(10),
            read_only: false,
            auths: Vec::new(),
            requests_max: 4096,
            request_bytes_max: 16 << 20,
            packet_bytes_max: 4 << 20,
            watch_events_max: 1024,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            seed: None,
        }
    }
}

/// Credentials of a client.
#[derive(Clone, PartialEq, Eq)]
pub struct Auth {
    /// The scheme, `digest`.
    pub scheme: String,
    /// What the scheme asks for, `user:password`.
    pub credentials: Vec<u8>,
}

impl Auth {
    /// The scheme `digest`: a name and a password, which travel in clear text.
    pub fn digest(user: &str, password: &str) -> Auth {
        Auth { scheme: "digest".into(), credentials: format!("{user}:{password}").into_bytes() }
    }
}

impl std::fmt::Debug for Auth {
    /// Shows no password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Auth").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}
