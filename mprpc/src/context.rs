//! What a call knows of itself, at the server and at the caller: method, peer, deadline, metadata, cancellation.

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

/// What a call knows of itself. Clones share everything but the request's metadata.
///
/// A handler gets the one of the call it serves; interceptors of either side see it on its way. When the caller cancels,
/// the deadline passes or the connection is lost, the handler's future is dropped at its next await; what must be
/// undone then belongs into the `Drop` of a value that the handler holds. A method that the server runs to completion
/// goes on, and asks [`Context::is_cancelled`].
#[derive(Clone)]
pub struct Context {
    metadata: Metadata,
    shared: Arc<Shared>,
}

struct Shared {
    method: Method,
    peer: Option<Arc<Peer>>,
    /// As it was at first; `Rare` has it once it may have changed.
    deadline: Deadline,
    cancelled: AtomicBool,
    rare: OnceLock<Box<Rare>>,
}

/// What most calls never need, made when it is first asked for.
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

/// The two ends of a connection, as seen from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// The other end.
    pub address: Address,
    /// This end.
    pub local: Address,
    /// Who the other end proved to be: the names in the certificate that it showed over TLS. `None` where it showed none.
    pub identity: Option<Arc<PeerIdentity>>,
}

impl Context {
    /// The context of a call; `peer` is `None` where the call came over no connection, or has not been given one yet.
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

    /// Makes this the context of another call from the same peer, in the same memory where nobody else holds it.
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

    /// Drops what the call has left, now that it has ended. Whether [`Context::renew`] may follow.
    pub(crate) fn clear(&mut self) -> bool {
        self.metadata = Metadata::new();
        !self.has_metadata()
    }

    /// The context of the call that is being served by the code that this is called from, if one is: what outgoing
    /// calls inherit from. [`crate::net::spawn`] takes it along to other tasks.
    pub fn current() -> Option<Context> {
        crate::scope::current()
    }

    /// The method that is called.
    pub fn method(&self) -> &Method {
        &self.shared.method
    }

    /// Who called; `None` on the caller's side, where it is not chosen yet.
    pub fn peer(&self) -> Option<&Peer> {
        self.shared.peer.as_deref()
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Deadline {
        self.shared.rare.get().map_or(self.shared.deadline, |rare| *lock(&rare.deadline))
    }

    /// Brings the deadline forward: for the handler itself and for calls that it makes from now on. A later one than it
    /// has changes nothing.
    pub fn shorten_deadline(&self, deadline: Deadline) {
        let mut current = lock(&self.shared.rare().deadline);
        *current = current.earlier(deadline);
    }

    /// What travels beside the request.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// How much the call matters to its caller.
    pub fn priority(&self) -> Priority {
        Priority::of(&self.metadata)
    }

    /// What travels beside the request, to be changed by an interceptor before it passes the call on. Clones made before keep theirs.
    pub fn metadata_mut(&mut self) -> &mut Metadata {
        &mut self.metadata
    }

    /// What travels before the reply. At the server it is what the handler says, up to its return; at the caller it has
    /// come once the call has its answer, or its stream has begun.
    pub fn reply_metadata(&self) -> impl DerefMut<Target = Metadata> + '_ {
        lock(&self.shared.rare().reply_metadata)
    }

    /// What travels behind the reply or the last message of a stream, and with a status. At the server it is what the
    /// handler says up to that; at the caller it is there after that.
    pub fn trailer(&self) -> impl DerefMut<Target = Metadata> + '_ {
        lock(&self.shared.rare().trailer)
    }

    /// Whether there may be reply metadata, or a trailer.
    pub(crate) fn has_metadata(&self) -> bool {
        self.shared.rare.get().is_some()
    }

    /// Whether nobody waits for the call any more: cancelled, expired, or its connection lost.
    pub fn is_cancelled(&self) -> bool {
        self.shared.cancelled.load(Ordering::Acquire)
    }

    /// Returns once nobody waits for the call any more; never, where it ends well.
    pub async fn cancelled(&self) {
        let told = self.shared.rare().cancel.notified();
        tokio::pin!(told);
        // Registered before the look, so that a cancel in between is not missed.
        told.as_mut().enable();
        fence(Ordering::SeqCst);
        if !self.is_cancelled() {
            told.await;
        }
    }

    /// Says that nobody waits for the call any more.
    pub(crate) fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Release);
        // Either this sees who waits, or that one sees that it is cancelled.
        fence(Ordering::SeqCst);
        if let Some(rare) = self.shared.rare.get() {
            rare.cancel.notify_waiters();
        }
    }

    /// Leaves a value for those that see the call later: an interceptor tells the handler who called. One of the same
    /// type is replaced.
    pub fn insert<T: Any + Send + Sync>(&self, value: T) {
        let mut values = lock(&self.shared.rare().values);
        values.retain(|value| !value.is::<T>());
        values.push(Arc::new(value));
    }

    /// The value of this type that was left.
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
