//! The classic protocol: one call a connection, as in the C++ MPRPC.

use std::sync::Arc;
use std::time::Instant;

use mprpc::{Channel, Status};
use mprpc_bench_harness::{Failure, Load, Meter, Report, SAMPLE_EVERY, Share, on_runtimes};
use tokio::task::JoinSet;

use super::proto::{Account, UserServiceRpcClient};

pub(super) fn call(load: &Load) -> Result<Report, Failure> {
    let again = load.clone();
    on_runtimes(load, move |share| callers(again.clone(), share))
}

/// Each connection of the load is a caller here, which has one connection at a time.
async fn callers(load: Load, share: Share) -> Result<(), Failure> {
    let client = UserServiceRpcClient::new(Channel::new(&format!("classic:{}", load.address))?);
    let mut callers = JoinSet::new();
    for _ in 0..share.connections {
        callers.spawn(caller(client.clone(), share.meter.clone()));
    }
    share.connected();
    while let Some(ended) = callers.join_next().await {
        ended??;
    }
    Ok(())
}

async fn caller(client: UserServiceRpcClient, meter: Arc<Meter>) -> Result<(), Failure> {
    let counter = meter.counter();
    for number in 0u64.. {
        let begin = number.is_multiple_of(SAMPLE_EVERY).then(Instant::now);
        let account = Account { name: "cuism".into(), password: "123456".into(), ..Default::default() };
        let answer = client.login(account).await?;
        if !answer.success {
            return Err(Status::internal("the login failed").into());
        }
        if let Some(begin) = begin
            && meter.measuring()
        {
            meter.latencies.record(begin.elapsed(), 1);
        }
        counter.add(1);
    }
    Ok(())
}
