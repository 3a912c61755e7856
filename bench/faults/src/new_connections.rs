//! Connections that are opened one after the other, each for one call. Nothing is tried twice, so nothing is hidden.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use mprpc_bench_harness::Failure;

/// A running opener of connections.
pub(crate) struct NewConnections {
    stop: Arc<AtomicBool>,
    opening: JoinHandle<Opened>,
}

/// What became of the connections.
#[derive(Default)]
pub(crate) struct Opened {
    answered: usize,
    refused: usize,
    /// They ended before the answer, or the answer was not the right one.
    lost: usize,
    first_loss: Option<String>,
}

impl NewConnections {
    /// Starts to open connections.
    pub(crate) fn start(address: &str) -> NewConnections {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, address) = (stop.clone(), address.to_owned());
        let opening = thread::spawn(move || {
            let mut opened = Opened::default();
            while !stopped.load(Ordering::Relaxed) {
                match call(&address) {
                    Ok(()) => opened.answered += 1,
                    Err(error) if error.kind() == ErrorKind::ConnectionRefused => opened.refused += 1,
                    Err(error) => {
                        opened.lost += 1;
                        opened.first_loss.get_or_insert(error.to_string());
                    }
                }
            }
            opened
        });
        NewConnections { stop, opening }
    }

    pub(crate) fn finish(self) -> Result<Opened, Failure> {
        self.stop.store(true, Ordering::Relaxed);
        Ok(self.opening.join().map_err(|_| "the opener of connections has panicked")?)
    }
}

/// Makes one call in JSON over a connection of its own.
fn call(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(ANSWER_TIMEOUT))?;
    stream.write_all(REQUEST.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    match answer.starts_with("HTTP/1.1 200 ") {
        true => Ok(()),
        false => Err(io::Error::new(ErrorKind::InvalidData, format!("the answer is {answer:?}"))),
    }
}

impl Opened {
    pub(crate) fn all_answered(&self) -> bool {
        self.answered > 0 && self.refused == 0 && self.lost == 0
    }
}

impl fmt::Display for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Opened { answered, refused, lost, first_loss } = self;
        write!(f, "{answered} answered, {refused} refused, {lost} lost")?;
        match first_loss {
            Some(why) => write!(f, " (the first: {why})"),
            None => Ok(()),
        }
    }
}

const REQUEST: &str = "POST /bench.FaultService/Write HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json\r\n\
                       content-length: 2\r\nconnection: close\r\n\r\n{}";
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
