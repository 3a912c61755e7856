//! A program as a child process: its output, its signals, its exit; and the folder that it works in.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub(crate) const USER_PROVIDER: &str = env!("CARGO_BIN_EXE_user_provider");
pub(crate) const USER_CALLER: &str = env!("CARGO_BIN_EXE_user_caller");
pub(crate) const FRIEND_PROVIDER: &str = env!("CARGO_BIN_EXE_friend_provider");
pub(crate) const FRIEND_CALLER: &str = env!("CARGO_BIN_EXE_friend_caller");

/// How long a step may take before its test fails. It is far more than any step needs, so that busy machines pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// A running program. Dropping it kills the process.
pub(crate) struct Program {
    pub(crate) process: Child,
    lines: Receiver<String>,
    log: File,
}

impl Program {
    /// Starts `binary` with these arguments, which are separated by spaces.
    pub(crate) fn start(binary: &str, arguments: &str) -> Program {
        let log = tempfile::tempfile().unwrap();
        let mut process = Command::new(binary)
            .args(arguments.split_whitespace())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log.try_clone().unwrap())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Program { process, lines, log }
    }

    /// Starts a provider, and returns it with its listening address.
    pub(crate) fn provider(binary: &str, arguments: &str) -> (Program, String) {
        let program = Program::start(binary, arguments);
        let address = program.line_after("listening on ");
        (program, address)
    }

    /// Starts a provider, and returns it with its address once it has registered.
    pub(crate) fn registered(binary: &str, arguments: &str) -> (Program, String) {
        let (program, address) = Program::provider(binary, arguments);
        program.line_after("registered in ");
        (program, address)
    }

    /// Returns the next line that the program prints.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("no line of output; the log: {}", self.log()))
    }

    /// Returns the rest of the next line, which must start with `beginning`.
    pub(crate) fn line_after(&self, beginning: &str) -> String {
        let line = self.line();
        line.strip_prefix(beginning).unwrap_or_else(|| panic!("not '{beginning}': {line}")).to_owned()
    }

    /// Returns what the program has logged so far.
    pub(crate) fn log(&self) -> String {
        let (mut file, mut text) = (self.log.try_clone().unwrap(), String::new());
        file.rewind().unwrap();
        file.read_to_string(&mut text).unwrap();
        text
    }

    pub(crate) fn terminate(&self) {
        kill_process(Pid::from_child(&self.process), Signal::TERM).unwrap();
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.process.try_wait().unwrap().is_none()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a program to its end. Returns whether it exited with 0, and its output followed by its errors.
pub(crate) fn run(binary: &str, arguments: &str) -> (bool, String) {
    let Output { status, stdout, stderr } =
        Command::new(binary).args(arguments.split_whitespace()).stdin(Stdio::null()).output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

/// Waits until `is` returns true.
pub(crate) fn eventually(what: &str, mut is: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is() {
        assert!(begin.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A folder for one test. Dropping it removes the folder.
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The flag that names a registry in this folder.
    pub(crate) fn registry(&self) -> String {
        format!("--registry=file:{}", self.path("registry").display())
    }

    /// Writes a conf file, and returns the `-i` flag for it.
    pub(crate) fn conf(&self, text: &str) -> String {
        let path = self.path("test.conf");
        std::fs::write(&path, text).unwrap();
        format!("-i {}", path.display())
    }
}
