//! The folder of a service: a file for each provider, locked by it for as long as it lives. Blocking file system calls;
//! never called on a loop.
//!
//! Every announcement gets a file name of its own, never used again, and is locked before it appears under that name.
//! So a file whose lock can be had is dead for good, and whoever sees it may remove it: a live one is never hit.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::merge;
use super::entry;
use crate::endpoint::Endpoint;

/// An entry that this process holds. Dropping it withdraws it.
#[derive(Debug)]
pub(super) struct Held {
    file: File,
    path: PathBuf,
}

impl Held {
    /// Announces the endpoint in the folder, which is created where it is missing.
    pub(super) fn create(folder: &Path, endpoint: &Endpoint) -> io::Result<Held> {
        fs::create_dir_all(folder)?;
        let name = file_name(endpoint, fastrand::u64(..));
        let hidden = folder.join(format!(".{name}"));
        let file = OpenOptions::new().write(true).create_new(true).open(&hidden)?;
        let path = folder.join(name);
        match publish(&file, &hidden, &path, endpoint) {
            Ok(()) => Ok(Held { file, path }),
            Err(error) => {
                let _ = fs::remove_file(&hidden);
                Err(error)
            }
        }
    }

    /// Whether the entry is still there, and still ours.
    pub(super) fn stands(&self) -> bool {
        match (fs::symlink_metadata(&self.path), self.file.metadata()) {
            (Ok(there), Ok(ours)) => there.ino() == ours.ino() && there.dev() == ours.dev(),
            _ => false,
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // The lock goes with the file, after the entry: nobody sees a dead entry of a provider that stopped in peace.
        let _ = fs::remove_file(&self.path);
    }
}

fn publish(file: &File, hidden: &Path, path: &Path, endpoint: &Endpoint) -> io::Result<()> {
    file.try_lock().map_err(io::Error::from)?;
    let mut writer = file;
    writer.write_all(entry::format(endpoint, std::process::id()).as_bytes())?;
    fs::rename(hidden, path)
}

/// What a folder holds.
#[derive(Debug, Default)]
pub(super) struct Scan {
    /// Whether there is a folder.
    pub(super) exists: bool,
    /// The endpoints whose providers live, by name of their files, each address once.
    pub(super) endpoints: Vec<Endpoint>,
    /// Files that are held by a process and are no entry that this build can read: name and why.
    pub(super) bad: Vec<(OsString, String)>,
}

/// Reads the folder, and removes what dead providers left. A folder that is not there is empty.
pub(super) fn scan(folder: &Path) -> io::Result<Scan> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Scan::default()),
        Err(error) => return Err(error),
    };
    let mut files = Vec::new();
    for entry in entries.take(ENTRIES_MAX) {
        let entry = entry?;
        // A pipe would block, and a link may point anywhere.
        if entry.file_type().is_ok_and(|kind| kind.is_file()) {
            files.push(entry.file_name());
        }
    }
    files.sort();
    let mut scan = Scan { exists: true, ..Scan::default() };
    for name in files {
        let path = folder.join(&name);
        if name.as_encoded_bytes().starts_with(b".") {
            remove_unfinished(&path);
            continue;
        }
        match read_live(&path) {
            Ok(Some(text)) => match entry::parse(&text) {
                Ok(endpoint) => scan.endpoints.push(endpoint),
                Err(why) => scan.bad.push((name, why)),
            },
            Ok(None) => {}
            Err(error) => scan.bad.push((name, error.to_string())),
        }
    }
    scan.endpoints = merge::without_duplicates(scan.endpoints);
    Ok(scan)
}

/// The text of an entry whose provider lives; the file of a dead one is removed.
fn read_live(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        // Withdrawn since the folder was read.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if is_dead(&file)? {
        // A folder that this process may not write keeps it; the next writer removes it.
        let _ = fs::remove_file(path);
        return Ok(None);
    }
    let mut text = String::new();
    file.take(ENTRY_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > ENTRY_BYTES_MAX {
        return Err(io::Error::other(format!("it is longer than {ENTRY_BYTES_MAX} bytes")));
    }
    Ok(Some(text))
}

