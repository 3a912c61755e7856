//! Tests of the invariants in docs/architecture.md that the compiler does not check. The tests read the sources as text.
//!
//! The tests cover the levels of modules, the use of sockets and the clock, the files that name a protocol, the use of
//! every limit, and the links in documents.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules of each level, from the bottom up. A module uses its own level and the levels below.
const LEVELS: [&[&str]; 6] = [
    &[
        "status", "metadata", "deadline", "method", "context", "endpoint", "error", "limits", "priority", "recycled",
        "scope", "tls", "id_map", "id_map",
    ],
    &["codec", "protocol"],
    &["net"],
    &["discovery", "balancer"],
    &[
        "streaming",
        "inbox",
        "service",
        "in_process",
        "interceptor",
        "interceptors",
        "client",
        "server",
        "etcd",
        "targets",
    ],
    &["config", "logging", "codegen", "testing", "bench", "fuzzing"],
];

/// Files of one folder that import each other in a circle. The list only shrinks.
const CIRCLES: [&[&str]; 5] = [
    &["metadata", "status"],
    &["context", "scope"],
    &["net/stream", "net/tls"],
    &["server/call", "server/executor", "server/shared"],
    &["testing/host", "testing/network"],
];

/// Words that may occur only below the given paths, and the reason.
const ONLY_IN: [(&[&str], &[&str], &str); 4] = [
    (&["TcpStream", "TcpListener", "UnixStream", "UnixListener"], &["net/"], "sockets belong to net/"),
    (&["thread::Builder", "thread::spawn"], &["net/", "logging/"], "threads belong to net/, and one to the log"),
    (&["Instant::now()"], &["net/", "logging/"], "time comes in as an argument; net::clock reads the clock"),
    (
        &["native::", "classic::"],
        &[
            "protocol/",
            "client/multiplexed/",
            "client/one_shot.rs",
            "server/multiplexed/",
            "server/one_shot.rs",
            "bench.rs",
            "fuzzing/",
        ],
        "a protocol is named in protocol/, in the two transports of each side, and where its frames are counted",
    ),
];

const FILE_LINES_MAX: usize = 700;

struct Source {
    /// The path below `src/`, with `/` as separator.
    path: String,
    /// The code without tests and comments, because comments may use words that code may not.
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

/// The modules that follow `crate::` in code, also inside braces.
fn used(code: &str) -> Vec<String> {
    let mut used = Vec::new();
    for (_, rest) in code.match_indices("crate::").map(|(at, word)| (at, &code[at + word.len()..])) {
        let name: String = rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect();
        used.push(name);
    }
    used
}

#[test]
fn modules_use_only_their_own_level_and_the_levels_below() {
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

/// The file or folder `path` of a folder, as the other files of the folder name it: `client/call` for `client/call.rs`, and
/// `client/multiplexed` for everything below that.
fn member<'a>(folder: &str, path: &'a str) -> Option<&'a str> {
    let rest = path.strip_prefix(folder)?;
    let name = rest.split(['/', '.']).next()?;
    (!matches!(name, "mod" | "lib")).then(|| &path[..folder.len() + name.len()])
}

/// The names that follow `prefix` in code, also those in braces.
fn imported(code: &str, prefix: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in code.match_indices(prefix) {
        if code[..at].ends_with(|before: char| before.is_alphanumeric() || matches!(before, '_' | ':')) {
            continue;
        }
        let rest = &code[at + prefix.len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split('}').next().unwrap(),
            None => rest.split(|next: char| !next.is_alphanumeric() && next != '_').next().unwrap(),
        };
        let is_name = |c: char| c.is_alphanumeric() || c == '_';
        found.extend(names.split(|c: char| !is_name(c)).filter(|name| !name.is_empty()).map(str::to_owned));
    }
    found
}

/// What each member of a folder imports of the others.
fn imports_within(folder: &str, sources: &[Source]) -> BTreeMap<String, BTreeSet<String>> {
    let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for source in sources {
        let Some(own) = member(folder, &source.path) else { continue };
        let below = source.path[folder.len()..].matches('/').count();
        let is_folder = source.path.ends_with("/mod.rs");
        let up = "super::".repeat(below + 1 - usize::from(is_folder));
        let absolute = format!("crate::{}", folder.replace('/', "::"));
        let prefixes = [up, absolute];
        let names =
            prefixes.iter().filter(|prefix| !prefix.is_empty()).flat_map(|prefix| imported(&source.code, prefix));
        let others = names.map(|name| format!("{folder}{name}")).filter(|other| other != own);
        imports.entry(own.to_owned()).or_default().extend(others);
    }
    imports
}

/// Everything that `from` imports, directly or through others.
fn reached(from: &str, imports: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut next = vec![from];
    while let Some(file) = next.pop() {
        for other in imports.get(file).into_iter().flatten() {
            if imports.contains_key(other) && reached.insert(other.clone()) {
                next.push(other);
            }
        }
    }
    reached
}

