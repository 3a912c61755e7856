//! The registry in ZooKeeper: an ensemble for many machines, ephemeral nodes, the layouts of mprpc and of the C++
//! MPRPC.

mod connector;
mod folder;
mod layout;
mod owner;
mod registry;
mod resolver;
mod services;
mod session;
#[cfg(test)]
mod tests;

pub use registry::ZooKeeperRegistry;
pub use resolver::ZooKeeperResolver;
pub(super) use services::{change_weight, list};
