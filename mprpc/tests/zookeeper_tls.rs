//! TLS to a real ZooKeeper: its port for TLS, certificates of both sides, and each port reached the wrong way. The unit tests
//! beside the code cover the other faults.

#![cfg(all(feature = "zookeeper", feature = "tls"))]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a panic is how a test fails, and its errors are printed")]

#[path = "support/certificates.rs"]
mod certificates;
#[path = "support/provider.rs"]
mod provider;
#[path = "support/zookeeper.rs"]
mod zookeeper;

use certificates::Authority;
use mprpc::discovery::{Registration, Resolution, Target, list_services};
use provider::{PATIENCE, USERS, shows, until};
use tokio::sync::watch;
use zookeeper::ZooKeeper;

#[tokio::test]
async fn provider_and_caller_meet_over_tls_and_wrong_ports_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path(), "ca");
    let server = authority.issue("server", &["localhost"]);
    let identity = folder.path().join("identity.pem");
    let pem = [&server.key, &server.certificate].map(|file| std::fs::read_to_string(file).unwrap()).concat();
    std::fs::write(&identity, pem).unwrap();
    let zookeeper = ZooKeeper::with_tls(&identity, &authority.file());
    let plain_port = zookeeper.address.rsplit(':').next().unwrap().to_owned();
    let tls_port = zookeeper.tls_port.unwrap().to_string();

    let own = authority.issue("mprpc", &["mprpc.example"]);
    let trust = format!("?tls.ca={}", authority.file().display());
    let mutual =
        format!("{trust}&tls.client_certificate={}&tls.client_key={}", own.certificate.display(), own.key.display());
    let target: Target = format!("zookeeper://localhost:{tls_port}/apps{mutual}").parse().unwrap();
    let mut shown = target.resolver().unwrap().watch(USERS.name);
    let registration = Registration::new(&USERS, "127.0.0.1:8000".parse().unwrap());
    let registered = target.registry().unwrap().register(registration);
    until(&mut shown, "the provider", |resolution| shows(resolution, &["127.0.0.1:8000"])).await;
    // The port in plain text has the same nodes.
    let plain: Target = format!("zookeeper://localhost:{plain_port}/apps").parse().unwrap();
    assert_eq!(list_services(&plain, PATIENCE).await.unwrap(), list_services(&target, PATIENCE).await.unwrap());
    registered.withdraw().await;
    until(&mut shown, "an empty list", |resolution| shows(resolution, &[])).await;

    for (port, options, part) in [
        (&plain_port, mutual.as_str(), "does it speak TLS?"),
        (&tls_port, "", "before it opened a session: it has no quorum, or older data, or speaks TLS only"),
        (&tls_port, &trust, "certificate"),
    ] {
        let target: Target = format!("zookeeper://localhost:{port}{options}").parse().unwrap();
        let mut shown: watch::Receiver<Resolution> = target.resolver().unwrap().watch(USERS.name);
        until(&mut shown, part, |resolution| resolution.state.text().contains(part)).await;
        println!("{target}: {}", shown.borrow().state.text());
        assert!(shown.borrow().state.text().contains(&format!("zookeeper localhost:{port}: since ")));
    }
}
