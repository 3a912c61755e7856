//! The last known endpoints of services, on disk, for a start while the registry is away. When a snapshot is read and
//! written is not decided here.
//!
//! ```text
//! mprpc-snapshot = 1
//! target = zookeeper://127.0.0.1:2181
//! service = fixbug.UserServiceRpc
//! written = 1764257412
//! endpoints = 1
//!
//! mprpc = 1
//! address = 127.0.0.1:8000
//! protocols = native
//! weight = 100
//! pid = 4711
//! ```
//!
//! An empty line stands before each entry. The entries are those of the file registry.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::file::{format_entry, parse_entry};
use super::is_service_name;
use crate::endpoint::Endpoint;

/// A folder with a snapshot for each service of one target.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFolder {
    folder: PathBuf,
    target: Arc<str>,
}

impl SnapshotFolder {
    pub(crate) fn new(folder: PathBuf, target: String) -> SnapshotFolder {
        SnapshotFolder { folder, target: target.into() }
    }

    /// Reads the endpoints of a service, and a text that says how old they are. `None` if there is no snapshot, or if it
    /// cannot be used; the log says why not. Blocks.
    pub(crate) fn read(&self, service: &str) -> Option<(Vec<Endpoint>, String)> {
        let path = self.path(service)?;
        let text = match read_bounded(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!("the snapshot {} is not used: {error}", path.display());
                return None;
            }
        };
        match self.parse(service, &text) {
            Ok((endpoints, written)) => {
                let age = now().saturating_sub(written);
                let age = format!("the endpoints are those of {} ago, from {}", age_text(age), path.display());
                tracing::warn!(service, endpoints = endpoints.len(), "the registry does not answer: {age}");
                Some((endpoints, age))
            }
            Err(fault) => {
                tracing::warn!("the snapshot {} is not used: {fault}", path.display());
                None
            }
        }
    }

    /// Replaces the snapshot of a service in one step. An error is logged. Blocks.
    pub(crate) fn write(&self, service: &str, endpoints: &[Endpoint]) {
        let Some(path) = self.path(service) else { return };
        let written = self
            .format(service, endpoints)
            .and_then(|text| replace(&self.folder, &path, text.as_bytes()).map_err(|error| error.to_string()));
        if let Err(fault) = written {
            tracing::warn!("the snapshot {} cannot be written: {fault}", path.display());
        }
    }

    /// The file of a service. `None` if the service has no valid name.
    fn path(&self, service: &str) -> Option<PathBuf> {
        let name = format!("{service}-{:016x}", hash(&self.target));
        (is_service_name(service) && name.len() <= FILE_NAME_BYTES_MAX).then(|| self.folder.join(name))
    }

    fn format(&self, service: &str, endpoints: &[Endpoint]) -> Result<String, String> {
        let (target, written, count) = (one_line(&self.target), now(), endpoints.len());
        let mut text = format!("{FIRST_LINE}\ntarget = {target}\nservice = {service}\nwritten = {written}\n");
        text += &format!("endpoints = {count}\n");
        for endpoint in endpoints {
            text.push('\n');
            text += &format_entry(endpoint, std::process::id());
        }
        if text.len() > SNAPSHOT_BYTES_MAX {
            return Err(format!("{count} endpoints take {} bytes, beyond {SNAPSHOT_BYTES_MAX}", text.len()));
        }
        Ok(text)
    }

    /// Returns the endpoints and the time at which they were written, in seconds since 1970.
    fn parse(&self, service: &str, text: &str) -> Result<(Vec<Endpoint>, u64), String> {
        let mut parts = text.split("\n\n");
        let mut lines = parts.next().unwrap_or("").lines();
        if lines.next() != Some(FIRST_LINE) {
            return Err(format!("its first line is not '{FIRST_LINE}'"));
        }
        let mut value = |key: &str| {
            let line = lines.next().and_then(|line| line.split_once(" = ")).filter(|(name, _)| *name == key);
            line.map(|(_, value)| value).ok_or_else(|| format!("it has no line '{key} = …' where one belongs"))
        };
        let (target, name) = (value("target")?, value("service")?);
        if target != one_line(&self.target) || name != service {
            return Err(format!("it is of {name} in {target}"));
        }
        let number = |text: &str| text.parse::<u64>().map_err(|_| format!("'{text:.40}' is no number"));
        let (written, count) = (number(value("written")?)?, number(value("endpoints")?)?);
        let endpoints = parts.map(parse_entry).collect::<Result<Vec<_>, _>>()?;
        if endpoints.len() as u64 != count {
            return Err(format!("it has {} endpoints and says {count}", endpoints.len()));
        }
        Ok((endpoints, written))
    }
}

