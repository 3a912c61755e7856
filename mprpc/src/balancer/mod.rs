//! The balancer: it chooses which of several equal endpoints gets the next call. It knows neither endpoints nor connections,
//! only an index.

mod round_robin;

pub(crate) use round_robin::RoundRobin;
