//! JSON that is put together from parts: values from elsewhere set into an object that arrived as text. It finds where
//! values end, and leaves it to the decoder of the message to check them.

use super::message_types::FieldType;

/// A value of JSON. A text becomes an object of its members only where a member of it is set, so all else stays as it was
/// sent.
#[derive(Debug)]
pub(crate) enum JsonTree<'a> {
    Text(&'a [u8]),
    Object(Vec<(&'a [u8], JsonTree<'a>)>),
}

/// The value in which a member was to be set is no object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoObject;

impl<'a> JsonTree<'a> {
    /// Sets the value of the field at the end of this path of fields. The path is as deep as the caller allows.
    pub(crate) fn set(&mut self, path: &'a [FieldType], value: &'a [u8]) -> Result<(), NoObject> {
        let [field, rest @ ..] = path else {
            *self = JsonTree::Text(value);
            return Ok(());
        };
        let members = self.members()?;
        if rest.is_empty() {
            members.retain(|(name, _)| !field.is_named(name));
        }
        let place = members.iter().position(|(name, _)| field.is_named(name)).unwrap_or(members.len());
        if place == members.len() {
            members.push((field.json_name.as_bytes(), JsonTree::Object(Vec::new())));
        }
        members[place].1.set(rest, value)
    }

    /// Returns the members of an object. `null` has none. A name with an escape is refused, as it could hide a field.
    fn members(&mut self) -> Result<&mut Vec<(&'a [u8], JsonTree<'a>)>, NoObject> {
        if let JsonTree::Text(text) = self {
            let members = if text.trim_ascii() == b"null" { Some(Vec::new()) } else { members(text) };
            let members = members.filter(|members| !members.iter().any(|(name, _)| name.contains(&b'\\')));
            let members = members.ok_or(NoObject)?;
            *self = JsonTree::Object(members.into_iter().map(|(name, value)| (name, JsonTree::Text(value))).collect());
        }
        match self {
            JsonTree::Object(members) => Ok(members),
            JsonTree::Text(_) => Err(NoObject),
        }
    }

    /// Appends the value as text.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let members = match self {
            JsonTree::Text(text) => return out.extend_from_slice(text),
            JsonTree::Object(members) => members,
        };
        out.push(b'{');
        for (index, (name, value)) in members.iter().enumerate() {
            out.extend_from_slice(if index == 0 { b"\"" } else { b",\"" });
            out.extend_from_slice(name);
            out.extend_from_slice(b"\":");
            value.write(out);
        }
        out.push(b'}');
    }
}

/// Whether a text is one value, with nothing behind it.
pub(crate) fn is_one_value(mut text: &[u8]) -> bool {
    take_value(&mut text).is_some() && text.trim_ascii().is_empty()
}

/// Returns the value of a field in an object, as it is written there. The error says that the text is no object.
pub(crate) fn member<'a>(text: &'a [u8], field: &FieldType) -> Result<Option<&'a [u8]>, NoObject> {
    let members = members(text).ok_or(NoObject)?;
    Ok(members.into_iter().find(|(name, _)| field.is_named(name)).map(|(_, value)| value))
}

/// Appends a string of JSON.
pub(crate) fn put_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            0..=31 => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
}

/// The names and values of an object, as they are written. `None` if the text is no object.
fn members(mut text: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut members = Vec::new();
    take(&mut text, b'{')?;
    if take(&mut text, b'}').is_some() {
        return text.trim_ascii().is_empty().then_some(members);
    }
    loop {
        text = text.trim_ascii_start();
        let name = take_string(&mut text)?;
        take(&mut text, b':')?;
        members.push((name, take_value(&mut text)?));
        if take(&mut text, b',').is_none() {
            take(&mut text, b'}')?;
            break;
        }
    }
    text.trim_ascii().is_empty().then_some(members)
}

fn take(text: &mut &[u8], byte: u8) -> Option<()> {
    *text = text.trim_ascii_start().strip_prefix(&[byte])?;
    Some(())
}

/// Cuts a string off the front. Returns what stands between the quotes.
fn take_string<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    let inside = text.strip_prefix(b"\"")?;
    let mut is_escaped = false;
    let end = inside.iter().position(|byte| {
        let is_end = *byte == b'"' && !is_escaped;
        is_escaped = *byte == b'\\' && !is_escaped;
        is_end
    })?;
    *text = &inside[end + 1..];
    Some(&inside[..end])
}

