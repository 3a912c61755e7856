//! What HTTP/1.1 and HTTP/2 share: how gRPC, gRPC-Web, Connect and JSON use fields and bodies. Neither frames nor
//! connections.

#[cfg_attr(not(test), allow(dead_code, unused_imports, reason = "the caller's half is for tests so far"))]
pub(crate) mod binary;
#[cfg_attr(not(test), allow(dead_code, unused_imports, reason = "the caller's half is for tests so far"))]
pub(crate) mod connect;
pub(crate) mod content_type;
pub(crate) mod date;
pub(crate) mod field;
pub(crate) mod grpc;
#[cfg_attr(not(test), allow(dead_code, unused_imports, reason = "the caller's half is for tests so far"))]
pub(crate) mod grpc_web;
pub(crate) mod metadata;
pub(crate) mod path_tree;
pub(crate) mod query;
pub(crate) mod template;
pub(crate) mod unread;
