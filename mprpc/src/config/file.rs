//! Parses the conf file: bytes to lines of `key = value`, each with its position. Knows no keys and does no I/O.
//!
//! The parser is written by hand, because the crates for this format cut values at `#` and `;`. Here a value is
//! everything after the first `=`, without the surrounding spaces. A line that begins with `#` is a comment.

use crate::error::{Error, ErrorKind};

/// The longest conf file, in bytes. A longer file is an error that names this limit.
pub const CONF_FILE_BYTES_MAX: usize = 1 << 20;

/// A line that sets a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) value: String,
    /// The number of the line, from 1.
    pub(super) line: usize,
    /// The column at which the value begins, in characters, from 1.
    pub(super) column: usize,
    /// The column at which the key begins, likewise.
    pub(super) key_column: usize,
}

/// Parses the lines that set a key, in their order. Every error begins with `name`: `user.conf:3:7: …`.
pub(super) fn parse(name: &str, bytes: &[u8]) -> Result<Vec<Entry>, Error> {
    let text = decode(name, bytes)?;
    let mut entries: Vec<Entry> = Vec::new();
    for (index, raw) in text.split('\n').enumerate() {
        let number = index + 1;
        let line = raw.strip_suffix('\r').unwrap_or(raw);
        if let Some(at) = line.find(|c: char| c.is_control() && c != '\t') {
            let control = line[at..].chars().next().unwrap_or_default();
            let what = format!("a control character (U+{:04X}) has no place in a conf file", u32::from(control));
            return Err(error_at(name, number, column(line, at), &what));
        }
        let content = line.trim();
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let start = line.len() - line.trim_start().len();
        let Some((key, value)) = line.split_once('=') else {
            let what = match content.starts_with('[') {
                true => "a conf file has no sections; a line is key = value",
                false => "no '=' in this line; a line is key = value",
            };
            return Err(error_at(name, number, column(line, start), what));
        };
        let value_start = key.len() + 1 + (value.len() - value.trim_start().len());
        let key = key.trim();
        if key.is_empty() {
            return Err(error_at(name, number, column(line, start), "no key before the '='"));
        }
        if let Some(first) = entries.iter().find(|entry| entry.key == key) {
            let what = format!("'{key}' is set twice: here and in line {}", first.line);
            return Err(error_at(name, number, column(line, start), &what));
        }
        entries.push(Entry {
            key: key.to_owned(),
            value: value.trim().to_owned(),
            line: number,
            column: column(line, value_start),
            key_column: column(line, start),
        });
    }
    Ok(entries)
}

fn decode<'a>(name: &str, bytes: &'a [u8]) -> Result<&'a str, Error> {
    if bytes.len() > CONF_FILE_BYTES_MAX {
        let what = format!("{name}: longer than the {CONF_FILE_BYTES_MAX} bytes that a conf file may have");
        return Err(Error::new(ErrorKind::Config, what));
    }
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Error::new(ErrorKind::Config, format!("{name}: this is UTF-16; a conf file is UTF-8")));
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|error| {
        let good = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let line = good.rsplit('\n').next().unwrap_or_default();
        let number = good.matches('\n').count() + 1;
        let what = format!("not UTF-8: byte 0x{:02x} at offset {}", bytes[error.valid_up_to()], error.valid_up_to());
        error_at(name, number, line.chars().count() + 1, &what)
    })
}

/// Returns the column of a byte offset: in characters, from 1.
fn column(line: &str, offset: usize) -> usize {
    line[..offset].chars().count() + 1
}

fn error_at(name: &str, line: usize, column: usize, what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{name}:{line}:{column}: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(text: &str) -> Vec<(String, String)> {
        parse("t.conf", text.as_bytes()).unwrap().into_iter().map(|entry| (entry.key, entry.value)).collect()
    }

    #[test]
    fn values_are_kept_whole() {
        for (line, key, value) in [
            ("a=b", "a", "b"),
            ("  a =  b c  ", "a", "b c"),
            ("\ta\t=\tb\t", "a", "b"),
            ("a = b # no comment", "a", "b # no comment"),
            ("a = b;c", "a", "b;c"),
            ("a = b=c==", "a", "b=c=="),
            ("a =", "a", ""),
            ("a = \"b\"", "a", "\"b\""),
            ("a = #1", "a", "#1"),
            ("名 = 值", "名", "值"),
            ("a = b\r", "a", "b"),
            ("\u{feff}a = b", "a", "b"),
        ] {
            assert_eq!(pairs(line), [(key.to_owned(), value.to_owned())], "{line:?}");
        }
    }

    #[test]
    fn comments_and_empty_lines_set_nothing() {
        assert_eq!(pairs("# a = b\n   # c = d\n\n  \r\n\t\n#"), []);
        assert_eq!(pairs(""), []);
    }

    #[test]
    fn entries_carry_their_line_and_columns() {
        let entries = parse("t.conf", "# x\n\n  键 =  值\r\nb=c".as_bytes()).unwrap();
        assert_eq!((entries[0].line, entries[0].key_column, entries[0].column), (3, 3, 8));
        assert_eq!((entries[1].line, entries[1].key_column, entries[1].column), (4, 1, 3));
    }

    #[test]
    fn errors_carry_line_and_column() {
        for (bytes, expected) in [
            (&b"a = b\n  nonsense"[..], "t.conf:2:3: no '=' in this line; a line is key = value"),
            (b"[server]", "t.conf:1:1: a conf file has no sections; a line is key = value"),
            (b"\n = b", "t.conf:2:2: no key before the '='"),
            (b"a=1\nb=2\n a=3", "t.conf:3:2: 'a' is set twice: here and in line 1"),
            (b"a = \0b", "t.conf:1:5: a control character (U+0000) has no place in a conf file"),
            (b"a = b\rc = d", "t.conf:1:6: a control character (U+000D) has no place in a conf file"),
            (b"a = b\nc = \xc3\xa4\xff", "t.conf:2:6: not UTF-8: byte 0xff at offset 12"),
            (b"\xff\xfea\0", "t.conf: this is UTF-16; a conf file is UTF-8"),
        ] {
            assert_eq!(parse("t.conf", bytes).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn oversized_file_is_refused_with_the_limit_in_the_error() {
        let error = parse("t.conf", &vec![b'#'; CONF_FILE_BYTES_MAX + 1]).unwrap_err();
        assert_eq!(error.to_string(), "t.conf: longer than the 1048576 bytes that a conf file may have");
        assert!(parse("t.conf", &vec![b'#'; CONF_FILE_BYTES_MAX]).unwrap().is_empty());
    }
}
