//! Merges several sources of endpoints into one list. Pure: no I/O and no waiting.

use std::collections::HashMap;

use crate::endpoint::{Address, Endpoint};

/// Returns the endpoints in their order, with each address once: the first endpoint that has the address counts.
pub(super) fn without_duplicates(endpoints: impl IntoIterator<Item = Endpoint>) -> Vec<Endpoint> {
    let mut seen: HashMap<Address, ()> = HashMap::new();
    endpoints.into_iter().filter(|endpoint| seen.insert(endpoint.address.clone(), ()).is_none()).collect()
}
