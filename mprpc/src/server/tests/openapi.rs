//! Tests of the page at `/openapi.json`, on HTTP/1.1 and HTTP/2. What the document says is tested with generated code.

use std::sync::LazyLock;

use super::http::{Answer, Ask};
use super::http2_client::{VERSIONS, Version, ask};
use super::rest::{Shelves, field, message, message_type, rule, server as rest_server};
use super::*;
use crate::method::HttpBody;
use crate::server::{Cors, OpenApiInfo};

async fn get(server: Server, version: Version, request: &Ask) -> Answer {
    let mut server = server;
    ask(&server.share().unwrap(), version, request).await
}

fn document() -> Ask {
    Ask::new("GET", "/openapi.json")
}

fn showing() -> Server {
    Server { reflection: true, ..rest_server(Limits::default()) }
}

#[tokio::test(start_paused = true)]
async fn document_has_a_length_and_a_tag_and_is_sent_once() {
    let cors = Cors { allowed_origins: vec!["http://a.example".into()], ..Cors::default() };
    let shared = Server { cors, ..showing() }.share().unwrap();
    for version in VERSIONS {
        let answer = ask(&shared, version, &document().with("origin", "http://a.example")).await;
        assert_eq!((answer.status, answer.field("content-type")), (200, Some("application/json")));
        assert!(answer.text().starts_with("{\"openapi\":\"3.1.0\",\"info\":{\"title\":\"test.Shelves\""), "{answer:?}");
        assert!(answer.text().contains("test.Undescribed"), "services without descriptors are named");
        assert!(!answer.text().contains("grpc.reflection"), "{answer:?}");
        assert_eq!(answer.field("content-length"), Some(&*answer.body.len().to_string()));
        assert_eq!(answer.field("access-control-allow-origin"), Some("http://a.example"));
        let etag = answer.field("etag").unwrap();
        let head = ask(&shared, version, &Ask::new("HEAD", "/openapi.json")).await;
        assert_eq!((head.status, head.body.len(), head.field("etag")), (200, 0, Some(etag)));
        assert_eq!(head.field("content-length"), answer.field("content-length"));
        let again = ask(&shared, version, &document().with("if-none-match", etag)).await;
        assert_eq!((again.status, again.body.len(), again.field("etag")), (304, 0, Some(etag)), "{again:?}");
        assert_eq!((again.field("content-length"), again.field("content-type")), (None, None));
        let other = ask(&shared, version, &document().with("if-none-match", "\"0\"")).await;
        assert_eq!(other.body, answer.body);
        let posted = ask(&shared, version, &Ask::post("/openapi.json", "application/json", "{}")).await;
        assert_eq!((posted.status, posted.field("allow")), (405, Some("GET, HEAD")));
    }
}

#[tokio::test(start_paused = true)]
async fn title_and_version_of_the_server_replace_those_of_the_services() {
    let openapi = OpenApiInfo { title: Some("The \"library\"".into()), version: Some("2.1".into()) };
    for version in VERSIONS {
        let text = get(Server { openapi: openapi.clone(), ..showing() }, version, &document()).await.text();
        let begin = r#"{"openapi":"3.1.0","info":{"title":"The \"library\"","version":"2.1""#;
        assert!(text.starts_with(begin), "{text}");
    }
}

#[tokio::test(start_paused = true)]
async fn server_without_a_document_says_why() {
    let small = Limits { message_bytes_max: 1000, ..Limits::default() };
    for version in VERSIONS {
        for (server, part) in [
            (rest_server(Limits::default()), "`reflection = true`"),
            (Server { reflection: true, ..Server::default() }.add(Probe), "No .proto file"),
            (Server { limits: small.clone(), ..showing() }, "beyond message_bytes_max 1000"),
        ] {
            let answer = get(server, version, &document()).await;
            assert_eq!(answer.status, 404);
            assert!(answer.text().contains(part), "{answer:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn page_of_a_server_that_hides_its_schema_has_names_and_paths_alone() {
    for (server, is_shown) in [(rest_server(Limits::default()), false), (showing(), true)] {
        let html = get(server, Version::Http2, &Ask::new("GET", "/")).await.text();
        assert!(html.contains("<code>/test.Shelves/Show</code>, <code>GET /v1/{name=shelves/*}</code>"), "{html}");
        assert_eq!(html.contains("openapi.json"), is_shown);
        assert_eq!(html.contains("Shows a shelf."), is_shown, "{html}");
    }
}

static WIDE: LazyLock<ServiceDescriptor> =
    LazyLock::new(|| ServiceDescriptor { name: "test.Wide", methods: &WIDE_METHODS, files: wide_files().leak() });

static WIDE_METHODS: [MethodDescriptor; 1] = [unary("Read", "test.Wide/Read")
    .bound(&[rule("GET", "/v1/wide", HttpBody::Empty), rule("PUT", "/v1/wide", HttpBody::Field("deep"))])];

/// A message with many fields, and messages that hold the next one twice.
fn wide_files() -> Vec<u8> {
    let deep = [field("deep", 1, 11, ".test.Deep0")];
    let fields: Vec<_> = (0..150).map(|number| field(&format!("f{number}"), 1, 9, "")).collect();
    let mut file =
        message(&[(1, b"test/wide.proto"), (2, b"test"), (4, &message_type("Wide", &[&deep[..], &fields].concat()))]);
    for depth in 0..40 {
        let next = format!(".test.Deep{}", depth + 1);
        let fields = [field("a", 1, 11, &next), field("b", 1, 11, &next)];
        file.extend(message(&[(4, &message_type(&format!("Deep{depth}"), &fields))]));
    }
    file.extend(message(&[(4, &message_type("Deep40", &[field("end", 1, 9, "")]))]));
    let method = message(&[(1, b"Read"), (2, b".test.Wide"), (3, b".test.Wide")]);
    file.extend(message(&[(6, &message(&[(1, b"Wide"), (2, &method)]))]));
    message(&[(1, &file)])
}

#[tokio::test(start_paused = true)]
async fn queries_of_large_messages_are_cut() {
    let server = Server { reflection: true, ..Server::default() }.add(Shelves(&WIDE));
    let text = get(server, Version::Http2, &document()).await.text();
    let document: serde_json::Value = serde_json::from_str(&text).unwrap();
    let path = &document["paths"]["/v1/wide"];
    // The server takes no field that is 40 messages deep.
    assert!(!text.contains(".end\""));
    assert_eq!(path["get"]["parameters"].as_array().unwrap().len(), 100);
    let put = path["put"]["parameters"].as_array().unwrap();
    assert_eq!((put.len(), put[0]["name"].as_str()), (100, Some("f0")));
    assert!(document["components"]["schemas"]["test.Deep40"].is_object());
}
