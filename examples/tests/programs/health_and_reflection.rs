//! The clients of PyPI's grpcio-health-checking and grpcio-reflection ask a provider.

use crate::peer::Peer;
use crate::program::*;

const SCRIPT: &str = "examples/tests/programs/health_and_reflection.py";

#[test]
fn reflection_client_finds_services_and_their_files() {
    let (_provider, address) = Program::provider(USER_PROVIDER, "--demo=true --reflection=true");
    let lines = Peer::python(SCRIPT, &["reflection", &address]).end();
    for version in ["v1", "v1alpha"] {
        let shown: Vec<&str> = lines.iter().filter_map(|line| line.strip_prefix(&format!("{version} "))).collect();
        assert_eq!(
            shown,
            [
                "services: fixbug.UserServiceRpc grpc.health.v1.Health grpc.reflection.v1.ServerReflection \
                 grpc.reflection.v1alpha.ServerReflection",
                "fixbug.UserServiceRpc: Login(LoginRequest) Register(RegisterRequest)",
                "fixbug.LoginRequest: name=1 pwd=2",
                "fixbug.ResultCode: errcode=1 errmsg=2",
                "google.protobuf.Timestamp: seconds=1 nanos=2",
                "fixbug.Nothing: NOT_FOUND",
                "Login: success",
            ],
            "{version}"
        );
    }
}

#[test]
fn health_client_sees_the_graceful_stop() {
    let (mut provider, address) = Program::provider(USER_PROVIDER, "--demo=true");
    let client = Peer::python(SCRIPT, &["health", &address]);
    for line in ["check: SERVING", "check fixbug.UserServiceRpc: SERVING", "check fixbug.Nothing: NOT_FOUND"] {
        assert_eq!(client.line(), line);
    }
    assert_eq!(client.line(), "watch: SERVING");
    provider.terminate();
    assert_eq!(client.line(), "watch: NOT_SERVING");
    assert_eq!(client.end(), ["the watch has ended"]);
    eventually("the provider has ended", || !provider.is_running());
}
