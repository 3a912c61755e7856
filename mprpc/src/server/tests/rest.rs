//! Tests of the HTTP paths of methods, on HTTP/1.1 and HTTP/2: which rule a request matches, the JSON that the method gets, and
//! the answer. The service is written by hand and answers with its request.

use std::sync::LazyLock;

use super::http::{Answer, Ask};
use super::http2_client::{Http2Client, VERSIONS, ask};
use super::limits::ms;
use super::raw::peer_of;
use super::*;
use crate::codec::Compression;
use crate::method::{HttpBody, HttpRule, Placement};
use crate::server::Cors;

pub(super) const fn rule(method: &'static str, template: &'static str, body: HttpBody) -> HttpRule {
    HttpRule { method, template, body, response_body: None }
}

const fn part(method: &'static str, template: &'static str, response_body: &'static str) -> HttpRule {
    HttpRule { method, template, body: HttpBody::Empty, response_body: Some(response_body) }
}

static REST: LazyLock<ServiceDescriptor> =
    LazyLock::new(|| ServiceDescriptor { name: "test.Shelves", methods: &METHODS, files: files().leak() });

static METHODS: [MethodDescriptor; 4] = [
    unary("Show", "test.Shelves/Show").bound(&[
        rule("GET", "/v1/{name=shelves/*}", HttpBody::Empty),
        rule("POST", "/v1/{name=shelves/*}:find", HttpBody::Whole),
        rule("PATCH", "/v1/{inner.id}/{name}", HttpBody::Field("inner")),
        rule("PUT", "/v1/{inner.id}/{name}", HttpBody::Whole),
        rule("*", "/v1/any/{text}", HttpBody::Empty),
        rule("DELETE", "/v1/none", HttpBody::Empty),
        rule("POST", "/v1/none", HttpBody::Empty),
        rule("GET", "/v1/values", HttpBody::Empty),
        rule("POST", "/v1/lists", HttpBody::Field("numbers")),
        rule("GET", "/v1/{name}/exact", HttpBody::Empty),
        rule("GET", "/v1/exact/exact", HttpBody::Empty),
        part("GET", "/v1/parts/inner", "inner"),
        part("GET", "/v1/parts/numbers", "numbers"),
        part("GET", "/v1/parts/color", "color"),
        part("GET", "/v1/parts/big", "big"),
    ]),
    unary("Fail", "test.Shelves/Fail").bound(&[rule("GET", "/v1/fail", HttpBody::Empty)]),
    unary("Hang", "test.Shelves/Hang").bound(&[rule("GET", "/v1/hang", HttpBody::Empty)]),
    stream("Tell", "test.Shelves/Tell", MethodKind::ClientStreaming).bound(&[rule("GET", "/v1/tell", HttpBody::Empty)]),
];

static UNDESCRIBED: ServiceDescriptor = ServiceDescriptor {
    name: "test.Undescribed",
    methods: &[unary("Show", "test.Undescribed/Show").bound(&[rule("GET", "/v1/undescribed", HttpBody::Empty)])],
    files: &[],
};

/// Encodes fields that hold bytes.
pub(super) fn message(fields: &[(u8, &[u8])]) -> Vec<u8> {
    let mut encoded = Vec::new();
    for (number, bytes) in fields {
        encoded.extend_from_slice(&[number << 3 | 2]);
        let mut length = bytes.len();
        while length >= 128 {
            encoded.push(length as u8 | 128);
            length >>= 7;
        }
        encoded.push(length as u8);
        encoded.extend_from_slice(bytes);
    }
    encoded
}

pub(super) fn field(name: &str, label: u8, kind: u8, type_name: &str) -> Vec<u8> {
    let mut encoded = message(&[(1, name.as_bytes())]);
    encoded.extend_from_slice(&[4 << 3, label, 5 << 3, kind]);
    if !type_name.is_empty() {
        encoded.extend_from_slice(&message(&[(6, type_name.as_bytes())]));
    }
    encoded
}

pub(super) fn message_type(name: &str, fields: &[Vec<u8>]) -> Vec<u8> {
    let mut encoded = message(&[(1, name.as_bytes())]);
    for field in fields {
        encoded.extend_from_slice(&message(&[(2, field)]));
    }
    encoded
}

