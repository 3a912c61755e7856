//! The native protocol: unary calls, and streams in each direction.

use std::net::SocketAddr;

use mprpc::{Bytes, Channel, Context, Server, Status, Streaming};
use mprpc_bench_harness::{Client, Failure, Kind, Load, Report, Serve, Share, drive, on_runtimes};

use super::proto::{
    AccountView, Answer, Echo, EchoService, EchoServiceClient, EchoServiceServer, EchoView, UserServiceRpc,
    UserServiceRpcServer,
};

pub(super) fn serve(_: &Serve) -> Result<(), Failure> {
    Ok(Server::default().add(EchoServiceServer::new(Service)).add(UserServiceRpcServer::new(Service)).run()?)
}

struct Service;

impl EchoService for Service {
    async fn echo(&self, _: &Context, request: EchoView<'_>) -> Result<Echo, Status> {
        Ok(Echo { payload: Bytes::copy_from_slice(request.payload), ..Default::default() })
    }

    async fn swallow(&self, _: &Context, mut requests: Streaming<Echo>) -> Result<Echo, Status> {
        while let Some(request) = requests.next().await {
            request?;
        }
        Ok(Echo::default())
    }

    async fn repeat(&self, _: &Context, request: EchoView<'_>) -> Result<Streaming<Echo>, Status> {
        let message = Echo { payload: Bytes::copy_from_slice(request.payload), ..Default::default() };
        Ok(Streaming::of(std::iter::repeat(message)))
    }

    async fn chat(&self, _: &Context, requests: Streaming<Echo>) -> Result<Streaming<Echo>, Status> {
        Ok(requests)
    }
}

impl UserServiceRpc for Service {
    async fn login(&self, _: &Context, _: AccountView<'_>) -> Result<Answer, Status> {
        Ok(Answer { outcome: Some(Default::default()).into(), success: true, ..Default::default() })
    }
}

pub(super) fn call(load: &Load) -> Result<Report, Failure> {
    if load.kind == Kind::Unary {
        return drive::<Connection>(load);
    }
    let again = load.clone();
    on_runtimes(load, move |share| stream(again.address.to_string(), again.clone(), share))
}

/// The same calls over gRPC.
pub(super) fn call_grpc(load: &Load) -> Result<Report, Failure> {
    if load.kind == Kind::Unary {
        return drive::<GrpcConnection>(load);
    }
    let again = load.clone();
    on_runtimes(load, move |share| stream(format!("grpc://{}", again.address), again.clone(), share))
}

#[derive(Clone)]
struct GrpcConnection(Connection);

impl Client for GrpcConnection {
    type Request = Echo;

    async fn connect(address: SocketAddr) -> Result<GrpcConnection, Failure> {
        Ok(GrpcConnection(Connection::to(&format!("grpc://{address}")).await?))
    }

    fn request(payload: usize) -> Echo {
        Connection::request(payload)
    }

    async fn call(&self, request: &Echo) -> Result<usize, Failure> {
        self.0.call(request).await
    }
}

#[derive(Clone)]
struct Connection(EchoServiceClient);

impl Connection {
    async fn to(target: &str) -> Result<Connection, Failure> {
        let connection = Connection(EchoServiceClient::new(Channel::new(target)?));
        connection.call(&Connection::request(1)).await?;
        Ok(connection)
    }
}

impl Client for Connection {
    type Request = Echo;

    async fn connect(address: SocketAddr) -> Result<Connection, Failure> {
        Connection::to(&address.to_string()).await
    }

    fn request(payload: usize) -> Echo {
        Echo { payload: vec![7; payload].into(), ..Default::default() }
    }

    async fn call(&self, request: &Echo) -> Result<usize, Failure> {
        Ok(self.0.echo(request.clone()).await?.payload.len())
    }
}

/// Runs one stream for the whole measurement.
async fn stream(target: String, load: Load, share: Share) -> Result<(), Failure> {
    let Connection(client) = Connection::to(&target).await?;
    let message = Connection::request(load.payload);
    let counter = share.meter.counter();
    share.connected();
    let mut replies = match load.kind {
        Kind::ClientStream => {
            let counted = std::iter::repeat(message).inspect(move |_| counter.add(1));
            client.swallow(Streaming::of(counted)).await?;
            return Err("the server has ended a stream without end".into());
        }
        Kind::ServerStream => client.repeat(message).await?,
        Kind::Bidi => client.chat(Streaming::of(std::iter::repeat(message))).await?,
        Kind::Unary | Kind::Connect => return Err("no stream".into()),
    };
    while let Some(reply) = replies.next().await {
        if reply?.payload.len() != load.payload {
            return Err("a message of another length".into());
        }
        counter.add(1);
    }
    Err("the server has ended a stream without end".into())
}
