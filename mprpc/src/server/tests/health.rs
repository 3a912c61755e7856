//! Tests of `grpc.health.v1`, over connections in memory and within the process, under virtual time.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::Probe;
use crate::client::{Channel, ChannelOptions, RawClient};
use crate::codec::health::health_check_response::ServingStatus;
use crate::codec::health::{HealthCheckRequest, HealthCheckResponse, HealthListRequest, HealthListResponse};
use crate::codec::{Message, protobuf};
use crate::method::MethodKind;
use crate::server::{Health, Server, ServerHandle};
use crate::service::Body;
use crate::status::{Code, Status};
use crate::streaming::Streaming;

const HEALTH: &str = "grpc.health.v1.Health";

/// Serves `server` and the probe at an address in memory, and returns a client of the health service there.
fn serve(name: &str, server: Server, same_process: bool) -> (ServerHandle, RawClient) {
    let (running, channel) = channel(name, server, same_process);
    (running, RawClient::new(channel, HEALTH))
}

fn channel(name: &str, server: Server, same_process: bool) -> (ServerHandle, Channel) {
    let address = format!("memory:{name}");
    let running = Server { listen: vec![address.parse().unwrap()], ..server }.add(Probe).serve().unwrap();
    let options = ChannelOptions { same_process, ..ChannelOptions::default() };
    (running, Channel::with_options(&address, options).unwrap())
}

fn question(service: &str) -> Vec<u8> {
    HealthCheckRequest { service: service.into(), ..Default::default() }.encode_to_vec()
}

fn status(reply: &[u8]) -> ServingStatus {
    HealthCheckResponse::decode_from_slice(reply).unwrap().status.as_known().unwrap()
}

async fn check(client: &RawClient, service: &str) -> Result<ServingStatus, Status> {
    client.unary("Check", question(service)).await.map(|reply| status(&reply))
}

async fn watch(client: &RawClient, service: &str) -> Streaming<ServingStatus> {
    let request = Body::Message(question(service).into());
    let replies = client.call("Watch", MethodKind::ServerStreaming, request).await.unwrap();
    replies.into_stream().map(|reply| Ok(status(&reply)))
}

async fn next(watched: &mut Streaming<ServingStatus>) -> Option<ServingStatus> {
    watched.next().await.map(|status| status.unwrap())
}

