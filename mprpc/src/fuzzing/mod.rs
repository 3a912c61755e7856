//! The entry points of the fuzz targets in `fuzz/`. Each function takes arbitrary bytes, and panics if it finds a fault.
//!
//! The module exists when `cargo fuzz` compiles the crate, and in tests, which replay the corpora.

mod caller;
mod grpc;
mod hpack;
mod http1;
mod http2;
mod native;
mod proxy;
mod script;
mod server;
#[cfg(test)]
mod tests;

pub use grpc::grpc;
pub use hpack::{HpackField, HpackPeer, hpack, hpack_beside};
pub use http1::http1;
pub use http2::{http2_client, http2_server};
pub use native::{classic, native};
pub use proxy::{paths, proxy};

use crate::limits::Limits;
use crate::protocol::{Sniffed, sniff};

/// Detects the protocol of the first bytes. A decision must not change when more bytes arrive.
pub fn sniffed(data: &[u8]) {
    let limits = Limits::default();
    let decisions = (1..=data.len().min(64)).map(|length| sniff(&data[..length], &limits));
    let mut decided = decisions.skip_while(|decision| *decision == Sniffed::NeedMore);
    if let Some(first) = decided.next() {
        assert!(decided.all(|later| later == first), "{data:?}");
    }
}

/// How a target treats the rest of its input: the bits of the first byte.
#[derive(Clone, Copy)]
struct Mode(u8);

impl Mode {
    /// Takes the first byte. `None` if there is no input.
    fn take(data: &[u8]) -> Option<(Mode, &[u8])> {
        data.split_first().map(|(mode, rest)| (Mode(*mode), rest))
    }

    /// Whether the rest is a script of frames, and not the bytes of a connection.
    fn is_script(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether the peer stays connected after its last byte, and sends and reads nothing more.
    fn is_silent(self) -> bool {
        self.0 & 2 != 0
    }

    /// One of four variants of the target.
    fn variant(self) -> usize {
        usize::from(self.0 >> 2 & 3)
    }

    /// The pieces in which the bytes arrive.
    fn pieces(self, data: &[u8]) -> impl Iterator<Item = &[u8]> {
        let length = usize::from(self.0 >> 4);
        data.chunks(if length == 0 { data.len().max(1) } else { length })
    }
}

/// Splits the input into parts, each as long as the byte before it says.
fn parts(mut data: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (length, rest) = data.split_first()?;
        let (part, rest) = rest.split_at(rest.len().min(1 + usize::from(*length)));
        data = rest;
        Some(part)
    })
}
