//! The context of a call, at the server and at the caller: method, peer, deadline, metadata, cancellation.

use std::any::Any;
use std::fmt;
use std::ops::DerefMut;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use tokio::sync::Notify;

use crate::deadline::Deadline;
use crate::endpoint::Address;
use crate::metadata::Metadata;
use crate::method::Method;
use crate::priority::Priority;
use crate::tls::PeerIdentity;

/// The context of a call. Clones share everything but the request's metadata.
///
/// A handler gets the context of the call that it serves; interceptors of both sides see the context too. If the caller
/// cancels, the deadline passes or the connection is lost, the server drops the handler's future at its next await. A
/// handler that must undo something then does so in the `Drop` of a value that it holds. A method that the server runs to
/// completion continues, and asks [`Context::is_cancelled`].
#[derive(Clone)]
pub struct Context {
    metadata: Metadata,
    shared: Arc<Shared>,
}

struct Shared {
    method: Method,
    peer: Option<Arc<Peer>>,
    /// The initial deadline. Once the deadline may have changed, `Rare` holds the current one.
    deadline: Deadline,
    cancelled: AtomicBool,
    rare: OnceLock<Box<Rare>>,
}

/// State that most calls never need. The first access allocates it.
struct Rare {
    deadline: Mutex<Deadline>,
    cancel: Notify,
    reply_metadata: Mutex<Metadata>,
    trailer: Mutex<Metadata>,
    values: Mutex<Vec<Arc<dyn Any + Send + Sync>>>,
}

impl Shared {
    fn rare(&self) -> &Rare {
        self.rare.get_or_init(|| {
            Box::new(Rare {
                deadline: Mutex::new(self.deadline),
                cancel: Notify::const_new(),
                reply_metadata: Mutex::default(),
                trailer: Mutex::default(),
                values: Mutex::default(),
            })
        })
    }
}

/// The two ends of a connection, as this side sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The address of the peer. Behind trusted proxies, that of the caller that the nearest proxy names.
    pub address: Address,
    /// The address of this side.
    pub local: Address,
    /// The names in the certificate that the peer showed over TLS. `None` if the peer showed none.
    pub identity: Option<Arc<PeerIdentity>>,
    /// The trusted proxy that named `address`, by a PROXY header or by `x-forwarded-for`; see
    /// [`Server::trusted_proxies`](crate::Server::trusted_proxies). `None` if the peer connected itself.
    pub proxy: Option<Arc<Peer>>,
}

impl Peer {
    /// The address of the trusted proxy, for the log.
    pub(crate) fn proxy_address(&self) -> Option<tracing::field::DisplayValue<&Address>> {
        self.proxy.as_ref().map(|proxy| tracing::field::display(&proxy.address))
    }
}

impl Context {
    /// Creates the context of a call. `peer` is `None` if the call came over no connection or has no connection yet.
    pub fn new(
        method: impl Into<Method>,
        peer: impl Into<Option<Arc<Peer>>>,
        deadline: Deadline,
        metadata: Metadata,
    ) -> Context {
        let shared = Shared {
            method: method.into(),
            peer: peer.into(),
            deadline,
            cancelled: AtomicBool::new(false),
            rare: OnceLock::new(),
        };
        Context { metadata, shared: Arc::new(shared) }
    }

    /// Reuses this context for another call from the same peer. It reuses the memory too, unless a clone of the context is
    /// alive.
    pub(crate) fn renew(&mut self, method: &Method, deadline: Deadline, metadata: Metadata) {
        let Some(shared) = Arc::get_mut(&mut self.shared) else {
            *self = Context::new(method.clone(), self.shared.peer.clone(), deadline, metadata);
            return;
        };
        shared.method = method.clone();
        shared.deadline = deadline;
        *shared.cancelled.get_mut() = false;
        self.metadata = metadata;
    }

    /// Drops the metadata of the finished call. Returns whether [`Context::renew`] may follow.
    pub(crate) fn clear(&mut self) -> bool {
        self.metadata = Metadata::new();
        !self.has_metadata()
    }

    /// The context of the call that the current code serves, if any. Outgoing calls inherit from it. [`crate::net::spawn`]
    /// passes it on to other tasks.
    pub fn current() -> Option<Context> {
        crate::scope::current()
    }

