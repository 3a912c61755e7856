//! What breaks the rules of RFC 9113, and what floods a server with frames that carry no call.

use super::*;

/// What the server makes of the last frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Fine,
    /// The stream is reset.
    Stream(u32, ErrorCode),
    /// The connection ends.
    Connection(ErrorCode),
}

use ErrorCode::{FlowControlError, FrameSizeError, ProtocolError, RefusedStream, StreamClosed};
use Outcome::{Connection as Ends, Fine, Stream as Resets};

/// A server with an open stream 1, a stream 3 whose request has ended, a stream 5 that the client has reset, and a stream
/// 7 that the server has reset.
fn server() -> Side {
    let mut side = Side::server(&[]);
    side.receive(&[head(1, 0), head(3, flag::END_STREAM), head(5, 0), reset(5), head(7, 0)].concat()).unwrap();
    side.connection.reset(7, ErrorCode::Cancel, &mut side.out);
    side.out.take();
    side.events.clear();
    side
}

fn outcome(bytes: &[u8]) -> Outcome {
    let mut side = server();
    if let Err(violation) = side.receive(bytes) {
        return Ends(violation.code);
    }
    let resets: Vec<_> = side.out.take().into_iter().filter(|frame| frame.kind == kind::RST_STREAM).collect();
    let [Frame { stream, payload, .. }] = &resets[..] else {
        assert_eq!(resets, []);
        return Fine;
    };
    let codes = [FlowControlError, FrameSizeError, ProtocolError, RefusedStream, StreamClosed];
    Resets(*stream, codes.into_iter().find(|known| code(*known) == *payload).unwrap())
}

