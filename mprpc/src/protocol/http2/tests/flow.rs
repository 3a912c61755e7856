//! Flow control: what the peer's windows admit, what waits, and what this side grants.

use super::*;
use crate::limits::Limits;

const WINDOW: usize = INITIAL_WINDOW as usize;

/// A server with requests on the streams 1, 3 and 5, all of which have ended.
fn server(settings: &[(u16, u32)]) -> Side {
    let mut side = Side::server(settings);
    side.receive(&[1, 3, 5].map(|id| head(id, flag::END_STREAM)).concat()).unwrap();
    side.events.clear();
    side
}

/// The bytes of DATA frames that were sent on each stream, and the streams that ended.
fn sent(side: &mut Side) -> (Vec<(u32, usize)>, Vec<u32>) {
    let frames = side.out.take();
    let data = frames.iter().filter(|frame| frame.kind == kind::DATA);
    let ended = frames.iter().filter(|frame| frame.flags & flag::END_STREAM != 0 && frame.kind != kind::SETTINGS);
    (data.map(|frame| (frame.stream, frame.payload.len())).collect(), ended.map(|frame| frame.stream).collect())
}

#[test]
fn reply_larger_than_the_window_is_cut_and_goes_on_with_the_window() {
    let mut side = server(&[]);
    side.data(1, 100_000, true);
    assert_eq!(side.connection.pending_bytes(1), 100_000 - WINDOW);
    let (data, ended) = sent(&mut side);
    assert_eq!((data, ended), (vec![(1, 16_384), (1, 16_384), (1, 16_384), (1, 16_383)], vec![]));
    side.receive(&window_update(1, 50_000)).unwrap();
    assert_eq!(sent(&mut side), (vec![], vec![]), "the window of the connection is used up");
    side.receive(&window_update(0, 1000)).unwrap();
    assert_eq!(sent(&mut side), (vec![(1, 1000)], vec![]));
    side.receive(&window_update(0, 100_000)).unwrap();
    assert_eq!(sent(&mut side), (vec![(1, 16_384), (1, 16_384), (1, 697)], vec![1]));
    assert_eq!((side.connection.pending_bytes(1), side.connection.held_bytes(), side.connection.len()), (0, 0, 2));
    assert_eq!(side.connection.take_relieved(), [1, 1, 1]);
}

#[test]
fn window_may_be_filled_to_its_last_byte() {
    for (bytes, waits) in [(1000, 0), (1001, 1)] {
        let mut side = server(&[(setting::INITIAL_WINDOW_SIZE, 1000)]);
        side.data(1, bytes, false);
        assert_eq!(sent(&mut side).0, [(1, 1000)]);
        assert_eq!(side.connection.pending_bytes(1), waits);
        side.receive(&window_update(1, 1)).unwrap();
        assert_eq!(sent(&mut side).0.len(), waits);
    }
}

#[test]
fn frames_are_as_long_as_the_peer_takes_them() {
    let mut side = server(&[(setting::MAX_FRAME_SIZE, 20_000)]);
    side.data(1, 20_000, false);
    side.data(1, 20_001, false);
    assert_eq!(sent(&mut side).0, [(1, 20_000), (1, 20_000), (1, 1)]);
}

#[test]
fn message_of_nearly_64_kib_comes_in_one_frame_from_a_peer_that_knows_the_settings() {
    let mut greeting = BytesMut::new();
    OwnSettings::of(&Limits::default()).encode(&mut greeting, false);
    let mut peer = Side::new(true, OWN);
    peer.receive(&[&greeting[..], &head(1, flag::END_STREAM)].concat()).unwrap();
    peer.data(1, 65_500, true);
    assert_eq!(sent(&mut peer), (vec![(1, 65_500)], vec![1]));
}

#[test]
fn trailers_follow_what_waits() {
    let mut side = server(&[(setting::INITIAL_WINDOW_SIZE, 10)]);
    side.head(1);
    side.data(1, 25, false);
    side.connection.send_trailers(1, &mut side.out, |fields| fields.field(b"grpc-status", b"0"));
    let shapes = side.out.shapes();
    assert_eq!(shapes.last(), Some(&(kind::DATA, 0, 1, 10)));
    side.data(1, 1000, false);
    side.connection.send_end(1, &mut side.out);
    side.connection.send_trailers(1, &mut side.out, |_| panic!("the stream has ended already"));
    assert_eq!(side.out.shapes(), []);
    side.receive(&window_update(1, 14)).unwrap();
    assert_eq!(side.out.shapes(), [(kind::DATA, 0, 1, 14)]);
    side.receive(&window_update(1, 1)).unwrap();
    let frames = side.out.take();
    assert_eq!((frames[0].payload.len(), frames[1].kind, frames.len()), (1, kind::HEADERS, 2));
    assert_eq!(frames[1].flags, flag::END_HEADERS | flag::END_STREAM);
    assert_eq!(side.connection.len(), 2);
}

