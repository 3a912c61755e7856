//! `scale`, `load` and `faults`: each is measured by a program of its own, built by itself. `scale` needs doors into mprpc that users
//! do not have, and what is compared with peers is to be built as users build it.

use std::path::Path;
use std::process::Command;

use mprpc_bench_harness::{Failure, Machine};

use crate::systems::{MANIFEST, Programs};

/// What a connection, a service and an endpoint more cost; whether it did well.
pub(crate) fn scale(arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let machine = ["--machine".to_owned(), Machine::here().to_string()];
    run("bench-scale", machine.into_iter().chain(arguments))
}

/// What a server does under load, with tonic and axum beside it; whether it did well.
pub(crate) fn load(arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let (_, not_built) = Programs::build(&["tonic", "axum"])?;
    for left_out in &not_built {
        eprintln!("{} could not be built: {}", left_out.peer, left_out.why);
    }
    run("mprpc-bench-load", arguments)
}

/// What callers see when a registry or a provider fails; whether it did well.
pub(crate) fn faults(arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    run("mprpc-bench-faults", arguments)
}

/// Builds the program of `package`, and runs it with these arguments.
fn run(package: &str, arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).ok_or("this program stands nowhere")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir"]);
    if !cargo.arg(target).args(["-p", package]).status()?.success() {
        return Err(format!("{package} could not be built").into());
    }
    let status = Command::new(target.join("release").join(package)).args(arguments).status()?;
    Ok(status.success())
}
