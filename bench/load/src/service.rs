//! The server under load: an echo that computes, and handlers that take time in other ways. It is written as users write it,
//! with all defaults except those that the system's name mentions.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mprpc::{Bytes, Channel, Code, Context, Limits, Server, Status};
use mprpc_bench_harness::{Client, Failure, Refused, Serve, System, drive, spin};
use tokio::sync::Semaphore;
use tokio::time::sleep;

use crate::proto::{
    Done, Echo, EchoService, EchoServiceClient, EchoServiceServer, EchoView, LoadService, LoadServiceClient,
    LoadServiceServer, Work, WorkView,
};

/// The server with all defaults. In the closed loop, callers call the echo.
pub(crate) const MPRPC: &str = "mprpc";
/// The same server. In the closed loop, callers call handlers that wait for the resource.
pub(crate) const RESOURCE: &str = "mprpc-resource";
/// `overload_protection` is off.
pub(crate) const UNPROTECTED: &str = "mprpc-unprotected";
/// `memory_bytes_max` is 512 MiB.
pub(crate) const BUDGET: &str = "mprpc-512-mib";

/// The servers with their different configurations, and their closed-loop callers.
pub(crate) const SYSTEMS: [System; 4] = [
    System { name: MPRPC, serve: |serve| run(serve, Server::default()), call: drive::<EchoCaller> },
    System { name: RESOURCE, serve: |serve| run(serve, Server::default()), call: drive::<ResourceCaller> },
    System { name: UNPROTECTED, serve: |serve| run(serve, unprotected()), call: drive::<EchoCaller> },
    System { name: BUDGET, serve: |serve| run(serve, with_budget()), call: drive::<EchoCaller> },
];

/// The number of calls that can hold the resource at the same time.
pub(crate) const PLACES: usize = 100;
/// How long each call holds the resource.
pub(crate) const HELD: Duration = Duration::from_millis(5);

fn unprotected() -> Server {
    Server { overload_protection: false, ..Server::default() }
}

fn with_budget() -> Server {
    Server { limits: Limits { memory_bytes_max: Some(512 << 20), ..Limits::default() }, ..Server::default() }
}

fn run(serve: &Serve, server: Server) -> Result<(), Failure> {
    let handlers = Handlers { spin: serve.spin, resource: Arc::new(Semaphore::new(PLACES)) };
    let server = server.add(EchoServiceServer::new(handlers.clone())).add(LoadServiceServer::new(handlers));
    Ok(server.run()?)
}

#[derive(Clone)]
struct Handlers {
    /// How long the echo computes.
    spin: Duration,
    resource: Arc<Semaphore>,
}

impl EchoService for Handlers {
    async fn echo(&self, _: &Context, request: EchoView<'_>) -> Result<Echo, Status> {
        spin(self.spin);
        Ok(Echo { payload: Bytes::copy_from_slice(request.payload), ..Default::default() })
    }
}

impl LoadService for Handlers {
    async fn empty(&self, _: &Context, _: WorkView<'_>) -> Result<Done, Status> {
        Ok(Done::default())
    }

    async fn compute(&self, _: &Context, work: WorkView<'_>) -> Result<Done, Status> {
        spin(Duration::from_micros(work.compute_us.into()));
        Ok(Done::default())
    }

    async fn compute_long(&self, cx: &Context, work: WorkView<'_>) -> Result<Done, Status> {
        self.compute(cx, work).await
    }

    async fn use_resource(&self, _: &Context, _: WorkView<'_>) -> Result<Done, Status> {
        let _place = self.resource.acquire().await.map_err(|_| Status::internal("the resource is gone"))?;
        sleep(HELD).await;
        Ok(Done::default())
    }

    async fn park(&self, _: &Context, _: WorkView<'_>) -> Result<Done, Status> {
        pending().await
    }
}

fn failure(status: Status) -> Failure {
    if status.code() == Code::ResourceExhausted { Refused.into() } else { status.into() }
}

#[derive(Clone)]
struct EchoCaller(EchoServiceClient);

impl Client for EchoCaller {
    type Request = Echo;

    async fn connect(address: SocketAddr) -> Result<EchoCaller, Failure> {
        let caller = EchoCaller(EchoServiceClient::new(Channel::new(&address.to_string())?));
        caller.call(&EchoCaller::request(1)).await?;
        Ok(caller)
    }

    fn request(payload: usize) -> Echo {
        Echo { payload: vec![7; payload].into(), ..Default::default() }
    }

    async fn call(&self, request: &Echo) -> Result<usize, Failure> {
        Ok(self.0.echo(request.clone()).await.map_err(failure)?.payload.len())
    }
}

#[derive(Clone)]
struct ResourceCaller(LoadServiceClient);

impl Client for ResourceCaller {
    type Request = Work;

    async fn connect(address: SocketAddr) -> Result<ResourceCaller, Failure> {
        let caller = ResourceCaller(LoadServiceClient::new(Channel::new(&address.to_string())?));
        caller.call(&ResourceCaller::request(1)).await?;
        Ok(caller)
    }

    fn request(payload: usize) -> Work {
        Work { payload: vec![7; payload].into(), ..Default::default() }
    }

    async fn call(&self, request: &Work) -> Result<usize, Failure> {
        self.0.use_resource(request.clone()).await.map_err(failure)?;
        Ok(request.payload.len())
    }
}
