//! Asks the providers of a service for its `.proto` files, by `grpc.reflection.v1` or the older `v1alpha`. It keeps nothing.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use mprpc::discovery::{Resolution, Resolver};
use mprpc::reflection::server_reflection_request::MessageRequest;
use mprpc::reflection::server_reflection_response::MessageResponse;
use mprpc::reflection::{ServerReflectionRequest, ServerReflectionResponse};
use mprpc::{Body, Bytes, Channel, ChannelOptions, Code, Message, MethodKind, RawClient, Sender, Status, Streaming};
use tokio::sync::watch;

use super::schema::{Schema, decode_file};

/// Asks a provider of `service` for the files of the service and all that they import.
///
/// # Errors
/// UNIMPLEMENTED if the provider answers no reflection; NOT_FOUND if the provider does not have the files;
/// RESOURCE_EXHAUSTED if they have more than `bytes_max`; the status of the call if no provider answers in time.
pub(crate) async fn fetch(channel: &Channel, service: &str, bytes_max: usize) -> Result<Schema, Status> {
    let mut questions = Questions::open(channel).await?;
    let (mut files, mut bytes) = (Vec::new(), 0);
    let (mut known, mut missing) = (HashSet::new(), Vec::new());
    let mut next = MessageRequest::FileContainingSymbol(service.to_owned());
    loop {
        let MessageResponse::FileDescriptorResponse(answer) = questions.ask(next).await? else {
            return Err(Status::internal("the reflection of the provider answers another question"));
        };
        for encoded in &answer.file_descriptor_proto {
            bytes += encoded.len();
            if bytes > bytes_max {
                let message = format!("the .proto files of {service} are beyond schema_bytes_max {bytes_max}");
                return Err(Status::resource_exhausted(message));
            }
            let file = decode_file(encoded)
                .map_err(|why| Status::internal(format!("the provider sent a damaged .proto file: {why}")))?;
            if known.insert(file.name.clone().unwrap_or_default()) {
                missing.extend(file.dependency.iter().cloned());
                files.push(file);
            }
        }
        // Some servers send a file alone, and are asked for each import.
        let import = std::iter::from_fn(|| missing.pop()).find(|import| !known.contains(import));
        match import {
            Some(import) => next = MessageRequest::FileByFilename(import),
            None => break,
        }
    }
    // Linking a large schema takes milliseconds, which no event loop should spend at once.
    let linked = tokio::task::spawn_blocking(move || Schema::new(files, bytes)).await;
    let linked = linked.unwrap_or_else(|error| Err(error.to_string()));
    linked.map_err(|why| Status::internal(format!("the .proto files of {service} do not fit together: {why}")))
}

/// Asks a provider for the names of its services, without those of gRPC itself.
pub(crate) async fn list(channel: &Channel) -> Result<Vec<String>, Status> {
    let answer = Questions::open(channel).await?.ask(MessageRequest::ListServices(String::new())).await?;
    let MessageResponse::ListServicesResponse(listed) = answer else {
        return Err(Status::internal("the reflection of the provider answers another question"));
    };
    let names = listed.service.iter().map(|service| service.name.clone());
    Ok(names.filter(|name| !name.starts_with("grpc.")).collect())
}

/// A channel to the providers of one service, whatever service is called. Reflection has no entries in a registry.
pub(crate) fn channel_to(resolver: &Arc<dyn Resolver>, service: &str, options: &ChannelOptions) -> Channel {
    let providers = ProvidersOf { service: service.to_owned(), resolver: resolver.clone() };
    Channel::from_resolver(Arc::new(providers), options.clone())
}

struct ProvidersOf {
    service: String,
    resolver: Arc<dyn Resolver>,
}

impl Resolver for ProvidersOf {
    fn watch(&self, _: &str) -> watch::Receiver<Resolution> {
        self.resolver.watch(&self.service)
    }
}

/// A stream of questions and answers.
struct Questions {
    questions: Sender<Bytes>,
    answers: Streaming<Bytes>,
}

impl Questions {
    /// Opens the stream with the newest version that the provider has.
    async fn open(channel: &Channel) -> Result<Questions, Status> {
        let newest = Questions::open_version(channel, "grpc.reflection.v1.ServerReflection").await;
        match newest {
            Err(status) if status.code() == Code::Unimplemented => {
                Questions::open_version(channel, "grpc.reflection.v1alpha.ServerReflection").await
            }
            newest => newest,
        }
    }

    async fn open_version(channel: &Channel, service: &str) -> Result<Questions, Status> {
        let (questions, requests) = Streaming::channel(1);
        let client = RawClient::new(channel.clone(), service);
        let call = client.call("ServerReflectionInfo", MethodKind::Bidirectional, Body::Stream(requests));
        // A server may answer nothing, not even the head, before the first question. The question is harmless.
        questions.send(encoded(MessageRequest::ListServices(String::new()))).await?;
        let mut answers = call.independent().timeout(SCHEMA_TIMEOUT).await?.into_stream();
        answer(answers.next().await)?;
        Ok(Questions { questions, answers })
    }

    async fn ask(&mut self, question: MessageRequest) -> Result<MessageResponse, Status> {
        self.questions.send(encoded(question)).await?;
        answer(self.answers.next().await)
    }
}

fn encoded(question: MessageRequest) -> Bytes {
    ServerReflectionRequest { message_request: Some(question), ..Default::default() }.encode_to_vec().into()
}

fn answer(next: Option<Result<Bytes, Status>>) -> Result<MessageResponse, Status> {
    let ended = || Status::unavailable("the provider ended the reflection without an answer");
    let reply = next.ok_or_else(ended)??;
    let response = ServerReflectionResponse::decode_from_slice(&reply)
        .map_err(|error| Status::internal(format!("the reflection of the provider is damaged: {error}")))?;
    match response.message_response {
        Some(MessageResponse::ErrorResponse(error)) if error.error_code == Code::NotFound as i32 => {
            Err(Status::not_found(error.error_message.clone()))
        }
        Some(MessageResponse::ErrorResponse(error)) => Err(Status::internal(error.error_message.clone())),
        Some(answer) => Ok(answer),
        None => Err(Status::internal("the reflection of the provider sent no answer")),
    }
}

/// How long a provider may take to answer all questions about a service.
pub(crate) const SCHEMA_TIMEOUT: Duration = Duration::from_secs(3);
