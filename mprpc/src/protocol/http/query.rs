//! The query of a target: names and values with percent signs, as forms in HTML encode them.

use std::borrow::Cow;

use percent_encoding::percent_decode;

/// The pairs of a query, decoded. A pair without `=` has an empty value. Nothing is an error: a percent sign without two
/// digits stays as it is.
pub(crate) fn query_pairs(query: &str) -> impl Iterator<Item = (Cow<'_, [u8]>, Cow<'_, [u8]>)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(name), decode(value))
    })
}

/// Decodes a name or a value. A plus sign is a space.
fn decode(text: &str) -> Cow<'_, [u8]> {
    if !text.contains('+') {
        return percent_decode(text.as_bytes()).into();
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode(spaced.as_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queries_decode_as_those_of_forms() {
        let pairs: Vec<_> = query_pairs("a=b%20c&&d+e=1%2B1=2&flag&%zz=%2&=x").collect();
        let expected: [(&[u8], &[u8]); 5] =
            [(b"a", b"b c"), (b"d e", b"1+1=2"), (b"flag", b""), (b"%zz", b"%2"), (b"", b"x")];
        assert_eq!(pairs, expected.map(|(name, value)| (name.into(), value.into())));
        assert_eq!(query_pairs("").count(), 0);
    }
}
