//! Active health checks: asks the health service of an endpoint (`grpc.health.v1`) at intervals whether the endpoint serves.

use std::sync::{Arc, Weak};
use std::time::Duration;

use bytes::Bytes;

use super::subchannel::Subchannel;
use super::transport::Request;
use crate::codec::health::HealthCheckResponse;
use crate::codec::health::health_check_response::ServingStatus;
use crate::codec::protobuf;
use crate::context::Context;
use crate::deadline::Deadline;
use crate::metadata::Metadata;
use crate::method::{Method, MethodKind};
use crate::net::clock;
use crate::service::Body;
use crate::status::{Code, Status};

/// So many checks in a row without an answer make an endpoint unhealthy.
const UNANSWERED_MAX: u32 = 2;

/// Checks the endpoint until its subchannel is dropped, or says that it has no health service. The interval varies by a tenth,
/// and the first check comes at a random time within it, so that many callers do not ask together.
pub(super) async fn run(subchannel: Weak<Subchannel>, interval: Duration) {
    tokio::time::sleep(interval.mul_f64(fastrand::f64())).await;
    let mut unanswered = 0;
    loop {
        let Some(checked) = subchannel.upgrade() else { return };
        match check(&checked, interval).await {
            Ok(serves) => {
                unanswered = 0;
                checked.set_unhealthy(!serves);
            }
            Err(status) if status.code() == Code::Unimplemented => return checked.set_unhealthy(false),
            Err(status) => {
                unanswered += 1;
                tracing::debug!(peer = %checked.endpoint().address, %status, "a health check has failed");
                if unanswered >= UNANSWERED_MAX {
                    checked.set_unhealthy(true);
                }
            }
        }
        drop(checked);
        tokio::time::sleep(interval.mul_f64(0.9 + fastrand::f64() / 5.0)).await;
    }
}

/// Asks once whether the server as a whole serves.
async fn check(subchannel: &Arc<Subchannel>, timeout: Duration) -> Result<bool, Status> {
    let method = Method::named("grpc.health.v1.Health", "Check", MethodKind::Unary);
    let deadline = Deadline::after(clock::now(), timeout);
    let context = Context::new(method, None, deadline, Metadata::new());
    // An empty request asks for the server as a whole.
    let request = Request::new(context, Body::Message(Bytes::new()), deadline, |_| true);
    let reply = subchannel.call(&request).await?.into_message()?;
    Ok(protobuf::decode::<HealthCheckResponse>(&reply)?.status == ServingStatus::SERVING)
}
