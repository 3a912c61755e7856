//! The `main` of a measured program: finds the system, and is its server or its client.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{Command, Failure, Load, Report, Serve, pin};

/// Both ends of a system.
pub struct System {
    /// As it stands in results.
    pub name: &'static str,
    /// Serves until the process is killed. Says where, by [`announce`].
    pub serve: fn(&Serve) -> Result<(), Failure>,
    /// Calls, and says what it measured.
    pub call: fn(&Load) -> Result<Report, Failure>,
}

/// The `main` of a program with these systems.
pub fn main(systems: &[System]) -> ExitCode {
    let done =
        Command::parse(std::env::args().skip(1)).map_err(Failure::from).and_then(|command| run(&command, systems));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{failure}");
            ExitCode::FAILURE
        }
    }
}

/// Does what the command says. A client's threads still run when this returns; the process is to end then.
pub fn run(command: &Command, systems: &[System]) -> Result<(), Failure> {
    end_with_parent()?;
    let (name, core) = match command {
        Command::Serve(serve) => (&serve.system, serve.pin),
        Command::Call(load) => (&load.system, load.pin),
    };
    let system = systems.iter().find(|system| system.name == *name);
    let system = system.ok_or_else(|| format!("there is no system '{name}' in this program"))?;
    if let Some(core) = core {
        pin(core).map_err(|error| format!("cannot stay on core {core}: {error}"))?;
    }
    match command {
        Command::Serve(serve) => (system.serve)(serve),
        Command::Call(load) => {
            println!("{}", (system.call)(load)?.to_line()?);
            Ok(())
        }
    }
}

/// Has the kernel end this process with the tool that started it, so that one that is killed leaves no servers behind.
pub fn end_with_parent() -> Result<(), Failure> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Tells the tool where a server listens.
pub fn announce(address: impl Display) {
    println!("listening on {address}");
    // Nobody to be told is no reason not to serve.
    let _ = std::io::stdout().flush();
}
