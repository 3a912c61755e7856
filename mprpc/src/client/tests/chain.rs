//! Tests of deadlines along a chain of services: the first caller's deadline bounds every hop.

use std::sync::Mutex;

use super::*;
use crate::Deadline;
use crate::net::clock;

/// A service that calls the next hop of the chain. The last hop hangs.
struct Hop {
    next: Option<Stub>,
    /// The remaining time at each hop when its handler started.
    began: Arc<Mutex<Vec<Duration>>>,
    /// Set when the handler of the last hop is dropped.
    dropped: watch::Sender<bool>,
    spawns: bool,
}

struct TellDropped(watch::Sender<bool>);

impl Drop for TellDropped {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

impl Service for Hop {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WHO
    }

    fn call(&self, _: usize, context: Context, _: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let (next, dropped, spawns) = (self.next.clone(), self.dropped.clone(), self.spawns);
        self.began.lock().unwrap().push(context.deadline().remaining(clock::now()).unwrap());
        Box::pin(async move {
            sleep(Duration::from_millis(10)).await;
            let Some(next) = next else {
                let _told = TellDropped(dropped);
                return std::future::pending().await;
            };
            let call = async move {
                // The call would wait for a minute if it inherited no deadline.
                let call = next.unary::<_, StringValue>(AM, &StringValue::default());
                call.timeout(Duration::from_secs(60)).await
            };
            let reply = if spawns { crate::net::spawn(call).await.unwrap()? } else { call.await? };
            Ok(Body::Message(crate::codec::protobuf::encode(&reply)?))
        })
    }
}

async fn run_chain(spawns: bool) {
    let network = Network::from_seed(7);
    let began = Arc::new(Mutex::new(Vec::new()));
    let (dropped, mut is_dropped) = watch::channel(false);
    let mut next = None;
    for hop in (1..=4).rev() {
        let address = format!("10.0.0.{hop}:1");
        let handler = Hop { next, began: began.clone(), dropped: dropped.clone(), spawns };
        network.serve(&address, Server::default().add(handler));
        let caller = network.host(&format!("10.0.0.{}:1", hop - 1));
        next = Some(Stub::new(caller.channel(&address), &WHO));
    }
    let root = next.unwrap();
    let begin = Instant::now();
    let call = root.unary::<_, StringValue>(AM, &StringValue::default());
    let status = call.timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert!(begin.elapsed() <= Duration::from_millis(101));
    is_dropped.wait_for(|dropped| *dropped).await.unwrap();
    assert!(begin.elapsed() <= Duration::from_millis(110), "the last hop went on for {:?}", begin.elapsed());
    let began = began.lock().unwrap();
    assert_eq!(began.len(), 4);
    assert!(began.is_sorted_by(|earlier, later| earlier > later), "{began:?}");
    assert!(began[0] <= Duration::from_millis(101), "{began:?}");
}

#[tokio::test(start_paused = true)]
async fn hops_inherit_the_remaining_time() {
    run_chain(false).await;
}

#[tokio::test(start_paused = true)]
async fn spawned_tasks_inherit_the_remaining_time() {
    run_chain(true).await;
}

#[tokio::test(start_paused = true)]
async fn call_is_not_sent_once_the_served_call_has_expired() {
    let world = world(listed(&[A]));
    world.start(A);
    let past = Deadline::at(clock::now());
    let served = || Some(Context::new(&WHO.methods[AM], None, past, crate::Metadata::new()));
    let call = crate::scope::under(served(), || world.call(AM));
    let status = call.await.unwrap_err();
    assert_eq!((status.code(), status.ran()), (Code::DeadlineExceeded, Ran::No));
    assert_eq!(world.network.attempts(), 0);
    let call = crate::scope::under(served(), || world.call(AM).independent());
    assert_eq!(call.await.unwrap().value, A);
}
