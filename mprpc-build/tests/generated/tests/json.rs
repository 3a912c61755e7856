//! Protobuf JSON through generated servers, and the well-known types. No HTTP.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod memory;

use mprpc::well_known::{Duration, Empty, EmptyView, StringValue, StructView, Timestamp};
use mprpc::{Context, MessageView, Status};
use mprpc_codegen_tests::proto::shop::known::{Event, EventView, Known, KnownServer};

use crate::memory::call;

struct Events;

fn event() -> Event {
    Event {
        at: Some(Timestamp { seconds: 1, nanos: 500_000_000, ..Default::default() }).into(),
        took: Some(Duration { seconds: 3, ..Default::default() }).into(),
        note: Some(StringValue { value: "n".into(), ..Default::default() }).into(),
        ..Default::default()
    }
}

impl Known for Events {
    async fn last(&self, _: &Context, _: EmptyView<'_>) -> Result<Event, Status> {
        Ok(event())
    }

    async fn put(&self, _: &Context, request: EventView<'_>) -> Result<Empty, Status> {
        let request = request.to_owned_message().map_err(|error| Status::internal(error.to_string()))?;
        if request == event() { Ok(Empty::default()) } else { Err(Status::invalid_argument("another event")) }
    }

    async fn now(&self, _: &Context, request: StructView<'_>) -> Result<Timestamp, Status> {
        Ok(Timestamp { seconds: request.fields.len() as i64, ..Default::default() })
    }
}

#[test]
fn well_known_types_are_requests_replies_and_fields() {
    let server = KnownServer::new(Events);
    assert_eq!(call::<_, Event>(&server, 0, &Empty::default()).unwrap(), event());
    call::<_, Empty>(&server, 1, &event()).unwrap();
}

#[cfg(feature = "json")]
mod with_json {
    use mprpc::{Code, Codec};
    use mprpc_codegen_tests::proto::fixbug::*;

    use super::*;
    use crate::memory::with_codec;

    fn json(method: usize, request: &str) -> Result<serde_json::Value, Status> {
        let reply = with_codec(&KnownServer::new(Events), method, request.as_bytes(), Codec::Json)?;
        Ok(serde_json::from_slice(&reply).unwrap())
    }

    const EVENT: &str = r#"{"at":"1970-01-01T00:00:01.500Z","took":"3s","note":"n"}"#;

    #[test]
    fn messages_are_read_and_written_in_protobuf_json() {
        assert_eq!(json(0, "{}").unwrap(), serde_json::from_str::<serde_json::Value>(EVENT).unwrap());
        assert_eq!(json(1, EVENT).unwrap(), serde_json::json!({}));
        assert_eq!(json(2, r#"{"a":1,"b":[true,null]}"#).unwrap(), "1970-01-01T00:00:02Z");
    }

    #[test]
    fn empty_request_is_the_default_message() {
        assert!(json(0, "").is_ok());
    }

    #[test]
    fn invalid_json_request_is_refused_with_type_and_place() {
        let status = json(1, r#"{"at":7}"#).unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert!(status.message().starts_with("the request is no shop.known.Event in JSON: "), "{}", status.message());
        assert!(status.message().contains("line 1 column"), "{}", status.message());
    }

    struct Users;

    impl UserServiceRpc for Users {
        async fn login(&self, _: &Context, request: LoginRequestView<'_>) -> Result<LoginResponse, Status> {
            Ok(LoginResponse { success: request.name == b"cuism", ..Default::default() })
        }

        async fn register(&self, _: &Context, _: RegisterRequestView<'_>) -> Result<RegisterResponse, Status> {
            Ok(RegisterResponse::default())
        }
    }

    #[test]
    fn handlers_get_the_same_view_from_json() {
        let reply = with_codec(&UserServiceRpcServer::new(Users), 0, br#"{"name":"Y3Vpc20="}"#, Codec::Json).unwrap();
        assert_eq!(reply, r#"{"success":true}"#);
    }
}

#[cfg(not(feature = "json"))]
#[test]
fn json_is_unimplemented_without_json_support() {
    let status = memory::with_codec(&KnownServer::new(Events), 0, b"{}", mprpc::Codec::Json).unwrap_err();
    assert_eq!(status.message(), "this service was built without JSON");
}
