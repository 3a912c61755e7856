//! JSON through the gateway, by HTTP/1.1: the answers are those of the provider itself.

use mprpc::well_known::{Duration, Empty, EmptyView, StringValue, StructView, Timestamp};
use mprpc::{Context, MessageView, Status};
use mprpc_codegen_tests::proto::shop::known::{Event, EventView, Known, KnownServer};

use crate::support::*;

#[test]
fn json_call_reaches_a_provider_by_its_reflection() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(hello()));
    let gateway = Gateway::start(&registry.url(), &[]);
    assert_eq!(gateway.offers, format!("gateway to {}: 1 services", registry.url()));
    let fields = [("content-type", "application/json"), ("tenant", "blue")];
    let answer = ask(&gateway.address, "POST", SAY_HELLO, &fields, br#"{"name":"mprpc"}"#);
    assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"text":"hello, mprpc (in time)"}"#));
    assert!(answer.head.contains("\r\nbefore: blue") && answer.head.contains("\r\ntrailer-behind: blue"), "{answer:?}");
}

/// Echoes an event of every well-known type.
struct Events;

impl Known for Events {
    async fn last(&self, _: &Context, _: EmptyView<'_>) -> Result<Event, Status> {
        Ok(Event {
            at: Some(Timestamp { seconds: 1, nanos: 500_000_000, ..Default::default() }).into(),
            took: Some(Duration { seconds: 3, ..Default::default() }).into(),
            note: Some(StringValue { value: "n".into(), ..Default::default() }).into(),
            ..Default::default()
        })
    }

    async fn put(&self, _: &Context, request: EventView<'_>) -> Result<Empty, Status> {
        let event = request.to_owned_message().map_err(|error| Status::internal(error.to_string()))?;
        Err(Status::aborted(format!("{:?} {:?} {:?}", event.at, event.mask, event.data)))
    }

    async fn now(&self, _: &Context, request: StructView<'_>) -> Result<Timestamp, Status> {
        Ok(Timestamp { seconds: request.fields.len() as i64, ..Default::default() })
    }
}

#[test]
fn answers_in_json_are_those_of_the_provider_itself() {
    let registry = Registry::new();
    let provider = registry.serve(reflecting().add(hello()).add(KnownServer::new(Events)));
    let gateway = Gateway::start(&registry.url(), &[]);
    let direct = provider.addresses()[0].to_string();
    let event = r#"{"at":"1970-01-01T00:00:01.500Z","mask":"a,bC","data":{"x":[1,null,"y"]}}"#;
    for (path, body) in [
        (SAY_HELLO, r#"{"name":"a","unknown":{"x":1}}"#),
        (SAY_HELLO, "{}"),
        (SAY_HELLO, ""),
        ("/shop.known.Known/Last", "{}"),
        ("/shop.known.Known/Put", event),
        ("/shop.known.Known/Now", r#"{"a":1,"b":{}}"#),
    ] {
        let fields = [("content-type", "application/json"), ("connect-timeout-ms", "10000")];
        let answer = |address: &str| ask(address, "POST", path, &fields, body.as_bytes());
        let (through, alone) = (answer(&gateway.address), answer(&direct));
        assert_eq!((through.status, through.json()), (alone.status, alone.json()), "{path} {body}");
    }
    for body in ["{", "[]", r#"{"name":7}"#, "\"\\ud800\""] {
        let (code, message) = gateway.json(SAY_HELLO, body).error();
        assert_eq!(code, "invalid_argument", "{body}");
        assert!(message.contains("hello.HelloRequest in JSON"), "{message}");
    }
}

#[test]
fn streams_in_json_are_converted_message_by_message() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(board()));
    let gateway = Gateway::start(&registry.url(), &[]);
    let framed = |text: &str| [&[0, 0, 0, 0, text.len() as u8], text.as_bytes()].concat();
    let call = |method: &str, body: &[u8]| {
        let fields = [("content-type", "application/connect+json")];
        ask(&gateway.address, "POST", &format!("/feed.Board/{method}"), &fields, body).text()
    };
    let followed = call("Follow", &framed(r#"{"name":"rust"}"#));
    for part in [r#"{"topic":"rust","text":"post 1"}"#, r#""text":"post 3""#, r#"{"metadata":{"posts":["3"]}}"#] {
        assert!(followed.contains(part), "{followed}");
    }
    let two = [framed(r#"{"text":"a"}"#), framed(r#"{"text":"b"}"#)].concat();
    assert!(call("Store", &two).contains(r#"{"posts":2}"#));
    assert!(call("Chat", &two).contains(r#"{"text":"b?"}"#));
    let lost = call("Follow", &framed(r#"{"name":"fail"}"#));
    assert!(lost.contains(r#""text":"post 1""#) && lost.contains(r#""code":"data_loss""#), "{lost}");
    let one = gateway.json("/feed.Board/Follow", "{}");
    assert_eq!(one.error().0, "unimplemented", "a stream does not fit one body");
}

#[test]
fn pages_and_reflection_show_the_services_behind_the_gateway() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(hello()).add(board()));
    let gateway = Gateway::start(&registry.url(), &["--reflection=true"]);
    assert_eq!(gateway.json(SAY_HELLO, r#"{"name":"a"}"#).status, 200, "the schema is known now");
    let page = |path| ask(&gateway.address, "GET", path, &[], b"");
    assert_eq!((page("/healthz").status, page("/healthz").text()), (200, "serving\n".into()));
    let index = page("/").text();
    assert!(index.contains("<h2>hello.Greeter</h2>") && index.contains("/hello.Greeter/SayHello"), "{index}");
    // The gateway is asked as the gateway asks its providers: another gateway before it serves JSON.
    let list = format!("list:{}", gateway.address);
    let second = Gateway::start(&list, &[]);
    let answer = second.json_until(SAY_HELLO, r#"{"name":"b"}"#, |answer| answer.status == 200);
    assert_eq!(answer.text(), r#"{"text":"hello, b (in time)"}"#);
    let health = gateway.json("/grpc.health.v1.Health/Check", r#"{"service":"hello.Greeter"}"#);
    assert_eq!(health.text(), r#"{"status":"SERVING"}"#);
}
