//! The raw socket: messages with a length in front and nothing else, read and written in batches. What every system is
//! measured against: one read takes all that is there, and all that follows from it leaves in one write.

mod client;
mod connect;
mod frames;
mod server;
mod tokio;

use mprpc_bench_harness::{Kind, System};

/// On epoll, by hand.
pub(crate) const RAW: System = System { name: "raw", serve: server::serve, call: client::call };
/// On tokio.
pub(crate) const RAW_TOKIO: System = System { name: "raw-tokio", serve: tokio::serve, call: tokio::call };
/// A connection a call, with the bytes of a classic one.
pub(crate) const RAW_CONNECT: System = System { name: "raw-connect", serve: connect::serve, call: connect::call };

/// Messages that are on their way at a time where both sides of a stream talk.
const CHAT_MESSAGES: usize = 4;

/// What a server does with what it reads, and a client with what it may write.
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
