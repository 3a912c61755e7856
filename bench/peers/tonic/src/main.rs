//! The echo service on tonic.

use std::net::SocketAddr;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use mprpc_bench_harness::{
    Client, Failure, Kind, Load, Report, Serve, Share, System, announce, block_on_servers, drive, on_runtimes, spin,
};
use tokio_stream::StreamExt;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status, Streaming};

use echo::Echo;
use echo::echo_service_client::EchoServiceClient;
use echo::echo_service_server::{EchoService, EchoServiceServer};

#[allow(unreachable_pub, clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
mod echo {
    tonic::include_proto!("bench");
}

fn main() -> ExitCode {
    let tonic = System { name: "tonic", serve, call };
    mprpc_bench_harness::main(&[tonic])
}

struct Service {
    /// How long a handler computes.
    spin: Duration,
}

#[tonic::async_trait]
impl EchoService for Service {
    async fn echo(&self, request: Request<Echo>) -> Result<Response<Echo>, Status> {
        spin(self.spin);
        Ok(Response::new(request.into_inner()))
    }

    async fn swallow(&self, request: Request<Streaming<Echo>>) -> Result<Response<Echo>, Status> {
        let mut requests = request.into_inner();
        while requests.message().await?.is_some() {}
        Ok(Response::new(Echo::default()))
    }

    type RepeatStream = BoxStream;

    async fn repeat(&self, request: Request<Echo>) -> Result<Response<BoxStream>, Status> {
        let message = request.into_inner();
        Ok(Response::new(Box::pin(tokio_stream::iter(std::iter::repeat_with(move || Ok(message.clone()))))))
    }

    type ChatStream = BoxStream;

    async fn chat(&self, request: Request<Streaming<Echo>>) -> Result<Response<BoxStream>, Status> {
        Ok(Response::new(Box::pin(request.into_inner())))
    }
}

/// A stream of replies.
type BoxStream = Pin<Box<dyn tokio_stream::Stream<Item = Result<Echo, Status>> + Send>>;

fn serve(&Serve { spin, .. }: &Serve) -> Result<(), Failure> {
    block_on_servers(async move {
        // The builder's own `tcp_nodelay` does nothing for connections that are handed to it.
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into())?.with_nodelay(Some(true));
        announce(incoming.local_addr()?);
        let service = EchoServiceServer::new(Service { spin }).max_decoding_message_size(usize::MAX);
        Ok(Server::builder().add_service(service).serve_with_incoming(incoming).await?)
    })?
}

#[derive(Clone)]
struct Connection(EchoServiceClient<Channel>);

impl Client for Connection {
    type Request = Echo;

    async fn connect(address: SocketAddr) -> Result<Connection, Failure> {
        let channel = Endpoint::new(format!("http://{address}"))?.tcp_nodelay(true).connect().await?;
        Ok(Connection(EchoServiceClient::new(channel).max_decoding_message_size(usize::MAX)))
    }

    fn request(payload: usize) -> Echo {
        Echo { payload: Bytes::from(vec![7; payload]) }
    }

    async fn call(&self, request: &Echo) -> Result<usize, Failure> {
        let reply = self.0.clone().echo(request.clone()).await?;
        Ok(reply.into_inner().payload.len())
    }
}

fn call(load: &Load) -> Result<Report, Failure> {
    if load.kind == Kind::Unary {
        return drive::<Connection>(load);
    }
    let again = load.clone();
    on_runtimes(load, move |share| stream(again.clone(), share))
}

/// Runs one stream for the whole measurement.
async fn stream(load: Load, share: Share) -> Result<(), Failure> {
    let Connection(mut client) = Connection::connect(load.address).await?;
    let message = Connection::request(load.payload);
    let counter = share.meter.counter();
    share.connected();
    let mut replies = match load.kind {
        Kind::ClientStream => {
            let counted = std::iter::repeat(message).inspect(move |_| counter.add(1));
            client.swallow(tokio_stream::iter(counted)).await?;
            return Err("the server has ended a stream without end".into());
        }
        Kind::ServerStream => client.repeat(message).await?.into_inner(),
        Kind::Bidi => client.chat(tokio_stream::iter(std::iter::repeat(message))).await?.into_inner(),
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
