//! Opens connections. It neither keeps nor counts them.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::memory;
use super::stream::Stream;
use super::{clock, tcp, tls};
use crate::endpoint::Address;
use crate::error::Error;
use crate::limits::Limits;
use crate::tls::TlsClient;

/// Opens the connections of a channel. TCP connections use TLS if it is configured; all others are plain.
pub(crate) struct Connector {
    timeout: Duration,
    tls: Option<tls::Connector>,
}

impl Connector {
    /// Reads the TLS files, if TLS is configured.
    ///
    /// # Errors
    /// The TLS files cannot be used, or the feature `tls` is off.
    pub(crate) fn new(tls: Option<&TlsClient>, limits: &Limits) -> Result<Connector, Error> {
        let tls = tls.map(|settings| tls::Connector::new(settings, limits)).transpose()?;
        Ok(Connector { timeout: limits.connect_timeout, tls })
    }

    /// Connects to `address` and completes the TLS handshake, all within `connect_timeout`. The stream may be fresh
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

/// Connects to `address` within `timeout`, without TLS. The stream may be fresh ([`Stream::fresh`]).
#[cfg(feature = "zookeeper")]
pub(crate) async fn connect(address: &Address, timeout: Duration) -> io::Result<Stream> {
    within(timeout, "", open(address)).await
}

/// Asks the system for the addresses of a host name, with this port.
pub(crate) async fn lookup(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// Opens a stream. Every attempt looks up the host name again and tries all of its addresses.
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

/// Opens a TCP stream. A connection on the same host is established at once; its stream is fresh, and no reactor has to
/// wait for it.
///
/// The kernel repeats a SYN without an answer after a second. A second attempt begins sooner, because a server that is about to
/// close its socket answers none ([`Listener::ignore_new_handshakes`](super::Listener::ignore_new_handshakes)).
async fn open_tcp(address: SocketAddr) -> io::Result<Stream> {
    let (socket, is_connected) = tcp::begin_to_connect(address)?;
    if is_connected {
        return Ok(Stream::fresh(socket, address, address));
    }
    let mut first = pin!(connected(socket, address));
    if let Ok(connected) = tokio::time::timeout(SECOND_ATTEMPT, &mut first).await {
        return connected;
    }
    // Without a second socket, the first attempt goes on.
    let Ok((socket, _)) = tcp::begin_to_connect(address) else { return first.await };
    tokio::select! {
        connected = first => connected,
        connected = connected(socket, address) => connected,
    }
}

/// Waits for the end of an attempt to connect.
async fn connected(socket: std::net::TcpStream, address: SocketAddr) -> io::Result<Stream> {
    let socket = TcpStream::from_std(socket)?;
    socket.writable().await?;
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(Stream::tcp(socket, address)),
    }
}

/// How long an attempt to connect is without an answer when the second one begins.
const SECOND_ATTEMPT: Duration = Duration::from_millis(250);

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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn address_that_answers_no_handshake_and_closes_is_refused_before_the_kernel_tries_again() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        tcp::ignore_new_handshakes(&listener).unwrap();
        let begun = clock::now();
        let attempt = tokio::spawn(open_tcp(address));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!attempt.is_finished(), "the handshake is answered");
        drop(listener);
        assert_eq!(attempt.await.unwrap().err().unwrap().kind(), io::ErrorKind::ConnectionRefused);
        let elapsed = clock::now() - begun;
        assert!(elapsed < Duration::from_millis(900), "{elapsed:?}");
    }
}
