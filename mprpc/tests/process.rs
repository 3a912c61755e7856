//! Tests of configuration and log of a whole process. This program starts itself as a child, with `MPRPC_TEST_PROCESS`.
//!
//! The tests run without a harness because they test the end of `main` and of the main thread.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test, which clippy does not see where there is no harness"
)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

fn main() {
    if let Ok(mode) = std::env::var("MPRPC_TEST_PROCESS") {
        return child(&mode);
    }
    for (name, test) in [
        ("end_of_main_flushes", end_of_main_flushes as fn(&Folder)),
        ("exit_on_the_main_thread_flushes", exit_on_the_main_thread_flushes),
        ("panic_is_logged_with_its_backtrace", panic_is_logged_with_its_backtrace),
        ("panic_on_a_thread_is_logged_and_the_process_lives", panic_on_a_thread_is_logged_and_the_process_lives),
        ("level_changes_while_running", level_changes_while_running),
        ("subscriber_of_the_program_stays", subscriber_of_the_program_stays),
        ("standard_error_is_the_default", standard_error_is_the_default),
        ("full_standard_error_does_not_hurt", full_standard_error_does_not_hurt),
        (
            "standard_error_that_nobody_reads_does_not_hold_the_program",
            standard_error_that_nobody_reads_does_not_hold_the_program,
        ),
        ("sources_come_together", sources_come_together),
        ("help_and_version_end_with_0", help_and_version_end_with_0),
    ] {
        test(&Folder::new(name));
        println!("test {name} ... ok");
    }
}

fn child(mode: &str) {
    if mode == "subscriber" {
        struct Theirs;
        impl tracing::Subscriber for Theirs {
            fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
                true
            }
            fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
                tracing::Id::from_u64(1)
            }
            fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
            fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
            fn event(&self, event: &tracing::Event<'_>) {
                println!("theirs {}", event.metadata().level());
            }
            fn enter(&self, _: &tracing::Id) {}
            fn exit(&self, _: &tracing::Id) {}
        }
        tracing::subscriber::set_global_default(Theirs).unwrap();
    }
    let config = match mprpc::init_with(&["demo"]) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2)
        }
    };
    match mode {
        "main" => (0..1000).for_each(|n| tracing::info!(n, "line")),
        "flood" => {
            (0..100_000).for_each(|n| tracing::info!(n, "line"));
            (0..10_000).for_each(|n| tracing::error!(n, "line"));
            println!("{}", mprpc::logging::dropped_lines());
        }
        "exit" => {
            tracing::info!("before exit");
            std::process::exit(3);
        }
        "panic" => panic!("on\npurpose"),
        "thread" => {
            assert!(std::thread::spawn(|| panic!("on a thread")).join().is_err());
            tracing::info!("lives");
        }
        "level" => {
            tracing::debug!("not yet");
            mprpc::logging::set_level("debug").unwrap();
            tracing::debug!("now");
            mprpc::logging::set_level("off").unwrap();
            tracing::error!("no more");
        }
        "subscriber" => {
            tracing::error!("x");
            assert!(mprpc::logging::set_level("debug").is_err());
            assert!(mprpc::logging::flush(Duration::ZERO));
        }
        "sources" => println!("{} {:?}", config.loops, config.flag("demo")),
        _ => panic!("no such mode"),
    }
}

fn end_of_main_flushes(folder: &Folder) {
    let output = folder.run("main", &["--log.format=json"]);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    let log = folder.log();
    assert_eq!(log.lines().count(), 1000);
    assert!(log.lines().last().unwrap().ends_with("\"message\":\"line\",\"fields\":{\"n\":999}}"), "{log}");
}

fn exit_on_the_main_thread_flushes(folder: &Folder) {
    let output = folder.run("exit", &["--log.format=classic"]);
    assert_eq!(output.status.code(), Some(3));
    assert!(folder.log().ends_with("->[info]before exit\n"));
}

