//! `cargo xtask instructions`: counts the instructions of the parts of a call with callgrind, and compares them with the
//! budget in the repository. Counts, unlike times, are the same on every machine and in every run, within a fraction of a
//! percent.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};

use super::{apt, say};

/// Counts, and prints the figures beside the budget. `--check` fails if a figure exceeds its budget; `--write` makes the
/// figures the budget. Arguments may name parts; the default is all parts.
pub(super) fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let (options, wanted): (Vec<&str>, Vec<&str>) =
        arguments.iter().map(String::as_str).partition(|word| word.starts_with('-'));
    let parts: Vec<&str> = PARTS.into_iter().filter(|part| wanted.is_empty() || wanted.contains(part)).collect();
    if !matches!(options[..], [] | [CHECK] | [WRITE]) || wanted.iter().any(|name| !PARTS.contains(name)) {
        return Err(format!("usage: cargo xtask instructions [{CHECK} | {WRITE}] [{}]", PARTS.join(" | ")));
    }
    if !cfg!(all(target_arch = "x86_64", target_os = "linux")) {
        say("instructions are counted on x86-64 Linux alone: nothing to compare");
        return Ok(ExitCode::SUCCESS);
    }
    if !missing().is_empty() {
        apt::install(&["valgrind"], "counting instructions needs valgrind", missing, BY_HAND)?;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let budget_path = root.join(BUDGET);
    let budget = read(&budget_path)?;
    let program = build(&root)?;
    let mut counted = BTreeMap::new();
    say(&format!("{:<20} {:>12} {:>8} {:>8}", "per call", "instructions", "budget", "change"));
    for part in parts {
        let count = per_call(&program, part)?;
        let (budget, change) = match budget.get(part) {
            Some(budget) => (budget.to_string(), format!("{:+.1} %", change(count, *budget))),
            None => ("-".to_owned(), "-".to_owned()),
        };
        say(&format!("{part:<20} {count:>12} {budget:>8} {change:>8}"));
        counted.insert(part, count);
    }
    if options.contains(&WRITE) {
        let count =
            |part: &&str| counted.get(part).or_else(|| budget.get(*part)).map(|count| format!("{part} = {count}\n"));
        let text: String = PARTS.iter().filter_map(count).collect();
        std::fs::write(&budget_path, format!("{HEADER}# {}\n{text}", compiler()?))
            .map_err(|error| format!("{BUDGET}: {error}"))?;
        return Ok(ExitCode::SUCCESS);
    }
    let result = compare(&counted, &budget);
    match result {
        Err(beyond) if options.contains(&CHECK) => {
            let written = std::fs::read_to_string(&budget_path).unwrap_or_default();
            let compiler = compiler()?;
            let other = if written.contains(&compiler) { "" } else { "\nthe budget was written with another compiler" };
            Err(format!("{beyond}{other}"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

/// Fails if a figure exceeds its budget. Prints the budgets that could be lowered.
fn compare(counted: &BTreeMap<&str, u64>, budget: &BTreeMap<String, u64>) -> Result<(), String> {
    let mut beyond = Vec::new();
    for (part, count) in counted {
        match budget.get(*part) {
            None => beyond.push(format!("{part}: {count} instructions a call, and there is no budget")),
            Some(budget) if change(*count, *budget) > TOLERANCE_PERCENT => beyond.push(format!(
                "{part}: {count} instructions a call, the budget is {budget}: {:+.1} %",
                change(*count, *budget)
            )),
            Some(budget) if change(*count, *budget) < -TOLERANCE_PERCENT => {
                say(&format!("{part}: the budget can be lowered from {budget} to {count}: {CHANGE_IT}"));
            }
            Some(_) => {}
        }
    }
    if beyond.is_empty() {
        return Ok(());
    }
    Err(format!(
        "beyond {BUDGET} by more than {TOLERANCE_PERCENT} %:\n{}\nwhere they go: callgrind_annotate {OUTPUT}/PART\n\
         where that is meant, {CHANGE_IT}, and say why in the commit",
        beyond.join("\n")
    ))
}

fn change(count: u64, budget: u64) -> f64 {
    (count as f64 / budget as f64 - 1.0) * 100.0
}

/// Reads the budget in the repository, by part.
fn read(path: &Path) -> Result<BTreeMap<String, u64>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut budget = BTreeMap::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let figure = line.split_once(" = ").and_then(|(part, count)| Some((part.to_owned(), count.parse().ok()?)));
        let (part, count) = figure.ok_or_else(|| format!("{BUDGET}: '{line}' is not PART = COUNT"))?;
        budget.insert(part, count);
    }
    Ok(budget)
}

/// Builds the measured program in release mode, for one fixed processor model whatever the machine's own is.
fn build(root: &Path) -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    // A separate target folder: a build with other flags would overwrite the artifacts of a release build, and vice versa.
    let target = root.join("target/instructions");
    command.current_dir(root).args(["build", "--quiet", "--release", "--locked", "--package", "instructions"]);
    command.args(["--target", TARGET, "--target-dir"]).arg(&target);
    let settings = std::env::vars_os().map(|(name, _)| name);
    for name in settings.filter(|name| name.to_string_lossy().starts_with("CARGO_PROFILE_")) {
        command.env_remove(name);
    }
    command.env_remove("CARGO_ENCODED_RUSTFLAGS").env("RUSTFLAGS", "-Ctarget-cpu=x86-64");
    let status = command.status().map_err(|error| format!("cargo cannot be started: {error}"))?;
    if !status.success() {
        return Err("what is measured does not build".to_owned());
    }
    Ok(target.join(TARGET).join("release/instructions"))
}

/// Instructions of one call: the difference between twice as many calls and once as many, divided by the number of calls.
fn per_call(program: &Path, part: &str) -> Result<u64, String> {
    // To set up a thousand endpoints takes some thousand instructions more or less from run to run.
    let once_calls = if part == PICK_1000 { 16 * CALLS } else { CALLS };
    let [once, twice] = [once_calls, 2 * once_calls].map(|calls| match part {
        SERVER | GRPC_SERVER => server(program, part, calls),
        CALLER | GRPC_CALLER => caller(program, part, calls),
        _ => count(program, part, &[part, &calls.to_string()]),
    });
    Ok(twice?.saturating_sub(once?) / u64::from(once_calls))
}

/// Counts the instructions of the server process, while another process calls it.
fn server(program: &Path, part: &str, calls: u32) -> Result<u64, String> {
    let output = output(part, program)?;
    let (serving, address) = Serving::start(counting(program, &output).arg("serve"))?;
    let status = Command::new(program).args(["call", &target(part, &address), &calls.to_string()]).status();
    serving.stop()?;
    match status {
        Ok(status) if status.success() => total(&output),
        _ => Err("the caller of the server failed".to_owned()),
    }
}

/// Counts the instructions of the caller process, while another process serves it.
fn caller(program: &Path, part: &str, calls: u32) -> Result<u64, String> {
    let (serving, address) = Serving::start(Command::new(program).arg("serve"))?;
    let count = count(program, part, &["call", &target(part, &address), &calls.to_string()]);
    serving.stop()?;
    count
}

/// The target that the caller of this part calls: the address, with the protocol in front of it.
fn target(part: &str, address: &str) -> String {
    if matches!(part, GRPC_SERVER | GRPC_CALLER) { format!("grpc://{address}") } else { address.to_owned() }
}

/// A server process that serves until its input ends.
struct Serving {
    child: Child,
    input: ChildStdin,
}

impl Serving {
    /// Starts the server, and returns its address too.
    fn start(command: &mut Command) -> Result<(Serving, String), String> {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.map_err(|error| format!("the server cannot be started: {error}"))?;
        let (input, output) = (child.stdin.take().ok_or("no input")?, child.stdout.take().ok_or("no output")?);
        let mut address = String::new();
        BufReader::new(output).read_line(&mut address).map_err(|error| format!("the server was lost: {error}"))?;
        Ok((Serving { child, input }, address.trim().to_owned()))
    }

    fn stop(mut self) -> Result<(), String> {
        drop(self.input);
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            ended => Err(format!("the server failed: {ended:?}")),
        }
    }
}

fn count(program: &Path, part: &str, arguments: &[&str]) -> Result<u64, String> {
    let output = output(part, program)?;
    let status = counting(program, &output).args(arguments).status();
    let status = status.map_err(|error| format!("valgrind cannot be started: {error}"))?;
    if status.success() { total(&output) } else { Err(format!("{part} failed: {status}")) }
}

/// The command that runs the program under callgrind.
fn counting(program: &Path, output: &Path) -> Command {
    let mut command = Command::new("valgrind");
    command.args(["--quiet", "--tool=callgrind"]).arg(format!("--callgrind-out-file={}", output.display()));
    // The C library has a memcpy for each kind of processor. The setting makes all use the one for AVX, which nearly all
    // support.
    command.env("GLIBC_TUNABLES", "glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-ERMS,-FSRM");
    command.arg(program);
    command
}

/// The path of the profile of a part.
fn output(part: &str, program: &Path) -> Result<PathBuf, String> {
    let folder = program.ancestors().nth(3).ok_or("no target folder")?.join("profiles");
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder.join(part))
}

