//! The tools of HTTP call the provider: curl over HTTP/1.1 and HTTP/2, and h2load of nghttp2.

use std::process::Command;

use crate::every_client::GREETER_PROVIDER;
use crate::peer::HELP;
use crate::program::*;

/// Runs a tool to its end. Returns its output.
fn tool(program: &str, arguments: &[&str]) -> String {
    let output =
        Command::new(program).args(arguments).output().unwrap_or_else(|error| panic!("{program}: {error}\n{HELP}"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn curl_calls_in_json_over_both_versions_of_http() {
    let (_provider, address) = Program::provider(GREETER_PROVIDER, "--listen=127.0.0.1:0");
    let method = format!("http://{address}/hello.Greeter/SayHello");
    for (version, is_version) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let call = |body: &str| {
            let json = ["-s", version, "-H", "content-type: application/json", "-d", body];
            tool("curl", &[&json[..], &["-w", " %{http_version} %{http_code}", &method]].concat())
        };
        assert_eq!(call(r#"{"name":"curl"}"#), format!(r#"{{"text":"hello, curl"}} {is_version} 200"#));
        let refused = call(r#"{"name":7}"#);
        assert!(refused.starts_with(r#"{"code":"invalid_argument","message":"#), "{refused}");
        assert!(refused.ends_with(&format!(" {is_version} 400")), "{refused}");
    }
}

#[test]
fn every_call_of_h2load_succeeds() {
    // The tests are not compiled with optimizations, so that calls of a busy machine would wait for too long.
    let (_provider, address) = Program::provider(GREETER_PROVIDER, "--listen=127.0.0.1:0 --overload_protection=false");
    let folder = Folder::new();
    let body = folder.path("body.json");
    std::fs::write(&body, r#"{"name":"h2load"}"#).unwrap();
    let load = ["-n", "20000", "-c", "8", "-m", "32", "-H", "content-type: application/json"];
    let report = tool(
        "h2load",
        &[&load[..], &["-d", body.to_str().unwrap(), &format!("http://{address}/hello.Greeter/SayHello")]].concat(),
    );
    assert!(report.contains("20000 succeeded, 0 failed, 0 errored, 0 timeout"), "{report}");
    assert!(report.contains("status codes: 20000 2xx, 0 3xx, 0 4xx, 0 5xx"), "{report}");
}
