//! The test kit: services without sockets, and a simulated network under virtual time. Not for what ships: it is behind
//! the feature `testing`.
//!
//! | to test | use |
//! |---|---|
//! | code that calls, without any server | a fake of the generated client: the trait `GreeterCalls` and [`Call::ready`](crate::Call::ready) |
//! | a handler, through the generated client | [`connect`] |
//! | provider and caller in one process, as they are deployed | a [`Server`] that listens at `memory:NAME` |
//! | what happens when the network or a peer fails | a [`Network`] |
//!
//! What a test gets wrong, an address that does not read, say, is a panic: the kit has no errors of its own.

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

/// A channel to a service in this process: for tests of handlers through generated clients.
///
/// Everything between caller and handler is real, the native protocol included; only sockets, names and registries are
/// missing. The service runs on the runtime of its caller, and goes with the last client of the channel.
pub fn connect(service: impl Service) -> Channel {
    connect_to(Server::default().add(service))
}

/// The same, to a server as it is configured: with interceptors, compression, limits. It listens nowhere.
///
/// # Panics
/// If the server cannot be as it is configured.
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
