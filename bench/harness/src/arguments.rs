//! The command line of a measured program: written by the tool, read by the program.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Shape;

/// What a program is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `--serve`: be the server, until killed.
    Serve(Serve),
    /// `--call`: be the client, and print a report.
    Call(Load),
}

/// What a server is started with.
#[derive(Clone, Debug, PartialEq)]
pub struct Serve {
    /// The name of what serves.
    pub system: String,
    /// What its clients will do.
    pub kind: Kind,
    /// The core it stays on.
    pub pin: Option<usize>,
    /// How long its handlers compute, to microseconds.
    pub spin: Duration,
}

/// What a client does, for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The name of what calls.
    pub system: String,
    /// Where the server listens.
    pub address: SocketAddr,
    /// The server's process.
    pub server_pid: u32,
    /// What is called.
    pub kind: Kind,
    /// Connections and callers.
    pub shape: Shape,
    /// Bytes of a message.
    pub payload: usize,
    /// Not measured, at the beginning.
    pub warm_up: Duration,
    /// Measured.
    pub measured: Duration,
    /// Calls a second, over all connections: the open loop. `None`: the closed loop, each caller as fast as it can.
    pub rate: Option<f64>,
    /// The core it stays on.
    pub pin: Option<usize>,
    /// How many threads, and how they share the connections.
    pub threads: Threads,
    /// Whether system calls are counted, by `perf`, which slows both ends a little.
    pub count_syscalls: bool,
}

/// What is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message there, the same back.
    Unary,
    /// One stream of messages there.
    ClientStream,
    /// One stream of messages back.
    ServerStream,
    /// One stream there, and each message back.
    Bidi,
    /// One message there, the same back, over a connection that is opened for it and closed after it.
    Connect,
}

/// How many threads a client has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Threads {
    /// What systems are best with, for the shape.
    Best,
    /// Loops of one thread each, a share of the connections on each.
    Loops(usize),
    /// A runtime of several threads that share all connections, one thread for each core.
    Shared,
}

impl Command {
    /// The arguments that make a program do it; [`Command::parse`] reads them.
    pub fn arguments(&self) -> Vec<String> {
        match self {
            Command::Serve(serve) => {
                let mut arguments = vec!["--serve".to_owned(), serve.system.clone()];
                arguments.extend(["--kind".to_owned(), serve.kind.name().to_owned()]);
                arguments.extend(serve.pin.iter().flat_map(|core| ["--pin".to_owned(), core.to_string()]));
                if !serve.spin.is_zero() {
                    arguments.extend(["--spin".to_owned(), serve.spin.as_micros().to_string()]);
                }
                arguments
            }
            Command::Call(load) => load.arguments(),
        }
    }

    /// Reads what [`Command::arguments`] wrote. The error is for a person.
    pub fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Command, String> {
        let mut arguments = arguments.into_iter();
        let mode = arguments.next().unwrap_or_default();
        let system = arguments.next().ok_or("usage: PROGRAM --serve|--call SYSTEM [OPTIONS]")?;
        let (mut load, mut spin) = (Load::new(&system), Duration::ZERO);
        while let Some(option) = arguments.next() {
            if option == "--count-syscalls" {
                load.count_syscalls = true;
                continue;
            }
            let value = arguments.next().ok_or_else(|| format!("{option} has no value"))?;
            match option.as_str() {
                "--spin" => spin = Duration::from_micros(number(&option, &value)?),
                _ => load.set(&option, &value)?,
            }
        }
        match mode.as_str() {
            "--serve" => Ok(Command::Serve(Serve { system, kind: load.kind, pin: load.pin, spin })),
            "--call" if load.address.port() != 0 => Ok(Command::Call(load)),
            "--call" => Err("--call needs --address".to_owned()),
            _ => Err(format!("'{mode}' is neither --serve nor --call")),
        }
    }
}

impl Serve {
    /// A server of unary calls that answer at once, on any core.
    pub fn new(system: &str) -> Serve {
        Serve { system: system.to_owned(), kind: Kind::Unary, pin: None, spin: Duration::ZERO }
    }
}

