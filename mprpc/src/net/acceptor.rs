//! Listening sockets and in-process names, and the accept loop that hands out their connections. The accept loop survives
//! every error that a peer or the machine can cause.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::{self as unix, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::stream::{Accepted, Stream};
use super::{memory, tcp};
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};

/// Connections that the kernel queues before this process accepts them.
const BACKLOG: i32 = 4096;

/// A listening socket or an in-process name, not yet registered with a runtime. Drop closes the socket, removes the path of
/// a Unix socket, and frees an in-process name.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListeningSocket,
    address: Address,
    /// The path of a Unix socket, which drop removes.
    path: Option<PathBuf>,
    /// More sockets at the same address, from the process before.
    inherited: Vec<Listener>,
    /// Whether another process has the socket too: then drop closes this copy alone.
    is_shared: Arc<AtomicBool>,
}

/// The part of a listener that accepts, not yet registered with a reactor.
#[derive(Debug)]
pub(crate) struct Incoming {
    socket: ListeningSocket,
    address: Address,
}

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
    Memory {
        /// The receiver of new connections. `None` once the accept loop has taken it.
        incoming: Option<mpsc::Receiver<Stream>>,
        /// Drop frees the name.
        _name: Option<memory::NameReservation>,
    },
}

impl Listener {
    /// Listens at `address`; port 0 picks a free port. Blocks while the system looks up a host name.
    pub(crate) fn bind(address: &Address) -> Result<Listener, Error> {
        let bound = match address {
            Address::Tcp(address) => bind_tcp(*address, false),
            Address::Host(host, port) => (host.as_str(), *port)
                .to_socket_addrs()
                .and_then(|mut found| found.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
                .and_then(|address| bind_tcp(address, false)),
            Address::Unix(path) => bind_unix(path),
            Address::Memory(name) => {
                memory::listen(name).map(|(name, incoming)| Listener::fed(address.clone(), incoming, Some(name)))
            }
        };
        bound.map_err(|error| Error::with_source(ErrorKind::Listen, format!("cannot listen on {address}"), error))
    }

    /// A listener that accepts the streams which arrive on `incoming`.
    pub(crate) fn fed(
        address: Address,
        incoming: mpsc::Receiver<Stream>,
        name: Option<memory::NameReservation>,
    ) -> Listener {
        let socket = ListeningSocket::Memory { incoming: Some(incoming), _name: name };
        Listener::new(socket, address, None)
    }

    fn new(socket: ListeningSocket, address: Address, path: Option<PathBuf>) -> Listener {
        Listener { socket, address, path, inherited: Vec::new(), is_shared: Arc::default() }
    }

    /// The listener of a socket from another process, which has this name.
    pub(crate) fn inherit(name: &str, socket: OwnedFd) -> io::Result<Listener> {
        let address: Address = name.parse().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(match address {
            Address::Unix(path) => {
                let listener = UnixListener::from(socket);
                listener.set_nonblocking(true)?;
                Listener::new(ListeningSocket::Unix(listener), Address::Unix(path.clone()), Some(path))
            }
            _ => {
                let listener = TcpListener::from(socket);
                listener.set_nonblocking(true)?;
                let address = Address::Tcp(listener.local_addr()?);
                Listener::new(ListeningSocket::Tcp(listener), address, None)
            }
        })
    }

    /// Adds another socket at the same address, from the process before. Connections wait at each of them.
    pub(crate) fn add_inherited(&mut self, other: Listener) {
        self.inherited.push(other);
    }

    /// Takes the other sockets at the same address.
    pub(crate) fn take_inherited(&mut self) -> Vec<Listener> {
        std::mem::take(&mut self.inherited)
    }

    /// The socket for another process, with its name. `None` if the listener has none, or a name that is no line of text.
    /// While `is_shared` is true, the drop of the listener leaves the other process's copy alone.
    pub(crate) fn offer(&mut self, is_shared: &Arc<AtomicBool>) -> io::Result<Option<(String, OwnedFd)>> {
        let socket = match &self.socket {
            ListeningSocket::Tcp(listener) => listener.try_clone()?.into(),
            ListeningSocket::Unix(listener) => listener.try_clone()?.into(),
            ListeningSocket::Memory { .. } => return Ok(None),
        };
        self.is_shared = is_shared.clone();
        let name = self.address.to_string();
        Ok((!name.contains('\n')).then_some((name, socket)))
    }

    /// The address it listens at, with the real port if port 0 was asked for.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Binds `count` more sockets to the same address, so that as many more loops can accept on their own. The kernel
    /// spreads connections over the sockets by a hash of the addresses. `None` where the system does not do that.
    ///
    /// The first socket is bound without SO_REUSEPORT, so a second program that listens at the address still gets an error.
    pub(crate) fn siblings(&self, count: usize) -> Option<Vec<Listener>> {
        let (ListeningSocket::Tcp(listener), Address::Tcp(address)) = (&self.socket, &self.address) else {
            return None;
        };
        if count == 0 {
            return Some(Vec::new());
        }
        if !tcp::LISTENERS_SHARE {
            return None;
        }
        let shares = SockRef::from(listener).set_reuse_port(true);
        let siblings = shares.and_then(|()| (0..count).map(|_| bind_tcp(*address, true)).collect());
        siblings.inspect_err(|error| tracing::warn!(%address, %error, "one loop accepts for all: no SO_REUSEPORT")).ok()
    }

    /// Duplicates the socket for the accept loop. The listener stays open for [`Listener::drain`].
    pub(crate) fn incoming(&mut self) -> io::Result<Incoming> {
        Ok(Incoming { socket: self.socket.duplicate()?, address: self.address.clone() })
    }

    /// Lets the kernel begin no more handshakes, and complete those that have begun. Returns whether it does so.
    ///
    /// Closing the socket resets a connection whose handshake is not over, or that has come since the last accept. Its peer may
    /// have sent a request by then, and cannot know that the request did not run.
    pub(crate) fn ignore_new_handshakes(&self) -> bool {
        match &self.socket {
            ListeningSocket::Tcp(listener) if !self.is_shared.load(Ordering::Acquire) => {
                let ignores = tcp::ignore_new_handshakes(listener);
                ignores.inspect_err(|error| tracing::debug!(%error, "handshakes begin until the socket closes")).is_ok()
            }
            _ => false,
        }
    }

    /// Accepts the connections that the kernel has already queued, without waiting for more. Closing the socket would reset
    /// these connections. Only for TCP and Unix sockets.
    ///
    /// Connections that another process accepts are left to it.
    pub(crate) fn drain(&self, mut take: impl FnMut(Accepted)) {
        if self.is_shared.load(Ordering::Acquire) {
            return;
        }
        for _ in 0..BACKLOG {
            match self.socket.accept_at_once(&self.address) {
                Ok(accepted) => take(accepted),
                Err(error) if is_of_the_peer(&error) => {}
                Err(_) => return,
            }
        }
    }
}

impl Incoming {
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Accepts connections forever and gives each one to `take`. Must run on a tokio runtime. Returns only if the runtime
    /// refuses to register the socket.
    pub(crate) async fn accept(self, backoff: Duration, mut take: impl FnMut(Accepted)) -> io::Error {
        let Incoming { socket, address } = self;
        let mut socket = match socket.register() {
            Ok(socket) => socket,
            Err(error) => return error,
        };
        loop {
            match socket.accept(&address).await {
                Ok(accepted) => take(accepted),
                Err(error) => failed(&address, &error, backoff).await,
            }
        }
    }
}

/// Logs a failed accept. Pauses for `backoff` unless the peer caused the error.
async fn failed(address: &Address, error: &io::Error, backoff: Duration) {
    if is_of_the_peer(error) {
        return tracing::debug!(%address, %error, "a connection ended before it was accepted");
    }
    tracing::error!(%address, %error, accept_backoff = ?backoff, "cannot accept; pausing");
    tokio::time::sleep(backoff).await;
}

/// Whether the error concerns one connection only, so that the next accept may succeed.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}

impl ListeningSocket {
    /// Duplicates the socket. An in-process name has one receiver, which moves to the duplicate.
    fn duplicate(&mut self) -> io::Result<ListeningSocket> {
        Ok(match self {
            ListeningSocket::Tcp(listener) => ListeningSocket::Tcp(listener.try_clone()?),
            ListeningSocket::Unix(listener) => ListeningSocket::Unix(listener.try_clone()?),
            ListeningSocket::Memory { incoming, .. } => {
                ListeningSocket::Memory { incoming: incoming.take(), _name: None }
            }
        })
    }

