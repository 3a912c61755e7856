//! The bounds of the gateway, and lists in place of a registry.

use mprpc::{Channel, Code, RawClient, Server, Streaming};
use mprpc_codegen_tests::proto::feed::{BOARD, BoardClient, Post};
use mprpc_codegen_tests::proto::hello::{GREETER, GreeterClient, HelloRequest};

use crate::support::*;

#[test]
fn service_beyond_services_max_is_not_offered_and_the_error_names_the_limit() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(hello()).add(board()));
    let gateway = Gateway::start(&registry.url(), &["--services-max=1"]);
    // `feed.Board` comes first.
    let (code, message) = gateway.json(SAY_HELLO, "{}").error();
    assert_eq!(code, "unimplemented");
    assert!(message.contains("1 services of the registry are beyond services_max 1"), "{message}");
    let client = RawClient::new(Channel::new(&gateway.address).unwrap(), "feed.Board");
    wait(client.unary("Store", "").into_future()).unwrap();
}

#[test]
fn schema_beyond_schema_bytes_max_leaves_protobuf_and_the_error_names_the_limit() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(hello()).add(board()));
    let both = GREETER.files.len() + BOARD.files.len();
    for (max, services_without) in [(100, 2), (both - 20, 1), (both, 0)] {
        let gateway = Gateway::start(&registry.url(), &[&format!("--schema-bytes-max={max}")]);
        let answers = [SAY_HELLO, "/feed.Board/Store"].map(|path| gateway.json(path, r#"{"name":"a"}"#));
        let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
        assert_eq!(refused.len(), services_without, "{answers:?}");
        for answer in refused {
            assert!(answer.error().1.contains(&format!("schema_bytes_max {max}")), "{answer:?}");
        }
        let client = RawClient::new(Channel::new(&gateway.address).unwrap(), "hello.Greeter");
        wait(client.unary("SayHello", &b"\x0a\x01a"[..]).into_future()).unwrap();
    }
}

#[test]
fn grpc_servers_without_a_schema_take_every_kind_of_call() {
    let provider = Server::default().add(hello()).add(board()).start().unwrap();
    let gateway = Gateway::start(&format!("grpc://{}", provider.addresses()[0]), &[]);
    let channel = Channel::new(&format!("grpc://{}", gateway.address)).unwrap();
    wait(async {
        let request = HelloRequest { name: "a".into(), ..Default::default() };
        let greeter = GreeterClient::new(channel.clone());
        assert_eq!(greeter.say_hello(request).timeout(PATIENCE).await.unwrap().text, "hello, a (in time)");
        let (sender, posts) = Streaming::channel(1);
        let mut answers = BoardClient::new(channel).chat(posts).await.unwrap();
        sender.send(Post { text: "b".into(), ..Default::default() }).await.unwrap();
        assert_eq!(answers.next().await.unwrap().unwrap().text, "b?");
    });
}

#[test]
fn list_offers_what_its_endpoints_tell_and_passes_the_rest() {
    let with = reflecting().add(hello()).start().unwrap();
    let gateway = Gateway::start(&with.addresses()[0].to_string(), &[]);
    assert!(gateway.offers.ends_with(": 1 services"), "{}", gateway.offers);
    assert_eq!(gateway.json(SAY_HELLO, r#"{"name":"a"}"#).status, 200);
    assert_eq!(gateway.json("/no.Such/Do", "{}").error().0, "unimplemented");
    let without = Server::default().add(board()).start().unwrap();
    let gateway = Gateway::start(&without.addresses()[0].to_string(), &[]);
    let channel = Channel::new(&format!("grpc://{}", gateway.address)).unwrap();
    wait(RawClient::new(channel.clone(), "feed.Board").unary("Store", "").into_future()).unwrap();
    let status = wait(RawClient::new(channel, "no.Such").unary("Do", "").into_future()).unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
    let (code, message) = gateway.json("/feed.Board/Store", "{}").error();
    assert_eq!(code, "unimplemented");
    assert!(message.contains("feed.Board") && message.contains("--proto"), "{message}");
}
