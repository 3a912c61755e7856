//! Callers that make the server wait: windows that stay closed, slow readers, requests that do not end, and the memory that
//! all of them hold.

use super::*;

/// A caller whose windows admit `window` bytes of each reply, and 65,535 more than `of_connection` of all replies.
fn narrow(window: u32, of_connection: u32) -> Caller {
    let mut caller = Caller::of(raw::peer_with_window(Limits::default(), WINDOW));
    caller.greet(&[(setting::INITIAL_WINDOW_SIZE, window)]);
    caller.send(&window_update(0, of_connection));
    caller
}

#[tokio::test(start_paused = true)]
async fn reply_that_the_window_never_admits_is_reset_at_write_timeout() {
    let bound = Limits::default().write_timeout;
    let mut caller = narrow(1000, 1 << 20);
    let id = caller.call("Large", b"");
    caller.listen().await;
    assert!(caller.stats().memory_bytes > 60_000, "{:?}", caller.stats());
    let begin = Instant::now();
    while caller.answer(id).await.reset.is_none() {
        assert!(begin.elapsed() <= bound, "the reply is held for ever");
    }
    assert!(begin.elapsed() >= bound - ms(5), "{:?}", begin.elapsed());
    assert_eq!((caller.reply(id).body.len(), caller.reply(id).reset), (1000, Some(ErrorCode::Cancel as u32)));
    assert_eq!(caller.stats().memory_bytes, 0);
    let small = caller.call("Echo", b"fits");
    assert_eq!(caller.answer(small).await.message(), "fits");
}

#[tokio::test(start_paused = true)]
async fn window_that_goes_on_within_write_timeout_keeps_the_reply() {
    let bound = Limits::default().write_timeout;
    let mut caller = narrow(0, 1 << 20);
    let id = caller.call("Large", b"");
    for _ in 0..30 {
        caller.listen().await;
        sleep(bound - ms(10)).await;
        caller.send(&window_update(id, 2200));
    }
    let reply = caller.answer(id).await;
    assert_eq!((reply.message().len(), reply.status().0, reply.reset), (LARGE_BYTES, 0, None));
    // A window of the connection that goes on keeps those that wait for their turn.
    let mut caller = narrow(1 << 20, 6);
    let first = caller.call("Large", b"");
    let second = caller.call("Large", b"");
    let third = caller.call("Large", b"");
    for _ in 0..20 {
        caller.listen().await;
        sleep(bound - ms(10)).await;
        caller.send(&window_update(0, 7000));
    }
    caller.listen().await;
    assert!([first, second, third].iter().all(|id| caller.reply(*id).message().len() == LARGE_BYTES));
}

#[tokio::test(start_paused = true)]
async fn closed_window_of_the_connection_resets_every_reply_at_write_timeout() {
    // The window of the connection admits the first reply.
    let mut caller = narrow(1 << 20, 6);
    let ids: Vec<u32> = (0..10).map(|_| caller.call("Large", b"")).collect();
    caller.listen().await;
    sleep(Limits::default().write_timeout).await;
    caller.listen().await;
    let resets = ids.iter().filter(|id| caller.reply(**id).reset.is_some()).count();
    assert_eq!((resets, caller.stats().memory_bytes), (9, 0));
}

