//! The service `grpc.reflection.v1.ServerReflection`, and `v1alpha` with the same messages: answers questions about the
//! `.proto` files of the server's services.

use std::collections::HashSet;
use std::sync::{Arc, OnceLock};

use crate::codec::descriptors::DescriptorIndex;
use crate::codec::reflection::server_reflection_request::MessageRequest;
use crate::codec::reflection::server_reflection_response::MessageResponse;
use crate::codec::reflection::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use crate::codec::{BUILT_IN_FILES, Codec, either};
use crate::context::Context;
use crate::method::{Idempotency, MethodDescriptor, MethodKind, ServiceDescriptor};
use crate::service::{Body, BoxFuture, Service};
use crate::status::Status;

/// The schema of a server's services.
pub(super) struct Schema {
    services: Vec<&'static ServiceDescriptor>,
    /// Made for the first question, as most servers are never asked.
    index: OnceLock<DescriptorIndex>,
}

impl Schema {
    /// The schema of `services` and of the reflection services themselves.
    pub(super) fn new(services: impl Iterator<Item = &'static ServiceDescriptor>) -> Arc<Schema> {
        let mut services: Vec<_> = services.chain(VERSIONS).collect();
        services.sort_by_key(|service| service.name);
        services.dedup_by_key(|service| service.name);
        Arc::new(Schema { services, index: OnceLock::new() })
    }

    fn index(&self) -> &DescriptorIndex {
        let sets = || self.services.iter().map(|service| service.files).chain([BUILT_IN_FILES]);
        self.index.get_or_init(|| DescriptorIndex::new(sets()))
    }

    /// Answers a question. `sent` holds the files that the caller has got before.
    fn answer(&self, request: ServerReflectionRequest, sent: &mut HashSet<usize>) -> ServerReflectionResponse {
        let answer = match &request.message_request {
            None => Err(Status::invalid_argument("the request asks nothing, or something unknown")),
            Some(question) => self.answer_to(question, sent),
        };
        let answer = answer.unwrap_or_else(|status| {
            let (error_code, error_message) = (status.code() as i32, status.message().to_owned());
            ErrorResponse { error_code, error_message, ..Default::default() }.into()
        });
        ServerReflectionResponse {
            valid_host: request.host.clone(),
            original_request: request.into(),
            message_response: Some(answer),
            ..Default::default()
        }
    }

    fn answer_to(&self, question: &MessageRequest, sent: &mut HashSet<usize>) -> Result<MessageResponse, Status> {
        let index = self.index();
        let file = match question {
            MessageRequest::ListServices(_) => return Ok(self.list()),
            MessageRequest::AllExtensionNumbersOfType(message) => {
                let Some(extension_number) = index.extensions_of(message) else {
                    return Err(Status::not_found(format!("no such message: {message}")));
                };
                let base_type_name = message.clone();
                return Ok(ExtensionNumberResponse { base_type_name, extension_number, ..Default::default() }.into());
            }
            MessageRequest::FileByFilename(name) => {
                index.file_named(name).ok_or_else(|| Status::not_found(format!("no such file: {name}")))
            }
            MessageRequest::FileContainingSymbol(symbol) => {
                index.file_with(symbol).ok_or_else(|| self.no_symbol(symbol))
            }
            MessageRequest::FileContainingExtension(extension) => {
                let (message, number) = (&extension.containing_type, extension.extension_number);
                let missing = || Status::not_found(format!("{message} has no extension {number}"));
                index.file_with_extension(message, number).ok_or_else(missing)
            }
        };
        let files = index.with_imports(file?, sent);
        let file_descriptor_proto = files.into_iter().map(<[u8]>::to_vec).collect();
        Ok(FileDescriptorResponse { file_descriptor_proto, ..Default::default() }.into())
    }

    fn list(&self) -> MessageResponse {
        let named = |service: &&ServiceDescriptor| ServiceResponse { name: service.name.into(), ..Default::default() };
        ListServiceResponse { service: self.services.iter().map(named).collect(), ..Default::default() }.into()
    }

    /// The status for an unknown symbol. A service without files is served all the same, and the message says so.
    fn no_symbol(&self, symbol: &str) -> Status {
        let is_served = |service: &&&ServiceDescriptor| {
            let rest = symbol.strip_prefix(service.name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        match self.services.iter().find(is_served) {
            Some(service) if service.files.is_empty() => {
                Status::not_found(format!("{} is served, but its .proto file is not in the program", service.name))
            }
            _ => Status::not_found(format!("no such symbol: {symbol}")),
        }
    }
}

/// One version of the reflection service.
pub(super) struct ReflectionService {
    schema: Arc<Schema>,
    version: &'static ServiceDescriptor,
}

impl ReflectionService {
    /// Every version, over one schema.
    pub(super) fn versions(schema: &Arc<Schema>) -> impl Iterator<Item = ReflectionService> {
        VERSIONS.into_iter().map(|version| ReflectionService { schema: schema.clone(), version })
    }
}

impl Service for ReflectionService {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        self.version
    }

    fn call(&self, _: usize, _: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        let (schema, mut sent) = (self.schema.clone(), HashSet::new());
        let replies = request.into_stream().map(move |request| {
            let answer = schema.answer(either::decode(&request, codec)?, &mut sent);
            either::encode(&answer, codec)
        });
        Box::pin(std::future::ready(Ok(Body::Stream(replies))))
    }
}

static VERSIONS: [&ServiceDescriptor; 2] = [&V1, &V1ALPHA];

static V1: ServiceDescriptor = ServiceDescriptor {
    name: "grpc.reflection.v1.ServerReflection",
    methods: &[method("grpc.reflection.v1.ServerReflection/ServerReflectionInfo")],
    files: BUILT_IN_FILES,
};

static V1ALPHA: ServiceDescriptor = ServiceDescriptor {
    name: "grpc.reflection.v1alpha.ServerReflection",
    methods: &[method("grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo")],
    files: BUILT_IN_FILES,
};

const fn method(path: &'static str) -> MethodDescriptor {
    MethodDescriptor::new("ServerReflectionInfo", path, MethodKind::Bidirectional, Idempotency::NoSideEffects)
}
