//! What browsers and tools of HTTP ask of the gateway: gRPC-Web, Connect's GET, HTTP paths, and TLS on both sides.

use mprpc::{Channel, ChannelOptions, Server, TlsClient, TlsServer};
use mprpc_codegen_tests::proto::hello::{GreeterClient, HelloRequest};

use crate::certificates::Authority;
use crate::support::*;

#[test]
fn grpc_web_call_reaches_a_provider() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(hello()));
    let gateway = Gateway::start(&registry.url(), &[]);
    let fields = [("content-type", "application/grpc-web+proto")];
    let call = |body: &[u8]| ask(&gateway.address, "POST", SAY_HELLO, &fields, body);
    let answer = call(b"\0\0\0\0\x03\x0a\x01a");
    let reply = b"\0\0\0\0\x14\x0a\x12hello, a (in time)";
    assert!(answer.status == 200 && answer.body.starts_with(reply), "{answer:?}");
    let trailers = String::from_utf8_lossy(&answer.body[reply.len()..]).into_owned();
    assert!(trailers.starts_with('\u{80}') || answer.body[reply.len()] == 0x80, "{trailers}");
    assert!(trailers.contains("grpc-status: 0\r\n") && trailers.contains("behind: nobody\r\n"), "{trailers}");
    let failed = call(b"\0\0\0\0\0").text();
    assert!(failed.contains("grpc-status: 3\r\n") && failed.contains("name is empty"), "{failed}");
}

/// The schema of the providers, with what HTTP may do with it.
const BOUND: &str = r#"
syntax = "proto3";
package hello;
import "google/api/annotations.proto";
message HelloRequest { string name = 1; }
message HelloReply { string text = 1; }
service Greeter {
  rpc SayHello(HelloRequest) returns (HelloReply) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {
      get: "/v1/hello/{name}"
      additional_bindings { post: "/v1/hello" body: "*" response_body: "text" }
    };
  }
}
service Nobody { rpc Do(HelloRequest) returns (HelloReply); }
"#;

#[test]
fn http_paths_and_get_of_a_given_schema_are_served() {
    let registry = Registry::new();
    // The provider knows nothing of paths.
    let _provider = registry.serve(Server::default().add(hello()));
    let folder = tempfile::tempdir().unwrap();
    let proto = folder.path().join("bound.proto");
    std::fs::write(&proto, BOUND).unwrap();
    let gateway = Gateway::start(&registry.url(), &["--proto", proto.to_str().unwrap()]);
    let call = |method: &str, path: &str, body: &[u8]| {
        let fields = [("content-type", "application/json")];
        let answer = ask(&gateway.address, method, path, if body.is_empty() { &[] } else { &fields }, body);
        (answer.status, answer.text())
    };
    let whole = (200, r#"{"text":"hello, a (in time)"}"#.to_owned());
    assert_eq!(call("GET", "/v1/hello/a", b""), whole);
    assert_eq!(
        call("GET", &format!("{SAY_HELLO}?connect=v1&encoding=json&message=%7B%22name%22%3A%22a%22%7D"), b""),
        whole
    );
    assert_eq!(call("POST", SAY_HELLO, br#"{"name":"a"}"#), whole);
    assert_eq!(call("POST", "/v1/hello", br#"{"name":"a"}"#), (200, r#""hello, a (in time)""#.to_owned()));
    assert_eq!(call("PUT", "/v1/hello", b"{}").0, 405);
    let health = |service: &str| call("GET", &format!("/healthz?service={service}"), b"").0;
    let check =
        |service: &str| gateway.json("/grpc.health.v1.Health/Check", &format!(r#"{{"service":"{service}"}}"#)).text();
    assert_eq!(check("hello.Greeter"), r#"{"status":"SERVING"}"#);
    assert_eq!(check("hello.Nobody"), r#"{"status":"NOT_SERVING"}"#);
    assert_eq!(health(""), 200);
    assert_eq!(call("POST", "/hello.Nobody/Do", b"{}").0, 501);
    // Every kind of caller is served as before.
    for scheme in ["grpc://", ""] {
        let greeter = GreeterClient::new(Channel::new(&format!("{scheme}{}", gateway.address)).unwrap());
        let request = HelloRequest { name: "a".into(), ..Default::default() };
        assert_eq!(wait(greeter.say_hello(request).into_future()).unwrap().text, "hello, a (in time)");
    }
}

#[test]
fn gateway_speaks_tls_with_callers_and_providers() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "authority");
    let issued = authority.issue("host", &["127.0.0.1"]);
    let registry = Registry::new();
    let tls = TlsServer { certificate: issued.certificate.clone(), key: issued.key.clone(), ..Default::default() };
    let _provider = registry.serve(Server { tls: Some(tls), ..reflecting() }.add(hello()));
    let flag = |key: &str, path: &std::path::Path| format!("--tls.{key}={}", path.display());
    let flags = [flag("certificate", &issued.certificate), flag("key", &issued.key), flag("ca", &authority.file())];
    let gateway = Gateway::start(&registry.url(), &flags.each_ref().map(String::as_str));
    let tls = TlsClient { ca: authority.file(), client_certificate: None, client_key: None, server_name: None };
    for scheme in ["grpc://", ""] {
        let options = ChannelOptions { tls: Some(tls.clone()), ..ChannelOptions::default() };
        let channel = Channel::with_options(&format!("{scheme}{}", gateway.address), options).unwrap();
        let request = HelloRequest { name: "a".into(), ..Default::default() };
        let reply = wait(GreeterClient::new(channel).say_hello(request.clone()).into_future()).unwrap();
        assert_eq!(reply.text, "hello, a (in time)");
        let plain = Channel::new(&format!("{scheme}{}", gateway.address)).unwrap();
        wait(GreeterClient::new(plain).say_hello(request).into_future()).unwrap_err();
    }
}
