//! A provider of `hello.Greeter`, as short as can be. The guide's page on clients calls it in five ways.

use mprpc::{Context, Server, Status};

mprpc::include_proto!("hello");

struct Hello;

impl Greeter for Hello {
    async fn say_hello(&self, _: &Context, request: HelloRequestView<'_>) -> Result<HelloReply, Status> {
        Ok(HelloReply { text: format!("hello, {}", request.name), ..Default::default() })
    }
}

fn main() -> Result<(), mprpc::Error> {
    let config = mprpc::init()?;
    Server::new(&config).add(GreeterServer::new(Hello)).run()
}
