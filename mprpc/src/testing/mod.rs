//! The test kit: services without sockets, and a simulated network under virtual time.
//!
//! The feature `testing` enables the kit. The kit is for tests only; programs that ship do not need it.
//!
//! | to test | use |
//! |---|---|
//! | code that makes calls, without a server | a fake of the generated client: the trait `GreeterCalls` and [`Call::ready`](crate::Call::ready) |
//! | a handler, through the generated client | [`connect`] |
//! | provider and caller in one process, as they are deployed | a [`Server`] that listens at `memory:NAME` |
//! | the behaviour when the network or a peer fails | a [`Network`] |
//!
//! The kit has no errors of its own. It panics when a test makes a mistake, for example when an address does not parse.

mod host;
mod network;

#[cfg(test)]
mod tests;

use std::future::ready;
use std::io;
use std::sync::Arc;

pub use host::Host;
pub use network::Network;

use crate::client::{Channel, ChannelOptions, Connect};
use crate::discovery::ListResolver;
use crate::endpoint::{Address, Endpoint};
use crate::net::Stream;
use crate::net::memory::PIPE_BYTES;
use crate::server::{Server, serve_stream};
use crate::service::{BoxFuture, Service};

/// Opens a channel to a service in this process, so that a test calls a handler through its generated client.
///
/// Everything between caller and handler is real, including the native protocol. Only sockets, names and registries are
/// missing. The service runs on the caller's runtime. The service is dropped with the last client of the channel.
///
/// ```no_run
/// # async fn test(service: impl mprpc::Service) {
/// let client = mprpc::RawClient::new(mprpc::testing::connect(service), "test.Echo");
/// assert_eq!(client.unary("Echo", "hello").await.unwrap(), "hello");
/// # }
/// ```
pub fn connect(service: impl Service) -> Channel {
    connect_to(Server::default().add(service))
}

/// Opens a channel to `server` with its interceptors, compression and limits. The server listens on no address.
///
/// # Panics
/// If the configuration of the server is invalid.
pub fn connect_to(mut server: Server) -> Channel {
    let shared = server.share().unwrap_or_else(|error| panic!("{error}"));
    let connect: Connect = Arc::new(move |address: Address| -> BoxFuture<io::Result<Stream>> {
        let (near, far) = Stream::pair(address, PIPE_BYTES);
        tokio::spawn(serve_stream(far, shared.clone()));
        Box::pin(ready(Ok(near)))
    });
    let endpoint = Endpoint::new(Address::Memory("testing".to_owned()));
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    Channel::over(Arc::new(ListResolver::new(vec![endpoint])), options, connect)
}
