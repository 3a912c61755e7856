//! `cargo xtask test`: makes sure that ZooKeeper and Java are there, then runs every test. The tests themselves start
//! and stop the server.

use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use super::say;

/// Runs `cargo test --workspace` with these arguments after it, says the sum of all test programs, and ends as it ends.
pub(super) fn run(arguments: Vec<OsString>) -> Result<ExitCode, String> {
    if std::env::var_os(ADDRESS_VARIABLE).is_some() {
        say(&format!("{ADDRESS_VARIABLE} is set: nothing is installed"));
    } else if !missing().is_empty() {
        install()?;
    }
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

/// Prints every line as it comes, and sums what the test programs passed, failed and skipped.
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

/// What the tests need and this machine is without.
fn missing() -> Vec<&'static str> {
    let mut missing: Vec<_> = JARS.into_iter().filter(|jar| !Path::new(jar).exists()).collect();
    let java = Command::new("java").arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if !java.is_ok_and(|status| status.success()) {
        missing.push("java");
    }
    missing
}

fn install() -> Result<(), String> {
    let lacks = format!("the tests need ZooKeeper 3.8 and Java, and this machine is without {}", missing().join(", "));
    if !Path::new(APT_GET).exists() {
        return Err(format!("{lacks}\n{BY_HAND}"));
    }
    say(&format!("{lacks}; installing {}", PACKAGES.join(" ")));
    // The package lists of a fresh machine are empty or old: then the first try fails.
    let installed = apt_get(&install_arguments())? || apt_get(&["update"])? && apt_get(&install_arguments())?;
    if !installed {
        return Err(format!("apt-get could not install them\n{BY_HAND}"));
    }
    match missing()[..] {
        [] => Ok(()),
        ref still => Err(format!("apt-get ended well, and {} is still missing\n{BY_HAND}", still.join(", "))),
    }
}

fn install_arguments() -> Vec<&'static str> {
    ["install", "--yes", "--no-install-recommends"].into_iter().chain(PACKAGES).collect()
}

/// Runs apt-get as root, by sudo where this is not root; whether it ended well.
fn apt_get(arguments: &[&str]) -> Result<bool, String> {
    let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive", APT_GET];
    words.extend(arguments);
    if !is_root()? {
        words.insert(0, "sudo");
    }
    say(&format!("+ {}", words.join(" ")));
    let status = Command::new(words[0]).args(&words[1..]).status();
    let status = status.map_err(|error| format!("{} cannot be started: {error}\n{BY_HAND}", words[0]))?;
    Ok(status.success())
}

fn is_root() -> Result<bool, String> {
    let id = Command::new("id").arg("-u").output().map_err(|error| format!("id cannot be started: {error}"))?;
    Ok(id.stdout.trim_ascii() == b"0")
}

const ADDRESS_VARIABLE: &str = "MPRPC_TEST_ZOOKEEPER";
const APT_GET: &str = "/usr/bin/apt-get";
const PACKAGES: [&str; 2] = ["zookeeper", "default-jre-headless"];
/// The files by which Debian's package is known; the tests name the rest of its class path.
const JARS: [&str; 3] = ["/etc/zookeeper/conf", "/usr/share/java/zookeeper.jar", "/usr/share/java/zookeeper-jute.jar"];
const BY_HAND: &str = "\
On Debian and its kin install the packages zookeeper and default-jre-headless by hand. Elsewhere start a ZooKeeper 3.6
or newer and set MPRPC_TEST_ZOOKEEPER=host:port; the tests that restart the server then need Debian's package still.";
