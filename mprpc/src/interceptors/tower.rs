//! Runs layers of `tower` as interceptors. Serving `tower` services is not supported.

use std::error::Error;
use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{self, Poll};

use tower_layer::Layer;
use tower_service::Service;

use super::refused;
use crate::context::Context;
use crate::interceptor::{Interceptor, Next};
use crate::service::{Body, BoxFuture};
use crate::status::{Phase, Ran, Status};

/// An interceptor for either side made of a `tower::Layer`, or of a `ServiceBuilder` with several layers.
///
/// The layer is applied once, so that its limits and counts hold for all calls. Each call goes to a clone of the
/// layer's service, once the clone is ready. If the service is not `Clone` (`tower::limit::RateLimit`), put a `buffer`
/// in front of it.
///
/// If an error of the layer is a [`Status`], it is the reply. Any other error becomes UNAVAILABLE, did not run, if the
/// layer kept the call; it becomes INTERNAL, may have run, if the layer had passed the call on (a timeout, for
/// example). [`TowerLayer::map_error`] replaces these. For the layer, a call with a stream of replies ends once the
/// stream has begun.
pub struct TowerLayer<S> {
    service: Mutex<S>,
    map_error: Arc<MapError>,
}

type BoxError = Box<dyn Error + Send + Sync>;
type MapError = dyn Fn(&(dyn Error + 'static)) -> Option<Status> + Send + Sync;

/// A call in the form that a layer sees and may change.
pub struct TowerRequest {
    /// The context of the call.
    pub context: Context,
    /// The request.
    pub body: Body,
    next: Next,
    passed_on: Arc<AtomicBool>,
}

/// The service that a layer wraps: the remaining interceptors and the handler or transport. Always ready.
#[derive(Clone, Debug)]
pub struct TowerNext(());

impl<S> TowerLayer<S> {
    /// Applies the layer. Call this on a tokio runtime if the layer needs one.
    pub fn new<L: Layer<TowerNext, Service = S>>(layer: L) -> TowerLayer<S> {
        TowerLayer { service: Mutex::new(layer.layer(TowerNext(()))), map_error: Arc::new(|_| None) }
    }

    /// Maps errors of the layer to statuses of your own. `map` gets the error, then each of its sources; the first
    /// `Some` counts.
    pub fn map_error(
        self,
        map: impl Fn(&(dyn Error + 'static)) -> Option<Status> + Send + Sync + 'static,
    ) -> TowerLayer<S> {
        TowerLayer { map_error: Arc::new(map), ..self }
    }
}

impl Service<TowerRequest> for TowerNext {
    type Response = Body;
    type Error = Status;
    type Future = BoxFuture<Result<Body, Status>>;

    fn poll_ready(&mut self, _: &mut task::Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: TowerRequest) -> Self::Future {
        request.passed_on.store(true, Ordering::Release);
        request.next.run(request.context, request.body)
    }
}

impl<S> Interceptor for TowerLayer<S>
where
    S: Service<TowerRequest, Response = Body, Error: Into<BoxError>, Future: Send> + Clone + Send + 'static,
{
    fn intercept(&self, context: Context, body: Body, next: Next) -> BoxFuture<Result<Body, Status>> {
        let mut service = self.service.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (map_error, passed_on) = (self.map_error.clone(), Arc::new(AtomicBool::new(false)));
        let request = TowerRequest { context: context.clone(), body, next, passed_on: passed_on.clone() };
        Box::pin(async move {
            let ready: Result<(), BoxError> = poll_fn(|cx| service.poll_ready(cx)).await.map_err(Into::into);
            let answer: Result<Body, BoxError> = match ready {
                Ok(()) => service.call(request).await.map_err(Into::into),
                Err(error) => Err(error),
            };
            answer.map_err(|error| match known(&*error, &*map_error) {
                Some(status) => status,
                None if passed_on.load(Ordering::Acquire) => {
                    Status::internal(error.to_string()).with_phase(Phase::Handle).with_ran(Ran::Maybe)
                }
                None => refused(&context, Status::unavailable(error.to_string())),
            })
        })
    }
}

/// Returns the status that the error is, has as a source, or is mapped to.
fn known(error: &(dyn Error + Send + Sync + 'static), map_error: &MapError) -> Option<Status> {
    let mut error: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = error {
        let status = cause.downcast_ref::<Status>().cloned().or_else(|| map_error(cause));
        if status.is_some() {
            return status;
        }
        error = cause.source();
    }
    None
}