impl Load {
    /// A second of 1x1 with 32 bytes, to nowhere yet.
    pub fn new(system: &str) -> Load {
        Load {
            system: system.to_owned(),
            address: ([127, 0, 0, 1], 0).into(),
            server_pid: 0,
            kind: Kind::Unary,
            shape: Shape { connections: 1, callers: 1 },
            payload: 32,
            warm_up: Duration::from_millis(300),
            measured: Duration::from_secs(1),
            rate: None,
            pin: None,
            threads: Threads::Best,
            count_syscalls: false,
        }
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["--call".to_owned(), self.system.clone()];
        let mut option = |name: &str, value: String| arguments.extend([name.to_owned(), value]);
        option("--address", self.address.to_string());
        option("--server-pid", self.server_pid.to_string());
        option("--kind", self.kind.name().to_owned());
        option("--shape", self.shape.to_string());
        option("--payload", self.payload.to_string());
        option("--warm-up-ms", self.warm_up.as_millis().to_string());
        option("--measured-ms", self.measured.as_millis().to_string());
        option("--threads", self.threads.name());
        if let Some(rate) = self.rate {
            option("--rate", rate.to_string());
        }
        if let Some(core) = self.pin {
            option("--pin", core.to_string());
        }
        if self.count_syscalls {
            arguments.push("--count-syscalls".to_owned());
        }
        arguments
    }

    fn set(&mut self, option: &str, value: &str) -> Result<(), String> {
        match option {
            "--address" => self.address = number(option, value)?,
            "--server-pid" => self.server_pid = number(option, value)?,
            "--kind" => self.kind = Kind::parse(value)?,
            "--shape" => self.shape = value.parse()?,
            "--payload" => self.payload = number(option, value)?,
            "--warm-up-ms" => self.warm_up = Duration::from_millis(number(option, value)?),
            "--measured-ms" => self.measured = Duration::from_millis(number(option, value)?),
            "--threads" => self.threads = Threads::parse(value)?,
            "--rate" => self.rate = Some(number(option, value)?),
            "--pin" => self.pin = Some(number(option, value)?),
            _ => return Err(format!("unknown option {option}")),
        }
        Ok(())
    }
}

impl Kind {
    const ALL: [Kind; 5] = [Kind::Unary, Kind::ClientStream, Kind::ServerStream, Kind::Bidi, Kind::Connect];

    /// As it stands on command lines and in results.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Unary => "unary",
            Kind::ClientStream => "client-stream",
            Kind::ServerStream => "server-stream",
            Kind::Bidi => "bidi",
            Kind::Connect => "connect",
        }
    }

    fn parse(text: &str) -> Result<Kind, String> {
        let kind = Kind::ALL.into_iter().find(|kind| kind.name() == text);
        kind.ok_or_else(|| format!("'{text}' is no kind of call"))
    }
}

impl Threads {
    fn name(self) -> String {
        match self {
            Threads::Best => "best".to_owned(),
            Threads::Loops(count) => count.to_string(),
            Threads::Shared => "shared".to_owned(),
        }
    }

    fn parse(text: &str) -> Result<Threads, String> {
        match (text, text.parse()) {
            ("best", _) => Ok(Threads::Best),
            ("shared", _) => Ok(Threads::Shared),
            (_, Ok(count)) if count > 0 => Ok(Threads::Loops(count)),
            _ => Err(format!("--threads is best, shared or a number of loops, not '{text}'")),
        }
    }
}

fn number<T: std::str::FromStr>(option: &str, value: &str) -> Result<T, String> {
    value.parse().map_err(|_| format!("{option} '{value}' cannot be read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_is_read_as_it_was_written() {
        let mut load = Load::new("raw");
        load.address = ([127, 0, 0, 1], 80).into();
        (load.kind, load.rate, load.pin, load.threads) = (Kind::Bidi, Some(12.5), Some(1), Threads::Loops(3));
        load.shape = "8x16".parse().unwrap();
        load.count_syscalls = true;
        let command = Command::Call(load);
        assert_eq!(Command::parse(command.arguments()), Ok(command));
    }

    #[test]
    fn a_server_is_read_as_it_was_written() {
        let command = Command::Serve(Serve {
            kind: Kind::Connect,
            pin: Some(0),
            spin: Duration::from_micros(10),
            ..Serve::new("raw")
        });
        assert_eq!(Command::parse(command.arguments()), Ok(command));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let parse = |line: &str| Command::parse(line.split(' ').map(str::to_owned)).unwrap_err();
        assert!(parse("--call raw --speed 3").contains("--speed"));
        assert!(parse("--call raw --shape 8").contains("'8'"));
        assert!(parse("--call raw --shape 0x1").contains("'0x1'"));
        assert!(parse("--call raw --pin").contains("--pin has no value"));
        assert!(parse("--call raw").contains("--address"));
        assert!(parse("--sing raw").contains("--sing"));
    }
}
