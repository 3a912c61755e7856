//! Key-value pairs that travel beside a message. Not the message, and not their encoding on the wire.

use std::fmt;
use std::sync::Arc;

use crate::status::Status;

/// Key-value pairs that travel beside a message: with a request, with a reply, and after it (the trailer).
///
/// The rules are gRPC's. A key is of `a-z 0-9 - _ .`, 1 to [`Metadata::KEY_BYTES_MAX`] bytes; one that is given in upper
/// case is taken, and found, in lower case. A key that ends in `-bin` has any bytes as its value; the value of every
/// other key is printable ASCII (0x20 to 0x7e). A key may occur more than once; order is kept. How much of it a message
/// may carry is `limits.metadata_bytes_max`.
///
/// As wide as a pointer. Empty metadata allocates nothing; a clone shares the pairs until one of the two is changed.
///
/// `Debug` is fit for logs: `***` stands for the values of keys whose name sounds like a secret, a length for those of
/// `-bin` keys, and long values are cut.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// `None` where there is no pair, so that equal metadata compares equal.
    pairs: Option<Arc<Vec<Pair>>>,
}

/// What a pair takes beside its bytes: its place, twice, as the list of pairs doubles, and 16 bytes of the allocator's for
/// each half.
const PAIR_MEMORY_BYTES: usize = 2 * size_of::<Pair>() + 2 * 16;

#[derive(Clone, PartialEq, Eq)]
struct Pair {
    key: Box<str>,
    value: Box<[u8]>,
}

impl Metadata {
    /// The longest key, in bytes.
    pub const KEY_BYTES_MAX: usize = 256;

    /// The keys that pass on by themselves from a call to the calls that its handler makes: the trace context
    /// (<https://www.w3.org/TR/trace-context/>, <https://www.w3.org/TR/baggage/>), the request's id, the caller's name, and
    /// the priority ([`Priority`](crate::Priority)).
    pub const PASSED_ON: &[&str] =
        &["traceparent", "tracestate", "baggage", "x-request-id", "x-caller", "mprpc-priority"];

    /// Empty metadata.
    pub const fn new() -> Metadata {
        Metadata { pairs: None }
    }

    /// Appends a pair behind those that are there, also behind others of the same key.
    ///
    /// INVALID_ARGUMENT where key or value break the rules. It names the key and what is wrong, and never shows the value.
    pub fn append(&mut self, key: &str, value: impl Into<Vec<u8>>) -> Result<(), Status> {
        let pair = Pair { key: key.to_ascii_lowercase().into(), value: value.into().into() };
        if let Some(what) = fault(pair.key.as_bytes(), &pair.value) {
            return Err(Status::invalid_argument(what));
        }
        self.push(pair);
        Ok(())
    }

    /// Replaces all values of `key` by this one, which becomes the last pair. Fails as [`Metadata::append`] does, and
    /// then changes nothing.
    pub fn set(&mut self, key: &str, value: impl Into<Vec<u8>>) -> Result<(), Status> {
        let mut replaced = self.clone();
        replaced.remove(key);
        replaced.append(key, value)?;
        *self = replaced;
        Ok(())
    }

    /// Removes all values of `key`; whether there were any.
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

    /// The first value of `key` as text; `None` also where it is none, as that of a `-bin` key may be.
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

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.pairs().is_empty()
    }

    /// Bytes of memory that the pairs take, with what the allocator takes for each of the two halves of a pair.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.iter().map(|(key, value)| PAIR_MEMORY_BYTES + key.len() + value.len()).sum()
    }

    /// How many pairs there are.
    pub fn len(&self) -> usize {
        self.pairs().len()
    }

    /// What of it goes along with the calls that are made on its behalf: the pairs of [`Metadata::PASSED_ON`] alone.
    /// Allocates nothing where there are none, or no others.
    pub fn passed_on(&self) -> Metadata {
        let passes = |pair: &Pair| Metadata::PASSED_ON.contains(&&*pair.key);
        match self.pairs().iter().filter(|pair| passes(pair)).count() {
            0 => Metadata::new(),
            all if all == self.len() => self.clone(),
            _ => Metadata { pairs: Some(Arc::new(self.pairs().iter().filter(|pair| passes(pair)).cloned().collect())) },
        }
    }

    /// Appends a pair as a peer sent it: `key` as it is; the error is the text of [`fault`].
    pub(crate) fn append_received(&mut self, key: &[u8], value: &[u8]) -> Result<(), String> {
        if let Some(what) = fault(key, value) {
            return Err(what);
        }
        let key = String::from_utf8_lossy(key).into_owned().into_boxed_str();
        self.push(Pair { key, value: value.into() });
        Ok(())
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

/// A value, as it may stand in a log.
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

/// What is wrong with a pair: names the key, never shows the value.
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

/// The end of a key whose values are bytes.
const BINARY: &str = "-bin";
/// A key that contains one of these has values that nobody logs.
const SECRETS: &[&str] =
    &["auth", "token", "secret", "password", "passwd", "cookie", "credential", "session", "signature", "key"];
/// How much of a value `Debug` shows, and of a bad key its error.
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
    fn is_as_wide_as_a_pointer_and_empty_holds_nothing() {
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
    fn values_of_a_key_are_found_in_order_whatever_its_case() {
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
    fn what_breaks_the_rules_is_refused_and_says_why_without_the_value() {
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
    fn debug_shows_no_secrets_and_cuts_what_is_long() {
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
    fn the_trace_and_the_callers_name_pass_on_and_nothing_else() {
        let metadata =
            of(&[("tenant", "blue"), ("X-Request-Id", "7"), ("authorization", "x"), ("traceparent", "00-1")]);
        assert_eq!(metadata.passed_on(), of(&[("x-request-id", "7"), ("traceparent", "00-1")]));
        assert!(of(&[("tenant", "blue")]).passed_on().pairs.is_none());
        let all = of(&[("baggage", "a=b")]);
        assert!(std::ptr::eq(all.passed_on().pairs(), all.pairs()));
    }
}
