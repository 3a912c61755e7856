//! Chores of the repository, `cargo xtask NAME`. They are not part of a release, and use only std, so that they build in a
//! second.

use std::ffi::OsString;
use std::process::ExitCode;

mod apt;
mod budget;
mod clients;
mod instructions;
mod python;
mod test;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_deref().and_then(|name| name.to_str()) {
        Some("test") => finish(test::run(arguments.collect::<Vec<OsString>>())),
        Some("budget") => finish(budget::run(&words(arguments))),
        Some("instructions") => finish(instructions::run(&words(arguments))),
        Some("help" | "--help" | "-h") => finish(Err(USAGE.into())),
        Some(other) => finish(Err(format!("there is no chore '{other}'\n{USAGE}"))),
        None => finish(Err(USAGE.into())),
    }
}

fn words(arguments: impl Iterator<Item = OsString>) -> Vec<String> {
    arguments.map(|word| word.to_string_lossy().into_owned()).collect()
}

fn finish(result: Result<ExitCode, String>) -> ExitCode {
    result.unwrap_or_else(|error| {
        say(&error);
        ExitCode::FAILURE
    })
}

#[allow(clippy::print_stderr, reason = "printing is how a chore speaks")]
fn say(text: &str) {
    eprintln!("{text}");
}

const USAGE: &str = "\
usage: cargo xtask test [ARGUMENTS]
       cargo xtask budget [--check]
       cargo xtask instructions [--check | --write] [PART...]
  test          installs what the tests need and is missing (on Debian and its kin ZooKeeper, Java, Python, Node.js,
                Chromium, curl and nghttp2; packages of Python and JavaScript below target/), then runs
                `cargo test --workspace ARGUMENTS`
  budget        counts the crates that a hello world compiles, and writes or compares examples/hello/crates.budget
  instructions  counts the instructions of the parts of a call (installs valgrind where it is missing), and shows them
                beside instructions/instructions.budget; --check fails where one is beyond it, --write writes it";