#[test]
fn settings_change_the_windows_of_open_streams_and_may_make_them_negative() {
    let mut side = server(&[(setting::INITIAL_WINDOW_SIZE, 1000)]);
    side.data(1, 800, false);
    side.data(3, 1500, true);
    assert_eq!(sent(&mut side).0, [(1, 800), (3, 1000)]);
    // 1 has 200 left, 3 nothing. Both have 600 less now.
    side.receive(&settings(&[(setting::INITIAL_WINDOW_SIZE, 400)])).unwrap();
    side.data(1, 100, false);
    assert_eq!(sent(&mut side).0, []);
    side.receive(&window_update(1, 400)).unwrap();
    assert_eq!(sent(&mut side).0, [], "the window is 0 now");
    side.receive(&window_update(1, 30)).unwrap();
    assert_eq!(sent(&mut side).0, [(1, 30)]);
    side.receive(&settings(&[(setting::INITIAL_WINDOW_SIZE, 1200)])).unwrap();
    let (mut data, ended) = sent(&mut side);
    data.sort();
    assert_eq!((data, ended), (vec![(1, 70), (3, 200)], vec![]));
    side.receive(&settings(&[(setting::INITIAL_WINDOW_SIZE, 1500)])).unwrap();
    assert_eq!(sent(&mut side), (vec![(3, 300)], vec![3]));
}

#[test]
fn end_needs_no_window() {
    let mut side = server(&[(setting::INITIAL_WINDOW_SIZE, 100)]);
    side.data(1, 100, false);
    side.data(3, 100, false);
    side.data(5, 0, false);
    side.receive(&settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])).unwrap();
    side.data(1, 0, true);
    side.connection.send_end(3, &mut side.out);
    side.connection.send_trailers(5, &mut side.out, |_| {});
    assert_eq!(sent(&mut side).1, [1, 3, 5]);
    assert_eq!(side.connection.len(), 0);
}

#[test]
fn windows_may_grow_up_to_the_largest_and_no_further() {
    let largest = i32::MAX as u32;
    for (surplus, fits) in [(0, true), (1, false)] {
        let mut side = server(&[]);
        side.receive(&window_update(1, largest - INITIAL_WINDOW + surplus)).unwrap();
        let expected = [(kind::RST_STREAM, 0, 1, 4)];
        assert_eq!(side.out.shapes(), if fits { &[][..] } else { &expected });
        let reset = Event::Reset { id: 1, code: ErrorCode::FlowControlError as u32, by_peer: false };
        assert_eq!(side.events, if fits { vec![] } else { vec![reset] });

        let result = server(&[]).receive(&window_update(0, largest - INITIAL_WINDOW + surplus));
        assert_eq!(result.is_ok(), fits);

        let mut side = server(&[]);
        side.receive(&window_update(1, largest - 70_000)).unwrap();
        let result = side.receive(&settings(&[(setting::INITIAL_WINDOW_SIZE, 70_000 + surplus)]));
        assert_eq!(result.map_err(|violation| violation.code), {
            if fits { Ok(()) } else { Err(ErrorCode::FlowControlError) }
        });
    }
}

