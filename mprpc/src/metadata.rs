//! Key-value pairs that travel beside a message. Neither the message nor the encoding on the wire.

use std::fmt;
use std::sync::Arc;

use crate::status::Status;

/// Key-value pairs that travel beside a message: with a request, with a reply, and after a reply (the trailer).
///
/// The rules are gRPC's. A key consists of `a-z 0-9 - _ .` and has 1 to [`Metadata::KEY_BYTES_MAX`] bytes; upper case
/// becomes lower case, also in lookups. A key that ends in `-bin` takes any bytes as its value; the values of all other keys
/// are printable ASCII (0x20 to 0x7e). A key may occur more than once; the order is kept. `limits.metadata_bytes_max` bounds
/// the metadata of a message.
///
/// `Metadata` is as wide as a pointer. Empty metadata allocates nothing. Clones share the pairs until one of them changes.
///
/// `Debug` output is safe for logs: it prints `***` if the key sounds like a secret, the length for a `-bin` key, and cuts
/// long values.
///
/// ```no_run
/// let mut metadata = mprpc::Metadata::new();
/// metadata.append("tenant", "blue")?;
/// assert_eq!(metadata.text("tenant"), Some("blue"));
/// # Ok::<(), mprpc::Status>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `None` if there is no pair, so that equal metadata compares equal.
    pairs: Option<Arc<Vec<Pair>>>,
}

/// The memory of a pair beside its bytes: its place in the list, counted twice because the list grows by doubling, and 16
/// bytes of the allocator for each half.
const PAIR_MEMORY_BYTES: usize = 2 * size_of::<Pair>() + 2 * 16;

#[derive(Clone, PartialEq, Eq)]
struct Pair {
    key: Box<str>,
    value: Box<[u8]>,
}

impl Metadata {
    /// The longest key, in bytes.
    pub const KEY_BYTES_MAX: usize = 256;

    /// The keys that the calls of a handler inherit: the trace context (<https://www.w3.org/TR/trace-context/>,
    /// <https://www.w3.org/TR/baggage/>), the request's id, the caller's name, the priority
    /// ([`Priority`](crate::Priority)), and the number of the attempt ([`Context::attempt`](crate::Context::attempt)).
    pub const PASSED_ON: &[&str] =
        &["traceparent", "tracestate", "baggage", "x-request-id", "x-caller", "mprpc-priority", Metadata::ATTEMPT];

    /// The key of [`Context::attempt`](crate::Context::attempt): a decimal number of at least 2.
    pub(crate) const ATTEMPT: &str = "mprpc-attempt";

    /// Empty metadata.
    pub const fn new() -> Metadata {
        Metadata { pairs: None }
    }

    /// Appends a pair at the end; pairs with the same key stay.
    ///
    /// Returns INVALID_ARGUMENT if key or value break the rules. The error names the key and the fault, and never shows the
    /// value.
    pub fn append(&mut self, key: &str, value: impl Into<Vec<u8>>) -> Result<(), Status> {
        let pair = Pair { key: key.to_ascii_lowercase().into(), value: value.into().into() };
        if let Some(what) = fault(pair.key.as_bytes(), &pair.value) {
            return Err(Status::invalid_argument(what));
        }
        self.push(pair);
        Ok(())
    }

    /// Replaces all values of `key` by this one, which becomes the last pair. It fails as [`Metadata::append`] does, and
    /// then changes nothing.
    pub fn set(&mut self, key: &str, value: impl Into<Vec<u8>>) -> Result<(), Status> {
        let mut replaced = self.clone();
        replaced.remove(key);
        replaced.append(key, value)?;
        *self = replaced;
        Ok(())
    }

    /// Removes all values of `key`. Returns whether there were any.
    pub fn remove(&mut self, key: &str) -> bool {
        let found = self.value(key).is_some();
        if found {
            self.retain(|pair| !pair.key.eq_ignore_ascii_case(key));
        }
        found
    }

    /// The first value of `key`.
    pub fn value(&self, key: &str) -> Option<&[u8]> {
        self.values(key).next()
    }

    /// The first value of `key` as text; `None` also if the value is not UTF-8, which a `-bin` key permits.
    pub fn text(&self, key: &str) -> Option<&str> {
        std::str::from_utf8(self.value(key)?).ok()
    }

    /// All values of `key`, in order.
    pub fn values(&self, key: &str) -> impl Iterator<Item = &[u8]> {
        self.iter().filter(move |(k, _)| k.eq_ignore_ascii_case(key)).map(|(_, value)| value)
    }

