//! Listening sockets and names in memory, and the loop that accepts from one and hands the connections out. No error that a peer or the
//! machine can cause ends it.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::mpsc;

use super::memory;
use super::stream::{Accepted, Stream};
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

#[derive(Debug)]
enum ListeningSocket {
    Tcp(TcpListener),
    Unix(UnixListener),
    Memory {
        /// `None` once it is being accepted from.
        incoming: Option<mpsc::Receiver<Stream>>,
        /// Freed with the listener.
        _name: Option<memory::Claim>,
    },
}

impl Listener {
    /// Listens at `address`; port 0 takes a free one. Blocks for as long as a host name takes to look up.
    pub(crate) fn bind(address: &Address) -> Result<Listener, Error> {
        let bound = match address {
            Address::Tcp(address) => bind_tcp(*address),
            Address::Host(host, port) => (host.as_str(), *port)
                .to_socket_addrs()
                .and_then(|mut found| found.next().ok_or_else(|| io::ErrorKind::AddrNotAvailable.into()))
                .and_then(bind_tcp),
            Address::Unix(path) => bind_unix(path),
            Address::Memory(name) => {
                memory::listen(name).map(|(name, incoming)| Listener::fed(address.clone(), incoming, Some(name)))
            }
        };
        bound.map_err(|error| Error::with_source(ErrorKind::Listen, format!("cannot listen on {address}"), error))
    }

    /// A listener that accepts what comes out of `incoming`.
    pub(crate) fn fed(address: Address, incoming: mpsc::Receiver<Stream>, name: Option<memory::Claim>) -> Listener {
        let socket = ListeningSocket::Memory { incoming: Some(incoming), _name: name };
        Listener { socket, address, path: None }
    }

    /// Where it listens: the real port where 0 was asked for.
    pub(crate) fn address(&self) -> &Address {
        &self.address
    }

    /// Accepts for ever, and gives each connection to `take`. Must run on a tokio runtime; returns only when that
    /// refuses the socket.
    pub(crate) async fn accept(mut self, backoff: Duration, mut take: impl FnMut(Accepted)) -> io::Error {
        let mut socket = match self.socket.register() {
            Ok(socket) => socket,
            Err(error) => return error,
        };
        loop {
            match socket.accept(&self.address).await {
                Ok(accepted) => take(accepted),
                Err(error) => failed(&self.address, &error, backoff).await,
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
    /// Ties a duplicate of the socket to the runtime that this runs on.
    fn register(&mut self) -> io::Result<RegisteredSocket> {
        match self {
            ListeningSocket::Tcp(listener) => {
                // A server of one address knows the local end of its connections.
                let local = listener.local_addr().ok().filter(|local| !local.ip().is_unspecified());
                Ok(RegisteredSocket::Tcp(register(listener.try_clone()?)?, local))
            }
            ListeningSocket::Unix(listener) => Ok(RegisteredSocket::Unix(register(listener.try_clone()?)?)),
            ListeningSocket::Memory { incoming, .. } => {
                incoming.take().map(RegisteredSocket::Memory).ok_or_else(|| io::ErrorKind::NotConnected.into())
            }
        }
    }
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
    /// Accepts one. It is not registered with the reactor of this loop: it will live on another.
    async fn accept(&mut self, address: &Address) -> io::Result<Accepted> {
        match self {
            RegisteredSocket::Tcp(listener, local) => {
                let (stream, peer) = listener.async_io(Interest::READABLE, TcpListener::accept).await?;
                stream.set_nonblocking(true)?;
                let local = local.map_or_else(|| stream.local_addr(), Ok)?;
                Ok(Accepted::Tcp { stream, peer, local })
            }
            RegisteredSocket::Unix(listener) => {
                let (stream, _) = listener.async_io(Interest::READABLE, UnixListener::accept).await?;
                stream.set_nonblocking(true)?;
                Ok(Accepted::Unix(stream, address.clone()))
            }
            RegisteredSocket::Memory(incoming) => match incoming.recv().await {
                Some(stream) => Ok(Accepted::Memory(stream)),
                // Whoever fed it has gone; the listener stays, as a socket would.
                None => std::future::pending().await,
            },
        }
    }
}

fn bind_tcp(address: SocketAddr) -> io::Result<Listener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
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
