//! The echo service on volo-thrift: multiplexed, with its default transport, framed TTHeader.

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use mprpc_bench_harness::{Client, Failure, Serve, System, announce, block_on_servers, drive};
use tokio::net::TcpListener;

#[allow(
    unsafe_code,
    unreachable_pub,
    missing_docs,
    unused_mut,
    clippy::all,
    clippy::allow_attributes_without_reason,
    reason = "generated"
)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/volo_gen.rs"));
}

use generated::volo_gen::bench::{Echo, EchoService, EchoServiceClient, EchoServiceClientBuilder, EchoServiceServer};

fn main() -> ExitCode {
    let volo = System { name: "volo-thrift", serve, call: drive::<Connection> };
    mprpc_bench_harness::main(&[volo])
}

struct Service;

impl EchoService for Service {
    async fn echo(&self, request: Echo) -> Result<Echo, volo_thrift::ServerError> {
        Ok(request)
    }
}

fn serve(_: &Serve) -> Result<(), Failure> {
    block_on_servers(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        announce(listener.local_addr()?);
        let incoming = volo::net::incoming::DefaultIncoming::from(listener);
        EchoServiceServer::new(Service).multiplex(true).run(incoming).await
    })?
}

#[derive(Clone)]
struct Connection(EchoServiceClient);

impl Client for Connection {
    type Request = Echo;

    async fn connect(address: SocketAddr) -> Result<Connection, Failure> {
        let client = EchoServiceClientBuilder::new("bench").address(address).multiplex(true).build();
        let connection = Connection(client);
        connection.call(&Connection::request(1)).await?;
        Ok(connection)
    }

    fn request(payload: usize) -> Echo {
        Echo { payload: Bytes::from(vec![7; payload]) }
    }

    async fn call(&self, request: &Echo) -> Result<usize, Failure> {
        Ok(self.0.echo(request.clone()).await?.payload.len())
    }
}
