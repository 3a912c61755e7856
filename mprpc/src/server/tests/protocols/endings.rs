//! How calls end before their reply: panics, deadlines, callers that give up, and the stop of the server. And how the
//! endings are counted.

use tokio::time::Instant;

use super::*;

const MILLISECOND: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn panic_is_internal_and_the_next_call_is_served() {
    let service = All::new(|context, body| async move {
        assert!(context.metadata().is_empty(), "a handler's bug");
        echo(&context, body).await
    });
    for (_, mut caller) in callers(server(service)) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let outcome = caller.call(Call::new(method, &[b"x"]).with("key", b"panic")).await;
            let shown = (outcome.code(), outcome.message());
            assert_eq!(shown, (Code::Internal, "the handler panicked"), "{method} over {name}");
            assert_eq!(caller.call(Call::new(method, &[b"on"])).await.messages, [b"on"], "{method} over {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_stops_the_handler_at_its_time() {
    let dropped = Arc::default();
    for (_, mut caller) in callers(server(hanging(&dropped))) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let begin = Instant::now();
            let outcome = caller.call(Call::new(method, &[b"x"]).within(500 * MILLISECOND)).await;
            assert_eq!(outcome.code(), Code::DeadlineExceeded, "{method} over {name}");
            assert!((499..505).contains(&begin.elapsed().as_millis()), "{method} over {name}: {:?}", begin.elapsed());
            sleep(MILLISECOND).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_is_given_up_stops_its_handler() {
    let dropped = Arc::default();
    for (shared, mut caller) in callers(server(hanging(&dropped))) {
        let protocol = caller.protocol();
        let name = &protocol.name;
        for method in protocol.methods {
            let call = caller.call(Call::new(method, &[b"x"]));
            assert!(timeout(20 * MILLISECOND, call).await.is_err());
            sleep(MILLISECOND).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {name}");
        }
        let stats = shared.stats();
        let count = protocol.methods.len() as u64;
        assert_eq!((stats.calls_cancelled, stats.calls_failed, stats.memory_bytes), (count, 0, 0), "{name}");
    }
}

/// Serves, fails, panics or hangs, as the metadata says.
fn obedient() -> All {
    let hanging = hanging(&Arc::default());
    All::new(move |context, body| {
        let hanging = hanging.clone();
        async move {
            match context.metadata().text("do") {
                Some("fail") => Err(Status::not_found("no such thing")),
                Some("panic") => panic!("a handler's bug"),
                Some("hang") => Service::call(&hanging, 0, context, body, Codec::Protobuf).await,
                _ => echo(&context, body).await,
            }
        }
    })
}

#[tokio::test(start_paused = true)]
async fn every_ending_is_counted_once() {
    for (shared, mut caller) in callers(server(obedient())) {
        let protocol = caller.protocol();
        for method in protocol.methods {
            let before = shared.stats();
            for what in ["serve", "fail", "panic", "hang"] {
                let call = Call::new(method, &[b"x"]).with("do", what.as_bytes());
                caller.call(call.within(50 * MILLISECOND)).await;
            }
            let call = caller.call(Call::new(method, &[b"x"]).with("do", b"hang"));
            assert!(timeout(20 * MILLISECOND, call).await.is_err());
            sleep(MILLISECOND).await;
            let after = shared.stats();
            let counted = (
                after.calls - before.calls,
                after.calls_failed - before.calls_failed,
                after.calls_cancelled - before.calls_cancelled,
                after.calls_refused,
            );
            assert_eq!(counted, (5, 3, 1, 0), "{method} over {}", protocol.name);
            assert_eq!((after.calls_waiting, after.memory_bytes), (0, 0), "{method} over {}", protocol.name);
            assert!(after.rejected.is_empty(), "{method} over {}: {after:?}", protocol.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn graceful_stop_waits_for_calls_in_flight() {
    let service = All::new(|context, body| async move {
        sleep(Duration::from_secs(1)).await;
        echo(&context, body).await
    });
    let server = server(service);
    for method in METHODS {
        for (shared, mut caller) in callers(&server) {
            let protocol = caller.protocol();
            if !protocol.has(method) {
                continue;
            }
            let stops = async {
                sleep(20 * MILLISECOND).await;
                assert_eq!(shared.stats().calls, 1);
                shared.drain();
            };
            let (outcome, ()) = tokio::join!(caller.call(Call::new(method, &[b"x"])), stops);
            assert_eq!(
                (outcome.code(), outcome.messages),
                (Code::Ok, vec![b"x".to_vec()]),
                "{method} over {}",
                protocol.name
            );
            let server = timeout(Duration::from_secs(1), caller.close()).await;
            server.unwrap_or_else(|_| panic!("{method} over {} is open", protocol.name)).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_outlasts_drain_timeout_fails_with_the_limits_name() {
    let dropped = Arc::default();
    let server = server(hanging(&dropped));
    let limits = Limits { drain_timeout: Duration::from_secs(3), ..Limits::default() };
    for method in METHODS {
        for (shared, mut caller) in callers(|| Server { limits: limits.clone(), ..server() }) {
            let protocol = caller.protocol();
            if !protocol.has(method) {
                continue;
            }
            let begin = Instant::now();
            let stops = async {
                sleep(20 * MILLISECOND).await;
                shared.drain();
            };
            let call = timeout(Duration::from_secs(10), caller.call(Call::new(method, &[b"x"])));
            let (outcome, ()) = tokio::join!(call, stops);
            let outcome = outcome.expect("an outcome");
            assert_eq!(outcome.code(), Code::Unavailable, "{method} over {}: {outcome:?}", protocol.name);
            let names_limit = outcome.message().contains("drain_timeout 3s");
            assert!(names_limit, "{method} over {}: {outcome:?}", protocol.name);
            assert!((3020..3030).contains(&begin.elapsed().as_millis()), "{method} over {}", protocol.name);
            sleep(MILLISECOND).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {}", protocol.name);
            assert_eq!(shared.stats().calls_failed, 1, "{method} over {}", protocol.name);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn call_that_outlasts_its_connection_fails_with_the_limits_name() {
    let dropped = Arc::default();
    let server = server(hanging(&dropped));
    let second = Duration::from_secs(1);
    let limits = Limits { connection_age_max: second, connection_age_grace: second, ..Limits::default() };
    for method in METHODS {
        for (shared, mut caller) in callers(|| Server { limits: limits.clone(), ..server() }) {
            let protocol = caller.protocol();
            if !protocol.has(method) {
                continue;
            }
            let begin = Instant::now();
            let outcome = timeout(10 * second, caller.call(Call::new(method, &[b"x"]))).await.expect("an outcome");
            assert_eq!(outcome.code(), Code::Unavailable, "{method} over {}: {outcome:?}", protocol.name);
            assert!(
                outcome.message().contains("connection_age_grace 1s"),
                "{method} over {}: {outcome:?}",
                protocol.name
            );
            // The age of each connection is shorter by up to a tenth.
            assert!((1890..2010).contains(&begin.elapsed().as_millis()), "{method} over {}", protocol.name);
            sleep(MILLISECOND).await;
            assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "{method} over {}", protocol.name);
            assert_eq!(shared.stats().calls_failed, 1, "{method} over {}", protocol.name);
        }
    }
}