/// Reads the total that callgrind counted.
fn total(output: &Path) -> Result<u64, String> {
    let profile = std::fs::read_to_string(output).map_err(|error| format!("{}: {error}", output.display()))?;
    let total = profile.lines().find_map(|line| line.strip_prefix("totals: ")).and_then(|count| count.parse().ok());
    total.ok_or_else(|| format!("{} has no total", output.display()))
}

/// The version of the compiler. Other compilers generate other instructions from the same code.
fn compiler() -> Result<String, String> {
    let output = Command::new("rustc").arg("--version").output();
    let output = output.map_err(|error| format!("rustc cannot be started: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn missing() -> Vec<&'static str> {
    let found = Command::new("valgrind").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if found.is_ok_and(|status| status.success()) { vec![] } else { vec!["valgrind"] }
}

const CHECK: &str = "--check";
const WRITE: &str = "--write";
const BUDGET: &str = "instructions/instructions.budget";
const OUTPUT: &str = "target/instructions/profiles";
const TARGET: &str = "x86_64-unknown-linux-gnu";
const CHANGE_IT: &str = "run `cargo xtask instructions --write`";
const BY_HAND: &str = "Install valgrind by hand.";
const TOLERANCE_PERCENT: f64 = 3.0;
/// A multiple of the 64 callers.
const CALLS: u32 = 12_800;
const PICK_1000: &str = "pick-1000";
const SERVER: &str = "loopback-server";
const CALLER: &str = "loopback-caller";
const GRPC_SERVER: &str = "grpc-server";
const GRPC_CALLER: &str = "grpc-caller";
/// The parts of the program `instructions`, and the two processes of calls over loopback, 64 at a time, native and gRPC.
const PARTS: [&str; 13] = [
    "encode",
    "decode",
    "pick",
    PICK_1000,
    "in-flight",
    "caller",
    "dispatch",
    "whole-call",
    "whole-call-alone",
    SERVER,
    CALLER,
    GRPC_SERVER,
    GRPC_CALLER,
];
const HEADER: &str = "\
# Instructions per call, in user space, of a unary call of 32 bytes and of its parts, counted by callgrind. Written by
# `cargo xtask instructions --write`; .ci/run fails where one is more than 3 % beyond. What each is says
# instructions/src/main.rs; the last four are processes of their own, 64 calls at a time over one connection: they held
# within 0.1 % from run to run, so they are compared like the others.
";
