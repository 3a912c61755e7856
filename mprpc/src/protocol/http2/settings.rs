//! The settings of both sides of an HTTP/2 connection (RFC 9113, section 6.5).

use bytes::{BufMut, BytesMut};

use super::frame::{
    ErrorCode, FRAME_BYTES_LIMIT, FRAME_BYTES_MAX, FrameHeader, HEADER_BYTES, INITIAL_WINDOW, WINDOW_MAX, encode_frame,
    flag, kind, setting,
};
use super::hpack::TABLE_BYTES_DEFAULT;
use super::{Violation, violation};
use crate::limits::Limits;

/// The longest payload that this side accepts. With its header it fits the read buffer that the connections of a loop share, so
/// that a message of nearly 64 KiB comes in one frame and is not copied.
const FRAME_BYTES_ACCEPTED: u32 = (64 << 10) - HEADER_BYTES as u32;

/// The settings of the peer: what it accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PeerSettings {
    pub(crate) header_table_bytes: u32,
    pub(crate) streams_max: u32,
    pub(crate) initial_window: u32,
    pub(crate) frame_bytes_max: u32,
    pub(crate) header_list_bytes_max: u32,
}

impl Default for PeerSettings {
    fn default() -> PeerSettings {
        PeerSettings {
            header_table_bytes: 4096,
            streams_max: u32::MAX,
            initial_window: INITIAL_WINDOW,
            frame_bytes_max: FRAME_BYTES_MAX,
            header_list_bytes_max: u32::MAX,
        }
    }
}

impl PeerSettings {
    /// Takes the payload of a SETTINGS frame without ACK. Unknown settings are ignored.
    pub(super) fn merge(&mut self, payload: &[u8], is_server: bool) -> Result<(), Violation> {
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() {
            let text = format!("a SETTINGS frame of {} bytes", payload.len());
            return violation(ErrorCode::FrameSizeError, text);
        }
        for [i1, i0, v3, v2, v1, v0] in settings {
            let value = u32::from_be_bytes([*v3, *v2, *v1, *v0]);
            let fault = |code, name: &str| violation(code, format!("a setting {name} of {value}"));
            match u16::from_be_bytes([*i1, *i0]) {
                setting::HEADER_TABLE_SIZE => self.header_table_bytes = value,
                setting::ENABLE_PUSH if value > u32::from(is_server) => {
                    return fault(ErrorCode::ProtocolError, "ENABLE_PUSH");
                }
                setting::MAX_CONCURRENT_STREAMS => self.streams_max = value,
                setting::INITIAL_WINDOW_SIZE if i64::from(value) > WINDOW_MAX => {
                    return fault(ErrorCode::FlowControlError, "INITIAL_WINDOW_SIZE");
                }
                setting::INITIAL_WINDOW_SIZE => self.initial_window = value,
                setting::MAX_FRAME_SIZE if !(FRAME_BYTES_MAX..=FRAME_BYTES_LIMIT).contains(&value) => {
                    return fault(ErrorCode::ProtocolError, "MAX_FRAME_SIZE");
                }
                setting::MAX_FRAME_SIZE => self.frame_bytes_max = value,
                setting::MAX_HEADER_LIST_SIZE => self.header_list_bytes_max = value,
                _ => {}
            }
        }
        Ok(())
    }
}

/// The settings and windows of this side.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OwnSettings {
    /// Streams that the peer may open at the same time.
    pub(crate) streams_max: u32,
    /// The window of a stream.
    pub(crate) stream_window: u32,
    /// The window of the connection.
    pub(crate) connection_window: u32,
    /// The longest payload of a frame.
    pub(crate) frame_bytes_max: u32,
    /// The longest list of fields, as RFC 9113 counts it: 32 bytes a field more than its name and value.
    pub(crate) header_list_bytes_max: u32,
    /// The dynamic table of the peer's encoder.
    pub(crate) header_table_bytes: u32,
}

impl OwnSettings {
    /// What a side accepts under `limits`.
    pub(crate) fn of(limits: &Limits) -> OwnSettings {
        let bytes = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let window = |size: usize| bytes(size).min(WINDOW_MAX as u32);
        OwnSettings {
            streams_max: bytes(limits.in_flight_max),
            stream_window: window(limits.stream_window_bytes),
            connection_window: window(limits.connection_window_bytes),
            frame_bytes_max: FRAME_BYTES_ACCEPTED,
            header_list_bytes_max: bytes(limits.http_head_bytes_max),
            header_table_bytes: TABLE_BYTES_DEFAULT as u32,
        }
    }

    /// Appends the SETTINGS frame, and the WINDOW_UPDATE that opens the window of the connection.
    pub(super) fn encode(&self, out: &mut BytesMut, is_server: bool) {
        let peer_specific = match is_server {
            true => (setting::MAX_CONCURRENT_STREAMS, self.streams_max),
            false => (setting::ENABLE_PUSH, 0),
        };
        let settings = [
            (setting::HEADER_TABLE_SIZE, self.header_table_bytes),
            peer_specific,
            (setting::INITIAL_WINDOW_SIZE, self.stream_window),
            (setting::MAX_FRAME_SIZE, self.frame_bytes_max),
            (setting::MAX_HEADER_LIST_SIZE, self.header_list_bytes_max),
        ];
        let length = 6 * settings.len() as u32;
        out.put_slice(&FrameHeader { length, kind: kind::SETTINGS, flags: 0, stream: 0 }.encode());
        for (identifier, value) in settings {
            out.put_u16(identifier);
            out.put_u32(value);
        }
        if let Some(more) = self.connection_window.checked_sub(INITIAL_WINDOW).filter(|more| *more > 0) {
            encode_frame(out, kind::WINDOW_UPDATE, 0, 0, &more.to_be_bytes());
        }
    }
}

/// Appends the acknowledgement of the peer's settings.
pub(super) fn encode_ack(out: &mut BytesMut) {
    encode_frame(out, kind::SETTINGS, flag::ACK, 0, &[]);
}
