//! A caller of `hello.Greeter`: `greeter_caller TARGET`.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use mprpc::Channel;

mprpc::include_proto!("hello");

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let target = std::env::args().nth(1).ok_or("usage: greeter_caller TARGET")?;
    let greeter = GreeterClient::new(Channel::new(&target)?);
    let reply = greeter.say_hello(HelloRequest { name: "Rust".into(), ..Default::default() }).wait()?;
    println!("{}", reply.text);
    Ok(())
}
