//! The faults of a registry in ZooKeeper, each by the number of the list in docs/guide/registry.md: providers and callers
//! with a scripted ensemble, in virtual time.

mod callers;
mod crowds;
mod property;
mod providers;
#[cfg(feature = "tls")]
mod tls;

use std::sync::Arc;
use std::time::Duration;

use mprpc_zookeeper::Options;
use mprpc_zookeeper::testing::Ensemble as Servers;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::super::target::Ensemble;
use super::super::{Registered, Registration, RegistrationState, Registry, Resolution, ResolutionState, Resolver};
use super::session::Session;
use super::{ZooKeeperRegistry, ZooKeeperResolver};
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
/// How long a test waits for an event before it fails, in virtual time.
const PATIENCE: Duration = Duration::from_secs(120);
/// The session timeout of every session.
const TIMEOUT: Duration = Duration::from_secs(10);

static USERS: ServiceDescriptor = ServiceDescriptor {
    name: "fixbug.UserServiceRpc",
    methods: &[method("Login", "fixbug.UserServiceRpc/Login"), method("Register", "fixbug.UserServiceRpc/Register")],
    files: &[],
};
const FOLDER: &str = "/apps/mprpc/services/fixbug.UserServiceRpc";
const LOGIN: &str = "/apps/UserServiceRpc/Login";
const NODE: &[u8] = br#"{"mprpc":1}"#;

const fn method(name: &'static str, path: &'static str) -> MethodDescriptor {
    MethodDescriptor::new(name, path, MethodKind::Unary, Idempotency::Unknown)
}

fn ensemble(classic: bool) -> Ensemble {
    Ensemble {
        servers: vec!["a:2181".into(), "b:2181".into(), "c:2181".into()],
        chroot: "/apps".into(),
        classic,
        session_timeout: TIMEOUT,
        tls: None,
    }
}

/// A process with a session of its own.
struct Process {
    name: String,
    session: Arc<Session>,
}

impl Process {
    /// Starts a process that [`mprpc_zookeeper::testing::Faults::partitioned`] knows by this name.
    fn start(servers: &Servers, name: &str) -> Process {
        let seed = name.bytes().fold(7, |seed: u64, byte| seed.wrapping_mul(31).wrapping_add(byte.into()));
        let options = Options { session_timeout: TIMEOUT, seed: Some(seed), ..Options::default() };
        let session = Session::start(&ensemble(false), servers.connector(name), options, &Handle::current());
        Process { name: name.to_owned(), session }
    }

    fn register(&self, address: &str) -> Registered {
        self.register_in(address, false)
    }

    fn register_in(&self, address: &str, classic: bool) -> Registered {
        let registry = ZooKeeperRegistry::over(ensemble(classic), self.session.clone());
        registry.register(Registration::new(&USERS, address.parse().unwrap()))
    }

    fn watch(&self) -> watch::Receiver<Resolution> {
        ZooKeeperResolver::over(ensemble(false), self.session.clone()).watch(USERS.name)
    }

    /// The id of the open session.
    async fn id(&self) -> i64 {
        let mut link = self.session.link();
        let up = link.wait_for(|link| matches!(link, super::session::ConnectionState::Up(_))).await.unwrap();
        let super::session::ConnectionState::Up(ids) = &*up else { unreachable!("it was waited for") };
        ids.current
    }
}

/// Waits until the provider is announced. Returns how long that took.
async fn stands(registered: &Registered) -> Duration {
    let begun = Instant::now();
    let mut state = registered.state();
    let stands = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
    let waited = timeout(PATIENCE, state.wait_for(stands)).await.is_ok();
    assert!(waited, "it is {:?}", registered.state().borrow());
    begun.elapsed()
}

/// Waits until the provider is not announced.
async fn falls(registered: &Registered) -> String {
    let mut state = registered.state();
    let falls =
        |state: &RegistrationState| matches!(state, RegistrationState::Pending(why) if !why.starts_with("connecting"));
    let state = timeout(PATIENCE, state.wait_for(falls)).await.unwrap().unwrap().clone();
    let RegistrationState::Pending(why) = state else { unreachable!("it was waited for") };
    why.to_string()
}

/// Waits until the resolution satisfies `is`. Returns how long that took.
async fn until(shown: &mut watch::Receiver<Resolution>, is: impl FnMut(&Resolution) -> bool) -> Duration {
    let begun = Instant::now();
    let waited = timeout(PATIENCE, shown.wait_for(is)).await.is_ok_and(|shown| shown.is_ok());
    assert!(waited, "not within {PATIENCE:?}; it is {:?}", shown.borrow());
    begun.elapsed()
}

/// Whether the resolution is current and holds exactly these endpoints.
fn shows(resolution: &Resolution, wanted: &[&str]) -> bool {
    matches!(resolution.state, ResolutionState::Current(_)) && lists(resolution, wanted)
}

/// Whether the resolution holds exactly these endpoints, current or not.
fn lists(resolution: &Resolution, wanted: &[&str]) -> bool {
    let shown: Vec<String> = resolution.endpoints.iter().map(ToString::to_string).collect();
    shown == wanted
}

/// Records every resolution until the returned sender is dropped.
fn record(
    mut shown: watch::Receiver<Resolution>,
) -> (tokio::sync::oneshot::Sender<()>, tokio::task::JoinHandle<Vec<Resolution>>) {
    let (stop, mut stopped) = tokio::sync::oneshot::channel();
    let recording = tokio::spawn(async move {
        let mut seen = vec![shown.borrow_and_update().clone()];
        loop {
            tokio::select! {
                _ = &mut stopped => return seen,
                changed = shown.changed() => changed.unwrap(),
            }
            seen.push(shown.borrow_and_update().clone());
        }
    });
    (stop, recording)
}

/// Waits until `is` holds. Returns how long that took, to the millisecond.
async fn eventually(is: impl Fn() -> bool) -> Duration {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}");
        tokio::time::sleep(MS).await;
    }
    begun.elapsed()
}

fn node(address: &str) -> String {
    format!("{FOLDER}/{address}")
}
