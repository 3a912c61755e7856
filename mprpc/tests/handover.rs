//! Restart in place: the next server takes over the listening sockets of the running one under load, over every protocol.

#![cfg(target_os = "linux")]
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[path = "support/echo.rs"]
mod echo;

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use echo::{ECHO, Echo};
use mprpc::{Channel, ChannelOptions, Health, RawClient, Server, ServerHandle};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(30);

struct Folder(PathBuf);

impl Folder {
    fn new() -> Folder {
        let folder = std::env::temp_dir().join(format!("mprpc-handover-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&folder).unwrap();
        Folder(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.join("handover.sock")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn server(path: &Path, loops: usize) -> Server {
    Server { handover: Some(path.to_owned()), loops, ..Server::default() }.add(Echo)
}

fn address(server: &ServerHandle) -> String {
    server.addresses()[0].to_string()
}

async fn taken_over(server: &ServerHandle) {
    timeout(PATIENCE, server.handed_over()).await.expect("the next server takes over");
}

/// Calls until `stop` is set. A call that fails fails the test.
async fn call(target: String, stop: Arc<AtomicBool>, made: Arc<AtomicU64>) {
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    let client = RawClient::new(Channel::with_options(&target, options).unwrap(), ECHO.name);
    while !stop.load(Ordering::Relaxed) {
        let reply = client.unary("Echo", &b"hello"[..]).await;
        assert_eq!(reply.unwrap_or_else(|status| panic!("{target}: {status:#}")), &b"hello"[..]);
        made.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_restarts_under_load_fail_no_call_of_any_protocol() {
    let folder = Folder::new();
    let mut running = server(&folder.path(), 2).start().unwrap();
    let at = address(&running);
    let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let targets = [at.clone(), format!("grpc://{at}"), format!("classic:{at}")];
    let callers: Vec<_> = targets
        .into_iter()
        .flat_map(|target| [target.clone(), target])
        .map(|target| tokio::spawn(call(target, stop.clone(), made.clone())))
        .collect();
    // Fewer loops than before, and more.
    for loops in [2, 1, 3, 2, 2, 1, 1, 4, 2, 2] {
        let next = server(&folder.path(), loops).start().unwrap();
        assert_eq!(address(&next), at, "port 0 is the port of the server before");
        taken_over(&running).await;
        let before = made.load(Ordering::Relaxed);
        timeout(PATIENCE, running.stop()).await.unwrap();
        while made.load(Ordering::Relaxed) < before + 100 {
            assert!(callers.iter().all(|caller| !caller.is_finished()), "a caller has failed");
            sleep(Duration::from_millis(1)).await;
        }
        running = next;
    }
    stop.store(true, Ordering::Relaxed);
    for caller in callers {
        caller.await.unwrap();
    }
    running.stop().await;
    assert!(!folder.path().exists());
    TcpStream::connect(at).unwrap_err();
}

#[tokio::test]
async fn server_goes_on_when_the_next_one_fails_before_it_is_ready() {
    let folder = Folder::new();
    let running = server(&folder.path(), 1).start().unwrap();
    // It takes the sockets and is never ready.
    let health = Health::default();
    health.set_serving("", false);
    let unready = Server { health: Some(health), ..server(&folder.path(), 1) }.start().unwrap();
    assert!(timeout(Duration::from_millis(200), running.handed_over()).await.is_err());
    drop(unready);
    // It says nothing that a server says.
    let mut other = UnixStream::connect(folder.path()).unwrap();
    let mut byte = [0];
    other.read_exact(&mut byte).unwrap();
    drop(other);
    let stop = Arc::new(AtomicBool::new(false));
    let made = Arc::new(AtomicU64::new(0));
    let caller = tokio::spawn(call(address(&running), stop.clone(), made.clone()));
    while made.load(Ordering::Relaxed) < 10 {
        assert!(!caller.is_finished());
        sleep(Duration::from_millis(1)).await;
    }
    let next = server(&folder.path(), 1).start().unwrap();
    taken_over(&running).await;
    running.stop().await;
    stop.store(true, Ordering::Relaxed);
    caller.await.unwrap();
    next.stop().await;
}

#[tokio::test]
async fn readiness_of_the_next_server_decides_when_the_one_before_stops() {
    let folder = Folder::new();
    let running = server(&folder.path(), 1).start().unwrap();
    let health = Health::default();
    health.set_serving("", false);
    let next = Server { health: Some(health.clone()), ..server(&folder.path(), 1) }.start().unwrap();
    assert!(timeout(Duration::from_millis(100), running.handed_over()).await.is_err());
    health.set_serving("", true);
    taken_over(&running).await;
    running.stop().await;
    next.stop().await;
}

#[tokio::test]
async fn path_of_a_killed_server_is_taken_and_another_program_at_it_is_an_error() {
    let folder = Folder::new();
    drop(std::os::unix::net::UnixListener::bind(folder.path()).unwrap());
    let running = server(&folder.path(), 1).start().unwrap();
    running.stop().await;
    let other = std::os::unix::net::UnixListener::bind(folder.path()).unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = other.accept().unwrap();
        std::io::Write::write_all(&mut stream, b"SSH-2.0\n\n").unwrap();
        let _ = stream.read(&mut [0]);
    });
    let error = server(&folder.path(), 1).start().err().unwrap().to_string();
    assert!(error.contains("handover.sock") && error.contains("sockets cannot be taken over"), "{error}");
}
