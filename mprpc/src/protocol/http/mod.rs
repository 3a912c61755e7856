//! What HTTP/1.1 and HTTP/2 share: how gRPC, gRPC-Web, Connect and JSON use fields and bodies. Neither frames nor
//! connections.

#[allow(dead_code, reason = "the protocol that routes paths comes with a later change")]
pub(crate) mod template;
