//! What HTTP/1.1 and HTTP/2 share: how gRPC, gRPC-Web, Connect and JSON use fields and bodies. Neither frames nor
//! connections. mprpc calls others by gRPC alone: the caller's half of Connect and of gRPC-Web is for tests.

pub(crate) mod binary;
pub(crate) mod connect;
pub(crate) mod content_type;
pub(crate) mod date;
pub(crate) mod field;
pub(crate) mod grpc;
pub(crate) mod grpc_web;
pub(crate) mod metadata;
pub(crate) mod path_tree;
pub(crate) mod query;
pub(crate) mod template;
pub(crate) mod unread;
