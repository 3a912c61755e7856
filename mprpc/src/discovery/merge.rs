//! Merges several registries into one view: `MergedResolver` reads the union of their lists, `MergedRegistry` registers in
//! all of them.

use std::collections::HashSet;
use std::sync::Arc;

use futures_util::future;
use tokio::sync::{oneshot, watch};

use super::{Registered, Registration, RegistrationState, Registry, Resolution, ResolutionState, Resolver};
use crate::endpoint::{Address, Endpoint};

/// A resolver that reads several registries. If several of them name an address, the first one counts.
///
/// A channel doubts each list by itself: the emptiness or the outage of one registry does not remove what another one
/// lists.
pub struct MergedResolver {
    sources: Vec<Arc<dyn Resolver>>,
}

impl MergedResolver {
    /// Makes a resolver of these sources. A channel reads the first 8 lists.
    pub fn new(sources: Vec<Arc<dyn Resolver>>) -> MergedResolver {
        MergedResolver { sources }
    }
}

impl Resolver for MergedResolver {
    fn watch(&self, service: &str) -> watch::Receiver<Resolution> {
        let mut lists = Lists::new(self.watch_each(service));
        let (sender, receiver) = watch::channel(lists.union());
        crate::net::background().spawn(async move {
            loop {
                tokio::select! {
                    () = sender.closed() => return,
                    changed = lists.changed() => match changed {
                        Some(index) => drop(lists.take(index)),
                        None => return,
                    },
                }
                lists.union().publish(&sender);
            }
        });
        receiver
    }

    fn watch_each(&self, service: &str) -> Vec<watch::Receiver<Resolution>> {
        self.sources.iter().flat_map(|source| source.watch_each(service)).collect()
    }

    fn refresh(&self) {
        self.sources.iter().for_each(|source| source.refresh());
    }
}

/// The lists of one service, one for each registry.
pub(crate) struct Lists(Vec<List>);

struct List {
    resolutions: watch::Receiver<Resolution>,
    /// Whether the list cannot change any more.
    is_final: bool,
}

