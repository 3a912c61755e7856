//! The TCP system calls that std and tokio have no name for, each with an ordinary substitute off Linux. They take no
//! reactor: a socket here never waits.

use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;

#[cfg(target_os = "linux")]
use rustix::io::Errno;
#[cfg(target_os = "linux")]
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, acceptfrom_with, connect, send, socket_with};

/// Whether sockets that share a port share its connections. Elsewhere one of them gets them all.
pub(super) const LISTENERS_SHARE: bool = cfg!(target_os = "linux");

/// Accepts a socket that does not block, in one system call.
#[cfg(target_os = "linux")]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?;
    let peer = peer.ok_or(io::ErrorKind::AddrNotAvailable)?;
    Ok((socket.into(), SocketAddr::try_from(peer)?))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let (socket, peer) = listener.accept()?;
    socket.set_nonblocking(true)?;
    Ok((socket, peer))
}

/// Begins to connect, with a socket that does not block; whether it is connected already, as it is on the same host.
#[cfg(target_os = "linux")]
pub(super) fn begin_to_connect(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let socket = socket_with(family, SocketType::STREAM, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC, None)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let socket = TcpStream::from(socket);
    let is_connected = socket.peer_addr().is_ok();
    Ok((socket, is_connected))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn begin_to_connect(address: SocketAddr) -> io::Result<(TcpStream, bool)> {
    use socket2::{Domain, Socket, Type};
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // Whatever it says, the socket says once it can be written to.
    let _ = socket.connect(&address.into());
    let socket = TcpStream::from(socket);
    let is_connected = socket.peer_addr().is_ok();
    Ok((socket, is_connected))
}

/// Writes what the socket takes at once of the last bytes before its close: the peer gets them and the end in one segment.
/// Without a close they would wait for 200 ms.
#[cfg(target_os = "linux")]
pub(super) fn write_last(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(socket, bytes, SendFlags::MORE | SendFlags::NOSIGNAL)?)
}

#[cfg(not(target_os = "linux"))]
pub(super) fn write_last(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    socket2::SockRef::from(&socket).send(bytes)
}