/// Cuts a value off the front. The end is where a strict parser sees it too, or the parser finds an error before.
fn take_value<'a>(text: &mut &'a [u8]) -> Option<&'a [u8]> {
    *text = text.trim_ascii_start();
    let (whole, mut depth) = (*text, 0usize);
    loop {
        let (first, rest) = text.split_first()?;
        match first {
            b'"' => drop(take_string(text)?),
            b'{' | b'[' => (depth, *text) = (depth + 1, rest),
            b'}' | b']' => (depth, *text) = (depth.checked_sub(1)?, rest),
            _ if depth > 0 => *text = rest,
            _ => {
                let is_end = |byte: &u8| {
                    matches!(byte, b',' | b':' | b'"' | b'{' | b'}' | b'[' | b']') || byte.is_ascii_whitespace()
                };
                let length = text.iter().position(is_end).unwrap_or(text.len());
                *text = &text[length..];
                return (length > 0).then(|| &whole[..length]);
            }
        }
        if depth == 0 {
            return Some(&whole[..whole.len() - text.len()]);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::codec::message_types::{Kind, Remarks};

    fn field(name: &'static str, json_name: &'static str) -> FieldType {
        let json_name = Cow::Borrowed(json_name);
        FieldType {
            name,
            json_name,
            is_repeated: false,
            is_message: false,
            kind: Kind::String,
            is_required: false,
            oneof: None,
            remarks: Remarks::default(),
        }
    }

    fn set(text: &str, path: &[FieldType]) -> Option<String> {
        let mut tree = JsonTree::Text(text.as_bytes());
        tree.set(path, b"7").ok()?;
        let mut out = Vec::new();
        tree.write(&mut out);
        Some(String::from_utf8(out).unwrap())
    }

    #[test]
    fn fields_are_set_and_the_rest_stays_as_it_was_sent() {
        let path = [field("my_book", "myBook"), field("id", "id")];
        for (text, expected) in [
            ("{}", r#"{"myBook":{"id":7}}"#),
            (" null ", r#"{"myBook":{"id":7}}"#),
            (r#"{"a" : [1, {"b":2.50}] }"#, r#"{"a":[1, {"b":2.50}],"myBook":{"id":7}}"#),
            (r#"{"my_book":{"id":1,"x":"}"},"z":true}"#, r#"{"my_book":{"x":"}","id":7},"z":true}"#),
            (r#"{"myBook":null}"#, r#"{"myBook":{"id":7}}"#),
            (r#"{"myBook":{"id":1,"id":2}}"#, r#"{"myBook":{"id":7}}"#),
            (r#"{"a":"\\\"{","b":-1e5}"#, r#"{"a":"\\\"{","b":-1e5,"myBook":{"id":7}}"#),
        ] {
            assert_eq!(set(text, &path).as_deref(), Some(expected), "{text}");
        }
    }

    #[test]
    fn what_is_no_object_is_refused() {
        let path = [field("a", "a"), field("id", "id")];
        for text in [
            "",
            "7",
            "[]",
            "{",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{} {}",
            "{\"a\":1}",
            "{\"a\":[]}",
            "{\"b\":1 2}",
            "{\"b\":\"}",
            "{\"\\u0061\":{}}",
            "{\"b\"::1}",
        ] {
            assert_eq!(set(text, &path), None, "{text}");
        }
    }

    #[test]
    fn one_value_is_told_from_several() {
        for text in ["{}", " [1,2] ", "\"a\\\"b\"", "-1.5e3", "null", "{\"a\":[{}]}"] {
            assert!(is_one_value(text.as_bytes()), "{text}");
        }
        for text in ["", " ", "1,\"a\":2", "{},\"a\":2", "{}}", "\"a", "[", "}", ":1", "1 2", "\"a\"\"b\""] {
            assert!(!is_one_value(text.as_bytes()), "{text}");
        }
    }

    #[test]
    fn members_are_found_under_both_names() {
        let find = |text: &'static str| member(text.as_bytes(), &field("my_a", "myA"));
        assert_eq!(find(r#"{"b":1,"myA": [1] }"#), Ok(Some(&b"[1]"[..])));
        assert_eq!(find(r#"{"my_a":"x"}"#), Ok(Some(&b"\"x\""[..])));
        assert_eq!(find("{}"), Ok(None));
        assert_eq!(find("[]"), Err(NoObject));
    }
}
