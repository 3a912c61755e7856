//! The servers of this process, by the addresses that callers know them under: where a caller finds one without a
//! connection. Client and server meet here, as neither knows the other.

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

/// A server of this process at one address, as a caller in it knows it.
pub(crate) trait LocalServer: Send + Sync + 'static {
    /// Begins a call that has one request and one reply, and polls its handler once, on the task of `cx`.
    fn begin(&self, request: LocalRequest<'_>, cx: &mut task::Context<'_>) -> LocalCall;

    /// A connection in memory: for calls with streams, and for those that [`LocalServer::begin`] leaves to one.
    fn connect(&self) -> io::Result<Stream>;
}

/// A call, as it is handed over.
pub(crate) struct LocalRequest<'a> {
    /// The call as its caller knows it: method, deadline, metadata.
    pub(crate) context: &'a Context,
    pub(crate) message: &'a Bytes,
    /// What the caller accepts.
    pub(crate) limits: &'a Limits,
    /// Calls of the same caller that are in flight there.
    pub(crate) in_flight: usize,
}

/// What became of the attempt to begin a call.
pub(crate) enum LocalCall {
    /// This call wants a connection.
    Declined,
    /// It has ended already.
    Ended(Reply),
    /// Its handler waits. To be polled at once, and then as any future; dropping it cancels the call.
    Running(BoxFuture<Reply>),
}

/// What a call came to, and what travels beside it: the context that the handler had, where the call got that far.
pub(crate) struct Reply {
    pub(crate) message: Result<Bytes, Status>,
    pub(crate) served: Option<Context>,
}

/// The servers that can be called; the version changes with them, and is 0 before the first.
static SERVERS: RwLock<Option<HashMap<Address, Weak<dyn LocalServer>>>> = RwLock::new(None);
static VERSION: AtomicU64 = AtomicU64::new(0);

/// Changes whenever a server comes or goes; 0 where there never was one.
pub(crate) fn version() -> u64 {
    VERSION.load(Ordering::Acquire)
}

/// The server at exactly this address.
pub(crate) fn server_at(address: &Address) -> Option<Arc<dyn LocalServer>> {
    let servers = SERVERS.read().unwrap_or_else(PoisonError::into_inner);
    servers.as_ref()?.get(address)?.upgrade()
}

/// A server that can be called at its address. Dropping it ends that; calls that run are not touched.
pub(crate) struct LocalEndpoint {
    address: Address,
    server: Arc<dyn LocalServer>,
}

impl LocalEndpoint {
    /// Opens a server at an address. Where two say the same one, as several do that stand behind a proxy, the later
    /// counts.
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
    // Told after the change, so that whoever sees the new version finds it.
    VERSION.fetch_add(1, Ordering::Release);
}