/// The descriptor set of `test.Shelves`.
fn files() -> Vec<u8> {
    let shelf = message_type(
        "Shelf",
        &[
            field("name", 1, 9, ""),
            field("inner", 1, 11, ".test.Inner"),
            field("numbers", 3, 5, ""),
            field("text", 1, 9, ""),
            field("is_open", 1, 8, ""),
            field("big", 1, 4, ""),
            field("small", 1, 17, ""),
            field("ratio", 1, 1, ""),
            field("half", 1, 2, ""),
            field("data", 1, 12, ""),
            field("color", 1, 14, ".test.Color"),
            field("colors", 3, 14, ".test.Color"),
            field("made_at", 1, 11, ".google.protobuf.Timestamp"),
            field("flag", 1, 11, ".google.protobuf.BoolValue"),
            field("count", 1, 11, ".google.protobuf.Int64Value"),
            field("inners", 3, 11, ".test.Inner"),
        ],
    );
    let inner = message_type(
        "Inner",
        &[field("id", 1, 3, ""), field("long_name", 1, 9, ""), field("inner", 1, 11, ".test.Inner")],
    );
    let color = message(&[(1, b"Color"), (2, &message(&[(1, b"RED")])), (2, &message(&[(1, b"BLUE")]))]);
    let method = |name: &str| message(&[(1, name.as_bytes()), (2, b".test.Shelf"), (3, b".test.Shelf")]);
    let methods = ["Show", "Fail", "Hang", "Tell"].map(|name| message(&[(2, &method(name))])).concat();
    let service = [message(&[(1, b"Shelves")]), methods].concat();
    // The first method of the first service has a comment.
    let comment = message(&[(1, &[6, 0, 2, 0]), (3, b" Shows a shelf.\n")]);
    let comments = message(&[(1, &comment)]);
    let file = message(&[
        (1, b"test/shelves.proto"),
        (2, b"test"),
        (4, &shelf),
        (4, &inner),
        (5, &color),
        (6, &service),
        (9, &comments),
    ]);
    message(&[(1, &file)])
}

/// Answers with the request, and with the metadata `key` as reply metadata `head`.
pub(super) struct Shelves(pub(super) &'static ServiceDescriptor);

impl Service for Shelves {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0
    }

    fn call(&self, method: usize, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move {
            assert_eq!(codec, Codec::Json);
            if let Some(value) = context.metadata().value("key") {
                context.reply_metadata().append("head", value)?;
                context.trailer().append("tail", value)?;
            }
            match method {
                1 => Err(Status::not_found("no such shelf").with_retry_after(ms(1500))),
                2 => std::future::pending().await,
                _ => Ok(request),
            }
        })
    }
}

pub(super) fn server(limits: Limits) -> Server {
    let placement = [(REST.name.to_owned(), Placement::Inline)].into();
    Server { limits, placement, ..Server::default() }.add(Shelves(&REST)).add(Shelves(&UNDESCRIBED))
}

fn shared() -> Arc<Shared> {
    server(Limits::default()).share().unwrap()
}

fn with_body(method: &'static str, path: &str, body: &str) -> Ask {
    let ask = Ask { body: body.into(), ..Ask::new(method, path) }.with("content-type", "application/json");
    // The test client states the length for POST alone.
    if method == "POST" { ask } else { ask.with("content-length", &body.len().to_string()) }
}

/// Checks status and body of the answer over both versions of HTTP.
async fn answers(shared: &Arc<Shared>, request: &Ask, status: u16, body: &str) {
    for version in VERSIONS {
        let answer = ask(shared, version, request).await;
        assert_eq!((answer.status, &*answer.text()), (status, body), "{version:?} {request:?} {answer:?}");
        assert_eq!(answer.field("content-type"), Some("application/json"));
    }
}

