//! Generated streaming methods: clients and servers of all kinds, with both codecs, over connections in memory.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod memory;

use std::sync::Arc;

use mprpc::{Body, Bytes, Call, Code, Codec, Context, MessageView, Service, Status, Streaming, testing};
use mprpc_codegen_tests::proto::shop::stock::{Item, ItemView};
use mprpc_codegen_tests::proto::shop::{Feed, FeedCalls, FeedClient, FeedServer};

/// A service that streams the letters of a name, joins names, and answers each name in capitals.
struct Letters;

impl Feed for Letters {
    async fn watch(&self, cx: &Context, item: ItemView<'_>) -> Result<Streaming<Item>, Status> {
        if item.name.is_empty() {
            return Err(Status::invalid_argument("no name to watch"));
        }
        cx.trailer().append("letters", item.name.len().to_string())?;
        let letters: Vec<Item> = item.name.chars().map(|letter| named(&letter.to_string())).collect();
        Ok(Streaming::of(letters))
    }

    async fn load(&self, _: &Context, mut items: Streaming<Item>) -> Result<Item, Status> {
        let mut all = String::new();
        while let Some(item) = items.next().await {
            all += &item?.name;
        }
        Ok(named(&all))
    }

    async fn talk(&self, _: &Context, items: Streaming<Item>) -> Result<Streaming<Item>, Status> {
        Ok(items.map(|item| match item.name.as_str() {
            "stop" => Err(Status::out_of_range("that was the last one")),
            name => Ok(named(&name.to_uppercase())),
        }))
    }
}

fn named(name: &str) -> Item {
    Item { name: name.into(), ..Default::default() }
}

fn names(names: &'static [&'static str]) -> Streaming<Item> {
    Streaming::of(names.iter().map(|name| named(name)))
}

async fn collected(mut items: Streaming<Item>) -> Result<Vec<String>, Status> {
    let mut names = Vec::new();
    while let Some(item) = items.next().await {
        names.push(item?.name);
    }
    Ok(names)
}

fn client() -> FeedClient {
    FeedClient::new(testing::connect(FeedServer::new(Letters)))
}

#[tokio::test(start_paused = true)]
async fn generated_client_receives_a_reply_stream() {
    let reply = client().watch(named("tea")).with_metadata().await.unwrap();
    let beside = reply.context().clone();
    assert_eq!(collected(reply.message).await.unwrap(), ["t", "e", "a"]);
    assert_eq!(beside.trailer().text("letters"), Some("3"));
    let status = client().watch(named("")).await.expect_err("refused");
    assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "no name to watch"));
}

#[tokio::test(start_paused = true)]
async fn request_stream_gets_one_reply() {
    let client = client();
    assert_eq!(client.load(names(&["a", "bc", "d"])).await.unwrap().name, "abcd");
    assert_eq!(client.load(names(&[])).await.unwrap().name, "");
}

#[tokio::test(start_paused = true)]
async fn bidirectional_stream_alternates_requests_and_replies() {
    let (sender, items) = Streaming::channel(1);
    let mut replies = client().talk(items).await.unwrap();
    for (said, answered) in [("a", "A"), ("bc", "BC")] {
        sender.send(named(said)).await.unwrap();
        assert_eq!(replies.next().await.unwrap().unwrap().name, answered);
    }
    sender.finish();
    assert!(replies.next().await.is_none());
}

#[tokio::test(start_paused = true)]
async fn failed_stream_ends_with_its_status() {
    let mut replies = client().talk(names(&["a", "stop", "b"])).await.unwrap();
    assert_eq!(replies.next().await.unwrap().unwrap().name, "A");
    let status = replies.next().await.unwrap().unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::OutOfRange, "that was the last one"));
    assert!(replies.next().await.is_none());
}

/// Calls a method with this codec, as a server does.
async fn raw(method: usize, request: Body, codec: Codec) -> Result<Vec<Bytes>, Status> {
    let service: Arc<dyn Service> = Arc::new(FeedServer::new(Letters));
    let context = memory::context(&*service, method);
    let mut replies = service.call(method, context, request, codec).await?.into_stream();
    let mut messages = Vec::new();
    while let Some(message) = replies.next().await {
        messages.push(message?);
    }
    Ok(messages)
}

