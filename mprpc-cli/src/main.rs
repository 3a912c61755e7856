//! The command line `mprpc`: parses the arguments and returns the exit status. Each command has its own file.

mod gateway;
mod registry;
mod table;

use std::io::{self, Write};
use std::process::ExitCode;

use mprpc::Address;
use mprpc::discovery::{Target, WeightChange};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let failure = match parse(&words) {
        Ok(command) => match run(command) {
            Ok(()) => return ExitCode::SUCCESS,
            // The reader of the output has closed it.
            Err(Failure::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Err(failure) => failure,
        },
        Err(why) => Failure::Usage(why),
    };
    let (text, status) = match failure {
        Failure::Usage(why) => (format!("{why}\n\n{USAGE}"), EXIT_USAGE),
        Failure::Registry(error) => (error.to_string(), EXIT_FAILED),
        Failure::Output(error) => (format!("cannot write the output: {error}"), EXIT_FAILED),
    };
    // If standard error is closed too, only the exit status is left.
    let _ = writeln!(io::stderr(), "mprpc: {text}");
    ExitCode::from(status)
}

/// A parsed command.
#[derive(Debug, PartialEq, Eq)]
enum Command {
    Help,
    Version,
    List(Target),
    Watch(Target, Option<String>),
    Change(Target, Address, WeightChange),
    /// The words that follow.
    Gateway(Vec<String>),
}

/// The failure of a command.
enum Failure {
    Usage(String),
    Registry(mprpc::Error),
    Output(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Output(error)
    }
}

impl From<mprpc::Error> for Failure {
    fn from(error: mprpc::Error) -> Failure {
        Failure::Registry(error)
    }
}

/// Parses the arguments after the program's name. The error says what is wrong with them.
fn parse(words: &[&str]) -> Result<Command, String> {
    let target = |url: &str| url.parse::<Target>().map_err(|error| error.to_string());
    match words {
        ["--help" | "-h" | "help"] => Ok(Command::Help),
        ["--version" | "-V"] => Ok(Command::Version),
        ["gateway", "--help" | "-h"] => Ok(Command::Help),
        ["gateway", words @ ..] => Ok(Command::Gateway(words.iter().map(|word| (*word).to_owned()).collect())),
        ["registry", "ls", url] => Ok(Command::List(target(url)?)),
        ["registry", "watch", url] => Ok(Command::Watch(target(url)?, None)),
        ["registry", "watch", url, service] => Ok(Command::Watch(target(url)?, Some((*service).into()))),
        ["registry", "drain", url, address] => Ok(Command::Change(target(url)?, address.parse()?, WeightChange::Drain)),
        ["registry", "undrain", url, address] => {
            Ok(Command::Change(target(url)?, address.parse()?, WeightChange::Undrain))
        }
        ["registry", "weight", url, address, weight] => {
            let weight = weight.parse().map_err(|_| format!("'{weight}' is no weight: a number from 0"))?;
            Ok(Command::Change(target(url)?, address.parse()?, WeightChange::Set(weight)))
        }
        ["registry", "drain" | "undrain", _] => Err("it is not said which provider: the ADDRESS is missing".into()),
        ["registry", "weight", _] | ["registry", "weight", _, _] => {
            Err("it is not said which provider, or which weight: URL ADDRESS WEIGHT".into())
        }
        ["registry", "ls" | "watch" | "drain" | "undrain" | "weight"] => {
            Err("it is not said which registry: the URL is missing".into())
        }
        ["registry", "ls", _, extra, ..]
        | ["registry", "watch" | "drain" | "undrain", _, _, extra, ..]
        | ["registry", "weight", _, _, _, extra, ..] => Err(format!("'{extra}' is one word too many")),
        ["registry", other, ..] => Err(format!("there is no command 'registry {other}'")),
        ["registry"] => Err("registry does what? ls, watch, drain, undrain or weight".into()),
        [other, ..] => Err(format!("there is no command '{other}'")),
        [] => Err("a command is missing".into()),
    }
}

