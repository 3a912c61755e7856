//! The command line of a measured program. The tool writes it, and the program reads it.

use std::net::SocketAddr;
use std::time::Duration;

use crate::Shape;

/// The command of a program.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// `--serve`: run the server until killed.
    Serve(Serve),
    /// `--call`: run the client, and print a report.
    Call(Load),
}

/// The arguments of a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Serve {
    /// The name of the serving system.
    pub system: String,
    /// The kind of calls that its clients make.
    pub kind: Kind,
    /// The core to which the server is pinned.
    pub pin: Option<usize>,
    /// How long the handlers compute, in whole microseconds.
    pub spin: Duration,
}

/// The load of a client: what it calls, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// The name of the calling system.
    pub system: String,
    /// The address of the server.
    pub address: SocketAddr,
    /// The process id of the server.
    pub server_pid: u32,
    /// The kind of calls.
    pub kind: Kind,
    /// The numbers of connections and callers.
    pub shape: Shape,
    /// Size of a message in bytes.
    pub payload: usize,
    /// The warm-up at the beginning, which is not measured.
    pub warm_up: Duration,
    /// The measured span.
    pub measured: Duration,
    /// Calls a second over all connections: the open loop. `None` is the closed loop, in which each caller calls as fast as
    /// it can.
    pub rate: Option<f64>,
    /// The core to which the client is pinned.
    pub pin: Option<usize>,
    /// The number of threads, and how they share the connections.
    pub threads: Threads,
    /// Whether `perf` counts system calls, which slows both ends a little.
    pub count_syscalls: bool,
}

/// The kind of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// One message to the server, and the same message back.
    Unary,
    /// One stream of messages to the server.
    ClientStream,
    /// One stream of messages to the client.
    ServerStream,
    /// One stream to the server, and each message back.
    Bidi,
    /// One message to the server and the same message back, over a connection that is opened for the call and closed after
    /// it.
    Connect,
}

/// The threads of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Threads {
    /// The choice that suits the systems best for the shape.
    Best,
    /// Event loops of one thread each, with a share of the connections on each.
    Loops(usize),
    /// A multi-threaded runtime with one thread for each core; all threads share all connections.
    Shared,
}

impl Command {
    /// The command as program arguments, for [`Command::parse`].
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

    /// Parses what [`Command::arguments`] wrote. The error is text for people.
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
    /// A server of unary calls that answers at once, on any core.
    pub fn new(system: &str) -> Serve {
        Serve { system: system.to_owned(), kind: Kind::Unary, pin: None, spin: Duration::ZERO }
    }
}

impl Load {
    /// A load of one second, 1x1, 32 bytes. The address is not set yet.
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

    /// The name on command lines and in results.
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
    fn load_survives_a_round_trip_through_arguments() {
        let mut load = Load::new("raw");
        load.address = ([127, 0, 0, 1], 80).into();
        (load.kind, load.rate, load.pin, load.threads) = (Kind::Bidi, Some(12.5), Some(1), Threads::Loops(3));
        load.shape = "8x16".parse().unwrap();
        load.count_syscalls = true;
        let command = Command::Call(load);
        assert_eq!(Command::parse(command.arguments()), Ok(command));
    }

    #[test]
    fn serve_survives_a_round_trip_through_arguments() {
        let command = Command::Serve(Serve {
            kind: Kind::Connect,
            pin: Some(0),
            spin: Duration::from_micros(10),
            ..Serve::new("raw")
        });
        assert_eq!(Command::parse(command.arguments()), Ok(command));
    }

    #[test]
    fn parse_error_names_the_bad_argument() {
        let parse = |line: &str| Command::parse(line.split(' ').map(str::to_owned)).unwrap_err();
        assert!(parse("--call raw --speed 3").contains("--speed"));
        assert!(parse("--call raw --shape 8").contains("'8'"));
        assert!(parse("--call raw --shape 0x1").contains("'0x1'"));
        assert!(parse("--call raw --pin").contains("--pin has no value"));
        assert!(parse("--call raw").contains("--address"));
        assert!(parse("--sing raw").contains("--sing"));
    }
}