impl Lists {
    pub(crate) fn new(lists: Vec<watch::Receiver<Resolution>>) -> Lists {
        Lists(lists.into_iter().map(|resolutions| List { resolutions, is_final: false }).collect())
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The list at `index`. [`Lists::changed`] reports only later changes of it.
    pub(crate) fn take(&mut self, index: usize) -> Resolution {
        self.0[index].resolutions.borrow_and_update().clone()
    }

    /// Whether no list can change any more.
    pub(crate) fn are_final(&self) -> bool {
        self.0.iter().all(|list| list.is_final)
    }

    /// Returns the index of the next list that changes, or `None` once all lists are final.
    pub(crate) async fn changed(&mut self) -> Option<usize> {
        loop {
            let lists = self.0.iter_mut().enumerate().filter(|(_, list)| !list.is_final);
            let changes: Vec<_> =
                lists.map(|(index, list)| Box::pin(async move { (index, list.resolutions.changed().await) })).collect();
            if changes.is_empty() {
                return None;
            }
            let ((index, changed), ..) = future::select_all(changes).await;
            if changed.is_ok() {
                return Some(index);
            }
            self.0[index].is_final = true;
        }
    }

    /// The endpoints of all lists, each address once.
    fn union(&self) -> Resolution {
        let lists = self.0.iter().map(|list| list.resolutions.borrow().clone());
        let lists: Vec<Resolution> = lists.collect();
        let endpoints = without_duplicates(lists.iter().flat_map(|list| list.endpoints.iter().cloned()));
        let state = state(lists.into_iter().map(|list| list.state), endpoints.is_empty());
        Resolution { endpoints: endpoints.into(), state }
    }
}

/// A registry that announces providers in several registries. An announcement counts as registered once all of them have
/// it.
pub struct MergedRegistry {
    registries: Vec<Arc<dyn Registry>>,
}

impl MergedRegistry {
    /// Makes a registry of these registries.
    pub fn new(registries: Vec<Arc<dyn Registry>>) -> MergedRegistry {
        MergedRegistry { registries }
    }
}

impl Registry for MergedRegistry {
    fn register(&self, registration: Registration) -> Registered {
        let parts: Vec<Registered> =
            self.registries.iter().map(|registry| registry.register(registration.clone())).collect();
        let states: Vec<_> = parts.iter().map(Registered::state).collect();
        let (sender, state) = watch::channel(together(&states));
        let (withdraw, withdrawn) = oneshot::channel();
        crate::net::background().spawn(keep(parts, states, sender, withdrawn));
        Registered::new(state, withdraw)
    }
}

/// Publishes the state of all announcements together until they are withdrawn.
async fn keep(
    parts: Vec<Registered>,
    mut states: Vec<watch::Receiver<RegistrationState>>,
    sender: watch::Sender<RegistrationState>,
    mut withdrawn: oneshot::Receiver<()>,
) {
    loop {
        // Reading the states marks them as seen.
        states.iter_mut().for_each(|state| drop(state.borrow_and_update()));
        together(&states).publish(&sender);
        let changes: Vec<_> = states.iter_mut().map(|state| Box::pin(state.changed())).collect();
        tokio::select! {
            // A message and a dropped sender both withdraw the announcement.
            _ = &mut withdrawn => break,
            // An announcement whose task has ended does not change any more, and neither does the whole.
            (changed, ..) = future::select_all(changes) => if changed.is_err() {
                let _ = (&mut withdrawn).await;
                break;
            }
        }
    }
    future::join_all(parts.into_iter().map(Registered::withdraw)).await;
    sender.send_replace(RegistrationState::Withdrawn);
}

/// The state of several announcements: registered once all are.
fn together(states: &[watch::Receiver<RegistrationState>]) -> RegistrationState {
    let (mut places, mut waits) = (Vec::new(), Vec::new());
    for state in states {
        match &*state.borrow() {
            RegistrationState::Registered(place) => places.push(place.to_string()),
            RegistrationState::Pending(why) => waits.push(why.to_string()),
            RegistrationState::Withdrawn => waits.push("withdrawn".to_owned()),
        }
    }
    match waits.is_empty() {
        true => RegistrationState::Registered(places.join("; ").into()),
        false => RegistrationState::Pending(waits.join("; ").into()),
    }
}

/// Returns the endpoints in their order, with each address once: the first endpoint that has the address counts.
pub(crate) fn without_duplicates(endpoints: impl IntoIterator<Item = Endpoint>) -> Vec<Endpoint> {
    let mut seen: HashSet<Address> = HashSet::new();
    endpoints.into_iter().filter(|endpoint| seen.insert(endpoint.address.clone())).collect()
}

/// Returns the state of a list that several sources make together: current if all are, pending if all are. An empty list is
/// pending while a source is.
pub(super) fn state(states: impl IntoIterator<Item = ResolutionState>, is_empty: bool) -> ResolutionState {
    let states: Vec<ResolutionState> = states.into_iter().collect();
    let mut are_pending = states.iter().map(|state| matches!(state, ResolutionState::Pending(_)));
    let is_pending = if is_empty { are_pending.any(|is| is) } else { are_pending.all(|is| is) };
    let texts: Vec<&str> = states.iter().map(ResolutionState::text).collect();
    let text = texts.join("; ").into();
    if states.iter().all(|state| matches!(state, ResolutionState::Current(_))) {
        ResolutionState::Current(text)
    } else if is_pending {
        ResolutionState::Pending(text)
    } else {
        ResolutionState::Stale(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::method::ServiceDescriptor;

    struct Fixed(watch::Receiver<Resolution>);

    impl Resolver for Fixed {
        fn watch(&self, _service: &str) -> watch::Receiver<Resolution> {
            self.0.clone()
        }
    }

    fn current(endpoints: &[&str], place: &str) -> Resolution {
        Resolution::current(endpoints.iter().map(|text| text.parse().unwrap()).collect(), place)
    }

    fn texts(resolution: &Resolution) -> Vec<String> {
        resolution.endpoints.iter().map(Endpoint::to_string).collect()
    }

    #[tokio::test]
    async fn union_has_each_address_once_and_outlives_an_outage_of_one_source() {
        let (first, first_list) = watch::channel(Resolution::pending("zookeeper: being read"));
        let (second, second_list) = watch::channel(current(&["a:1", "b:1"], "etcd"));
        let resolver = MergedResolver::new(vec![Arc::new(Fixed(first_list)), Arc::new(Fixed(second_list))]);
        let mut merged = resolver.watch("test.Who");
        assert_eq!(texts(&merged.borrow_and_update()), ["a:1", "b:1"]);
        assert_eq!(merged.borrow().state, ResolutionState::Stale("zookeeper: being read; etcd".into()));
        first.send_replace(current(&["classic:b:1", "c:1"], "zookeeper"));
        merged.changed().await.unwrap();
        assert_eq!(texts(&merged.borrow_and_update()), ["classic:b:1", "c:1", "a:1"]);
        assert_eq!(merged.borrow().state, ResolutionState::Current("zookeeper; etcd".into()));
        let failed = second.borrow().failed("etcd: away");
        second.send_replace(failed);
        merged.changed().await.unwrap();
        assert_eq!(texts(&merged.borrow_and_update()), ["classic:b:1", "c:1", "a:1"]);
        assert_eq!(merged.borrow().state, ResolutionState::Stale("zookeeper; etcd: away".into()));
        // A list that has become final keeps its endpoints.
        drop(first);
        second.send_replace(current(&["d:1"], "etcd"));
        merged.changed().await.unwrap();
        assert_eq!(texts(&merged.borrow_and_update()), ["classic:b:1", "c:1", "d:1"]);
    }

    static WHO: ServiceDescriptor = ServiceDescriptor { name: "test.Who", methods: &[], files: &[] };

    #[tokio::test]
    async fn provider_is_registered_once_all_registries_have_it_and_leaves_all() {
        let folder = tempfile::tempdir().unwrap();
        let place = |name: &str| folder.path().join(name);
        std::fs::write(place("second"), "in the way").unwrap();
        let file = |name| -> Arc<dyn Registry> { Arc::new(super::super::FileRegistry::new(place(name))) };
        let registry = MergedRegistry::new(vec![file("first"), file("second")]);
        let registered = registry.register(Registration::new(&WHO, "127.0.0.1:1".parse().unwrap()));
        let mut state = registered.state();
        let waits =
            |state: &RegistrationState| matches!(state, RegistrationState::Pending(why) if why.contains("since"));
        state.wait_for(waits).await.unwrap();
        let listed = |name| {
            super::super::file::list(&place(name))
                .map(|services| services.first().map_or(0, |(_, endpoints)| endpoints.len()))
        };
        while !listed("first").is_ok_and(|count| count == 1) {
            tokio::task::yield_now().await;
        }
        std::fs::remove_file(place("second")).unwrap();
        state.wait_for(|state| matches!(state, RegistrationState::Registered(_))).await.unwrap();
        assert_eq!((listed("first").unwrap(), listed("second").unwrap()), (1, 1));
        registered.withdraw().await;
        assert_eq!((listed("first").unwrap(), listed("second").unwrap()), (0, 0));
        assert_eq!(*state.borrow(), RegistrationState::Withdrawn);
    }
}
