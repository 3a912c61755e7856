//! The limits of calls: bytes of messages and metadata, the admission of an overloaded server, and the memory budget.

use super::*;
use crate::method::Placement;
use crate::server::memory::ConnectionMemory;

#[tokio::test(start_paused = true)]
async fn message_bytes_max_limits_requests_and_replies() {
    let service = All::new(|context, body| async move {
        match context.metadata().text("reply-bytes") {
            Some(bytes) => Ok(Body::Message(vec![7; bytes.parse().unwrap()].into())),
            None => echo(&context, body).await,
        }
    });
    let server = server(service);
    let limits = Limits { message_bytes_max: 1000, ..Limits::default() };
    for (_, mut caller) in callers(|| Server { limits: limits.clone(), ..server() }) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for (bytes, code) in [(1000, Code::Ok), (1001, Code::ResourceExhausted)] {
            let names_limit = |text: &str| text.contains(" 1001 bytes") && text.contains("message_bytes_max 1000");
            for method in protocol.methods {
                let outcome = caller.call(Call::new(method, &[&vec![7; bytes]])).await;
                assert_eq!(outcome.code(), code, "{method} over {name}: {}", outcome.message());
                assert!(code == Code::Ok || names_limit(outcome.message()), "{method} over {name}: {outcome:?}");
            }
            let call = Call::new("One", &[b""]).with("reply-bytes", bytes.to_string().as_bytes());
            let outcome = caller.call(call).await;
            assert_eq!(outcome.code(), code, "{name}: {outcome:?}");
            assert!(code == Code::Ok || names_limit(outcome.message()), "{name}: {outcome:?}");
        }
        assert_eq!(caller.call(Call::new("One", &[b"on"])).await.messages, [b"on"], "{name}");
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
    let server = server(service);
    let limits = Limits { metadata_bytes_max: 1000, ..Limits::default() };
    for (_, mut caller) in callers(|| Server { limits: limits.clone(), ..server() }) {
        let name = caller.protocol().name;
        // Every protocol counts a pair with 6 bytes more than its key and its value.
        for (bytes, code) in [(991, Code::Ok), (992, Code::ResourceExhausted)] {
            let outcome = caller.call(Call::new("One", &[b"x"]).with("key", &vec![b'v'; bytes])).await;
            assert_eq!(outcome.code(), code, "{name}: {outcome:?}");
            assert!(code == Code::Ok || outcome.message().contains("metadata_bytes_max 1000"), "{name}: {outcome:?}");
            let call = Call::new("One", &[b"x"]).with("reply-bytes", bytes.to_string().as_bytes());
            let outcome = caller.call(call).await;
            assert_eq!(outcome.code(), code, "{name}: {outcome:?}");
        }
    }
}

/// A server whose handlers all run on another thread than the event loop.
fn spread(server: impl Fn() -> Server, limits: Limits) -> impl Fn() -> Server {
    move || {
        let placement = [("test.All".to_owned(), Placement::Spread)].into();
        Server { limits: limits.clone(), placement, ..server() }
    }
}

/// An echo that counts its handlers.
fn counting(ran: &Arc<AtomicUsize>) -> All {
    let ran = ran.clone();
    All::new(move |context, body| {
        ran.fetch_add(1, Ordering::Relaxed);
        async move { echo(&context, body).await }
    })
}

#[tokio::test(start_paused = true)]
async fn overloaded_server_refuses_calls_before_they_run() {
    let ran = Arc::default();
    let limits = Limits { queue_calls_max: 0, ..Limits::default() };
    for (shared, mut caller) in callers(spread(server(counting(&ran)), limits)) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let outcome = caller.call(Call::new(method, &[b"x"])).await;
            assert_eq!(outcome.code(), Code::ResourceExhausted, "{method} over {name}: {outcome:?}");
            assert!(outcome.message().contains("queue_calls_max 0"), "{method} over {name}: {outcome:?}");
        }
        let count = protocol.methods.len() as u64;
        assert_eq!((shared.stats().calls_refused, shared.stats().calls_failed), (count, count), "{name}");
        assert_eq!(ran.load(Ordering::Relaxed), 0, "{name}");
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
    for (shared, mut caller) in callers(spread(server(service), Limits::default())) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            assert_eq!(caller.call(Call::new(method, &[b"x"])).await.messages, [b"x"], "{method} over {name}");
            let call = Call::new(method, &[b"x"]).with("key", b"hang").within(Duration::from_millis(50));
            assert_eq!(caller.call(call).await.code(), Code::DeadlineExceeded, "{method} over {name}");
            sleep(Duration::from_millis(1)).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
        }
        assert_eq!((shared.stats().memory_bytes, shared.stats().calls_waiting), (0, 0), "{name}");
    }
}

/// Less than the length from which a frame reserves its memory.
const MESSAGE: usize = 40_000;

#[tokio::test(start_paused = true)]
async fn request_of_a_call_counts_as_memory_until_the_call_ends() {
    for (shared, mut caller) in callers(server(hanging(&Arc::default()))) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let call = Call::new(method, &[&[7; MESSAGE]]).within(Duration::from_millis(500));
            let held = async {
                sleep(Duration::from_millis(100)).await;
                shared.stats().memory_bytes as usize
            };
            let (outcome, held) = tokio::join!(caller.call(call), held);
            assert_eq!(outcome.code(), Code::DeadlineExceeded, "{method} over {name}");
            assert!((MESSAGE..3 * MESSAGE).contains(&held), "{method} over {name}: {held} bytes");
            sleep(Duration::from_millis(1)).await;
            assert_eq!(shared.stats().memory_bytes, 0, "{method} over {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn server_without_memory_refuses_calls_after_memory_pause_max() {
    let ran = Arc::default();
    let server = server(counting(&ran));
    let budget = 10 * MESSAGE;
    let limits =
        Limits { memory_bytes_max: Some(budget), connection_memory_bytes_max: Some(budget), ..Limits::default() };
    for (shared, mut caller) in callers(|| Server { limits: limits.clone(), ..server() }) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let call = || Call::new(method, &[&[7; MESSAGE]]);
            assert_eq!(caller.call(Call::new(method, &[b"first"])).await.code(), Code::Ok, "{method} over {name}");
            assert_eq!(ran.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
            let mut other = ConnectionMemory::new(&shared.memory);
            other.set_buffers(budget);
            let begin = tokio::time::Instant::now();
            let outcome = caller.call(call()).await;
            let status = outcome.error.unwrap_or_else(|| panic!("{method} over {name} is served"));
            assert_eq!(status.code(), Code::ResourceExhausted, "{method} over {name}: {status}");
            assert!(status.message().contains("memory_bytes_max 400000"), "{method} over {name}: {status}");
            assert!(begin.elapsed() >= limits.memory_pause_max, "{method} over {name}: {:?}", begin.elapsed());
            assert_eq!(ran.load(Ordering::Relaxed), 0, "{method} over {name}");
            drop(other);
            assert_eq!(caller.call(call()).await.code(), Code::Ok, "{method} over {name}");
            assert_eq!(ran.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
        }
        assert_eq!(shared.stats().memory_bytes, 0, "{name}");
    }
}
