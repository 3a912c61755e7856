//! The example programs, run as users run them.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod alone;
mod classic;
mod conf;
mod faults;
mod program;
mod registry;
mod stop;
mod zookeeper;
