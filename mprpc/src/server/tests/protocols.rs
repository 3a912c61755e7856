//! What calls do whatever the protocol: one list of behaviours, which runs over every protocol of [`callers`].
//!
//! Another protocol implements [`Caller`] and joins the list.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::time::Instant;

use super::*;
use crate::interceptors::tests::all::{ALL, All, echo};
use crate::streaming::Streaming;

/// A call of a method of [`ALL`].
struct Call {
    method: &'static str,
    requests: Vec<Bytes>,
    metadata: Vec<(&'static str, Vec<u8>)>,
    timeout: Option<Duration>,
}

impl Call {
    fn new(method: &'static str, requests: &[&[u8]]) -> Call {
        let requests = requests.iter().map(|bytes| Bytes::copy_from_slice(bytes)).collect();
        Call { method, requests, metadata: Vec::new(), timeout: None }
    }

    fn with(mut self, key: &'static str, value: &[u8]) -> Call {
        self.metadata.push((key, value.to_vec()));
        self
    }

    fn within(self, timeout: Duration) -> Call {
        Call { timeout: Some(timeout), ..self }
    }
}

/// What came of a call.
#[derive(Debug)]
struct Outcome {
    messages: Vec<Bytes>,
    metadata: Metadata,
    /// The code and the message of the status; code OK if the call has ended well.
    status: (Code, String),
    retry_after: Option<Duration>,
    trailer: Metadata,
}

type Making<'a> = Pin<Box<dyn Future<Output = Outcome> + 'a>>;

/// The caller's end of a connection that speaks one protocol.
trait Caller {
    /// Makes a call, and gives it up if this is dropped.
    fn call(&mut self, call: Call) -> Making<'_>;

    /// The name of the protocol.
    fn name(&self) -> &'static str;
}

/// A caller of each protocol, each with a server of its own.
fn callers(server: impl Fn() -> Server) -> Vec<(Arc<Shared>, Box<dyn Caller>)> {
    let shared = || server().share().unwrap();
    let (native, http2) = (shared(), shared());
    let over_native = native::Native(pair_with(native.clone(), Limits::default()));
    let over_grpc = grpc::Grpc(http2::caller_of(&http2));
    vec![(native, Box::new(over_native)), (http2, Box::new(over_grpc))]
}

mod native {
    //! The native protocol, by the client of this crate.

    use super::*;

    pub(super) struct Native(pub(super) Pair);

    impl Caller for Native {
        fn call(&mut self, call: Call) -> Making<'_> {
            Box::pin(async move {
                let method = ALL.methods.iter().find(|method| method.name == call.method).unwrap();
                let deadline = call.timeout.map_or(Deadline::NONE, |timeout| Deadline::after(clock::now(), timeout));
                let mut context = Context::new(method, None, deadline, Metadata::new());
                for (key, value) in call.metadata {
                    context.metadata_mut().append(key, value).unwrap();
                }
                let body = match method.kind.streams_requests() {
                    true => Body::Stream(Streaming::of(call.requests)),
                    false => Body::Message(call.requests[0].clone()),
                };
                let request = Request::new(context, body, deadline, |_| true);
                let mut messages = Vec::new();
                let replied = match self.0.caller.call(&request).await {
                    Ok(Body::Message(message)) => {
                        messages.push(message);
                        Ok(())
                    }
                    Ok(Body::Stream(mut replies)) => loop {
                        match replies.next().await {
                            Some(Ok(message)) => messages.push(message),
                            Some(Err(status)) => break Err(status),
                            None => break Ok(()),
                        }
                    },
                    Err(status) => Err(status),
                };
                let (metadata, trailer) = (request.context.reply_metadata().clone(), request.context.trailer().clone());
                let ok = (Code::Ok, String::new());
                match replied {
                    Ok(()) => Outcome { messages, metadata, status: ok, retry_after: None, trailer },
                    Err(status) => Outcome {
                        messages,
                        metadata,
                        status: (status.code(), status.message().to_owned()),
                        retry_after: status.retry_after(),
                        trailer: status.trailer().clone(),
                    },
                }
            })
        }

