//! The fixed list: the endpoints that the target itself names, for every service. Nothing is read and nothing changes.

use std::sync::Arc;

use tokio::sync::watch;

use super::{Resolution, ResolutionState, Resolver, merge};
use crate::endpoint::Endpoint;

/// Answers every service with the same endpoints.
#[derive(Debug)]
pub struct ListResolver {
    endpoints: Arc<[Endpoint]>,
}

impl ListResolver {
    /// Of two entries with one address the first counts.
    pub fn new(endpoints: Vec<Endpoint>) -> ListResolver {
        ListResolver { endpoints: merge::without_duplicates(endpoints).into() }
    }
}

impl Resolver for ListResolver {
    fn watch(&self, _service: &str) -> watch::Receiver<Resolution> {
        let state = ResolutionState::Current("list".into());
        // A receiver whose sender is gone still shows the last value: the list never changes.
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
