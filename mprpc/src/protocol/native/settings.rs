//! The SETTINGS frame: what its sender accepts.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::keepalive::Pace;
use super::{Header, encode_frame, kind};
use crate::codec::Compression;
use crate::limits::Limits;
use crate::protocol::flow::Windows;

const MESSAGE_BYTES_MAX: u16 = 1;
const METADATA_BYTES_MAX: u16 = 2;
const IN_FLIGHT_MAX: u16 = 3;
const STREAM_WINDOW_BYTES: u16 = 4;
const CONNECTION_WINDOW_BYTES: u16 = 5;
const COMPRESSION: u16 = 6;
const PING_INTERVAL_MIN: u16 = 7;

/// What one side of a connection accepts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) message_bytes_max: u32,
    pub(crate) metadata_bytes_max: u32,
    pub(crate) in_flight_max: u32,
    /// The flow-control window of one stream, in bytes.
    pub(crate) stream_window_bytes: u32,
    /// The flow-control window of all streams of the connection together, in bytes.
    pub(crate) connection_window_bytes: u32,
    /// The compression algorithms, best first. Unused slots are `None`.
    pub(crate) compression: [Option<Compression>; 3],
    pub(crate) ping_interval_min_ms: u32,
}

impl Default for Settings {
    /// The settings of a peer that has not sent others (docs/protocol.md).
    fn default() -> Settings {
        Settings {
            message_bytes_max: 16 << 20,
            metadata_bytes_max: 16 << 10,
            in_flight_max: 16 << 10,
            stream_window_bytes: 256 << 10,
            connection_window_bytes: 1 << 20,
            compression: [None; 3],
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
            stream_window_bytes: super::wire_length(limits.stream_window_bytes),
            connection_window_bytes: super::wire_length(limits.connection_window_bytes),
            compression: best_first(Compression::available().iter().copied()),
            ping_interval_min_ms: u32::try_from(limits.ping_interval_min.as_nanos().div_ceil(1_000_000))
                .unwrap_or(u32::MAX),
        }
    }

    /// The flow-control windows of the sender of these settings.
    pub(crate) fn windows(self) -> Windows {
        Windows { stream: self.stream_window_bytes.into(), connection: self.connection_window_bytes.into() }
    }

    /// How often this side, under `limits`, may send a PING to the sender of these settings, and how long the answer may
    /// take.
    pub(crate) fn pace(self, limits: &Limits) -> Pace {
        Pace { interval: limits.keepalive_interval.max(self.ping_interval()), timeout: limits.keepalive_timeout }
    }

    /// The shortest interval of PINGs that the sender of these settings accepts.
    pub(crate) fn ping_interval(self) -> Duration {
        Duration::from_millis(self.ping_interval_min_ms.into())
    }

    /// Whether the sender of these settings decompresses `algorithm`.
    pub(crate) fn accepts(&self, algorithm: Compression) -> bool {
        self.compression.contains(&Some(algorithm))
    }

    /// Appends the SETTINGS frame.
    pub(crate) fn encode(self, out: &mut BytesMut) {
        let mut body = Vec::with_capacity(64);
        for (key, value) in [
            (MESSAGE_BYTES_MAX, self.message_bytes_max),
            (METADATA_BYTES_MAX, self.metadata_bytes_max),
            (IN_FLIGHT_MAX, self.in_flight_max),
            (STREAM_WINDOW_BYTES, self.stream_window_bytes),
            (CONNECTION_WINDOW_BYTES, self.connection_window_bytes),
        ] {
            put_entry(&mut body, key, &value.to_le_bytes());
        }
        let algorithms: Vec<u8> = self.compression.iter().flatten().map(|algorithm| *algorithm as u8).collect();
        if !algorithms.is_empty() {
            put_entry(&mut body, COMPRESSION, &algorithms);
        }
        if self.ping_interval_min_ms != Settings::default().ping_interval_min_ms {
            put_entry(&mut body, PING_INTERVAL_MIN, &self.ping_interval_min_ms.to_le_bytes());
        }
        encode_frame(out, Header { kind: kind::SETTINGS, ..Header::default() }, &body);
    }

    /// Merges the body of a SETTINGS frame. Unknown keys are skipped. The error says what is wrong.
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
            if key == COMPRESSION {
                self.compression = best_first(value.iter().filter_map(|number| Compression::from_number(*number)));
                continue;
            }
            let Some(number) = value.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes)) else {
                continue;
            };
            match key {
                MESSAGE_BYTES_MAX => self.message_bytes_max = number,
                METADATA_BYTES_MAX => self.metadata_bytes_max = number,
                IN_FLIGHT_MAX => self.in_flight_max = number,
                STREAM_WINDOW_BYTES => self.stream_window_bytes = number,
                CONNECTION_WINDOW_BYTES => self.connection_window_bytes = number,
                PING_INTERVAL_MIN => self.ping_interval_min_ms = number,
                _ => {}
            }
        }
        Ok(())
    }
}

fn put_entry(body: &mut Vec<u8>, key: u16, value: &[u8]) {
    body.put_u16_le(key);
    body.put_u16_le(value.len() as u16);
    body.put_slice(value);
}

/// The algorithms in their order, without duplicates. The array has room for every known algorithm.
fn best_first(algorithms: impl Iterator<Item = Compression>) -> [Option<Compression>; 3] {
    let mut set = [None; 3];
    let mut filled = 0;
    for algorithm in algorithms {
        if filled < set.len() && !set.contains(&Some(algorithm)) {
            set[filled] = Some(algorithm);
            filled += 1;
        }
    }
    set
}