#[test]
fn each_frame_is_allowed_in_its_place_only() {
    let ends = flag::END_STREAM;
    let of_itself = |stream: u32| [&stream.to_be_bytes()[..], &[16]].concat();
    let with_priority = |on: u32| [&of_itself(on)[..], &block(&REQUEST)].concat();
    let priority_flags = flag::END_HEADERS | flag::PRIORITY;
    let cases: &[(&str, Vec<u8>, Outcome)] = &[
        ("DATA on an open stream", data(1, 0, 10), Fine),
        ("DATA on the connection", data(0, 0, 10), Ends(ProtocolError)),
        ("DATA on an idle stream", data(9, 0, 10), Ends(ProtocolError)),
        ("DATA on an idle stream of the server", data(2, 0, 10), Ends(ProtocolError)),
        ("DATA behind the end", data(3, 0, 10), Resets(3, StreamClosed)),
        ("a second end", data(3, ends, 0), Resets(3, StreamClosed)),
        ("DATA behind the client's reset", data(5, 0, 10), Resets(5, StreamClosed)),
        ("DATA that crosses the server's reset", data(7, 0, 10), Fine),
        ("a new stream", head(9, 0), Fine),
        ("a new stream after a gap", head(99, 0), Fine),
        ("HEADERS on the connection", head(0, 0), Ends(ProtocolError)),
        ("HEADERS on an even stream", head(10, 0), Ends(ProtocolError)),
        ("a stream below the last one", [head(99, 0), head(9, 0)].concat(), Ends(ProtocolError)),
        ("trailers", head(1, ends), Fine),
        ("HEADERS without the end in the middle of a request", head(1, 0), Resets(1, ProtocolError)),
        ("HEADERS behind the end", head(3, ends), Resets(3, StreamClosed)),
        ("HEADERS behind the client's reset", head(5, 0), Ends(StreamClosed)),
        ("HEADERS that cross the server's reset", head(7, ends), Fine),
        ("HEADERS shorter than their priority", frame(kind::HEADERS, priority_flags, 9, &[0; 4]), Ends(FrameSizeError)),
        ("a priority", frame(kind::HEADERS, priority_flags, 9, &with_priority(1)), Fine),
        ("HEADERS that depend on themselves", frame(kind::HEADERS, priority_flags, 9, &with_priority(9)), {
            Ends(ProtocolError)
        }),
        ("PRIORITY", frame(kind::PRIORITY, 0, 1, &of_itself(3)), Fine),
        ("PRIORITY on an idle stream", frame(kind::PRIORITY, 0, 99, &of_itself(3)), Fine),
        ("PRIORITY on the connection", frame(kind::PRIORITY, 0, 0, &of_itself(3)), Ends(ProtocolError)),
        ("PRIORITY of 4 bytes", frame(kind::PRIORITY, 0, 1, &[0; 4]), Resets(1, FrameSizeError)),
        ("PRIORITY of 6 bytes on an idle stream", frame(kind::PRIORITY, 0, 9, &[0; 6]), Ends(FrameSizeError)),
        ("PRIORITY on itself", frame(kind::PRIORITY, 0, 1, &of_itself(1)), Ends(ProtocolError)),
        ("RST_STREAM", reset(1), Fine),
        ("a second RST_STREAM", reset(5), Fine),
        ("RST_STREAM on the connection", reset(0), Ends(ProtocolError)),
        ("RST_STREAM on an idle stream", reset(9), Ends(ProtocolError)),
        ("RST_STREAM on an idle stream of the server", reset(2), Ends(ProtocolError)),
        ("RST_STREAM of 3 bytes", frame(kind::RST_STREAM, 0, 1, &[0; 3]), Ends(FrameSizeError)),
        ("SETTINGS on a stream", frame(kind::SETTINGS, 0, 1, b""), Ends(ProtocolError)),
        ("SETTINGS of 5 bytes", frame(kind::SETTINGS, 0, 0, &[0; 5]), Ends(FrameSizeError)),
        ("SETTINGS of 7 bytes", frame(kind::SETTINGS, 0, 0, &[0; 7]), Ends(FrameSizeError)),
        ("an acknowledgement with settings", frame(kind::SETTINGS, flag::ACK, 0, &[0; 6]), Ends(FrameSizeError)),
        ("ENABLE_PUSH 1", settings(&[(setting::ENABLE_PUSH, 1)]), Fine),
        ("ENABLE_PUSH 2", settings(&[(setting::ENABLE_PUSH, 2)]), Ends(ProtocolError)),
        ("the largest window", settings(&[(setting::INITIAL_WINDOW_SIZE, i32::MAX as u32)]), Fine),
        ("a window of 2^31", settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)]), Ends(FlowControlError)),
        ("the smallest frames", settings(&[(setting::MAX_FRAME_SIZE, 1 << 14)]), Fine),
        ("frames of 2^14 - 1", settings(&[(setting::MAX_FRAME_SIZE, (1 << 14) - 1)]), Ends(ProtocolError)),
        ("the largest frames", settings(&[(setting::MAX_FRAME_SIZE, (1 << 24) - 1)]), Fine),
        ("frames of 2^24", settings(&[(setting::MAX_FRAME_SIZE, 1 << 24)]), Ends(ProtocolError)),
        ("PUSH_PROMISE", frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2]), Ends(ProtocolError)),
        ("PING on a stream", frame(kind::PING, 0, 1, b"12345678"), Ends(ProtocolError)),
        ("PING of 7 bytes", ping(0, b"1234567"), Ends(FrameSizeError)),
        ("PING of 9 bytes", ping(0, b"123456789"), Ends(FrameSizeError)),
        ("GOAWAY on a stream", frame(kind::GOAWAY, 0, 1, &[0; 8]), Ends(ProtocolError)),
        ("GOAWAY of 7 bytes", frame(kind::GOAWAY, 0, 0, &[0; 7]), Ends(FrameSizeError)),
        ("WINDOW_UPDATE of 3 bytes", frame(kind::WINDOW_UPDATE, 0, 1, &[0; 3]), Ends(FrameSizeError)),
        ("WINDOW_UPDATE on an idle stream", window_update(9, 1), Ends(ProtocolError)),
        ("WINDOW_UPDATE behind the end", window_update(3, 1), Fine),
        ("WINDOW_UPDATE on a closed stream", window_update(5, 1), Fine),
        ("WINDOW_UPDATE of nothing", window_update(1, 0), Resets(1, ProtocolError)),
        ("WINDOW_UPDATE of nothing on the connection", window_update(0, 0), Ends(ProtocolError)),
        ("CONTINUATION without HEADERS", frame(kind::CONTINUATION, 0, 1, b""), Ends(ProtocolError)),
        ("CONTINUATION on the connection", frame(kind::CONTINUATION, 0, 0, b""), Ends(ProtocolError)),
        ("a block that does not decode", frame(kind::HEADERS, flag::END_HEADERS, 9, &[0x80]), {
            Ends(ErrorCode::CompressionError)
        }),
    ];
    for (what, bytes, expected) in cases {
        assert_eq!(outcome(bytes), *expected, "{what}");
    }
}

