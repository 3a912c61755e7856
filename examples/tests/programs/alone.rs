//! Tests of the programs that need no other program: the quickstart, the feed, the echo server, the protobuf bytes.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::process::{Command, Stdio};

use crate::classic::connect;
use crate::program::*;

#[test]
fn quickstart_prints_its_steps_and_leaves_nothing_behind() {
    let folder = Folder::new();
    std::fs::create_dir(folder.path("temporary")).unwrap();
    let mut process = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    let output = process.env("TMPDIR", folder.path("temporary")).stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let beginnings = ["started", "found", "registered", "logged in", "listed", "killed", "logged in", "stopped"];
    for (line, beginning) in text.lines().zip(beginnings) {
        assert!(line.starts_with(beginning), "{line}");
    }
    assert_eq!(text.lines().count(), beginnings.len(), "{text}");
    assert_eq!(std::fs::read_dir(folder.path("temporary")).unwrap().count(), 0);
}

#[test]
fn feed_streams_in_every_direction() {
    let (succeeded, output) = run(env!("CARGO_BIN_EXE_feed"), "");
    assert!(succeeded, "{output}");
    let expected = [
        "followed: news 1",
        "followed: news 2",
        "followed: news 3",
        "stored: 2",
        "streams: streams? tell me more",
        "windows: windows? tell me more",
        "ended well: true",
    ];
    assert!(output.lines().eq(expected), "{output}");
}

#[test]
fn fan_out_gathers_replies_of_several_providers() {
    let (succeeded, output) = run(env!("CARGO_BIN_EXE_fan_out"), "");
    assert!(succeeded, "{output}");
    let beginnings = [
        "all: 2 replies, 1 failed",
        "broadcast: 3 replies",
        "quorum: 2 replies",
        "first: hello you",
        "partition",
        "partition",
    ];
    for (line, beginning) in output.lines().zip(beginnings) {
        assert!(line.starts_with(beginning), "{output}");
    }
    // The partition of a key is that of the provider that answers.
    for line in output.lines().filter_map(|line| line.strip_prefix("partition ")) {
        assert_eq!(line.split(':').next(), line.rsplit(' ').next(), "{output}");
    }
    assert_eq!(output.lines().count(), 7, "{output}");
}

#[test]
fn echo_server_returns_what_it_receives() {
    let server = Program::start(env!("CARGO_BIN_EXE_echo_server"), "127.0.0.1:0");
    let mut socket = connect(&server.line_after("listening on "));
    let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut writer = socket.try_clone().unwrap();
    let expected = sent.clone();
    let writing = std::thread::spawn(move || writer.write_all(&sent).unwrap());
    let mut echoed = vec![0; expected.len()];
    socket.read_exact(&mut echoed).unwrap();
    writing.join().unwrap();
    assert!(echoed == expected);
    socket.shutdown(Shutdown::Write).unwrap();
    assert_eq!(socket.read(&mut [0]).unwrap(), 0);
    assert!(server.line().ends_with(" is up"));
    assert!(server.line().ends_with(" is down"));
}

#[test]
fn protobuf_prints_the_bytes_of_a_login() {
    let (succeeded, output) = run(env!("CARGO_BIN_EXE_protobuf"), "");
    assert!(succeeded, "{output}");
    for part in ["0a 05 63 75 69 73 6d ", "12 06 31 32 33 34 35 36 ", "0a 00 10 01"] {
        assert!(output.contains(part), "{output}");
    }
}
