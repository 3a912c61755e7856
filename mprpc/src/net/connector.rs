//! Opening connections. Not keeping or counting them.

use std::io;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream};

use super::memory;
use super::stream::Stream;
use crate::endpoint::Address;

/// Connects to `address` within `timeout`. Host names are looked up anew each time, and every address of theirs tried.
pub(crate) async fn connect(address: &Address, timeout: Duration) -> io::Result<Stream> {
    let connecting = async {
        match address {
            Address::Tcp(address) => Stream::tcp(TcpStream::connect(address).await?),
            Address::Host(host, port) => Stream::tcp(TcpStream::connect((host.as_str(), *port)).await?),
            Address::Unix(path) => Ok(Stream::unix(UnixStream::connect(path).await?, address.clone())),
            Address::Memory(name) => memory::connect(name).await,
        }
    };
    within(timeout, connecting).await
}

/// Bounds an attempt to connect.
pub(crate) async fn within<T>(timeout: Duration, connecting: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    match tokio::time::timeout(timeout, connecting).await {
        Ok(connected) => connected,
        Err(_elapsed) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {timeout:?}"))),
    }
}
