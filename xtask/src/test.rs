//! `cargo xtask test`: makes sure that ZooKeeper, Java, etcd, and the programs that tests talk to are installed, then runs every
//! test. The tests themselves start and stop the servers.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use super::{apt, clients, python, say};

/// Runs `cargo test --workspace` with these extra arguments, prints the sum over all test programs, and exits with the same
/// status.
pub(super) fn run(arguments: Vec<OsString>) -> Result<ExitCode, String> {
    if std::env::var_os(ADDRESS_VARIABLE).is_some() {
        say(&format!("{ADDRESS_VARIABLE} is set: nothing is installed"));
    } else if !missing().is_empty() {
        apt::install(&PACKAGES, "the tests need ZooKeeper 3.8 and Java", missing, BY_HAND)?;
    }
    if !missing_etcd().is_empty() {
        apt::install(&["etcd-server"], "the tests need etcd 3.4", missing_etcd, ETCD_BY_HAND)?;
    }
    python::prepare()?;
    clients::prepare()?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["test", "--workspace"]).args(arguments).stdout(Stdio::piped());
    let mut child = command.spawn().map_err(|error| format!("cargo cannot be started: {error}"))?;
    let output = child.stdout.take().ok_or("cargo has no output")?;
    let sum = pass_through(BufReader::new(output))?;
    let status = child.wait().map_err(|error| format!("cargo was lost: {error}"))?;
    print_line(&format!("{} passed, {} failed, {} skipped", sum[0], sum[1], sum[2]));
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints every line as it arrives, and sums up passed, failed and ignored tests.
fn pass_through(output: impl BufRead) -> Result<[u64; 3], String> {
    let mut sum = [0; 3];
    for line in output.lines() {
        let line = line.map_err(|error| format!("cargo's output: {error}"))?;
        if line.starts_with("test result: ") {
            let counts = line.split(['.', ';']).filter_map(|part| part.trim().split_once(' '));
            for (count, what) in counts {
                let place = ["passed", "failed", "ignored"].iter().position(|name| *name == what);
                if let (Some(place), Ok(count)) = (place, count.parse::<u64>()) {
                    sum[place] += count;
                }
            }
        }
        print_line(&line);
    }
    Ok(sum)
}

#[allow(clippy::print_stdout, reason = "the output of the tests is passed through")]
fn print_line(line: &str) {
    println!("{line}");
}

/// What the tests need and this machine lacks.
fn missing() -> Vec<&'static str> {
    let mut missing: Vec<_> = JARS.into_iter().filter(|jar| !Path::new(jar).exists()).collect();
    let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !java.is_ok_and(|status| status.success()) {
        missing.push("java");
    }
    missing
}

fn missing_etcd() -> Vec<&'static str> {
    let etcd = Command::new("etcd").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if etcd.is_ok_and(|status| status.success()) { Vec::new() } else { vec!["etcd"] }
}

const ADDRESS_VARIABLE: &str = "MPRPC_TEST_ZOOKEEPER";
const PACKAGES: [&str; 2] = ["zookeeper", "default-jre-headless"];
/// The files by which to recognise Debian's package. The tests name the rest of its class path.
const JARS: [&str; 3] = ["/etc/zookeeper/conf", "/usr/share/java/zookeeper.jar", "/usr/share/java/zookeeper-jute.jar"];
const ETCD_BY_HAND: &str = "\
On Debian and its kin install the package etcd-server by hand. Elsewhere put the program `etcd`, 3.4 or newer, on the PATH.";
const BY_HAND: &str = "\
On Debian and its kin install the packages zookeeper and default-jre-headless by hand. Elsewhere start a ZooKeeper 3.6
or newer and set MPRPC_TEST_ZOOKEEPER=host:port; the tests that restart the server then need Debian's package still.";
