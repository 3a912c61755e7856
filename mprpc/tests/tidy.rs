//! The invariants of docs/architecture.md that the compiler does not hold: levels, who touches sockets and the clock,
//! where protocols are named, that every limit is reached for. Reads the sources as text.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each level, from the ground up. A module uses its own level and those below it.
const LEVELS: [&[&str]; 6] = [
    &["status", "metadata", "deadline", "method", "context", "endpoint", "error", "limits", "scope", "tls"],
    &["codec", "protocol"],
    &["net"],
    &["discovery", "balancer"],
    &["streaming", "inbox", "service", "interceptor", "interceptors", "client", "server"],
    &["config", "logging", "codegen", "testing"],
];

/// What may be found only below one of these, and why.
const ONLY_IN: [(&[&str], &[&str], &str); 4] = [
    (&["TcpStream", "TcpListener", "UnixStream", "UnixListener"], &["net/"], "sockets belong to net/"),
    (&["thread::Builder", "thread::spawn"], &["net/", "logging/"], "threads belong to net/, and one to the log"),
    (&["Instant::now()"], &["net/", "logging/"], "time comes in as an argument; net::clock reads the clock"),
    (
        &["native::", "classic::"],
        &["protocol/", "client/multiplexed/", "client/one_shot.rs", "server/multiplexed/", "server/one_shot.rs"],
        "a protocol is named in protocol/ and in the two transports of each side",
    ),
];

const FILE_LINES_MAX: usize = 700;

struct Source {
    /// Below `src/`, with `/`.
    path: String,
    /// Without its tests and without comments, so that prose may name what code may not.
    code: String,
    lines: usize,
}

impl Source {
    fn module(&self) -> &str {
        self.path.split(['/', '.']).next().unwrap()
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let path = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            if path.contains("tests") {
                continue;
            }
            let code = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap();
            let code = code.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n");
            sources.push(Source { path, code, lines: text.lines().count() });
        }
    }
    assert!(sources.len() > 50, "the sources were not found");
    sources
}

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|modules| modules.contains(&module))
}

/// The modules that follow `crate::` in code, also those in braces.
fn used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, word)| (at, &code[at + word.len()..])) {
        let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        used.push(name);
    }
    used
}

#[test]
fn modules_use_their_own_level_and_those_below() {
    let mut wrong = Vec::new();
    for source in sources() {
        let Some(own) = level(source.module()) else {
            assert_eq!(source.path, "lib.rs", "{} stands in no level", source.path);
            continue;
        };
        for used in used(&source.code) {
            if level(&used).is_some_and(|level| level > own) {
                wrong.push(format!("{} uses {used}, which stands above it", source.path));
            }
            let sides = [("client", "server"), ("server", "client")];
            if sides.contains(&(source.module(), used.as_str())) {
                wrong.push(format!("{} uses {used}: the two sides never import each other", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn sockets_threads_clock_and_protocols_stay_where_they_belong() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (words, places, why) in ONLY_IN {
            if places.iter().any(|place| source.path.starts_with(place)) {
                continue;
            }
            for word in words.iter().filter(|word| source.code.contains(**word)) {
                wrong.push(format!("{}: {word}: {why}", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn there_is_no_unsafe_code() {
    for source in sources() {
        assert!(!source.code.contains("unsafe "), "{}: measure what it brings first, and say so here", source.path);
    }
}

#[test]
fn every_limit_is_reached_for() {
    let sources = sources();
    for field in fields_of_limits(&sources) {
        let used = sources.iter().filter(|source| !matches!(source.module(), "limits" | "config"));
        assert!(used.into_iter().any(|source| source.code.contains(&field)), "nothing keeps to Limits::{field}");
    }
}

#[test]
fn every_limit_names_a_test_that_reaches_it() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let texts: Vec<String> = ["src", "tests"].iter().flat_map(|folder| texts(&root.join(folder))).collect();
    let tests: Vec<&str> = texts.iter().flat_map(|text| names_of_tests(text)).collect();
    assert!(tests.len() > 300, "the tests were not found");
    let has_word = |test: &str, field: &str| format!("_{test}_").contains(&format!("_{field}_"));
    let fields = fields_of_limits(&sources());
    let missing: Vec<_> = fields.iter().filter(|field| !tests.iter().any(|test| has_word(test, field))).collect();
    assert!(missing.is_empty(), "no test is named after {missing:?}; see the table in server/tests/limits.rs");
    let table = fs::read_to_string(root.join("src/server/tests/limits.rs")).unwrap();
    let table: Vec<&str> = table.lines().take_while(|line| line.starts_with("//!")).collect();
    for field in fields {
        assert!(table.iter().any(|row| row.contains(&format!("`{field}`"))), "{field} is not in the table");
    }
}

fn fields_of_limits(sources: &[Source]) -> Vec<String> {
    let limits = sources.iter().find(|source| source.path == "limits.rs").unwrap();
    let body = limits.code.split("pub struct Limits {").nth(1).unwrap().split('}').next().unwrap();
    let fields: Vec<String> =
        body.lines().filter_map(|line| Some(line.trim().strip_prefix("pub ")?.split(':').next()?.to_owned())).collect();
    assert!(fields.len() > 10);
    fields
}

/// All files of Rust below a folder, tests included.
fn texts(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            found.extend(texts(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
    found
}

/// The functions that stand right below a mark as a test.
fn names_of_tests(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if !line.starts_with("#[") {
            let name = line.trim_start_matches("async ").strip_prefix("fn ").and_then(|rest| rest.split('(').next());
            names.extend(name.filter(|_| std::mem::take(&mut is_test)));
        }
    }
    names
}

#[test]
fn no_file_gets_away() {
    for source in sources() {
        assert!(source.lines <= FILE_LINES_MAX, "{} has {} lines", source.path, source.lines);
        let first = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&source.path)).unwrap();
        assert!(first.starts_with("//! "), "{}: the first line says what the file is", source.path);
    }
}