    /// All pairs, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.pairs().iter().map(|pair| (&*pair.key, &*pair.value))
    }

    /// Whether there are no pairs.
    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    /// The memory of the pairs in bytes, with the allocator's overhead for the two halves of each pair.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.iter().map(|(key, value)| PAIR_MEMORY_BYTES + key.len() + value.len()).sum()
    }

    /// The number of pairs.
    pub fn len(&self) -> usize {
        self.pairs().len()
    }

    /// The pairs that dependent calls inherit: those of [`Metadata::PASSED_ON`]. It allocates nothing if no pair or every
    /// pair is inherited.
    pub fn passed_on(&self) -> Metadata {
        let passes = |pair: &Pair| Metadata::PASSED_ON.contains(&&*pair.key);
        match self.pairs().iter().filter(|pair| passes(pair)).count() {
            0 => Metadata::new(),
            all if all == self.len() => self.clone(),
            _ => Metadata { pairs: Some(Arc::new(self.pairs().iter().filter(|pair| passes(pair)).cloned().collect())) },
        }
    }

    /// Appends a pair that a peer sent, without changing the case of `key`. The error is the text of [`fault`].
    pub(crate) fn append_received(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        if let Some(what) = fault(key, value) {
            return Err(what);
        }
        let key = String::from_utf8_lossy(key).into_owned().into_boxed_str();
        self.push(Pair { key, value: value.into() });
        Ok(())
    }

    /// Removes the pairs whose key is not to be kept.
    pub(crate) fn retain_keys(&mut self, keep: impl Fn(&str) -> bool) {
        if self.pairs().iter().any(|pair| !keep(&pair.key)) {
            self.retain(|pair| keep(&pair.key));
        }
    }

    fn push(&mut self, pair: Pair) {
        Arc::make_mut(self.pairs.get_or_insert_default()).push(pair);
    }

    fn retain(&mut self, keep: impl FnMut(&Pair) -> bool) {
        if let Some(pairs) = &mut self.pairs {
            Arc::make_mut(pairs).retain(keep);
        }
        if self.is_empty() {
            self.pairs = None;
        }
    }

    fn pairs(&self) -> &[Pair] {
        self.pairs.as_ref().map_or(&[], |pairs| pairs)
    }
}

impl fmt::Debug for Metadata {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.pairs().iter().map(|pair| (&pair.key, RedactedPair(pair)))).finish()
    }
}

/// A pair whose `Debug` shows the value in a form that is safe for logs.
struct RedactedPair<'a>(&'a Pair);

impl fmt::Debug for RedactedPair<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pair { key, value } = self.0;
        if SECRETS.iter().any(|word| key.contains(word)) {
            return f.write_str("***");
        }
        let Some(text) = std::str::from_utf8(value).ok().filter(|_| !key.ends_with(BINARY)) else {
            return write!(f, "<{} bytes>", value.len());
        };
        match text.split_at_checked(SHOWN_BYTES_MAX) {
            Some((shown, rest)) if !rest.is_empty() => write!(f, "{shown:?}… {} bytes more", rest.len()),
            _ => write!(f, "{text:?}"),
        }
    }
}

/// Returns the fault of a pair. The text names the key and never shows the value.
fn fault(key: &[u8], value: &[u8]) -> Option<String> {
    let in_a_key = |byte: &u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.');
    let what = if key.is_empty() {
        "is empty".to_owned()
    } else if key.len() > Metadata::KEY_BYTES_MAX {
        format!("is {} bytes long, beyond {}", key.len(), Metadata::KEY_BYTES_MAX)
    } else if !key.iter().all(in_a_key) {
        "is not of a-z 0-9 - _ .".to_owned()
    } else {
        let bad = |byte: &u8| !matches!(byte, 0x20..=0x7e);
        let bad = if key.ends_with(BINARY.as_bytes()) { None } else { value.iter().position(bad) };
        format!("has a value that is not printable ASCII at byte {}; a key of bytes ends in -bin", bad?)
    };
    let shown = String::from_utf8_lossy(&key[..key.len().min(SHOWN_BYTES_MAX)]);
    Some(format!("the metadata key {shown:?} {what}"))
}

/// The suffix of keys whose values are bytes.
const BINARY: &str = "-bin";
/// A key that contains one of these words has a secret value, which `Debug` never shows.
const SECRETS: &[&str] =
    &["auth", "token", "secret", "password", "passwd", "cookie", "credential", "session", "signature", "key"];
