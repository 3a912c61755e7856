//! Listening sockets and names in memory, and the loop that accepts from one and hands the connections out. No error that a peer or the
//! machine can cause ends it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::{self as unix, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::stream::{Accepted, Stream};
use super::{memory, tcp};
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};

/// Connections that the kernel keeps for us before they are accepted.
const BACKLOG: i32 = 4096;

/// What listens, not yet tied to a runtime. Dropping it closes it, removes the path of a Unix socket, and frees a name in
/// memory.
#[derive(Debug)]
pub(crate) struct Listener {
    socket: ListeningSocket,
    address: Address,
    /// Removed when the listener is dropped.
    path: Option<PathBuf>,
}

/// What a loop accepts from, not yet tied to its reactor.
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
        /// `None` once it is being accepted from.
        incoming: Option<mpsc::Receiver<Stream>>,
        /// Freed with the listener.
        _name: Option<memory::NameReservation>,
    },
}

impl Listener {
    /// Listens at `address`; port 0 takes a free one. Blocks for as long as a host name takes to look up.
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

    /// A listener that accepts what comes out of `incoming`.
    pub(crate) fn fed(
        address: Address,
        incoming: mpsc::Receiver<Stream>,
        name: Option<memory::NameReservation>,
    ) -> Listener {
        let socket = ListeningSocket::Memory { incoming: Some(incoming), _name: name };
        Listener { socket, address, path: None }
    }

    /// Where it listens: the real port where 0 was asked for.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Sockets at the address of this one, so that `count` more loops can accept for themselves: the kernel spreads connections
    /// over them by a hash of their addresses. `None` where it does not.
    ///
    /// This one was bound without them, so a second program that listens here is refused as ever.
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

    /// What accepts from it. The listener stays, for [`Listener::drain`].
    pub(crate) fn incoming(&mut self) -> io::Result<Incoming> {
        Ok(Incoming { socket: self.socket.duplicate()?, address: self.address.clone() })
    }

    /// Accepts what waits in the kernel already, without waiting for more: closing the socket would reset it. For TCP and
    /// Unix.
    pub(crate) fn drain(&self, mut take: impl FnMut(Accepted)) {
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

    /// Accepts for ever, and gives each connection to `take`. Must run on a tokio runtime; returns only when that
    /// refuses the socket.
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

/// What follows a failure to accept: a pause, unless only the peer is to blame.
async fn failed(address: &Address, error: &io::Error, backoff: Duration) {
    if is_of_the_peer(error) {
        return tracing::debug!(%address, %error, "a connection ended before it was accepted");
    }
    tracing::error!(%address, %error, accept_backoff = ?backoff, "cannot accept; pausing");
    tokio::time::sleep(backoff).await;
}

/// Errors of one connection, which say nothing about the next.
fn is_of_the_peer(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted, TimedOut};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted | TimedOut)
}

impl ListeningSocket {
    /// The same socket once more; of names in memory, the one end that is accepted from.
    fn duplicate(&mut self) -> io::Result<ListeningSocket> {
        Ok(match self {
            ListeningSocket::Tcp(listener) => ListeningSocket::Tcp(listener.try_clone()?),
            ListeningSocket::Unix(listener) => ListeningSocket::Unix(listener.try_clone()?),
            ListeningSocket::Memory { incoming, .. } => {
                ListeningSocket::Memory { incoming: incoming.take(), _name: None }
            }
        })
    }

    /// Ties the socket to the runtime that this runs on.
    fn register(self) -> io::Result<RegisteredSocket> {
        match self {
            ListeningSocket::Tcp(listener) => {
                // A server of one address knows the local end of its connections.
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

/// Has the reactor say when there is something to accept. tokio's own listeners register what they accept with the reactor
/// that they are on, and it would have to be taken off again: two system calls a connection.
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
    /// Accepts one. It is not registered with a reactor yet: it may live on another loop, or not for long enough.
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
                // Whoever fed it has gone; the listener stays, as a socket would.
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
    // Writes are batched already. What is accepted inherits it, at least on Linux and the BSDs (tcp(7), and measured).
    socket.set_tcp_nodelay(true)?;
    let listener = TcpListener::from(socket);
    let address = Address::Tcp(listener.local_addr()?);
    Ok(Listener { socket: ListeningSocket::Tcp(listener), address, path: None })
}

/// A path whose owner has gone is taken over; one that answers is in use.
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
    Ok(Listener { socket: ListeningSocket::Unix(listener), address, path: Some(path.to_owned()) })
}

fn is_stale(path: &Path) -> bool {
    matches!(UnixStream::connect(path), Err(error) if error.kind() == io::ErrorKind::ConnectionRefused)
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let ListeningSocket::Tcp(listener) = &self.socket {
            // What accepts may be on a loop that is blocked. Where this fails, the socket listens for as long as that is there.
            let _ = SockRef::from(listener).shutdown(Shutdown::Both);
        }
        if let Some(path) = &self.path {
            // Already gone is as good.
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
    async fn accept_backoff_is_the_pause_where_the_machine_is_to_blame_and_named_in_the_log() {
        let log = Log::begin();
        let address = Address::Memory("test".into());
        let backoff = Duration::from_millis(700);
        let begin = Instant::now();
        failed(&address, &io::ErrorKind::ConnectionReset.into(), backoff).await;
        assert_eq!((begin.elapsed(), log.with("cannot accept").len()), (Duration::ZERO, 0));
        // EMFILE.
        failed(&address, &io::Error::from_raw_os_error(24), backoff).await;
        assert_eq!((begin.elapsed(), log.with("accept_backoff=700ms").len()), (backoff, 1));
    }
}
