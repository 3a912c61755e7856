//! The client side of the classic protocol: connect, send one request, read one reply up to the end of the stream.

use std::future::poll_fn;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::time::timeout;

use super::options::{ChannelOptions, Connect};
use super::transport::{Request, connect_failed, within};
use crate::endpoint::Address;
use crate::net::{Reader, SendBuffer, Stream, tls};
use crate::protocol::classic;
use crate::status::{Phase, Ran, Status};

/// Minimum buffer space for each read.
const READ_BYTES_MIN: usize = 4 << 10;

/// Makes one call over a new connection.
pub(super) async fn call(
    address: &Address,
    connect: &Connect,
    options: &ChannelOptions,
    request: &Request,
) -> Result<Bytes, Status> {
    let Some(message) = &request.message else {
        let message = "classic servers take one message, and no stream";
        let status = Status::unimplemented(message).with_phase(Phase::Send).with_peer(address);
        return Err(status.with_ran(Ran::No));
    };
    let stream = stage(address, Phase::Connect, request, connect(address.clone())).await?;
    let stream = stream.map_err(|error| connect_failed(address, &error))?;
    let mut output = SendBuffer::default();
    output.push(classic::encode_request(request.short_service(), &request.method().name, message).freeze());
    let sent = stage(address, Phase::Send, request, write_all(stream, &mut output)).await?;
    // The reply has not arrived yet, so the reactor must report when the socket is readable.
    let stream = sent.and_then(Stream::registered);
    let Stream { mut reader, writer, peer: _ } =
        stream.map_err(|error| failed(address, Phase::Send, &error.to_string()))?;
    let reply = stage(address, Phase::Reply, request, read_reply(&mut reader, options, request)).await?;
    writer.close();
    let reply = reply.map_err(|why| match why {
        NoReply::Refused(error) => connect_failed(address, &error),
        NoReply::Failed(why) => failed(address, Phase::Reply, &why),
    })?;
    if reply.is_empty() && !options.classic_empty_reply {
        return Err(failed(address, Phase::Reply, "the server closed without a reply"));
    }
    Ok(reply)
}

/// Runs one stage of a call within the call's deadline.
async fn stage<T>(
    address: &Address,
    phase: Phase,
    request: &Request,
    work: impl Future<Output = T>,
) -> Result<T, Status> {
    within(request.deadline(), work).await.ok_or_else(|| {
        let (message, ran) = match phase {
            Phase::Connect => ("the deadline passed while connecting", Ran::No),
            Phase::Send => ("the deadline passed while sending", Ran::Maybe),
            _ => ("no complete reply within the deadline", Ran::Maybe),
        };
        Status::deadline_exceeded(message).with_phase(phase).with_peer(address).with_ran(ran)
    })
}

fn failed(address: &Address, phase: Phase, why: &str) -> Status {
    Status::unavailable(why.to_owned()).with_phase(phase).with_peer(address).with_ran(Ran::Maybe)
}

/// The reason why no complete reply arrived.
enum NoReply {
    /// The TLS server rejected the client certificate, or its absence. The server has not read the request.
    Refused(io::Error),
    /// Any other failure.
    Failed(String),
}

async fn write_all(mut stream: Stream, output: &mut SendBuffer) -> io::Result<Stream> {
    while !output.is_empty() {
        match output.write_to(&stream.writer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream = stream.for_many_writes()?;
                poll_fn(|cx| stream.writer.poll_write_ready(cx)).await?;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(stream)
}

/// Reads up to the end of the stream, or up to a pause if the channel allows a pause to end a reply.
async fn read_reply(reader: &mut Reader, options: &ChannelOptions, request: &Request) -> Result<Bytes, NoReply> {
    let max = options.limits.message_bytes_max;
    let mut reply = BytesMut::new();
    loop {
        reply.reserve(READ_BYTES_MIN);
        let reading = reader.read_up_to_end(&mut reply);
        let read = if options.classic_reply_pause {
            match timeout(options.limits.classic_reply_pause, reading).await {
                Ok(read) => read,
                Err(_paused) if !reply.is_empty() && (request.is_reply)(&reply) => return Ok(reply.freeze()),
                Err(_paused) => continue,
            }
        } else {
            reading.await
        };
        match read {
            Ok(_) if reply.len() > max => {
                let why = format!("a reply of more than {max} bytes is beyond message_bytes_max {max}");
                return Err(NoReply::Failed(why));
            }
            Ok((_, true)) => return Ok(reply.freeze()),
            Ok((_, false)) => {}
            Err(error) if tls::is_refusal(&error) => return Err(NoReply::Refused(error)),
            Err(error) => return Err(NoReply::Failed(format!("{error} after {} bytes of the reply", reply.len()))),
        }
    }
}
