//! Tests of the session without I/O: exact bytes, and times that the test sets.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use bytes::BufMut;

use super::*;
use crate::jute::{put_bool, put_buffer, put_string};

const SECOND: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// A session that is open, and the time.
fn open() -> (Session<u32>, Instant) {
    let mut session = Session::new(Options::default(), Instant::now());
    let now = connect(&mut session, Instant::now(), 0x77, 9000);
    (session, now)
}

fn connect(session: &mut Session<u32>, now: Instant, id: i64, timeout_ms: i32) -> Instant {
    session.connected("a:1".into(), now, now + SECOND);
    session.take_output();
    session.received(&answer(id, timeout_ms), now).unwrap();
    now
}

fn answer(id: i64, timeout_ms: i32) -> BytesMut {
    let mut body = BytesMut::new();
    body.put_i32(0);
    body.put_i32(timeout_ms);
    body.put_i64(id);
    put_buffer(&mut body, &[5; 16]);
    put_bool(&mut body, false);
    framed(&body)
}

fn framed(body: &[u8]) -> BytesMut {
    let mut frame = BytesMut::new();
    put_buffer(&mut frame, body);
    frame
}

fn reply(xid: i32, zxid: i64, error: i32, body: &[u8]) -> BytesMut {
    let mut packet = BytesMut::new();
    packet.put_i32(xid);
    packet.put_i64(zxid);
    packet.put_i32(error);
    packet.put_slice(body);
    framed(&packet)
}

/// The ends of operations so far.
fn ended(session: &mut Session<u32>) -> Vec<(u32, Result<Bytes, Error>)> {
    let events = std::iter::from_fn(|| session.next_event());
    events
        .filter_map(|event| if let Event::Ended(waiter, result) = event { Some((waiter, result)) } else { None })
        .collect()
}

#[test]
fn handshake_has_its_bytes_and_opens_the_session() {
    let mut session: Session<u32> = Session::new(Options::default(), Instant::now());
    let now = Instant::now();
    session.connected("a:1".into(), now, now + SECOND);
    let expected =
        [&[0, 0, 0, 45, 0, 0, 0, 0][..], &[0; 8], &10_000_i32.to_be_bytes(), &[0; 8], &[0, 0, 0, 16], &[0; 17]];
    assert_eq!(session.take_output(), expected.concat());
    session.received(&answer(0x77, 9000), now).unwrap();
    let info = SessionInfo { id: 0x77, timeout: 9 * SECOND, server: "a:1".into(), connection: 1 };
    assert!(matches!(session.next_event(), Some(Event::State(State::Connected(shown))) if shown == info));
    // The first ping.
    assert_eq!(session.take_output()[..], [0, 0, 0, 8, 0xff, 0xff, 0xff, 0xfe, 0, 0, 0, 11]);
}

#[test]
fn pings_go_out_after_a_sixth_of_the_timeout_and_silence_ends_the_connection_after_a_third() {
    let (mut session, now) = open();
    session.take_output();
    let sixth = 1500 * MS;
    assert_eq!(session.deadline(), Some(now + sixth));
    session.tick(now + sixth).unwrap();
    assert_eq!(session.take_output()[4..8], (-2_i32).to_be_bytes());
    // Any byte counts, also the first ones of a packet.
    session.received(&reply(-2, 0, 0, &[])[..5], now + 2 * SECOND).unwrap();
    session.tick(now + 3 * SECOND).unwrap();
    session.tick(now + 3 * sixth).unwrap();
    assert_eq!(session.deadline(), Some(now + 5 * SECOND));
    let Broken(why) = session.tick(now + 5 * SECOND).unwrap_err();
    assert_eq!(why, "it was silent for 3s");
}

/// Opens a session of 9 s whose server takes `latency` for each answer. Nothing arrives after `silent_from`. Returns when
/// the client gives the connection up, and when the last byte arrived, both from the start.
fn given_up(latency: Duration, silent_from: Duration) -> (Duration, Duration) {
    let mut session: Session<u32> = Session::new(Options::default(), Instant::now());
    let begun = Instant::now();
    session.connected("a:1".into(), begun, begun + 9 * SECOND);
    session.take_output();
    session.received(&answer(0x77, 9000), begun + latency).unwrap();
    let (mut now, mut last) = (begun + latency, begun + latency);
    let mut answers = VecDeque::new();
    loop {
        if !session.take_output().is_empty() {
            answers.push_back(now + latency);
        }
        answers.retain(|at| *at <= begun + silent_from);
        let deadline = session.deadline().unwrap();
        if let Some(at) = answers.pop_front_if(|at| *at <= deadline) {
            (now, last) = (at, at);
            session.received(&reply(-2, 0, 0, &[]), now).unwrap();
        } else {
            now = deadline;
            if session.tick(now).is_err() {
                return (now - begun, last - begun);
            }
        }
    }
}

