//! The state of a client's session, as its users see it.

use std::sync::Arc;
use std::time::Duration;

/// The state of the session. Each new value of `Connected` or `ReadOnly` means that changes may have been missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// No attempt to connect has ended yet.
    Connecting,
    /// Connected, with an open session.
    Connected(SessionInfo),
    /// Connected to a server that is cut off from its ensemble: reads work and may be old, writes fail.
    ReadOnly(SessionInfo),
    /// Not connected. The text names each server of the last round, and why it did not take the client.
    Disconnected(Arc<str>),
    /// The servers have ended the session, with its ephemeral nodes. A new one is being opened.
    Expired,
    /// The client was closed, or every handle of it was dropped.
    Closed,
}

/// The session behind a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionInfo {
    /// The id of the session: the owner of its ephemeral nodes.
    pub id: i64,
    /// The session timeout that the servers granted.
    pub timeout: Duration,
    /// The server, `host:port`.
    pub server: Arc<str>,
    /// The number of this connection, from 1. Two equal numbers are the same connection.
    pub connection: u64,
}
