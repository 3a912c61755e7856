//! The registry in ZooKeeper: many machines, an ensemble, ephemeral nodes; the layout of mprpc and that of the C++ MPRPC.

mod layout;
mod owner;
mod registry;
mod resolver;
mod services;
mod session;

pub use registry::ZooKeeperRegistry;
pub use resolver::ZooKeeperResolver;
pub(super) use services::list;
