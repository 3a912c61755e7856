//! The fixed list: the target itself names the endpoints, and every service has the same ones. The list is never read
//! again and never changes.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Resolution, ResolutionState, Resolver, merge};
use crate::endpoint::Endpoint;

/// A resolver that returns the same endpoints for every service.
#[derive(Debug)]
pub struct ListResolver {
    endpoints: Arc<[Endpoint]>,
}

impl ListResolver {
    /// Makes a resolver of these endpoints. If several entries have the same address, the first one counts.
    pub fn new(endpoints: Vec<Endpoint>) -> ListResolver {
        ListResolver { endpoints: merge::without_duplicates(endpoints).into() }
    }
}

impl Resolver for ListResolver {
    fn watch(&self, _service: &str) -> watch::Receiver<Resolution> {
        let state = ResolutionState::Current("list".into());
        // A receiver keeps its last value after its sender is dropped, and this list never changes.
        watch::channel(Resolution { endpoints: self.endpoints.clone(), state }).1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_gets_the_list_without_duplicates() {
        let entries = ["127.0.0.1:1", "classic:127.0.0.1:1", "127.0.0.1:2"];
        let resolver = ListResolver::new(entries.map(|text| text.parse().unwrap()).to_vec());
        let resolution = resolver.watch("any.Service").borrow().clone();
        let printed: Vec<String> = resolution.endpoints.iter().map(Endpoint::to_string).collect();
        assert_eq!(printed, ["127.0.0.1:1", "127.0.0.1:2"]);
        assert_eq!(resolution.state, ResolutionState::Current("list".into()));
    }
}