#[test]
fn first_frame_has_to_be_settings() {
    for first in [head(1, 0), ping(0, b"12345678"), data(1, 0, 1), frame(77, 0, 0, b"")] {
        assert_eq!(Side::new(true, OWN).violates(&first), ProtocolError);
    }
}

#[test]
fn nothing_comes_between_a_header_block_and_its_continuation() {
    let begun = frame(kind::HEADERS, 0, 9, &block(&REQUEST));
    for between in [
        data(1, 0, 1),
        head(9, 0),
        reset(9),
        settings(&[]),
        ping(0, b"12345678"),
        window_update(0, 1),
        frame(77, 0, 0, b""),
        frame(kind::CONTINUATION, flag::END_HEADERS, 1, b""),
    ] {
        assert_eq!(outcome(&[&begun[..], &between].concat()), Ends(ProtocolError));
    }
}

#[test]
fn header_list_of_the_announced_size_passes_and_a_longer_one_is_marked() {
    // RFC 9113, 10.5.1: 32 bytes a field more than its name and value.
    let fixed: usize = REQUEST.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    let room = OWN.header_list_bytes_max as usize - fixed - 32 - "key".len();
    for (surplus, is_too_long) in [(0, false), (1, true)] {
        let value = "v".repeat(room + surplus);
        let bytes = frame(kind::HEADERS, flag::END_HEADERS, 1, &block(&[&REQUEST[..], &[("key", &value)]].concat()));
        assert_eq!(Side::server(&[]).events(&bytes), [Event::Head { id: 1, is_end: false, is_too_long }]);
    }
}

#[test]
fn misplaced_headers_leave_no_fields_to_the_next_request() {
    let mut side = server();
    side.receive(&head(1, 0)).unwrap();
    side.receive(&head(3, flag::END_STREAM)).unwrap();
    side.receive(&head(7, flag::END_STREAM)).unwrap();
    assert_eq!(side.fields[4 * REQUEST.len()..], []);
}

#[test]
fn streams_beyond_the_limit_are_refused_and_their_heads_still_change_the_table() {
    let mut side = Side::server(&[]);
    let mut encoder = Encoder::new();
    let mut request = |id: u32, path: &str| {
        let mut bytes = BytesMut::new();
        for (name, value) in [(":method", "POST"), (":scheme", "http"), (":path", path)] {
            encoder.encode(&mut bytes, name.as_bytes(), value.as_bytes(), Indexing::Add);
        }
        frame(kind::HEADERS, flag::END_HEADERS, id, &bytes)
    };
    for id in [1, 3, 5, 7] {
        side.receive(&request(id, "/first")).unwrap();
    }
    assert_eq!((side.events.len(), side.out.take()), (4, vec![]));
    side.receive(&request(9, "/second")).unwrap();
    let refused = Frame { kind: kind::RST_STREAM, flags: 0, stream: 9, payload: code(RefusedStream) };
    assert_eq!((side.events.len(), side.out.take()), (4, vec![refused]));
    side.receive(&[reset(1), request(11, "/second")].concat()).unwrap();
    assert_eq!(side.events[5], Event::Head { id: 11, is_end: false, is_too_long: false });
    assert_eq!(side.fields.last().unwrap().1, "/second");
}

/// How many of the frames that `frame` makes the server takes, up to `most`.
fn taken(mut side: Side, most: usize, frame: impl Fn(usize) -> Vec<u8>) -> (usize, Option<ErrorCode>) {
    for count in 0..most {
        if let Err(violation) = side.receive(&frame(count)) {
            return (count, Some(violation.code));
        }
        side.connection.take_relieved();
        side.out.0.clear();
    }
    (most, None)
}

