//! HTTP/1.1: the decoders alone, and a server.

use bytes::BytesMut;

use super::Mode;
use super::script::Step;
use super::server::serve;
use crate::limits::Limits;
use crate::protocol::http1::{BodyDecoder, Decoded, HeadDecoder};

/// Decodes requests, which must come out the same however their bytes are cut. Then serves them.
pub fn http1(data: &[u8]) {
    let Some((mode, data)) = Mode::take(data) else { return };
    assert_eq!(requests([data].into_iter()), requests(mode.pieces(data)));
    let steps = mode.pieces(data).map(|piece| Step::Send(BytesMut::from(piece)));
    serve(steps, false);
}

/// A request: the first line, fields, body, and trailers if it is complete.
type Request = (String, Vec<(Vec<u8>, Vec<u8>)>, Vec<u8>, Option<Vec<(Vec<u8>, Vec<u8>)>>);

/// The requests, and whether all bytes could be decoded.
fn requests<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> (Vec<Request>, bool) {
    let limits = super::server::limits();
    let (mut requests, mut input) = (Vec::new(), BytesMut::new());
    let mut head = HeadDecoder::new(&limits);
    let mut body: Option<BodyDecoder> = None;
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            match take(&mut head, &mut body, &mut requests, &mut input, &limits) {
                Some(true) => {}
                Some(false) => break,
                None => return (requests, false),
            }
        }
    }
    (requests, true)
}

/// Takes the next part of a request. Returns whether there may be more, and `None` if the input is malformed.
fn take(
    head: &mut HeadDecoder,
    body: &mut Option<BodyDecoder>,
    requests: &mut Vec<Request>,
    input: &mut BytesMut,
    limits: &Limits,
) -> Option<bool> {
    let Some(decoder) = body else {
        let Some(head) = head.decode(input).ok()? else { return Some(false) };
        let line = format!("{} {} {:?} {:?} {:?}", head.method(), head.path(), head.query(), head.host(), head.version);
        let fields = head.fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect();
        requests.push((line, fields, Vec::new(), None));
        *body = Some(BodyDecoder::new(head.body, limits));
        return Some(true);
    };
    let (_, _, bytes, trailers) = requests.last_mut()?;
    match decoder.decode(input).ok()? {
        Decoded::NeedMore => return Some(false),
        Decoded::Data(data) => bytes.extend_from_slice(&data),
        Decoded::End(fields) => {
            *trailers = Some(fields.iter().map(|(name, value)| (name.to_vec(), value.to_vec())).collect());
            (*head, *body) = (HeadDecoder::new(limits), None);
        }
    }
    Some(true)
}
