//! The servers of this process by address. A caller that finds its server here needs no connection. Client and server meet
//! in this module, because neither imports the other.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock, Weak};
use std::task;

use bytes::Bytes;

use crate::context::Context;
use crate::endpoint::Address;
use crate::limits::Limits;
use crate::net::Stream;
use crate::service::BoxFuture;
use crate::status::Status;

/// A server of this process at one address, as callers in the same process see it.
pub(crate) trait LocalServer: Send + Sync + 'static {
    /// Begins a call with one request and one reply, and polls the handler once, on the task of `cx`.
    fn begin(&self, request: LocalRequest<'_>, cx: &mut task::Context<'_>) -> LocalCall;

    /// Opens a connection in memory, for calls with streams and for calls that [`LocalServer::begin`] declines.
    fn connect(&self) -> io::Result<Stream>;
}

/// A call that the caller hands to the server.
pub(crate) struct LocalRequest<'a> {
    /// The caller's context: method, deadline, metadata.
    pub(crate) context: &'a Context,
    pub(crate) message: &'a Bytes,
    /// The limits of the caller.
    pub(crate) limits: &'a Limits,
    /// Calls of the same caller that are in flight at this server.
    pub(crate) in_flight: usize,
}

/// The outcome of [`LocalServer::begin`].
pub(crate) enum LocalCall {
    /// The call needs a connection.
    Declined,
    /// The call has ended.
    Ended(Reply),
    /// The handler waits. Poll the future at once, then like any future. Dropping it cancels the call.
    Running(BoxFuture<Reply>),
}

/// The outcome of a call, and the context that the handler had, if the call reached the handler.
pub(crate) struct Reply {
    pub(crate) message: Result<Bytes, Status>,
    pub(crate) served: Option<Context>,
}

/// The servers that can be called in process. `VERSION` changes with this map, and is 0 before the first server.
static SERVERS: RwLock<Option<HashMap<Address, Weak<dyn LocalServer>>>> = RwLock::new(None);
static VERSION: AtomicU64 = AtomicU64::new(0);

/// A number that changes whenever a server comes or goes; 0 if there never was one.
pub(crate) fn version() -> u64 {
    VERSION.load(Ordering::Acquire)
}

/// Returns the server at exactly this address.
pub(crate) fn server_at(address: &Address) -> Option<Arc<dyn LocalServer>> {
    let servers = SERVERS.read().unwrap_or_else(PoisonError::into_inner);
    servers.as_ref()?.get(address)?.upgrade()
}

/// Keeps a server callable at its address. Dropping it withdraws the address; calls in flight continue.
pub(crate) struct LocalEndpoint {
    address: Address,
    server: Arc<dyn LocalServer>,
}

impl LocalEndpoint {
    /// Makes a server callable at an address. If two servers claim the same address, as several behind one proxy do, the
    /// later one replaces the earlier one.
    pub(crate) fn new(address: Address, server: Arc<dyn LocalServer>) -> LocalEndpoint {
        change(|servers| drop(servers.insert(address.clone(), Arc::downgrade(&server))));
        LocalEndpoint { address, server }
    }
}

impl Drop for LocalEndpoint {
    fn drop(&mut self) {
        change(|servers| {
            let own = |known: &Weak<dyn LocalServer>| std::ptr::addr_eq(known.as_ptr(), Arc::as_ptr(&self.server));
            if servers.get(&self.address).is_some_and(own) {
                servers.remove(&self.address);
            }
        });
    }
}

fn change(change: impl FnOnce(&mut HashMap<Address, Weak<dyn LocalServer>>)) {
    let mut servers = SERVERS.write().unwrap_or_else(PoisonError::into_inner);
    change(servers.get_or_insert_default());
    // The version changes after the map, so whoever sees the new version also sees the new map.
    VERSION.fetch_add(1, Ordering::Release);
}
