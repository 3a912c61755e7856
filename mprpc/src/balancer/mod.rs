//! Which of several equals gets the next call. Knows neither endpoints nor connections: it chooses an index.

mod round_robin;

pub(crate) use round_robin::RoundRobin;
