//! A program of another implementation that a test talks to by lines: a script in Python or JavaScript.
//!
//! `cargo xtask test` installs the languages and their packages.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// A running program. Dropping it closes its input, at which every script ends, and waits for its end.
pub(crate) struct Peer {
    name: String,
    process: Child,
    input: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Peer {
    /// Starts a script in Python, whose path is relative to the folder of the repository.
    pub(crate) fn python(script: &str, arguments: &[&str]) -> Peer {
        Peer::start(Command::new(python()).arg(root().join(script)).args(arguments))
    }

    /// Starts a script in JavaScript, whose path is relative to the folder of the repository. The script finds the packages
    /// of `mprpc/tests/node/package.json`.
    pub(crate) fn node(script: &str, arguments: &[&str]) -> Peer {
        let mut command = Command::new("node");
        command.env("NODE_PATH", node_modules());
        Peer::start(command.arg(root().join(script)).args(arguments))
    }

    /// Starts any program.
    pub(crate) fn start(command: &mut Command) -> Peer {
        let name = format!("{command:?}");
        let started = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut process = started.unwrap_or_else(|error| panic!("{name}: {error}\n{HELP}"));
        let output = BufReader::new(process.stdout.take().expect("it is piped"));
        let (sender, lines) = channel();
        std::thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Peer { name, input: process.stdin.take(), process, lines }
    }

    /// Sends a line to the program.
    pub(crate) fn say(&mut self, line: &str) {
        let input = self.input.as_mut().expect("only `end` and `drop` close it");
        writeln!(input, "{line}").unwrap_or_else(|error| panic!("{}: {error}\n{HELP}", self.name));
    }

    /// Returns the next line that the program prints.
    pub(crate) fn line(&self) -> String {
        let line = self.lines.recv_timeout(PATIENCE);
        line.unwrap_or_else(|_| panic!("{} printed no line and its error is above\n{HELP}", self.name))
    }

    /// Closes the input of the program. Returns the lines that are left once the program has ended well.
    pub(crate) fn end(mut self) -> Vec<String> {
        drop(self.input.take());
        let (mut lines, end) = (Vec::new(), Instant::now() + PATIENCE);
        while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            lines.push(line);
        }
        let has_succeeded = self.wait();
        assert!(has_succeeded, "{} has failed after {lines:?}; its error is above\n{HELP}", self.name);
        lines
    }

    /// Waits until the program has ended, and kills it if it does not end. Returns whether it succeeded.
    fn wait(&mut self) -> bool {
        let end = Instant::now() + PATIENCE_AT_THE_END;
        loop {
            match self.process.try_wait() {
                Ok(Some(status)) => return status.success(),
                Ok(None) if Instant::now() < end => std::thread::sleep(Duration::from_millis(2)),
                _ => break,
            }
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
        false
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        drop(self.input.take());
        self.wait();
    }
}

/// The Python of the tests: `MPRPC_TEST_PYTHON`, or the one that `cargo xtask test` makes.
pub(crate) fn python() -> PathBuf {
    let python = std::env::var_os("MPRPC_TEST_PYTHON").map(PathBuf::from);
    existing(python.unwrap_or_else(|| root().join("target/test-python/bin/python3")))
}

/// The packages for JavaScript that `cargo xtask test` installs.
pub(crate) fn node_modules() -> PathBuf {
    existing(root().join("target/test-node/node_modules"))
}

/// The folder of the repository.
pub(crate) fn root() -> PathBuf {
    let mut folders = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors();
    folders.find(|folder| folder.join("Cargo.lock").exists()).expect("the workspace has one").to_owned()
}

fn existing(path: PathBuf) -> PathBuf {
    assert!(path.exists(), "{} is missing\n{HELP}", path.display());
    path
}

pub(crate) const HELP: &str =
    "run cargo xtask test: it installs what the tests need; MPRPC_TEST_PYTHON names another Python";
/// How long a step may take before its test fails. It is far more than any step needs, so that busy machines pass.
const PATIENCE: Duration = Duration::from_secs(40);
const PATIENCE_AT_THE_END: Duration = Duration::from_secs(10);
