//! The client: channels, stubs, calls, and the transports that carry the calls.
//!
//! A call passes these layers: `Stub` or `RawClient` prepares a `Call`; `ReplyFuture` starts it; `Attempts` retries
//! it, and `Hedge` makes a second attempt beside a slow one; `ServiceEndpoints` picks a `Subchannel`; the subchannel sends the call over a `Multiplexed` connection, over a
//! one-shot connection (classic protocol), or directly to a server of the same process.

mod attempts;
mod call;
mod call_options;
mod channel;
mod endpoint_picker;
mod fan_out;
mod follower;
mod health_check;
mod hedge;
mod in_process;
mod intercepted;
mod latencies;
mod multiplexed;
mod one_shot;
mod options;
mod partitions;
mod raw;
mod reply_future;
mod retry_budget;
mod service;
mod stub;
mod subchannel;
mod subchannels;
mod throttle;
mod transport;
mod weak_map;

#[cfg(test)]
mod tests;

pub use call::{Call, CallFuture, Reply};
pub use channel::Channel;
pub use fan_out::FanOut;
pub use options::ChannelOptions;
pub use partitions::Partitions;
pub use raw::RawClient;
pub use stub::Stub;

#[cfg(any(test, feature = "testing"))]
pub(crate) use follower::Discovery;
#[cfg(any(test, feature = "bench"))]
pub(crate) use multiplexed::Multiplexed;
#[cfg(any(test, feature = "testing"))]
pub(crate) use options::Connect;
#[cfg(any(test, feature = "bench"))]
pub(crate) use transport::Request;
