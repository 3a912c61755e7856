//! Tests of the fallback over HTTP: what it learns of a call, and where it appears.

use std::collections::BTreeMap;

use super::dialects::*;
use super::http::{Answer, Ask};
use super::http2_client::{VERSIONS, Version, ask};
use super::*;
use crate::method::Method;
use crate::service::RawService;

/// Answers with the codec of the call.
struct Codecs {
    takes_json: bool,
}

impl RawService for Codecs {
    fn call(&self, _: Context, _: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move { Ok(Body::Message(format!("{codec:?}").into())) })
    }

    fn takes_json(&self) -> bool {
        self.takes_json
    }

    fn services(&self) -> BTreeMap<String, Vec<Method>> {
        let methods = vec![Method::named("far.Away", "Tell<b>", MethodKind::ServerStreaming)];
        [("far.Away".into(), methods), ("far.Unknown".into(), Vec::new())].into()
    }
}

fn server(takes_json: bool) -> Arc<Shared> {
    Server { fallback: Some(Arc::new(Codecs { takes_json })), ..Server::default() }.share().unwrap()
}

async fn grpc_json(shared: &Arc<Shared>) -> Answer {
    let body = framed(GRPC_WEB, 0, &[b"{}"]);
    ask(shared, Version::Http2, &Ask::post("/far.Away/Tell", "application/grpc+json", body).with("te", "trailers"))
        .await
}

#[tokio::test(start_paused = true)]
async fn fallback_that_takes_json_sees_the_codec_of_each_call() {
    let shared = server(true);
    for version in VERSIONS {
        for (content, codec) in [
            (JSON, "Json"),
            (CONNECT_PROTO, "Protobuf"),
            (CONNECT_STREAM, "Protobuf"),
            (CONNECT_STREAM_JSON, "Json"),
            (GRPC_WEB, "Protobuf"),
        ] {
            let outcome = made(&shared, version, content, "far.Away/Tell", &[b"{}"]).await;
            assert_eq!(outcome.messages, [codec.as_bytes()], "{version:?} {content:?}");
        }
    }
    assert!(grpc_json(&shared).await.body.ends_with(b"Json"));
}

#[tokio::test(start_paused = true)]
async fn fallback_that_takes_no_json_gets_none_in_any_dialect() {
    let shared = server(false);
    for version in VERSIONS {
        for content in [JSON, CONNECT_STREAM_JSON] {
            let outcome = made(&shared, version, content, "far.Away/Tell", &[b"{}"]).await;
            assert_eq!(outcome.code(), Code::Unimplemented, "{version:?} {content:?}");
        }
    }
    assert_eq!(grpc_json(&shared).await.field("grpc-status"), Some("12"));
}

#[tokio::test(start_paused = true)]
async fn index_lists_the_services_of_the_fallback() {
    let page = ask(&server(true), Version::Http1, &Ask::new("GET", "/")).await.text();
    for part in ["<h2>far.Away</h2>", "<code>/far.Away/Tell&lt;b&gt;</code> returns a stream", "<h2>far.Unknown</h2>"] {
        assert!(page.contains(part), "{page}");
    }
    assert!(page.find("far.Unknown") < page.find("grpc.health.v1.Health"), "the services are in order");
}