    /// Registers the socket with the reactor of the current runtime.
    fn register(self) -> io::Result<RegisteredSocket> {
        match self {
            ListeningSocket::Tcp(listener) => {
                // A server that listens at one specific address knows the local address of its connections.
                let local = listener.local_addr().ok().filter(|local| !local.ip().is_unspecified());
                Ok(RegisteredSocket::Tcp(register(listener)?, local))
            }
            ListeningSocket::Unix(listener) => Ok(RegisteredSocket::Unix(register(listener)?)),
            ListeningSocket::Memory { incoming, .. } => {
                incoming.map(RegisteredSocket::Memory).ok_or_else(|| io::ErrorKind::NotConnected.into())
            }
        }
    }

    fn accept_at_once(&self, address: &Address) -> io::Result<Accepted> {
        match self {
            ListeningSocket::Tcp(listener) => accepted_tcp(tcp::accept(listener)?, None),
            ListeningSocket::Unix(listener) => accepted_unix(listener.accept()?, address),
            ListeningSocket::Memory { .. } => Err(io::ErrorKind::WouldBlock.into()),
        }
    }
}

fn accepted_tcp((stream, peer): (TcpStream, SocketAddr), local: Option<SocketAddr>) -> io::Result<Accepted> {
    let local = local.map_or_else(|| stream.local_addr(), Ok)?;
    Ok(Accepted::Tcp { stream, peer, local })
}

fn accepted_unix((stream, _): (UnixStream, unix::SocketAddr), address: &Address) -> io::Result<Accepted> {
    stream.set_nonblocking(true)?;
    Ok(Accepted::Unix(stream, address.clone()))
}

/// Registers a listener with the reactor for readiness. tokio's own listeners also register each accepted socket with their
/// reactor. Moving the socket to another loop would then cost two extra system calls per connection.
#[expect(
    deprecated,
    reason = "the other one is unsafe; it asks that a descriptor stays its owner's, which std's listeners hold to"
)]
fn register<T: AsRawFd>(listener: T) -> io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(listener, Interest::READABLE)
}

