//! The raw socket: length-prefixed messages and nothing else, read and written in batches. Every system is compared to it.
//! One read takes all available bytes, and one write sends everything that results.

mod client;
mod connect;
mod frames;
mod server;
mod tokio;

use mprpc_bench_harness::{Kind, System};

/// On epoll, without a runtime.
pub(crate) const RAW: System = System { name: "raw", serve: server::serve, call: client::call };
/// On tokio.
pub(crate) const RAW_TOKIO: System = System { name: "raw-tokio", serve: tokio::serve, call: tokio::call };
/// One call a connection, with the bytes of a classic call.
pub(crate) const RAW_CONNECT: System = System { name: "raw-connect", serve: connect::serve, call: connect::call };

/// Messages in flight where both sides of a stream talk.
const CHAT_MESSAGES: usize = 4;

/// The direction of the messages: what a server does with its input, and what a client writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Direction {
    Both,
    ToServer,
    ToClient,
}

impl From<Kind> for Direction {
    fn from(kind: Kind) -> Direction {
        match kind {
            Kind::ClientStream => Direction::ToServer,
            Kind::ServerStream => Direction::ToClient,
            Kind::Unary | Kind::Bidi | Kind::Connect => Direction::Both,
        }
    }
}
