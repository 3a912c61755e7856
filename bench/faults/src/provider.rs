//! A provider as a process of its own, which a row can make slow, faulty, frozen and dead.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

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
}

impl Provider {
    /// Starts a provider, and waits until it is registered.
    pub(crate) fn start(registry: &str) -> Result<Provider, Failure> {
        let mut provider = Provider::start_unregistered(registry)?;
        provider.line()?;
        Ok(provider)
    }

    /// Starts a provider whose registry may be away.
    pub(crate) fn start_unregistered(registry: &str) -> Result<Provider, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.args(["--provide", registry]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let (input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
        let mut provider = Provider { child, input, output: BufReader::new(output) };
        provider.line()?;
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
}

impl FaultService for Handlers {
    async fn read(&self, context: &Context, _: QuestionView<'_>) -> Result<Answer, Status> {
        self.answer(context).await
    }

    async fn write(&self, context: &Context, _: QuestionView<'_>) -> Result<Answer, Status> {
        self.answer(context).await
    }
}

/// The process of a provider. It prints a line when it serves, and one when it is registered.
pub(crate) fn provide(registry: &str) -> Result<(), Failure> {
    end_with_parent()?;
    let handlers = Handlers::default();
    let server = Server { registry: Some(registry.to_owned()), ..Server::default() };
    let server = server.add(FaultServiceServer::new(handlers.clone())).start()?;
    println!("serving");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(server.registered());
    println!("registered");
    for line in std::io::stdin().lines() {
        let line = line?;
        match line.split_once(' ') {
            Some(("slow", times)) => {
                let extra = USUAL.as_millis() as u64 * (times.parse::<u64>()? - 1);
                handlers.0.extra_ms.store(extra, Ordering::Relaxed);
            }
            _ if line == "repeated" => println!("{}", handlers.0.repeated.load(Ordering::Relaxed)),
            _ => handlers.0.fails.store(true, Ordering::Relaxed),
        }
    }
    Ok(())
}
