//! Protobuf through the gateway, by gRPC and by the native protocol, to providers with and without reflection: nothing of a
//! call is lost on the way.

use std::time::Duration;

use mprpc::error_details::ErrorInfo;
use mprpc::{Body, BoxFuture, Channel, Code, Context, Next, RawClient, Server, Status, Streaming, intercept_fn};
use mprpc_codegen_tests::proto::feed::{BoardClient, Post, Topic};
use mprpc_codegen_tests::proto::hello::{GreeterClient, HelloRequest};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::support::*;

fn request(name: &str) -> HelloRequest {
    HelloRequest { name: name.into(), ..Default::default() }
}

fn post(text: &str) -> Post {
    Post { text: text.into(), ..Default::default() }
}

/// Runs a test over both protocols, to providers with and without a schema.
fn over_everything<T: Future<Output = Result<(), Status>>>(test: impl Fn(Channel) -> T) {
    for reflection in [true, false] {
        let registry = Registry::new();
        let server = Server { reflection, ..Server::default() };
        let _provider = registry.serve(server.add(hello()).add(board()));
        let gateway = Gateway::start(&registry.url(), &[]);
        for scheme in ["grpc://", ""] {
            let channel = Channel::new(&format!("{scheme}{}", gateway.address)).unwrap();
            let outcome = wait(test(channel));
            assert!(outcome.is_ok(), "{scheme} reflection={reflection}: {outcome:?}");
        }
    }
}

#[test]
fn unary_calls_keep_their_metadata_and_trailer() {
    over_everything(|channel| async {
        let greeter = GreeterClient::new(channel);
        let reply = greeter.say_hello(request("a")).metadata("tenant", "blue").with_metadata().await?;
        assert_eq!(reply.message.text, "hello, a (in time)");
        assert_eq!(reply.metadata().text("before"), Some("blue"));
        assert_eq!(reply.trailer().text("behind"), Some("blue"));
        assert_eq!(reply.metadata().value("mprpc-gateway"), None);
        Ok(())
    });
}

#[test]
fn failures_keep_their_details_and_trailer() {
    over_everything(|channel| async {
        let greeter = GreeterClient::new(channel);
        let status = greeter.say_hello(request("")).metadata("tenant", "blue").await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::InvalidArgument, "name is empty"));
        assert_eq!(status.detail::<ErrorInfo>().unwrap().reason, "NO_NAME");
        assert_eq!(status.trailer().text("behind"), Some("blue"));
        Ok(())
    });
}

#[test]
fn deadline_ends_the_call_behind_the_gateway() {
    over_everything(|channel| async {
        let greeter = GreeterClient::new(channel);
        let status = greeter.say_hello(request("for ever")).timeout(Duration::from_millis(200)).await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded);
        Ok(())
    });
}

#[test]
fn streams_pass_message_by_message() {
    over_everything(|channel| async {
        let board = BoardClient::new(channel);
        let topic = |name: &str| Topic { name: name.into(), ..Default::default() };
        let mut reply = board.follow(topic("rust")).with_metadata().await?;
        let mut texts = Vec::new();
        while let Some(post) = reply.message.next().await {
            texts.push(post?.text);
        }
        assert_eq!(texts, ["post 1", "post 2", "post 3"]);
        assert_eq!(reply.trailer().text("posts"), Some("3"));
        let mut lost = board.follow(topic("fail")).await?;
        assert_eq!(lost.next().await.unwrap()?.text, "post 1");
        assert_eq!(lost.next().await.unwrap().unwrap_err().code(), Code::DataLoss);
        for count in [0, 1, 3] {
            let stored = board.store(Streaming::of((0..count).map(|_| post("x")))).await?;
            assert_eq!(stored.posts, count);
        }
        // Each question waits for the answer to the one before it.
        let (sender, posts) = Streaming::channel(1);
        let mut answers = board.chat(posts).await?;
        for text in ["a", "b", "c"] {
            sender.send(post(text)).await?;
            assert_eq!(answers.next().await.unwrap()?.text, format!("{text}?"));
        }
        sender.finish();
        assert!(answers.next().await.is_none());
        Ok(())
    });
}

/// Tells that a handler has begun, and whether its call was cancelled when the handler was dropped.
struct Lifetime(UnboundedSender<bool>, Context);

impl Drop for Lifetime {
    fn drop(&mut self) {
        // The test may be over.
        let _ = self.0.send(self.1.is_cancelled());
    }
}

#[test]
fn call_that_is_given_up_is_cancelled_behind_the_gateway() {
    let registry = Registry::new();
    let (seen, mut lifetime) = unbounded_channel();
    let watch = move |context: Context, body, next: Next| -> BoxFuture<Result<Body, Status>> {
        let watched = Lifetime(seen.clone(), context.clone());
        let _ = seen.send(false);
        let reply = next.run(context, body);
        Box::pin(async move {
            let _watched = watched;
            reply.await
        })
    };
    let _provider = registry.serve(reflecting().add(hello()).intercept(intercept_fn(watch)));
    let gateway = Gateway::start(&registry.url(), &[]);
    gateway.json(SAY_HELLO, r#"{"name":"a"}"#);
    for scheme in ["grpc://", ""] {
        let greeter = GreeterClient::new(Channel::new(&format!("{scheme}{}", gateway.address)).unwrap());
        while lifetime.try_recv().is_ok() {}
        wait(async {
            let mut call = greeter.say_hello(request("for ever")).timeout(PATIENCE).into_future();
            tokio::select! { outcome = &mut call => panic!("{outcome:?}"), _begun = lifetime.recv() => {} }
            drop(call);
            // The connection that sends the cancellation lives on this runtime.
            while !lifetime.recv().await.expect("the provider runs") {}
        });
    }
}

#[test]
fn unknown_services_and_methods_are_unimplemented() {
    let registry = Registry::new();
    let _provider = registry.serve(reflecting().add(hello()));
    let gateway = Gateway::start(&registry.url(), &[]);
    for scheme in ["grpc://", ""] {
        let channel = Channel::new(&format!("{scheme}{}", gateway.address)).unwrap();
        for (service, method, part) in
            [("no.Such", "Do", "no such service: no.Such/Do"), ("hello.Greeter", "Wave", "no such method")]
        {
            let client = RawClient::new(channel.clone(), service);
            let status = wait(client.unary(method, "").into_future()).unwrap_err();
            assert_eq!(status.code(), Code::Unimplemented);
            assert!(status.message().contains(part), "{scheme} {status}");
        }
    }
    for (path, part) in
        [("/no.Such/Do", "no such service: no.Such/Do"), ("/hello.Greeter/Wave", "hello.Greeter has no such method")]
    {
        let (code, message) = gateway.json(path, "{}").error();
        assert_eq!(code, "unimplemented");
        assert!(message.contains(part), "{message}");
    }
}
