//! A ZooKeeper client on tokio. It knows ZooKeeper and nothing of RPC.
//!
//! ```no_run
//! # async fn example() -> Result<(), mprpc_zookeeper::Error> {
//! use mprpc_zookeeper::{Acl, Client, CreateMode, Options, WatchMode};
//!
//! let client = Client::connect(&["127.0.0.1:2181"], Options::default());
//! client.create("/app", b"", CreateMode::Persistent, Acl::ANYONE).await?;
//! let mut watcher = client.watch("/app", WatchMode::Recursive).await?;
//! client.create("/app/lock-", b"me", CreateMode::EphemeralSequential, Acl::ANYONE).await?;
//! println!("{:?}", watcher.next().await);
//! # Ok(())
//! # }
//! ```
//!
//! # Sessions
//! A [`Client`] keeps one session open. It shuffles the servers, resolves their names at each attempt, and resumes the
//! session after a lost connection. If the servers have ended the session, the client opens a new one; the ephemeral
//! nodes of the old session are gone then. [`Client::state`] shows every change, with the id of the session.
//!
//! # Operations
//! An operation ends by its result, or by one of two errors. [`Error::NotSent`]: the servers have not seen the operation.
//! [`Error::Lost`]: the operation was sent and no answer came, so a write may have been done. Each operation ends within
//! [`Options::operation_timeout`]. An operation that starts without a connection waits for one.
//!
//! # Watches
//! Watches are persistent: a [`Watcher`] reports changes until it is dropped. The client sets watches again after each
//! connect. The servers do not tell what changed in between, so each watcher then yields [`EventKind::Missed`]: read
//! again.
//!
//! # Layers
//! `session` is the protocol as a state machine without I/O: bytes and times go in, bytes and events come out. `driver`
//! connects a session to sockets and timers. [`Connect`] lets a program bring its own streams, for example those of TLS, as
//! mprpc does.

mod acl;
mod client;
mod connect;
mod driver;
mod error;
mod jute;
mod multi;
mod node;
mod options;
mod request;
mod servers;
mod session;
mod state;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod watch;
mod watcher;

pub use acl::{Acl, Permissions};
pub use client::Client;
pub use connect::{Connect, TcpConnect};
pub use error::{Error, Why};
pub use multi::{MultiError, Op, OpResult};
pub use node::{CreateMode, Stat};
pub use options::{Auth, Options};
pub use state::{SessionInfo, State};
pub use watch::{EventKind, WatchEvent, WatchMode};
pub use watcher::Watcher;
