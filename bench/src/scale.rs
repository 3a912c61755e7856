//! `scale`: measures the cost of scale with a separate program. That program needs internals of mprpc that users cannot
//! access, while the systems compared with peers are built the way users build them.

use std::path::Path;
use std::process::Command;

use mprpc_bench_harness::{Failure, Machine};

use crate::systems::MANIFEST;

/// Builds that program and runs it with these arguments. Returns whether it succeeded.
pub(crate) fn run(arguments: impl Iterator<Item = String>) -> Result<bool, Failure> {
    let own = std::env::current_exe()?;
    let target = own.parent().and_then(Path::parent).ok_or("this program stands nowhere")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir"]);
    if !cargo.arg(target).args(["-p", "bench-scale"]).status()?.success() {
        return Err("bench-scale could not be built".into());
    }
    let machine = Machine::here().to_string();
    let status =
        Command::new(target.join("release/bench-scale")).args(["--machine", &machine]).args(arguments).status()?;
    Ok(status.success())
}
