//! Calls at the same time: partial results, a quorum, the first reply, a broadcast, and a service in partitions.
//! Start it with `cargo run -p mprpc-examples --bin fan_out`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::Duration;

use mprpc::{Channel, Context, FanOut, Partitions, Server, ServerHandle, Status};

mprpc::include_proto!("hello");

/// A provider that tells its number.
struct Numbered(usize);

impl Greeter for Numbered {
    async fn say_hello(&self, _: &Context, request: HelloRequestView<'_>) -> Result<HelloReply, Status> {
        if request.name.is_empty() {
            return Err(Status::invalid_argument("a name, please"));
        }
        Ok(HelloReply { text: format!("hello {} from {}", request.name, self.0), ..Default::default() })
    }
}

fn request(name: &str) -> HelloRequest {
    HelloRequest { name: name.into(), ..Default::default() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let servers: Vec<ServerHandle> = (0..3)
        .map(|number| Server::default().add(GreeterServer::new(Numbered(number))).serve())
        .collect::<Result<_, _>>()?;
    let addresses: Vec<String> = servers.iter().map(|server| server.addresses()[0].to_string()).collect();
    let channel = Channel::new(&format!("list:{}", addresses.join(",")))?;
    let greeter = GreeterClient::new(channel.clone());

    // Partial results: a call that fails does not end the others.
    let calls = ["anna", "", "cui"].map(|name| greeter.say_hello(request(name)));
    let results = FanOut::new(calls).at_a_time(2).timeout(Duration::from_secs(1)).all().await;
    println!(
        "all: {} replies, {} failed",
        results.iter().flatten().count(),
        results.iter().filter(|r| r.is_err()).count()
    );

    // One client for each provider of the service: a broadcast, a quorum of two, and the quickest one.
    let each: Vec<GreeterClient> =
        channel.each_endpoint("hello.Greeter").await?.into_iter().map(GreeterClient::new).collect();
    let to_each = |name| FanOut::new(each.iter().map(move |greeter| greeter.say_hello(request(name))));
    println!("broadcast: {} replies", to_each("all").all().await.iter().flatten().count());
    println!("quorum: {} replies", to_each("two").quorum(2).await?.len());
    println!("first: {}", &to_each("you").first().await?.text[..9]);

    // Each provider keeps a part of the data: the key decides which one is called.
    let parts = addresses.into_iter().map(|address| {
        let channel = channel.clone().only(move |endpoint| endpoint.address.to_string() == address);
        GreeterClient::new(channel)
    });
    let partitions = Partitions::new(parts)?;
    for key in ["anna", "bob", "cui"] {
        println!(
            "partition {}: {}",
            partitions.index_of(key),
            partitions.for_key(key).say_hello(request(key)).await?.text
        );
    }
    for server in servers {
        server.stop().await;
    }
    Ok(())
}