const CALM: Option<ErrorCode> = Some(ErrorCode::EnhanceYourCalm);

/// The id of the stream that follows the streams of [`server`].
fn id(count: usize) -> u32 {
    9 + 2 * count as u32
}

#[test]
fn rapid_reset_cve_2023_44487_ends_the_connection() {
    let opened_and_reset = |count| [head(id(count), 0), reset(id(count))].concat();
    // Stream 5 was reset as well.
    assert_eq!(taken(server(), 10_000, opened_and_reset), (RESETS_MAX as usize - 1, CALM));
}

#[test]
fn calls_that_were_served_and_time_allow_more_resets() {
    let mut side = server();
    for round in 0..10_000 {
        side.receive(
            &[head(id(2 * round), 0), reset(id(2 * round)), head(id(2 * round + 1), flag::END_STREAM)].concat(),
        )
        .unwrap();
        side.head(id(2 * round + 1));
        side.data(id(2 * round + 1), 1, true);
        side.connection.was_served();
        side.out.take();
        side.receive(&window_update(0, 2000)).unwrap();
    }
    let mut side = server();
    for round in 0..10_000 {
        side.receive(&[head(id(round), 0), reset(id(round))].concat()).unwrap();
        side.now += Duration::from_secs(10) / RESETS_MAX;
    }
}

