//! Server and caller as processes: started, waited for with a bound, ended with whoever holds them.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Command as Task, Failure, Load, Report, Serve};

/// A process that is killed when this is dropped.
struct Process {
    child: Child,
    what: String,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    fn start(program: &Path, arguments: &[String]) -> Result<(Process, ChildStdout), Failure> {
        let what = format!("{} {}", program.display(), arguments.join(" "));
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| format!("{what}: {error}"))?;
        let output = child.stdout.take().ok_or("no output")?;
        let errors = child.stderr.take().map(|errors| thread::spawn(move || last_words(errors)));
        Ok((Process { child, what, errors }, output))
    }

    /// Ends it, and says what it said.
    fn failed(mut self, why: &str) -> Failure {
        self.end();
        let said = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        format!("{}: {why}\n{}", self.what, said.trim_end()).into()
    }

    fn end(&mut self) {
        // Gone already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server, from its first moment to the drop of this.
pub struct ServerProcess {
    process: Option<Process>,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts it, and waits until it says where it listens.
    pub fn start(program: &Path, serve: &Serve) -> Result<ServerProcess, Failure> {
        let (process, output) = Process::start(program, &Task::Serve(serve.clone()).arguments())?;
        let (sender, line) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            // Whoever waits may have given up.
            let _ = sender.send(lines.next());
            // What it says later is read, lest it waits for that.
            lines.for_each(drop);
        });
        let line = match line.recv_timeout(START_TIMEOUT) {
            Ok(Some(Ok(line))) => line,
            Ok(_) => return Err(process.failed("ended before it served")),
            Err(_) => return Err(process.failed("does not serve")),
        };
        match line.strip_prefix("listening on ").and_then(|address| address.parse().ok()) {
            Some(address) => Ok(ServerProcess { process: Some(process), address }),
            None => Err(process.failed(&format!("said '{line}'"))),
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, |process| process.child.id())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a client against it, and waits for its report.
    pub fn measure(&mut self, program: &Path, load: Load) -> Result<Report, Failure> {
        let load = Load { address: self.address(), server_pid: self.pid(), ..load };
        let span = load.warm_up + load.measured;
        let client = CallerProcess::start(program, &Task::Call(load).arguments())?;
        client.report(span).map_err(|failure| self.blame(failure))
    }

    /// If the server has died, it is to blame for the failure of its caller.
    pub fn blame(&mut self, caller: Failure) -> Failure {
        let died = self.process.as_mut().and_then(|process| process.child.try_wait().ok().flatten());
        match (died, self.process.take()) {
            (Some(status), Some(process)) => format!("{}\n{caller}", process.failed(&status.to_string())).into(),
            (_, process) => {
                self.process = process;
                caller
            }
        }
    }
}

/// A caller, which prints a report as JSON and ends.
pub struct CallerProcess {
    process: Process,
    text: Receiver<std::io::Result<String>>,
}

impl CallerProcess {
    /// Starts it.
    pub fn start(program: &Path, arguments: &[String]) -> Result<CallerProcess, Failure> {
        let (process, mut output) = Process::start(program, arguments)?;
        let (sender, text) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = output.read_to_string(&mut text).map(|_| text);
            // Whoever waits may have given up.
            let _ = sender.send(read);
        });
        Ok(CallerProcess { process, text })
    }

    /// Waits for its report, which is to come half a minute after `span` at the latest.
    pub fn report<R: DeserializeOwned>(self, span: Duration) -> Result<R, Failure> {
        let Ok(text) = self.text.recv_timeout(span + CALLER_TIMEOUT) else {
            return Err(self.process.failed("hangs"));
        };
        match serde_json::from_str(text?.trim()) {
            Ok(report) => Ok(report),
            Err(_) => Err(self.process.failed("ended without a report")),
        }
    }
}

/// The end of what a process says on its way out.
fn last_words(errors: ChildStderr) -> String {
    let mut last = Vec::new();
    for line in BufReader::new(errors).lines().map_while(Result::ok) {
        if last.len() == LINES_KEPT {
            last.remove(0);
        }
        last.push(line);
    }
    last.join("\n")
}

const START_TIMEOUT: Duration = Duration::from_secs(10);
const CALLER_TIMEOUT: Duration = Duration::from_secs(30);
const LINES_KEPT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_dies_is_reported_with_what_it_said() {
        let failure = ServerProcess::start(Path::new("/bin/ls"), &Serve::new("none")).err().unwrap().to_string();
        assert!(failure.contains("ended before it served"), "{failure}");
        assert!(failure.contains("--serve"), "{failure}");
    }
}
