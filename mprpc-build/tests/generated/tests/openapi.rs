//! The OpenAPI document of generated services, over a socket: a golden file for one service, and rules for all of them. The
//! test writes the golden file if it is out of date.
#![cfg(feature = "json")]
#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;

use mprpc::{Address, BoxFuture, Codec, Context, Server, ServerHandle, Service, ServiceDescriptor, Status};
use mprpc_codegen_tests::proto;
use serde_json::Value;

/// A service of which only the descriptor counts.
struct Silent(&'static ServiceDescriptor);

impl Service for Silent {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0
    }

    fn call(&self, _: usize, _: Context, _: mprpc::Body, _: Codec) -> BoxFuture<Result<mprpc::Body, Status>> {
        Box::pin(async { Err(Status::unimplemented("nobody calls it")) })
    }
}

fn server(services: &[&'static ServiceDescriptor]) -> ServerHandle {
    let server = Server { loops: 1, reflection: true, ..Server::default() };
    services.iter().fold(server, |server, service| server.add(Silent(service))).start().unwrap()
}

fn get(server: &ServerHandle, path: &str) -> String {
    let Address::Tcp(address) = &server.addresses()[0] else { panic!("no TCP address") };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    assert!(response.starts_with("HTTP/1.1 200 OK\r\n"), "{response}");
    response.split_once("\r\n\r\n").unwrap().1.to_owned()
}

fn document(services: &[&'static ServiceDescriptor]) -> Value {
    serde_json::from_str(&get(&server(services), "/openapi.json")).unwrap()
}

#[test]
fn document_of_a_service_is_the_golden_one() {
    let document = document(&[&proto::library::v1::BOOKS]);
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openapi.json");
    let golden = std::fs::read_to_string(&path).unwrap_or_default();
    if serde_json::from_str::<Value>(&golden).ok().as_ref() != Some(&document) {
        std::fs::write(&path, serde_json::to_string_pretty(&document).unwrap() + "\n").unwrap();
        panic!("tests/openapi.json was out of date and is written anew: compare it and commit it");
    }
}

/// Calls `visit` with every value below this one.
fn walk<'a>(value: &'a Value, visit: &mut impl FnMut(&'a Value)) {
    visit(value);
    match value {
        Value::Array(values) => values.iter().for_each(|value| walk(value, visit)),
        Value::Object(members) => members.values().for_each(|value| walk(value, visit)),
        _ => {}
    }
}

#[test]
fn documents_keep_the_rules_of_openapi() {
    let services = [
        &proto::library::v1::BOOKS,
        &proto::http::v1::ECHOES,
        &proto::http::v1::LIBRARY,
        &proto::shop::known::KNOWN,
        &proto::shop::FEED,
        &proto::shop::PLACED,
        &proto::hard::old::OLD_SERVICE,
    ];
    let document = document(&services);
    assert_eq!((document["openapi"].as_str(), document["info"]["version"].as_str()), (Some("3.1.0"), Some("0")));
    walk(&document, &mut |value| {
        if let Some(reference) = value.get("$ref").and_then(Value::as_str) {
            let target = document.pointer(reference.strip_prefix('#').unwrap());
            assert!(target.is_some(), "{reference} leads nowhere");
        }
    });
    let mut ids = BTreeSet::new();
    let (mut shapes, mut operations) = (BTreeSet::new(), 0);
    for (path, item) in document["paths"].as_object().unwrap() {
        let in_path: Vec<&str> = path.split('{').skip(1).map(|part| part.split_once('}').unwrap().0).collect();
        let shape = in_path.iter().fold(path.clone(), |path, name| path.replacen(&format!("{{{name}}}"), "{}", 1));
        assert!(path.starts_with('/') && shapes.insert(shape), "{path} is there twice");
        for (method, operation) in item.as_object().unwrap() {
            operations += 1;
            assert!(["get", "put", "post", "delete", "patch"].contains(&method.as_str()), "{method}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap()), "{operation}");
            assert!(operation["responses"]["200"]["description"].is_string());
            assert!(services.iter().any(|service| operation["tags"][0] == service.name), "{operation}");
            let parameters = operation.get("parameters").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            let named = |place: &str| {
                let of_place = parameters.iter().filter(|parameter| parameter["in"] == place);
                of_place.map(|parameter| parameter["name"].as_str().unwrap()).collect::<Vec<_>>()
            };
            assert_eq!(named("path"), in_path, "{path}");
            let query = named("query");
            assert_eq!(query.iter().collect::<BTreeSet<_>>().len(), query.len(), "{path}");
        }
    }
    assert!(operations > 15, "{operations}");
}

#[test]
fn page_shows_paths_and_comments() {
    let html = get(&server(&[&proto::library::v1::BOOKS]), "/");
    for part in [
        "<h2>library.v1.Books</h2>\n<p>Keeps books.</p>\n",
        "<code>/library.v1.Books/GetBook</code>, <code>GET /v1/{name=shelves/*/books/*}</code>",
        "<p>Finds a book.\n - by its name</p>\n",
        "<p>Deprecated.</p>\n",
        "<a href=\"/openapi.json\">",
    ] {
        assert!(html.contains(part), "{part} is not in {html}");
    }
}
