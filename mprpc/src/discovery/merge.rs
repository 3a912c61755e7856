//! Several findings of where a service runs made into one list. Pure; neither reads nor waits.

use std::collections::HashMap;

use crate::endpoint::{Address, Endpoint};

/// The endpoints in their order, each address once: the first that names it counts.
pub(super) fn without_duplicates(endpoints: impl IntoIterator<Item = Endpoint>) -> Vec<Endpoint> {
    let mut seen: HashMap<Address, ()> = HashMap::new();
    endpoints.into_iter().filter(|endpoint| seen.insert(endpoint.address.clone(), ()).is_none()).collect()
}