#[test]
fn files_of_a_folder_import_each_other_without_circles() {
    let sources = sources();
    let folders: BTreeSet<&str> =
        sources.iter().map(|source| source.path.rfind('/').map_or("", |end| &source.path[..=end])).collect();
    assert!(folders.contains("client/") && folders.contains("server/multiplexed/"), "{folders:?}");
    let mut circles = BTreeSet::new();
    for folder in folders {
        let imports = imports_within(folder, &sources);
        for file in imports.keys() {
            let circle: Vec<String> =
                imports.keys().filter(|other| reached(file, &imports).contains(*other)).cloned().collect();
            let circle: Vec<String> =
                circle.into_iter().filter(|other| reached(other, &imports).contains(file)).collect();
            if circle.len() > 1 {
                circles.insert(circle);
            }
        }
    }
    let allowed: BTreeSet<Vec<String>> =
        CIRCLES.iter().map(|circle| circle.iter().map(|file| (*file).to_owned()).collect()).collect();
    assert_eq!(circles, allowed, "new circles must not come; circles that are gone leave the list");
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
    // net/allocator.rs may use unsafe: the benefit of malloc_trim was measured there.
    for source in sources().iter().filter(|source| source.path != "net/allocator.rs") {
        assert!(!source.code.contains("unsafe "), "{}: measure what it brings first, and say so here", source.path);
    }
}

#[test]
fn every_limit_is_used() {
    let sources = sources();
    for field in fields_of_limits(&sources) {
        let used = sources.iter().filter(|source| !matches!(source.module(), "limits" | "config"));
        assert!(used.into_iter().any(|source| source.code.contains(&field)), "nothing keeps to Limits::{field}");
    }
}

#[test]
fn every_limit_has_a_test_with_its_name() {
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

/// The contents of all Rust files below a folder, including tests.
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

/// The names of all test functions in `text`.
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
fn no_file_is_too_long_or_lacks_its_first_line() {
    for source in sources() {
        assert!(source.lines <= FILE_LINES_MAX, "{} has {} lines", source.path, source.lines);
        let first = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(&source.path)).unwrap();
        assert!(first.starts_with("//! "), "{}: the first line says what the file is", source.path);
    }
}

/// The documents of the repository: their paths, and their text without code blocks.
fn documents() -> Vec<(PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let mut documents = Vec::new();
    for folder in ["", "docs", "docs/adr", "docs/guide", "docs/zh", "examples"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let text = fs::read_to_string(&path).unwrap();
                // Every second part lies between two fences, so it is code.
                documents.push((path, text.split("\n```").step_by(2).collect::<Vec<_>>().join("\n")));
            }
        }
    }
    assert!(documents.len() > 30, "the documents were not found");
    documents
}

/// The anchor of a heading in a link, without `#`: `## Repository layout` has the anchor `repository-layout`.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_');
    heading.trim_start_matches('#').trim().to_lowercase().chars().filter(kept).collect::<String>().replace(' ', "-")
}

#[test]
fn links_in_documents_resolve() {
    let documents = documents();
    let mut wrong = Vec::new();
    for (path, text) in &documents {
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            let (file, place) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            let Ok(target) = target.canonicalize() else {
                wrong.push(format!("{}: {link} is not there", path.display()));
                continue;
            };
            let Some((_, text)) = documents.iter().find(|(path, _)| *path == target).filter(|_| !place.is_empty())
            else {
                continue;
            };
            if !text.lines().any(|line| line.starts_with('#') && anchor(line) == place) {
                wrong.push(format!("{}: {link} names no heading", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_page_exists_in_both_languages_and_is_in_the_index() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let pages = |language: &str| -> Vec<String> {
        let names = fs::read_dir(docs.join(language)).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names
    };
    assert_eq!(pages("guide"), pages("zh"));
    for language in ["guide", "zh"] {
        let index = fs::read_to_string(docs.join(language).join("index.md")).unwrap();
        for page in pages(language).iter().filter(|page| *page != "index.md") {
            assert!(index.contains(&format!("]({page})")), "{language}/index.md does not name {page}");
        }
    }
}

#[test]
fn every_page_is_listed_in_the_readme_and_links_to_the_other_language() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (readme, folder, other) in [("README.md", "guide", "zh"), ("README.zh-CN.md", "zh", "guide")] {
        let readme = fs::read_to_string(root.join(readme)).unwrap();
        for entry in fs::read_dir(root.join("docs").join(folder)).unwrap() {
            let entry = entry.unwrap();
            let (name, text) = (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
            assert!(readme.contains(&format!("](docs/{folder}/{name}")), "the README does not list {folder}/{name}");
            assert!(text.contains(&format!("](../{other}/{name})")), "{folder}/{name} has no link to {other}/{name}");
        }
    }
}

#[test]
fn code_of_the_guide_is_compiled() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let compiled = fs::read_to_string(root.join("mprpc-build/tests/generated/src/lib.rs")).unwrap();
    for entry in fs::read_dir(root.join("docs/guide")).unwrap() {
        let entry = entry.unwrap();
        let (name, text) = (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap());
        assert!(!text.contains("```rust,ignore"), "{name} has code that nobody compiles");
        let is_compiled = compiled.contains(&format!("docs/guide/{name}\")]"));
        assert!(is_compiled || !text.contains("```rust"), "mod guide does not take in {name}");
    }
}
