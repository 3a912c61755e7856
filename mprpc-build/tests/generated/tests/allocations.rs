//! How often a unary call of 32 bytes allocates once the connection has made some: the server, the caller.

#[path = "../../../../mprpc/tests/support/allocations.rs"]
mod allocations;

use std::sync::atomic::{AtomicUsize, Ordering};

use allocations::Counting;
use mprpc::{Channel, ChannelOptions, Context, Server, Status};
use mprpc_codegen_tests::proto::hello::{
    Greeter, GreeterClient, GreeterServer, HelloReply, HelloRequest, HelloRequestView,
};

#[global_allocator]
static ALLOCATOR: Counting = Counting::new();

/// What the loop of the server has allocated, as the last handler saw it.
static SERVER: AtomicUsize = AtomicUsize::new(0);

/// The text of the reply, which the handler makes; encoded messages take slices of an arena.
const NEEDED_BY_SERVER: usize = 1;
/// The text of the reply, which is decoded.
const NEEDED_BY_CALLER: usize = 1;
/// What a call may take besides.
const BEYOND_MAX: usize = 2;
const CALLS: usize = 1_000;

struct Hello;

impl Greeter for Hello {
    async fn say_hello(&self, _: &Context, request: HelloRequestView<'_>) -> Result<HelloReply, Status> {
        SERVER.store(allocations::of_this_thread(), Ordering::Relaxed);
        Ok(HelloReply { text: request.name.to_owned(), ..Default::default() })
    }
}

#[test]
fn unary_call_allocates_what_its_messages_need_and_twice_beyond_at_each_side() {
    // As short handlers run once they are known; without optimisation none is short.
    let placement = [("hello.Greeter".to_owned(), mprpc::Placement::Inline)].into();
    let running = Server { loops: 1, placement, ..Server::default() }.add(GreeterServer::new(Hello)).start().unwrap();
    // Over a socket: a direct call would run the handler here.
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    let greeter = GreeterClient::new(Channel::with_options(&running.addresses()[0].to_string(), options).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The text of a request is made before its call, and is none of its allocations.
    let make = |calls: usize| {
        let requests: Vec<_> =
            (0..calls).map(|_| HelloRequest { name: "x".repeat(32), ..Default::default() }).collect();
        let before = (SERVER.load(Ordering::Relaxed), allocations::of_this_thread());
        runtime.block_on(async {
            for request in requests {
                assert_eq!(greeter.say_hello(request).await.unwrap().text.len(), 32);
            }
        });
        (SERVER.load(Ordering::Relaxed) - before.0, allocations::of_this_thread() - before.1)
    };
    make(100);
    let (server, caller) = make(CALLS);
    let (server_max, caller_max) = (NEEDED_BY_SERVER + BEYOND_MAX, NEEDED_BY_CALLER + BEYOND_MAX);
    let text = format!("{CALLS} calls: {server} allocations of the server, {caller} of the caller");
    println!("{text}");
    assert!(server <= server_max * CALLS && caller <= caller_max * CALLS, "{text}");
    assert!(server > 0 && caller > 0, "nothing was counted: {text}");
}
