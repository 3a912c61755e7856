//! The echo service on tarpc, over TCP, in bincode.

use std::net::SocketAddr;
use std::process::ExitCode;

use bytes::Bytes;
use futures_util::StreamExt;
use mprpc_bench_harness::{Client, Failure, Serve, System, announce, block_on_servers, drive};
use tarpc::server::{BaseChannel, Channel};
use tarpc::tokio_serde::formats::Bincode;
use tarpc::{client, context, serde_transport};

fn main() -> ExitCode {
    let tarpc = System { name: "tarpc", serve, call: drive::<Connection> };
    mprpc_bench_harness::main(&[tarpc])
}

#[tarpc::service]
trait EchoService {
    async fn echo(payload: Bytes) -> Bytes;
}

#[derive(Clone)]
struct Service;

impl EchoService for Service {
    async fn echo(self, _: context::Context, payload: Bytes) -> Bytes {
        payload
    }
}

fn serve(_: &Serve) -> Result<(), Failure> {
    block_on_servers(async {
        let mut connections = serde_transport::tcp::listen("127.0.0.1:0", Bincode::default).await?;
        connections.config_mut().max_frame_length(usize::MAX);
        announce(connections.local_addr());
        while let Some(connection) = connections.next().await {
            let Ok(connection) = connection else { continue };
            tokio::spawn(BaseChannel::with_defaults(connection).execute(Service.serve()).for_each(async |call| {
                tokio::spawn(call);
            }));
        }
        Ok(())
    })?
}

#[derive(Clone)]
struct Connection(EchoServiceClient);

impl Client for Connection {
    type Request = Bytes;

    async fn connect(address: SocketAddr) -> Result<Connection, Failure> {
        let mut connect = serde_transport::tcp::connect(address, Bincode::default);
        connect.config_mut().max_frame_length(usize::MAX);
        Ok(Connection(EchoServiceClient::new(client::Config::default(), connect.await?).spawn()))
    }

    fn request(payload: usize) -> Bytes {
        Bytes::from(vec![7; payload])
    }

    async fn call(&self, request: &Bytes) -> Result<usize, Failure> {
        Ok(self.0.echo(context::current(), request.clone()).await?.len())
    }
}