        fn name(&self) -> &'static str {
            "native"
        }
    }
}

mod grpc {
    //! gRPC over HTTP/2, by frames that are made by hand.

    use super::*;
    use crate::protocol::http::grpc::{decode_status_message, encode_timeout};
    use crate::protocol::http::metadata;
    use crate::protocol::http2::frame::flag;
    use crate::protocol::http2::tests::reset;

    pub(super) struct Grpc(pub(super) http2::Caller);

    /// Resets the stream of a call that is given up.
    struct ResetsStream<'a> {
        caller: &'a mut http2::Caller,
        id: u32,
    }

    impl Drop for ResetsStream<'_> {
        fn drop(&mut self) {
            if !self.caller.reply(self.id).is_ended {
                self.caller.send(&reset(self.id));
            }
        }
    }

    fn metadata_of(fields: Option<&Vec<(String, String)>>) -> Metadata {
        let mut metadata = Metadata::new();
        for (name, value) in fields.into_iter().flatten() {
            metadata::append_field(&mut metadata, name.as_bytes(), value.as_bytes()).unwrap();
        }
        metadata
    }

    impl Caller for Grpc {
        fn call(&mut self, call: Call) -> Making<'_> {
            Box::pin(async move {
                let mut sent = Metadata::new();
                call.metadata.into_iter().for_each(|(key, value)| sent.append(key, value).unwrap());
                let mut fields: Vec<(String, String)> = metadata::fields(&sent)
                    .map(|(name, value)| (name.to_owned(), String::from_utf8(value.to_vec()).unwrap()))
                    .collect();
                if let Some(timeout) = call.timeout {
                    let value = encode_timeout(timeout);
                    fields.push(("grpc-timeout".to_owned(), String::from_utf8(value.as_bytes().to_vec()).unwrap()));
                }
                let fields: Vec<_> = fields.iter().map(|(name, value)| (&**name, &**value)).collect();
                let path = format!("/test.All/{}", call.method);
                let flags = if call.requests.is_empty() { flag::END_STREAM } else { 0 };
                let id = self.0.open_with(&path, &fields, flags);
                let ends = ResetsStream { caller: &mut self.0, id };
                let count = call.requests.len();
                for (index, request) in call.requests.iter().enumerate() {
                    ends.caller.body(id, &http2::message(request), index + 1 == count);
                }
                while !ends.caller.reply(id).is_ended {
                    ends.caller.listen().await;
                    tokio::task::yield_now().await;
                }
                let reply = ends.caller.reply(id);
                let (code, message) = reply.status();
                let is_trailers_only = reply.heads.len() == 1;
                Outcome {
                    messages: reply.messages().into_iter().map(|(_, message)| message).collect(),
                    metadata: metadata_of(reply.heads.first().filter(|_| !is_trailers_only)),
                    status: (Code::from_number(code as u8), decode_status_message(message.as_bytes()).into_owned()),
                    retry_after: reply
                        .field("grpc-retry-pushback-ms")
                        .map(|pause| Duration::from_millis(pause.parse().unwrap())),
                    trailer: metadata_of(reply.heads.last()),
                }
            })
        }

        fn name(&self) -> &'static str {
            "gRPC"
        }
    }
}

fn server(service: All) -> impl Fn() -> Server {
    move || Server::default().add(service.clone())
}

