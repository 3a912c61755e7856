//! The registry in etcd: keys with leases and a watch, over mprpc's own gRPC channel.
//!
//! | key | lease | value |
//! |---|---|---|
//! | `/prefix/mprpc/services/fixbug.UserServiceRpc/127.0.0.1:8000` | the provider's | JSON, as in ZooKeeper |
//!
//! The module stands above `client`, because it makes calls, and beside it: a channel opens an etcd target through
//! [`Target::resolver`](crate::discovery::Target::resolver) ([`targets`](crate::targets)).

mod calls;
mod keys;
mod login;
mod registry;
mod resolver;
mod services;

#[cfg(test)]
mod tests;

pub(crate) use registry::EtcdRegistry;
pub(crate) use resolver::EtcdResolver;
pub(crate) use services::{change_weight, list};
