//! Makes Rust of the services: messages, traits to implement, clients to call.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["proto/user.proto", "proto/friend.proto", "feed/feed.proto"])
}
