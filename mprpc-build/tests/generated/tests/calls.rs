//! Generated servers, called in memory the way the router calls them. No network.

mod memory;

use futures_util::FutureExt;
use mprpc::{
    Body, Call, Code, Codec, Context, Idempotency, Message, MessageView, MethodKind, Placement, Service, Status,
    Streaming,
};
use mprpc_codegen_tests::proto::fixbug::*;
use mprpc_codegen_tests::proto::{BareService, BareServiceServer, BareView, fixbug, hard, shop};

use crate::memory::{call, raw};

struct Users;

impl UserServiceRpc for Users {
    async fn login(&self, cx: &Context, request: LoginRequestView<'_>) -> Result<LoginResponse, Status> {
        assert_eq!(cx.method().name, "Login");
        let success = request.name == b"cuism" && request.pwd == b"123456";
        // The view stays valid across an await.
        std::future::ready(()).await;
        Ok(LoginResponse { result: Some(ResultCode::default()).into(), success, ..Default::default() })
    }

    async fn register(&self, _: &Context, request: RegisterRequestView<'_>) -> Result<RegisterResponse, Status> {
        Err(Status::already_exists(format!("{}", request.id)))
    }
}

/// The request and the reply have the bytes that the classic programs send in CLASSIC frames.
#[test]
fn login_reads_and_writes_the_classic_bytes() {
    let server = UserServiceRpcServer::new(Users);
    let request = LoginRequest { name: b"cuism".to_vec(), pwd: b"123456".to_vec(), ..Default::default() };
    assert_eq!(request.encode_to_vec(), b"\x0a\x05cuism\x12\x06123456");
    assert_eq!(raw(&server, 0, &request.encode_to_vec()).unwrap(), &[0x0a, 0, 0x10, 1][..]);
}

#[test]
fn caller_gets_the_status_of_the_handler() {
    let request = RegisterRequest { id: 7, ..Default::default() };
    let status = call::<_, RegisterResponse>(&UserServiceRpcServer::new(Users), 1, &request).unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::AlreadyExists, "7"));
}

#[test]
fn undecodable_request_is_refused_with_its_type() {
    let status = raw(&UserServiceRpcServer::new(Users), 0, b"\x0a\xff").unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("the request is no fixbug.LoginRequest: "), "{}", status.message());
}

#[test]
fn index_beyond_the_methods_is_unimplemented() {
    let status = raw(&UserServiceRpcServer::new(Users), 2, b"").unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unimplemented, "fixbug.UserServiceRpc has no method of index 2")
    );
}

#[test]
fn server_is_cloned_and_shared_without_clone_of_the_handler() {
    let server = UserServiceRpcServer::from(std::sync::Arc::new(Users));
    let services: [Box<dyn Service>; 2] = [Box::new(server.clone()), Box::new(server)];
    for service in &services {
        assert_eq!(service.descriptor().name, "fixbug.UserServiceRpc");
        assert!(raw(&**service, 0, b"").is_ok());
    }
}

#[test]
fn descriptors_know_names_kinds_and_idempotency() {
    let [login, register] = USER_SERVICE_RPC.methods else { panic!("{USER_SERVICE_RPC:?}") };
    assert_eq!((&*login.name, &*login.path), ("Login", "fixbug.UserServiceRpc/Login"));
    assert_eq!((login.kind, login.idempotency), (MethodKind::Unary, Idempotency::NoSideEffects));
    assert_eq!((register.kind, register.idempotency), (MethodKind::Unary, Idempotency::Unknown));
    assert_eq!(FRIEND_SERVICE_RPC.methods[0].idempotency, Idempotency::NoSideEffects);
    assert_eq!(mprpc_codegen_tests::alone::ECHO.methods[0].idempotency, Idempotency::Idempotent);
    assert_eq!(mprpc_codegen_tests::proto::BARE_SERVICE.methods[0].path, "BareService/Get");
    assert_eq!((shop::cart::QUERY.name, shop::stock::QUERY.name), ("shop.cart.Query", "shop.stock.Query"));
    let kinds = shop::FEED.methods.iter().map(|method| method.kind);
    assert!(kinds.eq([MethodKind::ServerStreaming, MethodKind::ClientStreaming, MethodKind::Bidirectional]));
}

#[test]
fn placement_option_sets_the_placement_of_the_descriptor() {
    let placements = shop::PLACED.methods.iter().map(|method| method.placement);
    assert!(placements.eq([
        Placement::Measured,
        Placement::Measured,
        Placement::Inline,
        Placement::Spread,
        Placement::Blocking
    ]));
    assert_eq!(shop::PLACED.methods[4].idempotency, Idempotency::Idempotent);
}

struct Fake;

impl UserServiceRpcCalls for Fake {
    fn login(&self, request: LoginRequest) -> Call<LoginResponse> {
        Call::ready(Ok(LoginResponse { success: request.name == b"fake", ..Default::default() }))
    }

    fn register(&self, _: RegisterRequest) -> Call<RegisterResponse> {
        Call::ready(Err(Status::unavailable("a fake")))
    }
}

