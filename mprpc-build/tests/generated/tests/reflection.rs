//! Every service of this package, as reflection shows it: the descriptors in the program are complete.

#![allow(
    clippy::unwrap_used,
    reason = "a panic is how a test fails; clippy sees that only in functions marked as tests"
)]

use std::collections::BTreeSet;

use buffa_descriptor::generated::descriptor::{FileDescriptorProto, FileDescriptorSet};
use mprpc::reflection::server_reflection_request::MessageRequest;
use mprpc::reflection::server_reflection_response::MessageResponse;
use mprpc::reflection::{ServerReflectionRequest, ServerReflectionResponse};
use mprpc::{
    Body, BoxFuture, Codec, Context, HttpBody, HttpRule, Message, MethodKind, RawClient, Server, Service,
    ServiceDescriptor, Status, Streaming,
};
use mprpc_codegen_tests::{alone, proto};

/// Serves nothing but a descriptor.
struct Described(&'static ServiceDescriptor);

impl Service for Described {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0
    }

    fn call(&self, _: usize, _: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(std::future::ready(Err(Status::unimplemented("a descriptor"))))
    }
}

static SERVICES: [&ServiceDescriptor; 6] = [
    &proto::fixbug::USER_SERVICE_RPC,
    &proto::hard::r#type::r#async::MOVE,
    &proto::hello::GREETER,
    &proto::http::v1::LIBRARY,
    &proto::shop::cart::QUERY,
    &alone::ECHO,
];

fn client() -> RawClient {
    let server = Server { reflection: true, ..Server::default() };
    let server = SERVICES.iter().fold(server, |server, service| server.add(Described(service)));
    RawClient::new(mprpc::testing::connect_to(server), "grpc.reflection.v1.ServerReflection")
}

/// Returns the files that reflection sends for a symbol.
async fn files(client: &RawClient, symbol: &str) -> Vec<FileDescriptorProto> {
    let question = MessageRequest::FileContainingSymbol(symbol.into());
    let request = ServerReflectionRequest { message_request: Some(question), ..Default::default() };
    let requests = Body::Stream(Streaming::of([request.encode_to_vec().into()]));
    let call = client.call("ServerReflectionInfo", MethodKind::Bidirectional, requests);
    let reply = call.await.unwrap().into_stream().next().await.unwrap().unwrap();
    match ServerReflectionResponse::decode_from_slice(&reply).unwrap().message_response {
        Some(MessageResponse::FileDescriptorResponse(files)) => {
            let decode = |file: &Vec<u8>| FileDescriptorProto::decode_from_slice(file).unwrap();
            files.file_descriptor_proto.iter().map(decode).collect()
        }
        other => panic!("{symbol}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn files_of_every_method_come_with_all_their_imports() {
    let client = client();
    for service in SERVICES {
        assert!(!service.files.is_empty(), "{service:?}");
        for method in service.methods {
            let files = files(&client, &method.path.replace('/', ".")).await;
            let first = &files[0];
            let defined = first.service.iter().map(|service| service.name.as_deref().unwrap());
            assert!(defined.into_iter().any(|name| name == service.short_name()), "{}", service.name);
            let sent: BTreeSet<&str> = files.iter().map(|file| file.name.as_deref().unwrap()).collect();
            assert_eq!(sent.len(), files.len(), "each file once");
            let imported = files.iter().flat_map(|file| &file.dependency).map(String::as_str);
            assert_eq!(imported.filter(|file| !sent.contains(file)).collect::<Vec<_>>(), Vec::<&str>::new());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn options_and_comments_are_shown() {
    let files = files(&client(), "http.v1.Library").await;
    let names: BTreeSet<&str> = files.iter().map(|file| file.name.as_deref().unwrap()).collect();
    let imports = ["google/api/annotations.proto", "google/protobuf/timestamp.proto", "mprpc/options.proto"];
    assert!(imports.iter().all(|name| names.contains(name)), "{names:?}");
    let comments = files[0].source_code_info.location.iter().filter_map(|place| place.leading_comments.as_deref());
    assert!(comments.into_iter().any(|comment| comment == " Finds a shelf.\n"));
    assert_eq!(files[0].service[0].method[0].options.__buffa_unknown_fields.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn types_named_by_keywords_are_shown_as_they_were_written() {
    let client = client();
    for symbol in ["hard.type.async.type.Self", "hard.type.async.type.loop", "hard.type.async.crate.self"] {
        assert_eq!(files(&client, symbol).await[0].name.as_deref(), Some("hard/keywords.proto"), "{symbol}");
    }
}

#[test]
fn services_of_a_package_share_their_files() {
    let [first, second] = [&proto::fixbug::USER_SERVICE_RPC, &proto::fixbug::FRIEND_SERVICE_RPC];
    assert_eq!(first.files.as_ptr(), second.files.as_ptr());
    let set = FileDescriptorSet::decode_from_slice(first.files).unwrap();
    assert_eq!(set.file.len(), 3);
}

#[test]
fn http_rules_are_in_the_descriptor() {
    let rule = |method, template, body| HttpRule { method, template, body, response_body: None };
    let rules = [
        rule("GET", "/v1/{name=shelves/*}", HttpBody::Empty),
        rule("POST", "/v1/{name=shelves/*}:find", HttpBody::Whole),
    ];
    assert_eq!(proto::http::v1::LIBRARY.methods[0].http, rules);
    assert!(proto::hello::GREETER.methods[0].http.is_empty());
}