/// Checks that the request fails with this code and with a message that holds all these parts.
async fn fails(shared: &Arc<Shared>, request: &Ask, status: u16, code: &str, parts: &[&str]) {
    for version in VERSIONS {
        let answer = ask(shared, version, request).await;
        let text = answer.text();
        assert_eq!(answer.status, status, "{version:?} {request:?} {text}");
        assert!(text.starts_with(&format!("{{\"code\":\"{code}\"")), "{text}");
        assert!(parts.iter().all(|part| text.contains(part)), "{request:?} {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn path_query_and_body_make_the_request() {
    let shared = shared();
    for (method, path, body, expected) in [
        ("GET", "/v1/shelves/7", "", r#"{"name":"shelves/7"}"#),
        ("GET", "/v1/shelves/a%20%22b", "", r#"{"name":"shelves/a \"b"}"#),
        (
            "GET",
            "/v1/shelves/7?inner.long_name=x&text=a+b",
            "",
            r#"{"name":"shelves/7","inner":{"longName":"x"},"text":"a b"}"#,
        ),
        ("GET", "/v1/shelves/7?inner.inner.id=-5", "", r#"{"name":"shelves/7","inner":{"inner":{"id":-5}}}"#),
        ("POST", "/v1/shelves/7:find", r#"{"text": "t", "name":"no"}"#, r#"{"text":"t","name":"shelves/7"}"#),
        ("POST", "/v1/shelves/7:find", "", r#"{"name":"shelves/7"}"#),
        (
            "PATCH",
            "/v1/5/n?isOpen=true",
            r#"{"long_name": "l", "id": 1}"#,
            r#"{"inner":{"long_name":"l","id":5},"name":"n","isOpen":true}"#,
        ),
        ("PATCH", "/v1/5/n", "null", r#"{"inner":{"id":5},"name":"n"}"#),
        ("PATCH", "/v1/5/n", "", r#"{"inner":{"id":5},"name":"n"}"#),
        ("PUT", "/v1/5/n", r#"{"inner":{"longName":"l"}}"#, r#"{"inner":{"longName":"l","id":5},"name":"n"}"#),
        ("POST", "/v1/lists?text=x", "[1, 2]", r#"{"numbers":[1, 2],"text":"x"}"#),
        ("DELETE", "/v1/none", "", "{}"),
        ("DELETE", "/v1/none?text=x", "ignored", r#"{"text":"x"}"#),
        ("GET", "/v1/exact/exact", "", "{}"),
        ("GET", "/v1/other/exact", "", r#"{"name":"other"}"#),
        ("GET", "/v1/any/x", "", r#"{"text":"x"}"#),
        ("PUT", "/v1/any/x", "", r#"{"text":"x"}"#),
        ("TRACE", "/v1/any/x", "", r#"{"text":"x"}"#),
    ] {
        answers(&shared, &with_body(method, path, body), 200, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn values_become_json_by_the_type_of_their_field() {
    let shared = shared();
    for (query, expected) in [
        ("isOpen=false&is_open_=", None),
        ("is_open=true", Some(r#"{"isOpen":true}"#)),
        ("big=18446744073709551615&small=-1", Some(r#"{"big":18446744073709551615,"small":-1}"#)),
        ("ratio=1.5&half=-2e30", Some(r#"{"ratio":1.5,"half":-2e30}"#)),
        ("ratio=NaN&half=-Infinity", Some(r#"{"ratio":"NaN","half":"-Infinity"}"#)),
        ("data=AP8%3D", Some(r#"{"data":"AP8"}"#)),
        ("data=-_8", Some(r#"{"data":"+/8"}"#)),
        ("color=BLUE&colors=1&colors=RED", Some(r#"{"color":"BLUE","colors":[1,"RED"]}"#)),
        ("numbers=1&text=&numbers=2", Some(r#"{"numbers":[1,2],"text":""}"#)),
        ("madeAt=1970-01-01T00:00:01Z", Some(r#"{"madeAt":"1970-01-01T00:00:01Z"}"#)),
        ("flag=true&count=7", Some(r#"{"flag":true,"count":7}"#)),
        ("text=%22%5C%0A%01%C3%A4", Some("{\"text\":\"\\\"\\\\\\n\\u0001ä\"}")),
    ] {
        let request = Ask::new("GET", format!("/v1/values?{query}"));
        match expected {
            Some(expected) => answers(&shared, &request, 200, expected).await,
            None => fails(&shared, &request, 400, "invalid_argument", &["is_open_", "no field of test.Shelf"]).await,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn values_that_do_not_fit_are_refused_with_field_and_text() {
    let shared = shared();
    let long = "x".repeat(100);
    let deep = format!("{}id", "inner.".repeat(40));
    for (path, parts) in [
        ("/v1/values?is_open=yes".to_owned(), &["field is_open takes true or false", "yes"][..]),
        ("/v1/values?big=-1".into(), &["field big takes", "-1"]),
        ("/v1/values?small=2147483648".into(), &["field small takes", "32 bits"]),
        ("/v1/values?numbers=1&numbers=x".into(), &["field numbers takes", "x"]),
        ("/v1/values?ratio=inf".into(), &["field ratio takes a number"]),
        ("/v1/values?half=1e39".into(), &["field half takes a number"]),
        ("/v1/values?data=!".into(), &["field data takes base64"]),
        ("/v1/values?color=GREEN".into(), &["field color takes a value of test.Color", "GREEN"]),
        ("/v1/values?inner=%7B%7D".into(), &["field inner takes no text", "test.Inner"]),
        ("/v1/values?inners.id=1".into(), &["inners.id", "is no field of test.Shelf"]),
        ("/v1/values?text.x=1".into(), &["text.x", "is no field"]),
        ("/v1/values?text=a&text=b".into(), &["text", "is there twice"]),
        ("/v1/values?text=%ff".into(), &["text", "is not UTF-8"]),
        ("/v1/values?=1".into(), &["is no field"]),
        (format!("/v1/values?{deep}=1"), &["is no field"]),
        (format!("/v1/values?big={long}"), &["field big takes", "xxx…"]),
        ("/v1/shelves/7?name=x".into(), &["name", "is in the path already"]),
    ] {
        fails(&shared, &Ask::new("GET", path), 400, "invalid_argument", parts).await;
    }
    for (method, path, body, part) in [
        ("PATCH", "/v1/x/n", "{}", "field inner.id takes a whole number of 64 bits"),
        ("PATCH", "/v1/5/n?inner.long_name=x", "{}", "is in the body already"),
        ("PATCH", "/v1/5/n", "{},\"text\":\"x\"", "not one value"),
        ("PATCH", "/v1/5/n", "7", "no object"),
        ("PUT", "/v1/5/n", "[]", "no object"),
        ("PUT", "/v1/5/n", "{\"inner\":7}", "no object"),
        ("PUT", "/v1/5/n", "{\"inn\\u0065r\":{\"id\":1}}", "no object"),
        ("PUT", "/v1/5/n?text=x", "{}", "text"),
    ] {
        fails(&shared, &with_body(method, path, body), 400, "invalid_argument", &[part]).await;
    }
}

#[tokio::test(start_paused = true)]
async fn response_body_is_one_field_of_the_reply() {
    let shared = shared();
    for (path, expected) in [
        ("inner?inner.id=5", r#"{"id":5}"#),
        ("inner", "null"),
        ("numbers?numbers=1&numbers=2", "[1,2]"),
        ("numbers", "[]"),
        ("color", "\"RED\""),
        ("big", "\"0\""),
    ] {
        answers(&shared, &Ask::new("GET", format!("/v1/parts/{path}")), 200, expected).await;
    }
}

#[tokio::test(start_paused = true)]
async fn other_methods_of_http_are_refused_with_those_that_fit() {
    let shared = shared();
    for (method, path, allow) in [
        ("POST", "/v1/shelves/7", "GET, HEAD, PATCH, PUT"),
        ("PUT", "/v1/none", "DELETE, POST"),
        ("DELETE", "/v1/fail", "GET, HEAD"),
        ("TRACE", "/v1/fail", "GET, HEAD"),
    ] {
        for version in VERSIONS {
            let answer = ask(&shared, version, &with_body(method, path, "{}")).await;
            assert_eq!((answer.status, answer.field("allow")), (405, Some(allow)), "{method} {path}");
        }
    }
    for version in VERSIONS {
        let answer = ask(&shared, version, &Ask::new("HEAD", "/v1/shelves/7")).await;
        assert_eq!((answer.status, &*answer.text()), (200, ""));
        assert_eq!(answer.field("content-length"), Some("20"));
        for path in ["/v1/shelves", "/v2/shelves/7", "/v1/%ff/exact"] {
            assert_eq!(ask(&shared, version, &Ask::new("GET", path)).await.status, 404, "{path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn other_content_types_are_refused() {
    let shared = shared();
    let find = "/v1/shelves/7:find";
    let status = async |request: Ask| {
        let mut statuses = Vec::new();
        for version in VERSIONS {
            statuses.push(ask(&shared, version, &request).await.status);
        }
        assert_eq!(statuses[0], statuses[1], "{request:?}");
        statuses[0]
    };
    for name in ["text/plain", "application/x-www-form-urlencoded", "application/proto", "application/grpc-web"] {
        assert_eq!(status(Ask::post(find, name, "{}")).await, 415, "{name}");
        assert_eq!(status(Ask::post("/v1/none", name, "")).await, 415, "{name}");
    }
    let untyped = |path: &str| Ask::new("POST", path);
    assert_eq!(status(untyped(find)).await, 200);
    assert_eq!(status(untyped("/v1/none")).await, 200);
    // A page of another origin can send this without a question of the browser.
    assert_eq!(status(untyped("/v1/none").with("origin", "http://evil.example")).await, 415);
    assert_eq!(status(Ask::new("GET", "/v1/values").with("content-type", "text/plain")).await, 200);
}

#[tokio::test(start_paused = true)]
async fn rules_that_cannot_be_served_say_why() {
    let shared = shared();
    let message = ["a method that takes a stream has no HTTP paths"];
    fails(&shared, &Ask::new("GET", "/v1/tell"), 501, "unimplemented", &message).await;
    let message = [".proto file of the service is not in the program"];
    fails(&shared, &Ask::new("GET", "/v1/undescribed"), 501, "unimplemented", &message).await;
}

/// HTTP/2 remembers the methods that a connection has named. A fallback takes every path.
#[tokio::test(start_paused = true)]
async fn paths_with_variables_are_not_remembered_as_methods() {
    struct Fallback;
    impl crate::service::RawService for Fallback {
        fn call(&self, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
            Box::pin(async move { Ok(request) })
        }
    }
    let mut server = server(Limits { methods_max: 1, ..Limits::default() });
    server.fallback = Some(Arc::new(Fallback));
    let mut client = Http2Client::new(peer_of(server.share().unwrap(), 1 << 20));
    let status = async |client: &mut Http2Client, request: Ask| {
        let stream = client.open(&request, true);
        client.answer(stream).await
    };
    for number in 0..10 {
        let path = format!("/v1/shelves/{number}");
        let answer = status(&mut client, Ask::new("GET", &path)).await;
        assert_eq!((answer.status, answer.text()), (200, format!("{{\"name\":\"shelves/{number}\"}}")));
        let answer = status(&mut client, Ask::post(format!("/a.B/{number}"), "application/proto", "x")).await;
        assert_eq!((answer.status, &*answer.text()), (200, "x"));
    }
    let grpc = |path: &str| Ask::post(path, "application/grpc", "\0\0\0\0\x01x");
    for (path, code) in [("/a.B/C", "0"), ("/a.B/C", "0"), ("/a.B/D", "8"), ("/a.B/C", "0")] {
        let answer = status(&mut client, grpc(path)).await;
        assert_eq!(answer.field("grpc-status"), Some(code), "{path} {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn failures_deadlines_and_metadata_are_those_of_json_calls() {
    let shared = shared();
    let hang = Ask::new("GET", "/v1/hang").with("connect-timeout-ms", "70");
    fails(&shared, &hang, 504, "deadline_exceeded", &[]).await;
    for version in VERSIONS {
        let answer = ask(&shared, version, &Ask::new("GET", "/v1/fail").with("key", "value")).await;
        assert_eq!((answer.status, answer.field("retry-after")), (404, Some("2")));
        assert!(
            answer.text().starts_with(r#"{"code":"not_found","message":"no such shelf","details":["#),
            "{answer:?}"
        );
        let answer = ask(&shared, version, &Ask::new("GET", "/v1/values").with("key", "value")).await;
        assert_eq!((answer.field("head"), answer.field("trailer-tail")), (Some("value"), Some("value")));
    }
}

#[tokio::test(start_paused = true)]
async fn bodies_keep_to_message_bytes_max_and_may_be_compressed() {
    let shared = server(Limits { message_bytes_max: 100, ..Limits::default() }).share().unwrap();
    let long = format!("{{\"text\":\"{}\"}}", "x".repeat(100));
    let request = with_body("POST", "/v1/shelves/7:find", &long);
    fails(&shared, &request, 429, "resource_exhausted", &["message_bytes_max 100"]).await;
    for algorithm in Compression::available().iter().filter(|algorithm| algorithm.name() != "lz4") {
        let mut body = Vec::new();
        algorithm.compress_to(br#"{"text":"x"}"#, &mut body).unwrap();
        let request = Ask::post("/v1/shelves/7:find", "application/json", body);
        let request = request.with("content-encoding", algorithm.name());
        answers(&shared, &request, 200, r#"{"text":"x","name":"shelves/7"}"#).await;
    }
    let request = with_body("POST", "/v1/shelves/7:find", "{}").with("content-encoding", "br");
    fails(&shared, &request, 501, "unimplemented", &["compression"]).await;
}

#[tokio::test(start_paused = true)]
async fn paths_of_methods_pages_and_cors_stay_as_they_were() {
    let cors = Cors { allowed_origins: vec!["http://a.example".into()], ..Cors::default() };
    let shared = Server { cors, ..server(Limits::default()) }.share().unwrap();
    answers(&shared, &with_body("POST", "/test.Shelves/Show", "{\"a\":1}"), 200, "{\"a\":1}").await;
    for version in VERSIONS {
        let get = async |path: &str| -> Answer { ask(&shared, version, &Ask::new("GET", path)).await };
        assert_eq!(get("/healthz").await.status, 200);
        assert_eq!(get("/test.Shelves/Show").await.status, 405);
        let question = Ask::new("OPTIONS", "/v1/none").with("origin", "http://a.example");
        let question = question.with("access-control-request-method", "DELETE");
        let answer = ask(&shared, version, &question).await;
        let methods = answer.field("access-control-allow-methods");
        assert_eq!((answer.status, methods), (204, Some("GET, POST, PUT, PATCH, DELETE")));
    }
}