#[test]
fn fake_replaces_a_client() {
    let users: Box<dyn UserServiceRpcCalls> = Box::new(Fake);
    let login = LoginRequest { name: b"fake".to_vec(), ..Default::default() };
    assert!(users.login(login).into_future().now_or_never().unwrap().unwrap().success);
    assert!(users.register(RegisterRequest::default()).into_future().now_or_never().unwrap().is_err());
}

#[test]
fn client_is_clone_and_implements_its_calls_trait() {
    fn is_client<T: Clone + Send + Sync + UserServiceRpcCalls + 'static>() {}
    is_client::<fixbug::UserServiceRpcClient>();
}

struct Keywords;

impl hard::r#type::r#async::Move for Keywords {
    async fn r#match(&self, _: &Context, r: MatchView<'_>) -> Result<Match, Status> {
        assert_eq!((r.self_, r.r#type, r.crate_, r.r#async), ("a", "b", 3, true));
        reply("match")
    }
    async fn self_(&self, _: &Context, _: MatchView<'_>) -> Result<Match, Status> {
        reply("self")
    }
    async fn r#async(&self, _: &Context, _: MatchView<'_>) -> Result<Match, Status> {
        reply("async")
    }
    async fn get_user(&self, _: &Context, _: MatchView<'_>) -> Result<Match, Status> {
        reply("GetUser")
    }
    async fn get_user_2(&self, _: &Context, _: MatchView<'_>) -> Result<Match, Status> {
        reply("get_user")
    }
    async fn get_user_3(&self, _: &Context, _: MatchView<'_>) -> Result<Match, Status> {
        reply("getUser")
    }
    async fn http_get2(&self, _: &Context, _: MatchView<'_>) -> Result<Match, Status> {
        reply("HTTPGet2")
    }
}

use hard::r#type::r#async::crate_::SelfOneof;
use hard::r#type::r#async::type_::{self, Impl_, Self_};
use hard::r#type::r#async::{Crate_, Match, MatchView, Type_, Type_View};

