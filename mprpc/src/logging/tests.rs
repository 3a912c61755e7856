//! Tests of lines, of the subscriber and of a failing disk. The tests of the queue and of the files are beside their
//! code.

use std::path::Path;
use std::sync::Mutex;

use tracing::Level;

use super::clock::Timestamp;
use super::line::{Head, Stamp};
use super::queue::{Batch, Line};
use super::*;

const UTC_NOON: Timestamp = Timestamp { seconds: 1_706_705_106, micros: 123 }; // 2024-01-31 12:45:06

fn style(format: LogFormat) -> Style {
    Style { format, terminal: false, line_bytes_max: 200, zone: Zone::Utc }
}

/// Returns what `work` logs, without the times.
fn logged(style: &Style, filter: &str, work: impl FnOnce()) -> String {
    let queue = Arc::new(Queue::new(1 << 20, Duration::ZERO));
    let filter = Arc::new(ArcSwap::from_pointee(filter.parse().unwrap()));
    let subscriber = LogSubscriber { filter, queue: queue.clone(), style: style.clone(), spans: Mutex::default() };
    tracing::subscriber::with_default(subscriber, work);
    let mut batch = Batch::default();
    queue.take(&mut batch, Some(Duration::ZERO));
    let text = String::from_utf8(batch.bytes).unwrap();
    let cut = |line: &str| match style.format {
        LogFormat::Text => line.split_once("Z ").unwrap().1.to_owned(),
        LogFormat::Json => line.split_once("Z\",").unwrap().1.to_owned(),
        LogFormat::Classic => line.split_once("->").unwrap().1.to_owned(),
    };
    text.lines().map(|line| cut(line) + "\n").collect()
}

fn line(style: &Style, text: &str) -> String {
    let mut out = String::new();
    let head = Head { moment: UTC_NOON, level: Level::INFO, target: "app", spans: &[] };
    style.line(&mut out, &mut Stamp::default(), &head, |fields| fields.message(format_args!("{text}")));
    out
}

#[test]
fn lines_have_the_documented_formats() {
    assert_eq!(line(&style(LogFormat::Text), "hello"), "2024-01-31T12:45:06.000123Z  INFO app: hello\n");
    let json =
        "{\"time\":\"2024-01-31T12:45:06.000123Z\",\"level\":\"INFO\",\"target\":\"app\",\"message\":\"hello\"}\n";
    assert_eq!(line(&style(LogFormat::Json), "hello"), json);
    assert_eq!(line(&style(LogFormat::Classic), "hello"), "12:45:6->[info]hello\n");
    let zone = Zone::Local(tz::TimeZone::from_posix_tz("CST-8").unwrap());
    assert_eq!(line(&Style { zone, ..style(LogFormat::Classic) }, "hello"), "20:45:6->[info]hello\n");
}

#[test]
fn one_event_is_one_line() {
    let nasty = "a\nb\r\tc\x1b[31m\u{85}\u{2028}\u{202e}\"\\名";
    let text = line(&style(LogFormat::Text), nasty);
    assert!(text.ends_with("app: a\\nb\\r\\tc\\u{1b}[31m\\u{85}\\u{2028}\\u{202e}\"\\名\n"), "{text}");
    let json = line(&style(LogFormat::Json), nasty);
    let escaped = "\"message\":\"a\\nb\\r\\tc\\u001b[31m\\u0085\\u2028\\u202e\\\"\\\\名\"}\n";
    assert!(json.ends_with(escaped), "{json}");
    let terminal = line(&Style { terminal: true, ..style(LogFormat::Text) }, "a\nb\x1b[2J");
    assert!(terminal.ends_with("app: a\n    b\\u{1b}[2J\n"), "{terminal}");
}

#[test]
fn long_line_is_cut_and_says_so() {
    let text = line(&style(LogFormat::Text), &"名".repeat(100));
    assert!(text.ends_with("名 (108 bytes cut)\n"), "{text}");
    let json = line(&style(LogFormat::Json), &"\n".repeat(1000));
    assert!(json.ends_with("\\n\",\"bytes_cut\":910}\n"), "{json}");
}

fn events() {
    let call = tracing::info_span!("call", id = 7, peer = tracing::field::Empty);
    call.record("peer", "a b");
    let _entered = call.enter();
    let cause = io::Error::other("no\nroute");
    tracing::info_span!("inner").in_scope(|| {
        tracing::warn!(n = 1u64, ok = true, f = 0.5, nan = f64::NAN, s = "a=\"b\"", %cause, d = ?"q\"", "failed {}", 2);
    });
    tracing::debug!(only = "field");
    tracing::error!(parent: None, "bare");
}

#[test]
fn text_lines_show_fields_and_spans() {
    let expected = "\
         WARN mprpc::logging::tests: call{id=7 peer=\"a b\"}: inner{}: failed 2 n=1 ok=true f=0.5 nan=NaN s=\"a=\\\"b\\\"\" cause=no\\nroute d=\"q\\\"\"\n\
        DEBUG mprpc::logging::tests: call{id=7 peer=\"a b\"}: only=field\n\
        ERROR mprpc::logging::tests: bare\n";
    assert_eq!(logged(&style(LogFormat::Text), "debug", events).trim_start(), expected);
    let classic = logged(&style(LogFormat::Classic), "error", events);
    assert_eq!(classic, "[error]bare\n");
}

