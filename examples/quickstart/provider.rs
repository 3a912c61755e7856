//! A provider of the quickstart: the code of its process, and the handle that starts and kills it.

use std::io::{self, BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

use mprpc::{Config, Server};
use mprpc_examples::friend::Friends;
use mprpc_examples::proto::{FriendServiceRpcServer, UserServiceRpcServer};
use mprpc_examples::user::{Accounts, Users};

/// The first argument of a provider process.
pub(crate) const ROLE: &str = "provider";

/// Runs the provider: serves both services on a free port, with the demo accounts, until the process is killed.
pub(crate) fn run(registry: &str, store: &str) -> Result<(), mprpc::Error> {
    // Nobody writes to the standard input. It closes when the quickstart ends for any reason, and then this process exits
    // too.
    std::thread::spawn(|| {
        let _ = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(0);
    });
    let accounts = Accounts::open(Some(store))?;
    accounts.add_demo()?;
    let config = Config { registry: Some(registry.to_owned()), ..Config::default() };
    Server::new(&config)
        .add(UserServiceRpcServer::new(Users::new(accounts)))
        .add(FriendServiceRpcServer::new(Friends { demo: true }))
        .run()
}

/// A running provider. Dropping it kills the process.
pub(crate) struct Provider {
    /// The listening address.
    pub(crate) address: String,
    process: Child,
}

impl Provider {
    /// Starts a provider, and returns once callers can find it.
    pub(crate) fn start(registry: &str, store: &str) -> io::Result<Provider> {
        let mut process = Command::new(std::env::current_exe()?)
            .args([ROLE, registry, store])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let stdout = process.stdout.take();
        let mut provider = Provider { address: String::new(), process };
        let mut output = BufReader::new(stdout.ok_or(io::ErrorKind::BrokenPipe)?);
        provider.address = line_after("listening on ", &mut output)?;
        line_after("registered in ", &mut output)?;
        Ok(provider)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Kills the process with SIGKILL, so that it cannot deregister, and returns once the process is gone.
    pub(crate) fn kill(&mut self) -> io::Result<()> {
        self.process.kill()?;
        self.process.wait().map(drop)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.kill();
    }
}

/// Reads a line that starts with `beginning`, and returns the rest of it.
fn line_after(beginning: &str, output: &mut BufReader<ChildStdout>) -> io::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    let rest = line.trim_end().strip_prefix(beginning).map(str::to_owned);
    rest.ok_or_else(|| io::Error::other(format!("the provider said '{}', not '{beginning}'", line.trim_end())))
}
