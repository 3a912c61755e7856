//! The example programs, run as users run them.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod alone;
mod classic;
mod conf;
mod every_client;
mod faults;
mod health_and_reflection;
mod http_tools;
#[path = "../../../mprpc/tests/support/peer.rs"]
mod peer;
mod program;
mod registry;
mod restart;
mod stop;
mod zookeeper;
