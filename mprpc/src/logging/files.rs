//! The log files of a folder: their names, their rotation, and replacing a file that is gone. Does not format lines and
//! does not handle a full disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::clock::{Date, Timestamp, Zone, day_and_second};
use super::{LogConfig, LogFormat, LogRotation};

/// The log files of a folder.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    names: Names,
    bytes_max: u64,
    files_max: usize,
    zone: Zone,
    open: Option<Open>,
}

/// The names of the files: `user.2026-01-31.log` and `user.2026-01-31.1.log`; classic `2026-1-31-log.txt`.
#[derive(Debug)]
struct Names {
    name: String,
    classic: bool,
    daily: bool,
}

#[derive(Debug)]
struct Open {
    file: File,
    path: PathBuf,
    key: Key,
    bytes: u64,
    device_and_inode: (u64, u64),
    /// The second of the last check that the file is still at its path.
    seen: i64,
}

/// The position of a file in the series: its day (0 without daily rotation) and its number within the day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    day: i64,
    index: u32,
}

impl Files {
    /// Makes the log files of this folder. The first write opens a file; a later write opens it again if it is gone.
    pub(super) fn new(config: &LogConfig, folder: PathBuf, zone: Zone) -> Files {
        let name = if config.name.is_empty() { "mprpc".to_owned() } else { config.name.clone() };
        let classic = config.format == LogFormat::Classic;
        let names = Names { name, classic, daily: config.rotation == LogRotation::Daily };
        Files { folder, names, bytes_max: config.file_bytes_max as u64, files_max: config.files_max, zone, open: None }
    }

    /// Writes some of the bytes into the file for the time `now`.
    pub(super) fn write(&mut self, bytes: &[u8], now: Timestamp) -> io::Result<usize> {
        let day = match self.names.daily {
            true => day_and_second(self.zone.wall(now.seconds)).0,
            false => 0,
        };
        let more = bytes.len() as u64;
        let next = match &self.open {
            None => Some(self.last_of(day)?),
            // If the clock goes back a little, or the zone changes, writing continues in the current file, not in
            // yesterday's.
            Some(open) if day != open.key.day && day != open.key.day - 1 => Some(self.last_of(day)?),
            Some(open) if self.is_full(open.bytes, more) => Some(Key { index: open.key.index + 1, ..open.key }),
            Some(open) if open.seen != now.seconds && open.is_gone() => Some(open.key),
            Some(_) => None,
        };
        if let Some(key) = next {
            self.open = None;
            self.open_file(key, more, now)?;
        }
        let Some(open) = &mut self.open else { return Err(io::ErrorKind::NotFound.into()) };
        open.seen = now.seconds;
        let written = open.file.write(bytes)?;
        open.bytes += written as u64;
        Ok(written)
    }

    fn is_full(&self, bytes: u64, more: u64) -> bool {
        self.bytes_max > 0 && bytes > 0 && bytes + more > self.bytes_max
    }

    fn open_file(&mut self, mut key: Key, more: u64, now: Timestamp) -> io::Result<()> {
        fs::create_dir_all(&self.folder)?;
        loop {
            let path = self.folder.join(self.names.of(key));
            let file = OpenOptions::new().create(true).append(true).open(&path)?;
            let metadata = file.metadata()?;
            if self.is_full(metadata.len(), more) {
                key.index += 1;
                continue;
            }
            let device_and_inode = (metadata.dev(), metadata.ino());
            self.open = Some(Open { file, path, key, bytes: metadata.len(), device_and_inode, seen: now.seconds });
            break;
        }
        self.delete_oldest(key);
        Ok(())
    }

    /// Returns the file of a day that writing continues in: the one with the highest number.
    fn last_of(&self, day: i64) -> io::Result<Key> {
        let index = self.present()?.into_iter().filter(|key| key.day == day).map(|key| key.index).max();
        Ok(Key { day, index: index.unwrap_or(0) })
    }

    fn delete_oldest(&self, current: Key) {
        if self.files_max == 0 {
            return;
        }
        let Ok(mut present) = self.present() else { return };
        present.retain(|key| *key != current);
        present.sort_unstable();
        let surplus = (present.len() + 1).saturating_sub(self.files_max);
        for key in present.into_iter().take(surplus) {
            // A file that cannot be deleted now is tried again when the next file begins.
            let _ = fs::remove_file(self.folder.join(self.names.of(key)));
        }
    }

    /// Returns the files of this series in the folder.
    fn present(&self) -> io::Result<Vec<Key>> {
        let entries = match fs::read_dir(&self.folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries?,
        };
        Ok(entries.flatten().filter_map(|entry| self.names.key(entry.file_name().to_str()?)).collect())
    }
}

impl Open {
    /// Whether the file was deleted, moved away (by logrotate, for example) or replaced.
    fn is_gone(&self) -> bool {
        fs::metadata(&self.path).map(|metadata| (metadata.dev(), metadata.ino())).ok() != Some(self.device_and_inode)
    }
}

impl Names {
    fn of(&self, Key { day, index }: Key) -> String {
        let Date { year, month, day } = Date::of_day(day);
        let number = if index == 0 { String::new() } else { format!(".{index}") };
        match (self.classic, self.daily) {
            (true, true) => format!("{year}-{month}-{day}-log{number}.txt"),
            (true, false) => format!("log{number}.txt"),
            (false, true) => format!("{}.{year:04}-{month:02}-{day:02}{number}.log", self.name),
            (false, false) => format!("{}{number}.log", self.name),
        }
    }

