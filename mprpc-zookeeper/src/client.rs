//! The client: a handle on a session, which any number of tasks share.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use crate::acl::Acl;
use crate::connect::{Connect, DynConnect, TcpConnect};
use crate::driver;
use crate::error::{Error, Why};
use crate::jute::Malformed;
use crate::multi::{self, MultiError, Op, OpResult};
use crate::node::{CreateMode, Stat};
use crate::options::{Auth, Options};
use crate::request::{self, Request, check_path};
use crate::servers::Servers;
use crate::session::Session;
use crate::state::State;
use crate::watch::{WatchMode, WatcherId};
use crate::watcher::{Feed, Watcher};

/// A ZooKeeper client with one session. Clones share the session. The session ends, with its ephemeral nodes, when the
/// last clone and the last [`Watcher`] are dropped.
///
/// An operation is sent by the call, in the order of the calls, and not by the first poll of the returned future. So
/// several calls followed by several awaits take one round trip. Dropping the future does not take the operation back.
///
/// `version` makes a write conditional: it fails with [`Error::BadVersion`] if the node has another version.
#[derive(Clone)]
pub struct Client {
    handle: Arc<Handle>,
}

/// The end of the session follows the end of this.
struct Handle {
    shared: Arc<Shared>,
    state: watch::Receiver<State>,
}

/// What the client and its driver share.
pub(crate) struct Shared {
    inner: Mutex<Inner>,
    /// Wakes the driver: there is something to send, or the session is to end.
    pub(crate) wake: Notify,
}

pub(crate) struct Inner {
    pub(crate) session: Session<Waiter>,
    pub(crate) feeds: HashMap<WatcherId, (Arc<Feed>, Arc<str>)>,
}

/// Whoever waits for the result of an operation.
pub(crate) type Waiter = oneshot::Sender<Result<Bytes, Error>>;

impl Shared {
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.lock().session.close(Instant::now().into_std());
        self.shared.wake.notify_one();
    }
}

