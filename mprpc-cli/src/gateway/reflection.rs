//! The service `grpc.reflection.v1.ServerReflection` of the gateway, and `v1alpha` with the same messages: answers with the
//! schemas that the gateway knows of its providers.

use std::collections::HashSet;
use std::sync::Arc;

use buffa_descriptor::DescriptorPool;
use buffa_descriptor::generated::descriptor::FileDescriptorProto;
use mprpc::reflection::server_reflection_request::MessageRequest;
use mprpc::reflection::server_reflection_response::MessageResponse;
use mprpc::reflection::{
    ErrorResponse, ExtensionNumberResponse, FileDescriptorResponse, ListServiceResponse, ServerReflectionRequest,
    ServerReflectionResponse, ServiceResponse,
};
use mprpc::{Body, Bytes, Codec, Message, Status};

use super::services::Services;

/// Whether this is the name of the service.
pub(crate) fn is_reflection(service: &str) -> bool {
    matches!(service, "grpc.reflection.v1.ServerReflection" | "grpc.reflection.v1alpha.ServerReflection")
}

/// Serves a call of its only method. UNIMPLEMENTED for JSON.
pub(crate) fn serve(services: Arc<Services>, request: Body, codec: Codec) -> Result<Body, Status> {
    if codec == Codec::Json {
        return Err(Status::unimplemented("the reflection of the gateway takes no JSON"));
    }
    let mut sent = HashSet::new();
    Ok(Body::Stream(request.into_stream().map(move |request| answer(&services, &request, &mut sent))))
}

/// Answers a question. `sent` holds the names of the files that the caller has got before.
fn answer(services: &Services, request: &Bytes, sent: &mut HashSet<String>) -> Result<Bytes, Status> {
    let request = ServerReflectionRequest::decode_from_slice(request)
        .map_err(|error| Status::invalid_argument(format!("the request is no ServerReflectionRequest: {error}")))?;
    let answer = match &request.message_request {
        None => Err(Status::invalid_argument("the request asks nothing, or something unknown")),
        Some(question) => answer_to(services, question, sent),
    };
    let answer = answer.unwrap_or_else(|status| {
        let (error_code, error_message) = (status.code() as i32, status.message().to_owned());
        ErrorResponse { error_code, error_message, ..Default::default() }.into()
    });
    let response = ServerReflectionResponse {
        valid_host: request.host.clone(),
        original_request: request.into(),
        message_response: Some(answer),
        ..Default::default()
    };
    Ok(response.encode_to_vec().into())
}

fn answer_to(
    services: &Services,
    question: &MessageRequest,
    sent: &mut HashSet<String>,
) -> Result<MessageResponse, Status> {
    let schemas = services.schemas();
    let pools = || schemas.iter().map(|schema| &**schema.pool());
    // Of two providers with different files of the same name, the first one answers.
    let file = match question {
        MessageRequest::ListServices(_) => return Ok(list(services)),
        MessageRequest::AllExtensionNumbersOfType(message) => return extension_numbers(pools(), message),
        MessageRequest::FileByFilename(name) => pools()
            .find_map(|pool| Some((pool, pool.file_by_name(name)?)))
            .ok_or_else(|| Status::not_found(format!("no such file: {name}"))),
        MessageRequest::FileContainingSymbol(symbol) => pools()
            .find_map(|pool| Some((pool, pool.file_containing_symbol(symbol)?)))
            .ok_or_else(|| Status::not_found(format!("no such symbol: {symbol}"))),
        MessageRequest::FileContainingExtension(extension) => {
            let (message, number) = (&extension.containing_type, extension.extension_number);
            let find = |pool: &DescriptorPool| {
                let extension = pool.extension_for(pool.message_index(message)?, u32::try_from(number).ok()?)?;
                Some(extension.full_name().to_owned())
            };
            pools()
                .find_map(|pool| Some((pool, pool.file_containing_symbol(&find(pool)?)?)))
                .ok_or_else(|| Status::not_found(format!("{message} has no extension {number}")))
        }
    };
    let (pool, file) = file?;
    let file_descriptor_proto = with_imports(pool, file, sent).iter().map(|file| file.encode_to_vec()).collect();
    Ok(FileDescriptorResponse { file_descriptor_proto, ..Default::default() }.into())
}

/// A file, then the files that it imports, without the imports in `sent`, to which every returned file is added.
fn with_imports<'a>(
    pool: &'a DescriptorPool,
    file: &'a FileDescriptorProto,
    sent: &mut HashSet<String>,
) -> Vec<&'a FileDescriptorProto> {
    sent.insert(file.name.clone().unwrap_or_default());
    let (mut found, mut next) = (vec![file], vec![file]);
    while let Some(file) = next.pop() {
        for import in file.dependency.iter().filter_map(|name| pool.file_by_name(name)) {
            if sent.insert(import.name.clone().unwrap_or_default()) {
                found.push(import);
                next.push(import);
            }
        }
    }
    found
}

fn extension_numbers<'a>(
    pools: impl Iterator<Item = &'a DescriptorPool>,
    message: &str,
) -> Result<MessageResponse, Status> {
    for pool in pools {
        if let Some(index) = pool.message_index(message) {
            let numbers = pool.extensions_of(index).filter_map(|extension| extension.field().number().try_into().ok());
            let (base_type_name, extension_number) = (message.to_owned(), numbers.collect());
            return Ok(ExtensionNumberResponse { base_type_name, extension_number, ..Default::default() }.into());
        }
    }
    Err(Status::not_found(format!("no such message: {message}")))
}

fn list(services: &Services) -> MessageResponse {
    let named = |name| ServiceResponse { name, ..Default::default() };
    ListServiceResponse { service: services.list().into_keys().map(named).collect(), ..Default::default() }.into()
}
