//! What the example programs share: the generated code, and the two services of the classic MPRPC.

pub mod friend;
pub mod user;

/// Messages, services and clients, made by `build.rs` of the files in `proto/`.
pub mod proto {
    mprpc::include_proto!("fixbug");
}
