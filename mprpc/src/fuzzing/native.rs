//! The native and the classic protocol: the decoders alone, a server, and a client.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::Mode;
use super::caller::call;
use super::script::{self, Step};
use super::server::{METHODS, limits, serve};
use crate::client::Multiplexed;
use crate::protocol::classic::{self, Decoded};
use crate::protocol::native::{self, Header, PREFACE, Settings, encode_frame, kind};

/// Decodes frames, which must come out the same however their bytes are cut. Then sends them to a server or to a client.
pub fn native(data: &[u8]) {
    let Some((mode, data)) = Mode::take(data) else { return };
    if !mode.is_script() {
        assert_eq!(frames([data].into_iter()), frames(mode.pieces(data)));
    }
    let is_to_server = mode.variant() & 1 == 0;
    let mut greeting = BytesMut::from(&PREFACE[..]);
    Settings::of(&limits()).encode(&mut greeting);
    for (number, method) in (0..).zip(METHODS.methods).filter(|_| is_to_server) {
        let header = Header { kind: kind::METHOD, word: number, ..Header::default() };
        encode_frame(&mut greeting, header, method.path.as_bytes());
    }
    let mut steps = vec![Step::Send(greeting)];
    if mode.is_script() {
        steps.extend(script::native(data));
    } else {
        steps.extend(mode.pieces(data).map(|piece| Step::Send(piece.into())));
    }
    let sent = match is_to_server {
        true => serve(steps.into_iter(), mode.is_silent()),
        false => {
            let open = |stream, address: &_, limits: &_| Multiplexed::open(stream, address, &Arc::default(), limits);
            call(open, steps.into_iter(), mode.is_silent())
        }
    };
    check_frames(sent);
}

/// The frames, and the headers of those that are too long.
fn frames<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<(Header, Option<Bytes>)> {
    let (mut decoder, mut input, mut frames) = (native::Decoder::of(&limits()), BytesMut::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match decoder.decode(&mut input) {
                native::Decoded::NeedMore(_) => break,
                native::Decoded::TooLong(header) => frames.push((header, None)),
                native::Decoded::Frame(header, body) => {
                    let _ = Settings::default().merge(body.clone());
                    let _ = native::decode_error(header.word, &body);
                    if let Some((Some(metadata), _)) = native::split_body(header, body.clone())
                        && let Ok(metadata) = native::decode_metadata(metadata)
                    {
                        let again = native::decode_metadata(native::encode_metadata(&metadata));
                        assert!(again.is_ok_and(|again| again == metadata));
                    }
                    frames.push((header, Some(body)));
                }
            }
        }
    }
    frames
}

/// Checks the frames that a side has sent: their kinds, and their metadata. The last frame may be incomplete.
fn check_frames(mut sent: BytesMut) {
    assert!(sent.starts_with(&PREFACE) || PREFACE.starts_with(&sent), "it begins with the preface");
    drop(sent.split_to(sent.len().min(PREFACE.len())));
    let mut decoder = native::Decoder::new(1 << 20);
    while let native::Decoded::Frame(header, body) = decoder.decode(&mut sent) {
        assert!((kind::SETTINGS..=kind::GO_AWAY).contains(&header.kind), "{header:?}");
        if let Some((Some(metadata), _)) = native::split_body(header, body) {
            native::decode_metadata(metadata).expect("metadata that was encoded here");
        }
    }
}

/// Decodes a request, which must come out the same however its bytes are cut. Then serves it.
pub fn classic(data: &[u8]) {
    let Some((mode, data)) = Mode::take(data) else { return };
    let whole = classic_request([data].into_iter());
    assert_eq!(whole, classic_request(mode.pieces(data)));
    if let Decoded::Request(request) = whole {
        let mut again = classic::encode_request(&request.service, &request.method, &request.args);
        assert_eq!(classic::decode_request(&mut again, &limits()), Decoded::Request(request));
        assert!(again.is_empty());
    }
    serve(mode.pieces(data).map(|piece| Step::Send(piece.into())), false);
}

fn classic_request<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Decoded {
    let mut input = BytesMut::new();
    let mut decoded = classic::decode_request(&mut input, &limits());
    for piece in pieces {
        input.extend_from_slice(piece);
        decoded = classic::decode_request(&mut input, &limits());
        if !matches!(decoded, Decoded::NeedMore(_)) {
            break;
        }
    }
    decoded
}
