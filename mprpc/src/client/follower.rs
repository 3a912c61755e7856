//! `Follower`: the task that follows the lists of a service and keeps its picker up to date. `Membership` decides; this
//! file watches, probes, waits and keeps the snapshot.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{self, Either};
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::options::ChannelOptions;
use super::subchannel::Subchannel;
use super::subchannels::Subchannels;
use crate::discovery::membership::{Link, MemberCounts, Membership};
use crate::discovery::{Lists, Resolution, ResolutionState, Resolver, SnapshotFolder};
use crate::endpoint::{Address, Endpoint};
use crate::net::clock;

/// How a channel follows endpoints.
#[derive(Clone)]
pub(crate) struct Discovery {
    /// Where the followers run.
    pub(super) runtime: Handle,
    snapshots: Option<SnapshotFolder>,
}

impl Discovery {
    /// `target` tells the snapshots of several registries in one folder apart.
    pub(crate) fn new(options: &ChannelOptions, target: String, runtime: Handle) -> Discovery {
        let snapshots = options.snapshot_folder.clone().map(|folder| SnapshotFolder::new(folder, target));
        Discovery { runtime, snapshots }
    }
}

/// Follows the lists of one service.
pub(super) struct Follower {
    service: Arc<str>,
    subchannels: Arc<Subchannels>,
    lists: Lists,
    membership: Membership,
    probes: JoinSet<(Address, bool)>,
    /// The subchannels of all members. A member that calls may not use keeps its backoff, in case it is listed again.
    kept: Vec<Arc<Subchannel>>,
    snapshots: Option<SnapshotFolder>,
    /// The endpoints that the snapshot holds.
    saved: Arc<[Endpoint]>,
    /// The endpoints that the next snapshot holds.
    unsaved: Option<Arc<[Endpoint]>>,
    /// The snapshot that is being written. One at a time, and a slow disk delays nothing else.
    writing: JoinSet<()>,
}

/// What a follower waits for.
enum Event {
    Changed(usize),
    Probed(Address, bool),
    Timer,
    Closed,
}

impl Follower {
    /// Returns the follower and the endpoints to begin with.
    pub(super) fn new(
        subchannels: &Arc<Subchannels>,
        resolver: &dyn Resolver,
        service: &str,
        discovery: &Discovery,
    ) -> (Follower, Resolution) {
        let mut lists = Lists::new(resolver.watch_each(service));
        let now = clock::now();
        let first: Vec<Resolution> = (0..lists.len()).map(|index| lists.take(index)).collect();
        let states = first.iter().map(|resolution| resolution.state.clone());
        let hold = subchannels.options().limits.removal_hold;
        let rng = fastrand::Rng::with_seed(fastrand::u64(..));
        let mut membership = Membership::new(service, hold, states, rng);
        for (index, resolution) in first.iter().enumerate() {
            membership.update(index, resolution, now);
        }
        let unknown =
            || Resolution { endpoints: Arc::default(), state: ResolutionState::Pending("no registry".into()) };
        let first = membership.take_view(now).unwrap_or_else(unknown);
        let mut follower = Follower {
            service: service.into(),
            subchannels: subchannels.clone(),
            lists,
            membership,
            probes: JoinSet::new(),
            kept: Vec::new(),
            snapshots: discovery.snapshots.clone(),
            saved: Arc::default(),
            unsaved: None,
            writing: JoinSet::new(),
        };
        follower.unsaved = follower.savable(&first);
        (follower, first)
    }

    pub(super) fn counts(&self) -> MemberCounts {
        self.membership.counts()
    }

