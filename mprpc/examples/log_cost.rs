//! What a log line costs the thread that logs it: `cargo run --release -p mprpc --example log_cost`. Not a test.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use std::time::{Duration, Instant};

use mprpc::logging::{self, LogConfig, LogFormat};

/// So few that the queue never fills: what is measured is a line that is kept.
const LINES_A_ROUND: u32 = 5_000;
const ROUNDS: usize = 200;

fn main() -> Result<(), mprpc::Error> {
    let folder = std::env::temp_dir().join(format!("mprpc-log-cost-{}", std::process::id()));
    let format = match std::env::args().nth(1).as_deref() {
        Some("json") => LogFormat::Json,
        Some("classic") => LogFormat::Classic,
        _ => LogFormat::Text,
    };
    logging::start(&LogConfig { format, folder: Some(folder.clone()), name: "cost".into(), ..LogConfig::default() })?;
    println!("{format:?}, ns a line for the caller, median of {ROUNDS} rounds of {LINES_A_ROUND} (90th percentile)");
    measure("level disabled", |n| tracing::debug!(n, "a line that nobody wants"));
    measure("message", |_| tracing::info!("a message of some forty characters, as is usual"));
    measure("message and 3 fields", |n| tracing::info!(n, peer = "127.0.0.1:8000", ok = true, "call done"));
    let span = tracing::info_span!("call", id = 7);
    let entered = span.entered();
    measure("the same in a span", |n| tracing::info!(n, peer = "127.0.0.1:8000", ok = true, "call done"));
    drop(entered);
    measure("error among errors", |_| tracing::error!("a message of some forty characters, as is usual"));
    single("message, 60 ms after the last", Duration::from_millis(60));
    single("message, 1.5 s after the last (a wake-up)", Duration::from_millis(1500));
    println!("dropped: {}", logging::dropped_lines());
    logging::flush(Duration::from_secs(5));
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}

fn measure(name: &str, line: impl Fn(u32)) {
    let round = |_| {
        let start = Instant::now();
        (0..LINES_A_ROUND).for_each(&line);
        let nanos = start.elapsed().as_nanos() / u128::from(LINES_A_ROUND);
        logging::flush(Duration::from_secs(5));
        nanos
    };
    report(name, (0..ROUNDS).map(round).collect());
}

fn single(name: &str, pause: Duration) {
    let one = |_| {
        // Not asleep: a processor that comes from its sleep is slow by itself.
        let begin = Instant::now();
        while begin.elapsed() < pause {
            std::hint::spin_loop();
        }
        let start = Instant::now();
        tracing::info!("a message of some forty characters, as is usual");
        start.elapsed().as_nanos()
    };
    report(name, (0..9).map(one).collect());
}

fn report(name: &str, mut nanos: Vec<u128>) {
    nanos.sort_unstable();
    println!("{name:40} {:6} ({})", nanos[nanos.len() / 2], nanos[nanos.len() * 9 / 10]);
}
