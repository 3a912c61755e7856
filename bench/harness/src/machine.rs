//! The machine, the date and the revision of a measurement.

use std::fmt;
use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::available_cores;

/// The machine, the date, and the revision of the source.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Machine {
    /// The UTC date, such as 2026-01-31.
    pub date: String,
    /// The commit, with a plus if the working tree differs from it.
    pub revision: String,
    /// The model name of the processor.
    pub cpu: String,
    /// The number of cores that this process may use.
    pub cores: usize,
    /// The release of Linux.
    pub kernel: String,
}

impl Machine {
    /// Describes this machine, now.
    pub fn here() -> Machine {
        let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        Machine {
            date: date(seconds / (24 * 60 * 60)),
            revision: revision().unwrap_or_else(|| "unknown".to_owned()),
            cpu: model.map_or("unknown", |(_, model)| model).to_owned(),
            cores: available_cores(),
            kernel: kernel.trim().to_owned(),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Machine { date, revision, cpu, cores, kernel } = self;
        write!(f, "{date}, revision {revision}, {cpu}, {cores} cores, Linux {kernel}")
    }
}

/// The commit, with a plus if the working tree differs from it.
fn revision() -> Option<String> {
    let git = |arguments: &[&str]| {
        let output = Command::new("git").current_dir(env!("CARGO_MANIFEST_DIR")).args(arguments).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short", "HEAD"])?;
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(if clean { commit } else { commit + "+" })
}

/// The date of a number of days after 1970-01-01 (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
fn date(days: u64) -> String {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    format!("{year}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_match_the_calendar() {
        assert_eq!(
            [0, 58, 59, 11_016, 19_782].map(date),
            ["1970-01-01", "1970-02-28", "1970-03-01", "2000-02-29", "2024-02-29"]
        );
    }
}
