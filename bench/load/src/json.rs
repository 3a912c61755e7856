//! An echo in JSON over HTTP/1.1, called by `wrk`, beside axum with the same body.

use std::path::Path;
use std::process::Command;

use mprpc_bench_harness::{Failure, Serve, ServerProcess, Usage};

use crate::Programs;
use crate::result::Sample;
use crate::service::MPRPC;

/// What `wrk` sends: 32 bytes in base64.
const SCRIPT: &str = r#"wrk.method = "POST"
wrk.body = '{"payload":"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc="}'
wrk.headers["content-type"] = "application/json"
"#;
const SECONDS_WARM: u32 = 1;
const SECONDS: u32 = 3;
/// Connections of `wrk`, with one request at a time each.
const CONNECTIONS: u32 = 64;

/// Measures both, one after the other.
pub(crate) fn measure(programs: &Programs) -> Result<Vec<Sample>, Failure> {
    let axum = programs.axum.as_deref().ok_or("bench-axum is not built")?;
    let (of_mprpc, of_axum) = (requests(&programs.own)?, requests(axum)?);
    let sample = |name: &str, (a_second, cpu_us): (f64, f64)| {
        Sample::new(name, vec![("calls/s", a_second), ("of axum", a_second / of_axum.0), ("CPU us/call", cpu_us)])
    };
    Ok(vec![sample("mprpc", of_mprpc), sample("axum", of_axum)])
}

/// The requests a second, and the microseconds of processor time that one takes at the server.
fn requests(program: &Path) -> Result<(f64, f64), Failure> {
    let server = ServerProcess::start(program, &Serve::new(MPRPC))?;
    let script = std::env::temp_dir().join(format!("mprpc-bench-{}.lua", std::process::id()));
    std::fs::write(&script, SCRIPT)?;
    let wrk = |seconds: u32| -> Result<f64, Failure> {
        let mut wrk = Command::new("wrk");
        wrk.args(["-t1", &format!("-c{CONNECTIONS}"), &format!("-d{seconds}s"), "-s"]).arg(&script);
        wrk.arg(format!("http://{}/bench.EchoService/Echo", server.address()));
        let output = wrk.output().map_err(|error| format!("wrk (install it with the package manager): {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let figure = |name: &str| text.lines().find_map(|line| line.trim().strip_prefix(name)?.trim().parse().ok());
        match figure("Requests/sec:") {
            Some(a_second) if !text.contains("Non-2xx") && !text.contains("Socket errors") => Ok(a_second),
            _ => Err(format!("wrk: {text}").into()),
        }
    };
    wrk(SECONDS_WARM)?;
    let before = Usage::of(server.pid()).cpu;
    let a_second = wrk(SECONDS)?;
    let cpu = Usage::of(server.pid()).cpu - before;
    std::fs::remove_file(&script)?;
    Ok((a_second, cpu.as_secs_f64() * 1e6 / (a_second * f64::from(SECONDS))))
}