#[test]
fn json_lines_show_fields_and_spans() {
    let spans = "\"spans\":[{\"name\":\"call\",\"fields\":{\"id\":7,\"peer\":\"a b\"}}";
    let fields = "\"n\":1,\"ok\":true,\"f\":0.5,\"nan\":\"NaN\",\"s\":\"a=\\\"b\\\"\",\"cause\":\"no\\nroute\",\"d\":\"\\\"q\\\\\\\"\\\"\"";
    let target = "\"target\":\"mprpc::logging::tests\"";
    let expected = format!(
        "\"level\":\"WARN\",{target},\"message\":\"failed 2\",\"fields\":{{{fields}}},{spans},{{\"name\":\"inner\",\"fields\":{{}}}}]}}\n\
         \"level\":\"DEBUG\",{target},\"fields\":{{\"only\":\"field\"}},{spans}]}}\n\
         \"level\":\"ERROR\",{target},\"message\":\"bare\"}}\n"
    );
    assert_eq!(logged(&style(LogFormat::Json), "debug", events), expected);
}

#[test]
fn value_that_logs_while_being_logged_makes_two_lines() {
    struct Chatty;
    impl std::fmt::Display for Chatty {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            tracing::info!("inside");
            f.write_str("shown")
        }
    }
    let text = logged(&style(LogFormat::Text), "info", || tracing::info!("value {}", Chatty));
    assert!(text.contains("value shown"), "{text}");
}

#[test]
fn panic_in_a_value_leaves_the_log_usable() {
    struct Bomb;
    impl std::fmt::Debug for Bomb {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("in a value")
        }
    }
    let text = logged(&style(LogFormat::Text), "info", || {
        assert!(std::panic::catch_unwind(|| tracing::info!(bomb = ?Bomb, "before")).is_err());
        tracing::info!("after");
    });
    assert_eq!(text, " INFO mprpc::logging::tests: after\n");
}

fn batch(lines: &[(Level, &str)]) -> Batch {
    let mut batch = Batch::default();
    for (level, line) in lines {
        batch.bytes.extend_from_slice(line.as_bytes());
        batch.lines.push(Line { end: batch.bytes.len(), error: *level == Level::ERROR });
    }
    batch
}

struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn writer(name: &str, complain: fn(&str)) -> (Writer, Folder, PathBuf) {
    let folder = std::env::temp_dir().join(format!("mprpc-log-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let config = LogConfig { name: "t".into(), rotation: LogRotation::Never, ..LogConfig::default() };
    let files = Files::new(&config, folder.clone(), Zone::Utc);
    let writer = Writer::new(Destination::Files(Box::new(files)), style(LogFormat::Text), 8, complain);
    let path = folder.join("t.log");
    (writer, Folder(folder), path)
}

#[test]
fn full_disk_counts_lost_lines_and_keeps_errors() {
    static COMPLAINTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
    let (mut writer, _folder, path) = writer("full", |text| COMPLAINTS.lock().unwrap().push(text.to_owned()));
    if !Path::new("/dev/full").exists() {
        return;
    }
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    let at = |seconds| Timestamp { seconds: UTC_NOON.seconds + seconds, micros: 0 };
    writer.write(&mut batch(&[(Level::INFO, "i1\n"), (Level::ERROR, "E1\n")]), at(0));
    writer.write(&mut batch(&[(Level::ERROR, "E2\n"), (Level::ERROR, "E3\n")]), at(0));
    writer.write(&mut batch(&[(Level::INFO, "i2\n")]), at(3));
    std::fs::remove_file(&path).unwrap();
    writer.write(&mut batch(&[(Level::INFO, "i3\n")]), at(3));
    assert!(!path.exists(), "tried again within a second");
    writer.write(&mut batch(&[(Level::INFO, "i4\n")]), at(4));
    let expected = "2024-01-31T12:45:10.000000Z  WARN mprpc::logging: 4 lines were lost, 1 of them errors, in 4 s without a \
                    log: No space left on device (os error 28)\nE1\nE2\ni4\n";
    assert_eq!(std::fs::read_to_string(&path).unwrap(), expected);
    let expected = [
        "mprpc: the log cannot be written: No space left on device (os error 28); lost lines are counted, errors kept",
        "mprpc: the log is written again",
    ];
    assert_eq!(*COMPLAINTS.lock().unwrap(), expected);
}

#[test]
fn folder_that_cannot_be_created_is_created_later() {
    let (mut writer, folder, path) = writer("unmakeable", |_| {});
    std::fs::remove_dir_all(&folder.0).unwrap();
    std::fs::write(&folder.0, "a file in the way").unwrap();
    writer.write(&mut batch(&[(Level::INFO, "i1\n")]), UTC_NOON);
    std::fs::remove_file(&folder.0).unwrap();
    writer.write(&mut batch(&[]), Timestamp { seconds: UTC_NOON.seconds - 100, micros: 0 });
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("1 lines were lost, 0 of them errors, in 0 s"), "{text}");
}

#[test]
fn log_reports_dropped_lines() {
    let (mut writer, _folder, path) = writer("dropped", |_| {});
    let mut batch = batch(&[(Level::INFO, "i1\n")]);
    (batch.dropped, batch.dropped_errors) = (3, 1);
    writer.write(&mut batch, UTC_NOON);
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.starts_with("i1\n"), "{text}");
    assert!(text.ends_with("3 lines were dropped, 1 of them errors: the queue of the log was full\n"), "{text}");
}
