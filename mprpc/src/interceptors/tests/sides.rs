//! Interceptors on either side, among others, around calls of every kind, over a simulated network.

use tokio::time::Instant;

use super::all::{ALL, All, abc, client, echo, joined};
use super::*;
use crate::Server;
use crate::client::RawClient;
use crate::interceptor::intercept_fn;
use crate::testing::Network;

const A: &str = "10.0.0.1:1";

/// The events so far, in order.
#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<String>>>);

impl Seen {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        self.0.lock().unwrap().drain(..).collect()
    }

    /// Makes an interceptor that notes each call, on the way in and on the way back.
    fn passing(&self, name: &'static str) -> impl Interceptor {
        let seen = self.clone();
        intercept_fn(move |context, body, next: Next| {
            let seen = seen.clone();
            async move {
                seen.note(name);
                let answer = next.run(context, body).await;
                seen.note(format!("{name} back"));
                answer
            }
        })
    }

    fn handler(&self) -> All {
        let seen = self.clone();
        All::new(move |context, body| {
            seen.note("handler");
            async move { echo(&context, body).await }
        })
    }
}

/// Returns a client of a server over a network.
fn over(network: &Network, server: Server) -> RawClient {
    network.serve(A, server);
    client(network.channel(A))
}

#[tokio::test(start_paused = true)]
async fn interceptors_run_in_the_order_of_adding_and_return_in_reverse() {
    let (seen, network) = (Seen::default(), Network::from_seed(1));
    let server = Server::default().add(seen.handler());
    network.serve(A, server.intercept(seen.passing("third")).intercept(seen.passing("fourth")));
    let channel = network.channel(A).intercept(seen.passing("first")).intercept(seen.passing("second"));
    let client = client(channel);
    for method in ALL.methods {
        let reply = client.call(&method.name, method.kind, abc(method.kind)).await.unwrap();
        assert_eq!(joined(reply).await.unwrap(), "abc", "{}", method.name);
        let out = ["first", "second", "third", "fourth", "handler"];
        let back = ["fourth back", "third back", "second back", "first back"];
        assert_eq!(seen.take(), [&out[..], &back].concat(), "{}", method.name);
    }
}

#[tokio::test(start_paused = true)]
async fn classic_calls_pass_interceptors_on_both_sides() {
    let (seen, network) = (Seen::default(), Network::from_seed(1));
    let server = Server::default().add(seen.handler());
    network.serve(A, server.intercept(seen.passing("server")));
    let channel = network.channel(&format!("classic:{A}")).intercept(seen.passing("caller"));
    let client = client(channel);
    assert_eq!(client.unary("One", "abc").await.unwrap(), "abc");
    assert_eq!(seen.take(), ["caller", "server", "handler", "server back", "caller back"]);
}

#[tokio::test(start_paused = true)]
async fn intercepting_a_clone_leaves_the_original_channel_unchanged() {
    let (seen, network) = (Seen::default(), Network::from_seed(1));
    network.serve(A, Server::default().add(All::echo()));
    let plain = network.channel(A);
    let watched = client(plain.clone().intercept(seen.passing("it")));
    let plain = client(plain);
    plain.unary("One", "").await.unwrap();
    assert!(seen.take().is_empty());
    watched.unary("One", "").await.unwrap();
    assert_eq!(seen.take(), ["it", "it back"]);
    assert_eq!(network.attempts(), 1, "they share the connection");
}

/// Makes an interceptor that replies `no`, as a message or as a stream.
fn answers() -> impl Interceptor {
    intercept_fn(|context: Context, _, _| async move {
        let no = Bytes::from_static(b"no");
        match context.method().kind.streams_replies() {
            true => Ok(Body::Stream(Streaming::of([no]))),
            false => Ok(Body::Message(no)),
        }
    })
}

