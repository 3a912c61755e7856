//! Server and caller as child processes. Every wait has a bound, and dropping the handle ends the process.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde::de::DeserializeOwned;

use crate::{Command as Task, Failure, Load, Report, Serve};

/// A child process. Dropping it kills the process.
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

    /// Kills the process, and returns a failure with its error output.
    fn failed(mut self, why: &str) -> Failure {
        self.end();
        let said = self.errors.take().and_then(|errors| errors.join().ok()).unwrap_or_default();
        format!("{}: {why}\n{}", self.what, said.trim_end()).into()
    }

    fn end(&mut self) {
        // The process may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.end();
    }
}

/// A server process. Dropping it kills the process.
pub struct ServerProcess {
    process: Option<Process>,
    address: SocketAddr,
}

impl ServerProcess {
    /// Starts a server, and waits until it prints its listening address.
    pub fn start(program: &Path, serve: &Serve) -> Result<ServerProcess, Failure> {
        let (process, output) = Process::start(program, &Task::Serve(serve.clone()).arguments())?;
        let (sender, line) = mpsc::channel();
        thread::spawn(move || {
            let mut lines = BufReader::new(output).lines();
            // The receiver may have given up.
            let _ = sender.send(lines.next());
            // Later output is read and dropped, so that the process does not block on a full pipe.
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

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, |process| process.child.id())
    }

    /// The listening address.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a client against this server, and waits for the client's report.
    pub fn measure(&mut self, program: &Path, load: Load) -> Result<Report, Failure> {
        let load = Load { address: self.address(), server_pid: self.pid(), ..load };
        let span = load.warm_up + load.measured;
        let client = CallerProcess::start(program, &Task::Call(load).arguments())?;
        client.report(span).map_err(|failure| self.blame(failure))
    }

    /// Returns the failure of the server if the server has died, otherwise that of the caller.
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

/// A caller process, which prints a report as JSON and ends.
pub struct CallerProcess {
    process: Process,
    text: Receiver<std::io::Result<String>>,
}

impl CallerProcess {
    /// Starts a caller.
    pub fn start(program: &Path, arguments: &[String]) -> Result<CallerProcess, Failure> {
        let (process, mut output) = Process::start(program, arguments)?;
        let (sender, text) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = output.read_to_string(&mut text).map(|_| text);
            // The receiver may have given up.
            let _ = sender.send(read);
        });
        Ok(CallerProcess { process, text })
    }

    /// Waits for the report, until at most half a minute after `span`.
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

/// Reads the end of a process's error output.
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
    fn dead_server_is_reported_with_its_error_output() {
        let failure = ServerProcess::start(Path::new("/bin/ls"), &Serve::new("none")).err().unwrap().to_string();
        assert!(failure.contains("ended before it served"), "{failure}");
        assert!(failure.contains("--serve"), "{failure}");
    }
}
