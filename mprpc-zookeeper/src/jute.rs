//! Jute, the encoding of ZooKeeper's packets: big-endian numbers, and lengths before strings, buffers and vectors.

use std::fmt;

use bytes::{BufMut, BytesMut};

/// Appends a buffer with its length.
pub(crate) fn put_buffer(output: &mut BytesMut, bytes: &[u8]) {
    // A longer buffer is refused before it is sent: `Options::packet_bytes_max` is below 2 GiB.
    output.put_i32(i32::try_from(bytes.len()).unwrap_or(i32::MAX));
    output.put_slice(bytes);
}

/// Appends a string with its length.
pub(crate) fn put_string(output: &mut BytesMut, text: &str) {
    put_buffer(output, text.as_bytes());
}

/// Appends a boolean.
pub(crate) fn put_bool(output: &mut BytesMut, value: bool) {
    output.put_u8(u8::from(value));
}

/// Reads the fields of one record.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    /// The name of the record, for errors.
    record: &'static str,
}

/// Bytes that are not the record that they should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Malformed {
    record: &'static str,
    why: String,
}

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}: {}", self.record, self.why)
    }
}

impl<'a> Reader<'a> {
    pub(crate) fn new(record: &'static str, bytes: &'a [u8]) -> Reader<'a> {
        Reader { bytes, record }
    }

    pub(crate) fn i32(&mut self) -> Result<i32, Malformed> {
        self.array().map(i32::from_be_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_be_bytes)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        self.array().map(|[byte]| byte != 0)
    }

    /// Reads a buffer. The length -1 stands for a null buffer, which is empty here.
    pub(crate) fn buffer(&mut self) -> Result<&'a [u8], Malformed> {
        match self.i32()? {
            -1 => Ok(&[]),
            length => self.take(usize::try_from(length).map_err(|_| self.malformed(format!("a length of {length}")))?),
        }
    }

    pub(crate) fn string(&mut self) -> Result<&'a str, Malformed> {
        let bytes = self.buffer()?;
        std::str::from_utf8(bytes).map_err(|_| self.malformed("a string is not UTF-8".into()))
    }

    /// Reads a vector whose elements `read` reads. Each element takes at least one byte, so memory is bounded by the
    /// bytes of the record.
    pub(crate) fn vector<T>(
        &mut self,
        read: impl Fn(&mut Reader<'a>) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = match self.i32()? {
            -1 => 0,
            count => usize::try_from(count).map_err(|_| self.malformed(format!("a vector of {count} elements")))?,
        };
        if count > self.bytes.len() {
            return Err(self.malformed(format!("a vector of {count} elements in {} bytes", self.bytes.len())));
        }
        (0..count).map(|_| read(self)).collect()
    }

    /// Whether all bytes are read. Newer servers may append fields.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let bytes = self.take(N)?;
        Ok(bytes.try_into().expect("`take` returns as many bytes as it was asked for"))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.bytes.split_at_checked(count) else {
            return Err(self.malformed(format!("{count} bytes needed, {} left", self.bytes.len())));
        };
        self.bytes = rest;
        Ok(taken)
    }

    pub(crate) fn malformed(&self, why: String) -> Malformed {
        Malformed { record: self.record, why }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a panic is how a test fails")]
mod tests {
    use super::*;

    #[test]
    fn fields_read_back_as_they_were_written() {
        let mut bytes = BytesMut::new();
        bytes.put_i32(-7);
        bytes.put_i64(1 << 40);
        put_bool(&mut bytes, true);
        put_string(&mut bytes, "a");
        bytes.put_i32(-1);
        bytes.put_i32(2);
        put_buffer(&mut bytes, b"xy");
        put_buffer(&mut bytes, b"");
        let mut reader = Reader::new("Test", &bytes);
        assert_eq!((reader.i32().unwrap(), reader.i64().unwrap(), reader.bool().unwrap()), (-7, 1 << 40, true));
        assert_eq!((reader.string().unwrap(), reader.buffer().unwrap()), ("a", &b""[..]));
        assert_eq!(reader.vector(|reader| reader.buffer()).unwrap(), [&b"xy"[..], b""]);
        assert!(reader.is_empty());
    }

    #[test]
    fn bad_lengths_are_errors_that_name_the_record() {
        for (bytes, why) in [
            (&[0, 0][..], "4 bytes needed, 2 left"),
            (&[0, 0, 0, 5, 1], "5 bytes needed, 1 left"),
            (&[0xff, 0xff, 0xff, 0xfe], "a length of -2"),
            (&[0, 0, 0, 1, 0xff], "not UTF-8"),
        ] {
            let error = Reader::new("Test", bytes).string().unwrap_err().to_string();
            assert!(error.starts_with("malformed Test: ") && error.contains(why), "{error}");
        }
        let error = Reader::new("Test", &[0x7f, 0, 0, 0, 0]).vector(|reader| reader.bool()).unwrap_err();
        assert!(error.to_string().contains("elements in 1 bytes"), "{error}");
    }
}
