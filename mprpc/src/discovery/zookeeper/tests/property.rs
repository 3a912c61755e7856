//! Random faults, ten thousand times: a provider that lives and can reach the registry ends up registered exactly once,
//! nobody deletes the node of a live owner, and no list loses an endpoint whose node was there.

use super::*;
use crate::discovery::seeds;
use crate::endpoint::Address;
use mprpc_zookeeper::testing::{Faults, Snapshot};
use tokio::time::sleep;

/// Seeds that once failed. They run first.
const FAILED_ONCE: [u64; 0] = [];
const SEEDS: u64 = 10_000;
/// The addresses of the providers.
const ADDRESSES: [&str; 2] = ["127.0.0.1:1", "127.0.0.1:2"];
/// How long the world may take to settle after the last fault.
const SETTLE: Duration = Duration::from_secs(100);

#[test]
fn random_faults_end_with_each_live_provider_registered_once_and_no_list_that_lost_one() {
    seeds::run(&FAILED_ONCE, SEEDS, run);
}

fn run(seed: u64) {
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(World::run(fastrand::Rng::with_seed(seed)));
}

struct World {
    servers: Servers,
    rng: fastrand::Rng,
    /// The provider of each address.
    providers: Vec<Provider>,
    caller: Process,
    snapshots: Vec<Snapshot>,
}

struct Provider {
    process: Process,
    _registered: Registered,
    /// How often the provider was killed and started again.
    generation: u32,
}

impl Provider {
    /// Starts the provider of an address. The name of its process tells the address and the generation.
    fn start(servers: &Servers, index: usize, generation: u32) -> Provider {
        let process = Process::start(servers, &format!("{index} {generation}"));
        let registered = process.register_in(ADDRESSES[index], true);
        Provider { process, _registered: registered, generation }
    }
}

impl World {
    async fn run(rng: fastrand::Rng) {
        let servers = Servers::start();
        let providers = (0..ADDRESSES.len()).map(|index| Provider::start(&servers, index, 0)).collect();
        let caller = Process::start(&servers, "caller");
        let mut world = World { servers, rng, providers, caller, snapshots: Vec::new() };
        let shown = world.caller.watch();
        let watching = tokio::spawn(watch_lists(world.servers.clone(), shown.clone()));
        for _ in 0..world.rng.u32(2..=4) {
            let pause = world.up_to(6 * SECOND);
            sleep(pause).await;
            world.fault().await;
        }
        world.servers.fault(|faults| *faults = Default::default());
        let begun = Instant::now();
        while let Err(why) = world.is_settled(&shown) {
            assert!(begun.elapsed() < SETTLE, "{why}; {:?}", shown.borrow());
            sleep(SECOND).await;
        }
        world.no_live_owner_lost_its_node();
        assert!(!watching.is_finished(), "{:?}", watching.await);
        watching.abort();
    }

    fn up_to(&mut self, longest: Duration) -> Duration {
        longest.mul_f64(self.rng.f64())
    }

    /// Makes one thing go wrong. Half of the faults end before the next one begins.
    async fn fault(&mut self) {
        let lasts = self.up_to(12 * SECOND);
        let index = self.rng.usize(..ADDRESSES.len());
        let name = [&self.providers[index].process.name, "caller"][self.rng.usize(..2)].to_owned();
        let servers = &self.servers;
        match self.rng.u32(..14) {
            0 => servers.cut(),
            1 => servers.half_open(),
            2 => servers.expire(Some(&name)),
            3 => servers.expire(None),
            4 => servers.delete([node(ADDRESSES[index]).as_str(), LOGIN, "/apps"][self.rng.usize(..3)]),
            5 => servers.fault(|faults| faults.down = true),
            6 => servers.fault(|faults| faults.partitioned = [name].into()),
            7 => servers.fault(|faults| faults.latency = lasts / 4),
            8 => servers.fault(|faults| faults.drop_events = true),
            9 => servers.fault(|faults| faults.lose_answers_of_writes = true),
            10 => servers.fault(|faults| faults.reap_delay = lasts),
            11 => servers.fault(|faults| faults.servers_down = ["a:2181".into(), "b:2181".into()].into()),
            12 => {
                let Provider { process, generation, .. } = &self.providers[index];
                servers.kill(&process.name);
                let generation = generation + 1;
                sleep(lasts).await;
                self.providers[index] = Provider::start(&self.servers, index, generation);
            }
            _ => {
                self.snapshots.push(servers.snapshot());
                sleep(lasts).await;
                let chosen = self.rng.usize(..=self.snapshots.len());
                self.servers.roll_back(self.snapshots.get(chosen).cloned());
            }
        }
        if self.rng.bool() {
            sleep(lasts).await;
            self.servers.fault(|faults| *faults = Faults::default());
        }
    }

    /// Whether each live provider is registered exactly once, by its session, and the caller lists them.
    fn is_settled(&self, shown: &watch::Receiver<Resolution>) -> Result<(), String> {
        if self.servers.children(FOLDER) != ADDRESSES {
            return Err(format!("registered are {:?}", self.servers.children(FOLDER)));
        }
        for (address, provider) in ADDRESSES.iter().zip(&self.providers) {
            let owner = self.servers.node(&node(address)).map_or(0, |(_, owner)| owner);
            let client = self.servers.client_of(owner);
            if client.as_ref() != Some(&provider.process.name) || !self.servers.sessions().contains(&owner) {
                return Err(format!("{address} is owned by {client:?}, not by {}", provider.process.name));
            }
        }
        match self.servers.node(LOGIN) {
            Some((_, owner)) if self.servers.sessions().contains(&owner) => {}
            other => return Err(format!("the classic node is {other:?}")),
        }
        if shows(&shown.borrow(), &ADDRESSES) { Ok(()) } else { Err("the caller lists something else".into()) }
    }

    /// Checks every deletion of an ephemeral node by a client: the node was that of the same process, or that of an
    /// earlier process at the same address, which was dead by then.
    fn no_live_owner_lost_its_node(&self) {
        for deletion in self.servers.deletions() {
            let [owner, by] = [deletion.owner, deletion.by].map(|id| self.servers.client_of(id).unwrap());
            let (owner, by) = (owner.split_once(' ').unwrap(), by.split_once(' ').unwrap());
            assert!(owner.0 == by.0 && owner.1 <= by.1, "{owner:?} lost {} to {by:?}", deletion.path);
        }
    }
}

/// Checks each published list: an endpoint goes only if its node was gone, and a list that is not current is the last good
/// one.
async fn watch_lists(servers: Servers, mut shown: watch::Receiver<Resolution>) {
    let mut last = shown.borrow_and_update().clone();
    // When a list was last read.
    let mut published = Instant::now();
    while shown.changed().await.is_ok() {
        let next = shown.borrow_and_update().clone();
        let lists = |address: &Address| next.endpoints.iter().any(|endpoint| endpoint.address == *address);
        for address in last.endpoints.iter().map(|endpoint| &endpoint.address).filter(|address| !lists(address)) {
            // The list was read before it was published.
            let read = published.checked_sub(READ_MAX).unwrap_or(published);
            let gone = servers.was_removed(&node(&address.to_string()), read) || servers.was_removed(LOGIN, read);
            assert!(gone && matches!(next.state, ResolutionState::Current(_)), "{address} was lost: {next:?}");
        }
        if matches!(next.state, ResolutionState::Current(_)) {
            published = Instant::now();
        }
        last = next;
    }
}

/// A list takes at most this long to read: three seconds for each of its four answers.
const READ_MAX: Duration = Duration::from_secs(12);
