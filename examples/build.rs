//! Compiles the `.proto` files to messages, service traits and clients.

fn main() -> Result<(), mprpc_build::Error> {
    mprpc_build::compile(&["proto/user.proto", "proto/friend.proto", "feed/feed.proto", "hello/hello.proto"])
}
