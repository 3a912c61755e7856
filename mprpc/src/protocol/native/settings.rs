//! The SETTINGS frame: what a side accepts.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{Header, encode_frame, kind};
use crate::limits::Limits;

const MESSAGE_BYTES_MAX: u16 = 1;
const METADATA_BYTES_MAX: u16 = 2;
const IN_FLIGHT_MAX: u16 = 3;

/// What a side accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) message_bytes_max: u32,
    pub(crate) metadata_bytes_max: u32,
    pub(crate) in_flight_max: u32,
}

impl Default for Settings {
    /// What holds for a peer that has not said otherwise: docs/protocol.md.
    fn default() -> Settings {
        Settings { message_bytes_max: 16 << 20, metadata_bytes_max: 16 << 10, in_flight_max: 16 << 10 }
    }
}

impl Settings {
    /// What this side accepts under `limits`.
    pub(crate) fn of(limits: &Limits) -> Settings {
        Settings {
            message_bytes_max: super::wire_length(limits.message_bytes_max),
            metadata_bytes_max: super::wire_length(limits.metadata_bytes_max),
            in_flight_max: super::wire_length(limits.in_flight_max),
        }
    }

    /// Appends the frame.
    pub(crate) fn encode(self, out: &mut BytesMut) {
        let mut body = [0u8; 24];
        let mut rest = body.as_mut_slice();
        for (key, value) in [
            (MESSAGE_BYTES_MAX, self.message_bytes_max),
            (METADATA_BYTES_MAX, self.metadata_bytes_max),
            (IN_FLIGHT_MAX, self.in_flight_max),
        ] {
            rest.put_u16_le(key);
            rest.put_u16_le(4);
            rest.put_u32_le(value);
        }
        encode_frame(out, Header { kind: kind::SETTINGS, ..Header::default() }, &body);
    }

    /// Takes over what a frame's body says; skips what it does not know. The error says what is wrong.
    pub(crate) fn merge(&mut self, mut body: Bytes) -> Result<(), &'static str> {
        while !body.is_empty() {
            if body.len() < 4 {
                return Err("a setting is cut off");
            }
            let key = body.get_u16_le();
            let length = usize::from(body.get_u16_le());
            if length > body.len() {
                return Err("a setting is cut off");
            }
            let value = body.split_to(length);
            let Some(number) = value.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes)) else {
                continue;
            };
            match key {
                MESSAGE_BYTES_MAX => self.message_bytes_max = number,
                METADATA_BYTES_MAX => self.metadata_bytes_max = number,
                IN_FLIGHT_MAX => self.in_flight_max = number,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Settings {
    /// How much of a stream, and of all streams, the sender of the settings is willing to hold unread.
    pub(crate) fn windows(self) -> crate::protocol::flow::Windows {
        crate::protocol::flow::Windows { stream: 256 << 10, connection: 1 << 20 }
    }
}
