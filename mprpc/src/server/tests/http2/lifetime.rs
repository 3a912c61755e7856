//! The lifetime of an HTTP/2 connection: drain, idle timeout, maximum age and keepalive.

use super::*;

const LATER: u32 = 0x7fff_ffff;

/// Answers the PING that follows the announcement to leave.
fn acknowledge(caller: &Caller) {
    let pings = caller.pings();
    caller.send(&ping(flag::ACK, pings.last().expect("a PING")));
}

#[tokio::test(start_paused = true)]
async fn drain_announces_itself_serves_what_crosses_and_lets_calls_finish() {
    let mut caller = caller(Limits::default());
    caller.answers_pings = false;
    let sleeping = caller.call("Sleep", b"in flight");
    let open = caller.open("Talk");
    caller.listen().await;
    caller.peer.shared.drain();
    caller.listen().await;
    let announced = (LATER, 0, "the server is stopping; what is in flight has drain_timeout 10s".to_owned());
    assert_eq!(caller.go_aways(), std::slice::from_ref(&announced));
    // A call that crosses the announcement is served.
    let crossed = caller.call("Echo", b"crossed");
    assert_eq!(caller.answer(crossed).await.message(), "crossed");
    acknowledge(&caller);
    caller.listen().await;
    assert_eq!(caller.go_aways(), [announced, (crossed, 0, String::new())]);
    // A later one is ignored: the caller knows that it did not run.
    let late = caller.call("Echo", b"late");
    assert_eq!(caller.answer(late).await, Reply::default());
    sleep(ms(1000)).await;
    assert_eq!(caller.answer(sleeping).await.message(), "in flight");
    caller.body(open, &message(b"still open"), true);
    assert_eq!(caller.answer(open).await.message(), "still open");
    assert_eq!(caller.stats().calls, 3);
    drop((caller.peer.reader, caller.peer.writer));
    assert_eq!(caller.peer.server.await.unwrap(), Close::PeerClosed);
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_asked_to_leave_and_closed_after_drain_timeout() {
    let limits = Limits {
        idle_timeout: ms(10_000),
        drain_timeout: ms(3000),
        keepalive_interval: Duration::MAX,
        ..Limits::default()
    };
    let mut caller = caller(limits);
    caller.answers_pings = false;
    caller.is_served().await;
    // An open stream keeps the connection.
    let open = caller.open("Talk");
    for _ in 0..4 {
        sleep(ms(9000)).await;
        caller.listen().await;
    }
    assert_eq!(caller.go_aways(), []);
    caller.end(open);
    caller.listen().await;
    let begin = Instant::now();
    while caller.go_aways().is_empty() {
        caller.listen().await;
    }
    let idle = begin.elapsed();
    assert!((ms(10_990)..ms(11_010)).contains(&idle), "a tenth later: {idle:?}");
    assert_eq!(caller.go_aways(), [(LATER, 0, "no call for longer than idle_timeout 10s".to_owned())]);
    while caller.listen().await {}
    assert!((ms(13_990)..ms(14_010)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert_eq!(caller.go_aways().last().unwrap().0, open);
    drop(caller.peer.writer);
    assert_eq!(caller.peer.server.await.unwrap(), Close::Done);
}

#[tokio::test(start_paused = true)]
async fn old_connection_is_asked_to_leave_and_its_calls_are_cut_off_after_the_grace() {
    let limits = Limits {
        connection_age_max: ms(100_000),
        connection_age_grace: ms(5000),
        keepalive_interval: Duration::MAX,
        ..Limits::default()
    };
    let mut caller = caller(limits);
    caller.answers_pings = false;
    let hanging = caller.call("Hang", b"");
    let waiting = caller.open("Talk");
    let begin = Instant::now();
    while caller.go_aways().is_empty() {
        caller.listen().await;
    }
    assert!((ms(89_990)..=ms(100_010)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    assert_eq!(caller.go_aways(), [(LATER, 0, "as old as connection_age_max 100s allows".to_owned())]);
    let begin = Instant::now();
    while caller.listen().await {}
    assert!((ms(4990)..ms(5010)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
    for id in [hanging, waiting] {
        let reply = caller.reply(id);
        let (code, text) = reply.status();
        assert_eq!(code, Code::Unavailable as u16);
        assert!(text.contains("connection_age_grace 5s"), "{text}");
    }
    assert_eq!(caller.go_aways().last().unwrap().0, waiting);
}

#[tokio::test(start_paused = true)]
async fn silent_caller_with_calls_gets_a_ping_and_is_closed_unless_it_answers() {
    let limits = Limits { keepalive_interval: ms(4000), keepalive_timeout: ms(3000), ..Limits::default() };
    for (name, answers) in [("Hang", true), ("Hang", false), ("Talk", false)] {
        let mut caller = caller(limits.clone());
        caller.answers_pings = false;
        if name == "Hang" {
            caller.call(name, b"");
        } else {
            caller.open(name);
        }
        let begin = Instant::now();
        while caller.pings().is_empty() {
            assert!(caller.listen().await);
        }
        assert!((ms(4000)..=ms(8002)).contains(&begin.elapsed()), "{:?}", begin.elapsed());
        sleep(ms(2990)).await;
        assert!(!caller.peer.server.is_finished());
        if answers {
            acknowledge(&caller);
        }
        sleep(ms(20)).await;
        assert_eq!(caller.peer.server.is_finished(), !answers);
        if !answers {
            assert_eq!(rejection(&caller.peer.shared), "a peer without a sign of life within keepalive_timeout");
        }
    }
    // A connection without a call is not asked.
    let mut idle = caller(limits);
    idle.is_served().await;
    sleep(ms(60_000)).await;
    idle.listen().await;
    assert_eq!(idle.pings().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn caller_that_never_ends_its_preface_is_closed_at_read_timeout() {
    for length in [1, 10, PREFACE.len() - 1] {
        let caller = Caller::of(raw::peer(Limits::default()));
        caller.send(&PREFACE[..length]);
        let raw::Peer { reader: _reader, writer: _writer, server, shared } = caller.peer;
        assert!(matches!(server.await.unwrap(), Close::ReadTimeout | Close::FirstByteTimeout));
        assert!(rejection(&shared).contains("timeout"));
    }
}