#[tokio::test(start_paused = true)]
async fn check_answers_for_the_server_and_each_service_and_not_found_for_others() {
    for same_process in [false, true] {
        let (_running, client) = serve("health-check", Server::default(), same_process);
        for service in ["", "test.Probe", HEALTH] {
            assert_eq!(check(&client, service).await.unwrap(), ServingStatus::SERVING, "{service}");
        }
        for service in ["test.Nothing", "Probe", "test"] {
            let status = check(&client, service).await.unwrap_err();
            assert_eq!(status.code(), Code::NotFound, "{service}");
            assert!(status.message().contains(service), "{status}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn list_has_every_service() {
    let health = Health::default();
    health.set_serving("test.Probe", false);
    health.set_serving("behind.the.Fallback", true);
    let (_running, client) = serve("health-list", Server { health: Some(health), ..Server::default() }, false);
    let reply = client.unary("List", HealthListRequest::default().encode_to_vec()).await.unwrap();
    let list: HealthListResponse = protobuf::decode(&reply).unwrap();
    let mut found: Vec<_> =
        list.statuses.iter().map(|(name, reply)| (name.as_str(), reply.status.as_known().unwrap())).collect();
    found.sort_by_key(|(name, _)| *name);
    let (serving, not_serving) = (ServingStatus::SERVING, ServingStatus::NOT_SERVING);
    assert_eq!(
        found,
        [("", serving), ("behind.the.Fallback", serving), (HEALTH, serving), ("test.Probe", not_serving)]
    );
}

#[tokio::test(start_paused = true)]
async fn watch_tells_the_state_at_once_and_each_change_once() {
    for same_process in [false, true] {
        let health = Health::default();
        let server = Server { health: Some(health.clone()), ..Server::default() };
        let (_running, client) = serve("health-watch", server, same_process);
        let mut watched = watch(&client, "test.Probe").await;
        assert_eq!(next(&mut watched).await, Some(ServingStatus::SERVING));
        let mut changes = Vec::new();
        for is_serving in [true, false, false, true] {
            health.set_serving("test.Probe", is_serving);
            health.set_serving("", !is_serving);
            let told = timeout(Duration::from_secs(5), next(&mut watched)).await;
            changes.push(told.ok().flatten());
        }
        assert_eq!(changes, [None, Some(ServingStatus::NOT_SERVING), None, Some(ServingStatus::SERVING)]);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_service_is_watched_until_it_comes() {
    let health = Health::default();
    let (_running, client) = serve("health-later", Server { health: Some(health.clone()), ..Server::default() }, false);
    let mut watched = watch(&client, "test.Later").await;
    assert_eq!(next(&mut watched).await, Some(ServingStatus::SERVICE_UNKNOWN));
    health.set_serving("test.Later", true);
    assert_eq!(next(&mut watched).await, Some(ServingStatus::SERVING));
}

/// NOT_SERVING is told while the server still answers, and a watch does not hold up the stop. Real time, because the registry
/// is a folder.
#[tokio::test]
async fn stop_tells_watchers_before_it_drains_and_ends_their_watch() {
    for same_process in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let mut server = Server {
            registry: Some(format!("file:{}", folder.path().display())),
            advertise: Some("10.0.0.1:8000".parse().unwrap()),
            ..Server::default()
        };
        server.limits.withdraw_grace = Duration::from_secs(1);
        let drain_timeout = server.limits.drain_timeout;
        let (running, client) = serve("health-stop", server, same_process);
        let mut watched = watch(&client, "").await;
        assert_eq!(next(&mut watched).await, Some(ServingStatus::SERVING));
        let begun = Instant::now();
        let stopping = tokio::spawn(running.stop());
        assert_eq!(next(&mut watched).await, Some(ServingStatus::NOT_SERVING));
        assert_eq!(check(&client, "test.Probe").await.unwrap(), ServingStatus::NOT_SERVING, "the server still answers");
        assert_eq!(next(&mut watched).await, None, "the watch ends well");
        stopping.await.unwrap();
        assert!(begun.elapsed() < drain_timeout, "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn stop_without_a_registry_tells_watchers_at_once() {
    for same_process in [false, true] {
        let (running, client) = serve("health-at-once", Server::default(), same_process);
        let mut watched = watch(&client, "test.Probe").await;
        assert_eq!(next(&mut watched).await, Some(ServingStatus::SERVING));
        let begun = Instant::now();
        let ((), told) = tokio::join!(running.stop(), async { [next(&mut watched).await, next(&mut watched).await] });
        assert_eq!(told, [Some(ServingStatus::NOT_SERVING), None]);
        assert_eq!(begun.elapsed(), Duration::ZERO);
    }
}

#[tokio::test(start_paused = true)]
async fn dropped_server_ends_its_watches() {
    for same_process in [false, true] {
        let (running, client) = serve("health-drop", Server::default(), same_process);
        let mut watched = watch(&client, "").await;
        assert_eq!(next(&mut watched).await, Some(ServingStatus::SERVING));
        drop(running);
        let ended = async {
            while let Some(Ok(told)) = watched.next().await {
                assert_eq!(told, ServingStatus::NOT_SERVING)
            }
        };
        timeout(Duration::from_secs(1), ended).await.expect("the watch ends with the server");
    }
}

#[cfg(feature = "json")]
#[tokio::test(start_paused = true)]
async fn health_is_told_in_json_too() {
    use crate::codec::Codec;
    use crate::context::Context;
    use crate::deadline::Deadline;
    use crate::metadata::Metadata;
    use crate::server::health::HealthService;
    use crate::service::Service;

    let health = Health::default();
    health.set_serving("a.B", false);
    let service = HealthService(health);
    let methods = service.descriptor().methods;
    let ask = async |method: usize, json: &'static str| {
        let context = Context::new(&methods[method], None, Deadline::NONE, Metadata::new());
        let reply = service.call(method, context, Body::Message(json.into()), Codec::Json).await?;
        reply.into_stream().next().await.unwrap()
    };
    let reply = ask(0, "{\"service\":\"a.B\"}").await.unwrap();
    assert_eq!(reply, "{\"status\":\"NOT_SERVING\"}");
    assert_eq!(ask(1, "").await.unwrap(), "{\"statuses\":{\"a.B\":{\"status\":\"NOT_SERVING\"}}}");
    assert_eq!(ask(2, "{}").await.unwrap(), "{\"status\":\"SERVICE_UNKNOWN\"}");
    assert_eq!(ask(0, "{\"servce\":1").await.unwrap_err().code(), Code::InvalidArgument);
}

#[tokio::test(start_paused = true)]
async fn health_can_be_left_out() {
    let (_running, client) = serve("health-none", Server { health: None, ..Server::default() }, false);
    assert_eq!(check(&client, "").await.unwrap_err().code(), Code::Unimplemented);
}

/// Real time, because the registry is a folder.
#[tokio::test]
async fn built_in_services_are_not_announced() {
    let folder = tempfile::tempdir().unwrap();
    let registry = format!("file:{}", folder.path().display());
    let server = Server {
        registry: Some(registry.clone()),
        advertise: Some("10.0.0.1:8000".parse().unwrap()),
        reflection: true,
        ..Server::default()
    };
    let (running, client) = serve("health-announced", server, false);
    assert_eq!(check(&client, "").await.unwrap(), ServingStatus::SERVING);
    running.registered().await;
    let target = registry.parse().unwrap();
    let listed = crate::discovery::list_services(&target, Duration::from_secs(10)).await.unwrap();
    let names: Vec<_> = listed.into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["test.Probe"]);
}

#[tokio::test(start_paused = true)]
async fn user_keeps_the_short_name_health_and_may_replace_the_service() {
    use crate::codec::Codec;
    use crate::context::Context;
    use crate::method::{Idempotency, MethodDescriptor, ServiceDescriptor};
    use crate::service::{BoxFuture, Service};

    const fn check_of(path: &'static str) -> MethodDescriptor {
        MethodDescriptor::new("Check", path, MethodKind::Unary, Idempotency::Unknown)
    }
    static CLINIC: ServiceDescriptor =
        ServiceDescriptor { name: "clinic.Health", methods: &[check_of("clinic.Health/Check")], files: &[] };
    static OWN: ServiceDescriptor =
        ServiceDescriptor { name: HEALTH, methods: &[check_of("grpc.health.v1.Health/Check")], files: &[] };

    struct Named(&'static ServiceDescriptor);
    impl Service for Named {
        fn descriptor(&self) -> &'static ServiceDescriptor {
            self.0
        }
        fn call(&self, _: usize, _: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
            Box::pin(std::future::ready(Ok(Body::Message(self.0.name.into()))))
        }
    }

    for (own, short) in [(&CLINIC, "Health"), (&OWN, HEALTH)] {
        let (_running, channel) = channel("health-short", Server::default().add(Named(own)), false);
        assert_eq!(RawClient::new(channel, short).unary("Check", "").await.unwrap(), own.name);
    }
}
