//! The HTTP clients of the tests: Node.js with packages of npm below target/, Chromium, curl and h2load.

use std::path::Path;
use std::process::Command;

use super::{apt, say};

/// Installs what is missing. The packages of npm are those of `mprpc/tests/node/package-lock.json`.
pub(super) fn prepare() -> Result<(), String> {
    let packages = missing();
    if !packages.is_empty() {
        apt::install(&packages, "the tests of HTTP need clients", missing, BY_HAND)?;
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (wanted, installed) = (root.join(MANIFESTS), root.join(FOLDER));
    if has_packages(&wanted, &installed) {
        return Ok(());
    }
    let fault = |error| format!("{}: {error}", installed.display());
    std::fs::create_dir_all(&installed).map_err(fault)?;
    for manifest in [MANIFEST, LOCK] {
        std::fs::copy(wanted.join(manifest), installed.join(manifest)).map_err(fault)?;
    }
    npm_ci(&installed)
}

/// Whether npm has installed the packages of this lock file to the end.
fn has_packages(wanted: &Path, installed: &Path) -> bool {
    let read = |folder: &Path| std::fs::read(folder.join(LOCK)).ok();
    read(wanted) == read(installed) && installed.join(WRITTEN_AT_THE_END).exists()
}

fn npm_ci(folder: &Path) -> Result<(), String> {
    let mut command = Command::new("npm");
    command.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--cache", ".npm"]).current_dir(folder);
    say(&format!("+ {command:?}"));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}")),
        Err(error) => Err(format!("{command:?} cannot be started: {error}\n{BY_HAND}")),
    }
}

/// The packages of Debian whose programs this machine lacks.
fn missing() -> Vec<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let is_missing = |program: &str| !std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    PROGRAMS.into_iter().filter(|(program, _)| is_missing(program)).map(|(_, package)| package).collect()
}

/// Each program with its package of Debian.
const PROGRAMS: [(&str, &str); 5] =
    [("node", "nodejs"), ("npm", "npm"), ("chromium", "chromium"), ("curl", "curl"), ("h2load", "nghttp2-client")];
/// Below the folder of this crate.
const MANIFESTS: &str = "../mprpc/tests/node";
/// Below the folder of this crate. mprpc/tests/support/peer.rs finds it there.
const FOLDER: &str = "../target/test-node";
const MANIFEST: &str = "package.json";
const LOCK: &str = "package-lock.json";
/// npm writes this file when all packages are there.
const WRITTEN_AT_THE_END: &str = "node_modules/.package-lock.json";
const BY_HAND: &str = "\
Install by hand: Node.js 18 or newer with npm, and the programs chromium, curl and h2load (on Debian and its kin of the
packages nodejs, npm, chromium, curl and nghttp2-client).";
