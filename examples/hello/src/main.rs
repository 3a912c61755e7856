//! The smallest service, with provider and caller in one program. `cargo xtask budget` counts the crates that this package
//! compiles.

use mprpc::{Channel, Context, Server, Status};

mprpc::include_proto!("hello");

struct Hello;

impl Greeter for Hello {
    async fn say_hello(&self, _: &Context, request: HelloRequestView<'_>) -> Result<HelloReply, Status> {
        Ok(HelloReply { text: format!("hello, {}", request.name), ..Default::default() })
    }
}

#[allow(clippy::print_stdout, reason = "printing is what this program is for")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = Server::default().add(GreeterServer::new(Hello)).start()?;
    let greeter = GreeterClient::new(Channel::new(&provider.addresses()[0].to_string())?);
    let reply = greeter.say_hello(HelloRequest { name: "world".into(), ..Default::default() }).wait()?;
    println!("{}", reply.text);
    Ok(())
}
