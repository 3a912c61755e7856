//! The echo in JSON on axum, with the body and the path of the echo on mprpc. It ends when it is killed.

use axum::serve::ListenerExt;
use axum::{Json, Router, routing::post};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

/// `bench.Echo` in protobuf's JSON: the bytes are base64.
#[derive(Serialize, Deserialize)]
struct Echo {
    payload: String,
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new().route("/bench.EchoService/Echo", post(|Json(echo): Json<Echo>| async move { Json(echo) }));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    // mprpc sets it too. An error says that the peer is gone.
    let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
    axum::serve(listener, app).await
}
