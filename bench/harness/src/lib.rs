//! What every measured program shares: command line, shapes, loops, latencies, results. It knows no system.
//!
//! A program is one executable with both ends of some systems: `--serve SYSTEM` is the server, `--call SYSTEM` the client.
//! The client measures. It also reads the server's CPU time and memory, so that all figures cover the same span of time.

mod affinity;
mod arguments;
mod child;
mod closed;
mod drive;
mod figure;
mod histogram;
mod machine;
mod meter;
mod open;
mod proc;
mod program;
mod report;
mod shape;
mod spin;

pub use affinity::{available_cores, pin};
pub use arguments::{Command, Kind, Load, Serve, Threads};
pub use child::{CallerProcess, ServerProcess};
pub use closed::Refused;
pub use drive::{Client, Failure, block_on_servers, drive, on_runtimes};
pub use figure::Figure;
pub use histogram::Histogram;
pub use machine::Machine;
pub use meter::{Counter, Meter, SAMPLE_EVERY, Share};
pub use open::{Schedule, TICK, async_ticker, tick, ticker};
pub use proc::{Usage, peak_rss_kib, rss_kib};
pub use program::{System, announce, end_with_parent, main, run};
pub use report::Report;
pub use shape::Shape;
pub use spin::spin;
