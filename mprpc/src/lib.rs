//! mprpc: an RPC framework for Rust services.
//!
//! A provider publishes the services of a `.proto` file, a registry tells where they run, a caller uses them through a
//! generated client. It speaks a native protocol, many calls at a time over one connection, and the frame of the C++
//! MPRPC, both on one port.
//!
//! # The paved path
//!
//! `build.rs` makes Rust of the `.proto` files, without `protoc`:
//!
//! ```ignore
//! fn main() -> Result<(), mprpc_build::Error> {
//!     mprpc_build::compile(&["proto/hello.proto"])
//! }
//! ```
//!
//! A provider implements the generated trait, and a caller uses the generated client:
//!
//! ```ignore
//! mprpc::include_proto!("hello");
//!
//! impl Greeter for Hello {
//!     async fn say_hello(&self, _: &Context, request: HelloRequestView<'_>) -> Result<HelloReply, Status> {
//!         Ok(HelloReply { text: format!("hello, {}", request.name), ..Default::default() })
//!     }
//! }
//!
//! // the provider: configuration and log, then serve until SIGTERM
//! let config = mprpc::init()?;
//! Server::new(&config).add(GreeterServer::new(Hello)).run()?;
//!
//! // the caller: `.await` in async code, `.wait()` on a thread without a runtime
//! let greeter = GreeterClient::new(Channel::new("zookeeper://127.0.0.1:2181")?);
//! let request = HelloRequest { name: "mprpc".into(), ..Default::default() };
//! let reply = greeter.say_hello(request).timeout(Duration::from_millis(200)).await?;
//! ```
//!
//! What generated code stands on can be used by itself:
//!
//! ```no_run
//! use mprpc::{Channel, Error, Server, Service};
//!
//! fn serve(service: impl Service) -> Result<(), Error> {
//!     let running = Server { registry: Some("file:/run/mprpc".into()), ..Server::default() }.add(service).start()?;
//!     let channel = Channel::new("file:/run/mprpc")?;
//!     println!("{} serves; {channel:?} finds it", running.addresses()[0]);
//!     Ok(())
//! }
//! ```
//!
//! # Where what stands
//!
//! | | |
//! |---|---|
//! | [`Server`], [`ServerHandle`], [`ServerStats`] | the provider's side |
//! | [`Channel`], [`ChannelOptions`], [`Call`], [`Reply`] | the caller's side |
//! | [`Streaming`], [`Sender`] | streams of messages, as handlers and callers hold them |
//! | [`Status`], [`Code`], [`Phase`], [`Ran`] | the failure of a call: what, where on its way, and whether it ran |
//! | [`error_details`] | google.rpc's messages for the details of a failure |
//! | [`Context`], [`Peer`], [`Deadline`], [`Metadata`] | what a handler knows of its call |
//! | [`Interceptor`], [`intercept_fn`], [`Next`], [`interceptors`] | what sees every call on its way, and those that are ready to be used |
//! | [`init`], [`init_with`], [`Config`], [`TlsConfig`] | conf file, environment, flags |
//! | [`Address`], [`Endpoint`], [`Protocol`] | where something listens, and what it speaks there |
//! | [`TlsServer`], [`TlsClient`], [`PeerIdentity`] | which certificates a side shows and trusts, and who the other one is |
//! | [`Limits`] | every bound, and what happens beyond it |
//! | [`Error`] | the failure of building, configuring and starting |
//! | [`discovery`] | registries, and how to make one |
//! | [`logging`] | the asynchronous log behind `tracing` |
//! | [`net`] | the reactor by itself: event loops, and a server of bytes with callbacks |
//! | [`include_proto!`], [`Message`], [`MessageView`], [`well_known`] | generated code, and what messages can do |
//! | [`Service`], [`Body`], [`Codec`], [`ServiceDescriptor`], [`Method`], [`MethodKind`], [`Idempotency`] | a service, type-erased, as generated code makes it |
//! | [`RawClient`], [`RawService`] | calling and serving methods by name, with bytes |
//! | [`Compression`] | the algorithms that messages are compressed by |
//! | `testing` (feature `testing`) | the test kit: services without sockets, and a simulated network |
//!
//! # Features
//!
//! - `zookeeper` (default): the registry `zookeeper://host:port,host:port/chroot`.
//! - `json` (default): protobuf JSON on generated messages.
//! - `gzip`, `lz4`, `zstd`: compression of messages, [`Compression`].
//! - `testing`: the test kit, `mprpc::testing`: services without sockets, and a simulated network under virtual time.
//! - `tower`: layers of `tower` as interceptors.
//! - `tls`: TLS and mTLS at TCP addresses. Brings rustls and its cryptography to compile.
//!
//! The guide, in English and Chinese, is in `docs/` of the repository; so are the wire, byte by byte, and the
//! architecture.

mod balancer;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
pub mod client;
mod codec;
#[doc(hidden)]
pub mod codegen;
mod config;
mod context;
mod deadline;
pub mod discovery;
mod endpoint;
mod error;
mod in_process;
mod inbox;
mod interceptor;
pub mod interceptors;
mod limits;
pub mod logging;
mod metadata;
mod method;
pub mod net;
mod priority;
mod protocol;
mod recycled;
mod scope;
pub mod server;
mod service;
mod status;
mod streaming;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tls;

pub use bytes::{Bytes, BytesMut};
pub use client::{Call, CallFuture, Channel, ChannelOptions, RawClient, Reply};
pub use codec::{Codec, Compression, Message, MessageView, error_details, well_known};
pub use config::{CONF_FILE_BYTES_MAX, Config, Source, TlsConfig, Values, init, init_with};
pub use context::{Context, Peer};
pub use deadline::Deadline;
pub use endpoint::{Address, Endpoint, Protocol, UnixSocket};
pub use error::{Error, ErrorKind};
pub use interceptor::{Interceptor, Next, intercept_fn};
pub use limits::Limits;
pub use metadata::Metadata;
pub use method::{Idempotency, Method, MethodDescriptor, MethodKind, Placement, ServiceDescriptor};
pub use priority::Priority;
pub use server::{Server, ServerHandle, ServerStats};
pub use service::{Body, BoxFuture, RawService, Service};
pub use status::{Code, Phase, Ran, Status};
pub use streaming::{Sender, Streaming};
pub use tls::{PeerIdentity, TlsClient, TlsServer};