enum RegisteredSocket {
    Tcp(AsyncFd<TcpListener>, Option<SocketAddr>),
    Unix(AsyncFd<UnixListener>),
    Memory(mpsc::Receiver<Stream>),
}

impl RegisteredSocket {
    /// Accepts one connection without registering it with a reactor: the connection may move to another loop, or end too
    /// soon to need one.
    async fn accept(&mut self, address: &Address) -> io::Result<Accepted> {
        match self {
            RegisteredSocket::Tcp(listener, local) => {
                accepted_tcp(listener.async_io(Interest::READABLE, tcp::accept).await?, *local)
            }
            RegisteredSocket::Unix(listener) => {
                accepted_unix(listener.async_io(Interest::READABLE, |listener| listener.accept()).await?, address)
            }
            RegisteredSocket::Memory(incoming) => match incoming.recv().await {
                Some(stream) => Ok(Accepted::Memory(stream)),
                // All senders have gone. The listener keeps waiting, as a socket would.
                None => std::future::pending().await,
            },
        }
    }
}

fn bind_tcp(address: SocketAddr, shares: bool) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shares {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    // mprpc batches its writes itself, so Nagle's algorithm is off. Accepted sockets inherit the option, at least on Linux
    // and the BSDs (tcp(7), and measured).
    socket.set_tcp_nodelay(true)?;
    let listener = TcpListener::from(socket);
    let address = Address::Tcp(listener.local_addr()?);
    Ok(Listener::new(ListeningSocket::Tcp(listener), address, None))
}

/// Binds a Unix socket. Replaces the path of a process that has gone; a path whose listener still answers is in use.
fn bind_unix(path: &Path) -> io::Result<Listener> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse && is_stale(path) => {
            std::fs::remove_file(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    listener.set_nonblocking(true)?;
    let address = Address::Unix(path.to_owned());
    Ok(Listener::new(ListeningSocket::Unix(listener), address, Some(path.to_owned())))
}

fn is_stale(path: &Path) -> bool {
    matches!(UnixStream::connect(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if self.is_shared.load(Ordering::Acquire) {
            return;
        }
        if let ListeningSocket::Tcp(listener) = &self.socket {
            // The accept loop may run on an event loop that is blocked. If shutdown fails, the socket keeps listening until
            // that loop drops it.
            let _ = SockRef::from(listener).shutdown(Shutdown::Both);
        }
        if let Some(path) = &self.path {
            // The path may be gone already.
            let _ = std::fs::remove_file(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;
    use crate::interceptors::tests::Log;

    #[tokio::test(start_paused = true)]
    async fn accept_pauses_and_logs_accept_backoff_only_after_errors_of_the_machine() {
        let log = Log::begin();
        let address = Address::Memory("test".into());
        let backoff = Duration::from_millis(700);
        let begin = Instant::now();
        failed(&address, &io::ErrorKind::ConnectionReset.into(), backoff).await;
        assert_eq!((begin.elapsed(), log.with("cannot accept").len()), (Duration::ZERO, 0));
        // Error 24 is EMFILE.
        failed(&address, &io::Error::from_raw_os_error(24), backoff).await;
        assert_eq!((begin.elapsed(), log.with("accept_backoff=700ms").len()), (backoff, 1));
    }
}