fn reply(name: &str) -> Result<Match, Status> {
    Ok(Match { r#type: name.to_owned(), ..Default::default() })
}

#[test]
fn keyword_names_and_colliding_names_reach_their_own_methods() {
    let server = hard::r#type::r#async::MoveServer::new(Keywords);
    let request = Match { self_: "a".into(), r#type: "b".into(), crate_: 3, r#async: true, ..Default::default() };
    let names = ["match", "self", "async", "GetUser", "get_user", "getUser", "HTTPGet2"];
    for (index, name) in names.into_iter().enumerate() {
        assert_eq!(call::<_, Match>(&server, index, &request).unwrap().r#type, name);
    }
    assert!(
        server
            .descriptor()
            .methods
            .iter()
            .map(|method| &*method.name)
            .eq(["Match", "Self", "async", "GetUser", "get_user", "getUser", "HTTPGet2"])
    );
}

struct Yield;

impl hard::r#type::r#async::r#yield for Yield {
    async fn send(&self, _: &Context, request: Type_View<'_>) -> Result<Type_, Status> {
        request.to_owned_message().map_err(|error| Status::internal(error.to_string()))
    }
    async fn r#become(&self, _: &Context, mut requests: Streaming<Crate_>) -> Result<Streaming<Self_>, Status> {
        let request = requests.next().await.expect("the test sends one")?;
        let Some(SelfOneof::Super(inner)) = request.self_oneof else { return Err(Status::internal("another one")) };
        Ok(Streaming::of(inner.self_.into_option()))
    }
}

#[test]
fn types_named_by_keywords_keep_their_names_outside_of_rust() {
    let inner = Self_ { r#fn: 7, ..Default::default() };
    let mut message = Type_ { self_: inner.clone().into(), r#in: Impl_::r#loop.into(), ..Default::default() };
    message.self_oneof = Some(type_::SelfOneof::Use("x".into()));
    message.r#mod = vec![Type_::default()];
    assert_eq!(message.encode_to_vec(), b"\x0a\x02\x08\x07\x10\x01\x22\x00\x2a\x01x");
    let server = hard::r#type::r#async::yieldServer::new(Yield);
    assert_eq!(call::<_, Type_>(&server, 0, &message).unwrap(), message);
    let status = raw(&server, 0, b"\x0a\xff").unwrap_err();
    assert!(status.message().starts_with("the request is no hard.type.async.type: "), "{}", status.message());
    assert_eq!(Type_::TYPE_URL, "type.googleapis.com/hard.type.async.type");
    assert_eq!(Self_::TYPE_URL, "type.googleapis.com/hard.type.async.type.Self");
    let names = server.descriptor().methods.iter().map(|method| &*method.path);
    assert!(names.eq(["hard.type.async.yield/Send", "hard.type.async.yield/become"]));

    let request = Crate_ { self_oneof: Some(SelfOneof::Super(message.into())), ..Default::default() };
    let requests = Body::Stream(Streaming::of([request.encode_to_vec().into()]));
    let replies = server.call(1, memory::context(&server, 1), requests, Codec::Protobuf);
    let replies = replies.now_or_never().unwrap().unwrap().into_stream().next().now_or_never().unwrap();
    assert_eq!(replies.unwrap().unwrap(), inner.encode_to_vec());
}

#[cfg(feature = "json")]
#[test]
fn types_named_by_keywords_have_their_names_in_json() {
    let server = hard::r#type::r#async::yieldServer::new(Yield);
    let json = r#"{"self":{"fn":7},"in":"loop","ref":{"a":{}},"mod":[{}],"use":"x"}"#;
    let reply = memory::with_codec(&server, 0, json.as_bytes(), Codec::Json).unwrap();
    assert_eq!(reply, json);
}

struct Old;

impl hard::old::OldService for Old {
    async fn get(&self, _: &Context, request: hard::old::OldView<'_>) -> Result<hard::old::Old, Status> {
        assert_eq!(request.name, "n");
        Ok(hard::old::Old { name: "reply".into(), count: Some(8), ..Default::default() })
    }

    async fn fetch(
        &self,
        _: &Context,
        _: hard::old::__buffa::view::old::NestedView<'_>,
    ) -> Result<hard::old::old::nested::Deeper, Status> {
        Ok(hard::old::old::nested::Deeper { depth: Some(2), ..Default::default() })
    }
}

#[test]
fn proto2_and_nested_messages_are_served() {
    let server = hard::old::OldServiceServer::new(Old);
    let request = hard::old::Old { name: "n".into(), ..Default::default() };
    let reply: hard::old::Old = call(&server, 0, &request).unwrap();
    assert_eq!((reply.name.as_str(), reply.count), ("reply", Some(8)));
    let deeper: hard::old::old::nested::Deeper = call(&server, 1, &hard::old::old::Nested::default()).unwrap();
    assert_eq!(deeper.depth, Some(2));
}

struct Cart;

impl shop::cart::Query for Cart {
    async fn find(&self, _: &Context, item: shop::stock::ItemView<'_>) -> Result<shop::cart::Line, Status> {
        let item = item.to_owned_message().map_err(|error| Status::internal(error.to_string()))?;
        Ok(shop::cart::Line { item: Some(item).into(), count: 2, ..Default::default() })
    }
}

impl BareService for Cart {
    async fn get(&self, _: &Context, request: BareView<'_>) -> Result<mprpc_codegen_tests::proto::Bare, Status> {
        let text = request.text.map(str::to_owned);
        Ok(mprpc_codegen_tests::proto::Bare { text, ..Default::default() })
    }
}

#[test]
fn messages_of_other_packages_and_without_package_are_served() {
    let item = shop::stock::Item { name: "tea".into(), ..Default::default() };
    let line: shop::cart::Line = call(&shop::cart::QueryServer::new(Cart), 0, &item).unwrap();
    assert_eq!((line.item.name.as_str(), line.count), ("tea", 2));
    let bare = mprpc_codegen_tests::proto::Bare { text: Some("x".into()), ..Default::default() };
    assert_eq!(call::<_, mprpc_codegen_tests::proto::Bare>(&BareServiceServer::new(Cart), 0, &bare).unwrap(), bare);
}

struct Alone;

impl mprpc_codegen_tests::alone::Echo for Alone {
    async fn say(&self, _: &Context, request: alone::PingView<'_>) -> Result<alone::Ping, Status> {
        request.to_owned_message().map_err(|error| Status::internal(error.to_string()))
    }
    async fn context(&self, _: &Context, _: alone::ContextView<'_>) -> Result<alone::Status, Status> {
        Ok(alone::Status::default())
    }
    async fn new_2(&self, _: &Context, _: alone::OptionView<'_>) -> Result<alone::Result, Status> {
        Ok(alone::Result::default())
    }
    async fn clone(&self, _: &Context, _: alone::SomeView<'_>) -> Result<alone::Vec, Status> {
        Ok(alone::Vec::default())
    }
    async fn call(&self, _: &Context, _: alone::CallView<'_>) -> Result<alone::Box, Status> {
        Ok(alone::Box::default())
    }
    async fn generic(&self, _: &Context, request: alone::TView<'_>) -> Result<alone::T, Status> {
        Ok(alone::T { t: request.t.to_owned(), ..Default::default() })
    }
    async fn __1(&self, _: &Context, _: alone::TView<'_>) -> Result<alone::T, Status> {
        Ok(alone::T::default())
    }
    async fn descriptor(&self, _: &Context, _: alone::ChannelView<'_>) -> Result<alone::String, Status> {
        Ok(alone::String::default())
    }
}

use mprpc_codegen_tests::alone;

#[test]
fn messages_and_methods_may_use_names_of_generated_code_and_of_rust() {
    let server = alone::EchoServer::new(Alone);
    let ping = alone::Ping { text: "x".into(), ..Default::default() };
    assert_eq!(call::<_, alone::Ping>(&server, 0, &ping).unwrap(), ping);
    for index in 1..8 {
        assert_eq!(raw(&server, index, b"").unwrap(), "");
    }
}
