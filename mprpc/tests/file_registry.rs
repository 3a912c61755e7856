//! Tests of the file registry with providers as separate processes, which the tests kill and restart.
//!
//! The unit tests beside the code cover parsing and locks.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a panic is how a test fails, and its figures are printed"
)]

#[path = "support/echo.rs"]
mod echo;
#[path = "support/provider.rs"]
mod provider;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use echo::Echo;
use mprpc::discovery::{Registration, RegistrationState, ResolutionState, Target, list_services};
use mprpc::{Limits, Server, Service};
use provider::{PATIENCE, Provider, USERS, shows, until};

#[test]
fn provider_process() {
    provider::run_if_asked();
}

#[tokio::test]
async fn killed_provider_disappears_and_its_successor_is_found() {
    let folder = Folder::new();
    let url = folder.url();
    let mut shown = url.parse::<Target>().unwrap().resolver().unwrap().watch(USERS.name);
    // The folder does not exist yet.
    until(&mut shown, "an empty list", |r| matches!(r.state, ResolutionState::Current(_)) && shows(r, &[])).await;

    let other = Provider::start(&url, "127.0.0.1:8001");
    let mut slowest = Duration::ZERO;
    for round in 0..10 {
        let provider = Provider::start(&url, "127.0.0.1:8000");
        until(&mut shown, "both", |r| shows(r, &["127.0.0.1:8000", "127.0.0.1:8001"])).await;
        provider.kill();
        let took = until(&mut shown, "the other alone", |r| shows(r, &["127.0.0.1:8001"])).await;
        println!("round {round}: kill -9 noticed after {took:?}");
        slowest = slowest.max(took);
    }
    println!("kill -9 noticed within {slowest:?}");
    // Noticing takes under 100 ms. The bound leaves room for busy machines and is far below the slow polling (5 s).
    assert!(slowest < Duration::from_secs(3), "{slowest:?}");

    other.terminate();
    until(&mut shown, "an empty list", |r| shows(r, &[])).await;
    assert_eq!(std::fs::read_dir(folder.path.join(USERS.name)).unwrap().count(), 0, "dead entries were left");
}

#[tokio::test]
async fn entry_removed_by_an_operator_comes_back() {
    let folder = Folder::new();
    let target: Target = folder.url().parse().unwrap();
    let mut shown = target.resolver().unwrap().watch(USERS.name);
    let registered = target.registry().unwrap().register(registration("127.0.0.1:8000"));
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
    std::fs::remove_dir_all(folder.path.join(USERS.name)).unwrap();
    until(&mut shown, "nothing", |r| shows(r, &[])).await;
    until(&mut shown, "it again", |r| shows(r, &["127.0.0.1:8000"])).await;

    let services = list_services(&target, PATIENCE).await.unwrap();
    assert_eq!(services.len(), 1);
    assert_eq!((services[0].0.as_str(), services[0].1.len()), (USERS.name, 1));

    let mut state = registered.state();
    registered.withdraw().await;
    assert_eq!(*state.borrow_and_update(), RegistrationState::Withdrawn);
    assert!(list_services(&target, PATIENCE).await.unwrap()[0].1.is_empty());
    until(&mut shown, "nothing", |r| shows(r, &[])).await;
}

#[tokio::test]
async fn dropped_registration_withdraws() {
    let folder = Folder::new();
    let target: Target = folder.url().parse().unwrap();
    let mut shown = target.resolver().unwrap().watch(USERS.name);
    let registered = target.registry().unwrap().register(registration("unix:/run/user.sock"));
    until(&mut shown, "it", |r| shows(r, &["unix:/run/user.sock"])).await;
    drop(registered);
    until(&mut shown, "nothing", |r| shows(r, &[])).await;
}

#[tokio::test]
async fn unwritable_folder_is_reported_and_retried() {
    let folder = Folder::new();
    std::fs::create_dir(&folder.path).unwrap();
    // A file takes the place of the service's folder. Root may write everywhere, but not below a file.
    let obstacle = folder.path.join(USERS.name);
    std::fs::write(&obstacle, "").unwrap();
    let target: Target = folder.url().parse().unwrap();
    let mut shown = target.resolver().unwrap().watch(USERS.name);
    let registered = target.registry().unwrap().register(registration("127.0.0.1:8000"));
    let mut state = registered.state();
    let refused = |state: &RegistrationState| matches!(state, RegistrationState::Pending(why) if why.contains("since"));
    tokio::time::timeout(PATIENCE, state.wait_for(refused)).await.unwrap().unwrap();
    until(&mut shown, "the reason", |r| matches!(&r.state, ResolutionState::Pending(why) if why.contains("since")))
        .await;

    std::fs::remove_file(&obstacle).unwrap();
    let stands = |state: &RegistrationState| matches!(state, RegistrationState::Registered(_));
    tokio::time::timeout(PATIENCE, state.wait_for(stands)).await.unwrap().unwrap();
    until(&mut shown, "it", |r| shows(r, &["127.0.0.1:8000"])).await;
}

#[tokio::test]
async fn server_accepts_callers_for_withdraw_grace_after_the_withdrawal() {
    for grace in [Duration::ZERO, Duration::from_millis(400)] {
        let folder = Folder::new();
        let limits = Limits { withdraw_grace: grace, ..Limits::default() };
        let server = Server { registry: Some(folder.url()), limits, ..Server::default() }.add(Echo);
        let running = server.serve().unwrap();
        running.registered().await;
        let address = running.addresses()[0].to_string();
        let mut shown = folder.url().parse::<Target>().unwrap().resolver().unwrap().watch(Echo.descriptor().name);
        until(&mut shown, "it", |r| shows(r, &[&address])).await;
        let begin = Instant::now();
        let stopping = tokio::spawn(running.stop());
        until(&mut shown, "nothing", |r| shows(r, &[])).await;
        let connected = std::net::TcpStream::connect(&address).is_ok();
        assert!(connected || begin.elapsed() >= grace, "refused {:?} after the stop began", begin.elapsed());
        stopping.await.unwrap();
        assert!(begin.elapsed() >= grace, "{:?}", begin.elapsed());
        assert!(std::net::TcpStream::connect(&address).is_err());
    }
}

fn registration(address: &str) -> Registration {
    Registration::new(&USERS, address.parse().unwrap())
}

/// The path of a folder that does not exist yet. Dropping this removes the folder and its contents.
struct Folder {
    path: PathBuf,
}

impl Folder {
    fn new() -> Folder {
        Folder { path: std::env::temp_dir().join(format!("mprpc-test-{:016x}", fastrand::u64(..))) }
    }

    fn url(&self) -> String {
        format!("file:{}", self.path.display())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
