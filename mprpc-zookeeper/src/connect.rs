//! How a client gets its connections: over TCP, or over streams that the program brings.

use std::future::Future;
use std::io;
use std::pin::Pin;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

/// Opens connections to servers.
pub trait Connect: Send + Sync + 'static {
    /// A connection.
    type Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static;

    /// Connects to `server`, `host:port`. The client limits the time, and drops the future when it has passed.
    fn connect(&self, server: &str) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// A connector of any kind.
pub(crate) trait DynConnect: Send + Sync {
    fn connect<'a>(&'a self, server: &'a str) -> Pin<Box<dyn Future<Output = io::Result<BoxStream>> + Send + 'a>>;
}

/// A connection of any kind.
pub(crate) type BoxStream = Box<dyn DynStream>;

pub(crate) trait DynStream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> DynStream for S {}

impl<C: Connect> DynConnect for C {
    fn connect<'a>(&'a self, server: &'a str) -> Pin<Box<dyn Future<Output = io::Result<BoxStream>> + Send + 'a>> {
        Box::pin(async { Ok(Box::new(Connect::connect(self, server).await?) as BoxStream) })
    }
}

/// Connects over TCP. Looks up the host name at each attempt and tries its addresses in turn.
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpConnect;

impl Connect for TcpConnect {
    type Stream = TcpStream;

    async fn connect(&self, server: &str) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(server).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}
