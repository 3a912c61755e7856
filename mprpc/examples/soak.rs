//! A million calls over a hundred connections to a provider in a process of its own: no error, and the provider's
//! memory at the end as at the beginning. `cargo run --release -p mprpc --example soak [CALLS [CONNECTIONS [CALLERS]]]`, where
//! CALLERS share a connection.

#![allow(clippy::print_stdout, reason = "printing is what this program is for")]

#[path = "../tests/support/echo.rs"]
mod echo;

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use echo::{AT_ONCE, ECHO, Echo};
use mprpc::codegen::Stub;
use mprpc::{Channel, Server, Status};

type AnyError = Box<dyn std::error::Error>;

fn main() -> Result<(), AnyError> {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    if first.as_deref() == Some("--serve") {
        return Ok(Server::default().add(Echo).run()?);
    }
    let calls: usize = first.map_or(Ok(1_000_000), |text| text.parse())?;
    let connections: usize = args.next().map_or(Ok(100), |text| text.parse())?;
    let callers: usize = args.next().map_or(Ok(1), |text| text.parse())?;
    let mut provider = Provider::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let stub = || Ok::<_, mprpc::Error>(Stub::new(Channel::new(&provider.address)?, &ECHO));
    let stubs = (0..connections).map(|_| stub()).collect::<Result<Vec<_>, _>>()?;
    let stubs: Vec<Stub> = stubs.iter().flat_map(|stub| std::iter::repeat_n(stub, callers).cloned()).collect();
    let first_tenth = runtime.block_on(call(&stubs, calls / 10))?;
    let before = provider.memory_bytes()?;
    let middle = runtime.block_on(call(&stubs, calls - 2 * (calls / 10)))?;
    let last_tenth = runtime.block_on(call(&stubs, calls / 10))?;
    let after = provider.memory_bytes()?;
    provider.stop()?;
    let seconds = first_tenth + middle + last_tenth;
    let growth = (after as f64 - before as f64) / before as f64 * 100.0;
    println!("{calls} calls over {connections} connections: no error, {:.0} calls/s", calls as f64 / seconds);
    println!("provider's memory: {before} bytes after the first tenth, {after} after the last: {growth:+.2} %");
    if growth > 1.0 { Err("the provider's memory grew by more than 1 %".into()) } else { Ok(()) }
}

/// Makes `calls` calls, spread over `stubs`, a caller each; returns the seconds that they took.
async fn call(stubs: &[Stub], calls: usize) -> Result<f64, AnyError> {
    let begin = Instant::now();
    let mut callers = Vec::new();
    for (index, stub) in stubs.iter().cloned().enumerate() {
        let share = calls / stubs.len() + usize::from(index < calls % stubs.len());
        callers.push(tokio::spawn(async move {
            for number in 0..share {
                let message = mprpc::well_known::UInt64Value { value: number as u64, ..Default::default() };
                let reply: mprpc::well_known::UInt64Value = stub.unary(AT_ONCE, &message).await?;
                if reply.value != message.value {
                    return Err(Status::data_loss("another call's reply"));
                }
            }
            Ok::<(), Status>(())
        }));
    }
    for caller in callers {
        caller.await??;
    }
    Ok(begin.elapsed().as_secs_f64())
}

struct Provider {
    process: Child,
    address: String,
}

impl Provider {
    fn start() -> Result<Provider, AnyError> {
        let mut process = Command::new(std::env::current_exe()?).arg("--serve").stdout(Stdio::piped()).spawn()?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().ok_or("no stdout")?).read_line(&mut line)?;
        let address = line.trim().strip_prefix("listening on ").ok_or("the provider did not start")?.to_owned();
        Ok(Provider { process, address })
    }

    fn memory_bytes(&self) -> Result<u64, AnyError> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
        let kilobytes = line.split_whitespace().nth(1).ok_or("no figure")?;
        Ok(kilobytes.parse::<u64>()? * 1024)
    }

    fn stop(&mut self) -> Result<(), AnyError> {
        self.process.kill()?;
        self.process.wait()?;
        Ok(())
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        // Already stopped is as good.
        let _ = self.stop();
    }
}
