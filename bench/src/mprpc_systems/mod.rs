//! The services on mprpc, as users write them: generated code, defaults everywhere.

mod classic;
mod native;

use mprpc_bench_harness::System;

/// The native protocol.
pub(crate) const MPRPC: System = System { name: "mprpc", serve: native::serve, call: native::call };
/// gRPC over HTTP/2, both ends.
pub(crate) const MPRPC_GRPC: System = System { name: "mprpc-grpc", serve: native::serve, call: native::call_grpc };
/// The frame of the C++ MPRPC: one call a connection.
pub(crate) const MPRPC_CLASSIC: System = System { name: "mprpc-classic", serve: native::serve, call: classic::call };

#[allow(unreachable_pub, reason = "generated")]
mod proto {
    mprpc::include_proto!("bench");
}