    /// The called method.
    pub fn method(&self) -> &Method {
        &self.shared.method
    }

    /// The peer of the call; `None` at the caller until an endpoint is chosen.
    pub fn peer(&self) -> Option<&Peer> {
        self.shared.peer.as_deref()
    }

    /// The instant at which the caller stops waiting.
    pub fn deadline(&self) -> Deadline {
        self.shared.rare.get().map_or(self.shared.deadline, |rare| *lock(&rare.deadline))
    }

    /// Brings the deadline forward, for the handler and for the calls that it makes afterwards. A deadline later than the
    /// present one changes nothing.
    pub fn shorten_deadline(&self, deadline: Deadline) {
        let mut current = lock(&self.shared.rare().deadline);
        *current = current.earlier(deadline);
    }

    /// The metadata of the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// How much the call matters to its caller.
    pub fn priority(&self) -> Priority {
        Priority::of(&self.metadata)
    }

    /// The number of the attempt, from 1. A number above 1 says that the handler may do its work for the second time: an
    /// earlier attempt may have run, or the call is a hedge.
    ///
    /// Attempts that certainly did not run do not count. The calls of a handler inherit the number, so the number is also
    /// above 1 if a call further up the chain was made again. Calls with an inherited number above 1 are not hedged, and
    /// they are made again only if they certainly did not run.
    pub fn attempt(&self) -> u32 {
        let number = self.metadata.text(Metadata::ATTEMPT).and_then(|number| number.parse().ok());
        number.map_or(1, |number: u32| number.max(1))
    }

    /// Sets the number of the attempt.
    pub(crate) fn set_attempt(&mut self, number: u32) {
        // The key and a decimal number are valid metadata, so `set` cannot fail.
        drop(self.metadata.set(Metadata::ATTEMPT, number.to_string()));
    }

    /// The metadata of the request, for an interceptor that changes it before it passes the call on. Earlier clones keep
    /// their metadata.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// The metadata that precedes the reply. At the server, the handler sets it before it returns. At the caller, it is
    /// present once the call has its answer or its stream has begun.
    pub fn reply_metadata(&self) -> impl DerefMut<Target = Metadata> + '_ {
        lock(&self.shared.rare().reply_metadata)
    }

    /// The metadata that follows the reply, the last message of a stream, or a status. At the server, the handler sets it
    /// before that point. At the caller, it is present after that point.
    pub fn trailer(&self) -> impl DerefMut<Target = Metadata> + '_ {
        lock(&self.shared.rare().trailer)
    }

    /// Whether there may be reply metadata or a trailer.
    pub(crate) fn has_metadata(&self) -> bool {
        self.shared.rare.get().is_some()
    }

    /// Whether nobody waits for the call any more: it is cancelled or expired, or its connection is lost.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Acquire)
    }

    /// Returns once nobody waits for the call any more. It never returns if the call succeeds.
    pub async fn cancelled(&self) {
        let told = self.shared.rare().cancel.notified();
        tokio::pin!(told);
        // The waiter registers before it checks the flag, so a cancel in between is not missed.
        told.as_mut().enable();
        fence(Ordering::SeqCst);
        if !self.is_cancelled() {
            told.await;
        }
    }

    /// Marks the call as one that nobody waits for.
    pub(crate) fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
        // The fence pairs with the one in `cancelled`: either this thread sees the waiter, or the waiter sees the flag.
        fence(Ordering::SeqCst);
        if let Some(rare) = self.shared.rare.get() {
            rare.cancel.notify_waiters();
        }
    }

    /// Stores a value for later readers of the context: an interceptor tells the handler who called. A new value replaces
    /// one of the same type.
    pub fn insert<T: Any + Send + Sync>(&self, value: T) {
        let mut values = lock(&self.shared.rare().values);
        values.retain(|value| !value.is::<T>());
        values.push(Arc::new(value));
    }

    /// The stored value of this type.
    pub fn value<T: Any + Send + Sync>(&self) -> Option<Arc<T>> {
        lock(&self.shared.rare.get()?.values).iter().find_map(|value| value.clone().downcast().ok())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context")
            .field("method", self.method())
            .field("peer", &self.peer())
            .field("deadline", &self.deadline())
            .field("metadata", &self.metadata)
            .finish_non_exhaustive()
    }
}
