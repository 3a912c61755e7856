//! The closed loop: every caller makes one call after the other.

use std::sync::Arc;
use std::time::Instant;

use tokio::task::JoinSet;

use crate::meter::SAMPLE_EVERY;
use crate::{Client, Failure, Load, Meter};

/// Runs `load.shape.callers` callers on each of `clients`. Returns only if a call fails.
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
        check(client.call(&request).await?, payload)?;
        if meter.measuring() {
            meter.latencies.record(begin.elapsed(), 1);
        }
        for _ in 1..every {
            check(client.call(&request).await?, payload)?;
            counter.add(1);
        }
        counter.add(1);
    }
}

/// Fails unless the reply is as long as its request.
pub(crate) fn check(reply: usize, payload: usize) -> Result<(), Failure> {
    if reply == payload { Ok(()) } else { Err(format!("a reply of {reply} bytes to {payload}").into()) }
}
