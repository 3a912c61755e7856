//! The `main` of a measured program: finds the system, and runs its server or its client.

use std::fmt::Display;
use std::io::Write;
use std::process::ExitCode;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::{Command, Failure, Load, Report, Serve, pin};

/// Both ends of a system.
pub struct System {
    /// The name in results.
    pub name: &'static str,
    /// Serves until the process is killed. It reports the address with [`announce`].
    pub serve: fn(&Serve) -> Result<(), Failure>,
    /// Calls, and returns the measurement.
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

/// Runs a command. A client's threads still run when this returns, so the process must end then.
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

/// Makes the kernel kill this process when the tool that started it ends, so that a killed tool leaves no servers behind.
pub fn end_with_parent() -> Result<(), Failure> {
    Ok(set_parent_process_death_signal(Some(Signal::KILL))?)
}

/// Tells the tool the listening address.
pub fn announce(address: impl Display) {
    println!("listening on {address}");
    // The server serves even if nobody reads its output.
    let _ = std::io::stdout().flush();
}
