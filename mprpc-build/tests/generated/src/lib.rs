//! Generated code as users take it in: one package by itself, and all packages as modules. No code of its own.
#![deny(warnings, missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]

/// One package in a module of its own.
pub mod alone {
    mprpc::include_proto!("alone.v1");
}

/// All packages, which refer to each other.
pub mod proto {
    mprpc::include_proto!();
}
