//! Passes listening sockets from one process to the next, over a Unix socket. It decides neither who may have them nor when.
//!
//! The message is text, with a socket for each of its names:
//!
//! ```text
//! mprpc-handover 1
//! 127.0.0.1:8000
//! unix:/run/mprpc/127.0.0.1-8000.sock
//!
//! ```

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

/// A socket to pass on, and its name: a line of text.
pub(crate) type NamedSocket = (String, OwnedFd);

/// The most sockets that a process passes on: one for each address and loop.
const SOCKETS_MAX: usize = 4096;
/// The longest message, in bytes.
const TEXT_BYTES_MAX: usize = 1 << 20;
const GREETING: &str = "mprpc-handover 1";

/// Splits the text of a message into names. `None` if more of it must come.
fn names(text: &[u8]) -> io::Result<Option<Vec<String>>> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(malformed("a list that is too long"));
    }
    let Some(body) = text.strip_suffix(b"\n\n") else { return Ok(None) };
    let text = std::str::from_utf8(body).map_err(|_| malformed("a list that is no text"))?;
    let mut lines = text.lines().map(str::to_owned);
    if lines.next().as_deref() != Some(GREETING) {
        return Err(malformed("another version of the handover"));
    }
    Ok(Some(lines.collect()))
}

fn malformed(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the peer sent {what}"))
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::{IoSlice, IoSliceMut};
    use std::mem::MaybeUninit;
    use std::os::fd::{AsFd, BorrowedFd};

    use rustix::cmsg_space;
    use rustix::net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
        recvmsg, sendmsg,
    };

    use super::*;

    /// The sockets that go in one system call. Linux takes 253.
    const AT_ONCE: usize = 64;

    /// Sends these sockets. Blocks.
    pub(crate) fn send(stream: &UnixStream, sockets: &[NamedSocket]) -> io::Result<()> {
        send_text(stream, format!("{GREETING}\n"), &[])?;
        for sockets in sockets.chunks(AT_ONCE) {
            let text: String = sockets.iter().map(|(name, _)| format!("{name}\n")).collect();
            let fds: Vec<BorrowedFd<'_>> = sockets.iter().map(|(_, socket)| socket.as_fd()).collect();
            send_text(stream, text, &fds)?;
        }
        send_text(stream, "\n".to_owned(), &[])
    }

    fn send_text(stream: &UnixStream, text: String, fds: &[BorrowedFd<'_>]) -> io::Result<()> {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(AT_ONCE))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut left = text.as_bytes();
        while !left.is_empty() {
            let sent = sendmsg(stream, &[IoSlice::new(left)], &mut control, SendFlags::NOSIGNAL)?;
            left = &left[sent..];
            // The sockets went with the first bytes.
            control.clear();
        }
        Ok(())
    }

    /// Receives all sockets. Blocks.
    pub(crate) fn receive(stream: &UnixStream) -> io::Result<Vec<NamedSocket>> {
        let (mut text, mut sockets) = (Vec::new(), Vec::new());
        let names = loop {
            if let Some(names) = names(&text)? {
                break names;
            }
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(AT_ONCE))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let mut buffer = [0; 4096];
            let flags = RecvFlags::CMSG_CLOEXEC;
            let received = recvmsg(stream, &mut [IoSliceMut::new(&mut buffer)], &mut control, flags)?.bytes;
            for message in control.drain() {
                if let RecvAncillaryMessage::ScmRights(fds) = message {
                    sockets.extend(fds);
                }
            }
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if sockets.len() > SOCKETS_MAX {
                return Err(malformed("too many sockets"));
            }
            text.extend_from_slice(&buffer[..received]);
        };
        if names.len() != sockets.len() {
            return Err(malformed("another number of sockets than of names"));
        }
        Ok(names.into_iter().zip(sockets).collect())
    }
}

#[cfg(target_os = "linux")]
pub(crate) use linux::{receive, send};

#[cfg(not(target_os = "linux"))]
pub(crate) fn send(_: &UnixStream, _: &[NamedSocket]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn receive(_: &UnixStream) -> io::Result<Vec<NamedSocket>> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn sockets_arrive_with_their_names_and_still_listen() {
        let listeners: Vec<TcpListener> = (0..100).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let named = listeners.into_iter().map(|listener| (listener.local_addr().unwrap().to_string(), listener.into()));
        let named: Vec<NamedSocket> = named.collect();
        let (near, far) = UnixStream::pair().unwrap();
        send(&near, &named).unwrap();
        let sent: Vec<String> = named.into_iter().map(|(name, _)| name).collect();
        let received = receive(&far).unwrap();
        assert_eq!(received.iter().map(|(name, _)| name).collect::<Vec<_>>(), sent.iter().collect::<Vec<_>>());
        for (name, socket) in received {
            let listener = TcpListener::from(socket);
            let _caller = TcpStream::connect(&name).unwrap();
            assert_eq!(listener.local_addr().unwrap().to_string(), name);
            listener.accept().unwrap();
        }
    }

    #[test]
    fn other_messages_are_errors_that_say_what_came() {
        for (message, part) in [
            (&b""[..], "end of file"),
            (b"mprpc-handover 1\n", "end of file"),
            (b"mprpc-handover 2\n\n", "another version"),
            (b"mprpc-handover 1\n127.0.0.1:1\n\n", "another number"),
            (b"mprpc-handover 1\n\xff\n\n", "no text"),
        ] {
            let (mut near, far) = UnixStream::pair().unwrap();
            near.write_all(message).unwrap();
            drop(near);
            let error = receive(&far).unwrap_err().to_string();
            assert!(error.contains(part), "{message:?}: {error}");
        }
    }
}
