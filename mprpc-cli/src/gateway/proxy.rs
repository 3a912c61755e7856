//! Forwards calls to the providers: protobuf as it is, JSON through the schema. It knows no registry.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use mprpc::{Body, BoxFuture, Bytes, Codec, Context, Method, MethodKind, RawService, Status, Streaming};

use super::reflection::{self, is_reflection};
use super::schema::MethodTypes;
use super::service::Service;
use super::services::Services;
use super::transcode::{reply_to_json, request_to_protobuf};

/// The service for every method of every provider.
pub(crate) struct Proxy {
    services: Arc<Services>,
    /// Whether tools may ask for the schemas.
    reflection: bool,
    /// Names this gateway in the metadata of the calls that it forwards.
    id: Arc<str>,
}

impl Proxy {
    /// Creates the proxy to these services.
    pub(crate) fn new(services: Arc<Services>, reflection: bool) -> Proxy {
        // The keys of a `RandomState` are random, so two gateways never have the same number.
        let number = std::hash::RandomState::new().build_hasher().finish();
        Proxy { services, reflection, id: format!("{number:016x}").into() }
    }
}

impl RawService for Proxy {
    fn call(&self, context: Context, request: Body, codec: Codec) -> BoxFuture<Result<Body, Status>> {
        let (services, id) = (self.services.clone(), self.id.clone());
        if self.reflection && is_reflection(context.method().service()) {
            return Box::pin(std::future::ready(reflection::serve(services, request, codec)));
        }
        Box::pin(serve(services, id, context, request, codec))
    }

    fn takes_json(&self) -> bool {
        true
    }

    fn services(&self) -> BTreeMap<String, Vec<Method>> {
        self.services.list()
    }
}

async fn serve(
    services: Arc<Services>,
    id: Arc<str>,
    mut context: Context,
    request: Body,
    codec: Codec,
) -> Result<Body, Status> {
    let method = context.method().clone();
    if context.metadata().values(FORWARDED_BY).any(|value| value == id.as_bytes()) {
        let message = format!("the registry lists this gateway as a provider of {}", method.service());
        return Err(Status::failed_precondition(message));
    }
    context.metadata_mut().append(FORWARDED_BY, id.as_bytes())?;
    let service = services.find(method.service(), &method.name)?;
    match codec {
        Codec::Json => {
            let types = services.types(&service, &method.name).await?;
            forward_json(&service, &context, request, types).await
        }
        Codec::Protobuf => {
            // One message can be sent to a method of any kind, so only a stream has to wait for the schema.
            let types = match &request {
                Body::Message(_) => services.known_types(&service, &method.name),
                Body::Stream(_) => services.types(&service, &method.name).await.ok(),
            };
            let kind = types.map(|types| types.kind).or_else(|| service.kind_of_all());
            let (kind, request) = fitted(request, kind).await?;
            service.client.forward_as(&context, kind, request).await
        }
    }
}

async fn forward_json(service: &Service, context: &Context, request: Body, types: MethodTypes) -> Result<Body, Status> {
    let of_request = types.clone();
    let convert = move |message: Bytes| request_to_protobuf(&of_request, &message);
    let request = mapped(request, convert)?;
    let (kind, request) = fitted(request, Some(types.kind)).await?;
    let reply = service.client.forward_as(context, kind, request).await?;
    mapped(reply, move |message| reply_to_json(&types, &message))
}

fn mapped(
    body: Body,
    mut convert: impl FnMut(Bytes) -> Result<Bytes, Status> + Send + 'static,
) -> Result<Body, Status> {
    Ok(match body {
        Body::Message(message) => Body::Message(convert(message)?),
        Body::Stream(messages) => Body::Stream(messages.map(convert)),
    })
}

/// Fits a request to the kind of the method. Without a schema the kind is unknown: the request is then forwarded in the form
/// that it has, as one message or as a stream.
async fn fitted(request: Body, kind: Option<MethodKind>) -> Result<(MethodKind, Body), Status> {
    let Body::Stream(messages) = request else { return Ok((kind.unwrap_or(MethodKind::Bidirectional), request)) };
    match kind {
        Some(kind) if kind.streams_requests() => Ok((kind, Body::Stream(messages))),
        Some(kind) => Ok((kind, Body::Message(only(messages).await?))),
        None => Ok((MethodKind::Bidirectional, one_or_many(messages).await?)),
    }
}

