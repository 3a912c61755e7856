//! What calls and replies carry: messages, metadata, failures with their details, and what interceptors see and change.

use std::sync::Mutex;

use super::*;
use crate::status::Detail;

#[tokio::test(start_paused = true)]
async fn four_kinds_of_methods_are_served() {
    for (_, mut caller) in callers(server(All::echo())) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for (method, requests, replies) in [
            ("One", &[&b"abc"[..]][..], &[&b"abc"[..]][..]),
            ("One", &[b""], &[b""]),
            ("Up", &[b"a", b"b", b"c"], &[b"abc"]),
            ("Up", &[], &[b""]),
            ("Down", &[b"abc"], &[b"abc"]),
            ("Talk", &[b"a", b"b", b"c"], &[b"a", b"b", b"c"]),
            ("Talk", &[], &[]),
        ] {
            if !protocol.has(method) {
                continue;
            }
            let outcome = caller.call(Call::new(method, requests)).await;
            assert_eq!((outcome.code(), outcome.message()), (Code::Ok, ""), "{method} over {name}");
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
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let call = Call::new(method, &[b"x"]).with("key", b"a b").with("key-bin", &[0, 255]).with("key", b"again");
            let outcome = caller.call(call).await;
            let values: Vec<&[u8]> = outcome.head.values("key").collect();
            assert_eq!(values, [&b"a b"[..], b"again"], "{method} over {name}");
            assert_eq!(outcome.head.value("key-bin"), Some(&[0, 255][..]), "{method} over {name}");
            let has_trailer = protocol.streams_have_trailers || *method == "One";
            let expected = has_trailer.then_some(&[0, 255][..]);
            assert_eq!(outcome.trailer.value("again-key-bin"), expected, "{method} over {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failure_arrives_with_its_code_message_details_and_trailer() {
    let detail = || Detail { type_url: "type.googleapis.com/test.Why".into(), value: Bytes::from_static(b"\x08\x07") };
    let service = All::new(move |context, _| async move {
        context.trailer().append("why", "because")?;
        let mut status = Status::aborted("zu früh: 50 %\n").with_retry_after(Duration::from_millis(1500));
        status.details_mut().push(detail());
        Err(status)
    });
    for (_, mut caller) in callers(server(service)) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let outcome = caller.call(Call::new(method, &[b"x"])).await;
            let status = outcome.error.as_ref().unwrap();
            assert_eq!((status.code(), status.message()), (Code::Aborted, "zu früh: 50 %\n"), "{method} over {name}");
            assert_eq!(status.retry_after(), Some(Duration::from_millis(1500)), "{method} over {name}");
            let Detail { type_url, value } = detail();
            assert!(status.details().any(|known| known == (&type_url, &value)), "{method} over {name}");
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
        let protocol = caller.protocol();
        let outcome = caller.call(Call::new("Down", &[b"x"])).await;
        let shown = (outcome.code(), outcome.message());
        assert_eq!(shown, (Code::DataLoss, "the disk is gone"), "{}", protocol.name);
        assert_eq!(outcome.messages, [b"one"], "{}", protocol.name);
    }
}

#[tokio::test(start_paused = true)]
async fn unknown_method_is_unimplemented_and_named() {
    for (shared, mut caller) in callers(server(All::echo())) {
        let protocol = caller.protocol();
        if !protocol.names_methods {
            continue;
        }
        let name = &protocol.name;
        let outcome = caller.call(Call::new("Nothing", &[b"x"])).await;
        assert_eq!(outcome.code(), Code::Unimplemented, "{name}: {outcome:?}");
        assert!(outcome.message().contains("test.All has no such method: test.All/Nothing"), "{name}: {outcome:?}");
        assert_eq!((shared.stats().calls_failed, shared.stats().calls_refused), (1, 0), "{name}");
        assert_eq!(caller.call(Call::new("One", &[b"on"])).await.messages, [b"on"], "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn interceptors_change_and_refuse_calls() {
    async fn gate(mut context: Context, body: Body, next: crate::Next) -> Result<Body, Status> {
        if context.metadata().text("token") != Some("secret") {
            return Err(Status::unauthenticated("no token"));
        }
        context.metadata_mut().set("added", "by the interceptor")?;
        let body = next.run(context.clone(), body).await?;
        context.reply_metadata().append("seen", "yes")?;
        Ok(body)
    }
    let service = All::new(|context, _| async move {
        let added = context.metadata().text("added").unwrap_or_default().to_owned();
        match context.method().kind {
            MethodKind::Unary | MethodKind::ClientStreaming => Ok(Body::Message(added.into())),
            _ => Ok(Body::Stream(Streaming::of([Bytes::from(added)]))),
        }
    });
    let server = server(service);
    for (shared, mut caller) in callers(|| server().intercept(crate::intercept_fn(gate))) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let outcome = caller.call(Call::new(method, &[b"x"])).await;
            assert_eq!(
                (outcome.code(), outcome.message()),
                (Code::Unauthenticated, "no token"),
                "{method} over {name}"
            );
            let outcome = caller.call(Call::new(method, &[b"x"]).with("token", b"secret")).await;
            assert_eq!(outcome.messages, [b"by the interceptor"], "{method} over {name}");
            assert_eq!(outcome.head.text("seen"), Some("yes"), "{method} over {name}");
        }
        assert_eq!(shared.stats().calls_failed, protocol.methods.len() as u64, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn interceptors_see_method_peer_deadline_metadata_and_outcome() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let record = {
        let seen = seen.clone();
        move |context: Context, body: Body, next: crate::Next| {
            let seen = seen.clone();
            async move {
                let call = (
                    context.method().path.clone().into_owned(),
                    context.peer().map(|peer| peer.address.to_string()),
                    context.deadline().remaining(clock::now()).unwrap().as_millis(),
                    context.metadata().text("key").map(str::to_owned),
                );
                let outcome = next.run(context, body).await;
                seen.lock().unwrap().push((call, outcome.as_ref().err().map(Status::code)));
                outcome
            }
        }
    };
    let service = All::new(|context, body| async move {
        match context.metadata().text("key") {
            Some("fail") => Err(Status::not_found("no such thing")),
            _ => echo(&context, body).await,
        }
    });
    let server = server(service);
    for (_, mut caller) in callers(|| server().intercept(crate::intercept_fn(record.clone()))) {
        let protocol = caller.protocol();
        for method in protocol.methods {
            for (key, code) in [("pass", None), ("fail", Some(Code::NotFound))] {
                let call = Call::new(method, &[b"x"]).with("key", key.as_bytes()).within(Duration::from_millis(500));
                caller.call(call).await;
                let ((path, peer, milliseconds, metadata), outcome) = seen.lock().unwrap().pop().unwrap();
                let shown = format!("{method} over {}", protocol.name);
                assert_eq!((path, outcome), (format!("test.All/{method}"), code), "{shown}");
                assert_eq!((peer.as_deref(), metadata.as_deref()), (Some("memory:test"), Some(key)), "{shown}");
                assert!((499..=500).contains(&milliseconds), "{shown}: {milliseconds} ms");
            }
        }
        assert!(seen.lock().unwrap().is_empty(), "one call passes the interceptor once");
    }
}
