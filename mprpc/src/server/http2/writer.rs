//! Writes a response in a dialect of the web as HTTP/2 frames.

use bytes::Bytes;

use super::Exchange;
use crate::net::SendBuffer;
use crate::protocol::http2::Connection;
use crate::server::web::{Field, ResponseWriter};

/// Writes one response.
pub(super) struct Writer<'a> {
    pub(super) id: u32,
    pub(super) output: &'a mut SendBuffer,
    pub(super) connection: &'a mut Connection<Exchange>,
}

impl ResponseWriter for Writer<'_> {
    fn head(&mut self, status: u16, fields: &[Field<'_>], length: Option<u64>) {
        self.connection.send_head(self.id, self.output, |_, out| {
            match status {
                200 => out.status_ok(),
                status => out.field(b":status", status.to_string().as_bytes()),
            }
            for (name, value) in fields {
                match &**name {
                    "content-type" => out.field(name.as_bytes(), value),
                    _ => out.field_once(name.as_bytes(), value),
                }
            }
            if let Some(length) = length.filter(|_| !matches!(status, 204 | 304)) {
                out.field_once(b"content-length", length.to_string().as_bytes());
            }
        });
    }

    fn data(&mut self, prefix: &[u8], payload: Bytes, is_end: bool) {
        self.connection.send_data(self.id, prefix, payload, is_end, self.output);
    }

    fn end(&mut self) {
        self.connection.send_end(self.id, self.output);
    }
}
