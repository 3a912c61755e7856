//! `mprpc registry ls`, `drain`, `undrain` and `weight`, beside providers and a caller that use the registry meanwhile.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "../../mprpc/tests/support/etcd.rs"]
mod etcd;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use mprpc::{Channel, ChannelOptions, Context, Server, ServerHandle, Status};
use mprpc_codegen_tests::proto::hello::{
    Greeter, GreeterClient, GreeterServer, HelloReply, HelloRequest, HelloRequestView,
};

use self::etcd::EtcdServer;

const PATIENCE: Duration = Duration::from_secs(20);

/// Answers with the address at which it was called.
struct Where;

impl Greeter for Where {
    async fn say_hello(&self, cx: &Context, _: HelloRequestView<'_>) -> Result<HelloReply, Status> {
        Ok(HelloReply { text: cx.peer().unwrap().local.to_string(), ..Default::default() })
    }
}

fn provider(registry: &str) -> (ServerHandle, String) {
    let server = Server { registry: Some(registry.to_owned()), loops: 1, ..Server::default() };
    let running = server.add(GreeterServer::new(Where)).start().unwrap();
    wait(running.registered());
    let address = running.addresses()[0].to_string();
    (running, address)
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.expect("it takes too long") })
}

fn registry(words: &[&str]) -> (bool, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_mprpc")).arg("registry").args(words).output().unwrap();
    (status.success(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

/// Waits until many calls in a row are answered by these providers, and by each of them.
fn are_called(client: &GreeterClient, wanted: &[&str]) {
    let begin = Instant::now();
    loop {
        let mut seen: Vec<String> =
            (0..40).map(|_| client.say_hello(HelloRequest::default()).wait().unwrap().text).collect();
        seen.sort();
        seen.dedup();
        let mut wanted = wanted.to_vec();
        wanted.sort_unstable();
        if seen == wanted {
            return;
        }
        assert!(begin.elapsed() < PATIENCE, "{seen:?} in place of {wanted:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn drained_provider_gets_no_calls_until_it_is_undrained() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file:{}", folder.path().display());
    let ((first, a), (_second, b)) = (provider(&url), provider(&url));
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    let client = GreeterClient::new(Channel::with_options(&url, options).unwrap());
    are_called(&client, &[&a, &b]);
    let (done, output) = registry(&["drain", &url, &a]);
    assert_eq!((done, output), (true, format!("hello.Greeter  {a}  weight=0\n")));
    are_called(&client, &[&b]);
    // The provider lives on, and keeps its weight when it has to make its entry anew.
    std::thread::sleep(Duration::from_millis(1200));
    for entry in std::fs::read_dir(folder.path().join("hello.Greeter")).unwrap() {
        std::fs::remove_file(entry.unwrap().path()).unwrap();
    }
    let begin = Instant::now();
    while !registry(&["ls", &url]).1.contains(&a) {
        assert!(begin.elapsed() < PATIENCE);
        std::thread::sleep(Duration::from_millis(50));
    }
    are_called(&client, &[&b]);
    assert_eq!(registry(&["undrain", &url, &a]).1, format!("hello.Greeter  {a}  weight=100\n"));
    are_called(&client, &[&a, &b]);
    assert_eq!(registry(&["weight", &url, &b, "0"]).1, format!("hello.Greeter  {b}  weight=0\n"));
    are_called(&client, &[&a]);
    wait(first.stop());
}

#[test]
fn providers_in_etcd_are_listed_drained_and_weighed() {
    let server = EtcdServer::start();
    let url = format!("etcd://{}/apps?lease_ttl_s=2", server.address);
    assert_eq!(registry(&["ls", &url]), (true, format!("no services in {url}\n")));
    let ((first, a), (_second, b)) = (provider(&url), provider(&url));
    let (listed, output) = registry(&["ls", &url]);
    let rows: Vec<Vec<&str>> = output.lines().map(|line| line.split_whitespace().collect()).collect();
    let mut addresses = [&*a, &*b];
    addresses.sort_unstable();
    let row = |address| vec!["hello.Greeter", address, "native", "100", "-", "-", "all"];
    assert!(listed && rows[1..] == addresses.map(row), "{output}");
    let options = ChannelOptions { same_process: false, ..ChannelOptions::default() };
    let client = GreeterClient::new(Channel::with_options(&url, options).unwrap());
    are_called(&client, &[&a, &b]);
    assert_eq!(registry(&["drain", &url, &a]), (true, format!("hello.Greeter  {a}  weight=0\n")));
    are_called(&client, &[&b]);
    assert_eq!(registry(&["undrain", &url, &a]).1, format!("hello.Greeter  {a}  weight=100\n"));
    are_called(&client, &[&a, &b]);
    assert_eq!(registry(&["weight", &url, &b, "0"]).1, format!("hello.Greeter  {b}  weight=0\n"));
    are_called(&client, &[&a]);
    wait(first.stop());
    let (done, output) = registry(&["drain", &url, &a]);
    assert!(!done && output.contains(&format!("no entry of {a}")), "{output}");
}

#[test]
fn provider_that_is_not_there_is_an_error_that_names_it() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("file:{}", folder.path().display());
    let (done, output) = registry(&["drain", &url, "127.0.0.1:1"]);
    assert!(!done && output.contains("no entry of 127.0.0.1:1"), "{output}");
    let (done, output) = registry(&["drain", "list:127.0.0.1:1,127.0.0.1:2", "127.0.0.1:1"]);
    assert!(!done && output.contains("cannot be changed"), "{output}");
}