    /// Parses a file name. Returns `None` for a name that [`Names::of`] would not produce.
    fn key(&self, file: &str) -> Option<Key> {
        let middle = match self.classic {
            true => file.strip_suffix(".txt")?,
            false => file.strip_suffix(".log")?.strip_prefix(self.name.as_str())?,
        };
        let numbers = middle.split(['.', '-']).filter(|part| !part.is_empty() && *part != "log");
        let numbers = numbers.map(|part| part.parse().ok()).collect::<Option<Vec<u32>>>()?;
        let (day, rest) = match (self.daily, numbers.as_slice()) {
            (true, [year, month, day, rest @ ..]) if *year < 100_000 && (1..=12).contains(month) => {
                let date = Date { year: (*year).into(), month: (*month).into(), day: (*day).into() };
                (date.day_number(), rest)
            }
            (false, rest) => (0, rest),
            _ => return None,
        };
        let key = Key { day, index: rest.first().copied().unwrap_or(0) };
        (self.of(key) == file).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    /// 2024-01-31 00:00 UTC.
    const START: i64 = 19_753 * DAY;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Folder {
            let path = std::env::temp_dir().join(format!("mprpc-files-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&path);
            Folder(path)
        }

        fn files(&self, config: &LogConfig) -> Files {
            Files::new(&LogConfig { name: "user".into(), ..config.clone() }, self.0.clone(), Zone::Utc)
        }

        fn list(&self) -> Vec<String> {
            let entries = fs::read_dir(&self.0).unwrap();
            let mut names: Vec<String> =
                entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
            names.sort();
            names
        }

        fn read(&self, name: &str) -> String {
            fs::read_to_string(self.0.join(name)).unwrap()
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp { seconds, micros: 0 }
    }

    #[test]
    fn daily_rotation_writes_one_file_a_day() {
        let folder = Folder::new("daily");
        let mut files = folder.files(&LogConfig::default());
        for (time, line) in [(0, b"a\n"), (DAY - 1, b"b\n"), (DAY, b"c\n"), (3 * DAY, b"d\n")] {
            files.write(line, at(START + time)).unwrap();
        }
        assert_eq!(folder.list(), ["user.2024-01-31.log", "user.2024-02-01.log", "user.2024-02-03.log"]);
        assert_eq!(folder.read("user.2024-01-31.log"), "a\nb\n");
    }

    #[test]
    fn clock_set_back_keeps_the_current_file_unless_it_is_days_off() {
        let folder = Folder::new("back");
        let mut files = folder.files(&LogConfig::default());
        for (time, line) in [(DAY, b"a\n"), (DAY - 5, b"b\n"), (DAY + 5, b"c\n"), (-DAY, b"d\n"), (9 * DAY, b"e\n")] {
            files.write(line, at(START + time)).unwrap();
        }
        assert_eq!(folder.read("user.2024-02-01.log"), "a\nb\nc\n");
        assert_eq!(folder.list(), ["user.2024-01-30.log", "user.2024-02-01.log", "user.2024-02-09.log"]);
    }

    #[test]
    fn full_file_starts_the_next_and_deletes_the_oldest() {
        let folder = Folder::new("size");
        let config = LogConfig { file_bytes_max: 4, files_max: 2, ..LogConfig::default() };
        fs::create_dir_all(&folder.0).unwrap();
        fs::write(folder.0.join("user.note.log"), "not ours").unwrap();
        let mut files = folder.files(&config);
        for line in [b"a\n", b"b\n", b"c\n"] {
            files.write(line, at(START)).unwrap();
        }
        assert_eq!(folder.list(), ["user.2024-01-31.1.log", "user.2024-01-31.log", "user.note.log"]);
        // A restart continues where it was.
        let mut files = folder.files(&config);
        for line in [b"d\n", b"e\n"] {
            files.write(line, at(START)).unwrap();
        }
        assert_eq!(folder.list(), ["user.2024-01-31.1.log", "user.2024-01-31.2.log", "user.note.log"]);
        assert_eq!(folder.read("user.2024-01-31.1.log"), "c\nd\n");
    }

    #[test]
    fn classic_names_have_no_leading_zeros() {
        let folder = Folder::new("classic");
        let config = LogConfig { format: LogFormat::Classic, ..LogConfig::default() };
        folder.files(&config).write(b"a\n", at(START)).unwrap();
        assert_eq!(folder.list(), ["2024-1-31-log.txt"]);
    }

    #[test]
    fn file_names_parse_back_to_their_keys() {
        for (classic, daily) in [(false, false), (false, true), (true, false), (true, true)] {
            let names = Names { name: "us-er.1".into(), classic, daily };
            for index in [0, 1, 12] {
                let key = Key { day: if daily { 19_753 } else { 0 }, index };
                assert_eq!(names.key(&names.of(key)), Some(key), "{}", names.of(key));
            }
            assert_eq!(names.key("us-er.1.2024-99-31.log"), None);
            assert_eq!(names.key("other.2024-01-31.log"), None);
        }
    }

    #[test]
    fn deleted_file_and_folder_are_created_again() {
        let folder = Folder::new("gone");
        let mut files = folder.files(&LogConfig { rotation: LogRotation::Never, ..LogConfig::default() });
        files.write(b"a\n", at(START)).unwrap();
        fs::remove_file(folder.0.join("user.log")).unwrap();
        files.write(b"b\n", at(START + 1)).unwrap();
        assert_eq!(folder.read("user.log"), "b\n");
        fs::remove_dir_all(&folder.0).unwrap();
        files.write(b"c\n", at(START + 2)).unwrap();
        assert_eq!(folder.read("user.log"), "c\n");
    }
}
