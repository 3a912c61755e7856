//! The registry goes away under calls, and comes back.

use std::time::Duration;

use mprpc::ChannelOptions;
use mprpc_bench_harness::Failure;

use crate::Figures;
use crate::caller::{Caller, Method};
use crate::provider::Provider;
use crate::zookeeper::ZooKeeper;

/// ZooKeeper is away for a minute. Then one provider is killed and another started, and ZooKeeper returns.
pub(crate) fn zookeeper_away() -> Result<Vec<Figures>, Failure> {
    let mut zookeeper = ZooKeeper::own();
    let registry = format!("zookeeper://{}", zookeeper.address);
    let mut providers = (0..3).map(|_| Provider::start(&registry)).collect::<Result<Vec<_>, _>>()?;
    let caller = Caller::start(&registry, Method::Read, ChannelOptions::default())?;
    let begin = caller.go_on(Duration::from_secs(3));
    zookeeper.stop();
    let away = caller.go_on(Duration::from_secs(60));
    drop(providers.remove(0));
    let new = Provider::start_unregistered(&registry)?;
    let changed = caller.go_on(Duration::from_secs(5));
    zookeeper.start();
    let back = caller.elapsed();
    let end = caller.go_on(Duration::from_secs(10));
    let calls = caller.finish()?;
    let first = calls.first_answer_of(new.id());
    let note = first.map_or("the new provider took no call".to_owned(), |first| {
        format!("the new provider's first answer: {:.0} ms after", (first.as_secs_f64() - back.as_secs_f64()) * 1e3)
    });
    Ok(vec![
        Figures::new("ZooKeeper away for 60 s", calls.between(begin, away), ""),
        Figures::new("one of three killed, one started", calls.between(away, changed), ""),
        Figures::new("ZooKeeper is back", calls.between(changed, end), note),
    ])
}
