//! The balancer: which of several equal endpoints gets the next call, and what is known of the load of each endpoint. It opens
//! no connections.

mod load;
mod round_robin;

pub use load::Load;
pub(crate) use load::{Flag, Fleet, Silent};
pub(crate) use round_robin::RoundRobin;
