//! The Python of the tests: a virtual environment below target/ with the peers that some tests talk to.

use std::path::Path;
use std::process::{Command, Stdio};

use super::{apt, say};

/// Makes the virtual environment with its packages, and installs the C library nghttp2, unless they are there. Does nothing
/// if `MPRPC_TEST_PYTHON` names another Python.
pub(super) fn prepare() -> Result<(), String> {
    if std::env::var_os(PYTHON_VARIABLE).is_some() {
        say(&format!("{PYTHON_VARIABLE} is set: no Python package is installed"));
        return Ok(());
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(FOLDER);
    let python = folder.join("bin/python3");
    if has_packages(&python) && missing().is_empty() {
        return Ok(());
    }
    if !missing().is_empty() {
        apt::install(&PACKAGES, "the tests of gRPC and HPACK need Python and nghttp2", missing, BY_HAND)?;
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(PYPI))
}

/// Whether the virtual environment is there, with these versions of its packages.
fn has_packages(python: &Path) -> bool {
    let versions = PYPI.iter().filter_map(|package| package.split_once("=="));
    let checks = versions.map(|(name, version)| format!("assert version({name:?}) == {version:?}\n"));
    is_success(python, &format!("from importlib.metadata import version\n{}", checks.collect::<String>()))
}

/// What apt can install and this machine lacks.
fn missing() -> Vec<&'static str> {
    let needs = [("python3-venv", "import ensurepip, venv"), ("libnghttp2-14", NGHTTP2_CHECK)];
    let is_missing = |(_, check): &(&str, &str)| !is_success(Path::new("python3"), check);
    needs.into_iter().filter(is_missing).map(|(package, _)| package).collect()
}

/// Whether Python runs this program to its end.
fn is_success(python: &Path, program: &str) -> bool {
    let status = Command::new(python).args(["-c", program]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn run(command: &mut Command) -> Result<(), String> {
    say(&format!("+ {command:?}"));
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?} failed: {status}\n{BY_HAND}")),
        Err(error) => Err(format!("{command:?} cannot be started: {error}\n{BY_HAND}")),
    }
}

const PYTHON_VARIABLE: &str = "MPRPC_TEST_PYTHON";
/// Below the folder of this crate. mprpc/tests/support/peer.rs finds it there.
const FOLDER: &str = "../target/test-python";
const PACKAGES: [&str; 3] = ["python3", "python3-venv", "libnghttp2-14"];
const NGHTTP2_CHECK: &str = "import ctypes; ctypes.CDLL('libnghttp2.so.14')";
/// The packages of PyPI, each with its version.
const PYPI: [&str; 5] = [
    "grpcio==1.85.3",
    "grpcio-health-checking==1.85.1",
    "grpcio-reflection==1.85.1",
    "grpcio-tools==1.85.1",
    "hpack==4.1.0",
];
const BY_HAND: &str = "\
On Debian and its kin install the packages python3-venv and libnghttp2-14 by hand. Elsewhere set MPRPC_TEST_PYTHON to a
Python that has the packages grpcio, grpcio-health-checking, grpcio-reflection, grpcio-tools and hpack, and finds
libnghttp2.so.14.";