fn read_bounded(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    let read = file.take(SNAPSHOT_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    if read > SNAPSHOT_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {SNAPSHOT_BYTES_MAX} bytes")));
    }
    Ok(text)
}

/// Writes a new file beside `path` and renames it, so that a reader finds the old snapshot or the new one.
fn replace(folder: &Path, path: &Path, content: &[u8]) -> io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let temporary = path.with_extension(format!("{}-{:08x}.tmp", std::process::id(), fastrand::u32(..)));
    let written = std::fs::File::create_new(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_data()
    });
    let renamed = written.and_then(|()| std::fs::rename(&temporary, path));
    if renamed.is_err() {
        let _ = std::fs::remove_file(&temporary);
    }
    renamed
}

/// FNV-1a, so that several targets have files of their own. The file names its target, in case two have the same hash.
fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn age_text(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}

/// The first line of a snapshot. A new number means that an older reader would misunderstand the rest.
const FIRST_LINE: &str = "mprpc-snapshot = 1";
/// The longest snapshot in bytes. A longer one is neither written nor read.
const SNAPSHOT_BYTES_MAX: usize = 4 << 20;
/// The longest name of a file in bytes.
const FILE_NAME_BYTES_MAX: usize = 255 - 24;

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoints() -> Vec<Endpoint> {
        let mut second: Endpoint = "classic:127.0.0.1:2".parse().unwrap();
        second.zone = "\n\neu".into();
        vec!["127.0.0.1:1".parse().unwrap(), second]
    }

    fn snapshots(folder: &tempfile::TempDir) -> SnapshotFolder {
        SnapshotFolder::new(folder.path().join("deep/snapshots"), "zookeeper://a:2181".into())
    }

    #[test]
    fn snapshot_comes_back_and_says_its_age() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = snapshots(&folder);
        assert_eq!(snapshots.read("test.Who"), None);
        snapshots.write("test.Who", &endpoints()[..1]);
        snapshots.write("test.Who", &endpoints());
        let (read, age) = snapshots.read("test.Who").unwrap();
        assert_eq!(read, endpoints());
        assert!(age.starts_with("the endpoints are those of 0 s ago, from /"), "{age}");
        assert_eq!(std::fs::read_dir(&snapshots.folder).unwrap().count(), 1, "no temporary file is left");
        assert_eq!(snapshots.read("test.Other"), None);
        let other = SnapshotFolder::new(snapshots.folder, "zookeeper://b:2181".into());
        assert_eq!(other.read("test.Who"), None);
    }

    #[test]
    fn snapshot_that_is_cut_changed_or_of_another_kind_is_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = snapshots(&folder);
        snapshots.write("test.Who", &endpoints());
        let path = snapshots.path("test.Who").unwrap();
        let good = std::fs::read_to_string(&path).unwrap();
        assert!(snapshots.parse("test.Who", &good).is_ok());
        for bad in [
            String::new(),
            "\u{0}\u{1}garbage".into(),
            good.replace("snapshot = 1", "snapshot = 2"),
            good.replace("zookeeper://a", "zookeeper://b"),
            good.replace("test.Who", "test.Other"),
            good.replace("endpoints = 2", "endpoints = many"),
            good.replace("written = ", "written = -"),
            good[..good.rfind("\n\n").unwrap()].to_owned(),
            good[..good.len() * 2 / 3].to_owned(),
            format!("{good}{}", "x".repeat(SNAPSHOT_BYTES_MAX)),
        ] {
            std::fs::write(&path, &bad).unwrap();
            assert_eq!(snapshots.read("test.Who"), None, "{bad:.200}");
        }
        std::fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(snapshots.read("test.Who"), None);
    }

    #[test]
    fn snapshot_with_too_many_endpoints_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let snapshots = snapshots(&folder);
        snapshots.write("test.Who", &vec![endpoints().remove(0); 60_000]);
        assert_eq!(snapshots.read("test.Who"), None);
        assert_eq!(snapshots.path(&"a".repeat(240)), None);
        assert_eq!(snapshots.path("../escape"), None);
    }
}
