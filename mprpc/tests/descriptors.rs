//! Tests a provider that runs out of file descriptors: it pauses, logs this, and serves again when descriptors are free.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

#[path = "support/echo.rs"]
mod echo;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use echo::Echo;
use mprpc::Server;
use rustix::process::{Resource, Rlimit, setrlimit};

/// The environment variable that makes this program the provider.
const PROVIDER: &str = "MPRPC_TEST_PROVIDER_WITH_FEW_DESCRIPTORS";
const DESCRIPTORS: u64 = 40;

/// A running provider. Stopped when dropped, so that it also stops when the test fails.
struct Provider(Child);

impl Drop for Provider {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Runs the provider if this program was started as one.
#[test]
fn provider() {
    if std::env::var_os(PROVIDER).is_none() {
        return;
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(DESCRIPTORS), maximum: Some(DESCRIPTORS) }).unwrap();
    Server { loops: 1, ..Server::default() }.add(Echo).run().unwrap();
}

#[test]
fn provider_out_of_descriptors_pauses_and_serves_again() {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "provider", "--nocapture", "--test-threads=1"]).env(PROVIDER, "1");
    let mut provider = Provider(command.stdout(Stdio::piped()).spawn().unwrap());
    let lines = BufReader::new(provider.0.stdout.take().unwrap()).lines();
    let address =
        lines.map(Result::unwrap).find_map(|line| line.split_once("listening on ").map(|(_, at)| at.to_owned()));
    let address = address.unwrap();
    let held: Vec<TcpStream> = (0..2 * DESCRIPTORS).map(|_| TcpStream::connect(&address).unwrap()).collect();
    // The provider cannot accept the last connections, so they wait in the kernel. It still serves the first one.
    assert_eq!(classic_echo(&held[0]), b"ab");
    drop(held);
    assert_eq!(classic_echo(&TcpStream::connect(&address).unwrap()), b"ab");
    assert!(provider.0.try_wait().unwrap().is_none(), "the provider lives");
}

/// Sends a classic request to `Echo/Echo` with the arguments `ab`. Returns all bytes of the reply.
fn classic_echo(mut stream: &TcpStream) -> Vec<u8> {
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    stream.write_all(b"\x0e\0\0\0\x0a\x04Echo\x12\x04Echo\x18\x02ab").unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    reply
}