/// Whether nobody holds the file. Shared, so that two readers do not take one another for the provider.
fn is_dead(file: &File) -> io::Result<bool> {
    match file.try_lock_shared() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Removes what a provider left that died before its entry was complete. Young ones may be between creation and lock.
fn remove_unfinished(path: &Path) {
    let Ok(file) = File::open(path) else { return };
    let age = file.metadata().and_then(|metadata| metadata.modified()).ok().and_then(|at| at.elapsed().ok());
    if age.is_some_and(|age| age > UNFINISHED_AGE_MAX) && is_dead(&file).unwrap_or(false) {
        let _ = fs::remove_file(path);
    }
}

/// A name that is safe for every address, unix paths too, and that no other announcement ever has.
fn file_name(endpoint: &Endpoint, unique: u64) -> String {
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    let address: String = endpoint.address.to_string().trim_start_matches('.').chars().map(safe).take(100).collect();
    format!("{address}-{unique:016x}")
}

/// Files of one folder that are looked at; more are not.
const ENTRIES_MAX: usize = 16 << 10;
/// The longest entry that is read.
const ENTRY_BYTES_MAX: u64 = 64 << 10;
/// How long a provider may take from creating its file to locking it.
const UNFINISHED_AGE_MAX: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::discovery::file::tests::Folder;

    fn endpoint(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn held_entries_are_found_and_dead_ones_removed() {
        let folder = Folder::new();
        let (a, b) = (endpoint("127.0.0.1:1"), endpoint("unix:/run/a b/../%.sock"));
        let held_a = Held::create(&folder.path, &a).unwrap();
        let held_b = Held::create(&folder.path, &b).unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints, [a, b.clone()]);
        assert!(held_a.stands() && held_b.stands());

        // What kill -9 does: the file stays, the lock goes.
        let Held { ref file, .. } = held_a;
        file.unlock().unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints, [b]);
        assert!(!held_a.stands());
        assert_eq!(names(&folder.path), 1);
        drop(held_b);
        assert_eq!(names(&folder.path), 0);
    }

    #[test]
    fn the_stale_file_of_an_address_does_not_harm_its_successor() {
        let folder = Folder::new();
        let old = Held::create(&folder.path, &endpoint("127.0.0.1:1")).unwrap();
        let new = Held::create(&folder.path, &endpoint("127.0.0.1:1")).unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints.len(), 1);
        old.file.unlock().unwrap();
        assert_eq!(scan(&folder.path).unwrap().endpoints.len(), 1);
        assert!(new.stands());
        drop(old);
        assert!(new.stands());
    }

    #[test]
    fn bad_files_are_told_and_the_others_serve() {
        let folder = Folder::new();
        let _good = Held::create(&folder.path, &endpoint("127.0.0.1:1")).unwrap();
        let mut held = Vec::new();
        for (name, content) in [("garbage", &b"\xff\xfe"[..]), ("version", b"mprpc = 9\n"), ("long", &[b'x'; 70_000])] {
            let mut file = File::create(folder.path.join(name)).unwrap();
            file.write_all(content).unwrap();
            file.lock().unwrap();
            held.push(file);
        }
        fs::create_dir(folder.path.join("folder")).unwrap();
        let scan = scan(&folder.path).unwrap();
        assert_eq!(scan.endpoints.len(), 1);
        assert_eq!(scan.bad.len(), 3, "{:?}", scan.bad);
    }

    #[test]
    fn an_unfinished_young_entry_is_left_alone_and_a_missing_folder_is_empty() {
        let folder = Folder::new();
        File::create(folder.path.join(".young")).unwrap();
        assert!(scan(&folder.path).unwrap().endpoints.is_empty());
        assert_eq!(names(&folder.path), 1);
        let missing = scan(&folder.path.join("missing")).unwrap();
        assert!(!missing.exists && missing.endpoints.is_empty());
    }
}
