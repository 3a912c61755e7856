//! Runs a chain of four services under a deadline of 100 ms from a thousand seeds. No handler starts after the caller
//! has given up, and the error names the slow hop.

use std::sync::Mutex;

use super::*;
use crate::net::clock;

const SEEDS: u64 = 1000;
const HOPS: usize = 4;
const TIMEOUT: Duration = Duration::from_millis(100);

/// The plan of one seed.
#[derive(Clone)]
struct Plan {
    /// The time that each hop works before it calls the next hop.
    works: [Duration; HOPS],
    /// The index of the slow hop.
    slow: usize,
    /// The hop and the start time of each handler.
    began: Arc<Mutex<Vec<(usize, Instant)>>>,
}

struct Hop {
    index: usize,
    next: Option<Stub>,
    plan: Plan,
}

impl Service for Hop {
    fn descriptor(&self) -> &'static ServiceDescriptor {
        &WHO
    }

    fn call(&self, method: usize, _: Context, request: Body, _: Codec) -> BoxFuture<Result<Body, Status>> {
        let (next, plan, index) = (self.next.clone(), self.plan.clone(), self.index);
        plan.began.lock().unwrap().push((index, Instant::now()));
        Box::pin(async move {
            if method != AM {
                sleep(if index == plan.slow { Duration::from_secs(1) } else { plan.works[index] }).await;
            }
            match next {
                Some(next) => {
                    let reply = next.unary::<_, StringValue>(method, &StringValue::default()).await?;
                    Ok(Body::Message(crate::codec::protobuf::encode(&reply)?))
                }
                None => Ok(Body::Message(request.into_message()?)),
            }
        })
    }
}

fn address(hop: usize) -> String {
    format!("10.0.0.{}:1", hop + 1)
}

#[tokio::test(start_paused = true)]
async fn no_handler_starts_after_the_root_deadline_and_the_error_names_the_slow_hop() {
    for seed in 0..SEEDS {
        let network = Network::from_seed(seed);
        let mut random = fastrand::Rng::with_seed(seed);
        network.set_delay(Duration::from_micros(50)..=Duration::from_millis(3));
        network.set_jitter(Duration::from_micros(random.u64(0..300)));
        let works = std::array::from_fn(|_| Duration::from_micros(random.u64(0..8000)));
        let plan = Plan { works, slow: random.usize(0..HOPS), began: Arc::default() };
        let mut next = None;
        for hop in (0..HOPS).rev() {
            network.serve(&address(hop), Server::default().add(Hop { index: hop, next, plan: plan.clone() }));
            let caller = if hop == 0 { network.host("client") } else { network.host(&address(hop - 1)) };
            next = Some(Stub::new(caller.channel(&address(hop)), &WHO));
        }
        let root = next.unwrap();
        // These calls open the connections and measure the round trips.
        for _ in 0..3 {
            root.unary::<_, StringValue>(AM, &StringValue::default()).await.unwrap();
        }
        plan.began.lock().unwrap().clear();
        let begin = Instant::now();
        let call = root.unary::<_, StringValue>(HANG, &StringValue::default()).timeout(TIMEOUT);
        let status = call.await.unwrap_err();
        assert_eq!(status.code(), Code::DeadlineExceeded, "seed {seed}: {status:#}");
        assert!(begin.elapsed() <= TIMEOUT + Duration::from_millis(1), "seed {seed}: {:?}", begin.elapsed());
        // Requests that are still in transit arrive now.
        sleep(Duration::from_secs(2)).await;
        let began = plan.began.lock().unwrap().clone();
        assert_eq!(began.len(), plan.slow + 1, "seed {seed}: {began:?}");
        for (hop, at) in began {
            assert!(at < begin + TIMEOUT, "seed {seed}: hop {hop} began {:?} after the root", at - begin);
        }
        let told = format!("{status:#}");
        let slowest = told.lines().max_by_key(|line| itself(line)).unwrap();
        let name = format!("test.Who/Hang at {}:", address(plan.slow));
        assert!(slowest.trim_start().starts_with(&name), "seed {seed}, hop {}: {told}", address(plan.slow));
        assert!(status.story().unwrap().len() <= 512, "seed {seed}: {told}");
    }
    // The measurements use the virtual clock of the tests, which is ahead of the system clock.
    assert!(clock::now() > std::time::Instant::now());
}

/// The time, in tenths of a millisecond, that a hop's line reports for the hop itself.
fn itself(line: &str) -> Option<u64> {
    let told = line.split_once("(itself ")?.1.split_once(" ms)")?.0;
    told.replace('.', "").parse().ok()
}
