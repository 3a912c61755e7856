//! Balancing: which of several endpoints gets a call. It opens no connections.
//!
//! A [`Balancer`] publishes an immutable [`Picker`] for each new list of endpoints. Each call asks the picker for an index. A
//! picker sees the weight, the zone and the tags of each endpoint, and its [`Load`]: calls in flight and latency. A policy of
//! your own implements the two traits; [`Policy::Custom`] gives it to a channel.

mod alias_table;
mod ejection;
mod hash;
mod least_loaded;
mod load;
mod pick_info;
mod policy;
mod round_robin;
mod subset;
mod weighted;
mod zone;

#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use ejection::is_fault;
pub use hash::{Hash, hash_of};
pub use least_loaded::LeastLoaded;
pub use load::Load;
pub(crate) use load::{Flag, Fleet, LoadSettings, Silent};
pub use pick_info::{Candidate, PickInfo};
pub use policy::Policy;
pub use round_robin::RoundRobin;
pub(crate) use subset::subset;
pub use weighted::Weighted;
pub use zone::Zone;

/// A balancing policy.
pub trait Balancer: fmt::Debug + Send + Sync {
    /// Makes the picker for a new list of endpoints. The list never changes; each change of the endpoints makes another picker.
    /// The time may grow with the list.
    fn picker(&self, candidates: &[Candidate]) -> Box<dyn Picker>;
}

/// Picks endpoints from one list.
pub trait Picker: Send + Sync {
    /// Picks the endpoint for a call, by its index in the list. Any thread may pick at any time. A pick should neither block
    /// nor allocate.
    ///
    /// Return an index for which [`PickInfo::may_use`] is true, or `None` if there is none. Then the channel asks again, with
    /// a more generous [`PickInfo`]; calls fail only if no endpoint can be reached.
    fn pick(&self, info: &PickInfo<'_>) -> Option<usize>;
}
