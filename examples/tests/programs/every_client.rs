//! The page `docs/guide/every-client.md`: every block of code on it runs, and prints what the page shows.

use std::collections::BTreeSet;
use std::fs;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::peer::{self, Peer};
use crate::program::*;

pub(crate) const GREETER_PROVIDER: &str = env!("CARGO_BIN_EXE_greeter_provider");
const GREETER_CALLER: &str = env!("CARGO_BIN_EXE_greeter_caller");

/// A block of code of a page.
#[derive(Debug, PartialEq)]
struct Block {
    language: String,
    code: String,
    /// The block of text that follows: the output of the code.
    shows: Option<String>,
}

/// The blocks of code in a page. A block of text belongs to the block before it.
fn blocks(page: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for fenced in page.split("\n```").skip(1).step_by(2) {
        let (language, code) = fenced.split_once('\n').unwrap();
        match (language, blocks.last_mut()) {
            ("text", Some(shown)) => shown.shows = Some(code.to_owned()),
            _ => blocks.push(Block { language: language.to_owned(), code: format!("{code}\n"), shows: None }),
        }
    }
    blocks
}

fn page(language: &str) -> String {
    fs::read_to_string(peer::root().join("docs").join(language).join("every-client.md")).unwrap()
}

#[test]
fn both_languages_show_the_same_code() {
    assert_eq!(blocks(&page("guide")), blocks(&page("zh")));
}

#[test]
fn every_kind_of_client_calls_the_provider_as_the_guide_shows() {
    let web_port = free_port();
    let page = page("guide").replace("127.0.0.1:5173", &format!("127.0.0.1:{web_port}"));
    let folder = tempfile::tempdir().unwrap();
    fs::copy(peer::root().join("examples/hello/hello.proto"), folder.path().join("hello.proto")).unwrap();
    symlink(peer::node_modules(), folder.path().join("node_modules")).unwrap();

    let (mut provider, mut address, mut shown) = (None, PAGE_ADDRESS.to_owned(), BTreeSet::new());
    for Block { language, code, shows } in blocks(&page) {
        let code = in_test(&code, &address);
        let output = match language.as_str() {
            "rust,no_run" => {
                let is_example = |file: &&str| file.split_once("\n\n").is_some_and(|(_, example)| example == code);
                assert!(EXAMPLES.iter().any(is_example), "no file in examples/greeter has this code: {code}");
                continue;
            }
            "js" => {
                fs::write(folder.path().join("page.js"), code).unwrap();
                continue;
            }
            "sh" if code.starts_with(GREETER_PROVIDER) => {
                let arguments = code.strip_prefix(GREETER_PROVIDER).unwrap().replace(PAGE_ADDRESS, "127.0.0.1:0");
                let started = Program::provider(GREETER_PROVIDER, &arguments);
                provider = Some(started.0);
                address = started.1;
                format!("listening on {PAGE_ADDRESS}")
            }
            "sh" if code.contains("--serve=") => opened(folder.path(), &code, web_port),
            "sh" => output(folder.path(), "sh", &["-ec", &code]),
            "python" => output(folder.path(), "python3", &["-c", &code]),
            _ => panic!("a block in {language}, which no test runs"),
        };
        assert_eq!(output, shows.unwrap_or_default(), "the output of {code}");
        shown.insert(output);
    }
    assert!(provider.unwrap().is_running());
    for client in ["hello, C++", "hello, Rust", "hello, Python", "{\"text\":\"hello, curl\"}", "hello, browser"] {
        assert!(shown.contains(client), "the page has no block for {client}: {shown:?}");
    }
}

/// The code as this test runs it: with the programs that cargo has built, at the address of the provider, and without the
/// commands that `cargo xtask test` has run.
fn in_test(code: &str, address: &str) -> String {
    let built = [("greeter_provider", GREETER_PROVIDER), ("greeter_caller", GREETER_CALLER)];
    let mut code = code.to_owned();
    for (name, path) in built {
        code = code.replace(&format!("cargo run -p mprpc-examples --bin {name} --"), path);
    }
    for [on_page, in_test] in [[PAGE_ADDRESS, address].map(str::to_owned), [PAGE_ADDRESS, address].map(python_pair)] {
        code = code.replace(&on_page, &in_test);
    }
    let is_run = |line: &&str| !is_installation(line);
    code.lines().filter(is_run).map(|line| format!("{line}\n")).collect()
}

/// An address as Python's sockets take it.
fn python_pair(address: &str) -> String {
    let (host, port) = address.split_once(':').unwrap();
    format!("(\"{host}\", {port})")
}

/// Whether the line installs packages. `cargo xtask test` must have installed all of them.
fn is_installation(line: &str) -> bool {
    let Some((_, packages)) = ["pip install ", "npm install "].iter().find_map(|command| line.split_once(command))
    else {
        return false;
    };
    for package in packages.split(' ') {
        let is_named =
            |list: &str| list.contains(&format!("\"{package}==")) || list.contains(&format!("\"{package}\":"));
        assert!(INSTALLED.into_iter().any(is_named), "the page installs {package}, and cargo xtask test does not");
    }
    true
}

/// Runs a program to its end in this folder. Returns its output without the last line end.
fn output(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = command(folder, program, arguments).stdin(Stdio::null()).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {errors}\n{}", peer::HELP);
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Serves a page with the commands in `code`, and returns what Chromium shows of it.
fn opened(folder: &Path, code: &str, port: u16) -> String {
    let _serving = Peer::start(command(folder, "sh", &["-ec", code]).stderr(Stdio::null()));
    eventually("the page is served", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    let mut browser = Peer::node("mprpc/tests/node/browser.js", &[]);
    browser.say(&format!("http://127.0.0.1:{port}/"));
    browser.line()
}

/// A command in this folder that finds the Python of the tests as `python3`.
fn command(folder: &Path, program: &str, arguments: &[&str]) -> Command {
    let path = std::env::var("PATH").unwrap();
    let python = peer::python();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env("npm_config_cache", folder.join(".npm"));
    command.env("PATH", format!("{}:{path}", python.parent().unwrap().display()));
    command
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// The files whose code the page shows.
const EXAMPLES: [&str; 2] = [include_str!("../../greeter/provider.rs"), include_str!("../../greeter/caller.rs")];
/// The files that list what `cargo xtask test` installs.
const INSTALLED: [&str; 2] =
    [include_str!("../../../xtask/src/python.rs"), include_str!("../../../mprpc/tests/node/package.json")];
/// The address of the provider on the page.
const PAGE_ADDRESS: &str = "127.0.0.1:8000";