#[test]
fn server_that_falls_silent_at_any_time_is_left_within_a_third_of_the_timeout() {
    for latency in [Duration::ZERO, MS, 100 * MS, 1499 * MS, 1500 * MS] {
        let mut worst = Duration::ZERO;
        // From the start, in steps that meet each ping and each answer, and the milliseconds around them.
        for silent_from in (latency.as_millis()..8000).map(|ms| Duration::from_millis(ms as u64)) {
            worst = worst.max(given_up(latency, silent_from).0 - silent_from);
        }
        println!("answers after {latency:?}: at most {worst:?} from the silence to its end");
        assert!(worst <= 3 * SECOND, "answers after {latency:?}: {worst:?}");
        // Right after an answer is the worst time.
        let at = 2 * latency + 1500 * MS;
        assert_eq!(given_up(latency, at), (at + 3 * SECOND, at));
    }
}

#[test]
fn server_that_answers_slowly_and_steadily_is_not_left() {
    for latency in [Duration::ZERO, SECOND, 1500 * MS, 3 * SECOND, 4500 * MS] {
        let (end, _) = given_up(latency, 600 * SECOND);
        assert!(end > 600 * SECOND, "answers after {latency:?}: left after {end:?}");
    }
}

#[test]
fn operation_that_was_sent_is_lost_with_the_connection_and_one_that_was_not_waits() {
    let (mut session, now) = open();
    session.submit(Request::delete("/a", None), 1, now).unwrap();
    session.take_output();
    session.disconnected("reset", now);
    session.submit(Request::delete("/b", None), 2, now).unwrap();
    assert_eq!(ended(&mut session), [(1, Err(Error::Lost(Why::Disconnected)))]);
    connect(&mut session, now, 0x77, 9000);
    let sent = session.take_output();
    assert!(sent.windows(2).any(|part| part == b"/b") && !sent.windows(2).any(|part| part == b"/a"));
    session.received(&reply(2, 8, 0, b"body"), now).unwrap();
    assert_eq!(ended(&mut session), [(2, Ok(Bytes::from_static(b"body")))]);
}

#[test]
fn late_operations_end_at_their_deadline_and_their_answers_are_dropped() {
    let (mut session, now) = open();
    session.submit(Request::get("/a"), 1, now).unwrap();
    session.submit(Request::get("/b"), 2, now + SECOND).unwrap();
    session.tick(now + 10 * SECOND).unwrap_err();
    assert_eq!(ended(&mut session), [(1, Err(Error::Lost(Why::Deadline)))]);
    session.received(&reply(1, 8, 0, b"late"), now + 10 * SECOND).unwrap();
    session.received(&reply(2, 8, 0, b"in time"), now + 10 * SECOND).unwrap();
    assert_eq!(ended(&mut session), [(2, Ok(Bytes::from_static(b"in time")))]);

    session.disconnected("reset", now);
    session.submit(Request::get("/c"), 3, now).unwrap();
    assert_eq!(session.deadline(), Some(now + 10 * SECOND));
    session.tick(now + 10 * SECOND).unwrap();
    assert_eq!(ended(&mut session), [(3, Err(Error::NotSent(Why::Deadline)))]);
}

#[test]
fn expired_session_ends_its_operations_and_the_next_connect_asks_for_a_new_one() {
    let (mut session, now) = open();
    session.disconnected("reset", now);
    session.submit(Request::get("/c"), 3, now).unwrap();
    session.connected("a:1".into(), now, now + SECOND);
    assert_eq!(session.take_output()[20..28], 0x77_i64.to_be_bytes());
    session.received(&answer(0, 0), now).unwrap_err();
    assert_eq!(ended(&mut session), [(3, Err(Error::NotSent(Why::Expired)))]);
    session.disconnected("expired", now);
    session.connected("a:1".into(), now, now + SECOND);
    assert_eq!(session.take_output()[20..28], [0; 8]);
}

#[test]
fn queue_refuses_more_than_its_bounds() {
    let options = Options { requests_max: 2, request_bytes_max: 100, packet_bytes_max: 1000, ..Options::default() };
    let mut session: Session<u32> = Session::new(options, Instant::now());
    let now = Instant::now();
    let (_, error) = session.submit(Request::set("/a", &[0; 1000], None), 0, now).unwrap_err();
    assert_eq!(error, Error::RequestTooLarge { bytes: 1022, limit: 1000 });
    assert_eq!(session.submit(Request::set("/a", &[0; 100], None), 0, now), Err((0, Error::NotSent(Why::QueueFull))));
    session.submit(Request::get("/a"), 1, now).unwrap();
    session.submit(Request::get("/a"), 2, now).unwrap();
    assert_eq!(session.submit(Request::get("/a"), 3, now), Err((3, Error::NotSent(Why::QueueFull))));
    session.close(now);
    assert_eq!(session.submit(Request::get("/a"), 4, now), Err((4, Error::NotSent(Why::Closed))));
}

