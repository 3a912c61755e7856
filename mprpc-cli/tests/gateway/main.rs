//! Tests of `mprpc gateway`: the real program before providers of this process, which a registry in a folder lists.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod calls;
#[path = "../../../mprpc/tests/support/certificates.rs"]
mod certificates;
mod changes;
mod classic;
mod json;
mod limits;
mod support;
mod web;