#[tokio::test(start_paused = true)]
async fn interceptor_that_replies_itself_stops_the_call() {
    let (seen, network) = (Seen::default(), Network::from_seed(1));
    network.serve(A, Server::default().add(seen.handler()).intercept(answers()));
    let unreachable = client(network.channel("10.0.0.9:9").intercept(answers()));
    for client in [unreachable, client(network.channel(A))] {
        for method in ALL.methods {
            let reply = client.call(&method.name, method.kind, abc(method.kind)).await.unwrap();
            assert_eq!(joined(reply).await.unwrap(), "no");
        }
    }
    assert!(seen.take().is_empty());
    assert_eq!(network.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn added_metadata_and_values_reach_the_handler() {
    let network = Network::from_seed(1);
    let handler = All::new(|context, _| async move {
        let caller = context.value::<Caller>().map(|caller| caller.name.clone()).unwrap_or_default();
        let tenants: Vec<_> = context.metadata().values("tenant").map(String::from_utf8_lossy).collect();
        Ok(Body::Message(format!("{caller}: {}", tenants.join(" ")).into()))
    });
    let adds = |tenant: &'static str| {
        intercept_fn(move |mut context: Context, body, next: Next| async move {
            context.metadata_mut().append("tenant", tenant)?;
            context.insert(Caller { name: tenant.to_uppercase() });
            next.run(context, body).await
        })
    };
    network.serve(A, Server::default().add(handler).intercept(adds("c")).intercept(adds("d")));
    let client = client(network.channel(A).intercept(adds("a")).intercept(adds("b")));
    // Values stay on their side; a later value replaces an earlier one of the same type.
    assert_eq!(client.unary("One", "").metadata("tenant", "own").await.unwrap(), "D: own a b c d");
}

fn shortens(left: Duration) -> impl Interceptor {
    intercept_fn(move |context: Context, body, next: Next| {
        context.shorten_deadline(Deadline::after(clock::now(), left));
        next.run(context, body)
    })
}

#[tokio::test(start_paused = true)]
async fn shortened_deadline_holds_on_either_side() {
    const LEFT: Duration = Duration::from_millis(50);
    let hang = || All::new(|_, _| std::future::pending());
    for (at_server, target) in [(true, A.to_owned()), (false, A.to_owned()), (true, format!("classic:{A}"))] {
        let network = Network::from_seed(1);
        let (mut server, mut channel) = (Server::default().add(hang()), network.channel(&target));
        if at_server {
            server = server.intercept(shortens(LEFT));
        } else {
            channel = channel.intercept(shortens(LEFT));
        }
        let host = network.serve(A, server);
        let begin = Instant::now();
        let status = client(channel).unary("One", "").await.unwrap_err();
        // The server gets slightly less time than its caller has left, so that the server reports the reason.
        assert!((LEFT * 9 / 10..LEFT * 2).contains(&begin.elapsed()), "{:?}: {status}", begin.elapsed());
        if target == A {
            // A classic reply has no room for the reason.
            assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
        }
        assert_eq!(host.stats().calls_failed, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn handler_does_not_start_after_an_interceptor_used_up_the_deadline() {
    let seen = Seen::default();
    for slow_for in [Duration::from_millis(80), Duration::MAX] {
        let network = Network::from_seed(1);
        let slow = intercept_fn(move |context: Context, body, next: Next| async move {
            context.shorten_deadline(Deadline::after(clock::now(), Duration::from_millis(40)));
            sleep(slow_for).await;
            next.run(context, body).await
        });
        let client = over(&network, Server::default().add(seen.handler()).intercept(slow));
        for method in ALL.methods {
            let status = match client.call(&method.name, method.kind, abc(method.kind)).await {
                Ok(reply) => joined(reply).await.unwrap_err(),
                Err(status) => status,
            };
            assert_eq!((status.code(), status.ran()), (Code::DeadlineExceeded, Ran::No), "{status}");
            assert_eq!(status.phase(), Some(Phase::Queue), "{status}");
        }
        sleep(Duration::from_secs(1)).await;
        assert!(seen.take().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn deadline_of_a_call_also_limits_the_callers_interceptors() {
    let network = Network::from_seed(1);
    network.serve(A, Server::default().add(All::echo()));
    let before = intercept_fn(|_, _, _: Next| std::future::pending());
    let begin = Instant::now();
    let call = client(network.channel(A).intercept(before)).unary("One", "");
    let status = call.timeout(Duration::from_millis(30)).await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::DeadlineExceeded, Some(Phase::Send), Ran::No));
    assert_eq!(begin.elapsed(), Duration::from_millis(30));
    assert_eq!(network.attempts(), 0);
    let after = intercept_fn(|context, body, next: Next| async move {
        next.run(context, body).await?;
        std::future::pending().await
    });
    let call = client(network.channel(A).intercept(after)).unary("One", "");
    let status = call.timeout(Duration::from_millis(30)).await.unwrap_err();
    assert_eq!((status.code(), status.phase(), status.ran()), (Code::DeadlineExceeded, Some(Phase::Reply), Ran::Maybe));
}

#[tokio::test(start_paused = true)]
async fn panic_of_an_interceptor_fails_only_its_call_with_internal() {
    let network = Network::from_seed(1);
    let panics = intercept_fn(|context: Context, body, next: Next| {
        assert!(context.metadata().value("at-once").is_none(), "a bug before the future");
        async move {
            assert!(context.metadata().value("later").is_none(), "a bug in the future");
            let reply = next.run(context.clone(), body).await;
            assert!(context.metadata().value("after").is_none(), "a bug after the handler");
            reply
        }
    });
    let client = over(&network, Server::default().add(All::echo()).intercept(panics));
    for key in ["at-once", "later", "after"] {
        for method in ALL.methods {
            let call = client.call(&method.name, method.kind, abc(method.kind)).metadata(key, "");
            let status = match call.await {
                Ok(reply) => joined(reply).await.unwrap_err(),
                Err(status) => status,
            };
            assert_eq!(status.code(), Code::Internal, "{key}: {status}");
            assert_eq!(client.unary("One", "alive").await.unwrap(), "alive");
        }
    }
    assert_eq!(network.attempts(), 1, "the connection lives on");
}

#[tokio::test(start_paused = true)]
async fn interceptor_can_read_and_change_the_outcome_of_a_handler() {
    let network = Network::from_seed(1);
    let handler = All::new(|context, _| async move {
        context.trailer().append("from", "the handler")?;
        Err(Status::not_found("no such row"))
    });
    let hides = intercept_fn(|context, body, next: Next| async move {
        next.run(context, body).await.map_err(|status| match status.code() {
            Code::NotFound => Status::permission_denied("not yours"),
            _ => status,
        })
    });
    let client = over(&network, Server::default().add(handler).intercept(hides));
    let status = client.unary("One", "").await.unwrap_err();
    assert_eq!((status.code(), status.message(), status.ran()), (Code::PermissionDenied, "not yours", Ran::Yes));
    assert_eq!(status.trailer().text("from"), Some("the handler"));
}

#[tokio::test(start_paused = true)]
async fn rate_limit_refusal_carries_did_not_run_and_retry_after_over_the_wire() {
    let network = Network::from_seed(1);
    let server = Server::default().add(All::echo()).intercept(RateLimit::new(1, Duration::from_secs(4)).each_caller());
    let client = over(&network, server);
    client.unary("One", "").await.unwrap();
    let status = client.unary("One", "").await.unwrap_err();
    assert_eq!((status.code(), status.ran(), status.phase()), (Code::ResourceExhausted, Ran::No, Some(Phase::Queue)));
    assert_eq!(status.retry_after(), Some(Duration::from_secs(4)));
    sleep(status.retry_after().unwrap()).await;
    client.unary("One", "").await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn bearer_token_admits_the_call_and_the_handler_sees_its_caller() {
    let network = Network::from_seed(1);
    let handler = All::new(|context, _| async move {
        Ok(Body::Message(context.value::<Caller>().map(|caller| caller.name.clone()).unwrap_or_default().into()))
    });
    let server = Server::default()
        .add(handler)
        .intercept(RequireToken::one_of([("s3cret", "gateway")]))
        .intercept(AllowedCallers::default().allow(ALL.name, ["gateway"]));
    network.serve(A, server);
    let with_token = client(network.channel(A).intercept(BearerToken::fixed("s3cret")));
    assert_eq!(with_token.unary("One", "").await.unwrap(), "gateway");
    let status = client(network.channel(A)).unary("One", "").await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Unauthenticated, Ran::No));
    // A classic frame has no metadata.
    client(network.channel(&format!("classic:{A}"))).unary("One", "").await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn both_sides_count_and_log_streams_at_their_end() {
    let log = Log::begin();
    let (network, served, called) = (Network::from_seed(1), CallMetrics::new(), CallMetrics::new());
    let server = Server::default().add(All::echo()).intercept(served.clone()).intercept(Logging::default());
    network.serve(A, server);
    let client = client(network.channel(A).intercept(called.clone()).intercept(Logging::default()));
    let (sender, requests) = Streaming::channel(1);
    let replies = client.call("Talk", MethodKind::Bidirectional, Body::Stream(requests)).await.unwrap();
    let mut replies = replies.into_stream();
    for _ in 0..3 {
        sender.send(Bytes::from_static(b"x")).await.unwrap();
        replies.next().await.unwrap().unwrap();
        sleep(Duration::from_secs(1)).await;
    }
    assert!(log.with("call ended").is_empty() && served.snapshot().is_empty(), "it has not ended");
    sender.finish();
    assert!(replies.next().await.is_none());
    for metrics in [served, called] {
        let rows = metrics.snapshot();
        let [row] = &rows[..] else { panic!("{rows:?}") };
        assert_eq!((&*row.method, row.code, row.calls), ("test.All/Talk", Code::Ok, 1));
        assert_eq!((row.requests, row.replies), (3, 3));
        assert!(row.longest >= Duration::from_secs(3));
    }
    let lines = log.with("call ended");
    assert_eq!(lines.len(), 2);
    for (level, line) in lines {
        assert_eq!(level, Level::INFO);
        assert!(line.contains("code=OK") && line.contains("requests=3 replies=3"), "{line}");
    }
}
