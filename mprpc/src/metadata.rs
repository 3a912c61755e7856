//! Key-value pairs that travel beside a message. Not the message, and not its encoding on the wire.

/// Key-value pairs that travel beside a message. Empty metadata costs nothing.
///
/// Keys are lower-case ASCII (`a-z 0-9 - _ .`); values are bytes. A key may occur more than once; order is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata(Vec<(String, Vec<u8>)>);

impl Metadata {
    /// Empty metadata.
    pub const fn new() -> Metadata {
        Metadata(Vec::new())
    }

    /// Appends a pair. The key is taken in lower case.
    pub fn append(&mut self, key: &str, value: impl Into<Vec<u8>>) {
        self.0.push((key.to_ascii_lowercase(), value.into()));
    }

    /// The first value of `key`.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.iter().find(|(k, _)| *k == key).map(|(_, value)| value)
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_slice()))
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}