#[tokio::test(start_paused = true)]
async fn four_kinds_of_methods_are_served() {
    for (_, mut caller) in callers(server(All::echo())) {
        let name = caller.name();
        for (method, requests, replies) in [
            ("One", &[&b"abc"[..]][..], &[&b"abc"[..]][..]),
            ("One", &[b""], &[b""]),
            ("Up", &[b"a", b"b", b"c"], &[b"abc"]),
            ("Up", &[], &[b""]),
            ("Down", &[b"abc"], &[b"abc"]),
            ("Talk", &[b"a", b"b", b"c"], &[b"a", b"b", b"c"]),
            ("Talk", &[], &[]),
        ] {
            let outcome = caller.call(Call::new(method, requests)).await;
            assert_eq!(outcome.status, (Code::Ok, String::new()), "{method} over {name}");
            assert_eq!(outcome.messages, replies, "{method} over {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_passes_both_ways() {
    let service = All::new(|context, body| async move {
        for (key, value) in context.metadata().iter() {
            context.reply_metadata().append(key, value)?;
            context.trailer().append(&format!("again-{key}"), value)?;
        }
        echo(&context, body).await
    });
    for (_, mut caller) in callers(server(service)) {
        let name = caller.name();
        for method in ["One", "Talk"] {
            let call = Call::new(method, &[b"x"]).with("key", b"a b").with("key-bin", &[0, 255]).with("key", b"again");
            let outcome = caller.call(call).await;
            let values: Vec<&[u8]> = outcome.metadata.values("key").collect();
            assert_eq!(values, [&b"a b"[..], b"again"], "{method} over {name}");
            assert_eq!(outcome.metadata.value("key-bin"), Some(&[0, 255][..]), "{method} over {name}");
            assert_eq!(outcome.trailer.value("again-key-bin"), Some(&[0, 255][..]), "{method} over {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failure_arrives_with_its_code_message_details_and_trailer() {
    let service = All::new(|context, _| async move {
        context.trailer().append("why", "because")?;
        Err(Status::aborted("zu früh: 50 %\n").with_retry_after(Duration::from_millis(1500)))
    });
    for (_, mut caller) in callers(server(service)) {
        let name = caller.name();
        for method in ["One", "Up", "Down", "Talk"] {
            let outcome = caller.call(Call::new(method, &[b"x"])).await;
            assert_eq!(outcome.status, (Code::Aborted, "zu früh: 50 %\n".to_owned()), "{method} over {name}");
            assert_eq!(outcome.retry_after, Some(Duration::from_millis(1500)), "{method} over {name}");
            assert_eq!(outcome.trailer.text("why"), Some("because"), "{method} over {name}");
            assert!(outcome.messages.is_empty());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn stream_that_fails_delivers_its_messages_first() {
    let service = All::new(|_, _| async {
        let replies = [Ok(Bytes::from_static(b"one")), Err(Status::data_loss("the disk is gone"))];
        Ok(Body::Stream(Streaming::new(futures_util::stream::iter(replies))))
    });
    for (_, mut caller) in callers(server(service)) {
        let outcome = caller.call(Call::new("Down", &[b"x"])).await;
        assert_eq!(outcome.status, (Code::DataLoss, "the disk is gone".to_owned()), "{}", caller.name());
        assert_eq!(outcome.messages, ["one"], "{}", caller.name());
    }
}

#[tokio::test(start_paused = true)]
async fn panic_is_internal_and_the_next_call_is_served() {
    let service = All::new(|context, body| async move {
        assert!(context.metadata().is_empty(), "a handler's bug");
        echo(&context, body).await
    });
    for (shared, mut caller) in callers(server(service)) {
        let name = caller.name();
        for method in ["One", "Up", "Down", "Talk"] {
            let outcome = caller.call(Call::new(method, &[b"x"]).with("key", b"panic")).await;
            assert_eq!(outcome.status, (Code::Internal, "the handler panicked".to_owned()), "{method} over {name}");
            assert_eq!(caller.call(Call::new(method, &[b"on"])).await.messages, ["on"], "{method} over {name}");
        }
        assert_eq!(shared.stats().calls_failed, 4, "{name}");
    }
}

/// A service that never answers, and counts the handlers that were dropped.
fn hanging(dropped: &Arc<AtomicUsize>) -> All {
    struct CountsDrop(Arc<AtomicUsize>);
    impl Drop for CountsDrop {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let dropped = dropped.clone();
    All::new(move |_, body| {
        let counts = CountsDrop(dropped.clone());
        async move {
            let (_counts, _body) = (counts, body);
            std::future::pending().await
        }
    })
}

#[tokio::test(start_paused = true)]
async fn deadline_stops_the_handler_at_its_time() {
    let dropped = Arc::default();
    for (shared, mut caller) in callers(server(hanging(&dropped))) {
        let name = caller.name();
        for method in ["One", "Up", "Down", "Talk"] {
            let begin = Instant::now();
            let outcome = caller.call(Call::new(method, &[b"x"]).within(Duration::from_millis(500))).await;
            assert_eq!(outcome.status.0, Code::DeadlineExceeded, "{method} over {name}");
            assert!((499..505).contains(&begin.elapsed().as_millis()), "{method} over {name}: {:?}", begin.elapsed());
            sleep(Duration::from_millis(1)).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
        }
        assert_eq!(shared.stats().calls_failed, 4, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_is_given_up_stops_its_handler_and_counts_as_cancelled() {
    let dropped = Arc::default();
    for (shared, mut caller) in callers(server(hanging(&dropped))) {
        let name = caller.name();
        for method in ["One", "Up", "Down", "Talk"] {
            let call = caller.call(Call::new(method, &[b"x"]));
            assert!(timeout(Duration::from_millis(20), call).await.is_err());
            sleep(Duration::from_millis(1)).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
        }
        let stats = shared.stats();
        assert_eq!((stats.calls_cancelled, stats.calls_failed, stats.memory_bytes), (4, 0, 0), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn message_bytes_max_limits_requests_and_replies() {
    let service = All::new(|context, body| async move {
        match context.metadata().text("reply-bytes") {
            Some(bytes) => Ok(Body::Message(vec![7; bytes.parse().unwrap()].into())),
            None => echo(&context, body).await,
        }
    });
    let limits = Limits { message_bytes_max: 1000, ..Limits::default() };
    for (_, mut caller) in callers(|| Server { limits: limits.clone(), ..server(service.clone())() }) {
        let name = caller.name();
        for (bytes, code) in [(1000, Code::Ok), (1001, Code::ResourceExhausted)] {
            let names_limit = |text: &str| text.contains(" 1001 bytes") && text.contains("message_bytes_max 1000");
            for method in ["One", "Up", "Talk"] {
                let outcome = caller.call(Call::new(method, &[&vec![7; bytes]])).await;
                assert_eq!(outcome.status.0, code, "{method} over {name}: {outcome:?}");
                assert!(code == Code::Ok || names_limit(&outcome.status.1), "{method} over {name}: {outcome:?}");
            }
            let call = Call::new("One", &[b""]).with("reply-bytes", bytes.to_string().as_bytes());
            let outcome = caller.call(call).await;
            assert_eq!(outcome.status.0, code, "{name}: {outcome:?}");
            assert!(code == Code::Ok || names_limit(&outcome.status.1), "{name}: {outcome:?}");
        }
        assert_eq!(caller.call(Call::new("One", &[b"on"])).await.messages, ["on"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn metadata_bytes_max_limits_requests_and_replies() {
    let service = All::new(|context, body| async move {
        if let Some(bytes) = context.metadata().text("reply-bytes") {
            context.trailer().append("key", vec![b'v'; bytes.parse().unwrap()])?;
        }
        echo(&context, body).await
    });
    let limits = Limits { metadata_bytes_max: 1000, ..Limits::default() };
    for (_, mut caller) in callers(|| Server { limits: limits.clone(), ..server(service.clone())() }) {
        let name = caller.name();
        // Every protocol counts a pair with 6 bytes more than its key and its value.
        for (bytes, code) in [(991, Code::Ok), (992, Code::ResourceExhausted)] {
            let outcome = caller.call(Call::new("One", &[b"x"]).with("key", &vec![b'v'; bytes])).await;
            assert_eq!(outcome.status.0, code, "{name}: {outcome:?}");
            assert!(code == Code::Ok || outcome.status.1.contains("metadata_bytes_max 1000"), "{name}: {outcome:?}");
            let call = Call::new("One", &[b"x"]).with("reply-bytes", bytes.to_string().as_bytes());
            let outcome = caller.call(call).await;
            assert_eq!(outcome.status.0, code, "{name}: {outcome:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn interceptors_see_change_and_refuse_calls() {
    async fn gate(mut context: Context, body: Body, next: crate::Next) -> Result<Body, Status> {
        if context.metadata().text("token") != Some("secret") {
            return Err(Status::unauthenticated("no token"));
        }
        context.metadata_mut().set("added", "by the interceptor")?;
        let body = next.run(context.clone(), body).await?;
        context.trailer().append("seen", "yes")?;
        Ok(body)
    }
    let service = All::new(|context, _| async move {
        let added = context.metadata().text("added").unwrap_or_default().to_owned();
        match context.method().kind {
            MethodKind::Unary | MethodKind::ClientStreaming => Ok(Body::Message(added.into())),
            _ => Ok(Body::Stream(Streaming::of([Bytes::from(added)]))),
        }
    });
    for (_, mut caller) in callers(|| server(service.clone())().intercept(crate::intercept_fn(gate))) {
        let name = caller.name();
        for method in ["One", "Up", "Down", "Talk"] {
            let outcome = caller.call(Call::new(method, &[b"x"])).await;
            assert_eq!(outcome.status, (Code::Unauthenticated, "no token".to_owned()), "{method} over {name}");
            let outcome = caller.call(Call::new(method, &[b"x"]).with("token", b"secret")).await;
            assert_eq!(outcome.messages, ["by the interceptor"], "{method} over {name}");
            assert_eq!(outcome.trailer.text("seen"), Some("yes"), "{method} over {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn overloaded_server_refuses_calls_before_they_run() {
    let ran = Arc::new(AtomicUsize::new(0));
    let counted = ran.clone();
    let service = All::new(move |context, body| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move { echo(&context, body).await }
    });
    let limits = Limits { queue_calls_max: 0, ..Limits::default() };
    let placement = [("test.All".to_owned(), crate::method::Placement::Spread)].into();
    let overloaded = || {
        let placement = std::collections::BTreeMap::clone(&placement);
        Server { limits: limits.clone(), placement, ..server(service.clone())() }
    };
    for (shared, mut caller) in callers(overloaded) {
        let name = caller.name();
        for method in ["One", "Up", "Down", "Talk"] {
            let outcome = caller.call(Call::new(method, &[b"x"])).await;
            assert_eq!(outcome.status.0, Code::ResourceExhausted, "{method} over {name}: {outcome:?}");
            assert!(outcome.status.1.contains("queue_calls_max 0"), "{method} over {name}: {outcome:?}");
        }
        assert_eq!((shared.stats().calls_refused, ran.load(Ordering::Relaxed)), (4, 0), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_waits_elsewhere_is_served_and_stopped_like_others() {
    let dropped = Arc::default();
    let hanging = hanging(&dropped);
    let service = All::new(move |context, body| {
        let hanging = hanging.clone();
        async move {
            match context.metadata().is_empty() {
                true => echo(&context, body).await,
                false => Service::call(&hanging, 0, context, body, Codec::Protobuf).await,
            }
        }
    });
    let spread = || {
        let placement = [("test.All".to_owned(), crate::method::Placement::Spread)].into();
        Server { placement, ..server(service.clone())() }
    };
    for (shared, mut caller) in callers(spread) {
        let name = caller.name();
        for method in ["One", "Up", "Down", "Talk"] {
            assert_eq!(caller.call(Call::new(method, &[b"x"])).await.messages, ["x"], "{method} over {name}");
            let call = Call::new(method, &[b"x"]).with("key", b"hang").within(Duration::from_millis(50));
            assert_eq!(caller.call(call).await.status.0, Code::DeadlineExceeded, "{method} over {name}");
            sleep(Duration::from_millis(1)).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
        }
        assert_eq!((shared.stats().memory_bytes, shared.stats().calls_waiting), (0, 0), "{name}");
    }
}
