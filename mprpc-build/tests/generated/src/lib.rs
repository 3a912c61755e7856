//! Includes generated code as users do: one package by itself, and all packages as modules. It has no code of its own.
#![deny(warnings, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// One package in a module of its own.
pub mod alone {
    mprpc::include_proto!("alone.v1");
}

/// All packages, which refer to each other.
pub mod proto {
    mprpc::include_proto!();
}

/// The code of the guide, compiled: each page is a module. The programs of the guide include `examples/hello/hello.proto`
/// and `examples/feed/feed.proto`.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../../README.md")]
    mod readme {}
    #[doc = include_str!("../../../../docs/guide/first-service.md")]
    mod first_service {}
    #[doc = include_str!("../../../../docs/guide/calls.md")]
    mod calls {}
    #[doc = include_str!("../../../../docs/guide/retries.md")]
    mod retries {}
    #[doc = include_str!("../../../../docs/guide/deadlines.md")]
    mod deadlines {}
    #[doc = include_str!("../../../../docs/guide/errors.md")]
    mod errors {}
    #[doc = include_str!("../../../../docs/guide/metadata.md")]
    mod metadata {}
    #[doc = include_str!("../../../../docs/guide/streams.md")]
    mod streams {}
    #[doc = include_str!("../../../../docs/guide/cancellation.md")]
    mod cancellation {}
    #[doc = include_str!("../../../../docs/guide/interceptors.md")]
    mod interceptors {}
    #[doc = include_str!("../../../../docs/guide/raw.md")]
    mod raw {}
    #[doc = include_str!("../../../../docs/guide/compression.md")]
    mod compression {}
    #[doc = include_str!("../../../../docs/guide/server.md")]
    mod server {}
    #[doc = include_str!("../../../../docs/guide/every-client.md")]
    mod every_client {}
    #[doc = include_str!("../../../../docs/guide/grpc.md")]
    mod grpc {}
    #[doc = include_str!("../../../../docs/guide/health.md")]
    mod health {}
    #[doc = include_str!("../../../../docs/guide/reflection.md")]
    mod reflection {}
    #[doc = include_str!("../../../../docs/guide/proxies.md")]
    mod proxies {}
    #[doc = include_str!("../../../../docs/guide/tls.md")]
    mod tls {}
    #[doc = include_str!("../../../../docs/guide/balancing.md")]
    mod balancing {}
    #[doc = include_str!("../../../../docs/guide/keepalive.md")]
    mod keepalive {}
    #[doc = include_str!("../../../../docs/guide/restart.md")]
    mod restart {}
    #[doc = include_str!("../../../../docs/guide/registry.md")]
    mod registry {}
    #[doc = include_str!("../../../../docs/guide/configuration.md")]
    mod configuration {}
    #[doc = include_str!("../../../../docs/guide/logging.md")]
    mod logging {}
    #[doc = include_str!("../../../../docs/guide/overload.md")]
    mod overload {}
    #[doc = include_str!("../../../../docs/guide/reactor.md")]
    mod reactor {}
    #[doc = include_str!("../../../../docs/guide/same-host.md")]
    mod same_host {}
    #[doc = include_str!("../../../../docs/guide/testing.md")]
    mod testing {}
}
