//! The code that the example programs share: the generated code, and the two services of the classic MPRPC.

pub mod friend;
pub mod user;

/// Messages, services and clients, which `build.rs` generates from the files in `proto/`.
pub mod proto {
    mprpc::include_proto!("fixbug");
}