fn run(command: Command) -> Result<(), Failure> {
    let mut out = io::stdout();
    match command {
        Command::Help => Ok(writeln!(out, "{USAGE}")?),
        Command::Version => Ok(writeln!(out, "mprpc {}", env!("CARGO_PKG_VERSION"))?),
        Command::List(target) => on_runtime(registry::list(&target, &mut out)),
        Command::Change(target, address, change) => on_runtime(registry::change(&target, &address, change, &mut out)),
        Command::Watch(target, Some(service)) => on_runtime(registry::watch_service(&target, &service, &mut out)),
        Command::Gateway(words) => on_runtime(gateway::run(&words, &mut out)),
        Command::Watch(target, None) => on_runtime(registry::watch_all(&target, &mut out)),
    }
}

fn on_runtime(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let no_runtime = |error| mprpc::Error::with_source(mprpc::ErrorKind::System, "no event loop can be had", error);
    runtime.map_err(no_runtime)?.block_on(work)
}

/// The exit status of a failed command.
const EXIT_FAILED: u8 = 1;
/// The exit status for invalid arguments.
const EXIT_USAGE: u8 = 2;
const USAGE: &str = "\
usage: mprpc registry ls URL                 the services in a registry and where they run
       mprpc registry watch URL [SERVICE]    a line for every change, until it is interrupted
       mprpc registry drain URL ADDRESS      callers send the provider at ADDRESS no new calls
       mprpc registry undrain URL ADDRESS    the provider gets calls again, with the weight that it had
       mprpc registry weight URL ADDRESS N   the provider gets N shares of the calls; others have 100
       mprpc gateway -r URL [FLAG]...        offers the services in a registry by gRPC, gRPC-Web, Connect and JSON
       mprpc --version

The flags of the gateway:
       --listen ADDRESS           where it listens [127.0.0.1:8080]
       --proto FILE               the .proto file of services whose providers answer no reflection; may be repeated
       --include FOLDER           where the imports of these files are
       --descriptor-set FILE      their descriptors, as protoc --descriptor_set_out writes them; may be repeated
       --reflection true          whether tools may ask the gateway for the schemas that it knows
       --services-max N           the most services that are offered [1024]
       --schema-bytes-max N       the most bytes of .proto files that are kept [16777216]
       -i FILE, --KEY VALUE       a conf file, and every key of a server of mprpc: tls.*, cors.*, limits.*, log.*

URL is file:/folder, zookeeper://host:port,host:port/chroot, etcd://host:port,host:port/prefix,
dns:name:port, merge:URL+URL, list:host:port,host:port or an address.
SERVICE is a full name, fixbug.UserServiceRpc. The status is 0, or 1 where the registry cannot be read, or 2 for wrong
arguments.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_parsed() {
        let target: Target = "file:/run/mprpc".parse().unwrap();
        assert_eq!(parse(&["--version"]), Ok(Command::Version));
        assert_eq!(parse(&["gateway", "-r", "x"]), Ok(Command::Gateway(vec!["-r".into(), "x".into()])));
        assert_eq!(parse(&["registry", "ls", "file:/run/mprpc"]), Ok(Command::List(target.clone())));
        let watch = parse(&["registry", "watch", "file:/run/mprpc", "a.B"]);
        assert_eq!(watch, Ok(Command::Watch(target.clone(), Some("a.B".into()))));
        let weight = parse(&["registry", "weight", "file:/run/mprpc", "a:1", "70"]);
        assert_eq!(weight, Ok(Command::Change(target, "a:1".parse().unwrap(), WeightChange::Set(70))));
    }

    #[test]
    fn argument_errors_name_the_fault() {
        for (words, part) in [
            (&[][..], "a command is missing"),
            (&["regstry"], "'regstry'"),
            (&["registry"], "ls, watch, drain"),
            (&["registry", "drain", "file:/x"], "the ADDRESS is missing"),
            (&["registry", "drain", "file:/x", "nonsense"], "has no port"),
            (&["registry", "weight", "file:/x", "a:1"], "which weight"),
            (&["registry", "weight", "file:/x", "a:1", "heavy"], "'heavy' is no weight"),
            (&["registry", "undrain", "file:/x", "a:1", "more"], "'more'"),
            (&["registry", "rm", "x"], "'registry rm'"),
            (&["registry", "ls"], "the URL is missing"),
            (&["registry", "ls", "consul://x"], "allowed are"),
            (&["registry", "ls", "file:/x", "more"], "'more'"),
        ] {
            let why = parse(words).unwrap_err();
            assert!(why.contains(part), "{why}");
        }
    }
}
