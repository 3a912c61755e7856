//! Providers that are restarted under load, over every protocol: no call fails, and no connection is refused.

use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mprpc::{Channel, RawClient};

use crate::every_client::GREETER_PROVIDER;
use crate::program::*;

/// The callers of each target.
const CALLERS: usize = 2;
const PAUSE: Duration = Duration::from_millis(1);

/// Callers that go on until they are stopped. A call that fails fails the test.
struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    callers: Vec<JoinHandle<()>>,
}

impl Load {
    fn start(targets: &[String]) -> Load {
        let mut load = Load { stop: Arc::default(), made: Arc::default(), callers: Vec::new() };
        for target in targets {
            let client = RawClient::new(Channel::new(target).unwrap(), "hello.Greeter");
            for _ in 0..CALLERS {
                let (client, target) = (client.clone(), target.clone());
                load.go_on(move || {
                    let reply = client.unary("SayHello", &b"\x0a\x01a"[..]).wait();
                    assert_eq!(reply.unwrap_or_else(|status| panic!("{target}: {status:#}")), &b"\x0a\x08hello, a"[..]);
                });
            }
        }
        load
    }

    /// Repeats `run` until the load is stopped.
    fn go_on(&mut self, run: impl Fn() + Send + 'static) {
        let (stop, made) = (self.stop.clone(), self.made.clone());
        self.callers.push(thread::spawn(move || {
            while !stop.load(Ordering::Relaxed) {
                run();
                made.fetch_add(1, Ordering::Relaxed);
                thread::sleep(PAUSE);
            }
        }));
    }

    /// Waits until calls were made from now on.
    fn goes_on(&self) {
        let before = self.made.load(Ordering::Relaxed);
        eventually("calls succeed", || {
            assert!(self.callers.iter().all(|caller| !caller.is_finished()), "a caller has failed");
            self.made.load(Ordering::Relaxed) > before + 50
        });
    }

    fn stop(self) {
        self.stop.store(true, Ordering::Relaxed);
        self.callers.into_iter().for_each(|caller| caller.join().unwrap());
    }
}

#[test]
fn restart_in_place_ten_times_under_load_fails_no_call_and_refuses_no_connection() {
    let folder = Folder::new();
    let flags = format!("--handover={} {}", folder.path("handover.sock").display(), folder.registry());
    let (mut running, at) = Program::registered(GREETER_PROVIDER, &flags);
    let registry = format!("file:{}", folder.path("registry").display());
    let mut load = Load::start(&[at.clone(), format!("grpc://{at}"), format!("classic:{at}"), registry]);
    let address = at.clone();
    load.go_on(move || drop(TcpStream::connect(&address).unwrap_or_else(|error| panic!("{error}"))));
    load.goes_on();
    for _ in 0..10 {
        let (next, address) = Program::registered(GREETER_PROVIDER, &flags);
        assert_eq!(address, at, "the port of the process before");
        eventually("the process before ends", || !running.is_running());
        assert_eq!(running.process.wait().unwrap().code(), Some(0), "{}", running.log());
        load.goes_on();
        running = next;
    }
    load.stop();
    running.terminate();
    assert_eq!(running.process.wait().unwrap().code(), Some(0));
    assert!(!folder.path("handover.sock").exists());
}

#[test]
fn rolling_restart_of_five_providers_ten_times_fails_no_call() {
    let folder = Folder::new();
    let flags = |listen: &str| format!("--listen={listen} --limits.withdraw_grace=50ms {}", folder.registry());
    let start = |listen: &str| Program::registered(GREETER_PROVIDER, &flags(listen));
    let mut providers: Vec<_> = (0..5).map(|_| start("127.0.0.1:0")).collect();
    let list = |scheme: &str| {
        let endpoints: Vec<_> = providers.iter().map(|(_, at)| format!("{scheme}{at}")).collect();
        format!("list:{}", endpoints.join(","))
    };
    let registry = format!("file:{}", folder.path("registry").display());
    let load = Load::start(&[registry, list("grpc://"), list("classic:")]);
    load.goes_on();
    for _ in 0..10 {
        for (provider, at) in &mut providers {
            provider.terminate();
            assert_eq!(provider.process.wait().unwrap().code(), Some(0));
            (*provider, _) = start(at);
        }
        load.goes_on();
    }
    load.stop();
}
