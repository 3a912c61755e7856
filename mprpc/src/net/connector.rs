//! Opening connections. Not keeping or counting them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::memory;
use super::stream::Stream;
use super::{clock, tcp, tls};
use crate::endpoint::Address;
use crate::error::Error;
use crate::limits::Limits;
use crate::tls::TlsClient;

/// What opens the connections of a channel: plain, or over TLS where the address is one of TCP.
pub(crate) struct Connector {
    timeout: Duration,
    tls: Option<tls::Connector>,
}

impl Connector {
    /// # Errors
    /// The files of TLS cannot be used, or the feature `tls` is off.
    pub(crate) fn new(tls: Option<&TlsClient>, limits: &Limits) -> Result<Connector, Error> {
        let tls = tls.map(|settings| tls::Connector::new(settings, limits)).transpose()?;
        Ok(Connector { timeout: limits.connect_timeout, tls })
    }

    /// Connects to `address`, the handshake of TLS included, within `connect_timeout`. The stream may be a fresh one
    /// ([`Stream::fresh`]).
    pub(crate) async fn connect(&self, address: &Address) -> io::Result<Stream> {
        let begun = clock::now();
        let stream = within_limit(self.timeout, open(address)).await?;
        match (&self.tls, address) {
            (Some(tls), Address::Tcp(_) | Address::Host(..)) => {
                let left = self.timeout.saturating_sub(clock::now().saturating_duration_since(begun));
                tls.connect(stream.for_many_writes()?, address, left).await
            }
            _ => Ok(stream),
        }
    }
}

/// Connects to `address` within `timeout`, without TLS. The stream may be a fresh one.
#[cfg(feature = "zookeeper")]
pub(crate) async fn connect(address: &Address, timeout: Duration) -> io::Result<Stream> {
    within(timeout, "", open(address)).await
}

/// Host names are looked up anew each time, and every address of theirs tried.
async fn open(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(address) => open_tcp(*address).await,
        Address::Host(host, port) => {
            let stream = TcpStream::connect((host.as_str(), *port)).await?;
            let peer = stream.peer_addr()?;
            Ok(Stream::tcp(stream, peer))
        }
        Address::Unix(path) => Ok(Stream::unix(UnixStream::connect(path).await?, address.clone())),
        Address::Memory(name) => memory::connect(name).await,
    }
}

/// A connection on the same host is there at once, and its stream fresh: no reactor has to wait for it.
async fn open_tcp(address: SocketAddr) -> io::Result<Stream> {
    let (socket, is_connected) = tcp::begin_to_connect(address)?;
    if is_connected {
        return Ok(Stream::fresh(socket, address, address));
    }
    let socket = TcpStream::from_std(socket)?;
    socket.writable().await?;
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(Stream::tcp(socket, address)),
    }
}

/// Bounds an attempt to connect by `connect_timeout`.
pub(crate) async fn within_limit<T>(
    connect_timeout: Duration,
    connecting: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    within(connect_timeout, "connect_timeout ", connecting).await
}

async fn within<T>(timeout: Duration, limit: &str, connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(timeout, connecting).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {limit}{timeout:?}"))),
    }
}
