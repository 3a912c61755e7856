//! Replaces `tls/` in a build without the feature `tls`: types without values, and an error that names the feature.

use std::io::{self, IoSlice};
use std::task::{self, Poll};
use std::time::Duration;

use bytes::BytesMut;

use super::stream::Stream;
use crate::endpoint::Address;
use crate::error::{Error, ErrorKind};
use crate::limits::Limits;
use crate::tls::{TlsClient, TlsServer};

/// No value exists without the feature.
#[derive(Debug)]
pub(crate) enum TlsReader {}

/// No value exists without the feature.
#[derive(Debug)]
pub(crate) enum TlsWriter {}

/// No value exists without the feature.
pub(crate) enum Acceptor {}

/// No value exists without the feature.
pub(crate) enum Connector {}

/// The result of waiting for a handshake on an accepted connection.
#[expect(dead_code, reason = "there is no acceptor that would say so")]
pub(crate) enum HandshakeOutcome {
    Tls(Stream),
    Plain(Stream),
    Gone,
}

pub(crate) fn is_refusal(_error: &io::Error) -> bool {
    false
}

fn off() -> Error {
    Error::new(ErrorKind::Config, "TLS: this program was built without the feature `tls` of mprpc")
}

impl Acceptor {
    pub(crate) fn new(_settings: &TlsServer, _limits: &Limits) -> Result<Acceptor, Error> {
        Err(off())
    }

    pub(crate) async fn accept(&self, _stream: Stream) -> io::Result<HandshakeOutcome> {
        match *self {}
    }
}

impl Connector {
    pub(crate) fn new(_settings: &TlsClient, _limits: &Limits) -> Result<Connector, Error> {
        Err(off())
    }

    #[cfg(feature = "zookeeper")]
    pub(crate) fn without_protocols(_settings: &TlsClient, _limits: &Limits) -> Result<Connector, Error> {
        Err(off())
    }

    pub(crate) async fn connect(&self, _stream: Stream, _address: &Address, _within: Duration) -> io::Result<Stream> {
        match *self {}
    }
}

impl TlsReader {
    pub(crate) fn poll_read(&mut self, _cx: &mut task::Context<'_>, _buffer: &mut BytesMut) -> Poll<io::Result<usize>> {
        match *self {}
    }
}

impl TlsWriter {
    pub(crate) fn try_write(&self, _bytes: &[u8]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn try_write_vectored(&self, _slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match *self {}
    }

    pub(crate) fn poll_write_ready(&self, _cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    pub(crate) fn poll_finish(&self, _cx: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        match *self {}
    }

    pub(crate) fn probe_peer(&self, _interval: Duration, _timeout: Duration, _write_timeout: Duration) {
        match *self {}
    }

    pub(crate) fn finish(&self) {
        match *self {}
    }

    pub(crate) fn shutdown(&self) {
        match *self {}
    }
}
