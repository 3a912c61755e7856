//! Tests of `tower` layers as interceptors.

use ::tower::ServiceBuilder;
use ::tower::limit::{ConcurrencyLimitLayer, RateLimitLayer};
use ::tower::timeout::TimeoutLayer;

use super::*;

fn chain(interceptor: impl Interceptor) -> [Arc<dyn Interceptor>; 1] {
    [Arc::new(interceptor)]
}

fn slow(_: Context, body: Body) -> BoxFuture<Result<Body, Status>> {
    Box::pin(async move {
        sleep(Duration::from_millis(100)).await;
        Ok(body)
    })
}

#[tokio::test(start_paused = true)]
async fn concurrency_limit_covers_all_calls_and_makes_them_wait() {
    let chain = chain(TowerLayer::new(ConcurrencyLimitLayer::new(2)));
    let begin = tokio::time::Instant::now();
    let calls = (0..6).map(|_| call(&chain, context(&[]), message(), slow));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap().into_message().unwrap(), "x");
    }
    assert_eq!(begin.elapsed(), Duration::from_millis(300));
}

#[tokio::test(start_paused = true)]
async fn rate_limit_behind_a_buffer_keeps_its_state() {
    let layers = ServiceBuilder::new().buffer(16).layer(RateLimitLayer::new(2, Duration::from_secs(1)));
    let chain = chain(TowerLayer::new(layers));
    let begin = tokio::time::Instant::now();
    for _ in 0..5 {
        call(&chain, context(&[]), message(), echo).await.unwrap();
    }
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn streams_pass_and_end_for_the_layer_once_they_have_begun() {
    let chain = chain(TowerLayer::new(ServiceBuilder::new().concurrency_limit(1).timeout(Duration::from_secs(1))));
    let requests = || Body::Stream(Streaming::of([Bytes::from_static(b"1"), Bytes::from_static(b"2")]));
    let mut first = call(&chain, context(&[]), requests(), echo).await.unwrap().into_stream();
    let mut second = call(&chain, context(&[]), requests(), echo).await.unwrap().into_stream();
    sleep(Duration::from_secs(2)).await;
    for stream in [&mut first, &mut second] {
        assert_eq!(stream.next().await.unwrap().unwrap(), "1");
        assert_eq!(stream.next().await.unwrap().unwrap(), "2");
        assert!(stream.next().await.is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn errors_of_a_layer_say_whether_the_call_may_have_run() {
    // A timeout: the layer had passed the call on.
    let timed = chain(TowerLayer::new(TimeoutLayer::new(Duration::from_millis(10))));
    let status = call(&timed, context(&[]), message(), slow).await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::Internal, Ran::Maybe));
    assert_eq!(status.message(), "request timed out");
    // Load shedding: the layer had not passed the call on.
    let shed = chain(TowerLayer::new(ServiceBuilder::new().load_shed().concurrency_limit(1)));
    let (first, second) =
        tokio::join!(call(&shed, context(&[]), message(), slow), call(&shed, context(&[]), message(), slow));
    first.unwrap();
    let status = second.unwrap_err();
    assert_eq!((status.code(), status.ran(), status.phase()), (Code::Unavailable, Ran::No, Some(Phase::Queue)));
    assert_eq!(status.message(), "service overloaded");
}

#[tokio::test(start_paused = true)]
async fn mapped_errors_have_their_mapped_status() {
    let layer = TowerLayer::new(TimeoutLayer::new(Duration::from_millis(10))).map_error(|error| {
        error.is::<::tower::timeout::error::Elapsed>().then(|| Status::deadline_exceeded("tower's"))
    });
    let chain = chain(layer);
    let status = call(&chain, context(&[]), message(), slow).await.unwrap_err();
    assert_eq!((status.code(), status.message()), (Code::DeadlineExceeded, "tower's"));
}

#[tokio::test(start_paused = true)]
async fn status_of_the_handler_returns_unchanged() {
    let fail: Handler =
        |_, _| Box::pin(async { Err(Status::not_found("no such thing").with_retry_after(Duration::ZERO)) });
    let plain = chain(TowerLayer::new(TimeoutLayer::new(Duration::from_secs(1))));
    let buffered = chain(TowerLayer::new(ServiceBuilder::new().buffer(1).timeout(Duration::from_secs(1))));
    for chain in [&plain, &buffered] {
        let status = call(chain, context(&[]), message(), fail).await.unwrap_err();
        assert_eq!((status.code(), status.message()), (Code::NotFound, "no such thing"));
        assert!(status.retry_after().is_some());
    }
}

#[tokio::test(start_paused = true)]
async fn layer_sees_and_changes_the_call() {
    let layers = ServiceBuilder::new().map_request(|mut request: TowerRequest| {
        request.context.metadata_mut().append("tenant", "blue").unwrap();
        request.body = Body::Message(Bytes::from_static(b"changed"));
        request
    });
    let chain = chain(TowerLayer::new(layers));
    let handler: Handler = |context, body| {
        assert_eq!(context.metadata().text("tenant"), Some("blue"));
        Box::pin(async move { Ok(body) })
    };
    let reply = call(&chain, context(&[]), message(), handler).await.unwrap();
    assert_eq!(reply.into_message().unwrap(), "changed");
}

#[tokio::test(start_paused = true)]
async fn dropped_call_releases_its_slot() {
    let chain = chain(TowerLayer::new(ConcurrencyLimitLayer::new(1)));
    for _ in 0..3 {
        let hanging = call(&chain, context(&[]), message(), hang);
        assert!(tokio::time::timeout(Duration::from_millis(1), hanging).await.is_err());
    }
    call(&chain, context(&[]), message(), echo).await.unwrap();
}