#[test]
fn blocked_streams_take_turns_on_the_window_of_the_connection() {
    let mut side = server(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
    side.data(1, WINDOW + 100, true);
    side.data(3, 100, true);
    side.data(5, 100, true);
    sent(&mut side);
    side.receive(&window_update(0, 50)).unwrap();
    assert_eq!(sent(&mut side).0, [(1, 50)]);
    side.receive(&window_update(0, 150)).unwrap();
    assert_eq!(sent(&mut side).0, [(3, 100), (5, 50)]);
    side.receive(&window_update(0, 1000)).unwrap();
    assert_eq!(sent(&mut side).0, [(1, 50), (5, 50)]);
}

#[test]
fn reset_drops_what_waits_and_gives_room_to_others() {
    let mut side = server(&[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
    side.data(1, WINDOW + 5000, true);
    side.data(3, 300, true);
    side.data(5, 200, false);
    assert_eq!(side.connection.held_bytes(), 5500);
    side.receive(&reset(1)).unwrap();
    side.connection.reset(5, ErrorCode::Cancel, &mut side.out);
    assert_eq!(side.connection.held_bytes(), 300);
    sent(&mut side);
    side.receive(&window_update(0, 1000)).unwrap();
    assert_eq!(sent(&mut side).0, [(3, 300)]);
    side.data(5, 10, true);
    side.head(1);
    assert_eq!(side.out.shapes(), [], "the streams are closed");
}

#[test]
fn streams_that_come_and_go_leave_nothing_in_the_queue() {
    let mut side = Side::server(&[]);
    side.receive(&head(1, flag::END_STREAM)).unwrap();
    side.data(1, WINDOW + 1, true);
    for count in 0..90 {
        let id = 3 + 2 * count;
        side.receive(&head(id, flag::END_STREAM)).unwrap();
        side.data(id, 10, false);
        side.receive(&reset(id)).unwrap();
    }
    assert!(side.connection.blocked.len() <= 3, "{}", side.connection.blocked.len());
}

/// The increments that were sent on a stream.
fn granted(side: &mut Side, id: u32) -> Vec<u32> {
    let updates = side.out.take().into_iter().filter(|frame| frame.kind == kind::WINDOW_UPDATE && frame.stream == id);
    updates.map(|frame| u32::from_be_bytes(frame.payload.try_into().unwrap())).collect()
}

#[test]
fn window_of_a_stream_is_enforced_to_its_last_byte() {
    for (surplus, fits) in [(0, true), (1, false)] {
        let mut side = Side::server(&[]);
        side.receive(&head(1, 0)).unwrap();
        let bytes = OWN.stream_window as usize;
        side.receive(&[data(1, 0, 16_384).repeat(bytes / 16_384), data(1, 0, bytes % 16_384 + surplus)].concat())
            .unwrap();
        let reset = Event::Reset { id: 1, code: ErrorCode::FlowControlError as u32, by_peer: false };
        assert_eq!(side.events.contains(&reset), !fits);
    }
}

#[test]
fn window_of_the_connection_is_enforced_to_its_last_byte() {
    for (surplus, fits) in [(0, true), (1, false)] {
        let mut side = Side::server(&[]);
        side.receive(&[1, 3, 5].map(|id| head(id, 0)).concat()).unwrap();
        // What arrives is granted again at once. So the window shrinks only as far as grants are not announced.
        side.connection.receive_window = 20_000;
        side.receive(&data(1, 0, 10_000)).unwrap();
        let result = side.receive(&data(3, 0, 10_000 + surplus));
        assert_eq!(result.map_err(|violation| violation.code), {
            if fits { Ok(()) } else { Err(ErrorCode::FlowControlError) }
        });
    }
}

#[test]
fn grants_are_announced_once_they_are_worth_a_frame() {
    let mut side = Side::server(&[]);
    side.receive(&[head(1, 0), data(1, 0, 10_000).repeat(10)].concat()).unwrap();
    assert!(granted(&mut side, 0).is_empty(), "less than half of the window of the connection");
    side.connection.grant(1, 49_999, &mut side.out);
    assert!(granted(&mut side, 1).is_empty());
    side.connection.grant(1, 1, &mut side.out);
    assert_eq!(granted(&mut side, 1), [50_000]);
    side.receive(&data(1, 0, 10_000).repeat(3)).unwrap();
    assert_eq!(granted(&mut side, 0), [130_000]);
    side.receive(&data(1, flag::END_STREAM, 10_000)).unwrap();
    side.connection.grant(1, 80_000, &mut side.out);
    assert!(granted(&mut side, 1).is_empty(), "the peer sends nothing more");
}

#[test]
fn padding_counts_and_is_granted_again_at_once() {
    let mut side = Side::server(&[]);
    side.receive(&head(1, 0)).unwrap();
    let padded = frame(kind::DATA, flag::PADDED, 1, &[&[99][..], b"x", &[0; 99]].concat());
    for _ in 0..1000 {
        side.receive(&padded).unwrap();
        side.connection.grant(1, 1, &mut side.out);
    }
    let announced: u32 = granted(&mut side, 1).into_iter().sum();
    assert!(announced > 1000 * 101 - OWN.stream_window / 2, "{announced}");
}

#[test]
fn data_that_crosses_a_reset_is_granted_on_the_connection() {
    let mut side = Side::server(&[]);
    side.receive(&head(1, 0)).unwrap();
    side.connection.reset(1, ErrorCode::Cancel, &mut side.out);
    side.receive(&data(1, 0, 10_000).repeat(100)).unwrap();
    assert_eq!(granted(&mut side, 0).into_iter().sum::<u32>(), 910_000);
    assert!(side.events.iter().all(|event| matches!(event, Event::Head { .. })));
}

#[test]
fn peer_that_has_not_read_the_settings_keeps_to_the_default_window() {
    let mut side = Side::new(true, OwnSettings { stream_window: 1000, ..OWN });
    side.receive(&[settings(&[]), head(1, 0), data(1, 0, 13_107).repeat(5)].concat()).unwrap();
    assert_eq!(side.events.len(), 6);
    side.receive(&data(1, 0, 1)).unwrap();
    assert_eq!(side.events[6], Event::Reset { id: 1, code: 3, by_peer: false });
}