fn bytes(messages: &'static [&'static str]) -> Body {
    Body::Stream(Streaming::of(messages.iter().map(|message| Bytes::from(*message))))
}

#[tokio::test]
async fn undecodable_stream_message_is_refused_with_its_type() {
    let status = raw(1, bytes(&["\n\x01a", "\n\x09a"]), Codec::Protobuf).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("the request is no shop.stock.Item: "), "{status}");
}

#[cfg(feature = "json")]
#[tokio::test]
async fn streams_are_read_and_written_in_protobuf_json() {
    let one = || Body::Message(Bytes::from(r#"{"name":"ab"}"#));
    let many = || bytes(&[r#"{"name":"a"}"#, "{}", r#"{"name":"b"}"#]);
    assert_eq!(raw(0, one(), Codec::Json).await.unwrap(), [r#"{"name":"a"}"#, r#"{"name":"b"}"#]);
    assert_eq!(raw(1, many(), Codec::Json).await.unwrap(), [r#"{"name":"ab"}"#]);
    assert_eq!(raw(2, many(), Codec::Json).await.unwrap(), [r#"{"name":"A"}"#, "{}", r#"{"name":"B"}"#]);
    let status = raw(1, bytes(&[r#"{"name":"a"}"#, "7"]), Codec::Json).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    assert!(status.message().starts_with("the request is no shop.stock.Item in JSON: "), "{status}");
}

#[cfg(not(feature = "json"))]
#[tokio::test]
async fn json_is_unimplemented_without_json_support() {
    for method in 0..3 {
        let status = raw(method, bytes(&["{}"]), Codec::Json).await.unwrap_err();
        assert_eq!(status.message(), "this service was built without JSON");
    }
}

struct Fake;

impl FeedCalls for Fake {
    fn watch(&self, item: Item) -> Call<Streaming<Item>> {
        Call::ready(Ok(Streaming::of([item.clone(), item])))
    }

    fn load(&self, _: Streaming<Item>) -> Call<Item> {
        Call::ready(Err(Status::unavailable("a fake")))
    }

    fn talk(&self, items: Streaming<Item>) -> Call<Streaming<Item>> {
        Call::ready(Ok(items))
    }
}

#[tokio::test]
async fn fake_replaces_a_streaming_client() {
    let feed: Box<dyn FeedCalls> = Box::new(Fake);
    assert_eq!(collected(feed.watch(named("x")).await.unwrap()).await.unwrap(), ["x", "x"]);
    assert_eq!(collected(feed.talk(names(&["a"])).await.unwrap()).await.unwrap(), ["a"]);
    assert_eq!(feed.load(names(&[])).await.unwrap_err().code(), Code::Unavailable);
}

/// A view lives as long as its call, so a stream copies what it needs of the view.
#[tokio::test(start_paused = true)]
async fn stream_outlives_the_view_of_its_request() {
    struct Repeats;
    impl Feed for Repeats {
        async fn watch(&self, _: &Context, item: ItemView<'_>) -> Result<Streaming<Item>, Status> {
            let item = item.to_owned_message().map_err(|error| Status::internal(error.to_string()))?;
            let (sender, items) = Streaming::channel(1);
            mprpc::net::spawn(async move {
                for _ in 0..100 {
                    sender.send(item.clone()).await?;
                }
                sender.finish();
                Ok::<_, Status>(())
            });
            Ok(items)
        }
        async fn load(&self, _: &Context, _: Streaming<Item>) -> Result<Item, Status> {
            Err(Status::unimplemented("not here"))
        }
        async fn talk(&self, _: &Context, _: Streaming<Item>) -> Result<Streaming<Item>, Status> {
            Err(Status::unimplemented("not here"))
        }
    }
    let client = FeedClient::new(testing::connect(FeedServer::new(Repeats)));
    let items = collected(client.watch(named("x")).await.unwrap()).await.unwrap();
    assert_eq!((items.len(), items[99].as_str()), (100, "x"));
}
