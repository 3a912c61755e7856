//! mprpc: an RPC framework for Rust services.
//!
//! A provider publishes the services of a `.proto` file. A registry lists the providers' addresses. A caller uses the
//! services through a generated client. The native protocol carries many calls at a time over one connection; the same port
//! also serves the frame of the C++ MPRPC, one call a connection.
//!
//! # Getting started
//!
//! A `build.rs` compiles the `.proto` files to Rust, without `protoc`:
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
//! The types that generated code uses can also be used directly:
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
//! # Public items
//!
//! | Items | Use |
//! |---|---|
//! | [`Server`], [`ServerHandle`], [`ServerStats`] | the provider's side |
//! | [`Health`], [`health`], [`reflection`] | the state that a server reports, and the messages of health and reflection |
//! | [`Channel`], [`ChannelOptions`], [`Call`], [`Reply`] | the caller's side |
//! | [`FanOut`], [`Partitions`] | several calls at the same time, and services whose data is split |
//! | [`Streaming`], [`Sender`] | streams of messages, for handlers and callers |
//! | [`Status`], [`Code`], [`Phase`], [`Ran`] | the failure of a call: the reason, the phase, and whether the handler ran |
//! | [`error_details`] | google.rpc's messages for the details of a failure |
//! | [`Context`], [`Peer`], [`Deadline`], [`Metadata`] | what a handler knows of its call |
//! | [`Interceptor`], [`intercept_fn`], [`Next`], [`interceptors`] | code around every call, and ready-made interceptors |
//! | [`init`], [`init_with`], [`Config`], [`TlsConfig`] | configuration from file, environment and flags |
//! | [`Address`], [`Endpoint`], [`Protocol`] | the address and the protocol of a listening server |
//! | [`TrustedProxy`] | the proxies that may say for whom they act |
//! | [`OpenApiInfo`] | what the OpenAPI document says of a server as a whole |
//! | [`Cors`] | the web pages that may call a server from a browser |
//! | [`TlsServer`], [`TlsClient`], [`PeerIdentity`] | certificates to show and to trust, and the identity of the peer |
//! | [`Limits`] | every bound, and what happens beyond it |
//! | [`Error`] | the failure of building, configuring and starting |
//! | [`balancer`] | balancing policies, and the traits to implement one |
//! | [`discovery`] | registries, and the traits to implement one |
//! | [`logging`] | the asynchronous log behind `tracing` |
//! | [`net`] | the reactor by itself: event loops, and a byte server with callbacks |
//! | [`include_proto!`], [`Message`], [`MessageView`], [`well_known`] | generated code and its messages |
//! | [`Service`], [`Body`], [`Codec`], [`ServiceDescriptor`], [`Method`], [`MethodKind`], [`Idempotency`] | a type-erased service, as generated code implements it |
//! | [`RawClient`], [`RawService`] | calling and serving methods by name, with bytes |
//! | [`Compression`] | compression algorithms for messages |
//! | `testing` (feature `testing`) | the test kit: services without sockets, and a simulated network |
//!
//! # Features
//!
//! - `zookeeper` (default): the registry `zookeeper://host:port,host:port/chroot`.
//! - `etcd`: the registry `etcd://host:port,host:port/prefix`.
//! - `json` (default): protobuf JSON for generated messages.
//! - `gzip`, `lz4`, `zstd`: compression of messages, [`Compression`].
//! - `testing`: the test kit, `mprpc::testing`: services without sockets, and a simulated network under virtual time.
//! - `tower`: `tower` layers as interceptors.
//! - `tls`: TLS and mTLS at TCP addresses. The feature adds rustls and its cryptography to the build.
//!
//! The folder `docs/` of the repository holds the guide in English and Chinese, the wire format byte by byte, and the
//! architecture.

pub mod balancer;
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
#[cfg(feature = "etcd")]
mod etcd;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod id_map;
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
mod targets;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod tls;

pub use bytes::{Bytes, BytesMut};
pub use client::{Call, CallFuture, Channel, ChannelOptions, FanOut, Partitions, RawClient, Reply};
pub use codec::{Codec, Compression, Message, MessageView, error_details, health, reflection, well_known};
pub use config::{CONF_FILE_BYTES_MAX, Config, Source, TlsConfig, Values, init, init_with};
pub use context::{Context, Peer};
pub use deadline::Deadline;
pub use endpoint::{Address, Endpoint, Protocol, UnixSocket};
pub use error::{Error, ErrorKind};
pub use interceptor::{Interceptor, Next, intercept_fn};
pub use limits::Limits;
pub use metadata::Metadata;
pub use method::{HttpBody, HttpRule, Idempotency, Method, MethodDescriptor, MethodKind, Placement, ServiceDescriptor};
pub use priority::Priority;
pub use server::{Cors, Health, OpenApiInfo, Server, ServerHandle, ServerStats, TrustedProxy};
pub use service::{Body, BoxFuture, RawService, Service};
pub use status::{Code, Phase, Ran, Status};
pub use streaming::{Sender, Streaming};
pub use tls::{PeerIdentity, TlsClient, TlsServer};
