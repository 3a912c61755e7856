//! Providers that speak the C++ frame, and have neither reflection nor streams.

use mprpc::discovery::{FileRegistry, Registered, Registration, Registry as _};
use mprpc::{Channel, Context, Server, ServerHandle, Status};
use mprpc_codegen_tests::proto::fixbug::*;

use crate::support::*;

struct Users;

impl UserServiceRpc for Users {
    async fn login(&self, cx: &Context, request: LoginRequestView<'_>) -> Result<LoginResponse, Status> {
        assert_eq!(cx.metadata().iter().count(), 0, "the C++ frame has no metadata");
        Ok(LoginResponse { success: request.name == b"zhangsan", ..Default::default() })
    }

    async fn register(&self, _: &Context, _: RegisterRequestView<'_>) -> Result<RegisterResponse, Status> {
        Err(Status::unimplemented(""))
    }
}

/// A provider that the registry lists as a classic one.
fn provide(registry: &Registry) -> (ServerHandle, Registered) {
    let running = Server::default().add(UserServiceRpcServer::new(Users)).start().unwrap();
    let endpoint = format!("classic:{}", running.addresses()[0]).parse().unwrap();
    let folder = registry.url().strip_prefix("file:").unwrap().into();
    let registered = FileRegistry::new(folder).register(Registration::new(&USER_SERVICE_RPC, endpoint));
    let is_registered = |state: &_| matches!(state, mprpc::discovery::RegistrationState::Registered(_));
    drop(wait(registered.state().wait_for(is_registered)));
    (running, registered)
}

fn proto() -> String {
    format!("{}/../examples/proto/user.proto", env!("CARGO_MANIFEST_DIR"))
}

const LOGIN: &str = "/fixbug.UserServiceRpc/Login";
/// The name is zhangsan, in base64.
const ZHANGSAN: &str = r#"{"name":"emhhbmdzYW4="}"#;

#[test]
fn classic_provider_is_reached_by_json_and_grpc_when_given_its_proto() {
    let registry = Registry::new();
    let _provider = provide(&registry);
    let set = tempfile::NamedTempFile::new().unwrap();
    let descriptors = mprpc_build::Config::default().descriptor_set(&[proto()]).unwrap();
    std::fs::write(set.path(), descriptors).unwrap();
    for flag in [["--proto".to_owned(), proto()], ["--descriptor-set".into(), set.path().display().to_string()]] {
        let gateway = Gateway::start(&registry.url(), &flag.each_ref().map(String::as_str));
        let answer = gateway.json(LOGIN, ZHANGSAN);
        assert_eq!((answer.status, answer.text().as_str()), (200, r#"{"success":true}"#), "{flag:?}");
        let (code, message) = gateway.json("/fixbug.UserServiceRpc/Logout", "{}").error();
        assert_eq!(code, "unimplemented");
        assert!(message.contains("has no such method"), "{message}");
        for scheme in ["grpc://", ""] {
            let users = UserServiceRpcClient::new(Channel::new(&format!("{scheme}{}", gateway.address)).unwrap());
            let request = LoginRequest { name: b"zhangsan".into(), ..Default::default() };
            assert!(users.login(request).metadata("key", "value").wait().unwrap().success);
        }
    }
}

#[test]
fn without_a_proto_protobuf_passes_and_json_is_refused_with_the_way_out() {
    let registry = Registry::new();
    let _provider = provide(&registry);
    let gateway = Gateway::start(&registry.url(), &[]);
    let users = UserServiceRpcClient::new(Channel::new(&format!("grpc://{}", gateway.address)).unwrap());
    let request = LoginRequest { name: b"zhangsan".into(), ..Default::default() };
    assert!(users.login(request).wait().unwrap().success);
    let (code, message) = gateway.json(LOGIN, ZHANGSAN).error();
    assert_eq!(code, "unimplemented");
    assert!(message.contains("fixbug.UserServiceRpc") && message.contains("--proto"), "{message}");
}

#[test]
fn fault_in_a_proto_stops_the_gateway_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.proto");
    std::fs::write(&path, "syntax = \"proto3\";\nmessage {}\n").unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_mprpc"));
    let output = command.args(["gateway", "-r", "file:/x", "--proto", path.to_str().unwrap()]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && text.contains("bad.proto:2:9"), "{text}");
}
