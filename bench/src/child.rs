//! Server and client as processes: started, waited for with a bound, ended with whoever holds them.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStderr, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mprpc_bench_harness::{Command as Task, Failure, Load, Report, Serve};

/// A process that is killed when this is dropped.
struct Process {
    child: Child,
    what: String,
    errors: Option<JoinHandle<String>>,
}

impl Process {
    fn start(program: &Path, task: &Task) -> Result<(Process, ChildStdout), Failure> {
        let what = format!("{} {}", program.display(), task.arguments().join(" "));
        let mut command = Command::new(program);
        command.args(task.arguments()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
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
pub(crate) struct Server {
    process: Option<Process>,
    address: SocketAddr,
}

impl Server {
    /// Starts it, and waits until it says where it listens.
    pub(crate) fn start(program: &Path, serve: &Serve) -> Result<Server, Failure> {
        let (process, output) = Process::start(program, &Task::Serve(serve.clone()))?;
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
            Some(address) => Ok(Server { process: Some(process), address }),
            None => Err(process.failed(&format!("said '{line}'"))),
        }
    }

    /// Its process.
    pub(crate) fn pid(&self) -> u32 {
        self.process.as_ref().map_or(0, |process| process.child.id())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Runs a client against it, and waits for its report.
    pub(crate) fn measure(&mut self, program: &Path, load: Load) -> Result<Report, Failure> {
        let load = Load { address: self.address(), server_pid: self.pid(), ..load };
        let bound = load.warm_up + load.measured + CLIENT_TIMEOUT;
        let (client, mut output) = Process::start(program, &Task::Call(load))?;
        let (sender, text) = mpsc::channel();
        thread::spawn(move || {
            let mut text = String::new();
            let read = output.read_to_string(&mut text).map(|_| text);
            // Whoever waits may have given up.
            let _ = sender.send(read);
        });
        let Ok(text) = text.recv_timeout(bound) else {
            return Err(client.failed("hangs"));
        };
        match Report::from_line(text?.trim()) {
            Ok(report) => Ok(report),
            Err(_) => Err(self.blame(client.failed("ended without a report"))),
        }
    }

    /// If the server has died, it is to blame for the client's failure.
    fn blame(&mut self, client: Failure) -> Failure {
        let died = self.process.as_mut().and_then(|process| process.child.try_wait().ok().flatten());
        match (died, self.process.take()) {
            (Some(status), Some(process)) => format!("{}\n{client}", process.failed(&status.to_string())).into(),
            (_, process) => {
                self.process = process;
                client
            }
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
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);
const LINES_KEPT: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_dies_is_reported_with_what_it_said() {
        let serve = Serve { system: "none".into(), kind: mprpc_bench_harness::Kind::Unary, pin: None };
        let failure = Server::start(Path::new("/bin/ls"), &serve).err().unwrap().to_string();
        assert!(failure.contains("ended before it served"), "{failure}");
        assert!(failure.contains("--serve"), "{failure}");
    }
}
