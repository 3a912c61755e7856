//! How bytes become events: splits, padding, header blocks over several frames, and the sizes of frames.

use super::*;

/// A connection with every kind of frame that a client may send.
fn conversation() -> Vec<u8> {
    let long = "v".repeat(300);
    let request = block(&[&REQUEST[..], &[("key", &long)]].concat());
    let padded_head = [&[3][..], &[0, 0, 0, 0, 16], &request, &[0; 3]].concat();
    let all = flag::END_HEADERS | flag::PADDED | flag::PRIORITY;
    [
        settings(&[(setting::INITIAL_WINDOW_SIZE, 1000), (99, 1)]),
        frame(kind::SETTINGS, flag::ACK, 0, b""),
        frame(kind::HEADERS, all, 1, &padded_head),
        frame(kind::DATA, flag::PADDED, 1, &[&[2][..], b"hello", &[0, 0]].concat()),
        frame(kind::HEADERS, flag::END_STREAM, 3, &request[..5]),
        frame(kind::CONTINUATION, 0, 3, &request[5..6]),
        frame(kind::CONTINUATION, 0, 3, b""),
        frame(kind::CONTINUATION, flag::END_HEADERS, 3, &request[6..]),
        ping(0, b"12345678"),
        ping(flag::ACK, b"12345678"),
        frame(kind::PRIORITY, 0, 5, &[0, 0, 0, 1, 16]),
        window_update(0, 5000),
        window_update(1, 5000),
        frame(77, 0xff, 9, b"from the future"),
        data(1, 0, 0),
        frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, &block(&[("checksum", "7")])),
        head(5, 0),
        reset(5),
        frame(kind::GOAWAY, 0, 0, &[&0u32.to_be_bytes()[..], &0u32.to_be_bytes(), b"bye"].concat()),
    ]
    .concat()
}

fn data_event(id: u32, bytes: &'static [u8], is_end: bool) -> Event {
    Event::Data { id, bytes: Bytes::from_static(bytes), is_end }
}

#[test]
fn frames_split_anywhere_give_the_same_events_and_answers() {
    let whole = conversation();
    let mut once = Side::new(true, OWN);
    once.receive(&whole).unwrap();
    let head = |id, is_end| Event::Head { id, is_end, is_too_long: false };
    let expected = [
        head(1, false),
        data_event(1, b"hello", false),
        head(3, true),
        Event::Pong,
        data_event(1, b"", false),
        Event::Trailers { id: 1, is_too_long: false },
        head(5, false),
        Event::Reset { id: 5, code: 8, by_peer: true },
        Event::GoAway { last: 0, code: 0, text: Bytes::from_static(b"bye") },
    ];
    assert_eq!(once.events, expected);
    assert_eq!(once.fields.len(), 4 + 4 + 1 + 3);
    let answers = once.out.take();
    for split in 0..=whole.len() {
        let mut twice = Side::new(true, OWN);
        twice.receive(&whole[..split]).unwrap();
        twice.receive(&whole[split..]).unwrap();
        assert_eq!((&twice.events, &twice.fields), (&once.events, &once.fields), "split at {split}");
        assert_eq!(twice.out.take(), answers, "split at {split}");
    }
    let mut bytes = Side::new(true, OWN);
    whole.iter().for_each(|byte| bytes.receive(&[*byte]).unwrap());
    assert_eq!((&bytes.events, &bytes.fields, bytes.out.take()), (&once.events, &once.fields, answers));
}

#[test]
fn header_block_split_anywhere_is_the_same_block() {
    let request = block(&REQUEST);
    for first in 0..=request.len() {
        for second in first..=request.len() {
            let mut side = Side::server(&[]);
            let frames = [
                frame(kind::HEADERS, 0, 1, &request[..first]),
                frame(kind::CONTINUATION, 0, 1, &request[first..second]),
                frame(kind::CONTINUATION, flag::END_HEADERS, 1, &request[second..]),
            ];
            assert_eq!(side.events(&frames.concat()), [Event::Head { id: 1, is_end: false, is_too_long: false }]);
            assert_eq!(side.fields.len(), REQUEST.len());
        }
    }
}

