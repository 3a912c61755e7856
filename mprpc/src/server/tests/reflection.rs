//! Tests of `grpc.reflection`, through a channel in memory.

use buffa::Message;

use super::Probe;
use crate::client::RawClient;
use crate::codec::protobuf;
use crate::codec::reflection::server_reflection_request::MessageRequest;
use crate::codec::reflection::server_reflection_response::MessageResponse;
use crate::codec::reflection::{ExtensionRequest, ServerReflectionRequest, ServerReflectionResponse};
use crate::method::MethodKind;
use crate::server::Server;
use crate::service::Body;
use crate::status::Code;
use crate::streaming::Streaming;
use crate::testing;

const V1: &str = "grpc.reflection.v1.ServerReflection";
const V1ALPHA: &str = "grpc.reflection.v1alpha.ServerReflection";

fn client(version: &str) -> RawClient {
    let server = Server { reflection: true, ..Server::default() }.add(Probe);
    RawClient::new(testing::connect_to(server), version)
}

fn request(question: MessageRequest) -> ServerReflectionRequest {
    ServerReflectionRequest { host: "here".into(), message_request: Some(question), ..Default::default() }
}

/// Asks these questions in one stream, and returns the answers.
async fn ask(client: &RawClient, requests: Vec<ServerReflectionRequest>) -> Vec<ServerReflectionResponse> {
    let asked: Vec<_> = requests.iter().map(|request| request.encode_to_vec().into()).collect();
    let asked = Body::Stream(Streaming::of(asked));
    let call = client.call("ServerReflectionInfo", MethodKind::Bidirectional, asked);
    let mut replies = call.await.unwrap().into_stream();
    let mut answers = Vec::new();
    while let Some(reply) = replies.next().await {
        answers.push(protobuf::decode::<ServerReflectionResponse>(&reply.unwrap()).unwrap());
    }
    let echoed: Vec<_> = answers.iter().map(|answer| answer.original_request.as_option().unwrap()).collect();
    assert_eq!(echoed, requests.iter().collect::<Vec<_>>(), "each answer carries its question");
    assert!(answers.iter().all(|answer| answer.valid_host == "here"));
    answers
}

async fn ask_one(client: &RawClient, question: MessageRequest) -> MessageResponse {
    ask(client, vec![request(question)]).await.remove(0).message_response.unwrap()
}

fn files(answer: &ServerReflectionResponse) -> usize {
    match &answer.message_response {
        Some(MessageResponse::FileDescriptorResponse(files)) => files.file_descriptor_proto.len(),
        other => panic!("{other:?}"),
    }
}

fn refusal(answer: MessageResponse) -> (i32, String) {
    match answer {
        MessageResponse::ErrorResponse(error) => (error.error_code, error.error_message.clone()),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn both_versions_list_every_service_in_order() {
    for version in [V1, V1ALPHA] {
        let MessageResponse::ListServicesResponse(list) =
            ask_one(&client(version), MessageRequest::ListServices(String::new())).await
        else {
            panic!("no list")
        };
        let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
        assert_eq!(names, ["grpc.health.v1.Health", V1, V1ALPHA, "test.Probe"]);
    }
}

#[tokio::test(start_paused = true)]
async fn stream_of_questions_gets_each_import_once() {
    let by_name = |name: &str| request(MessageRequest::FileByFilename(name.into()));
    let by_symbol = |name: &str| request(MessageRequest::FileContainingSymbol(name.into()));
    let extension = ExtensionRequest {
        containing_type: "google.protobuf.MethodOptions".into(),
        extension_number: 57_761,
        ..Default::default()
    };
    let answers = ask(
        &client(V1),
        vec![
            by_name("google/api/annotations.proto"),
            by_symbol("mprpc.Placement"),
            request(MessageRequest::FileContainingExtension(extension.into())),
            by_symbol("grpc.health.v1.Health.Watch"),
        ],
    )
    .await;
    assert_eq!(answers.iter().map(files).collect::<Vec<_>>(), [3, 1, 1, 1]);
}

#[tokio::test(start_paused = true)]
async fn extension_numbers_are_listed() {
    let question = MessageRequest::AllExtensionNumbersOfType("google.protobuf.MethodOptions".into());
    let MessageResponse::AllExtensionNumbersResponse(numbers) = ask_one(&client(V1), question).await else {
        panic!("no numbers")
    };
    assert_eq!(numbers.base_type_name, "google.protobuf.MethodOptions");
    assert_eq!(numbers.extension_number, [57_761, 72_295_728]);
}

#[tokio::test(start_paused = true)]
async fn question_without_an_answer_gets_an_error_and_the_stream_goes_on() {
    let client = client(V1);
    let extension = ExtensionRequest { containing_type: "a.B".into(), extension_number: 7, ..Default::default() };
    for (question, message) in [
        (MessageRequest::FileByFilename("a.proto".into()), "no such file: a.proto"),
        (MessageRequest::FileContainingSymbol("a.B".into()), "no such symbol: a.B"),
        (MessageRequest::FileContainingSymbol("test.ProbeMore".into()), "no such symbol: test.ProbeMore"),
        (MessageRequest::FileContainingExtension(extension.into()), "a.B has no extension 7"),
        (MessageRequest::AllExtensionNumbersOfType("a.B".into()), "no such message: a.B"),
        // The probe is written by hand.
        (
            MessageRequest::FileContainingSymbol("test.Probe".into()),
            "test.Probe is served, but its .proto file is not in the program",
        ),
        (
            MessageRequest::FileContainingSymbol("test.Probe.Echo".into()),
            "test.Probe is served, but its .proto file is not in the program",
        ),
    ] {
        let requests = vec![request(question), request(MessageRequest::FileContainingSymbol(V1.into()))];
        let mut answers = ask(&client, requests).await;
        assert_eq!(files(&answers[1]), 1);
        let refused = refusal(answers.remove(0).message_response.unwrap());
        assert_eq!(refused, (Code::NotFound as i32, message.to_owned()));
    }
    let nothing = ServerReflectionRequest { host: "here".into(), ..Default::default() };
    let answer = ask(&client, vec![nothing]).await.remove(0);
    assert_eq!(refusal(answer.message_response.unwrap()).0, Code::InvalidArgument as i32);
}

#[tokio::test(start_paused = true)]
async fn reflection_is_off_by_default() {
    let client = RawClient::new(testing::connect_to(Server::default().add(Probe)), V1);
    let requests = Body::Stream(Streaming::empty());
    let status = client.call("ServerReflectionInfo", MethodKind::Bidirectional, requests).await.unwrap_err();
    assert_eq!(status.code(), Code::Unimplemented);
}
