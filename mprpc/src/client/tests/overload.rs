//! Tests of overloaded servers: the client sends refused calls elsewhere, or sends fewer calls.

use std::sync::atomic::{AtomicU32, Ordering};

use super::*;
use crate::interceptor::{Next, intercept_fn};
use crate::testing::Network;

struct Echo;

impl Service for Echo {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WHO
    }

    fn call(&self, _: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        Box::pin(async move { Ok(request) })
    }
}

/// The number of calls that a server accepts in each 100 ms, and the number of calls that arrived.
struct Load {
    capacity: AtomicU32,
    came: AtomicU32,
}

/// A server that refuses calls beyond its capacity, like an overloaded one.
fn serve(network: &Network, address: &str, capacity: u32) -> Arc<Load> {
    let load = Arc::new(Load { capacity: AtomicU32::new(capacity), came: AtomicU32::new(0) });
    let (seen, begin) = (load.clone(), Instant::now());
    let (slice, accepted) = (AtomicU32::new(0), AtomicU32::new(0));
    let refuses = intercept_fn(move |context, request, next: Next| {
        seen.came.fetch_add(1, Ordering::Relaxed);
        let now = (begin.elapsed().as_millis() / 100) as u32;
        if slice.swap(now, Ordering::Relaxed) != now {
            accepted.store(0, Ordering::Relaxed);
        }
        let is_refused = accepted.fetch_add(1, Ordering::Relaxed) >= seen.capacity.load(Ordering::Relaxed);
        async move {
            if is_refused {
                let status = Status::resource_exhausted("too much to do").with_retry_after(Duration::from_millis(100));
                return Err(status.with_phase(Phase::Queue).with_ran(Ran::No));
            }
            next.run(context, request).await
        }
    });
    network.serve(address, Server::default().add(Echo).intercept(refuses));
    load
}

async fn call(stub: &Stub) -> Result<StringValue, Status> {
    stub.unary::<_, StringValue>(AM, &StringValue::default()).await
}

/// Makes `calls` calls, one each millisecond, and returns how many succeeded.
async fn answered(stub: &Stub, calls: u32) -> u32 {
    let mut answered = 0;
    for _ in 0..calls {
        answered += u32::from(call(stub).await.is_ok());
        sleep(Duration::from_millis(1)).await;
    }
    answered
}

#[tokio::test(start_paused = true)]
async fn call_refused_by_one_server_moves_to_another_at_once() {
    let network = Network::from_seed(1);
    let loads = ["10.0.0.1:1", "10.0.0.2:1", "10.0.0.3:1"].map(|address| serve(&network, address, 1000));
    // About 33 calls come to each server in 100 ms. The budget of retries allows a tenth of all calls.
    loads[1].capacity.store(29, Ordering::Relaxed);
    let stub = Stub::new(network.host("client").channel("list:10.0.0.1:1,10.0.0.2:1,10.0.0.3:1"), &WHO);
    assert_eq!(answered(&stub, 600).await, 600);
    let came: u32 = loads.iter().map(|load| load.came.load(Ordering::Relaxed)).sum();
    assert!(came >= 615, "{came} attempts: no call was refused");
}

#[tokio::test(start_paused = true)]
async fn channel_throttles_calls_until_the_servers_accept_again() {
    let network = Network::from_seed(1);
    let load = serve(&network, "10.0.0.1:1", 10);
    let stub = Stub::new(network.host("client").channel("10.0.0.1:1"), &WHO);
    answered(&stub, 2000).await;
    load.came.store(0, Ordering::Relaxed);
    let begin = Instant::now();
    let good = answered(&stub, 2000).await;
    let (came, seconds) = (load.came.load(Ordering::Relaxed), begin.elapsed().as_secs_f64());
    assert!(f64::from(good) > 90.0 * seconds, "{good} were answered in {seconds} s of what 100 a second could be");
    assert!(f64::from(came) < 300.0 * seconds, "{came} were sent in {seconds} s, and 100 a second accepted");
    let status = loop {
        if let Err(status) = call(&stub).await
            && status.phase() == Some(Phase::Pick)
        {
            break status;
        }
    };
    assert_eq!((status.code(), status.ran()), (Code::ResourceExhausted, Ran::No));
    assert!(status.message().contains("throttled here") && status.retry_after().is_some(), "{status}");
    load.capacity.store(1000, Ordering::Relaxed);
    answered(&stub, 1500).await;
    assert_eq!(answered(&stub, 200).await, 200);
}

#[tokio::test(start_paused = true)]
async fn wait_for_ready_call_waits_while_its_channel_is_throttled() {
    let network = Network::from_seed(1);
    let load = serve(&network, "10.0.0.1:1", 0);
    let stub = Stub::new(network.host("client").channel("10.0.0.1:1"), &WHO);
    answered(&stub, 200).await;
    let waiting = stub.unary::<_, StringValue>(AM, &StringValue::default()).wait_for_ready(true);
    let waiting = tokio::spawn(waiting.timeout(Duration::from_secs(20)).into_future());
    sleep(Duration::from_secs(1)).await;
    load.capacity.store(1000, Ordering::Relaxed);
    assert!(waiting.await.unwrap().is_ok());
}
