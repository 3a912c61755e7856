//! Installs missing packages that a chore needs, on Debian and its derivatives.

use std::path::Path;
use std::process::Command;

use super::say;

/// Installs `packages`. `missing` lists what is missing, `needs` names the chore that needs it, and `by_hand` is the advice
/// if the installation fails.
pub(super) fn install(
    packages: &[&str],
    needs: &str,
    missing: impl Fn() -> Vec<&'static str>,
    by_hand: &str,
) -> Result<(), String> {
    let lacks = format!("{needs}, and this machine is without {}", missing().join(", "));
    if !Path::new(APT_GET).exists() {
        return Err(format!("{lacks}\n{by_hand}"));
    }
    say(&format!("{lacks}; installing {}", packages.join(" ")));
    let arguments: Vec<&str> =
        ["install", "--yes", "--no-install-recommends"].iter().chain(packages).copied().collect();
    let apt_get = |arguments: &[&str]| apt_get(arguments).map_err(|error| format!("{error}\n{by_hand}"));
    // The package lists of a fresh machine are empty or old, so the first try fails there.
    let installed = apt_get(&arguments)? || apt_get(&["update"])? && apt_get(&arguments)?;
    if !installed {
        return Err(format!("apt-get could not install them\n{by_hand}"));
    }
    match missing()[..] {
        [] => Ok(()),
        ref still => Err(format!("apt-get ended well, and {} is still missing\n{by_hand}", still.join(", "))),
    }
}

/// Runs apt-get as root, with sudo if needed. Returns whether it succeeded.
fn apt_get(arguments: &[&str]) -> Result<bool, String> {
    let mut words = vec!["env", "DEBIAN_FRONTEND=noninteractive", APT_GET];
    words.extend(arguments);
    if !is_root()? {
        words.insert(0, "sudo");
    }
    say(&format!("+ {}", words.join(" ")));
    let status = Command::new(words[0]).args(&words[1..]).status();
    Ok(status.map_err(|error| format!("{} cannot be started: {error}", words[0]))?.success())
}

fn is_root() -> Result<bool, String> {
    let id = Command::new("id").arg("-u").output().map_err(|error| format!("id cannot be started: {error}"))?;
    Ok(id.stdout.trim_ascii() == b"0")
}

const APT_GET: &str = "/usr/bin/apt-get";
