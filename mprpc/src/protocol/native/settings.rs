//! The SETTINGS frame: what a side accepts.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::keepalive::Pace;
use super::{Header, encode_frame, kind};
use crate::limits::Limits;

const MESSAGE_BYTES_MAX: u16 = 1;
const METADATA_BYTES_MAX: u16 = 2;
const IN_FLIGHT_MAX: u16 = 3;
const PING_INTERVAL_MIN: u16 = 7;

/// What a side accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) message_bytes_max: u32,
    pub(crate) metadata_bytes_max: u32,
    pub(crate) in_flight_max: u32,
    pub(crate) ping_interval_min_ms: u32,
}

impl Default for Settings {
    /// What holds for a peer that has not said otherwise: docs/protocol.md.
    fn default() -> Settings {
        Settings {
            message_bytes_max: 16 << 20,
            metadata_bytes_max: 16 << 10,
            in_flight_max: 16 << 10,
            ping_interval_min_ms: 1000,
        }
    }
}

impl Settings {
    /// What this side accepts under `limits`.
    pub(crate) fn of(limits: &Limits) -> Settings {
        Settings {
            message_bytes_max: super::wire_length(limits.message_bytes_max),
            metadata_bytes_max: super::wire_length(limits.metadata_bytes_max),
            in_flight_max: super::wire_length(limits.in_flight_max),
            ping_interval_min_ms: u32::try_from(limits.ping_interval_min.as_nanos().div_ceil(1_000_000))
                .unwrap_or(u32::MAX),
        }
    }

    /// Appends the frame.
    pub(crate) fn encode(self, out: &mut BytesMut) {
        let mut body = BytesMut::with_capacity(32);
        let mut say = |key, value| {
            body.put_u16_le(key);
            body.put_u16_le(4);
            body.put_u32_le(value);
        };
        say(MESSAGE_BYTES_MAX, self.message_bytes_max);
        say(METADATA_BYTES_MAX, self.metadata_bytes_max);
        say(IN_FLIGHT_MAX, self.in_flight_max);
        if self.ping_interval_min_ms != Settings::default().ping_interval_min_ms {
            say(PING_INTERVAL_MIN, self.ping_interval_min_ms);
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
                PING_INTERVAL_MIN => self.ping_interval_min_ms = number,
                _ => {}
            }
        }
        Ok(())
    }
}

impl Settings {
    /// How often the sender of the settings may be asked for a sign of life by one that is under `limits`.
    pub(crate) fn pace(self, limits: &Limits) -> Pace {
        let accepted = Duration::from_millis(self.ping_interval_min_ms.into());
        Pace { interval: limits.keepalive_interval.max(accepted), timeout: limits.keepalive_timeout }
    }

    /// How much of a stream, and of all streams, the sender of the settings is willing to hold unread.
    pub(crate) fn windows(self) -> crate::protocol::flow::Windows {
        crate::protocol::flow::Windows { stream: 256 << 10, connection: 1 << 20 }
    }
}