#[test]
fn made_you_reset_cve_2025_8671_ends_the_connection() {
    type Spoil = (&'static str, fn(u32) -> Vec<u8>);
    let spoil: [Spoil; 6] = [
        ("a WINDOW_UPDATE of nothing", |id| window_update(id, 0)),
        ("a window beyond the largest", |id| window_update(id, i32::MAX as u32)),
        ("a PRIORITY of a wrong length", |id| frame(kind::PRIORITY, 0, id, b"")),
        ("HEADERS in the middle", |id| head(id, 0)),
        ("DATA behind the end", |id| [data(id, flag::END_STREAM, 0), data(id, 0, 1)].concat()),
        ("HEADERS behind the end", |id| [data(id, flag::END_STREAM, 0), head(id, flag::END_STREAM)].concat()),
    ];
    for (what, spoil) in spoil {
        let opened_and_spoiled = |count| [head(id(count), 0), spoil(id(count))].concat();
        assert_eq!(taken(server(), 10_000, opened_and_spoiled), (RESETS_MAX as usize - 1, CALM), "{what}");
    }
}

#[test]
fn streams_that_are_refused_again_and_again_end_the_connection() {
    let mut side = server();
    side.receive(&[head(9, 0), head(11, 0)].concat()).unwrap();
    assert_eq!(taken(side, 10_000, |count| head(13 + 2 * count as u32, 0)), (RESETS_MAX as usize - 1, CALM));
}

#[test]
fn continuation_flood_cve_2024_27316_ends_the_connection() {
    let begun = || {
        let mut side = server();
        side.receive(&frame(kind::HEADERS, 0, 9, &block(&REQUEST))).unwrap();
        side
    };
    // Frames with content reach the limit on the block, and empty ones the limit on frames.
    let max = OWN.header_list_bytes_max as usize;
    let (count, code) = taken(begun(), 10_000, |_| frame(kind::CONTINUATION, 0, 9, &[0; 100]));
    assert_eq!((count, code), ((max - block(&REQUEST).len()) / 100, CALM));
    assert_eq!(taken(begun(), 20_000, |_| frame(kind::CONTINUATION, 0, 9, b"")), (9_999 - 1, CALM));
}

#[test]
fn hpack_bomb_ends_the_connection_and_passes_on_no_more_than_the_limit() {
    let mut side = server();
    side.fields.clear();
    // A field of 4,000 bytes enters the table, and then a byte each refers to it.
    let value = "v".repeat(3900);
    let mut block = block(&REQUEST);
    block.extend_from_slice(&[&b"\x40\x01k\x7f\xbd\x1d"[..], value.as_bytes()].concat());
    block.resize(block.len() + 10_000, 0xbe);
    assert_eq!(side.violates(&frame(kind::HEADERS, flag::END_HEADERS, 9, &block)), ErrorCode::CompressionError);
    let passed: usize = side.fields.iter().map(|(name, value)| name.len() + value.len() + 32).sum();
    assert!(passed <= OWN.header_list_bytes_max as usize, "{passed}");
}

#[test]
fn floods_of_frames_that_carry_no_call_end_the_connection() {
    type Flood = (&'static str, fn() -> Vec<u8>);
    let floods: [Flood; 15] = [
        ("SETTINGS", || settings(&[])),
        ("acknowledgements of SETTINGS", || frame(kind::SETTINGS, flag::ACK, 0, b"")),
        ("PING", || ping(0, b"12345678")),
        ("answers to PING", || ping(flag::ACK, b"12345678")),
        ("empty DATA", || data(1, 0, 0)),
        ("padded DATA without content", || frame(kind::DATA, flag::PADDED, 1, &[3, 0, 0, 0])),
        ("PRIORITY", || frame(kind::PRIORITY, 0, 1, &[0, 0, 0, 3, 16])),
        ("WINDOW_UPDATE", || window_update(1, 1)),
        ("WINDOW_UPDATE of the connection", || window_update(0, 1)),
        ("WINDOW_UPDATE of a closed stream", || window_update(5, 5000)),
        ("RST_STREAM of a closed stream", || reset(5)),
        ("HEADERS of a closed stream", || head(7, flag::END_STREAM)),
        ("short DATA of a closed stream", || data(7, 0, 1)),
        ("GOAWAY", || frame(kind::GOAWAY, 0, 0, &[0; 8])),
        ("frames of unknown kinds", || frame(77, 0, 0, b"")),
    ];
    for (what, flood) in floods {
        let (count, code) = taken(server(), 20_000, |_| flood());
        assert!((9_990..=10_000).contains(&count), "{what}: {count}");
        assert_eq!(code, CALM, "{what}");
    }
    // DATA behind the client's own reset is worse: each frame is answered.
    assert_eq!(taken(server(), 20_000, |_| data(5, 0, 1)), (RESETS_MAX as usize - 1, CALM));
}

#[test]
fn frames_beside_calls_end_no_connection() {
    let mut side = server();
    for _ in 0..50_000 {
        // A client that announces each part that it has read, on both windows, and pings.
        side.receive(&[window_update(0, 100), window_update(3, 100)].concat()).unwrap();
        side.data(3, 100, false);
        side.out.take();
    }
    for _ in 0..50_000 {
        side.receive(&[window_update(0, 1024), data(1, 0, 1024), ping(0, b"12345678")].concat()).unwrap();
        side.connection.grant(1, 1024, &mut side.out);
        side.out.take();
    }
}

#[test]
fn windows_without_end_reach_their_largest_size() {
    let increment = 1 << 20;
    let (count, code) = taken(server(), 10_000, |_| window_update(0, increment));
    assert_eq!((count, code), (((1usize << 31) - 1 - 65_535) >> 20, Some(FlowControlError)));
}

#[test]
fn settings_that_move_many_windows_cost_more() {
    let own = OwnSettings { streams_max: 10_000, ..OWN };
    let mut side = Side::new(true, own);
    side.receive(&settings(&[])).unwrap();
    (0..10_000).for_each(|count| side.receive(&head(id(count), 0)).unwrap());
    let (count, code) = taken(side, 10_000, |count| settings(&[(setting::INITIAL_WINDOW_SIZE, count as u32)]));
    assert_eq!(code, CALM);
    assert!(count <= 10_000 / 39, "{count}");
}

#[test]
fn short_window_updates_cost_little_beside_many_blocked_streams() {
    let own = OwnSettings { streams_max: 10_000, ..OWN };
    let mut side = Side::new(true, own);
    side.receive(&settings(&[(setting::INITIAL_WINDOW_SIZE, 0)])).unwrap();
    for count in 0..10_000 {
        side.receive(&head(id(count), flag::END_STREAM)).unwrap();
        side.data(id(count), 100, false);
    }
    side.out.0.clear();
    side.receive(&window_update(0, 1).repeat(9000)).unwrap();
    assert!(side.connection.take_relieved().is_empty());
}