/// The message of a request that has one.
async fn only(mut messages: Streaming<Bytes>) -> Result<Bytes, Status> {
    let wrong = |what: &str| Status::invalid_argument(format!("the method takes one message, and {what}"));
    let message = messages.next().await.ok_or_else(|| wrong("none was sent"))??;
    match messages.next().await {
        None => Ok(message),
        Some(Ok(_)) => Err(wrong("more were sent")),
        Some(Err(status)) => Err(status),
    }
}

/// Tells a request of one message from a stream, because a unary method of the native protocol refuses a stream. A caller of a
/// unary method sends the message with the head of the request, and the end with the message or right behind it. A caller that
/// does not is taken to stream.
async fn one_or_many(mut messages: Streaming<Bytes>) -> Result<Body, Status> {
    let first = match tokio::time::timeout(FIRST_WAIT, messages.next()).await {
        Ok(Some(first)) => first?,
        Ok(None) | Err(_) => return Ok(Body::Stream(messages)),
    };
    match tokio::time::timeout(END_WAIT, messages.next()).await {
        Ok(None) => Ok(Body::Message(first)),
        Ok(Some(second)) => Ok(Body::Stream(chained(vec![Ok(first), second], messages))),
        Err(_elapsed) => Ok(Body::Stream(chained(vec![Ok(first)], messages))),
    }
}

/// The messages of `first`, then those of `rest`.
fn chained(first: Vec<Result<Bytes, Status>>, rest: Streaming<Bytes>) -> Streaming<Bytes> {
    use futures_util::StreamExt;
    Streaming::new(futures_util::stream::iter(first).chain(rest))
}

/// The key of the metadata that names the gateways which have forwarded a call.
const FORWARDED_BY: &str = "mprpc-gateway";
/// How long the first message may come behind the head of its request, if the schema does not say that there is only one.
const FIRST_WAIT: Duration = Duration::from_secs(1);
/// How long the end of a request may come behind its only message, if the schema does not say that there is only one.
const END_WAIT: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(mut messages: Streaming<Bytes>) -> Vec<Bytes> {
        let mut all = Vec::new();
        while let Some(message) = messages.next().await {
            all.push(message.unwrap());
        }
        all
    }

    fn bytes(count: u8) -> Vec<Bytes> {
        (0..count).map(|value| Bytes::copy_from_slice(&[value])).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn request_of_unknown_kind_is_one_message_if_it_ends_behind_it() {
        let request = Body::Stream(Streaming::of(bytes(1)));
        let (kind, Body::Message(message)) = fitted(request, None).await.unwrap() else { panic!("a stream") };
        assert_eq!((kind, &message[..]), (MethodKind::Bidirectional, &[0][..]));
        for count in [0, 2, 3] {
            let request = Body::Stream(Streaming::of(bytes(count)));
            let (_, Body::Stream(messages)) = fitted(request, None).await.unwrap() else { panic!("a message") };
            assert_eq!(read(messages).await, bytes(count));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn stream_of_unknown_kind_whose_caller_waits_for_a_reply_is_forwarded() {
        let (silent, requests) = Streaming::channel(1);
        let (_, Body::Stream(mut messages)) = fitted(Body::Stream(requests), None).await.unwrap() else {
            panic!("a message")
        };
        silent.send(Bytes::from_static(b"late")).await.unwrap();
        assert_eq!(messages.next().await.unwrap().unwrap(), "late");
        let (sender, requests) = Streaming::channel(1);
        sender.send(Bytes::from_static(b"a")).await.unwrap();
        let (_, Body::Stream(mut messages)) = fitted(Body::Stream(requests), None).await.unwrap() else {
            panic!("a message")
        };
        assert_eq!(messages.next().await.unwrap().unwrap(), "a");
        sender.send(Bytes::from_static(b"b")).await.unwrap();
        assert_eq!(messages.next().await.unwrap().unwrap(), "b");
        sender.finish();
        assert!(messages.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn method_with_one_request_gets_exactly_one() {
        for (count, part) in [(0, "none was sent"), (2, "more were sent")] {
            let request = Body::Stream(Streaming::of(bytes(count)));
            let status = fitted(request, Some(MethodKind::ServerStreaming)).await.unwrap_err();
            assert!(status.message().contains(part), "{status}");
        }
        let request = Body::Stream(Streaming::of(bytes(1)));
        let (kind, Body::Message(_)) = fitted(request, Some(MethodKind::Unary)).await.unwrap() else {
            panic!("a stream")
        };
        assert_eq!(kind, MethodKind::Unary);
    }
}
