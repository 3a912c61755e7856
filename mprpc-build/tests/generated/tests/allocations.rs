//! Counts the allocations of a unary call of 32 bytes on a warm connection, at the server and at the caller.

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

/// The allocations of the server's event loop so far, stored by the last handler that ran.
static SERVER: AtomicUsize = AtomicUsize::new(0);

/// The handler allocates the text of the reply. Encoded messages are slices of an arena.
const NEEDED_BY_SERVER: usize = 1;
/// The decoder allocates the text of the reply.
const NEEDED_BY_CALLER: usize = 1;
/// The allocations that a call may make beyond those.
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
fn unary_call_allocates_at_most_twice_beyond_its_messages_at_each_side() {
    // Short handlers run inline once the server has measured them. Without optimisation no handler is short.
    let placement = [("hello.Greeter".to_owned(), mprpc::Placement::Inline)].into();
    let running = Server { loops: 1, placement, ..Server::default() }.add(GreeterServer::new(Hello)).start().unwrap();
    // The call goes over a socket: a same-process call would run the handler on this thread.
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    let greeter = GreeterClient::new(Channel::with_options(&running.addresses()[0].to_string(), options).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    // The text of a request is allocated before its call and does not count.
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
