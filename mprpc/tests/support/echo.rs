//! A service that returns the request as its reply, written by hand in the form of generated code.

#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::time::Duration;

use mprpc::{
    Body, BoxFuture, Codec, Context, Idempotency, MethodDescriptor, MethodKind, Service, ServiceDescriptor, Status,
};

const fn unary(name: &'static str, path: &'static str) -> MethodDescriptor {
    MethodDescriptor::new(name, path, MethodKind::Unary, Idempotency::Unknown)
}

pub(crate) static ECHO: ServiceDescriptor = ServiceDescriptor {
    name: "test.Echo",
    methods: &[unary("Echo", "test.Echo/Echo"), unary("Slow", "test.Echo/Slow")],
    files: &[],
};

/// The index of the method `Echo`, which replies at once.
pub(crate) const AT_ONCE: usize = 0;
/// The index of the method `Slow`, which takes 300 ms.
pub(crate) const SLOW: usize = 1;

pub(crate) struct Echo;

impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &ECHO
    }

    fn call(&self, method: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move {
            if method == SLOW {
                tokio::time::sleep(Duration::from_millis(300)).await;
            }
            Ok(request)
        })
    }
}
