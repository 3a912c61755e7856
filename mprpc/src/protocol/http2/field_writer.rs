//! Writes the fields of a head or of trailers, in HPACK.

use bytes::{Bytes, BytesMut};

use super::hpack::{Encoder, Indexing, Remembered, RememberedPart, StaticField};

/// Writes the fields of a head or of trailers.
pub(crate) struct FieldWriter<'a>(Fields<'a>);

enum Fields<'a> {
    Encoded(&'a mut Encoder, &'a mut BytesMut),
    /// The trailers have to wait. They are encoded when they are sent.
    Listed(&'a mut Vec<(Bytes, Bytes)>),
}

impl<'a> FieldWriter<'a> {
    /// Writes the fields at once.
    #[inline]
    pub(crate) fn encoding(encoder: &'a mut Encoder, out: &'a mut BytesMut) -> FieldWriter<'a> {
        FieldWriter(Fields::Encoded(encoder, out))
    }

    /// Collects the fields, for trailers that have to wait.
    pub(super) fn listing(list: &'a mut Vec<(Bytes, Bytes)>) -> FieldWriter<'a> {
        FieldWriter(Fields::Listed(list))
    }
}

impl FieldWriter<'_> {
    /// The method and the scheme of a gRPC request.
    #[inline]
    pub(crate) fn post(&mut self, is_secure: bool) {
        let scheme = if is_secure { StaticField::SCHEME_HTTPS } else { StaticField::SCHEME_HTTP };
        if let Fields::Encoded(encoder, out) = &mut self.0 {
            encoder.encode_static(out, StaticField::METHOD_POST);
            encoder.encode_static(out, scheme);
        }
    }

    /// A field that is sent in most blocks, with another value each time. `slot` remembers its name.
    #[inline]
    pub(crate) fn remembered_name(&mut self, slot: &mut Remembered, name: &[u8], value: &[u8]) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode_remembered_name(out, slot, name, value),
            Fields::Listed(list) => push(list, name, value),
        }
    }

    /// Fields that are sent often together. `part` remembers how they were encoded; `write` writes the same fields each time,
    /// unless `part` was renewed.
    #[inline]
    pub(crate) fn remembered_part(&mut self, part: &mut RememberedPart, write: impl FnOnce(&mut FieldWriter<'_>)) {
        let Fields::Encoded(encoder, out) = &mut self.0 else { return write(self) };
        if encoder.repeat(out, part) {
            return;
        }
        let (version, start) = (encoder.version(), out.len());
        write(&mut FieldWriter::encoding(encoder, out));
        encoder.remember(part, &out[start..], version);
    }

    /// The status 200 of a response.
    #[inline]
    pub(crate) fn status_ok(&mut self) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode_static(out, StaticField::STATUS_200),
            Fields::Listed(list) => list.push((Bytes::from_static(b":status"), Bytes::from_static(b"200"))),
        }
    }

    /// A field that is likely to come again.
    pub(crate) fn field(&mut self, name: &[u8], value: &[u8]) {
        self.write(name, value, Indexing::Add);
    }

    /// A field whose value is likely to be another one next time.
    pub(crate) fn field_once(&mut self, name: &[u8], value: &[u8]) {
        self.write(name, value, Indexing::Without);
    }

    fn write(&mut self, name: &[u8], value: &[u8], indexing: Indexing) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode(out, name, value, indexing),
            Fields::Listed(list) => push(list, name, value),
        }
    }

    /// A field that is sent in most blocks. `slot` remembers where it stands in the table.
    #[inline]
    pub(crate) fn remembered(&mut self, slot: &mut Remembered, name: &[u8], value: &[u8]) {
        match &mut self.0 {
            Fields::Encoded(encoder, out) => encoder.encode_remembered(out, slot, name, value),
            Fields::Listed(list) => push(list, name, value),
        }
    }
}

fn push(list: &mut Vec<(Bytes, Bytes)>, name: &[u8], value: &[u8]) {
    list.push((Bytes::copy_from_slice(name), Bytes::copy_from_slice(value)));
}
