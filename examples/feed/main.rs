//! Streams, with provider and caller in one program: a stream of replies, and a stream in both directions.
#![allow(clippy::print_stdout, reason = "printing is what it is for")]

use mprpc::{Channel, Context, Server, Status, Streaming};

mprpc::include_proto!("feed");

struct Editor;

impl Board for Editor {
    async fn follow(&self, _: &Context, topic: TopicView<'_>) -> Result<Streaming<Post>, Status> {
        let topic = topic.name.to_owned();
        let (sender, posts) = Streaming::channel(8);
        // Feeds the stream while the caller reads it. An error means that nobody reads any more, and ends the task.
        mprpc::net::spawn(async move {
            for number in 1..=3 {
                sender.send(post(&topic, &format!("news {number}"))).await?;
            }
            sender.finish();
            Ok::<_, Status>(())
        });
        Ok(posts)
    }

    async fn store(&self, _: &Context, mut posts: Streaming<Post>) -> Result<Stored, Status> {
        let mut stored = Stored::default();
        while let Some(post) = posts.next().await {
            // The loss of the caller is an error here. It never looks like the end of the caller's stream.
            post?;
            stored.posts += 1;
        }
        Ok(stored)
    }

    async fn chat(&self, _: &Context, posts: Streaming<Post>) -> Result<Streaming<Post>, Status> {
        Ok(posts.map(|said| Ok(post(&said.topic, &format!("{}? tell me more", said.text)))))
    }
}

fn post(topic: &str, text: &str) -> Post {
    Post { topic: topic.into(), text: text.into(), ..Default::default() }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let provider = Server::default().add(BoardServer::new(Editor)).serve()?;
    let board = BoardClient::new(Channel::new(&provider.addresses()[0].to_string())?);

    let mut posts = board.follow(Topic { name: "rust".into(), ..Default::default() }).await?;
    while let Some(post) = posts.next().await {
        println!("followed: {}", post?.text);
    }

    let stored = board.store(Streaming::of(["one", "two"].map(|text| post("rust", text)))).await?;
    println!("stored: {}", stored.posts);

    let (sender, posts) = Streaming::channel(1);
    let mut answers = board.chat(posts).await?;
    for text in ["streams", "windows"] {
        sender.send(post("rust", text)).await?;
        let answer = answers.next().await.ok_or("the chat has ended")??;
        println!("{text}: {}", answer.text);
    }
    sender.finish();
    println!("ended well: {}", answers.next().await.is_none());
    provider.stop().await;
    Ok(())
}
