//! The services that the command line describes, as services of the gateway's server. So the server knows their HTTP paths,
//! which methods take a stream, and which only read.

use std::sync::Arc;

use buffa_descriptor::MethodDescriptor as Described;
use buffa_descriptor::generated::descriptor::method_options::IdempotencyLevel;
use mprpc::{
    Body, BoxFuture, Codec, Context, HttpBody, HttpRule, Idempotency, MethodDescriptor, RawService, Service,
    ServiceDescriptor, Status,
};

use super::proxy::Proxy;
use super::schema::{Schema, kind};

/// A service whose calls the proxy forwards.
struct DescribedService {
    descriptor: &'static ServiceDescriptor,
    proxy: Arc<Proxy>,
}

impl Service for DescribedService {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.descriptor
    }

    fn call(&self, _: usize, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        self.proxy.call(context, request, codec)
    }
}

/// The services of a schema that is known at the start. Their descriptors stay in memory until the program ends.
pub(crate) fn services(schema: &Schema, proxy: &Arc<Proxy>) -> Vec<Arc<dyn Service>> {
    let files: &'static [u8] = schema.encoded().to_vec().leak();
    let services = schema.pool().services().iter().map(|service| {
        let name: &'static str = service.full_name().to_owned().leak();
        let methods: Vec<_> = service.methods().iter().map(|method| described(name, method)).collect();
        let descriptor = Box::leak(Box::new(ServiceDescriptor { name, methods: methods.leak(), files }));
        Arc::new(DescribedService { descriptor, proxy: proxy.clone() }) as Arc<dyn Service>
    });
    services.collect()
}

fn described(service: &str, method: &Described) -> MethodDescriptor {
    let name: &'static str = method.name().to_owned().leak();
    let path: &'static str = format!("{service}/{name}").leak();
    let kind = kind(method.is_client_streaming(), method.is_server_streaming());
    let Some(options) = method.options() else { return MethodDescriptor::new(name, path, kind, Idempotency::Unknown) };
    let idempotency = match options.idempotency_level {
        Some(IdempotencyLevel::NO_SIDE_EFFECTS) => Idempotency::NoSideEffects,
        Some(IdempotencyLevel::IDEMPOTENT) => Idempotency::Idempotent,
        Some(IdempotencyLevel::IDEMPOTENCY_UNKNOWN) | None => Idempotency::Unknown,
    };
    let rules = mprpc_build::http_rules(&options.__buffa_unknown_fields).unwrap_or_else(|why| {
        tracing::warn!(method = path, why, "the HTTP paths of a method are not served");
        Vec::new()
    });
    let rules: Vec<HttpRule> = rules.into_iter().map(leaked).collect();
    MethodDescriptor::new(name, path, kind, idempotency).bound(rules.leak())
}

fn leaked(rule: mprpc_build::HttpRule) -> HttpRule {
    let body = match &*rule.body {
        "" => HttpBody::Empty,
        "*" => HttpBody::Whole,
        _ => HttpBody::Field(rule.body.leak()),
    };
    let response_body = (!rule.response_body.is_empty()).then(|| &*rule.response_body.leak());
    HttpRule { method: rule.method.leak(), template: rule.template.leak(), body, response_body }
}
