//! The program under test, the providers behind it, and a client of HTTP/1.1.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mprpc::error_details::ErrorInfo;
use mprpc::{Context, Server, ServerHandle, Status, Streaming};
use mprpc_codegen_tests::proto::feed::{Board, BoardServer, Post, Stored, TopicView};
use mprpc_codegen_tests::proto::hello::{Greeter, GreeterServer, HelloReply, HelloRequestView};

/// How long anything in these tests may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A running gateway. Dropping it kills the program.
pub(crate) struct Gateway {
    pub(crate) address: String,
    /// What the program says about the registry.
    pub(crate) offers: String,
    child: Child,
    output: Option<BufReader<ChildStdout>>,
}

impl Gateway {
    pub(crate) fn start(registry: &str, flags: &[&str]) -> Gateway {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mprpc"));
        command.args(["gateway", "-r", registry, "--listen", "127.0.0.1:0"]).args(flags);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = || {
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            line.trim_end().to_owned()
        };
        let listening = line();
        let offers = line();
        let address = listening.strip_prefix("listening on ").expect("the gateway starts").to_owned();
        Gateway { address, offers, child, output: Some(output) }
    }

    /// Calls a method in JSON, over a connection of its own.
    pub(crate) fn json(&self, path: &str, body: &str) -> Answer {
        ask(&self.address, "POST", path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// Calls a method in JSON until the answer suits.
    pub(crate) fn json_until(&self, path: &str, body: &str, suits: impl Fn(&Answer) -> bool) -> Answer {
        until(|| {
            let answer = self.json(path, body);
            if suits(&answer) { Ok(answer) } else { Err(answer) }
        })
    }

    pub(crate) fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    }

    /// Waits for the end of the program. Returns its exit status.
    pub(crate) fn ended(mut self) -> Option<i32> {
        let (done, ended) = mpsc::channel();
        let mut output = self.output.take().unwrap();
        // The output ends with the program.
        std::thread::spawn(move || done.send(output.read_to_end(&mut Vec::new()).is_ok()));
        ended.recv_timeout(PATIENCE).expect("the program ends");
        self.child.wait().unwrap().code()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        // The program may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A response of HTTP/1.1.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{self:?}"))
    }

    /// The code and the message of an error in JSON.
    pub(crate) fn error(&self) -> (String, String) {
        let error = self.json();
        let text = |name: &str| error[name].as_str().unwrap_or_default().to_owned();
        (text("code"), text("message"))
    }
}

/// Sends a request over a connection of its own.
pub(crate) fn ask(address: &str, method: &str, path: &str, fields: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = format!("{method} {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n");
    for (name, value) in fields {
        head += &format!("{name}: {value}\r\n");
    }
    head += &format!("content-length: {}\r\n\r\n", body.len());
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).unwrap();
    let end = bytes.windows(4).position(|part| part == b"\r\n\r\n").expect("a whole head");
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let status = head[9..12].parse().unwrap();
    let body = &bytes[end + 4..];
    let body = if head.contains("transfer-encoding: chunked") { dechunked(body) } else { body.to_vec() };
    Answer { status, head, body }
}

fn dechunked(mut body: &[u8]) -> Vec<u8> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|part| part == b"\r\n").expect("a chunk");
        let length = usize::from_str_radix(std::str::from_utf8(&body[..end]).unwrap(), 16).unwrap();
        if length == 0 {
            return whole;
        }
        whole.extend_from_slice(&body[end + 2..end + 2 + length]);
        body = &body[end + 4 + length..];
    }
}

/// A registry in a folder of its own.
pub(crate) struct Registry(tempfile::TempDir);

impl Registry {
    pub(crate) fn new() -> Registry {
        Registry(tempfile::tempdir().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("file:{}", self.0.path().display())
    }

    /// Starts a server that the registry lists.
    pub(crate) fn serve(&self, server: Server) -> ServerHandle {
        let running = Server { registry: Some(self.url()), ..server }.start().unwrap();
        wait(running.registered());
        running
    }
}

/// Asks again until the answer suits. The error is an answer that does not; its program says nothing when that changes.
pub(crate) fn until<T, E: std::fmt::Debug>(mut ask: impl FnMut() -> Result<T, E>) -> T {
    let begin = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(answer) => assert!(begin.elapsed() < PATIENCE, "{answer:?}"),
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Waits for a future on a runtime of its own.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it takes too long") })
}

/// A server that tells its schema.
pub(crate) fn reflecting() -> Server {
    Server { reflection: true, ..Server::default() }
}

/// Greets, and tells what it knows of its call. Some names fail or hang.
pub(crate) struct Hello;

impl Greeter for Hello {
    async fn say_hello(&self, cx: &Context, request: HelloRequestView<'_>) -> Result<HelloReply, Status> {
        let tenant = cx.metadata().text("tenant").unwrap_or("nobody").to_owned();
        cx.reply_metadata().append("before", tenant.clone())?;
        cx.trailer().append("behind", tenant)?;
        match request.name {
            "" => {
                let info = ErrorInfo { reason: "NO_NAME".into(), domain: "hello".into(), ..Default::default() };
                return Err(Status::invalid_argument("name is empty").with_detail(&info));
            }
            "slow" => tokio::time::sleep(Duration::from_secs(1)).await,
            "for ever" => std::future::pending().await,
            _ => {}
        }
        let has_deadline = cx.deadline() != mprpc::Deadline::NONE;
        let text = format!("hello, {}{}", request.name, if has_deadline { " (in time)" } else { "" });
        Ok(HelloReply { text, ..Default::default() })
    }
}

/// Echoes posts.
pub(crate) struct Echo;

impl Board for Echo {
    async fn follow(&self, cx: &Context, topic: TopicView<'_>) -> Result<Streaming<Post>, Status> {
        let name = topic.name.to_owned();
        let trailer = cx.clone();
        let posts = Streaming::of([1, 2, 3]).map(move |number| {
            trailer.trailer().set("posts", number.to_string())?;
            match (number, &*name) {
                (2, "fail") => Err(Status::data_loss("the second post is lost")),
                _ => Ok(Post { topic: name.clone(), text: format!("post {number}"), ..Default::default() }),
            }
        });
        Ok(posts)
    }

    async fn store(&self, _: &Context, mut posts: Streaming<Post>) -> Result<Stored, Status> {
        let mut stored = Stored::default();
        while let Some(post) = posts.next().await {
            post?;
            stored.posts += 1;
        }
        Ok(stored)
    }

    async fn chat(&self, _: &Context, posts: Streaming<Post>) -> Result<Streaming<Post>, Status> {
        Ok(posts.map(|post| Ok(Post { text: format!("{}?", post.text), ..post })))
    }
}

pub(crate) fn hello() -> GreeterServer<Hello> {
    GreeterServer::new(Hello)
}

pub(crate) fn board() -> BoardServer<Echo> {
    BoardServer::new(Echo)
}

pub(crate) const SAY_HELLO: &str = "/hello.Greeter/SayHello";
