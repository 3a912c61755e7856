//! `@connectrpc/connect-web` in headless Chromium calls a server of another origin, by Connect and by gRPC-Web.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../../../../../mprpc/tests/support/peer.rs"]
mod peer;

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use mprpc::{Context, Cors, Server, ServerHandle, Status, Streaming};
use mprpc_codegen_tests::proto::board::{Board, BoardServer, Post, PostView, Published, Refusal, TopicView};
use tokio::sync::{broadcast, watch};

use crate::peer::Peer;

/// A board whose posts go to those who follow at that time.
#[derive(Clone)]
struct Posts {
    posts: broadcast::Sender<String>,
    /// How many calls of `Hang` have begun, and how many were dropped.
    hangs: Arc<watch::Sender<(u32, u32)>>,
}

impl Posts {
    fn new() -> Posts {
        Posts { posts: broadcast::Sender::new(16), hangs: Arc::default() }
    }

    async fn until(&self, is: impl FnMut(&(u32, u32)) -> bool) {
        self.hangs.subscribe().wait_for(is).await.unwrap();
    }
}

struct CountsDrop<'a>(&'a Posts);

impl Drop for CountsDrop<'_> {
    fn drop(&mut self) {
        self.0.hangs.send_modify(|(_, dropped)| *dropped += 1);
    }
}

impl Board for Posts {
    async fn follow(&self, _: &Context, topic: TopicView<'_>) -> Result<Streaming<Post>, Status> {
        let (mut posts, topic) = (self.posts.subscribe(), topic.name.to_owned());
        let (sender, stream) = Streaming::channel(1);
        mprpc::net::spawn(async move {
            sender.send(post(&topic)).await?;
            while let Ok(text) = posts.recv().await {
                sender.send(post(&text)).await?;
            }
            Ok::<_, Status>(())
        });
        Ok(stream)
    }

    async fn publish(&self, context: &Context, post: PostView<'_>) -> Result<Published, Status> {
        if post.text.is_empty() {
            let refusal = Refusal { field: "text".into(), bytes_max: 280, ..Default::default() };
            return Err(Status::invalid_argument("the post is empty: 空").with_detail(&refusal));
        }
        if post.text == "until hang" {
            // The call before was dropped at its deadline, so this one is the second.
            self.until(|(begun, _)| *begun == 2).await;
        }
        if let Some(tenant) = context.metadata().text("tenant") {
            context.reply_metadata().append("tenant", tenant)?;
            context.trailer().append("tenant", tenant)?;
        }
        let posts = self.posts.send(post.text.to_owned()).unwrap_or(0);
        Ok(Published { posts: u32::try_from(posts).unwrap(), ..Default::default() })
    }

    async fn hang(&self, _: &Context, _: TopicView<'_>) -> Result<Post, Status> {
        self.hangs.send_modify(|(begun, _)| *begun += 1);
        let _counts = CountsDrop(self);
        std::future::pending().await
    }
}

fn post(text: &str) -> Post {
    Post { text: text.into(), ..Default::default() }
}

/// The page on its server, and a browser that opens it.
struct Web {
    /// Generated code.
    _folder: tempfile::TempDir,
    _pages: Peer,
    origin: String,
    browser: Peer,
}

impl Web {
    fn start() -> Web {
        let browser = Peer::node("mprpc/tests/node/browser.js", &[]);
        let folder = tempfile::tempdir().unwrap();
        let proto = peer::root().join("mprpc-build/tests/generated/proto");
        let plugin = peer::node_modules().join(".bin/protoc-gen-es");
        let generated = Command::new(peer::python())
            .args(["-m", "grpc_tools.protoc", "--es_opt=target=js", "board.proto", "-I"])
            .arg(&proto)
            .arg(format!("--plugin={}", plugin.display()))
            .arg(format!("--es_out={}", folder.path().display()))
            .status();
        assert!(generated.unwrap().success(), "the code for JavaScript was not generated\n{}", peer::HELP);
        let page = peer::root().join("mprpc-build/tests/generated/tests/browser/page.js");
        let pages =
            Peer::node("mprpc/tests/node/page_server.js", &[page.to_str().unwrap(), folder.path().to_str().unwrap()]);
        Web { _folder: folder, origin: pages.line(), _pages: pages, browser }
    }

    fn server(&self, posts: &Posts, allowed_origins: &[&str]) -> ServerHandle {
        let allowed_origins = allowed_origins.iter().map(|&origin| origin.to_owned()).collect();
        let cors = Cors { allowed_origins, ..Cors::default() };
        Server { cors, ..Server::default() }.add(BoardServer::new(posts.clone())).start().unwrap()
    }

    /// Opens the page, which calls the server.
    fn open(&mut self, transport: &str, server: &ServerHandle) {
        let server = server.addresses()[0].to_string();
        self.browser.say(&format!("{}/?transport={transport}&server=http://{server}", self.origin));
    }
}

#[tokio::test]
async fn page_of_an_allowed_origin_makes_every_kind_of_call_and_others_make_none() {
    let mut web = Web::start();
    for transport in ["connect", "connect-binary", "grpc-web"] {
        let posts = Posts::new();
        let server = web.server(&posts, &[&web.origin]);
        web.open(transport, &server);
        for line in [
            "published 0, head blue, trailer blue",
            "InvalidArgument: the post is empty: 空, text 280",
            // The server gets the next post only after the page has shown the last one: the stream is shown as it arrives.
            "had 1: news",
            "had 2: post 1",
            "had 3: post 2",
            "had 4: post 3",
            "stream: Canceled",
            "late: DeadlineExceeded",
            "aborted: Canceled",
            "done",
        ] {
            assert_eq!(web.browser.line(), line, "{transport}");
        }
        posts.until(|hangs| *hangs == (2, 2)).await;
        assert!(server.stats().rejected.is_empty(), "{transport}");
        // Chromium keeps its idle connections. The stop does not wait for them.
        tokio::time::timeout(Duration::from_secs(5), server.stop()).await.unwrap();
    }

    let posts = Posts::new();
    let server = web.server(&posts, &["http://app.example"]);
    for transport in ["connect", "grpc-web"] {
        web.open(transport, &server);
        let line = web.browser.line();
        assert!(line.starts_with("ConnectError: [unknown] Failed to fetch"), "{transport}: {line}");
    }
    server.stop().await;
}
