//! The client's side: streams that it opens, heads of responses, and their ends.

use super::*;

/// Opens a stream and sends its head.
fn open(side: &mut Side, is_end: bool) -> Option<u32> {
    side.connection.open(0, is_end, &mut side.out, |fields| fields.field(b":method", b"POST"))
}

fn response(id: u32, flags: u8, status: &str) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS | flags, id, &block(&[(":status", status)]))
}

fn head_event(id: u32, is_end: bool) -> Event {
    Event::Head { id, is_end, is_too_long: false }
}

#[test]
fn client_and_server_understand_each_other() {
    let (mut client, mut server) = (Side::new(false, OWN), Side::new(true, OWN));
    let exchange = |client: &mut Side, server: &mut Side| {
        while !(client.out.0.is_empty() && server.out.0.is_empty()) {
            server.receive(&client.out.0.split()).unwrap();
            client.receive(&server.out.0.split()).unwrap();
        }
    };
    exchange(&mut client, &mut server);
    let body = 1 << 20;
    for id in [1, 3, 5] {
        assert_eq!(open(&mut client, false), Some(id));
        client.data(id, body, true);
        let mut received = 0;
        while received < body {
            exchange(&mut client, &mut server);
            for event in std::mem::take(&mut server.events) {
                if let Event::Data { bytes, .. } = event {
                    received += bytes.len();
                    server.connection.grant(id, bytes.len() as u64, &mut server.out);
                }
            }
        }
        server.head(id);
        server.data(id, 100, false);
        server.connection.send_trailers(id, &mut server.out, |fields| fields.field(b"grpc-status", b"0"));
        exchange(&mut client, &mut server);
        assert_eq!(std::mem::take(&mut client.events)[0], head_event(id, false));
        assert_eq!(client.connection.finish(id, &mut client.out), Some(0));
    }
    exchange(&mut client, &mut server);
    assert_eq!((client.connection.len(), server.connection.len(), client.connection.held_bytes()), (0, 0, 0));
}

#[test]
fn client_opens_no_more_streams_than_the_server_allows() {
    let mut side = Side::client(&[(setting::MAX_CONCURRENT_STREAMS, 2)]);
    assert_eq!((open(&mut side, true), open(&mut side, true), open(&mut side, true)), (Some(1), Some(3), None));
    side.receive(&response(1, flag::END_STREAM, "200")).unwrap();
    assert_eq!(side.connection.streams_left(), 0, "its user has not finished it");
    side.connection.finish(1, &mut side.out).unwrap();
    assert_eq!(open(&mut side, true), Some(5));
    side.receive(&settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)])).unwrap();
    side.connection.finish(3, &mut side.out);
    side.connection.finish(5, &mut side.out);
    assert_eq!(open(&mut side, true), None);
}

#[test]
fn ids_are_used_up_at_the_last_one() {
    let mut side = Side::client(&[]);
    side.connection.next_stream = 0x7fff_fffd;
    assert_eq!((open(&mut side, true), side.connection.is_used_up()), (Some(0x7fff_fffd), false));
    assert_eq!((open(&mut side, true), side.connection.is_used_up()), (Some(0x7fff_ffff), true));
    assert_eq!((open(&mut side, true), side.connection.streams_left()), (None, 0));
    assert_eq!(side.events(&response(0x7fff_ffff, 0, "200")), [head_event(0x7fff_ffff, false)]);
}

#[test]
fn interim_heads_precede_the_final_one_and_trailers_follow_it() {
    let mut side = Side::client(&[]);
    open(&mut side, true);
    let events = side.events(&[response(1, 0, "103"), response(1, 0, "200")].concat());
    assert_eq!(events, [head_event(1, false), head_event(1, false)]);
    side.connection.final_head_arrived(1);
    let events =
        side.events(&[data(1, 0, 3), frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 1, b"")].concat());
    assert_eq!(events[1], Event::Trailers { id: 1, is_too_long: false });
    assert_eq!((side.connection.finish(1, &mut side.out), side.out.shapes().len()), (Some(0), 1), "the request alone");
}

