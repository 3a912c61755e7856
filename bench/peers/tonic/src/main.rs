//! The echo service on tonic.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use mprpc_bench_harness::{Client, Failure, Serve, System, announce, block_on_servers, drive, spin};
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Endpoint, Server};
use tonic::{Request, Response, Status};

use echo::Echo;
use echo::echo_service_client::EchoServiceClient;
use echo::echo_service_server::{EchoService, EchoServiceServer};

#[allow(unreachable_pub, clippy::all, clippy::allow_attributes_without_reason, reason = "generated")]
mod echo {
    tonic::include_proto!("bench");
}

fn main() -> ExitCode {
    let tonic = System { name: "tonic", serve, call: drive::<Connection> };
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
}

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
