//! A provider as a process of its own, which a row can make slow, faulty, frozen and dead.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use mprpc::{Context, Server, Status};
use mprpc_bench_harness::{Failure, end_with_parent};
use rustix::process::{Pid, Signal, kill_process};

use crate::proto::{Answer, FaultService, FaultServiceServer, QuestionView};

/// How long a handler takes.
pub(crate) const USUAL: Duration = Duration::from_millis(2);

/// A running provider. Killed when dropped.
pub(crate) struct Provider {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    address: String,
}

impl Provider {
    /// Starts a provider, and waits until it is registered.
    pub(crate) fn start(registry: &str) -> Result<Provider, Failure> {
        Provider::start_at(registry, ANY_ADDRESS)
    }

    /// Starts a provider at an address, and waits until it is registered.
    pub(crate) fn start_at(registry: &str, listen: &str) -> Result<Provider, Failure> {
        let mut provider = Provider::spawn(registry, listen, "")?;
        provider.line()?;
        Ok(provider)
    }

    /// Starts a provider that takes over the sockets of the one that waits at `handover`. Waits until it is registered.
    pub(crate) fn start_in_place(registry: &str, handover: &str) -> Result<Provider, Failure> {
        let mut provider = Provider::spawn(registry, ANY_ADDRESS, handover)?;
        provider.line()?;
        Ok(provider)
    }

    /// Starts a provider whose registry may be away.
    pub(crate) fn start_unregistered(registry: &str) -> Result<Provider, Failure> {
        Provider::spawn(registry, ANY_ADDRESS, "")
    }

    /// Starts a process, and waits until it listens.
    fn spawn(registry: &str, listen: &str, handover: &str) -> Result<Provider, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--provide", registry, listen, handover]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
        let mut provider = Provider { child, input, output: BufReader::new(output), address: String::new() };
        let line = provider.line()?;
        provider.address = line.strip_prefix("listening on ").ok_or(line.clone())?.to_owned();
        Ok(provider)
    }

    /// Reads a line of its output.
    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        match self.output.read_line(&mut line)? {
            0 => Err("a provider has ended early".into()),
            _ => Ok(line.trim().to_owned()),
        }
    }

    /// The address at which it listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Waits for the process, which has to end well within ten seconds.
    pub(crate) fn wait(mut self) -> Result<(), Failure> {
        let begun = Instant::now();
        loop {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => return Err(format!("a provider ended with {status}").into()),
                None if begun.elapsed() > END_TIMEOUT => return Err("a provider does not end".into()),
                None => thread::sleep(Duration::from_millis(1)),
            }
        }
    }

    /// Ends the process as SIGTERM does, and waits for its end.
    pub(crate) fn stop(self) -> Result<(), Failure> {
        self.signal(Signal::TERM)?;
        self.wait()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Makes handlers take `times` as long as usual.
    pub(crate) fn slow_down(&mut self, times: u32) -> Result<(), Failure> {
        Ok(writeln!(self.input, "slow {times}")?)
    }

    /// Makes handlers fail at once.
    pub(crate) fn fail(&mut self) -> Result<(), Failure> {
        Ok(writeln!(self.input, "fail")?)
    }

    /// How many calls were retries or hedges.
    pub(crate) fn repeated(&mut self) -> Result<u64, Failure> {
        writeln!(self.input, "repeated")?;
        Ok(self.line()?.parse()?)
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Failure> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[derive(Clone, Default)]
struct Handlers(Arc<State>);

#[derive(Default)]
struct State {
    /// By how much more than usual a handler takes.
    extra_ms: AtomicU64,
    fails: AtomicBool,
    /// Calls that were not the first attempt.
    repeated: AtomicU64,
}

impl Handlers {
    async fn answer(&self, context: &Context) -> Result<Answer, Status> {
        self.0.repeated.fetch_add(u64::from(context.attempt() > 1), Ordering::Relaxed);
        if self.0.fails.load(Ordering::Relaxed) {
            return Err(Status::unavailable("this provider fails"));
        }
        tokio::time::sleep(USUAL + Duration::from_millis(self.0.extra_ms.load(Ordering::Relaxed))).await;
        Ok(Answer { provider: std::process::id(), ..Default::default() })
    }

    /// Does what the lines of the input say, until the input ends.
    fn obey(&self) {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            match line.split_once(' ') {
                Some(("slow", times)) => {
                    let times: u64 = times.parse().expect("the row writes a number");
                    self.0.extra_ms.store(USUAL.as_millis() as u64 * (times - 1), Ordering::Relaxed);
                }
                _ if line == "repeated" => println!("{}", self.0.repeated.load(Ordering::Relaxed)),
                _ => self.0.fails.store(true, Ordering::Relaxed),
            }
        }
    }
}

impl FaultService for Handlers {
    async fn read(&self, context: &Context, _: QuestionView<'_>) -> Result<Answer, Status> {
        self.answer(context).await
    }

    async fn write(&self, context: &Context, _: QuestionView<'_>) -> Result<Answer, Status> {
        self.answer(context).await
    }
}

/// The process of a provider. It prints a line when it listens, and one when it is registered. `handover` may be empty.
pub(crate) fn provide(registry: &str, listen: &str, handover: &str) -> Result<(), Failure> {
    end_with_parent()?;
    let handlers = Handlers::default();
    let commanded = handlers.clone();
    thread::spawn(move || commanded.obey());
    let server = Server {
        listen: vec![listen.parse()?],
        registry: Some(registry.to_owned()),
        handover: Some(handover).filter(|path| !path.is_empty()).map(PathBuf::from),
        ..Server::default()
    };
    Ok(server.add(FaultServiceServer::new(handlers)).run()?)
}

const ANY_ADDRESS: &str = "127.0.0.1:0";
const END_TIMEOUT: Duration = Duration::from_secs(10);