#[test]
fn long_head_is_sent_in_frames_of_the_peers_size() {
    let (mut server, mut client) = (Side::server(&[]), Side::client(&[]));
    server.receive(&head(1, flag::END_STREAM)).unwrap();
    client.connection.open(1, true, &mut client.out, |_| {}).unwrap();
    let value = "v".repeat(40_000);
    server.connection.send_head(1, &mut server.out, |_, fields| {
        fields.field(b":status", b"200");
        fields.field_once(b"long", value.as_bytes());
    });
    let bytes = server.out.0.split();
    let (mut shapes, frame_bytes) = (Sent(bytes.clone()), FRAME_BYTES_MAX as usize);
    let shapes = shapes.shapes();
    assert_eq!(shapes[0], (kind::HEADERS, 0, 1, frame_bytes));
    assert!(shapes[1..shapes.len() - 1].iter().all(|shape| *shape == (kind::CONTINUATION, 0, 1, frame_bytes)));
    let (kind, flags, ..) = shapes[shapes.len() - 1];
    assert_eq!((kind, flags), (kind::CONTINUATION, flag::END_HEADERS));
    client.connection = {
        let own = OwnSettings { header_list_bytes_max: 50_000, ..OWN };
        let mut connection = Connection::new(false, own, RESETS_MAX, &mut client.out);
        connection.open(1, true, &mut client.out, |_| {}).unwrap();
        connection
    };
    let events = client.events(&[&settings(&[])[..], &bytes].concat());
    assert_eq!(events, [Event::Head { id: 1, is_end: false, is_too_long: false }]);
    assert_eq!(client.fields[1], ("long".to_owned(), value));
}

#[test]
fn frame_of_the_announced_size_passes_and_a_longer_one_ends_the_connection() {
    let bytes = FRAME_BYTES_MAX as usize;
    let mut side = Side::server(&[]);
    let events = side.events(&[head(1, 0), data(1, 0, bytes)].concat());
    assert!(matches!(&events[1], Event::Data { bytes, .. } if bytes.len() == FRAME_BYTES_MAX as usize));
    assert_eq!(side.violates(&data(1, 0, bytes + 1)), ErrorCode::FrameSizeError);
    // The frames before it still count, and its header alone is enough.
    let mut side = Side::server(&[]);
    let too_long = data(1, 0, bytes + 1);
    assert_eq!(side.violates(&[&head(1, 0)[..], &too_long[..HEADER_BYTES]].concat()), ErrorCode::FrameSizeError);
    assert_eq!(side.events.len(), 1);
}

#[test]
fn padding_may_fill_its_frame_and_not_exceed_it() {
    let fills = [&[4][..], &[0; 4]].concat();
    for (payload, fits) in [(&fills[..], true), (&fills[..4], false), (&[][..], false)] {
        let mut side = Side::server(&[]);
        side.receive(&head(1, 0)).unwrap();
        let result = side.receive(&frame(kind::DATA, flag::PADDED, 1, payload));
        assert_eq!(result.map_err(|violation| violation.code), fits.then_some(()).ok_or(ErrorCode::ProtocolError));
    }
    let padded = |padding: u8| [&[padding][..], &block(&REQUEST), &[0; 9]].concat();
    let flags = flag::PADDED | flag::END_HEADERS;
    assert_eq!(Side::server(&[]).events(&frame(kind::HEADERS, flags, 1, &padded(9))).len(), 1);
    let too_long = frame(kind::HEADERS, flags, 1, &padded(200));
    assert_eq!(Side::server(&[]).violates(&too_long), ErrorCode::ProtocolError);
}

#[test]
fn reserved_bits_and_unknown_flags_settings_and_kinds_are_ignored() {
    let mut side = Side::server(&[(0, 7), (7, 7), (0xffff, u32::MAX)]);
    let mut bytes = [head(1, 0), frame(kind::PING, 0xfe, 0, b"12345678"), frame(0xff, 0xff, 1, &[7; 100])].concat();
    bytes[5] |= 0x80;
    let events = side.events(&bytes);
    assert_eq!(events, [Event::Head { id: 1, is_end: false, is_too_long: false }]);
    assert_eq!(side.out.shapes(), [(kind::PING, flag::ACK, 0, 8)]);
    let increment = (1u32 << 31) | 5000;
    side.receive(&window_update(1, increment)).unwrap();
    assert_eq!(side.out.shapes(), [], "the highest bit of an increment is reserved");
}

#[test]
fn missing_bytes_of_a_frame_are_told() {
    let mut side = Side::server(&[]);
    let whole = data(1, 0, 1000);
    for (arrived, missing) in [(0, 9), (4, 5), (9, 1000), (1000, 9)] {
        let mut input = BytesMut::from(&whole[..arrived]);
        let event = side.connection.next(side.now, &mut input, &mut side.out, &mut |_: Field<'_>| {});
        assert_eq!(event, Ok(Event::NeedMore(missing)), "{arrived} bytes");
        assert_eq!(side.connection.is_inside_a_frame(&input), arrived > 0);
    }
    side.receive(&frame(kind::HEADERS, 0, 1, &block(&REQUEST))).unwrap();
    assert!(side.connection.is_inside_a_frame(&BytesMut::new()), "a header block is incomplete");
}
