//! Compiles the services of the examples and the hard cases of this folder. It is an ordinary build script of a user.

fn main() -> Result<(), mprpc_build::Error> {
    let config = mprpc_build::Config {
        includes: vec![
            "proto".into(),
            "../../../examples/proto".into(),
            "../../../examples/hello".into(),
            "../../../examples/feed".into(),
        ],
        shared_bytes: [".blobs.Blob.shared", ".blobs.Blob.parts", ".blobs.Blob.named", ".blobs.Blob.chosen"]
            .map(String::from)
            .into(),
        ..mprpc_build::Config::default()
    };
    config.compile(&[
        "../../../examples/proto/user.proto",
        "../../../examples/proto/friend.proto",
        "../../../examples/hello/hello.proto",
        "../../../examples/feed/feed.proto",
        "proto/alone.proto",
        "proto/bare.proto",
        "proto/board.proto",
        "proto/blobs.proto",
        "proto/hard/keywords.proto",
        "proto/hard/old.proto",
        "proto/http.proto",
        "proto/openapi.proto",
        "proto/shop/cart.proto",
        "proto/shop/stock.proto",
        "proto/shop/streams.proto",
        "proto/shop/wellknown.proto",
    ])
}
