//! Access to the parts of a call, for the benchmarks that count and time them. It is not for users: it needs the feature
//! `bench` and promises no stability.

use std::future::{poll_fn, ready};
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::sync::watch;

use crate::client::{Channel, ChannelOptions, Connect, Multiplexed, Request, Stub};
use crate::context::Context;
use crate::deadline::Deadline;
use crate::discovery::ListResolver;
use crate::endpoint::{Address, Endpoint};
use crate::error::Error;
use crate::limits::Limits;
use crate::metadata::Metadata;
use crate::method::MethodDescriptor;
use crate::net::memory::PIPE_BYTES;
use crate::net::{Reader, Stream, Writer, clock};
use crate::protocol::native::{self, Decoded, Decoder, Header, PREFACE, Settings, flag, kind};
use crate::server::{Server, Shared, serve_stream};
use crate::service::Body;
use crate::status::Status;

/// One end of a connection in memory, driven by hand.
pub struct Peer {
    reader: Reader,
    writer: Writer,
    decoder: Decoder,
    input: BytesMut,
}

impl Peer {
    fn new(stream: Stream) -> Peer {
        let decoder = Decoder::of(&Limits::default());
        Peer { reader: stream.reader, writer: stream.writer, decoder, input: BytesMut::new() }
    }

    /// Writes all of `bytes`, or fails.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        match self.writer.try_write(bytes)? {
            written if written == bytes.len() => Ok(()),
            _ => Err(io::ErrorKind::WriteZero.into()),
        }
    }

    /// Reads once, and calls `frame` with the id and the body of every complete REQUEST and RESPONSE.
    pub async fn read(&mut self, mut frame: impl FnMut(u32, &[u8])) -> io::Result<()> {
        if poll_fn(|cx| self.reader.poll_read(cx, &mut self.input)).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.input.starts_with(&PREFACE) {
            let _ = self.input.split_to(PREFACE.len());
        }
        while let Decoded::Frame(header, body) = self.decoder.decode(&mut self.input) {
            if matches!(header.kind, kind::REQUEST | kind::RESPONSE) {
                frame(header.id, &body);
            }
        }
        Ok(())
    }
}

/// Encodes the greeting with which either side begins.
pub fn greeting(out: &mut BytesMut) {
    out.extend_from_slice(&PREFACE);
    Settings::of(&Limits::default()).encode(out);
}

/// Encodes a METHOD frame, which gives `method` this number.
pub fn method(out: &mut BytesMut, number: u16, method: &MethodDescriptor) {
    let header = Header { kind: kind::METHOD, word: number, ..Header::default() };
    native::encode_frame(out, header, method.path.as_bytes());
}

/// Encodes a unary REQUEST of the method with this number, with a timeout of five seconds.
pub fn request(out: &mut BytesMut, method: u16, id: u32, message: &[u8]) {
    let header =
        Header { kind: kind::REQUEST, flags: flag::END, word: method, id, value: 5_000_000, ..Header::default() };
    native::encode_head(out, header, &[], message.len());
    out.extend_from_slice(message);
}

/// Encodes the RESPONSE to the request `id`.
pub fn response(out: &mut BytesMut, id: u32, message: &[u8]) {
    let header = Header { kind: kind::RESPONSE, flags: flag::END, id, value: 1, ..Header::default() };
    native::encode_head(out, header, &[], message.len());
    out.extend_from_slice(message);
}

/// Decodes frames to messages.
pub struct Frames(Decoder);

impl Default for Frames {
    fn default() -> Frames {
        Frames(Decoder::of(&Limits::default()))
    }
}

impl Frames {
    /// Returns the message of the next frame, if the frame is complete.
    pub fn next(&mut self, input: &mut BytesMut) -> Option<Bytes> {
        match self.0.decode(input) {
            Decoded::Frame(header, body) => native::split_body(header, body).map(|(_, message)| message),
            Decoded::NeedMore(_) | Decoded::TooLong(_) => None,
        }
    }
}

/// A server without sockets.
pub struct Serving(Arc<Shared>);

impl Serving {
    /// Prepares the services of `server`.
    pub fn new(mut server: Server) -> Result<Serving, Error> {
        server.share().map(Serving)
    }

    /// Serves a connection on the current runtime, and returns the caller's end of it.
    pub fn connect(&self) -> Peer {
        let (near, far) = Stream::pair(Address::Memory("bench".to_owned()), PIPE_BYTES);
        tokio::spawn(serve_stream(far, self.0.clone()));
        Peer::new(near)
    }
}

/// Creates a channel, and a receiver of the server's end of each of its connections, which the benchmark serves by hand.
pub fn channel() -> (Channel, UnboundedReceiver<Peer>) {
    let (connected, peers) = unbounded_channel();
    let connect: Connect = Arc::new(move |address| {
        let (near, far) = Stream::pair(address, PIPE_BYTES);
        // If nobody serves the peer, the connection closes, as anywhere.
        let _ = connected.send(Peer::new(far));
        Box::pin(ready(Ok(near)))
    });
    let resolver = ListResolver::new(vec![Endpoint::new(Address::Memory("bench".to_owned()))]);
    (Channel::over(Arc::new(resolver), ChannelOptions::default(), connect), peers)
}

/// A caller's half of a connection without endpoint selection: the in-flight table and the driver.
pub struct Caller(Multiplexed);

/// A prepared call of [`Caller`], which can be made again and again.
pub struct Calling(Request);

impl Caller {
    /// Opens a connection on the current runtime, and returns the server's end too.
    pub fn open() -> (Caller, Peer) {
        let address = Address::Memory("bench".to_owned());
        let (near, far) = Stream::pair(address.clone(), PIPE_BYTES);
        (Caller(Multiplexed::open(near, &address, &Arc::default(), &Limits::default())), Peer::new(far))
    }

    /// Prepares a call with a timeout of one hour.
    pub fn prepare(method: &'static MethodDescriptor, message: Bytes) -> Calling {
        let deadline = Deadline::after(clock::now(), Duration::from_secs(3600));
        let context = Context::new(method, None, deadline, Metadata::new());
        Calling(Request::new(context, Body::Message(message), deadline, |_| true))
    }

    /// Makes the call.
    pub async fn call(&self, calling: &Calling) -> Result<Body, Status> {
        self.0.call(&calling.0).await
    }
}

/// Picks an endpoint. Returns whether there is one.
pub fn pick(stub: &Stub, method: usize) -> bool {
    stub.picks(method)
}

/// Picks an endpoint as the fast path of a unary call does, with one reading of the clock for all picks.
pub fn picks(stub: &Stub, method: usize, count: u32) -> bool {
    let now = clock::now();
    (0..count).all(|_| std::hint::black_box(stub.picks_at(method, now)))
}

/// A receiver that is notified whenever the endpoints have changed.
pub fn changes(stub: &Stub) -> watch::Receiver<()> {
    stub.changes()
}
