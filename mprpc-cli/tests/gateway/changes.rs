//! Providers and services that come, go and change while the gateway runs.

use std::net::ToSocketAddrs as _;
use std::sync::OnceLock;
use std::time::Duration;

use mprpc::discovery::{FileRegistry, Registration, Registry as _};
use mprpc::{
    Address, Body, BoxFuture, Channel, Code, Codec, Context, Endpoint, Idempotency, MethodDescriptor, MethodKind,
    RawClient, Server, Service, ServiceDescriptor, Status,
};
use mprpc_codegen_tests::proto::hello::{GREETER, GreeterClient, HelloRequest};

use crate::support::*;

#[test]
fn service_that_appears_later_is_offered_and_its_loss_is_unavailable() {
    let registry = Registry::new();
    let _board = registry.serve(Server::default().add(board()));
    let gateway = Gateway::start(&registry.url(), &[]);
    let client = RawClient::new(Channel::new(&gateway.address).unwrap(), "hello.Greeter");
    let status = wait(client.unary("SayHello", "").into_future()).unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented, "{status}");
    assert_eq!(gateway.json(SAY_HELLO, "{}").status, 501);
    let provider = registry.serve(reflecting().add(hello()));
    gateway.json_until(SAY_HELLO, r#"{"name":"a"}"#, |answer| answer.status == 200);
    // The connection has called the service before.
    wait(client.unary("SayHello", &b"\x0a\x01a"[..]).into_future()).unwrap();
    wait(provider.stop());
    let lost = gateway.json_until(SAY_HELLO, r#"{"name":"a"}"#, |answer| answer.status != 200);
    assert_eq!((lost.status, lost.error().0.as_str()), (503, "unavailable"));
    let status = wait(client.unary("SayHello", "").into_future()).unwrap_err();
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let _provider = registry.serve(reflecting().add(hello()));
    gateway.json_until(SAY_HELLO, r#"{"name":"a"}"#, |answer| answer.status == 200);
}

#[test]
fn registry_that_is_missing_at_the_start_is_read_once_it_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file:{}/later", folder.path().display());
    let gateway = Gateway::start(&url, &[]);
    assert!(gateway.offers.ends_with(": 0 services"), "{}", gateway.offers);
    let provider = Server { registry: Some(url), ..reflecting() }.add(hello()).start().unwrap();
    wait(provider.registered());
    gateway.json_until(SAY_HELLO, r#"{"name":"a"}"#, |answer| answer.status == 200);
}

#[test]
fn services_behind_a_name_in_dns_are_those_of_the_providers_reflection() {
    let address = ("localhost", 0).to_socket_addrs().unwrap().next().unwrap();
    let provider = Server { listen: vec![Address::Tcp(address)], ..reflecting() }.add(hello()).start().unwrap();
    let Address::Tcp(address) = provider.addresses()[0].clone() else { panic!("no port") };
    let gateway = Gateway::start(&format!("dns:localhost:{}", address.port()), &[]);
    assert!(gateway.offers.ends_with(": 1 services"), "{}", gateway.offers);
    gateway.json_until(SAY_HELLO, r#"{"name":"a"}"#, |answer| answer.status == 200);
    wait(provider.stop());
    gateway.json_until(SAY_HELLO, r#"{"name":"a"}"#, |answer| answer.status == 503);
    // The next version has a service more.
    let next = Server { listen: vec![Address::Tcp(address)], ..reflecting() }.add(hello()).add(board());
    let _next = next.start().unwrap();
    gateway.json_until(SAY_HELLO, r#"{"name":"a"}"#, |answer| answer.status == 200);
    until(|| {
        let page = ask(&gateway.address, "GET", "/", &[], &[]).text();
        if page.contains("feed.Board") { Ok(()) } else { Err(page) }
    });
}

#[test]
fn name_that_dns_does_not_know_is_unavailable_and_named() {
    let gateway = Gateway::start("dns:no-such-host.invalid:8000", &[]);
    assert!(gateway.offers.ends_with(": 0 services"), "{}", gateway.offers);
    let (code, message) = gateway.json(SAY_HELLO, "{}").error();
    assert!(code == "unavailable" && message.contains("no-such-host.invalid"), "{code}: {message}");
}

/// A service whose schema has one method in version 1, and another method and another field in version 2.
struct Versioned(&'static ServiceDescriptor);

impl Versioned {
    fn new(version: usize) -> Versioned {
        static VERSIONS: [OnceLock<ServiceDescriptor>; 2] = [OnceLock::new(), OnceLock::new()];
        static METHODS: [MethodDescriptor; 2] = [
            MethodDescriptor::new("One", "ver.Echo/One", MethodKind::Unary, Idempotency::Unknown),
            MethodDescriptor::new("Two", "ver.Echo/Two", MethodKind::Unary, Idempotency::Unknown),
        ];
        let descriptor = VERSIONS[version - 1].get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("ver.proto");
            let two = if version == 2 { "rpc Two(Text) returns (Text);" } else { "" };
            let more = if version == 2 { "string more = 2;" } else { "" };
            let message = format!("message Text {{ string text = 1; {more} }}");
            let service = format!("service Echo {{ rpc One(Text) returns (Text); {two} }}");
            std::fs::write(&path, format!("syntax = \"proto3\"; package ver; {message} {service}")).unwrap();
            let files = mprpc_build::Config::default().descriptor_set(&[path]).unwrap();
            ServiceDescriptor { name: "ver.Echo", methods: &METHODS[..version], files: files.leak() }
        });
        Versioned(descriptor)
    }
}

impl Service for Versioned {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.0
    }

    fn call(&self, _: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move { Ok(request) })
    }
}

#[test]
fn schema_is_fetched_again_when_the_providers_change() {
    let registry = Registry::new();
    let old = registry.serve(reflecting().add(Versioned::new(1)));
    let gateway = Gateway::start(&registry.url(), &[]);
    let body = r#"{"text":"a","more":"b"}"#;
    assert_eq!(gateway.json("/ver.Echo/One", body).text(), r#"{"text":"a"}"#);
    assert_eq!(gateway.json("/ver.Echo/Two", body).status, 501);
    let _new = registry.serve(reflecting().add(Versioned::new(2)));
    wait(old.stop());
    gateway.json_until("/ver.Echo/One", body, |answer| answer.text() == body);
    assert_eq!(gateway.json("/ver.Echo/Two", body).text(), body);
}

#[test]
fn call_that_comes_back_to_the_gateway_is_refused() {
    let registry = Registry::new();
    let gateway = Gateway::start(&registry.url(), &[]);
    let folder = registry.url().strip_prefix("file:").unwrap().into();
    let endpoint: Endpoint = gateway.address.parse().unwrap();
    let _registered = FileRegistry::new(folder).register(Registration::new(&GREETER, endpoint));
    let greeter = GreeterClient::new(Channel::new(&format!("grpc://{}", gateway.address)).unwrap());
    let status = until(|| {
        let status = greeter.say_hello(HelloRequest::default()).wait().unwrap_err();
        if status.code() == Code::FailedPrecondition { Ok(status) } else { Err(status) }
    });
    assert!(status.message().contains("lists this gateway"), "{status}");
}

#[test]
fn call_in_flight_is_finished_after_sigterm() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(hello()));
    let gateway = Gateway::start(&registry.url(), &[]);
    gateway.json(SAY_HELLO, r#"{"name":"a"}"#);
    let address = gateway.address.clone();
    let calling = std::thread::spawn(move || {
        let fields = [("content-type", "application/json")];
        ask(&address, "POST", SAY_HELLO, &fields, br#"{"name":"slow"}"#)
    });
    // The call takes a second, so it is on its way by now.
    std::thread::sleep(Duration::from_millis(300));
    gateway.terminate();
    assert_eq!(calling.join().unwrap().status, 200);
    assert_eq!(gateway.ended(), Some(0));
}
