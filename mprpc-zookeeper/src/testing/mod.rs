//! A scripted ensemble in memory, for tests of programs that use ZooKeeper. Needs the feature `testing`.
//!
//! It keeps a tree, sessions, ephemeral nodes and watches as ZooKeeper does, in the time of the runtime: under tokio's
//! paused clock, no test waits. A test injects [`Faults`] and acts as the operator. It is no model of consensus: the
//! servers of the ensemble share one tree.

mod connection;
mod ensemble;
mod tree;

#[cfg(test)]
mod tests;

pub use ensemble::{Connector, Deletion, Ensemble, Faults, Snapshot};