impl Client {
    /// Makes a client of these servers, each `host:port`, over TCP. Returns at once; the first connect goes on in a task.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect(servers: &[impl AsRef<str>], options: Options) -> Client {
        Client::connect_over(TcpConnect, servers, options)
    }

    /// Makes a client that gets its connections from `connector`.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn connect_over(connector: impl Connect, servers: &[impl AsRef<str>], options: Options) -> Client {
        Client::start(Box::new(connector), Servers::new(servers, &options), options)
    }

    /// Not generic: the driver is compiled with this crate, and so optimised as this crate is.
    fn start(connector: Box<dyn DynConnect>, servers: Servers, options: Options) -> Client {
        let session = Session::new(options, Instant::now().into_std());
        let inner = Mutex::new(Inner { session, feeds: HashMap::new() });
        let shared = Arc::new(Shared { inner, wake: Notify::new() });
        let (sender, state) = watch::channel(State::Connecting);
        tokio::spawn(driver::run(shared.clone(), connector, servers, sender));
        Client { handle: Arc::new(Handle { shared, state }) }
    }

    /// Follows the state of the session.
    pub fn state(&self) -> watch::Receiver<State> {
        self.handle.state.clone()
    }

    /// Ends the session, so that its ephemeral nodes go at once. Returns when the server has confirmed that, or after a
    /// second. All clones of the client end.
    pub async fn close(&self) {
        self.handle.shared.lock().session.close(Instant::now().into_std());
        self.handle.shared.wake.notify_one();
        let _ = self.state().wait_for(|state| *state == State::Closed).await;
    }

    /// Creates a node. Returns its path, which has a number appended if the mode is sequential, and its stat.
    pub fn create(
        &self,
        path: &str,
        data: &[u8],
        mode: CreateMode,
        acls: &[Acl],
    ) -> impl Future<Output = Result<(String, Stat), Error>> + Send + use<> {
        let checked = check_path(path, mode.flags() & 2 != 0);
        self.run(checked, Request::create(path, data, mode, acls), |body| request::create_reply(&body))
    }

    /// Creates the node and its missing parents, persistent and without data. Nothing happens to those that exist.
    ///
    /// # Errors
    /// Those of [`Client::create`], except that a node exists.
    pub async fn create_all(&self, path: &str, acls: &[Acl]) -> Result<(), Error> {
        check_path(path, false)?;
        let ends = path.match_indices('/').map(|(at, _)| at).skip(1).chain([path.len()]);
        // Sent together: the servers keep the order.
        let creates: Vec<_> = ends
            .filter(|end| *end > 1)
            .map(|end| self.create(&path[..end], b"", CreateMode::Persistent, acls))
            .collect();
        let mut last = Ok(());
        for create in creates {
            last = match create.await {
                Ok(_) | Err(Error::NodeExists) => Ok(()),
                // A parent that forbids it may exist all the same: the last node decides.
                Err(error) => Err(error),
            };
        }
        last
    }

    /// Deletes a node that has no children.
    pub fn delete(&self, path: &str, version: Option<i32>) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.run(check_path(path, false), Request::delete(path, version), |_| Ok(()))
    }

    /// Returns the stat of a node, or `None` if the node does not exist.
    pub fn exists(&self, path: &str) -> impl Future<Output = Result<Option<Stat>, Error>> + Send + use<> {
        let exists = self.run(check_path(path, false), Request::exists(path), |body| request::stat_reply(&body));
        async {
            match exists.await {
                Ok(stat) => Ok(Some(stat)),
                Err(Error::NoNode) => Ok(None),
                Err(error) => Err(error),
            }
        }
    }

    /// Returns the data of a node and its stat.
    pub fn get(&self, path: &str) -> impl Future<Output = Result<(Bytes, Stat), Error>> + Send + use<> {
        self.run(check_path(path, false), Request::get(path), |body| request::get_reply(&body))
    }

    /// Sets the data of a node.
    pub fn set(
        &self,
        path: &str,
        data: &[u8],
        version: Option<i32>,
    ) -> impl Future<Output = Result<Stat, Error>> + Send + use<> {
        self.run(check_path(path, false), Request::set(path, data, version), |body| request::stat_reply(&body))
    }

    /// Returns the names of a node's children, in no order, and its stat.
    pub fn children(&self, path: &str) -> impl Future<Output = Result<(Vec<String>, Stat), Error>> + Send + use<> {
        self.run(check_path(path, false), Request::children(path), |body| request::children_reply(&body))
    }

    /// Does all of these writes, or none.
    ///
    /// # Errors
    /// The error says which write failed.
    pub fn multi(&self, ops: &[Op]) -> impl Future<Output = Result<Vec<OpResult>, MultiError>> + Send + use<> {
        let receiver = multi::request(ops).map(|request| self.submit(request));
        async { multi::reply(&wait(receiver?).await?) }
    }

    /// Brings the server up to date with the ensemble, so that a read that follows sees every write before this call.
    pub fn sync(&self, path: &str) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        self.run(check_path(path, false), Request::sync(path), |_| Ok(()))
    }

    /// Returns the access control list of a node.
    pub fn acl(&self, path: &str) -> impl Future<Output = Result<(Vec<Acl>, Stat), Error>> + Send + use<> {
        self.run(check_path(path, false), Request::acl(path), |body| request::acl_reply(&body))
    }

    /// Sets the access control list of a node. `version` is that of the list, [`Stat::aversion`].
    pub fn set_acl(
        &self,
        path: &str,
        acls: &[Acl],
        version: Option<i32>,
    ) -> impl Future<Output = Result<Stat, Error>> + Send + use<> {
        self.run(check_path(path, false), Request::set_acl(path, acls, version), |body| request::stat_reply(&body))
    }

    /// Sends credentials. The client sends them again at each later connect. Needs a connection.
    ///
    /// # Errors
    /// [`Error::AuthFailed`]: the server refused them, and closed the connection.
    pub fn authenticate(&self, auth: Auth) -> impl Future<Output = Result<(), Error>> + Send + use<> {
        let (waiter, receiver) = oneshot::channel();
        let now = Instant::now().into_std();
        let failed = self.handle.shared.lock().session.authenticate(auth, waiter, now).err();
        let receiver = self.sent(failed, receiver);
        async { wait(receiver).await.map(drop) }
    }

    /// Watches a path, which need not exist. Returns once the servers report changes. Needs ZooKeeper 3.6.
    ///
    /// # Errors
    /// Those of an operation, and [`Error::WatchModeConflict`]. Then nothing is watched.
    pub async fn watch(&self, path: &str, mode: WatchMode) -> Result<Watcher, Error> {
        check_path(path, false)?;
        let (waiter, receiver) = oneshot::channel();
        let path: Arc<str> = path.into();
        let watcher = {
            let mut inner = self.handle.shared.lock();
            let id = inner.session.watch(&path, mode, waiter, Instant::now().into_std()).map_err(|(_, error)| error)?;
            let feed = Arc::new(Feed::new(inner.session.watch_events_max()));
            inner.feeds.insert(id, (feed.clone(), path.clone()));
            Watcher::new(self.clone(), id, path, feed)
        };
        self.handle.shared.wake.notify_one();
        wait(receiver).await?;
        Ok(watcher)
    }

    /// Ends a watcher, and the watch of the servers if it was the last one of its path.
    pub(crate) fn unwatch(&self, path: &str, id: WatcherId) {
        let mut inner = self.handle.shared.lock();
        inner.feeds.remove(&id);
        let is_last = inner.session.unwatch(path, id);
        drop(inner);
        if is_last {
            drop(self.submit(Request::remove_watches(path)));
        }
    }

    fn run<T>(
        &self,
        checked: Result<(), Error>,
        request: Request,
        decode: fn(Bytes) -> Result<T, Malformed>,
    ) -> impl Future<Output = Result<T, Error>> + Send + use<T> {
        let receiver = checked.map(|()| self.submit(request));
        async move { Ok(decode(wait(receiver?).await?)?) }
    }

    fn submit(&self, request: Request) -> Receiver {
        let (waiter, receiver) = oneshot::channel();
        let failed = self.handle.shared.lock().session.submit(request, waiter, Instant::now().into_std()).err();
        self.sent(failed, receiver)
    }

    fn sent(&self, failed: Option<(Waiter, Error)>, receiver: Receiver) -> Receiver {
        match failed {
            Some((waiter, error)) => drop(waiter.send(Err(error))),
            None => self.handle.shared.wake.notify_one(),
        }
        receiver
    }
}

type Receiver = oneshot::Receiver<Result<Bytes, Error>>;

async fn wait(receiver: Receiver) -> Result<Bytes, Error> {
    // The driver drops a waiter only together with its runtime.
    receiver.await.unwrap_or(Err(Error::Lost(Why::Closed)))
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("state", &*self.handle.state.borrow()).finish_non_exhaustive()
    }
}