#[tokio::test(start_paused = true)]
async fn reply_stream_waits_for_its_caller_without_a_bound_and_holds_little() {
    let mut caller = narrow(1000, 1 << 20);
    let id = caller.call("Count", &[100_000u32.to_le_bytes(), 1000u32.to_le_bytes()].concat());
    caller.listen().await;
    assert!((250_000..300_000).contains(&caller.stats().memory_bytes), "{:?}", caller.stats());
    for _ in 0..30 {
        // The caller is alive, and answers PINGs.
        sleep(ms(1000)).await;
        caller.listen().await;
    }
    assert_eq!(caller.reply(id).reset, None);
    caller.send(&reset(id));
    caller.listen().await;
    assert_eq!(caller.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn slow_reader_of_a_large_reply_gets_it_whole_and_the_server_holds_little_more_than_the_reply() {
    let large = All::new(|_, _| async { Ok(Body::Message(Bytes::from(vec![7; 4 << 20]))) });
    let shared = Server::default().add(large).share().unwrap();
    let mut caller = Caller::of(peer_of(shared.clone(), 4 << 10));
    caller.greet(&[(setting::INITIAL_WINDOW_SIZE, 1 << 30)]);
    caller.send(&window_update(0, 1 << 30));
    let id = caller.call("One", b"");
    // It reads 64 KiB a second, so the whole takes a minute.
    while !caller.reply(id).is_ended {
        let mut arrived = BytesMut::new();
        assert!(caller.peer.read_some(&mut arrived).await > 0);
        caller.input.unsplit(arrived);
        caller.take_frames();
        assert!(shared.stats().memory_bytes < 5 << 20, "{:?}", shared.stats());
        sleep(ms(60)).await;
    }
    assert_eq!(caller.reply(id).message().len(), 4 << 20);
}

#[tokio::test(start_paused = true)]
async fn reader_that_stops_loses_its_connection_at_write_timeout() {
    let mut caller = Caller::of(raw::peer_with_window(Limits::default(), 4 << 10));
    caller.greet(&[(setting::INITIAL_WINDOW_SIZE, 1 << 30)]);
    caller.call("Large", b"");
    let begin = Instant::now();
    let raw::Peer { reader: _reader, writer: _writer, server, shared } = caller.peer;
    assert_eq!(server.await.unwrap(), Close::WriteTimeout);
    assert_eq!(begin.elapsed().as_secs(), Limits::default().write_timeout.as_secs());
    assert_eq!(shared.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn request_whose_message_does_not_arrive_is_refused_at_read_timeout() {
    let bound = Limits::default().read_timeout;
    let mut caller = caller(Limits::default());
    let silent = caller.open("Echo");
    let cut = caller.open("Echo");
    caller.body(cut, &message(&[7; 1000])[..500], false);
    let not_ended = caller.open("Echo");
    caller.body(not_ended, &message(b"whole"), false);
    let goes_on = caller.open("Echo");
    let stream = caller.open("Talk");
    for byte in message(b"on") {
        sleep(ms(1900)).await;
        caller.body(goes_on, &[byte], false);
        caller.listen().await;
        if caller.reply(silent).is_ended {
            break;
        }
    }
    for id in [silent, cut, not_ended] {
        let reply = caller.reply(id);
        assert_eq!((reply.status().0, reply.reset), (CANCELLED, Some(0)), "{id}");
        assert!(reply.status().1.contains("read_timeout 10s"), "{reply:?}");
    }
    assert_eq!((caller.reply(goes_on), caller.reply(stream).is_ended), (Reply::default(), false));
    sleep(bound - ms(50)).await;
    caller.body(goes_on, b"n", true);
    assert_eq!(caller.answer(goes_on).await.message(), "on");
    caller.body(stream, &message(b"late"), true);
    assert_eq!(caller.answer(stream).await.message(), "late", "a stream may be silent");
}

#[tokio::test(start_paused = true)]
async fn request_that_asks_for_no_call_and_never_ends_is_answered_at_read_timeout() {
    let mut caller = caller(Limits::default());
    let id = caller.open_with("Echo", &[("content-type", "text/plain")], 0);
    sleep(Limits::default().read_timeout - ms(100)).await;
    caller.body(id, b"more", false);
    caller.listen().await;
    assert_eq!(caller.reply(id), Reply::default());
    sleep(Limits::default().read_timeout).await;
    assert_eq!(caller.answer(id).await.field(":status"), Some("415"));
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn request_whose_deadline_passes_before_its_message_arrives_is_refused() {
    let mut caller = caller(Limits::default());
    let id = caller.open_with("Echo", &[("grpc-timeout", "50m")], 0);
    let begin = Instant::now();
    while !caller.answer(id).await.is_ended {}
    assert_eq!(caller.reply(id).status(), (EXPIRED, "the deadline passed before the handler began"));
    assert!((50..55).contains(&begin.elapsed().as_millis()), "{:?}", begin.elapsed());
    caller.is_served().await;
}

#[tokio::test(start_paused = true)]
async fn requests_that_are_not_complete_count_as_memory_until_they_end() {
    let limits = Limits {
        memory_bytes_max: Some(10_000_000),
        connection_memory_bytes_max: Some(1_000_000),
        read_timeout: Duration::MAX,
        ..Limits::default()
    };
    let mut caller = caller(limits);
    // Half a message, a message without its end, metadata alone, and half a message of a stream.
    let half = caller.open("Echo");
    caller.body(half, &message(&[7; 100_000])[..50_000], false);
    let whole = caller.open("Echo");
    caller.body(whole, &message(&[7; 50_000]), false);
    let head = caller.open_with("Echo", &[("key", &"v".repeat(10_000))], 0);
    let stream = caller.open("Deaf");
    caller.body(stream, &message(&[7; 100_000])[..50_000], false);
    caller.listen().await;
    let held = caller.stats().memory_bytes;
    assert!((160_000..170_000).contains(&held), "{held}");
    for (id, bytes) in [(half, 50_000), (whole, 50_000), (head, 10_000), (stream, 50_000)] {
        let before = caller.stats().memory_bytes;
        caller.send(&reset(id));
        caller.listen().await;
        assert!(caller.stats().memory_bytes + bytes <= before, "{id}");
    }
    assert_eq!(caller.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn connection_beyond_connection_memory_bytes_max_pauses_and_then_refuses() {
    let limits = Limits {
        memory_bytes_max: Some(10_000_000),
        connection_memory_bytes_max: Some(200_000),
        read_timeout: Duration::from_secs(3600),
        ..Limits::default()
    };
    let mut caller = caller(limits.clone());
    let half = message(&[7; 100_000])[..50_000].to_vec();
    let ids: Vec<u32> = (0..8)
        .map(|_| {
            let id = caller.open("Echo");
            caller.body(id, &half, false);
            id
        })
        .collect();
    caller.listen().await;
    let stats = caller.stats();
    // The fourth request exceeds the limit. What has arrived with it waits undecoded.
    assert_eq!((stats.calls, stats.memory_pauses), (4, 1));
    let mut other = caller_of(&caller.peer.shared);
    other.is_served().await;
    // After memory_pause_max it is read from again, and what would hold more is refused.
    sleep(limits.memory_pause_max).await;
    caller.listen().await;
    let refused = ids.iter().filter(|id| caller.reply(**id).is_ended).count();
    assert!(refused >= 4, "{refused}");
    let text = caller.replies.values().find(|reply| reply.is_ended).unwrap().status().1.to_owned();
    assert!(text.contains("connection_memory_bytes_max 200000"), "{text}");
    // A request that has begun may not hold more either.
    caller.body(ids[0], &half[..10_000], false);
    assert_eq!(caller.answer(ids[0]).await.status().0, EXHAUSTED);
    ids.iter().for_each(|id| caller.send(&reset(*id)));
    caller.listen().await;
    caller.is_served().await;
    assert_eq!(caller.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn unread_request_stream_holds_no_more_than_its_window_and_a_message() {
    let mut caller = caller(Limits { stream_window_bytes: 300_000, ..Limits::default() });
    let id = caller.open("Deaf");
    let part = message(&[7; 10_000]);
    let mut sent = 0;
    // A caller that keeps to the window stops here.
    while sent + part.len() as u64 <= 300_000 + caller.granted.get(&id).copied().unwrap_or(0) {
        caller.body(id, &part, false);
        sent += part.len() as u64;
        caller.listen().await;
    }
    assert!((290_000..=310_000).contains(&sent), "{sent}");
    for _ in 0..5 {
        caller.body(id, &part, false);
    }
    assert_eq!(caller.answer(id).await.reset, Some(ErrorCode::FlowControlError as u32));
    assert_eq!(caller.stats().memory_bytes, 0);
}

#[tokio::test(start_paused = true)]
async fn message_longer_than_the_window_of_its_stream_arrives() {
    let mut caller = caller(Limits { stream_window_bytes: 70_000, ..Limits::default() });
    for name in ["Echo", "Talk"] {
        let id = caller.open(name);
        let whole = message(&vec![7; 1 << 20]);
        let mut sent = 0;
        while sent < whole.len() {
            let window = 70_000 + caller.granted.get(&id).copied().unwrap_or(0) as usize - sent;
            assert!(window > 0, "{name} is stuck at {sent}");
            let next = (sent + window.min(16_384)).min(whole.len());
            caller.body(id, &whole[sent..next], next == whole.len());
            sent = next;
            caller.listen().await;
        }
        assert_eq!(caller.answer(id).await.message().len(), 1 << 20);
    }
}

#[tokio::test(start_paused = true)]
async fn part_of_a_message_is_charged_until_the_message_is_complete() {
    let mut caller = caller(Limits::default());
    let id = caller.open_with("Sum", &[], 0);
    caller.listen().await;
    let idle = caller.stats().memory_bytes;
    let whole = message(&[1; 5000]);
    caller.body(id, &whole[..3000], false);
    caller.listen().await;
    assert!(caller.stats().memory_bytes > idle + 2900, "{:?}", caller.stats());
    caller.body(id, &whole[3000..], false);
    caller.listen().await;
    assert_eq!(caller.stats().memory_bytes, idle);
}
