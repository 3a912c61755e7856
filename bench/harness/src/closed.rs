//! The closed loop: every caller makes one call after the other.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::meter::SAMPLE_EVERY;
use crate::{Client, Failure, Load, Meter};

/// Has `load.shape.callers` on each of `clients` call without end. Returns when one fails.
pub(crate) async fn call_in_turn<C: Client>(clients: Vec<C>, load: &Load, meter: &Arc<Meter>) -> Result<(), Failure> {
    let every = if load.shape.connections * load.shape.callers == 1 { 1 } else { SAMPLE_EVERY };
    let mut callers = JoinSet::new();
    for client in clients {
        for _ in 0..load.shape.callers {
            callers.spawn(caller(client.clone(), load.payload, every, meter.clone()));
        }
    }
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn caller<C: Client>(client: C, payload: usize, every: u64, meter: Arc<Meter>) -> Result<(), Failure> {
    let counter = meter.counter();
    let request = C::request(payload);
    loop {
        let begin = Instant::now();
        call(&client, &request, payload, &meter).await?;
        if meter.measuring() {
            meter.latencies.record(begin.elapsed(), 1);
        }
        for _ in 1..every {
            call(&client, &request, payload, &meter).await?;
            counter.add(1);
        }
        counter.add(1);
    }
}

/// Makes a call, and again while it is refused. All of that is its latency.
async fn call<C: Client>(client: &C, request: &C::Request, payload: usize, meter: &Meter) -> Result<(), Failure> {
    loop {
        match client.call(request).await {
            Err(failure) if failure.is::<Refused>() => {
                meter.was_refused();
                sleep(REFUSED_PAUSE).await;
            }
            result => return check(result?, payload),
        }
    }
}

/// The failure of a call that a server has refused because it has too much to do.
#[derive(Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the server has too much to do")
    }
}

impl Error for Refused {}

/// Before a refused call is made again.
const REFUSED_PAUSE: Duration = Duration::from_millis(1);

/// A reply is as long as its request.
pub(crate) fn check(reply: usize, payload: usize) -> Result<(), Failure> {
    if reply == payload { Ok(()) } else { Err(format!("a reply of {reply} bytes to {payload}").into()) }
}