#[test]
fn oversized_reply_fails_its_operation_alone() {
    let options = Options { packet_bytes_max: 100, ..Options::default() };
    let mut session: Session<u32> = Session::new(options, Instant::now());
    let now = connect(&mut session, Instant::now(), 0x77, 9000);
    session.submit(Request::get("/a"), 1, now).unwrap();
    session.submit(Request::get("/b"), 2, now).unwrap();
    session.received(&reply(1, 8, 0, &[0; 1000]), now).unwrap();
    session.received(&reply(2, 8, 0, b"small"), now).unwrap();
    let too_large = Error::ReplyTooLarge { bytes: 1016, limit: 100 };
    assert_eq!(ended(&mut session), [(1, Err(too_large)), (2, Ok(Bytes::from_static(b"small")))]);
}

#[test]
fn bad_bytes_end_the_connection_and_say_why() {
    let in_handshake = |bytes: &[u8]| {
        let mut session: Session<u32> = Session::new(Options::default(), Instant::now());
        session.connected("a:1".into(), Instant::now(), Instant::now() + SECOND);
        session.received(bytes, Instant::now()).unwrap_err().0
    };
    assert_eq!(
        in_handshake(b"HTTP/1.1 400 Bad Request\r\n"),
        "it is no ZooKeeper server: its first packet has 1213486160 bytes"
    );
    assert_eq!(in_handshake(&framed(b"short")), "malformed ConnectResponse: 4 bytes needed, 1 left");
    assert_eq!(
        in_handshake(b""),
        "it closed the connection before it opened a session: it has no quorum, or older data, or speaks TLS only"
    );
    for (bytes, why) in [
        (reply(7, 1, 0, &[]), "an answer to request 7 came, and 1 was due"),
        (framed(&[1, 2]), "malformed ReplyHeader: 4 bytes needed, 2 left"),
        (BytesMut::from(&[0xff; 4][..]), "a packet of -1 bytes"),
        (reply(-1, 0, 0, &[0, 0]), "malformed WatcherEvent: 4 bytes needed, 2 left"),
        (reply(-4, 0, 0, &[]), "an answer to credentials came, and none was due"),
    ] {
        let (mut session, now) = open();
        session.submit(Request::get("/a"), 1, now).unwrap();
        assert_eq!(session.received(&bytes, now), Err(Broken(why.into())));
    }
}

#[test]
fn watches_are_set_again_with_the_last_transaction_and_their_watchers_learn_that_events_may_be_missing() {
    let (mut session, now) = open();
    let id = session.watch("/a", WatchMode::Recursive, 1, now).unwrap();
    session.received(&reply(1, 0x1234, 0, &[]), now).unwrap();
    let mut event = BytesMut::new();
    event.put_i32(2);
    event.put_i32(3);
    put_string(&mut event, "/a/b");
    session.received(&reply(-1, -1, 0, &event), now).unwrap();
    let deleted = WatchEvent { kind: EventKind::Deleted, path: "/a/b".into() };
    let last = std::iter::from_fn(|| session.next_event()).last();
    assert!(matches!(last, Some(Event::Changed(ids, event)) if ids == [id] && event == deleted));

    session.disconnected("reset", now);
    session.connected("a:1".into(), now, now + SECOND);
    assert_eq!(session.take_output()[8..16], 0x1234_i64.to_be_bytes());
    session.received(&answer(0x77, 9000), now).unwrap();
    let set = [
        &(-8_i32).to_be_bytes()[..],
        &[0, 0, 0, 105],
        &0x1234_i64.to_be_bytes(),
        &[0; 16],
        &[0, 0, 0, 1, 0, 0, 0, 2],
        b"/a",
    ];
    assert_eq!(session.take_output()[4..46], set.concat());
    let missed = WatchEvent { kind: EventKind::Missed, path: "/a".into() };
    let last = std::iter::from_fn(|| session.next_event()).last();
    assert!(matches!(last, Some(Event::Changed(ids, event)) if ids == [id] && event == missed));
}

#[test]
fn client_that_no_server_takes_for_a_session_timeout_accepts_older_data() {
    let (mut session, now) = open();
    session.received(&reply(-2, 0x1234, 0, &[]), now).unwrap();
    session.disconnected("reset", now);
    for (seconds, zxid) in [(1, 0x1234), (8, 0x1234), (9, 0x1234), (10, 0)] {
        let at = now + seconds * SECOND;
        session.connected("a:1".into(), at, at + SECOND);
        assert_eq!(session.take_output()[8..16], i64::to_be_bytes(zxid), "after {seconds} s");
        session.disconnected("it closed the connection", at);
    }
}