fn panic_is_logged_with_its_backtrace(folder: &Folder) {
    let output = folder.run("panic", &[]);
    assert_eq!(output.status.code(), Some(101));
    let log = folder.log();
    assert_eq!(log.lines().count(), 1, "{log}");
    assert!(log.contains("ERROR mprpc::panic: panicked: on\\npurpose location=mprpc/tests/process.rs"), "{log}");
    assert!(log.contains("thread=main backtrace=") && log.contains("child\\n"), "{log}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("on\npurpose"), "also where it was started");
}

fn panic_on_a_thread_is_logged_and_the_process_lives(folder: &Folder) {
    let output = folder.run("thread", &[]);
    assert!(output.status.success());
    let log = folder.log();
    assert!(log.contains("panicked: on a thread") && log.ends_with("lives\n"), "{log}");
}

fn level_changes_while_running(folder: &Folder) {
    folder.run("level", &[]);
    let log = folder.log();
    assert!(log.ends_with("DEBUG process: now\n") && log.lines().count() == 1, "{log}");
}

fn subscriber_of_the_program_stays(folder: &Folder) {
    let output = folder.run("subscriber", &[]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, b"theirs ERROR\n");
}

fn standard_error_is_the_default(_: &Folder) {
    let output = command("main", &[]).output().unwrap();
    let log = String::from_utf8(output.stderr).unwrap();
    assert_eq!(log.lines().count(), 1000);
    assert!(log.ends_with("Z  INFO process: line n=999\n") && !log.contains('\x1b'), "{log}");
}

fn full_standard_error_does_not_hurt(_: &Folder) {
    let Ok(full) = std::fs::OpenOptions::new().write(true).open("/dev/full") else { return };
    assert!(command("main", &[]).stderr(full).status().unwrap().success());
}

fn standard_error_that_nobody_reads_does_not_hold_the_program(_: &Folder) {
    let begin = Instant::now();
    let flags = ["--log.queue_bytes_max=64KiB", "--log.flush_timeout=100ms"];
    let mut child = command("flood", &flags).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // The test reads only standard output, so standard error stays full while the program runs.
    let dropped = std::io::read_to_string(child.stdout.take().unwrap()).unwrap();
    assert!(child.wait().unwrap().success());
    assert!(begin.elapsed() < Duration::from_secs(20), "{:?}", begin.elapsed());
    assert!(dropped.trim().parse::<u64>().unwrap() > 90_000, "{dropped}");
}

fn sources_come_together(folder: &Folder) {
    let conf = folder.0.join("t.conf");
    std::fs::write(&conf, "loops = 1\ndemo = yes\nlopps = 2\n").unwrap();
    let output = folder.run_with(&["-i", conf.to_str().unwrap()], "MPRPC_LOOPS", "7", "sources");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "7 Ok(true)\n");
    assert!(folder.log().contains("t.conf:3:1: unknown key 'lopps'; did you mean 'loops'?"));
    std::fs::write(&conf, "loops = 1\nloops = 2\n").unwrap();
    let output = folder.run("sources", &["-i", conf.to_str().unwrap()]);
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(error.ends_with("t.conf:2:1: 'loops' is set twice: here and in line 1\n"), "{error}");
}

fn help_and_version_end_with_0(folder: &Folder) {
    for (flag, part) in [
        ("--help", "limits.message_bytes_max [16777216]"),
        ("--version", "(mprpc 0."),
        ("--print-config", "# flag --log.folder\n"),
    ] {
        let output = folder.run("main", &[flag]);
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains(part), "{text}");
    }
}

fn command(mode: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.env("MPRPC_TEST_PROCESS", mode).env_remove("RUST_BACKTRACE").args(arguments);
    command
}

/// The folder for a child's log.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("mprpc-process-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn run(&self, mode: &str, arguments: &[&str]) -> Output {
        let folder = format!("--log.folder={}", self.0.display());
        command(mode, arguments).arg(folder).output().unwrap()
    }

    fn run_with(&self, arguments: &[&str], variable: &str, value: &str, mode: &str) -> Output {
        let folder = format!("--log.folder={}", self.0.display());
        command(mode, arguments).arg(folder).env(variable, value).output().unwrap()
    }

    /// The contents of all log files.
    fn log(&self) -> String {
        let files = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap().path());
        let is_log = |path: &PathBuf| path.extension() != Some("conf".as_ref());
        files.filter(is_log).map(|path| read(&path)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}