/// How many bytes of a value `Debug` shows, and how many of a bad key the error shows.
const SHOWN_BYTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Code;

    fn of(pairs: &[(&str, &str)]) -> Metadata {
        let mut metadata = Metadata::new();
        for (key, value) in pairs {
            metadata.append(key, *value).unwrap();
        }
        metadata
    }

    #[test]
    fn metadata_is_one_pointer_wide_and_empty_metadata_allocates_nothing() {
        assert_eq!(size_of::<Metadata>(), size_of::<usize>());
        let mut metadata = of(&[("a", "1")]);
        assert!(metadata.remove("a"));
        assert!(metadata.pairs.is_none());
        assert_eq!(metadata, Metadata::new());
        assert!(!metadata.remove("a"));
    }

    #[test]
    fn clones_share_their_pairs_until_one_is_changed() {
        let first = of(&[("a", "1")]);
        let mut second = first.clone();
        let shared = |one: &Metadata, other: &Metadata| std::ptr::eq(one.pairs(), other.pairs());
        assert!(shared(&first, &second));
        second.append("b", "2").unwrap();
        assert!(!shared(&first, &second));
        assert_eq!((first.len(), second.len()), (1, 2));
    }

    #[test]
    fn lookup_ignores_case_and_keeps_order_of_values() {
        let mut metadata = of(&[("Tenant", "blue"), ("other", ""), ("tenant", "green")]);
        assert_eq!(metadata.text("TENANT"), Some("blue"));
        assert_eq!(metadata.values("tenant").collect::<Vec<_>>(), [b"blue".as_slice(), b"green"]);
        assert_eq!(metadata.value("other"), Some(&b""[..]));
        assert_eq!(metadata.value("tenan"), None);
        metadata.set("tenanT", "red").unwrap();
        assert_eq!(metadata.iter().collect::<Vec<_>>(), [("other", &b""[..]), ("tenant", b"red")]);
        metadata.append("blob-bin", [0xff]).unwrap();
        assert_eq!((metadata.value("blob-bin"), metadata.text("blob-bin")), (Some(&[0xff][..]), None));
    }

    #[test]
    fn invalid_pair_is_refused_with_reason_but_without_value() {
        let long = "k".repeat(Metadata::KEY_BYTES_MAX + 1);
        let mut metadata = of(&[(&long[1..], "x"), ("tilde", " ~"), ("any-bin", "\u{0}\u{7f}")]);
        let before = metadata.clone();
        for (key, value, expected) in [
            ("", "x", "the metadata key \"\" is empty"),
            ("a b", "x", "the metadata key \"a b\" is not of a-z 0-9 - _ ."),
            ("schlüssel", "x", "the metadata key \"schlüssel\" is not of a-z 0-9 - _ ."),
            ("a\n", "x", "the metadata key \"a\\n\" is not of a-z 0-9 - _ ."),
            (
                "password",
                "hunter2\n",
                "the metadata key \"password\" has a value that is not printable ASCII at byte 7; a key of bytes ends in -bin",
            ),
            ("name", "\u{7f}", "not printable ASCII at byte 0; a key of bytes ends in -bin"),
            (&long, "x", "is 257 bytes long, beyond 256"),
        ] {
            for refused in [metadata.append(key, value), metadata.set(key, value)] {
                let status = refused.unwrap_err();
                assert_eq!(status.code(), Code::InvalidArgument);
                assert!(status.message().ends_with(expected), "{status}");
                assert!(!status.message().contains("hunter2"));
            }
        }
        assert_eq!(metadata, before);
    }

    #[test]
    fn debug_hides_secrets_and_cuts_long_values() {
        let mut metadata = of(&[("tenant", "blue")]);
        metadata.append("blob-bin", [0; 17]).unwrap();
        metadata.append("long", "x".repeat(100)).unwrap();
        let long = "x".repeat(64);
        let expected = format!(r#"{{"tenant": "blue", "blob-bin": <17 bytes>, "long": "{long}"… 36 bytes more}}"#);
        assert_eq!(format!("{metadata:?}"), expected);
        for key in ["authorization", "x-api-key", "set-cookie", "session-id", "id-token-bin", "my-Passwd"] {
            let shown = format!("{:?}", of(&[(key, "hunter2")]));
            assert_eq!(shown, format!("{{{:?}: ***}}", key.to_ascii_lowercase()));
        }
    }

    #[test]
    fn only_listed_keys_are_passed_on() {
        let metadata =
            of(&[("tenant", "blue"), ("X-Request-Id", "7"), ("authorization", "x"), ("traceparent", "00-1")]);
        assert_eq!(metadata.passed_on(), of(&[("x-request-id", "7"), ("traceparent", "00-1")]));
        assert!(of(&[("tenant", "blue")]).passed_on().pairs.is_none());
        let all = of(&[("baggage", "a=b")]);
        assert!(std::ptr::eq(all.passed_on().pairs(), all.pairs()));
    }
}
