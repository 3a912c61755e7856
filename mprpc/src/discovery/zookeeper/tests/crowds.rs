//! Many processes that act on the same event.

use super::*;
use tokio::time::sleep;

/// The largest number of instants within `window`.
fn peak(instants: &[Instant], window: Duration) -> usize {
    let within = |from: &Instant| instants.iter().filter(|at| **at >= *from && **at < *from + window).count();
    instants.iter().map(within).max().unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn z13_thousand_callers_do_not_come_back_together_after_an_outage() {
    let servers = Servers::start();
    servers.put(&node("127.0.0.1:1"), NODE);
    let callers: Vec<Process> = (0..1000).map(|index| Process::start(&servers, &format!("caller {index}"))).collect();
    let mut shown: Vec<_> = callers.iter().map(Process::watch).collect();
    for shown in &mut shown {
        until(shown, |r| shows(r, &["127.0.0.1:1"])).await;
    }
    servers.fault(|faults| faults.down = true);
    sleep(60 * SECOND).await;
    let before = servers.connects().len();
    servers.fault(|faults| faults.down = false);
    let back = Instant::now();
    for shown in &mut shown {
        until(shown, |r| shows(r, &["127.0.0.1:1"])).await;
    }
    let took = back.elapsed();
    let connects = servers.connects().split_off(before);
    let (second, tenth) = (peak(&connects, SECOND), peak(&connects, 100 * MS));
    println!("z13: {} connects in {took:?}; at most {second} in a second and {tenth} in 100 ms", connects.len());
    assert_eq!(connects.len(), 1000, "each came back at its first attempt");
    assert!(took <= TIMEOUT / 3 + 200 * MS, "{took:?}");
    // Each waits a random part of a third of the session timeout since its last attempt: half of them come in the first
    // second.
    assert!(second <= 600 && tenth <= 100, "{second} in a second, {tenth} in 100 ms");
}

#[tokio::test(start_paused = true)]
async fn z14_change_of_one_provider_costs_each_caller_one_read() {
    let servers = Servers::start();
    for port in 1..=50 {
        servers.put(&node(&format!("127.0.0.1:{port}")), NODE);
    }
    let callers: Vec<Process> = (0..100).map(|index| Process::start(&servers, &format!("caller {index}"))).collect();
    let mut shown: Vec<_> = callers.iter().map(Process::watch).collect();
    for shown in &mut shown {
        until(shown, |r| r.endpoints.len() == 50).await;
    }
    sleep(SECOND).await;
    let before = servers.requests();
    servers.put(&node("127.0.0.1:51"), NODE);
    let begun = Instant::now();
    for shown in &mut shown {
        until(shown, |r| r.endpoints.len() == 51).await;
    }
    println!("z14: {} requests of 100 callers within {:?}", servers.requests() - before, begun.elapsed());
    assert_eq!(servers.requests() - before, 100);
}
