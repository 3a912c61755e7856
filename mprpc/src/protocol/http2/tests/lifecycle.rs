//! How a connection begins and ends: settings, PING and GOAWAY, and the memory of closed streams.

use super::*;

fn go_away(frame: &Frame) -> (u32, u32, String) {
    assert_eq!((frame.kind, frame.stream), (kind::GOAWAY, 0));
    let number = |at: usize| u32::from_be_bytes(frame.payload[at..at + 4].try_into().unwrap());
    (number(0), number(4), String::from_utf8(frame.payload[8..].to_vec()).unwrap())
}

#[test]
fn each_side_begins_with_its_settings() {
    let mut server = Side::new(true, OWN);
    let frames = server.out.take();
    assert_eq!((frames[0].kind, frames[0].flags, frames[0].payload.len()), (kind::SETTINGS, 0, 30));
    assert!(frames[0].payload.chunks(6).any(|pair| pair == [0, 3, 0, 0, 0, 4]), "MAX_CONCURRENT_STREAMS");
    assert_eq!(
        (frames[1].kind, &frames[1].payload[..]),
        (kind::WINDOW_UPDATE, &(250_000u32 - 65_535).to_be_bytes()[..])
    );
    let mut client = Side::new(false, OwnSettings { connection_window: 65_535, ..OWN });
    let frames = client.out.take();
    assert_eq!(frames.len(), 1);
    assert!(frames[0].payload.chunks(6).any(|pair| pair == [0, 2, 0, 0, 0, 0]), "ENABLE_PUSH is off");
}

#[test]
fn settings_and_pings_are_answered() {
    let mut side = Side::server(&[]);
    let events = side.events(&[settings(&[(setting::HEADER_TABLE_SIZE, 0)]), ping(0, b"what now")].concat());
    assert_eq!(events, []);
    let answers = side.out.take();
    assert_eq!((answers[0].kind, answers[0].flags, answers[0].payload.len()), (kind::SETTINGS, flag::ACK, 0));
    assert_eq!((answers[1].kind, answers[1].flags, &answers[1].payload[..]), (kind::PING, flag::ACK, &b"what now"[..]));
    side.connection.send_ping(&mut side.out);
    let ping = side.out.take().remove(0);
    assert_eq!(side.events(&frame(kind::PING, flag::ACK, 0, &ping.payload)), [Event::Pong]);
}

#[test]
fn server_leaves_in_two_steps_and_serves_what_crosses_the_first() {
    let mut side = Side::server(&[]);
    side.receive(&head(1, 0)).unwrap();
    side.connection.announce_leave(&mut side.out, "the server is stopping");
    side.connection.announce_leave(&mut side.out, "again");
    let frames = side.out.take();
    assert_eq!((go_away(&frames[0]), frames.len()), ((0x7fff_ffff, 0, "the server is stopping".to_owned()), 2));
    assert_eq!((frames[1].kind, frames[1].flags), (kind::PING, 0));
    let crossed = side.events(&[head(3, flag::END_STREAM), ping(flag::ACK, b"another.")].concat());
    assert!(crossed.contains(&Event::Head { id: 3, is_end: true, is_too_long: false }));
    assert_eq!(side.out.take(), []);
    side.receive(&ping(flag::ACK, &frames[1].payload)).unwrap();
    assert_eq!(go_away(&side.out.take()[0]), (3, 0, String::new()));
    side.events.clear();
    // Later streams are ignored, whatever they send. The streams before them go on.
    let late = [head(5, 0), data(5, 0, 10), head(5, flag::END_STREAM), data(1, flag::END_STREAM, 1)].concat();
    assert_eq!(side.events(&late), [Event::Data { id: 1, bytes: Bytes::from_static(&[7]), is_end: true }]);
    assert_eq!((side.out.take(), side.connection.len()), (vec![], 2));
    side.head(1);
    side.data(1, 1, true);
    assert_eq!(side.out.take().len(), 2);
}

#[test]
fn last_stream_of_a_later_go_away_is_never_higher() {
    let mut side = Side::server(&[]);
    side.receive(&head(1, 0)).unwrap();
    side.connection.go_away(&mut side.out, ErrorCode::NoError, "");
    side.receive(&head(7, 0)).unwrap();
    side.connection.go_away(&mut side.out, ErrorCode::ProtocolError, &"long ".repeat(1000));
    let frames = side.out.take();
    assert_eq!(go_away(&frames[0]), (1, 0, String::new()));
    let (last, code, text) = go_away(&frames[1]);
    assert_eq!((last, code, text.len()), (1, 1, 512));
}

#[test]
fn answer_before_the_end_of_the_request_resets_the_rest() {
    let mut side = Side::server(&[]);
    side.receive(&head(1, 0)).unwrap();
    side.head(1);
    side.connection.send_trailers(1, &mut side.out, |fields| fields.field(b"grpc-status", b"0"));
    let frames = side.out.take();
    assert_eq!(frames[2], Frame { kind: kind::RST_STREAM, flags: 0, stream: 1, payload: code(ErrorCode::NoError) });
    assert_eq!(side.connection.len(), 0);
    let rest = [data(1, 0, 100), data(1, flag::END_STREAM, 100)].concat();
    side.events.clear();
    assert_eq!((side.events(&rest), side.out.take()), (vec![], vec![]));
}

#[test]
fn latest_128_closed_streams_are_known_to_be_closed() {
    for (id, code) in [(399, ErrorCode::StreamClosed), (145, ErrorCode::StreamClosed), (143, ErrorCode::ProtocolError)]
    {
        let mut side = Side::server(&[]);
        for count in 0..200 {
            let id = 1 + 2 * count;
            side.receive(&head(id, flag::END_STREAM)).unwrap();
            side.connection.send_trailers(id, &mut side.out, |_| {});
        }
        assert_eq!(side.violates(&head(id, 0)), code, "{id}");
    }
}

#[test]
fn table_of_streams_gives_its_memory_back_after_a_peak() {
    let mut side = Side::new(true, OwnSettings { streams_max: 20_000, ..OWN });
    side.receive(&settings(&[])).unwrap();
    for count in 0..20_000 {
        side.receive(&head(1 + 2 * count, 0)).unwrap();
    }
    assert!(side.connection.streams.capacity() >= 20_000);
    for id in side.connection.ids() {
        side.connection.reset(id, ErrorCode::Cancel, &mut side.out);
    }
    assert!(side.connection.streams.capacity() < 2000, "{}", side.connection.streams.capacity());
}
