//! `Narrowed`: a resolver that shows some of the endpoints of another resolver.

use std::sync::Arc;

use tokio::sync::watch;

use crate::discovery::{Resolution, ResolutionState, Resolver};
use crate::endpoint::Endpoint;

/// Shows the endpoints of `all` that `keep` keeps.
pub(super) struct Narrowed {
    pub(super) all: Arc<dyn Resolver>,
    pub(super) keep: Arc<dyn Fn(&Endpoint) -> bool + Send + Sync>,
}

impl Resolver for Narrowed {
    fn watch(&self, service: &str) -> watch::Receiver<Resolution> {
        let (mut all, keep) = (self.all.watch(service), self.keep.clone());
        let (sender, narrowed) = watch::channel(narrow(&all.borrow_and_update(), &*keep));
        crate::net::background().spawn(async move {
            loop {
                tokio::select! {
                    changed = all.changed() => if changed.is_err() { return },
                    () = sender.closed() => return,
                }
                let now = narrow(&all.borrow_and_update(), &*keep);
                sender.send_if_modified(|shown| std::mem::replace(shown, now.clone()) != now);
            }
        });
        narrowed
    }
}

fn narrow(all: &Resolution, keep: &dyn Fn(&Endpoint) -> bool) -> Resolution {
    let endpoints = all.endpoints.iter().filter(|endpoint| keep(endpoint)).cloned().collect();
    // An error about an empty list says that there may be endpoints elsewhere.
    let state = match &all.state {
        ResolutionState::Current(place) => {
            ResolutionState::Current(format!("{place}, as narrowed by the channel").into())
        }
        state => state.clone(),
    };
    Resolution { endpoints, state }
}
