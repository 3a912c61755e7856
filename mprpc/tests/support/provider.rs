//! A provider as a separate process, which a test can kill, freeze and end.
//!
//! The process is the test binary, started once more. The provider announces an address but serves nothing.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use mprpc::discovery::{Registration, RegistrationState, Resolution, Target};
use mprpc::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use rustix::process::{Pid, Signal, kill_process};
use tokio::sync::watch;

/// The service that the tests announce.
pub(crate) static USERS: ServiceDescriptor = ServiceDescriptor {
    name: "fixbug.UserServiceRpc",
    methods: &[method("Login", "fixbug.UserServiceRpc/Login"), method("Register", "fixbug.UserServiceRpc/Register")],
    files: &[],
};

const fn method(name: &'static str, path: &'static str) -> MethodDescriptor {
    MethodDescriptor::new(name, path, MethodKind::Unary, Idempotency::Unknown)
}

/// How long a test waits for an event before it fails. Far longer than needed, for busy machines.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A running provider. Killed when dropped.
pub(crate) struct Provider {
    child: Child,
    stdout: BufReader<ChildStdout>,
}

impl Provider {
    /// Starts a provider that announces `address` in `target`. Returns once the address is registered.
    pub(crate) fn start(target: &str, address: &str) -> Provider {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "provider_process", "--nocapture"])
            .env(ROLE, format!("{target} {address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut provider = Provider { child, stdout };
        let mut lines = provider.stdout.by_ref().lines().map_while(Result::ok);
        assert!(lines.any(|line| line.ends_with(STANDS)), "the provider ended before it was registered");
        provider
    }

    /// Ends the provider as `kill -9` does.
    pub(crate) fn kill(&self) {
        self.signal(Signal::KILL);
    }

    /// Asks the provider to withdraw its registration and end.
    pub(crate) fn terminate(&self) {
        self.signal(Signal::TERM);
    }

    /// Freezes the provider until [`Provider::thaw`].
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Resumes a frozen provider.
    pub(crate) fn thaw(&self) {
        self.signal(Signal::CONT);
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the provider if this process was started as one. The test `provider_process` of each binary calls this.
pub(crate) fn run_if_asked() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let (target, address) = role.split_once(' ').unwrap();
    let registry = target.parse::<Target>().unwrap().registry().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut terminated = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()).unwrap();
        let registration = Registration::new(&USERS, address.parse().unwrap());
        let registered = registry.register(registration);
        let mut state = registered.state();
        state.wait_for(|state| matches!(state, RegistrationState::Registered(_))).await.unwrap();
        println!("{STANDS}");
        terminated.recv().await;
        registered.withdraw().await;
    });
}

/// Waits until the resolution satisfies `is`. Returns how long the wait took. `wanted` describes the condition.
pub(crate) async fn until(
    receiver: &mut watch::Receiver<Resolution>,
    wanted: &str,
    is: impl FnMut(&Resolution) -> bool,
) -> Duration {
    let begin = Instant::now();
    let waited = tokio::time::timeout(PATIENCE, receiver.wait_for(is)).await.is_ok_and(|shown| shown.is_ok());
    assert!(waited, "not within {PATIENCE:?}: {wanted}; it is {:?}", receiver.borrow());
    begin.elapsed()
}

/// Whether the resolution holds exactly the endpoints `wanted`, in any order.
pub(crate) fn shows(resolution: &Resolution, wanted: &[&str]) -> bool {
    let mut shown: Vec<String> = resolution.endpoints.iter().map(ToString::to_string).collect();
    shown.sort();
    shown == wanted
}

const ROLE: &str = "MPRPC_TEST_PROVIDER";
const STANDS: &str = "the announcement stands";