#[test]
fn response_of_trailers_only_is_a_head_that_ends() {
    let mut side = Side::client(&[]);
    open(&mut side, true);
    assert_eq!(side.events(&response(1, flag::END_STREAM, "200")), [head_event(1, true)]);
}

#[test]
fn head_after_the_final_one_resets_the_stream() {
    let mut side = Side::client(&[]);
    open(&mut side, true);
    side.receive(&response(1, 0, "200")).unwrap();
    side.connection.final_head_arrived(1);
    let fields = side.fields.len();
    side.events.clear();
    let reset = Event::Reset { id: 1, code: ErrorCode::ProtocolError as u32, by_peer: false };
    assert_eq!(side.events(&response(1, 0, "200")), [reset]);
    assert_eq!(side.fields.len(), fields);
}

#[test]
fn finish_resets_what_is_not_over() {
    // (the request has ended, the response has ended, a reset is sent)
    for (local, remote, resets) in [(true, true, false), (true, false, true), (false, true, true), (false, false, true)]
    {
        let mut side = Side::client(&[]);
        open(&mut side, local);
        side.receive(&response(1, if remote { flag::END_STREAM } else { 0 }, "200")).unwrap();
        side.out.take();
        assert_eq!(side.connection.finish(1, &mut side.out), Some(0));
        let expected = [Frame { kind: kind::RST_STREAM, flags: 0, stream: 1, payload: code(ErrorCode::Cancel) }];
        assert_eq!(side.out.take(), if resets { &expected[..] } else { &[] }, "{local} {remote}");
        assert_eq!(side.connection.finish(1, &mut side.out), None);
        // What crosses the reset is ignored.
        if !remote {
            side.events.clear();
            assert_eq!(side.events(&data(1, flag::END_STREAM, 10)), []);
        }
    }
}

#[test]
fn request_waits_for_the_servers_window_and_is_dropped_with_its_stream() {
    let mut side = Side::client(&[(setting::INITIAL_WINDOW_SIZE, 10)]);
    open(&mut side, false);
    side.data(1, 25, true);
    assert_eq!(side.connection.pending_bytes(1), 15);
    side.out.take();
    side.receive(&window_update(1, 100)).unwrap();
    assert_eq!(side.out.shapes(), [(kind::DATA, flag::END_STREAM, 1, 15)]);
    assert_eq!(side.connection.len(), 1, "a client waits for the response");
    open(&mut side, false);
    side.data(3, 25, true);
    let refused = frame(kind::RST_STREAM, 0, 3, &code(ErrorCode::RefusedStream));
    assert_eq!(side.events(&refused), [Event::Reset { id: 3, code: 7, by_peer: true }]);
    assert_eq!(side.connection.held_bytes(), 0);
}

#[test]
fn server_breaks_the_protocol_on_streams_that_it_may_not_use() {
    for frames in [
        response(1, 0, "200"),
        response(2, 0, "200"),
        data(1, 0, 1),
        data(2, 0, 1),
        reset(1),
        window_update(1, 1),
        frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, &[0, 0, 0, 2]),
        settings(&[(setting::ENABLE_PUSH, 1)]),
    ] {
        assert_eq!(Side::client(&[]).violates(&frames), ErrorCode::ProtocolError);
    }
    let mut side = Side::client(&[]);
    open(&mut side, true);
    let behind_the_end = [response(1, flag::END_STREAM, "200"), data(1, 0, 1)].concat();
    side.receive(&behind_the_end).unwrap();
    assert_eq!(side.events[1], Event::Reset { id: 1, code: ErrorCode::StreamClosed as u32, by_peer: false });
}

#[test]
fn go_away_of_the_server_names_the_last_stream() {
    let mut side = Side::client(&[]);
    open(&mut side, true);
    let bytes = frame(
        kind::GOAWAY,
        0,
        0,
        &[&0x8000_0001u32.to_be_bytes()[..], &code(ErrorCode::EnhanceYourCalm), b"x"].concat(),
    );
    assert_eq!(side.events(&bytes), [Event::GoAway { last: 1, code: 11, text: Bytes::from_static(b"x") }]);
}
