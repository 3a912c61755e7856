//! Remembers how the latest blocks of a connection began. It does not know what their fields mean.

/// How the latest blocks of a connection began: indexed fields alone, which most requests of a method share.
///
/// What the fields of such a beginning came to is saved once, in a place of the [`FieldSink`](super::FieldSink). A later
/// block with the same beginning goes on from there, without looking at each field.
#[derive(Debug, Default)]
pub(super) struct Beginnings {
    places: [Beginning; PLACES],
    /// The place that the next unknown beginning takes.
    next: usize,
}

/// How many beginnings a decoder remembers, and a [`FieldSink`](super::FieldSink) saves.
pub(crate) const PLACES: usize = 4;

/// A longer beginning is remembered up to here.
pub(super) const BEGINNING_BYTES_MAX: usize = 16;

#[derive(Clone, Copy, Debug, Default)]
struct Beginning {
    bytes: u128,
    /// The bits of `bytes` that count.
    mask: u128,
    /// The first bytes of a block that this beginning covers. 0 for an unused place.
    length: usize,
    /// The version of the table at that time: in another one, the indices have another meaning.
    version: u64,
    /// The size of the fields, as a list counts them.
    list_bytes: usize,
    is_saved: bool,
}

/// What is known of the beginning of a block.
pub(super) enum Known {
    /// The sink has saved the first `length` bytes in this place.
    Saved { place: usize, length: usize, list_bytes: usize },
    /// An earlier block began in the same way: the sink should save it in this place.
    Repeated(usize),
    /// No block began in this way, as far as is known.
    New,
}

impl Beginnings {
    /// Finds the beginning of `block`. `version` is that of the table.
    #[inline]
    pub(super) fn find(&self, block: &[u8], version: u64) -> Known {
        let bytes = first_bytes(block);
        let is_same = |place: &Beginning| {
            place.version == version
                && (place.bytes ^ bytes) & place.mask == 0
                && (1..=block.len()).contains(&place.length)
        };
        match self.places.iter().position(is_same) {
            Some(place) => {
                let Beginning { length, list_bytes, is_saved, .. } = self.places[place];
                if is_saved { Known::Saved { place, length, list_bytes } } else { Known::Repeated(place) }
            }
            None => Known::New,
        }
    }

    /// Remembers that a block began with these indexed fields.
    pub(super) fn note(&mut self, beginning: &[u8], version: u64) {
        self.places[self.next] = Beginning { version, ..Beginning::of(beginning) };
        self.next = (self.next + 1) % PLACES;
    }

    /// Remembers that the sink has saved these indexed fields, whose list has `list_bytes`.
    pub(super) fn saved(&mut self, place: usize, beginning: &[u8], version: u64, list_bytes: usize) {
        self.places[place] = Beginning { version, list_bytes, is_saved: true, ..Beginning::of(beginning) };
    }
}

impl Beginning {
    fn of(beginning: &[u8]) -> Beginning {
        let length = beginning.len().min(BEGINNING_BYTES_MAX);
        let mask = if length == 0 { 0 } else { u128::MAX >> (8 * (BEGINNING_BYTES_MAX - length)) };
        Beginning { bytes: first_bytes(beginning), mask, length, ..Beginning::default() }
    }
}

/// The first bytes of `block`, the first of them lowest.
#[inline]
fn first_bytes(block: &[u8]) -> u128 {
    match block.first_chunk() {
        Some(bytes) => u128::from_le_bytes(*bytes),
        None => {
            let mut bytes = [0; BEGINNING_BYTES_MAX];
            bytes[..block.len()].copy_from_slice(block);
            u128::from_le_bytes(bytes)
        }
    }
}
