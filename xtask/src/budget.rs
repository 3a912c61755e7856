//! `cargo xtask budget`: counts the crates that a hello world compiles, and compares the counts with those in the
//! repository. It reveals indirect new dependencies.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use super::say;

const CHECK: &str = "--check";
const HEADER: &str =
    "# Crates that the package `hello` compiles. Written by `cargo xtask budget`, compared by .ci/run.\n";

/// Writes the budget file, or compares it with `--check`.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let check = match arguments {
        [] => false,
        [only] if only == CHECK => true,
        _ => return Err(format!("usage: cargo xtask budget [{CHECK}]")),
    };
    let counted = format!(
        "{HEADER}default-features = {}\nno-default-features = {}\n",
        crates(&[])?,
        crates(&["--no-default-features"])?
    );
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/hello/crates.budget");
    if !check {
        std::fs::write(&path, &counted).map_err(|error| format!("{}: {error}", path.display()))?;
        say(&counted);
        return Ok(ExitCode::SUCCESS);
    }
    let written = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    if written == counted {
        return Ok(ExitCode::SUCCESS);
    }
    Err(format!(
        "examples/hello/crates.budget says\n{written}\nand counted are\n{counted}\n\
         where that is meant, run `cargo xtask budget` and say why in the commit"
    ))
}

/// Counts the distinct packages that `hello` compiles: its own, run-time dependencies and build dependencies.
fn crates(features: &[&str]) -> Result<usize, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["tree", "--package", "hello", "--edges", "normal,build", "--prefix", "none", "--locked"])
        .args(features)
        .output()
        .map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !output.status.success() {
        return Err(format!("cargo tree failed:\n{}", String::from_utf8_lossy(&output.stderr)));
    }
    let lines = String::from_utf8_lossy(&output.stdout);
    let packages: BTreeSet<String> = lines.lines().map(|line| line.split(' ').take(2).collect()).collect();
    Ok(packages.len())
}