    /// Runs until the sender of `closed` is gone. `publish` takes the endpoints that calls may use, and returns whether
    /// anybody still uses them.
    pub(super) async fn run(
        mut self,
        mut closed: watch::Receiver<()>,
        publish: impl Fn(&Resolution, MemberCounts) -> bool,
    ) {
        self.keep();
        self.write_snapshot();
        let mut snapshot = self.snapshots.clone();
        let mut snapshot_due = pin!(tokio::time::sleep(SNAPSHOT_WAIT));
        loop {
            if self.membership.has_list() {
                snapshot = None;
            }
            let event = tokio::select! {
                event = self.event(&mut closed) => event,
                () = &mut snapshot_due, if snapshot.is_some() => {
                    if let Some(snapshots) = snapshot.take() {
                        self.read_snapshot(snapshots).await;
                    }
                    Event::Timer
                }
            };
            let now = clock::now();
            match event {
                Event::Closed => return,
                Event::Changed(index) => {
                    let resolution = self.lists.take(index);
                    self.membership.update(index, &resolution, now);
                }
                Event::Probed(address, is_answered) => self.membership.probed(&address, is_answered, now),
                Event::Timer => {}
            }
            let room = PROBES_AT_ONCE - self.probes.len().min(PROBES_AT_ONCE);
            let subchannels = &self.subchannels;
            let link = |endpoint: &Endpoint| subchannels.find(endpoint).map_or(Link::Closed, |found| found.link());
            for endpoint in self.membership.tick(now, room, link) {
                let subchannels = self.subchannels.clone();
                self.probes.spawn(async move {
                    let is_answered = subchannels.probe(endpoint.address.clone()).await;
                    (endpoint.address, is_answered)
                });
            }
            if let Some(usable) = self.membership.take_view(now) {
                if !publish(&usable, self.membership.counts()) {
                    return;
                }
                self.keep();
                self.unsaved = self.savable(&usable).or(self.unsaved.take());
            }
            self.write_snapshot();
            let is_idle = self.writing.is_empty() && self.membership.next_at(now).is_none();
            if is_idle && self.lists.are_final() {
                return;
            }
        }
    }

    async fn event(&mut self, closed: &mut watch::Receiver<()>) -> Event {
        let next = self.membership.next_at(clock::now());
        let are_final = self.lists.are_final();
        let timer = match next {
            Some(at) => Either::Left(tokio::time::sleep_until(at.into())),
            None => Either::Right(future::pending()),
        };
        // The endpoints publish their changes to `closed`, which only matters when its sender is gone.
        let closed = async { while closed.changed().await.is_ok() {} };
        tokio::select! {
            changed = self.lists.changed(), if !are_final => changed.map_or(Event::Timer, Event::Changed),
            Some(Ok((address, is_answered))) = self.probes.join_next(), if !self.probes.is_empty() => {
                Event::Probed(address, is_answered)
            }
            Some(_) = self.writing.join_next(), if !self.writing.is_empty() => Event::Timer,
            () = timer => Event::Timer,
            () = closed => Event::Closed,
        }
    }

    /// Keeps the subchannels of all members alive.
    fn keep(&mut self) {
        self.kept = self.membership.all().filter_map(|endpoint| self.subchannels.find(endpoint)).collect();
    }

    /// Takes the endpoints of the snapshot, because the registry does not answer.
    async fn read_snapshot(&mut self, snapshots: SnapshotFolder) {
        let service = self.service.clone();
        let read = tokio::task::spawn_blocking(move || snapshots.read(&service));
        if let Ok(Some((endpoints, age))) = read.await {
            self.membership.restore(endpoints, &age, clock::now());
        }
    }

    /// The endpoints in use, if the snapshot has others and the registry vouches for them.
    fn savable(&self, usable: &Resolution) -> Option<Arc<[Endpoint]>> {
        let is_new = !usable.endpoints.is_empty() && usable.endpoints != self.saved;
        (self.snapshots.is_some() && is_new && self.membership.is_believed()).then(|| usable.endpoints.clone())
    }

    /// Starts to write the snapshot, if there is something new and nothing is being written.
    fn write_snapshot(&mut self) {
        if !self.writing.is_empty() {
            return;
        }
        let (Some(snapshots), Some(endpoints)) = (self.snapshots.clone(), self.unsaved.take()) else { return };
        self.saved = endpoints.clone();
        let service = self.service.clone();
        self.writing.spawn_blocking(move || snapshots.write(&service, &endpoints));
    }
}

/// How long a channel waits for its registry before it reads the snapshot.
const SNAPSHOT_WAIT: Duration = Duration::from_millis(300);
/// Probes of one service at a time.
const PROBES_AT_ONCE: usize = 16;
